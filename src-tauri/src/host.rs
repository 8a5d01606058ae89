//! Opens the client and connects the window to the command registry, with one Tauri command and one event channel.
//!
//! Not here: the implementation of the commands (`carrel_commands`).

use std::{path::PathBuf, sync::Arc};

use carrel_client::{
    Client, Config, Error,
    content::download::SystemSensors,
    net::{LiveHttp, NetworkSettings},
    network_settings,
    open_request::{OpenRequest, OpenRequests},
    system::{SystemClock, SystemIds, blocking},
};
use carrel_commands::{
    Host,
    api::{error::CommandError, event::UiEvent},
    dispatch_action, events,
};
use carrel_diagnostics::{Diagnostics, doctor::SystemFacts, memory};
use carrel_policy::{load_from, machine_sources};
use parking_lot::RwLock;
use serde_json::Value;
use tauri::{AppHandle, Emitter, Manager, Runtime, async_runtime::Mutex};

use crate::shell::profile::Profile;

/// The channel of all events sent to the window.
pub const EVENT: &str = "carrel://event";

/// The client, with the operations that only this program can perform.
pub struct AppHost {
    client: Arc<Client>,
    downloads: Option<PathBuf>,
    diagnostics: Arc<Diagnostics>,
    open_requests: Arc<OpenRequests>,
    restart: Box<dyn Fn() + Send + Sync>,
}

impl Host for AppHost {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn open_url(&self, url: &str) -> Result<(), CommandError> {
        tauri_plugin_opener::open_url(url, None::<&str>)
            .map_err(|e| CommandError::unavailable(format!("the browser could not be opened: {e}")))
    }

    fn restart(&self) -> Result<(), CommandError> {
        (self.restart)();
        Ok(())
    }

    fn downloads_dir(&self) -> Option<PathBuf> {
        self.downloads.clone()
    }

    fn open_requests(&self) -> Option<&OpenRequests> {
        Some(&self.open_requests)
    }

    fn diagnostics(&self) -> Option<&Arc<Diagnostics>> {
        Some(&self.diagnostics)
    }

    fn system_facts(&self) -> fn() -> SystemFacts {
        crate::doctor::facts
    }

    fn policies(&self) -> fn() -> Option<String> {
        crate::doctor::policies
    }
}

/// The client, or none if it could not be opened. In that case each call tries to open it again and returns the error,
/// so that the window stays open and can show it.
pub struct ClientState {
    host: RwLock<Option<Arc<AppHost>>>,
    /// Serializes attempts to open the client.
    opening: Mutex<()>,
    profile: Profile,
    diagnostics: Arc<Diagnostics>,
    open_requests: Arc<OpenRequests>,
}

/// Starts to open the client with the folders of `profile`. Commands wait until it is open; meanwhile the system creates
/// the window. Its events are forwarded to the window.
pub fn open<R: Runtime>(
    app: &AppHandle<R>,
    profile: &Profile,
    open_requests: Arc<OpenRequests>,
    diagnostics: &Arc<Diagnostics>,
) {
    tauri::async_runtime::spawn(memory::sample(Arc::downgrade(diagnostics)));
    app.manage(ClientState {
        host: RwLock::default(),
        opening: Mutex::default(),
        profile: profile.clone(),
        diagnostics: diagnostics.clone(),
        open_requests,
    });
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = app.state::<ClientState>().host(&app).await {
            tracing::error!(error = %error, "the client could not be opened");
        }
    });
}

/// Adds files and links to those that wait for the UI, and tells the window. Those of the first start are added before
/// there is a window; the UI asks for them when it has loaded.
pub fn add_open_requests<R: Runtime>(
    app: &AppHandle<R>,
    waiting: &OpenRequests,
    requests: impl IntoIterator<Item = OpenRequest>,
) {
    if waiting.add(requests)
        && let Err(error) = app.emit(EVENT, UiEvent::OpenRequested)
    {
        tracing::warn!(error = %error, "an event could not be sent to the window");
    }
}

async fn open_client<R: Runtime>(
    app: &AppHandle<R>,
    profile: &Profile,
) -> Result<Arc<Client>, CommandError> {
    let path_error = |e: tauri::Error| Error::Internal(e.to_string());
    let version = app.package_info().version.to_string();
    let sources = machine_sources();
    let settings = blocking({
        let sources = sources.clone();
        move || Ok::<_, Error>(network_settings(&load_from(&sources).policies))
    });
    let settings = settings.await?;
    let client = Client::open(Config {
        data_dir: profile.data_dir(app).map_err(path_error)?,
        cache_dir: profile.cache_dir(app).map_err(path_error)?,
        space: Default::default(),
        demo_dir: profile.demo_dir(app),
        network: settings.clone(),
        http: Arc::new(live_http(&format!("Carrel/{version}"), settings)?),
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
        secrets: None,
        device_name: crate::shell::device::name(),
        app_version: version,
        policies: sources,
        event_stream: true,
    });
    let client = client.await?;
    client.watch_sensors(Arc::new(SystemSensors));
    #[cfg(desktop)]
    if let Err(error) = start_updates(app, &client).await {
        tracing::warn!(error = %error, "updates are not available");
    }
    Ok(client)
}

/// Starts the updates of the app.
#[cfg(desktop)]
async fn start_updates<R: Runtime>(
    app: &AppHandle<R>,
    client: &Arc<Client>,
) -> Result<(), CommandError> {
    use crate::shell::updates::{PluginInstaller, setup};
    let not_available = |e: carrel_client::update::Error| CommandError::unavailable(e.to_string());
    let mut setup = setup(&client.policies().policies, None).map_err(not_available)?;
    setup.installer = Some(Arc::new(PluginInstaller::new(app.clone(), setup.keys.clone())));
    client.start_updates(setup).await?;
    Ok(())
}

/// Creates the HTTP client. A certificate authority that cannot be used is left out: without it, the connections that
/// need it report the cause.
fn live_http(user_agent: &str, settings: NetworkSettings) -> Result<LiveHttp, Error> {
    let clock = Arc::new(SystemClock::new());
    match LiveHttp::with_settings(user_agent, &settings, clock.clone()) {
        Ok(http) => Ok(http),
        Err(error) => {
            tracing::warn!(%error, "the additional certificate authorities are not used");
            let settings = NetworkSettings { extra_ca: Vec::new(), ..settings };
            Ok(LiveHttp::with_settings(user_agent, &settings, clock)?)
        }
    }
}

impl ClientState {
    /// Runs a command by its name. Request and reply are JSON. `action` is the UI's id of the call.
    pub async fn call<R: Runtime>(
        &self,
        app: &AppHandle<R>,
        name: &str,
        payload: Value,
        action: &str,
    ) -> Result<Value, CommandError> {
        let host = self.host(app).await;
        // The UI is loaded and shows this reply, also if it is an error.
        #[cfg(desktop)]
        if name == "get_app_state" {
            crate::shell::updates::ready();
        }
        dispatch_action(host?.as_ref(), name, payload, action).await
    }

    async fn host<R: Runtime>(&self, app: &AppHandle<R>) -> Result<Arc<AppHost>, CommandError> {
        if let Some(host) = self.ready() {
            return Ok(host);
        }
        let _guard = self.opening.lock().await;
        if let Some(host) = self.ready() {
            return Ok(host);
        }
        let client = open_client(app, &self.profile).await?;
        let host = Arc::new(AppHost {
            client: client.clone(),
            downloads: self.profile.downloads_dir(app),
            diagnostics: self.diagnostics.clone(),
            open_requests: self.open_requests.clone(),
            restart: Box::new({
                let app = app.clone();
                move || app.request_restart()
            }),
        });
        *self.host.write() = Some(host.clone());
        let app = app.clone();
        tauri::async_runtime::spawn(events::forward(client, move |event| {
            if let Err(error) = app.emit(EVENT, event) {
                tracing::warn!(error = %error, "an event could not be sent to the window");
            }
        }));
        Ok(host)
    }

    fn ready(&self) -> Option<Arc<AppHost>> {
        self.host.read().clone()
    }

    /// Syncs and reads the policies again, after the app returned to the foreground or the computer woke up.
    pub fn resume(&self) {
        let Some(host) = self.ready() else { return };
        if let Some(account) = host.client.account() {
            account.sync.resume();
        }
        let client = host.client.clone();
        tauri::async_runtime::spawn(async move { client.reload_policies().await });
    }

    /// Closes the learner's files before the program exits. Waits until they are open.
    pub fn close(&self) {
        tauri::async_runtime::block_on(async {
            let _guard = self.opening.lock().await;
            let Some(host) = self.ready() else { return };
            host.client.close().await;
            if let Some(updates) = host.client.updates() {
                updates.quit().await;
            }
        });
    }
}

/// The only Tauri command of the app: `invoke("call", { name, payload, action })`.
#[tauri::command]
pub async fn call<R: Runtime>(
    app: AppHandle<R>,
    name: String,
    payload: Value,
    action: Option<String>,
) -> Result<Value, CommandError> {
    let action = action.unwrap_or_default();
    app.state::<ClientState>().call(&app, &name, payload, &action).await
}
