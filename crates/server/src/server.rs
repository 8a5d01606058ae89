//! Starts and stops a server: opens the data folder, accepts connections and shuts down gracefully.
//!
//! Not here: the command line and signals (`main`).

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use carrel_listener::{ConnectionLimits, Connections, Deadlines, Limits, Listener, Tls};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    alerts::{self, Watch},
    blob_place,
    config::{Config, Settings},
    data_dir::DataDir,
    domain::admission::Admission,
    error::Error,
    http::{self, App},
    password::Passwords,
    publish::ImportReport,
    served::{Common, Served, ServedTenants},
};

/// Maximum number of concurrent streams of one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 64;
/// Limits of hyper. They are above those of `http::layers`, which replies with problem details.
const LIMITS: Limits = Limits {
    head_buffer: 4 * http::MAX_HEADER_BYTES,
    header_lines: 4 * http::MAX_HEADERS,
    http2_header_list: 2 * http::MAX_HEADER_BYTES as u32,
    http2_streams: MAX_HTTP2_STREAMS,
};

/// Starts servers in this process.
pub struct Server;

/// Interval at which the tenants are read again.
const TENANTS_INTERVAL: Duration = Duration::from_secs(2);

/// A running server. Dropping it stops the server without waiting for open requests; `shutdown` waits for them.
pub struct RunningServer {
    /// The address on which the server listens, with the actual port.
    pub addr: SocketAddr,
    tls: Option<Tls>,
    main: Served,
    tenants: Arc<ServedTenants>,
    connections: Arc<Connections>,
    stopping: CancellationToken,
    /// Accepts connections; reads the tenants again; judges alerts.
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the data folder and starts the server.
    pub async fn start(mut config: Config) -> Result<RunningServer, Error> {
        let tls = tls_of(&config.settings)?;
        config.settings.behind_tls |= tls.is_some();
        let common = Common {
            passwords: Arc::new(Passwords::new()?),
            admission: Arc::new(Admission::new(config.settings.complete_syncs)),
            cache: http::response_cache(&config.settings)?,
        };
        let mut main = Served::open(config, &common)?;
        blob_place::check(&main.data).await?;
        let data = Arc::clone(&main.data);
        let tenants = ServedTenants::open(&main, common)?;
        let address = data.config.listen;
        let listen_error = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let addr = listener.local_addr().map_err(listen_error)?;
        for warning in public_access_warnings(addr, &data.config.settings) {
            tracing::warn!(server.addr = %addr, "{warning}");
        }
        let now_ms = data.config.clock.now_ms();
        if !crate::clock::is_plausible(now_ms) {
            tracing::error!(
                server.now_ms = now_ms,
                "the clock of this computer was never set: sign-ins and changes are refused with 503 until it is set"
            );
        }
        let stopping = main.app.stopping.clone();
        let router = http::tenants::router(tenants.routers());
        let settings = &data.config.settings;
        let limits = limits_of(settings);
        let connections = Connections::new(limits, deadlines_of(settings));
        let listener = Listener {
            listener,
            tls: tls.clone(),
            limits: LIMITS,
            connections: Arc::clone(&connections),
        };
        let accepting = tokio::spawn(listener.serve(router, stopping.clone()));
        tracing::info!(server.addr = %addr, connections.max = limits.total, "listening");
        if limits.total < settings.max_connections {
            tracing::warn!(
                connections.max = limits.total,
                connections.wanted = settings.max_connections,
                "the limit of open files allows fewer connections than configured; hint: raise LimitNOFILE or ulimit -n"
            );
        }
        // The process has one state of alerts, so its tenants are not watched separately.
        alerts::check(&main.data)?;
        let watch = Watch::new(main.app.clone()).map_err(|e| Error::Refused(e.to_string()))?;
        main.start_jobs();
        let (watched, stop) = (Arc::clone(&tenants), stopping.clone());
        let watching = async move {
            let mut tick = tokio::time::interval(TENANTS_INTERVAL);
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                watched.refresh().await;
            }
        };
        let alerts = tokio::spawn(watch.serve(stopping.clone()));
        let tasks = vec![accepting, tokio::spawn(watching), alerts];
        Ok(RunningServer { addr, tls, main, tenants, connections, stopping, tasks })
    }
}

/// Reads the certificate and its key; `None` if the settings name none.
///
/// # Errors
///
/// If only one of the two is set, or if they cannot be used.
pub fn tls_of(settings: &Settings) -> Result<Option<Tls>, Error> {
    match (&settings.tls_certificate, &settings.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(Tls::open(certificate, key).map_err(|e| Error::Refused(e.to_string()))?))
        }
        _ => Err(Error::Refused("tls_certificate and tls_key must be set together".to_owned())),
    }
}

fn limits_of(settings: &Settings) -> ConnectionLimits {
    // Behind a proxy all connections have its address.
    let per_address =
        (!settings.trust_forwarded_for).then_some(settings.max_connections_per_address);
    ConnectionLimits::new(settings.max_connections, per_address)
}

fn deadlines_of(settings: &Settings) -> Deadlines {
    let seconds = |s: u64| Duration::from_secs(s.max(1));
    Deadlines {
        head: seconds(settings.head_timeout_s),
        idle: seconds(settings.idle_timeout_s),
        write: seconds(settings.write_timeout_s),
    }
}

/// Returns warnings about access without an account, if the address is not a loopback address.
fn public_access_warnings(addr: SocketAddr, settings: &Settings) -> Vec<&'static str> {
    if addr.ip().to_canonical().is_loopback() {
        return Vec::new();
    }
    let registration =
        "registration is open: anyone who can reach this address can register (registration_open)";
    let catalogue = "the catalogue is public: anyone who can reach this address can read all courses (public_catalogue)";
    [(settings.registration_open, registration), (settings.public_catalogue, catalogue)]
        .into_iter()
        .filter_map(|(is_open, warning)| is_open.then_some(warning))
        .collect()
}

impl RunningServer {
    /// Returns `http://` or `https://` and the address.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }
    /// Returns the state of the handlers, for tests.
    pub fn app(&self) -> &App {
        &self.main.app
    }
    /// Returns the data of a tenant.
    pub fn tenant(&self, name: &str) -> Option<Arc<DataDir>> {
        self.tenants.data(name)
    }
    /// Reads the tenants again, as is done every two seconds.
    pub async fn refresh_tenants(&self) {
        self.tenants.refresh().await;
    }
    /// Returns the TLS of the server, if it has a certificate.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
    /// Returns the number of open connections, without those that the server is closing.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }
    pub fn data(&self) -> &DataDir {
        &self.main.data
    }
    /// Imports packages into the running server.
    pub async fn import(&self, paths: &[PathBuf]) -> Result<ImportReport, Error> {
        self.main.data.import(paths).await
    }
    fn stop(&self) {
        self.stopping.cancel();
        self.tenants.stop();
    }
    /// Stops the server: accepts no new connections, waits for open requests (event streams end at once) and closes the
    /// database.
    pub async fn shutdown(mut self) {
        self.stop();
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        self.main.wait().await;
        self.tenants.wait().await;
        tracing::info!(server.addr = %self.addr, "stopped");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_behind_a_proxy_are_not_limited_by_address() {
        let limit = |trust_forwarded_for| {
            let settings = Settings { trust_forwarded_for, ..Settings::default() };
            limits_of(&settings).per_address.is_some()
        };
        assert_eq!([false, true].map(limit), [true, false]);
    }

    #[test]
    fn public_access_from_the_network_causes_a_warning() {
        let open = |addr: &str, registration_open: bool, public_catalogue: bool| {
            let settings = Settings { registration_open, public_catalogue, ..Settings::default() };
            let warnings = public_access_warnings(addr.parse().unwrap(), &settings);
            ["registration_open", "public_catalogue"]
                .map(|key| warnings.iter().filter(|warning| warning.contains(key)).count())
        };
        for addr in ["0.0.0.0:7300", "[::]:7300", "192.168.1.4:7300", "[2001:db8::1]:7300"] {
            assert_eq!(open(addr, true, true), [1, 1], "{addr}");
            assert_eq!(open(addr, true, false), [1, 0], "{addr}");
            assert_eq!(open(addr, false, true), [0, 1], "{addr}");
            assert_eq!(open(addr, false, false), [0, 0], "{addr}");
        }
        for addr in ["127.0.0.1:7300", "127.0.0.9:7300", "[::1]:7300", "[::ffff:127.0.0.1]:7300"] {
            assert_eq!(open(addr, true, true), [0, 0], "{addr}");
        }
    }
}
