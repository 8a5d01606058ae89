//! The database of a data folder: SQLite in the folder, or a database of a PostgreSQL server.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carrel_store_postgres::{DatabaseUrl, PoolSettings, PostgresEngine};

use crate::{
    config::{Config, EventDelivery, Settings},
    error::{Error, io},
    folders::write_synced,
    store::{Engine, sqlite::SqliteEngine},
    tenants,
};

/// Environment variable with the URL of a PostgreSQL database; with `_NAME` after it, of a database that tenants name.
/// Other users of the computer can read the arguments of a process, but not its environment.
pub const URL_VARIABLE: &str = "CARREL_DATABASE_URL";

/// Environment variable with the URLs of replicas, separated by spaces.
pub const REPLICAS_VARIABLE: &str = "CARREL_DATABASE_REPLICAS";

/// Interval at which messages of other processes are read, if they are not received.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// File in the data folder with the name of the engine, if it is not SQLite.
const MARKER: &str = "database";

/// Returns the configuration of a data folder, of a server or of a tenant, with the database of the environment or else
/// SQLite.
///
/// # Errors
/// If the URL cannot be used.
pub fn config(
    data_dir: impl Into<std::path::PathBuf>,
    settings: Settings,
) -> Result<Config, Error> {
    let data_dir = data_dir.into();
    let engine = engine(None, &settings)?;
    let config = Config { engine, settings, ..Config::new(&data_dir) };
    Ok(match tenants::name_of(&data_dir) {
        Some(name) => {
            let database = tenants::settings_of(&data_dir)?.database;
            Config { engine: engine_of(&config, &name, database.as_deref())?, ..config }
        }
        None => config,
    })
}

/// Returns the engine of a tenant: in the database that it names, or in that of its server.
///
/// # Errors
/// If the database is not known.
pub(crate) fn engine_of(
    server: &Config,
    tenant: &str,
    database: Option<&str>,
) -> Result<Arc<dyn Engine>, Error> {
    Ok(match database {
        Some(name) => server.databases.engine(name, &server.settings)?.for_tenant(tenant),
        None => server.engine.for_tenant(tenant),
    })
}

/// The databases of tenants by name, besides that of the server. The tenants of one database share its connections.
#[derive(Default)]
pub struct Databases(Mutex<BTreeMap<String, Arc<dyn Engine>>>);

impl Databases {
    fn engine(&self, name: &str, settings: &Settings) -> Result<Arc<dyn Engine>, Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = known.get(name) {
            return Ok(Arc::clone(engine));
        }
        let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || !name.bytes().all(is_allowed) {
            return Err(Error::Refused(format!(
                "{name:?} cannot be the name of a database; hint: use letters a to z, digits and hyphens"
            )));
        }
        let suffix = name.to_ascii_uppercase().replace('-', "_");
        let variable = format!("{URL_VARIABLE}_{suffix}");
        let url = std::env::var(&variable).ok().filter(|url| !url.is_empty()).ok_or_else(|| {
            Error::Refused(format!(
                "the database {name:?} is not known; hint: set {variable} to its URL"
            ))
        })?;
        let mut settings = Settings { database_replicas: Vec::new(), ..settings.clone() };
        set_replicas(&mut settings, Vec::new(), &format!("{REPLICAS_VARIABLE}_{suffix}"));
        let engine: Arc<dyn Engine> =
            Arc::new(PostgresEngine::new(checked(&url)?, pool_settings(&settings)?));
        known.insert(name.to_owned(), Arc::clone(&engine));
        Ok(engine)
    }
}

/// Environment variable with the URL of the database to which a server is moved.
const NEW_URL_VARIABLE: &str = "CARREL_NEW_DATABASE_URL";

/// Returns the configuration of the folder to which a server or tenant is moved. `url`: its database, or `sqlite`; by
/// default, the engine of the old one.
///
/// # Errors
/// If the URL cannot be used, or the settings of the tenant cannot be copied.
pub fn config_of_move(from: &Config, into: &Path, url: Option<&str>) -> Result<Config, Error> {
    tenants::copy_settings(&from.data_dir, into)?;
    let from_environment = std::env::var(NEW_URL_VARIABLE).ok().filter(|url| !url.is_empty());
    let url = url.map(str::to_owned).or(from_environment);
    let new: Arc<dyn Engine> = match url.as_deref() {
        None => Arc::clone(&from.engine),
        Some("sqlite") => Arc::new(SqliteEngine),
        Some(url) => Arc::new(PostgresEngine::new(checked(url)?, pool_settings(&from.settings)?)),
    };
    let engine = match tenants::name_of(into) {
        Some(name) => {
            // The new database has no name.
            if url.is_some() {
                tenants::set_database(into, None)?;
            }
            new.for_tenant(&name)
        }
        None => new,
    };
    Ok(Config { engine, data_dir: into.to_owned(), ..from.clone() })
}

/// Returns the engine for `url`, or else for the URL of the environment; without any, SQLite.
///
/// # Errors
/// If the URL cannot be used.
pub fn engine(url: Option<&str>, settings: &Settings) -> Result<Arc<dyn Engine>, Error> {
    let from_environment = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
    let Some(url) = url.map(str::to_owned).or(from_environment) else {
        if settings.database_replicas.is_empty() {
            return Ok(Arc::new(SqliteEngine));
        }
        return Err(Error::Refused(format!(
            "database_replicas: a SQLite database has no replicas; hint: remove the setting, or set {URL_VARIABLE} to \
             the URL of a PostgreSQL database"
        )));
    };
    Ok(Arc::new(PostgresEngine::new(checked(&url)?, pool_settings(settings)?)))
}

/// Sets the replicas of the command line, or else those of the environment, unless there are none.
pub fn set_replicas(settings: &mut Settings, of_command_line: Vec<String>, variable: &str) {
    let from_environment = std::env::var(variable).unwrap_or_default();
    let from_environment = from_environment.split_whitespace().map(str::to_owned).collect();
    for replicas in [of_command_line, from_environment] {
        if !replicas.is_empty() {
            settings.database_replicas = replicas;
            return;
        }
    }
}

fn checked(url: &str) -> Result<DatabaseUrl, Error> {
    DatabaseUrl::new(url).map_err(|e| Error::Refused(e.to_string()))
}

fn pool_settings(settings: &Settings) -> Result<PoolSettings, Error> {
    let seconds = |s: u64| Duration::from_secs(s.max(1));
    let max = settings.database_pool_max.max(1);
    let replicas: Result<_, Error> =
        settings.database_replicas.iter().map(|url| checked(url)).collect();
    Ok(PoolSettings {
        min: settings.database_pool_min.min(max),
        max,
        acquire: seconds(settings.database_acquire_s),
        idle: seconds(settings.database_idle_s),
        statement: seconds(settings.database_statement_s),
        lock: seconds(settings.database_lock_s),
        connect: seconds(settings.database_connect_s),
        ca: settings.database_ca.clone(),
        poll: (settings.events == EventDelivery::Poll).then_some(POLL_INTERVAL),
        replicas: replicas.map_err(|e| Error::Refused(format!("database_replicas: {e}")))?,
        replica_max_lag: Duration::from_millis(settings.database_replica_max_lag_ms),
    })
}

/// Returns an error if the database of the folder is one of another engine: opening a new, empty one would hide it.
pub(crate) fn refuse_other_engine(engine: &dyn Engine, dir: &Path) -> Result<(), Error> {
    let sqlite = SqliteEngine;
    let stored = match std::fs::read_to_string(dir.join(MARKER)) {
        Ok(text) => text.trim().to_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => sqlite.name().to_owned(),
        Err(e) => return Err(io("read", dir.join(MARKER))(e)),
    };
    if stored == engine.name() {
        return Ok(());
    }
    if engine.name() == sqlite.name() {
        return Err(Error::Refused(format!(
            "the server of {dir:?} has its rows in another database ({stored}); hint: set {URL_VARIABLE} to its URL"
        )));
    }
    if sqlite.exists(dir)? {
        return Err(Error::Refused(format!(
            "{dir:?} has a SQLite database; hint: choose an empty folder for a server on PostgreSQL, or remove \
             --database and {URL_VARIABLE}"
        )));
    }
    Ok(())
}

/// Records the engine in the data folder.
pub(crate) fn mark(engine: &dyn Engine, dir: &Path) -> Result<(), Error> {
    let file = dir.join(MARKER);
    if engine.name() == SqliteEngine.name() || file.exists() {
        return Ok(());
    }
    write_synced(&file, &format!("{}\n", engine.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_opened_with_its_own_engine_only() {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::new("postgres://u:secret@localhost/c").unwrap();
        let postgres = PostgresEngine::new(url, PoolSettings::default());
        let refused = |engine: &dyn Engine| {
            refuse_other_engine(engine, dir.path()).err().map(|e| e.to_string())
        };
        // A new folder may get any database.
        assert_eq!((refused(&SqliteEngine), refused(&postgres)), (None, None));
        mark(&SqliteEngine, dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::write(dir.path().join(SqliteEngine.file()), "x").unwrap();
        assert_eq!(refused(&SqliteEngine), None);
        assert!(refused(&postgres).unwrap().contains("has a SQLite database"));
        std::fs::remove_file(dir.path().join(SqliteEngine.file())).unwrap();
        mark(&postgres, dir.path()).unwrap();
        assert_eq!(refused(&postgres), None);
        assert!(refused(&SqliteEngine).unwrap().contains(URL_VARIABLE));
    }

    #[test]
    fn the_pool_has_the_documented_defaults() {
        assert_eq!(pool_settings(&Settings::default()).unwrap(), PoolSettings::default());
        let small = Settings { database_pool_max: 2, ..Settings::default() };
        let pool = pool_settings(&small).unwrap();
        assert_eq!((pool.min, pool.max), (2, 2));
    }

    #[test]
    fn replicas_are_standbys_of_postgresql() {
        let with = |replica: &str| Settings {
            database_replicas: vec![replica.to_owned()],
            ..Settings::default()
        };
        let sqlite = engine(None, &with("postgres://u@host/c")).err().unwrap().to_string();
        assert!(sqlite.contains("a SQLite database has no replicas"), "{sqlite}");
        let error = engine(Some("postgres://u@host/c"), &with("postgres://u:secret@host"));
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with("database_replicas: ") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        let error = engine(Some("postgres://u:secret@host"), &Settings::default());
        let text = error.err().unwrap().to_string();
        assert!(text.contains("names no database") && !text.contains("secret"), "{text}");
    }
}
