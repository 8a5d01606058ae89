//! Address of the database, and settings of the pool of connections.

use std::{fmt, path::PathBuf, time::Duration};

use tokio_postgres::config::{Config, Host, SslMode};

/// A URL `postgres://user:password@host/database` or a text `host=... dbname=...`. Its password is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// The URL cannot be used. The text does not contain the URL, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the URL of the database cannot be used: {}; hint: write it as postgres://USER:PASSWORD@HOST/DATABASE",
            self.0
        )
    }
}
impl std::error::Error for BadUrl {}

impl DatabaseUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// If it cannot be parsed, or names no database.
    pub fn new(url: &str) -> Result<Self, BadUrl> {
        let config: Config = url.parse().map_err(|e: tokio_postgres::Error| {
            let cause = std::error::Error::source(&e).map(ToString::to_string);
            BadUrl(cause.unwrap_or_else(|| "it is not a URL".to_owned()))
        })?;
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(BadUrl("it names no database".to_owned()));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(BadUrl("it names no host".to_owned()));
        }
        Ok(Self(url.to_owned()))
    }
    /// Returns the settings of a connection.
    pub(crate) fn config(&self) -> Config {
        self.0.parse().unwrap_or_default()
    }
    /// Returns true if the connection must use TLS: by `sslmode=require`, or if the server is another computer, unless
    /// the URL has `sslmode=disable`.
    pub(crate) fn uses_tls(&self) -> bool {
        let config = self.config();
        match config.get_ssl_mode() {
            SslMode::Disable => false,
            SslMode::Require => true,
            _ => config.get_hosts().iter().any(|host| match host {
                Host::Tcp(name) => !is_this_computer(name),
                #[cfg(unix)]
                Host::Unix(_) => false,
            }),
        }
    }
}

fn is_this_computer(host: &str) -> bool {
    let is_loopback = |ip: std::net::IpAddr| ip.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        write!(f, "{} at {}", config.get_dbname().unwrap_or_default(), hosts.join(","))
    }
}
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Settings of the connections of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections kept open, also if unused.
    pub min: usize,
    /// Maximum number of connections.
    pub max: usize,
    /// Maximum time for which a transaction waits for a connection.
    pub acquire: Duration,
    /// Time after which an unused connection above `min` is closed.
    pub idle: Duration,
    /// Maximum duration of a statement.
    pub statement: Duration,
    /// Maximum time for which a statement waits for a lock.
    pub lock: Duration,
    /// Maximum time for opening a connection.
    pub connect: Duration,
    /// PEM file with the certificates of the authorities that are trusted; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// Interval at which messages of other processes are read; `None`: they arrive by LISTEN.
    pub poll: Option<Duration>,
    /// Hot standbys of the server; each has a pool of its own with the same limits.
    pub replicas: Vec<DatabaseUrl>,
    /// A replica that lacks more than the changes of this time is not used.
    pub replica_max_lag: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            min: 5,
            max: 30,
            acquire: Duration::from_secs(5),
            idle: Duration::from_secs(300),
            statement: Duration::from_secs(30),
            lock: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            ca: None,
            poll: None,
            replicas: Vec::new(),
            replica_max_lag: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for url in [
            "postgres://carrel:se%20cret@db.example/carrel",
            "host=db.example user=carrel password=secret dbname=carrel",
        ] {
            let url = DatabaseUrl::new(url).unwrap();
            for text in [format!("{url}"), format!("{url:?}")] {
                assert!(text.contains("carrel at db.example"), "{text}");
                assert!(!text.contains("secret") && !text.contains("cret"), "{text}");
            }
        }
        for bad in [
            "postgres://carrel:secret@db.example",
            "dbname=carrel password=secret",
            "postgres://u:secret@h/carrel?nonsense=1",
            "mysql://u:secret@h/carrel",
            "",
        ] {
            let error = DatabaseUrl::new(bad).unwrap_err();
            for text in [format!("{error}"), format!("{error:?}")] {
                assert!(!text.contains("secret"), "{bad}: {text}");
            }
        }
    }

    #[test]
    fn another_computer_is_reached_by_tls() {
        for (url, expected) in [
            ("postgres://u@db.example/c", true),
            ("postgres://u@192.168.1.4/c", true),
            ("postgres://u@db.example/c?sslmode=prefer", true),
            ("postgres://u@db.example/c?sslmode=disable", false),
            ("postgres://u@localhost/c", false),
            ("postgres://u@127.0.0.1/c", false),
            ("postgres://u@[::1]/c", false),
            ("postgres://u@localhost/c?sslmode=require", true),
            ("postgres://u@%2Frun%2Fpostgresql/c", false),
            ("host=/run/postgresql dbname=c", false),
        ] {
            assert_eq!(DatabaseUrl::new(url).unwrap().uses_tls(), expected, "{url}");
        }
    }
}
