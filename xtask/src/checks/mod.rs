//! Checks that `cargo xtask test` performs itself, without another tool.

pub mod dependencies;
pub mod documented_commands;
pub mod hygiene;
pub mod licences;
pub mod modules;
pub mod ui_size;

use serde_json::Value;

use crate::sh::{self, Result};

/// Returns `cargo metadata` of the workspace's own packages.
fn metadata() -> Result<Value> {
    let mut command = sh::cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]);
    serde_json::from_str(&sh::output(&mut command)?).map_err(|e| format!("cargo metadata: {e}"))
}

/// Returns the names of the workspace's own packages.
pub fn package_names() -> Result<Vec<String>> {
    let metadata = metadata()?;
    Ok(list(&metadata, "packages").iter().map(|package| text(package, "name").to_owned()).collect())
}

/// Returns a text field of a JSON object; empty if it is missing or null.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Returns an array field of a JSON object; empty if it is missing.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Prints the problems. Returns an error with their number if there are any.
fn report(problems: &[String], what: &str) -> Result {
    if problems.is_empty() {
        return Ok(());
    }
    for problem in problems {
        println!("  {problem}");
    }
    Err(format!("{} {what}", problems.len()))
}
