//! The pool of connections, its settings for each connection, and its maintenance.

use std::{sync::Arc, time::Duration};

use carrel_store::{Reason, Result, StoreError};
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    epoch, error,
    monitor::PoolCounts,
    roles,
    settings::{DatabaseUrl, PoolSettings},
};

/// Interval at which unused connections are closed, figures are logged, and the epoch is compared with the cluster.
const MAINTENANCE: Duration = Duration::from_secs(30);
/// Maximum time for which a transaction may be idle: a process that stops in a transaction must not keep its locks.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

/// Maximum time for which a request waits for a replica that does not reply: for a connection, or for the
/// acknowledgement of what was sent.
const REPLICA_PATIENCE: Duration = Duration::from_secs(2);

/// Creates the pool, whose connections run as `role`. Opens no connection.
///
/// Each new connection compares the epoch with the cluster, which another one may have replaced.
pub(crate) fn create(
    url: &DatabaseUrl,
    settings: &PoolSettings,
    role: Option<&str>,
) -> Result<Pool> {
    let session = format!("{}; {}", session_sql(settings), roles::session_sql(role));
    let address = (url.clone(), settings.clone());
    let prepare = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let (session, (url, settings)) = (session.clone(), address.clone());
        Box::pin(async move {
            client.batch_execute(&session).await.map_err(HookError::Backend)?;
            let failed = |e: StoreError| HookError::message(e.to_string());
            roles::check(client).await.map_err(failed)?;
            follow_cluster(client, &url, &settings).await.map_err(failed)
        })
    });
    let timeouts = Timeouts {
        wait: Some(settings.acquire),
        create: Some(settings.connect + settings.statement),
        recycle: Some(settings.acquire),
    };
    build(config(url, settings), url.uses_tls(), settings, timeouts, prepare)
}

/// Creates the pool of a replica, whose transactions are read-only. What it cannot give in a short time is read from
/// the primary instead, so that a request waits for neither a free connection nor a computer that does not reply.
pub(crate) fn of_replica(
    url: &DatabaseUrl,
    settings: &PoolSettings,
    role: Option<&str>,
) -> Result<Pool> {
    let mut config = config(url, settings);
    let connect = settings.connect.min(REPLICA_PATIENCE);
    config.connect_timeout(connect).tcp_user_timeout(settings.statement.min(REPLICA_PATIENCE));
    let session = format!(
        "{}; SET default_transaction_read_only = on; {}",
        session_sql(settings),
        roles::session_sql(role)
    );
    let prepare = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let session = session.clone();
        Box::pin(async move {
            client.batch_execute(&session).await.map_err(HookError::Backend)?;
            roles::check(client).await.map_err(|e| HookError::message(e.to_string()))
        })
    });
    let timeouts = Timeouts {
        wait: Some(Duration::ZERO),
        create: Some(connect + REPLICA_PATIENCE),
        recycle: Some(REPLICA_PATIENCE),
    };
    build(config, url.uses_tls(), settings, timeouts, prepare)
}

fn build(
    config: Config,
    uses_tls: bool,
    settings: &PoolSettings,
    timeouts: Timeouts,
    prepare: Hook,
) -> Result<Pool> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if uses_tls {
        Manager::from_config(config, MakeRustlsConnect::new(tls(settings)?), recycling)
    } else {
        Manager::from_config(config, NoTls, recycling)
    };
    Pool::builder(manager)
        .max_size(settings.max.max(1))
        .runtime(Runtime::Tokio1)
        .timeouts(timeouts)
        .post_create(prepare)
        .build()
        .map_err(|e| StoreError::Internal(format!("PostgreSQL: {e}").into()))
}

/// Returns the settings of a connection.
pub(crate) fn config(url: &DatabaseUrl, settings: &PoolSettings) -> Config {
    let mut config = url.config();
    config.connect_timeout(settings.connect).tcp_user_timeout(settings.statement);
    if config.get_application_name().is_none() {
        config.application_name("carrel-server");
    }
    config.ssl_mode(if url.uses_tls() { SslMode::Require } else { SslMode::Disable });
    config
}

/// Returns the settings of a session. A commit is durable when it returns: only a weaker setting is replaced, since an
/// administrator may have chosen a stronger one for a standby.
fn session_sql(settings: &PoolSettings) -> String {
    let ms = |duration: Duration| duration.as_millis();
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {};
         SET search_path = carrel;
         SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') IN ('off', 'local')",
        ms(settings.statement),
        ms(settings.lock),
        ms(IDLE_IN_TRANSACTION),
    )
}

/// Returns the TLS of the connections. The certificate of the server is always verified.
pub(crate) fn tls(settings: &PoolSettings) -> Result<rustls::ClientConfig> {
    let refused = |message: String, hint: &'static str| {
        StoreError::Internal(Reason { message: format!("PostgreSQL: {message}"), hint })
    };
    let mut roots = rustls::RootCertStore::empty();
    match &settings.ca {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
            let certificates = read.map_err(|e| {
                refused(format!("{}: {e}", file.display()), "database_ca must be a PEM file")
            })?;
            roots.add_parsable_certificates(certificates);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(refused(
            "no certificate of an authority was found".to_owned(),
            "set database_ca to the certificate of the authority of the PostgreSQL server",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| refused(e.to_string(), ""))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Keeps the pool between its limits and logs its figures until it is closed.
pub(crate) async fn maintain(
    pool: Pool,
    url: DatabaseUrl,
    settings: PoolSettings,
    counts: Arc<PoolCounts>,
) {
    let mut tick = tokio::time::interval(MAINTENANCE);
    loop {
        tick.tick().await;
        if pool.is_closed() {
            return;
        }
        close_unused(&pool, &settings);
        counts.report(&pool).log(&url.to_string());
        // An unused pool would not notice a failover.
        if let Ok(client) = pool.get().await
            && let Err(e) = follow_cluster(&client, &url, &settings).await
        {
            tracing::warn!(error = %e, "the epoch cannot be compared with the cluster");
            drop(Object::take(client));
        }
        fill(&pool, settings.min.min(settings.max)).await;
    }
}

/// Keeps the pool of a replica between its limits and logs its figures until it is closed.
pub(crate) async fn maintain_replica(
    pool: Pool,
    name: String,
    settings: PoolSettings,
    counts: Arc<PoolCounts>,
) {
    let mut tick = tokio::time::interval(MAINTENANCE);
    while !pool.is_closed() {
        tick.tick().await;
        close_unused(&pool, &settings);
        counts.report(&pool).log(&format!("replica {name}"));
    }
}

/// Closes connections above the minimum that are unused for long.
fn close_unused(pool: &Pool, settings: &PoolSettings) {
    let mut closable = pool.status().size.saturating_sub(settings.min);
    pool.retain(|_, metrics| {
        let close = closable > 0 && metrics.last_used() >= settings.idle;
        closable -= usize::from(close);
        !close
    });
}

/// Opens connections until there are `min`.
async fn fill(pool: &Pool, min: usize) {
    let mut opened = Vec::new();
    while pool.status().size < min {
        match pool.get().await {
            Ok(client) => opened.push(client),
            Err(_) => return,
        }
    }
}

/// Gives the database a new epoch if it is now in another cluster or timeline.
async fn follow_cluster(client: &Client, url: &DatabaseUrl, settings: &PoolSettings) -> Result<()> {
    if epoch::is_bound(client).await? {
        return Ok(());
    }
    epoch::bind(&owner(url, settings).await?).await
}

/// Opens a connection as the user of the URL, outside the pool, for changes to schema, tenants and epochs.
pub(crate) async fn owner(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Client> {
    let failed = |e: tokio_postgres::Error| error::of(&e);
    let client = connect(url, settings).await?;
    client.batch_execute(&session_sql(settings)).await.map_err(failed)?;
    Ok(client)
}

/// Opens a connection as the user of the URL, without settings of its session.
pub(crate) async fn connect(url: &DatabaseUrl, settings: &PoolSettings) -> Result<Client> {
    let config = config(url, settings);
    let failed = |e: tokio_postgres::Error| error::of(&e);
    if url.uses_tls() {
        let tls = MakeRustlsConnect::new(tls(settings)?);
        let (client, connection) = config.connect(tls).await.map_err(failed)?;
        drop(tokio::spawn(connection));
        Ok(client)
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        drop(tokio::spawn(connection));
        Ok(client)
    }
}

/// Returns a connection from the pool.
pub(crate) async fn connection(pool: &Pool) -> Result<Object> {
    pool.get().await.map_err(|e| error::of_pool(&e))
}
