//! `gen`: generates the TypeScript types and client in ui/src/api from the command registry, and the files for
//! administrators in packaging/policy and docs/POLICIES.md from the list of policy keys, and the list of packages for the
//! app's licences page.
//!
//! The output is defined in crates/commands/examples/gen.rs and crates/policy/examples/policy_files.rs.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use crate::{
    programs,
    sh::{self, Result},
    third_party,
};

const API: &str = "ui/src/api";

/// Everything that is generated.
const OUTPUTS: &[&str] = &[API, "packaging/policy", "docs/POLICIES.md", third_party::LIST];

pub fn run(args: &[String]) -> Result {
    programs::build_tests()?;
    if args.iter().any(|arg| arg == "--check") { check() } else { generate() }
}

/// Path of the generator of the commands, if it is built.
pub fn generator() -> Option<PathBuf> {
    example("gen")
}

fn example(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    Some(sh::target().join("debug/examples").join(name)).filter(|path| path.is_file())
}

fn generate() -> Result {
    let commands =
        generator().ok_or("the generator is not built: crates/commands/examples/gen.rs")?;
    sh::run(Command::new(commands).arg(sh::root().join(API)))?;
    let policies = example("policy_files")
        .ok_or("the generator is not built: crates/policy/examples/policy_files.rs")?;
    sh::run(Command::new(policies).arg(sh::root()))?;
    third_party::write_list()
}

/// Generates the files and returns an error if any of them changed.
pub fn check() -> Result {
    let before = contents();
    generate()?;
    let after = contents();
    let changed: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "generated files were not up to date: {}\nhint: the files were regenerated; commit them",
        changed.join(", ")
    ))
}

/// Returns the generated files with their contents.
fn contents() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut pending: Vec<PathBuf> = OUTPUTS.iter().map(|path| sh::root().join(path)).collect();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        } else if let Ok(bytes) = fs::read(&path) {
            out.insert(path, bytes);
        }
    }
    out
}
