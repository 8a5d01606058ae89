//! What support needs to know about the accounts of this device: the input of `carrel doctor`, and the contents of a
//! support bundle.
//!
//! Reads files only, so that it works without an open client.
//!
//! Not here: the checks themselves, the redaction (`carrel_diagnostics`).

mod contents;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_content::storage::ContentLocation;
use carrel_diagnostics::{
    doctor::{DatabaseFile, Environment, Keychain, SystemFacts},
    redact::Redactor,
};
use carrel_net::Http;
use carrel_system::{Clock, Disk, SystemDisk};
pub use contents::{SupportInput, support_bundle};
use serde_json::Value;

use crate::account::{Keychain as SystemKeychain, ProbeResult};

/// Folders of an installation.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Accounts and learning records.
    pub data_dir: PathBuf,
    /// Content.
    pub cache_dir: PathBuf,
}

/// Returns what `carrel doctor` checks. Blocks.
pub fn environment(
    folders: &Folders,
    version: &str,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    system: SystemFacts,
) -> Environment {
    let Folders { data_dir, cache_dir } = folders;
    let accounts = subfolders(&data_dir.join("accounts"));
    let content_dir =
        ContentLocation::new(data_dir.join("content.json"), cache_dir.clone()).current();
    let file = |name: &str, path: PathBuf, migrations: usize| DatabaseFile {
        name: name.to_owned(),
        path,
        schema: u32::try_from(migrations).unwrap_or(u32::MAX),
    };
    let mut databases = vec![file(
        "content.db",
        content_dir.join("content.db"),
        carrel_content::storage::MIGRATIONS.len(),
    )];
    for account in &accounts {
        let user = carrel_learning::store::MIGRATIONS.len();
        databases.push(file("user.db", account.join("user.db"), user));
    }
    for account in subfolders(&cache_dir.join("accounts")) {
        let cache = carrel_http_cache::MIGRATIONS.len();
        databases.push(file("cache.db", account.join("cache.db"), cache));
    }
    Environment {
        version: version.to_owned(),
        data_dir: data_dir.clone(),
        content_dir,
        machine_folder: None,
        databases,
        locks: accounts.iter().map(|dir| dir.join("user.lock")).collect(),
        is_running: false,
        json_files: vec![data_dir.join("accounts.json"), data_dir.join("content.json")],
        server: server(data_dir),
        http,
        clock,
        disk: Arc::new(SystemDisk) as Arc<dyn Disk>,
        system,
    }
}

/// Probes the keychain. Blocks for at most a few seconds.
pub fn keychain() -> Keychain {
    match SystemKeychain::probe() {
        ProbeResult::Works(_) => Keychain::Works,
        ProbeResult::Absent => Keychain::Absent,
        ProbeResult::Unavailable(e) => Keychain::Unavailable(e.to_string()),
    }
}

/// Registers what identifies the learners of this device: names, logins, ids and certificates of all accounts, and the
/// name of the device. Blocks.
pub fn register_private(data_dir: &Path, redactor: &Redactor) {
    let mut lists = vec![data_dir.join("accounts.json")];
    lists.extend(subfolders(&data_dir.join("accounts")).iter().map(|dir| dir.join("account.json")));
    for value in lists.iter().filter_map(|file| read_json(file)) {
        register_in(&value, redactor);
    }
}

/// Names of members whose texts are private, at any depth.
const PRIVATE: &[&str] = &["login", "name", "certificate", "token", "refresh", "access"];

fn register_in(value: &Value, redactor: &Redactor) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str() {
                    Some(text) if PRIVATE.contains(&key.as_str()) => redactor.add_person(text),
                    _ => register_in(member, redactor),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| register_in(item, redactor)),
        _ => {}
    }
}

/// Returns the address of the open account's server, else of any account's.
fn server(data_dir: &Path) -> Option<String> {
    let list = read_json(&data_dir.join("accounts.json"))?;
    let accounts = list["accounts"].as_array()?;
    let is_active = |account: &&Value| account["id"].is_string() && account["id"] == list["active"];
    let active = accounts.iter().find(is_active).and_then(|account| account["server"].as_str());
    let any = || accounts.iter().find_map(|account| account["server"].as_str());
    active.or_else(any).map(str::to_owned)
}

fn read_json(file: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn subfolders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect();
    folders.sort();
    folders
}
