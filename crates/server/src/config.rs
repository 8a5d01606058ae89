//! What an administrator can set: a TOML file for the school, fields for tests. docs/OPERATIONS.md lists them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    clock::{Clock, SystemClock},
    store::{Engine, sqlite::SqliteEngine},
};

/// The port of a server, unless it is told another one.
pub const DEFAULT_PORT: u16 = 7300;

/// A server's settings. `Config::new` has the defaults.
#[derive(Clone)]
pub struct Config {
    /// Database, blobs and signing key live here.
    pub data_dir: PathBuf,
    /// Port 0 takes any free port.
    pub listen: SocketAddr,
    pub clock: Arc<dyn Clock>,
    /// What keeps the database.
    pub engine: Arc<dyn Engine>,
    pub settings: Settings,
}

impl Config {
    /// Defaults, on a free loopback port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Arc::new(SystemClock),
            engine: Arc::new(SqliteEngine),
            settings: Settings::default(),
        }
    }
}

/// The keys of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The name of the school or library.
    pub name: String,
    /// The address that the start page shows, such as `http://192.168.1.4:7300`. If it is empty, the page shows the `Host` of the request.
    pub address: String,
    /// Anybody who reaches the server may make an account.
    pub registration_open: bool,
    /// The catalogue and its blobs can be read without signing in.
    pub public_catalogue: bool,
    /// A proxy in front speaks TLS: send Strict-Transport-Security.
    pub behind_tls: bool,
    /// Take the client's address from the last `X-Forwarded-For` entry. Only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
    /// Statements slower than this are logged.
    pub slow_query_ms: u64,
    /// A request must have arrived and been answered by then.
    pub request_timeout_s: u64,
    /// Open connections.
    pub max_connections: usize,
    /// Open connections from one address (IPv6: one /64); 0: a quarter of all. Not for loopback, not behind a proxy.
    pub max_connections_per_address: usize,
    /// From accept to a complete head.
    pub head_timeout_s: u64,
    /// From a response to the next request on the same connection.
    pub idle_timeout_s: u64,
    /// Within this, a client must take 8 KiB of a response.
    pub write_timeout_s: u64,
    /// Reading connections to the database; 0 chooses by the number of cores.
    pub readers: usize,
    /// Wrong passwords for one login from one network (an IPv4 address, an IPv6 /64) in 15 minutes. Three times as many are let
    /// through for one login from everywhere, six times as many from one network for all logins.
    pub login_attempts: u32,
    /// `/health` is not ok with less space on the disk.
    pub min_free_disk_mib: u64,
    /// Run the jobs of the server in this process.
    pub run_jobs: bool,
    /// Blobs that no publication has any more are kept for so long: devices may be downloading them.
    pub keep_unused_blobs_hours: u32,
    /// Whether backups are made by themselves.
    pub backup: BackupSchedule,
    /// Where they are put; default: `scheduled-backups` in the data folder. Better on another disk.
    pub backup_dir: Option<PathBuf>,
    /// How many of them are kept.
    pub backups_kept: u32,
    /// The most rows of one learner: new ones beyond it are refused.
    pub max_rows_per_learner: u64,
    /// The most MiB that the rows of one learner take.
    pub max_mib_per_learner: u64,
}

/// When backups are made by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupSchedule {
    Off,
    Daily,
}

impl BackupSchedule {
    pub fn every_ms(self) -> Option<i64> {
        (self == Self::Daily).then_some(24 * 3_600_000)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "Carrel".into(),
            address: String::new(),
            registration_open: false,
            public_catalogue: true,
            behind_tls: false,
            trust_forwarded_for: false,
            slow_query_ms: 100,
            request_timeout_s: 30,
            max_connections: 10_000,
            max_connections_per_address: 0,
            head_timeout_s: 15,
            idle_timeout_s: 60,
            write_timeout_s: 60,
            readers: 0,
            login_attempts: 10,
            min_free_disk_mib: 256,
            run_jobs: true,
            keep_unused_blobs_hours: 7 * 24,
            backup: BackupSchedule::Off,
            backup_dir: None,
            backups_kept: 7,
            max_rows_per_learner: 1_000_000,
            max_mib_per_learner: 512,
        }
    }
}

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read {path:?}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path:?}: {problem}")]
    Parse { path: PathBuf, problem: String },
}

impl Settings {
    /// Reads a TOML file. An unknown key is an error that names the line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        toml::from_str(&text)
            .map_err(|e| ConfigError::Parse { path: path.into(), problem: e.to_string() })
    }
    /// How long a request may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("carrel.toml");
        std::fs::write(&file, "name = \"Rivers School\"\nregistration_opne = false\n").unwrap();
        let error = Settings::read(&file).unwrap_err().to_string();
        assert!(error.contains("registration_opne") && error.contains("line 2"), "{error}");
        std::fs::write(&file, "name = \"Rivers School\"\nregistration_open = true\n").unwrap();
        let read = Settings::read(&file).unwrap();
        assert_eq!((read.name.as_str(), read.registration_open), ("Rivers School", true));
        std::fs::write(&file, "name = \"Rivers School\"\n").unwrap();
        assert!(!Settings::read(&file).unwrap().registration_open);
    }
}
