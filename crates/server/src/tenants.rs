//! Tenants: several schools on one server, each with its own people, courses, signing key and settings.
//!
//! A tenant has a data folder in `tenants` of the server's data folder, with the same files as a server's, and
//! `tenant.toml`. Commands take this folder as `--data`. On SQLite, each folder has a database of its own; on
//! PostgreSQL, tenants share the tables (docs/adr/0033). A request is assigned to a tenant by host name or by the path
//! `/t/NAME` (`http::tenants`).

use std::{
    fs,
    path::{Path, PathBuf},
};

use carrel_mail::MailSettings;
use carrel_oidc::OidcSettings;
use serde::Deserialize;

use crate::{
    config::{Config, Settings},
    data_dir::DataDir,
    database,
    error::{Error, io},
    folders::{MOVED, copy_file, sync_dir, write_synced},
    relocate::{Moved, relocate_with},
};

/// Folder of the tenants in a data folder.
const FOLDER: &str = "tenants";
/// File with the settings of a tenant in its folder.
const SETTINGS: &str = "tenant.toml";
/// Maximum length of a name in bytes.
const MAX_NAME: usize = 40;

/// Settings that a tenant has instead of those of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSettings {
    /// Host names under which the tenant is reached, besides `/t/NAME`.
    pub hosts: Vec<String>,
    /// The tenant is not served. Its data is kept.
    pub disabled: bool,
    /// Name of the school or library.
    pub name: Option<String>,
    pub address: Option<String>,
    pub time_zone: Option<String>,
    pub registration_open: Option<bool>,
    pub public_catalogue: Option<bool>,
    pub max_rows_per_learner: Option<u64>,
    pub max_mib_per_learner: Option<u64>,
    /// Identity provider of the school; that of the server is not used.
    pub oidc: Option<OidcSettings>,
    /// Name of the PostgreSQL database with the rows of the tenant; none: that of the server.
    pub database: Option<String>,
    /// Mail server; by default that of the server, if the tenant has an `address` for the links in messages.
    pub mail: Option<MailSettings>,
}

/// A tenant of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub name: String,
    pub settings: TenantSettings,
}

/// Returns the name of the tenant to which a data folder belongs, or `None` for the folder of a server.
pub fn name_of(data_dir: &Path) -> Option<String> {
    if !data_dir.join(SETTINGS).is_file() {
        return None;
    }
    // A relative path, such as `.`, has no name.
    let folder = data_dir.canonicalize().ok()?;
    Some(folder.file_name()?.to_str()?.to_owned())
}

/// Returns the data folder of the server to which the data folder of a tenant belongs.
pub fn server_folder(tenant_dir: &Path) -> PathBuf {
    tenant_dir.join("..").join("..")
}

/// Reads the settings of the tenant with this data folder.
pub(crate) fn settings_of(data_dir: &Path) -> Result<TenantSettings, Error> {
    let file = data_dir.join(SETTINGS);
    let text = fs::read_to_string(&file).map_err(io("read", &file))?;
    toml::from_str(&text).map_err(|e| Error::Refused(format!("{file:?}: {e}")))
}

/// Lists the tenants of a server by name.
///
/// # Errors
/// If a folder or its settings cannot be read, or two tenants have the same host.
pub fn list(data_dir: &Path) -> Result<Vec<Tenant>, Error> {
    let folder = data_dir.join(FOLDER);
    let found = match fs::read_dir(&folder) {
        Ok(found) => found,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io("read", &folder)(e)),
    };
    let mut tenants = Vec::new();
    for entry in found {
        let entry = entry.map_err(io("read", &folder))?;
        let file = entry.path().join(SETTINGS);
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if check_name(&name).is_err() || !file.is_file() {
            continue;
        }
        tenants.push(Tenant { name, settings: settings_of(&entry.path())? });
    }
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hosts: Vec<(String, &str)> = Vec::new();
    for tenant in &tenants {
        for host in tenant.settings.hosts.iter().map(|host| normalized_host(host)) {
            if let Some((_, other)) = hosts.iter().find(|(known, _)| *known == host) {
                return Err(Error::Refused(format!(
                    "the tenants {other:?} and {:?} have the same host {host:?}; hint: change {SETTINGS} of one",
                    tenant.name
                )));
            }
            hosts.push((host, &tenant.name));
        }
    }
    Ok(tenants)
}

/// Creates a tenant: its folder with settings, database and signing key. Running servers serve it within seconds. The
/// settings are written last, because a folder without them is no tenant for a running server.
///
/// # Errors
/// `Refused` if the name or a host is not valid or taken.
pub fn add(
    server: &Config,
    name: &str,
    hosts: &[String],
    title: Option<&str>,
    database: Option<&str>,
) -> Result<PathBuf, Error> {
    check_name(name)?;
    for host in hosts {
        check_host(host)?;
    }
    let folder = server.data_dir.join(FOLDER).join(name);
    if folder.join(SETTINGS).exists() {
        return Err(Error::Refused(format!("the tenant {name:?} already exists")));
    }
    let known = list(&server.data_dir)?;
    for host in hosts.iter().map(|host| normalized_host(host)) {
        let has_host = |t: &&Tenant| t.settings.hosts.iter().any(|h| normalized_host(h) == host);
        if let Some(other) = known.iter().find(has_host) {
            return Err(Error::Refused(format!(
                "the host {host:?} is that of the tenant {:?}",
                other.name
            )));
        }
    }
    database::engine_of(server, name, database)?;
    let mut table = toml::Table::new();
    if let Some(database) = database {
        table.insert("database".to_owned(), database.into());
    }
    table.insert("name".to_owned(), title.unwrap_or(name).into());
    table.insert(
        "hosts".to_owned(),
        hosts.iter().map(|host| normalized_host(host)).collect::<Vec<_>>().into(),
    );
    fs::create_dir_all(&folder).map_err(io("create", &folder))?;
    let settings = TenantSettings {
        name: title.map(str::to_owned),
        database: database.map(str::to_owned),
        ..TenantSettings::default()
    };
    drop(DataDir::open(config_of(server, &Tenant { name: name.to_owned(), settings })?)?);
    replace_settings(&folder, &table)?;
    Ok(folder)
}

/// Sets whether running servers serve a tenant.
///
/// # Errors
/// `Refused` if there is no such tenant.
pub fn set_disabled(server: &Config, name: &str, disabled: bool) -> Result<(), Error> {
    check_name(name)?;
    let folder = server.data_dir.join(FOLDER).join(name);
    let file = folder.join(SETTINGS);
    let text = match fs::read_to_string(&file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Refused(format!("there is no tenant {name:?}")));
        }
        text => text.map_err(io("read", &file))?,
    };
    // Line by line, so that comments are kept. The key comes before the first table.
    let is_key =
        |line: &&str| line.split_once('=').is_some_and(|(key, _)| key.trim() == "disabled");
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_key(line)).collect();
    if disabled {
        lines.insert(0, "disabled = true");
    }
    toml::from_str::<TenantSettings>(&lines.join("\n"))
        .map_err(|e| Error::Refused(format!("{file:?}: {e}")))?;
    replace_settings(&folder, &lines.join("\n"))
}

/// Writes the settings of a tenant so that a server never reads a part of them.
fn replace_settings(folder: &Path, text: &dyn std::fmt::Display) -> Result<(), Error> {
    let part = folder.join(format!("{SETTINGS}.part"));
    write_synced(&part, &format!("{}\n", text.to_string().trim_end()))?;
    fs::rename(&part, folder.join(SETTINGS)).map_err(io("rename", &part))?;
    sync_dir(folder)
}

/// Moves the data of a tenant to the database with this name, or to that of the server. The old folder is kept beside
/// the new one, and the old rows in their database.
///
/// # Errors
/// As `relocate`. `Refused` if there is no such tenant, or it is in this database.
pub fn move_to(
    server: &Config,
    name: &str,
    database: Option<&str>,
    replace: bool,
) -> Result<Moved, Error> {
    let tenant = list(&server.data_dir)?.into_iter().find(|tenant| tenant.name == name);
    let tenant = tenant.ok_or_else(|| Error::Refused(format!("there is no tenant {name:?}")))?;
    if tenant.settings.database.as_deref() == database {
        return Err(Error::Refused(format!("the tenant {name:?} is in this database already")));
    }
    let from = config_of(server, &tenant)?;
    let folder = |prefix: &str| server.data_dir.join(FOLDER).join(format!(".{prefix}-{name}"));
    let new = folder("moving");
    let engine = database::engine_of(server, name, database)?;
    let to = Config { engine, data_dir: new.clone(), ..from.clone() };
    fs::create_dir_all(&new).map_err(io("create", &new))?;
    copy_file(&from.data_dir.join(SETTINGS), &new.join(SETTINGS))?;
    set_database(&new, database)?;
    let moved = relocate_with(&from, &to, replace)?;
    write_synced(&from.data_dir.join(MOVED), &from.data_dir.display().to_string())?;
    let kept = folder(&format!("moved-{}", server.clock.now_ms()));
    fs::rename(&from.data_dir, &kept).map_err(io("rename", &from.data_dir))?;
    fs::rename(&new, &from.data_dir).map_err(io("rename", &new))?;
    Ok(moved)
}

/// Writes the name of the database into the settings of a tenant; their other lines stay as they are.
pub(crate) fn set_database(data_dir: &Path, database: Option<&str>) -> Result<(), Error> {
    let file = data_dir.join(SETTINGS);
    let text = fs::read_to_string(&file).map_err(io("read", &file))?;
    // The keys before the first table are those of the tenant.
    let tables =
        text.lines().position(|line| line.trim_start().starts_with('[')).unwrap_or(usize::MAX);
    let is_old = |line: &str| line.split('=').next().is_some_and(|key| key.trim() == "database");
    let mut lines: Vec<String> =
        database.map(|name| format!("database = {name:?}")).into_iter().collect();
    let others = text.lines().enumerate().filter(|(n, line)| *n >= tables || !is_old(line));
    lines.extend(others.map(|(_, line)| line.to_owned()));
    write_synced(&file, &(lines.join("\n") + "\n"))
}

/// Returns the configuration of a tenant of a server.
///
/// # Errors
/// If the database of the tenant is not known.
pub fn config_of(server: &Config, tenant: &Tenant) -> Result<Config, Error> {
    let (base, own) = (server.settings.clone(), tenant.settings.clone());
    let own_folder = |dir: &PathBuf| dir.join(FOLDER).join(&tenant.name);
    let backup_dir = base.backup_dir.as_ref().map(own_folder);
    let erasure_dir = base.erasure_dir.as_ref().map(own_folder);
    Ok(Config {
        data_dir: server.data_dir.join(FOLDER).join(&tenant.name),
        engine: database::engine_of(server, &tenant.name, own.database.as_deref())?,
        settings: Settings {
            name: own.name.unwrap_or_else(|| tenant.name.clone()),
            mail: own.mail.or(base.mail.filter(|_| own.address.is_some())),
            address: own.address.unwrap_or_default(),
            time_zone: own.time_zone.unwrap_or(base.time_zone),
            registration_open: own.registration_open.unwrap_or(base.registration_open),
            public_catalogue: own.public_catalogue.unwrap_or(base.public_catalogue),
            max_rows_per_learner: own.max_rows_per_learner.unwrap_or(base.max_rows_per_learner),
            max_mib_per_learner: own.max_mib_per_learner.unwrap_or(base.max_mib_per_learner),
            oidc: own.oidc,
            backup_dir,
            erasure_dir,
            ..base
        },
        ..server.clone()
    })
}

/// Copies the settings of a tenant to the folder to which it is moved. Does nothing for a server.
pub fn copy_settings(from: &Path, into: &Path) -> Result<(), Error> {
    if name_of(from).is_none() || into.join(SETTINGS).exists() {
        return Ok(());
    }
    fs::create_dir_all(into).map_err(io("create", into))?;
    copy_file(&from.join(SETTINGS), &into.join(SETTINGS))
}

fn check_name(name: &str) -> Result<(), Error> {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_valid = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_valid {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{name:?} cannot be the name of a tenant; hint: use up to {MAX_NAME} letters a to z, digits and hyphens"
    )))
}

fn check_host(host: &str) -> Result<(), Error> {
    let is_allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '[' | ']' | ':');
    if !host.is_empty() && host.chars().all(is_allowed) && !host.contains("://") {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{host:?} is not a host name; hint: write it without scheme and path, such as rivers.school.example"
    )))
}

/// Returns a host name for comparisons: in lower case, without port and a dot at the end.
pub fn normalized_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let end_of_address = host.rfind(']').map_or(0, |end| end + 1);
    let end = host[end_of_address..].find(':').map_or(host.len(), |colon| end_of_address + colon);
    host[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths_and_folders() {
        for name in ["rivers", "school-7", "a", "0"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["", "..", ".", "a/b", "a\\b", "Rivers", "-a", "a-", "é", "a b", "a.b", &long]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_database_is_set_among_the_other_settings() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(SETTINGS);
        let old = "# Rivers School\nhosts = [\"a.example\"]\n\n[mail]\nhost = \"b\"\nsender = \"A <a@b>\"\n";
        std::fs::write(&file, old).unwrap();
        for database in [Some("south"), Some("north-2"), None] {
            set_database(dir.path(), database).unwrap();
            let settings = settings_of(dir.path()).unwrap();
            assert_eq!(settings.database.as_deref(), database);
            assert_eq!((&*settings.hosts[0], settings.mail.is_some()), ("a.example", true));
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), old);
    }

    #[test]
    fn hosts_are_compared_without_case_and_port() {
        for (host, expected) in [
            ("Rivers.Example:7300", "rivers.example"),
            ("rivers.example.", "rivers.example"),
            ("[2001:DB8::1]:7300", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(normalized_host(host), expected, "{host}");
        }
        for host in ["", "https://a.example", "a.example/x", "a b"] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }
}
