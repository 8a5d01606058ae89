//! Starts and stops a server: opens the data folder, accepts connections and shuts down gracefully.
//!
//! Not here: the command line and signals (`main`).

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use carrel_listener::{ConnectionLimits, Connections, Deadlines, Limits, Listener, Tls};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    alerts::{self, Watch},
    config::{Config, Settings},
    data_dir::DataDir,
    domain::admission::Admission,
    error::{Error, io},
    folders::lock,
    http::{self, App, tenants::Routers},
    jobs::JobRunner,
    password::Passwords,
    publish::ImportReport,
    tenants,
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

/// A running server. Dropping it stops the server without waiting for open requests; `shutdown` waits for them.
pub struct RunningServer {
    /// The address on which the server listens, with the actual port.
    pub addr: SocketAddr,
    tls: Option<Tls>,
    main: Served,
    tenants: BTreeMap<String, Served>,
    connections: Arc<Connections>,
    stopping: CancellationToken,
    accepting: Option<JoinHandle<()>>,
}

/// The data of the server, or of a tenant, with its handlers and jobs.
struct Served {
    data: Arc<DataDir>,
    app: App,
    router: Router,
    jobs: Option<JoinHandle<()>>,
    watch: Option<JoinHandle<()>>,
    _lock: std::fs::File,
}

impl Served {
    /// Opens and locks a data folder. `passwords` and `admission`: as in `DataDir::app_with`.
    fn open(
        config: Config,
        passwords: &Arc<Passwords>,
        admission: &Arc<Admission>,
    ) -> Result<Self, Error> {
        std::fs::create_dir_all(&config.data_dir).map_err(io("create", &config.data_dir))?;
        let lock = lock(&config.data_dir, config.engine.is_shared())?;
        let data = Arc::new(DataDir::open(config)?);
        data.events.receive();
        let app = data.app_with(Arc::clone(passwords), Arc::clone(admission))?;
        let router = http::app(app.clone());
        Ok(Self { data, app, router, jobs: None, watch: None, _lock: lock })
    }
    fn start_jobs(&mut self) {
        if self.data.config.settings.run_jobs {
            let runner = JobRunner::new(Arc::clone(&self.data));
            self.jobs = Some(tokio::spawn(runner.serve(self.app.stopping.clone())));
        }
    }
}

impl Server {
    /// Opens the data folder and starts the server.
    pub async fn start(mut config: Config) -> Result<RunningServer, Error> {
        let tls = tls_of(&config.settings)?;
        config.settings.behind_tls |= tls.is_some();
        let passwords = Arc::new(Passwords::new()?);
        let admission = Arc::new(Admission::new(config.settings.complete_syncs));
        let mut main = Served::open(config, &passwords, &admission)?;
        let config = main.data.config.clone();
        let (mut tenants, mut hosts) = (BTreeMap::new(), HashMap::new());
        for tenant in tenants::list(&config.data_dir)? {
            let config = tenants::config_of(&config, &tenant);
            let served = Served::open(config, &passwords, &admission)
                .map_err(|e| Error::Refused(format!("tenant {:?}: {e}", tenant.name)))?;
            for host in &tenant.settings.hosts {
                hosts.insert(tenants::normalized_host(host), served.router.clone());
            }
            tenants.insert(tenant.name, served);
        }
        let data = Arc::clone(&main.data);
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
        let router = http::tenants::router(Routers {
            server: main.router.clone(),
            by_name: tenants.iter().map(|(n, t)| (n.clone(), t.router.clone())).collect(),
            by_host: hosts,
        });
        let settings = &data.config.settings;
        let limits = limits_of(settings);
        let connections = Connections::new(limits, deadlines_of(settings));
        let listener = Listener {
            listener,
            tls: tls.clone(),
            limits: LIMITS,
            connections: Arc::clone(&connections),
        };
        let accepting = Some(tokio::spawn(listener.serve(router, stopping.clone())));
        tracing::info!(server.addr = %addr, connections.max = limits.total, tenants = tenants.len(), "listening");
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
        main.watch = Some(tokio::spawn(watch.serve(main.app.stopping.clone())));
        main.start_jobs();
        tenants.values_mut().for_each(Served::start_jobs);
        Ok(RunningServer { addr, tls, main, tenants, connections, stopping, accepting })
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
    pub fn tenant(&self, name: &str) -> Option<&DataDir> {
        self.tenants.get(name).map(|tenant| &*tenant.data)
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
        self.tenants.values().for_each(|tenant| tenant.app.stopping.cancel());
    }
    /// Stops the server: accepts no new connections, waits for open requests (event streams end at once) and closes the
    /// database.
    pub async fn shutdown(mut self) {
        self.stop();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
        for served in std::iter::once(&mut self.main).chain(self.tenants.values_mut()) {
            for task in served.jobs.take().into_iter().chain(served.watch.take()) {
                let _ = task.await;
            }
            served.data.tasks.close();
            served.data.tasks.wait().await;
        }
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
