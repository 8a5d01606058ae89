//! Server configuration: the settings of a TOML file (docs/OPERATIONS.md lists the keys), and values set by the command
//! line and by tests.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use carrel_analytics::Zone;
use carrel_mail::{MailError, MailSettings, Mailer};
use carrel_monitoring::{AlertSettings, AlertState, Metrics};
use carrel_object_store::ObjectStoreSettings;
use carrel_oidc::OidcSettings;
use serde::Deserialize;

use crate::{
    clock::{Clock, SystemClock},
    database::Databases,
    store::{Engine, sqlite::SqliteEngine},
};

/// Default port of a server.
pub const DEFAULT_PORT: u16 = 7300;

/// Configuration of a server. `Config::new` sets the defaults.
#[derive(Clone)]
pub struct Config {
    /// Folder with database, blobs and signing key.
    pub data_dir: PathBuf,
    /// Port 0 selects any free port.
    pub listen: SocketAddr,
    pub clock: Arc<dyn Clock>,
    /// The database engine.
    pub engine: Arc<dyn Engine>,
    /// The databases that tenants name; clones share them.
    pub databases: Arc<Databases>,
    pub settings: Settings,
    /// The metrics of this process, which its tenants share.
    pub metrics: Arc<Metrics>,
    /// The present alerts of this process.
    pub alerts: Arc<AlertState>,
}

impl Config {
    /// Returns the default configuration, which listens on any free loopback port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Arc::new(SystemClock),
            engine: Arc::new(SqliteEngine),
            databases: Arc::default(),
            settings: Settings::default(),
            metrics: Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))),
            alerts: Arc::default(),
        }
    }
}

/// Keys of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name of the school or library.
    pub name: String,
    /// Address shown on the start page, such as `http://192.168.1.4:7300`. If empty, the page shows the `Host` of the
    /// request.
    pub address: String,
    /// IANA name of the time zone of the school, such as `Africa/Cairo`, in which reports count days.
    pub time_zone: String,
    /// Allows anyone who can reach the server to register an account.
    pub registration_open: bool,
    /// Allows reading the catalogue and its blobs without a sign-in.
    pub public_catalogue: bool,
    /// Set if a proxy in front of the server terminates TLS. Replies then contain Strict-Transport-Security, and the
    /// start page shows an `https` address.
    pub behind_tls: bool,
    /// File with the server's certificate chain (PEM). The server then speaks HTTPS itself; a changed file is read within
    /// a minute.
    pub tls_certificate: Option<PathBuf>,
    /// File with the private key of the certificate (PEM).
    pub tls_key: Option<PathBuf>,
    /// Takes the client's address from the last `X-Forwarded-For` entry. Use only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
    /// A transaction that takes at least this time is logged.
    pub slow_query_ms: u64,
    /// Time limit for reading a request's body and creating the reply, without sending it.
    pub request_timeout_s: u64,
    /// Maximum number of requests of complete syncs that run at the same time in this process: pulls from the beginning
    /// and large pushes. Four times as many wait; further ones get 503 and `Retry-After`.
    pub complete_syncs: usize,
    /// Maximum number of open connections.
    pub max_connections: usize,
    /// Maximum number of open connections per address (IPv6: per /64); 0: a quarter of the total limit. Not applied to
    /// loopback addresses or with `trust_forwarded_for`.
    pub max_connections_per_address: usize,
    /// Maximum time from accept to a complete request head.
    pub head_timeout_s: u64,
    /// Maximum time from a response to the next request on the same connection.
    pub idle_timeout_s: u64,
    /// Maximum time that a client may take to read 8 KiB of a response.
    pub write_timeout_s: u64,
    /// Number of read connections to a SQLite database; 0: chosen from the number of cores.
    pub readers: usize,
    /// PostgreSQL: connections kept open.
    pub database_pool_min: usize,
    /// PostgreSQL: maximum number of connections of this process.
    pub database_pool_max: usize,
    /// PostgreSQL: maximum time for which a transaction waits for a connection.
    pub database_acquire_s: u64,
    /// PostgreSQL: time after which an unused connection is closed.
    pub database_idle_s: u64,
    /// PostgreSQL: maximum duration of a statement.
    pub database_statement_s: u64,
    /// PostgreSQL: maximum time for which a statement waits for a lock.
    pub database_lock_s: u64,
    /// PostgreSQL: maximum time for opening a connection.
    pub database_connect_s: u64,
    /// PostgreSQL: URLs of hot standbys, from which catalogue, search and reports are read.
    pub database_replicas: Vec<String>,
    /// PostgreSQL: a replica that lacks changes older than this is not used.
    pub database_replica_max_lag_ms: u64,
    /// PostgreSQL: how the processes of a database learn of each other's changes.
    pub events: EventDelivery,
    /// PostgreSQL: file with the certificates of trusted authorities (PEM); none: those of the system.
    pub database_ca: Option<PathBuf>,
    /// Wrong passwords allowed per login and network (an IPv4 address or IPv6 /64) in 15 minutes. The limit is three
    /// times this number per login across all networks, and six times this number per network across all logins.
    pub login_attempts: u32,
    /// Redis or Valkey in which several processes count failed sign-ins, registrations, codes and uploads, and keep
    /// replies; none: they count in the database, if it is shared.
    pub redis_url: Option<String>,
    /// Memory of this process for replies that may be sent again, in MiB; 0: none are kept.
    pub cache_mib: u64,
    /// Limits the requests of each learner, and of each network without a sign-in (docs/API.md, Limits).
    pub route_limits: bool,
    /// `/health` reports an error if the disk has less free space than this.
    pub min_free_disk_mib: u64,
    /// Runs background jobs in this process.
    pub run_jobs: bool,
    /// Time for which blobs without a publication are kept, since devices may still be downloading them.
    pub keep_unused_blobs_hours: u32,
    /// Schedule of automatic backups.
    pub backup: BackupSchedule,
    /// Folder of automatic backups; default: `scheduled-backups` in the data folder. Should be on another disk.
    pub backup_dir: Option<PathBuf>,
    /// Folder of the record of deleted accounts; default: the data folder. Should be on another disk.
    pub erasure_dir: Option<PathBuf>,
    /// Number of automatic backups to keep.
    pub backups_kept: u32,
    /// Folder of updates of the app, served at `/updates/`; none: no updates.
    pub updates_dir: Option<PathBuf>,
    /// Folder with the screens for staff, served at `/staff/`; none: that of the installed package, if there is one.
    pub staff_dir: Option<PathBuf>,
    /// Maximum size of a package that is uploaded, in MiB.
    pub max_upload_mib: u64,
    /// Number of versions of a course whose content is kept, so that they can be published again.
    pub course_versions_kept: u32,
    /// Maximum number of rows per learner; further new rows are refused.
    pub max_rows_per_learner: u64,
    /// Maximum total size of the rows of one learner, in MiB.
    pub max_mib_per_learner: u64,
    /// Sign-in with an identity provider; none: with passwords and codes only.
    pub oidc: Option<OidcSettings>,
    /// Mail server; none: the server sends no mail.
    pub mail: Option<MailSettings>,
    /// File with the token that a program needs to read `/metrics`; none: only programs on this computer read them.
    pub metrics_token_file: Option<PathBuf>,
    /// Where alerts are sent.
    pub alerts: AlertSettings,
    /// Object store of the blobs; none: they are in the data folder.
    pub blobs: Option<ObjectStoreSettings>,
}

/// How processes that share a database learn of each other's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EventDelivery {
    /// By LISTEN and NOTIFY.
    Notify,
    /// By reading a table every second, for databases and poolers without LISTEN.
    Poll,
}

/// Schedule of automatic backups.
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
            time_zone: "UTC".into(),
            registration_open: false,
            public_catalogue: true,
            behind_tls: false,
            tls_certificate: None,
            tls_key: None,
            trust_forwarded_for: false,
            slow_query_ms: 100,
            request_timeout_s: 30,
            complete_syncs: 4,
            max_connections: 10_000,
            max_connections_per_address: 0,
            head_timeout_s: 15,
            idle_timeout_s: 60,
            write_timeout_s: 60,
            readers: 0,
            database_pool_min: 5,
            database_pool_max: 30,
            database_acquire_s: 5,
            database_idle_s: 300,
            database_statement_s: 30,
            database_lock_s: 5,
            database_connect_s: 10,
            database_replicas: Vec::new(),
            database_replica_max_lag_ms: 1_000,
            events: EventDelivery::Notify,
            database_ca: None,
            login_attempts: 10,
            redis_url: None,
            cache_mib: 64,
            route_limits: true,
            min_free_disk_mib: 256,
            run_jobs: true,
            keep_unused_blobs_hours: 7 * 24,
            backup: BackupSchedule::Off,
            backup_dir: None,
            erasure_dir: None,
            backups_kept: 7,
            updates_dir: None,
            staff_dir: None,
            max_upload_mib: 256,
            course_versions_kept: 5,
            max_rows_per_learner: 1_000_000,
            max_mib_per_learner: 512,
            oidc: None,
            mail: None,
            metrics_token_file: None,
            alerts: AlertSettings::default(),
            blobs: None,
        }
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read {path:?}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path:?}: {problem}")]
    Parse { path: PathBuf, problem: String },
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(
        "address {0:?}: messages contain links to it; hint: set it to the address that people type, such as \
         https://rivers.school.example"
    )]
    NoAddress(String),
    #[error(
        "time_zone {0:?}: there is no such time zone; hint: use an IANA name such as Africa/Cairo"
    )]
    NoZone(String),
}

impl Settings {
    /// Reads a TOML file. An unknown key is an error that names the key and its line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        toml::from_str(&text)
            .map_err(|e| ConfigError::Parse { path: path.into(), problem: e.to_string() })
    }
    /// Returns the mail server, or `None` if there is none in the settings.
    ///
    /// # Errors
    /// The setting that cannot be used.
    pub fn mailer(&self) -> Result<Option<Arc<Mailer>>, ConfigError> {
        let Some(mail) = &self.mail else { return Ok(None) };
        // The address of a request may be that of an attacker, so that links are never made of it.
        if !self.address.starts_with("https://") && !self.address.starts_with("http://") {
            return Err(ConfigError::NoAddress(self.address.clone()));
        }
        Ok(Some(Arc::new(Mailer::open(mail)?)))
    }
    /// Returns the time zone.
    ///
    /// # Errors
    /// If there is none with this name.
    pub fn zone(&self) -> Result<Zone, ConfigError> {
        Zone::of_name(&self.time_zone).ok_or_else(|| ConfigError::NoZone(self.time_zone.clone()))
    }
    /// Returns the folder with the screens for staff: `staff_dir`, else that of the package, beside the program.
    pub fn staff_folder(&self) -> Option<PathBuf> {
        static INSTALLED: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
            let program = std::env::current_exe().ok()?;
            let folder = program.parent()?.parent()?.join("share/carrel-server/staff");
            folder.is_dir().then_some(folder)
        });
        self.staff_dir.clone().or_else(|| INSTALLED.clone())
    }
    /// Returns the time limit of a request, at least 1 s.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_unknown_key_and_its_line() {
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
