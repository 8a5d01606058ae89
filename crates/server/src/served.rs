//! What a process serves: the data of the server, and its tenants. It follows the folder of the tenants: what was added,
//! changed, disabled or removed there is served, or not served any more, without a restart.
//!
//! Not here: folders and settings of tenants (`tenants`), which tenant a request has (`http::tenants`).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;
use carrel_model::ErrorCode;
use carrel_response_cache::ResponseCache;
use tokio::task::JoinHandle;

use crate::{
    config::Config,
    data_dir::DataDir,
    domain::admission::Admission,
    error::{Error, io},
    folders::lock,
    http::{
        self, App,
        tenants::{CurrentRouters, Routers},
    },
    jobs::JobRunner,
    password::Passwords,
    tenants::{self, Tenant},
};

/// The data of the server, or of a tenant, with its handlers and jobs.
pub(crate) struct Served {
    pub data: Arc<DataDir>,
    pub app: App,
    pub router: Router,
    jobs: Option<JoinHandle<()>>,
    lock: Option<std::fs::File>,
}

/// What the tenants of a process share (`DataDir::app_with`).
#[derive(Clone)]
pub(crate) struct Common {
    pub passwords: Arc<Passwords>,
    pub admission: Arc<Admission>,
    /// The response cache, unless it is switched off.
    pub cache: Option<ResponseCache>,
}

impl Served {
    /// Opens and locks a data folder.
    pub fn open(config: Config, common: &Common) -> Result<Self, Error> {
        std::fs::create_dir_all(&config.data_dir).map_err(io("create", &config.data_dir))?;
        let lock = lock(&config.data_dir, config.engine.is_shared())?;
        let data = Arc::new(DataDir::open(config)?);
        data.events.receive();
        let (passwords, admission) = (Arc::clone(&common.passwords), Arc::clone(&common.admission));
        let app = data.app_with(passwords, admission, common.cache.as_ref())?;
        let router = http::app(app.clone());
        Ok(Self { data, app, router, jobs: None, lock: Some(lock) })
    }
    pub fn start_jobs(&mut self) {
        self.app.keep_warm();
        if self.data.config.settings.run_jobs {
            let runner = JobRunner::new(Arc::clone(&self.data));
            self.jobs = Some(tokio::spawn(runner.serve(self.app.stopping.clone())));
        }
    }
    /// Ends event streams and jobs. Requests that are being processed continue.
    pub fn stop(&self) {
        self.app.stopping.cancel();
    }
    /// Stops, and releases the data folder. What continues after replies does so in the background.
    async fn retire(mut self) {
        self.stop();
        if let Some(jobs) = self.jobs.take() {
            let _ = jobs.await;
        }
        self.lock = None;
        tokio::spawn(async move { self.wait().await });
    }
    /// Waits for what continues after a stop.
    pub async fn wait(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            let _ = jobs.await;
        }
        self.data.tasks.close();
        self.data.tasks.wait().await;
    }
}

/// A tenant with the settings with which it was opened.
struct Opened {
    tenant: Tenant,
    /// `None` while it is opened again.
    served: Option<Served>,
}

pub(crate) struct ServedTenants {
    /// Configuration of the server.
    config: Config,
    common: Common,
    routers: CurrentRouters,
    /// For requests to a tenant that is not open: the server's own data would be that of another school.
    unavailable: Router,
    tenants: Mutex<BTreeMap<String, Opened>>,
    /// Held by a refresh, of which there is one at a time. The last problem, so that it is logged once.
    refreshing: tokio::sync::Mutex<String>,
}

impl ServedTenants {
    /// Opens all tenants of a server that starts. One whose database cannot be reached is opened by a later refresh.
    ///
    /// # Errors
    /// If one of them cannot be opened for another reason.
    pub fn open(server: &Served, common: Common) -> Result<Arc<Self>, Error> {
        let (by_name, by_host) = (HashMap::new(), HashMap::new());
        let config = &server.data.config;
        let routers = Routers { server: server.router.clone(), by_name, by_host };
        let found = Self {
            config: config.clone(),
            common,
            routers: CurrentRouters::new(routers),
            unavailable: http::unavailable(server.app.clone()),
            tenants: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        };
        for tenant in enabled(config)? {
            let name = tenant.name.clone();
            match found.add(tenant.clone()) {
                Ok(()) => {}
                Err(e) if e.code() == ErrorCode::Unavailable => {
                    tracing::error!(tenant.name = name, error = %e, "not served until its database can be reached");
                    found.all().insert(name, Opened { tenant, served: None });
                }
                Err(e) => return Err(Error::Refused(format!("tenant {name:?}: {e}"))),
            }
        }
        found.route();
        Ok(Arc::new(found))
    }

    pub fn routers(&self) -> CurrentRouters {
        self.routers.clone()
    }

    pub fn data(&self, name: &str) -> Option<Arc<DataDir>> {
        let all = self.all();
        let served = all.get(name).and_then(|opened| opened.served.as_ref());
        served.map(|served| Arc::clone(&served.data))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Opened>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, tenant: Tenant) -> Result<(), Error> {
        let config = tenants::config_of(&self.config, &tenant)?;
        let mut served = Served::open(config, &self.common)?;
        served.start_jobs();
        self.all().insert(tenant.name.clone(), Opened { tenant, served: Some(served) });
        Ok(())
    }

    /// Sends the requests that begin from now on to the tenants that are open. Those for a tenant that is not get 503.
    fn route(&self) {
        let mut routers = Routers {
            server: self.routers.get().server.clone(),
            by_name: HashMap::new(),
            by_host: HashMap::new(),
        };
        for (name, Opened { tenant, served }) in &*self.all() {
            let router = served.as_ref().map_or(&self.unavailable, |served| &served.router);
            for host in &tenant.settings.hosts {
                routers.by_host.insert(tenants::normalized_host(host), router.clone());
            }
            routers.by_name.insert(name.clone(), router.clone());
        }
        self.routers.set(routers);
    }

    /// Reads the tenants, opens those that are new and stops those that are gone. One whose settings have changed is
    /// stopped and opened again. A problem with one of them is logged and does not concern the others; it is tried again.
    pub async fn refresh(self: &Arc<Self>) {
        let mut last_problem = self.refreshing.lock().await;
        let config = self.config.clone();
        let listed = tokio::task::spawn_blocking(move || enabled(&config)).await;
        let listed = listed.unwrap_or_else(|e| Err(Error::Refused(e.to_string())));
        let mut problems = Vec::new();
        match listed {
            Err(e) => problems.push(e.to_string()),
            Ok(listed) => {
                self.stop_others(&listed).await;
                for tenant in listed {
                    let is_open =
                        self.all().get(&tenant.name).is_some_and(|opened| opened.served.is_some());
                    if is_open {
                        continue;
                    }
                    let (this, name) = (Arc::clone(self), tenant.name.clone());
                    let added = tokio::task::spawn_blocking(move || this.add(tenant)).await;
                    match added.unwrap_or_else(|e| Err(Error::Refused(e.to_string()))) {
                        Ok(()) => {
                            self.route();
                            tracing::info!(tenant.name = name, "serving a tenant");
                        }
                        Err(e) => problems.push(format!("tenant {name:?}: {e}")),
                    }
                }
            }
        }
        let problem = problems.join("; ");
        if problem != *last_problem && !problem.is_empty() {
            tracing::error!(error = problem, "failed to read the tenants");
        }
        *last_problem = problem;
    }

    /// Stops the tenants that are not listed, or are listed with other settings.
    async fn stop_others(&self, listed: &[Tenant]) {
        let mut stopped = Vec::new();
        self.all().retain(|name, opened| {
            if listed.contains(&opened.tenant) {
                return true;
            }
            stopped.extend(opened.served.take().map(|served| (name.clone(), served)));
            listed.iter().any(|tenant| tenant.name == *name)
        });
        if stopped.is_empty() {
            return;
        }
        self.route();
        for (name, served) in stopped {
            served.retire().await;
            tracing::info!(tenant.name = name, "a tenant was stopped");
        }
    }

    pub fn stop(&self) {
        self.all().values().flat_map(|opened| &opened.served).for_each(Served::stop);
    }

    /// Stops what a refresh has opened meanwhile, waits for what continues after that, and closes the databases.
    pub async fn wait(&self) {
        self.stop();
        let all = std::mem::take(&mut *self.all());
        for mut served in all.into_values().filter_map(|opened| opened.served) {
            served.wait().await;
        }
    }
}

/// Lists the tenants that are to be served.
fn enabled(config: &Config) -> Result<Vec<Tenant>, Error> {
    let all = tenants::list(&config.data_dir)?;
    Ok(all.into_iter().filter(|tenant| !tenant.settings.disabled).collect())
}
