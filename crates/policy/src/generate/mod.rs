//! The files for administrators, generated from the list of keys. `cargo xtask gen` writes them.

mod android;
mod group_policy;
mod json_schema;
mod mobileconfig;
mod page;

use crate::schema::{KEYS, Key};

/// The keys of the sample files.
const SAMPLE: &[&str] = &[
    "ServerAddress",
    "ServerAddressLocked",
    "UpdateMode",
    "UpdateChannel",
    "ContentQuota",
    "DownloadOnMetered",
    "DemoLibrary",
];

/// The page with the table of all keys, from the root of the repository.
pub const PAGE: &str = "docs/POLICIES.md";

/// Returns all generated files except the page: path from the root of the repository, and contents.
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("packaging/policy/policies.schema.json", json_schema::schema()),
        ("packaging/policy/policies.sample.json", sample()),
        ("packaging/policy/windows/carrel.admx", group_policy::admx()),
        ("packaging/policy/windows/en-US/carrel.adml", group_policy::adml()),
        ("packaging/policy/macos/carrel.mobileconfig", mobileconfig::profile()),
        ("packaging/policy/android/xml/app_restrictions.xml", android::restrictions()),
        ("packaging/policy/android/values/policy_strings.xml", android::strings()),
    ]
}

/// Returns the page with the current list of keys between its markers. `Err` if a marker is missing.
pub fn page(current: &str) -> Result<String, String> {
    page::update(current)
}

/// Returns a policy file with the sample keys.
fn sample() -> String {
    let members: Vec<String> =
        sample_keys().map(|key| format!("  \"{}\": {}", key.name, key.example)).collect();
    format!("{{\n{}\n}}\n", members.join(",\n"))
}

fn sample_keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| SAMPLE.contains(&key.name))
}

/// Returns the example of a key as JSON.
fn example(key: &Key) -> serde_json::Value {
    serde_json::from_str(key.example).unwrap_or_default()
}

/// Returns a text for XML.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
