//! Opens the client and connects the window to the command registry, with one Tauri command and one event channel.
//!
//! Not here: the implementation of the commands (`carrel_commands`).

use std::{path::PathBuf, sync::Arc};

use carrel_client::{
    Client, Config, Error,
    content::download::SystemSensors,
    net::{LiveHttp, NetworkSettings},
    network_settings,
    system::{SystemClock, SystemIds, blocking},
};
use carrel_commands::{Host, api::error::CommandError, dispatch, events};
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
}

impl Host for AppHost {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn open_url(&self, url: &str) -> Result<(), CommandError> {
        tauri_plugin_opener::open_url(url, None::<&str>)
            .map_err(|e| CommandError::unavailable(format!("the browser could not be opened: {e}")))
    }

    fn downloads_dir(&self) -> Option<PathBuf> {
        self.downloads.clone()
    }
}

/// The client, or none if it could not be opened. In that case each call tries to open it again and returns the error,
/// so that the window stays open and can show it.
pub struct ClientState {
    host: RwLock<Option<Arc<AppHost>>>,
    /// Serializes attempts to open the client.
    opening: Mutex<()>,
    profile: Profile,
}

/// Opens the client with the folders of `profile`, and starts to forward its events to the window.
pub fn open<R: Runtime>(app: &AppHandle<R>, profile: &Profile) -> ClientState {
    let state = ClientState {
        host: RwLock::default(),
        opening: Mutex::default(),
        profile: profile.clone(),
    };
    if let Err(error) = tauri::async_runtime::block_on(state.host(app)) {
        tracing::error!(error = %error, "the client could not be opened");
    }
    state
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
    let client = Client::open(Config {
        data_dir: profile.data_dir(app).map_err(path_error)?,
        cache_dir: profile.cache_dir(app).map_err(path_error)?,
        space: Default::default(),
        demo_dir: profile.demo_dir(app),
        http: Arc::new(live_http(&format!("Carrel/{version}"), settings.await?)?),
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
    Ok(client)
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
    /// Runs a command by its name. Request and reply are JSON.
    pub async fn call<R: Runtime>(
        &self,
        app: &AppHandle<R>,
        name: &str,
        payload: Value,
    ) -> Result<Value, CommandError> {
        let host = self.host(app).await?;
        dispatch(host.as_ref(), name, payload).await
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

    /// Closes the learner's files before the program exits.
    pub fn close(&self) {
        if let Some(host) = self.ready() {
            tauri::async_runtime::block_on(host.client.close());
        }
    }
}

/// The only Tauri command of the app: `invoke("call", { name, payload })`.
#[tauri::command]
pub async fn call<R: Runtime>(
    app: AppHandle<R>,
    name: String,
    payload: Value,
) -> Result<Value, CommandError> {
    app.state::<ClientState>().call(&app, &name, payload).await
}
