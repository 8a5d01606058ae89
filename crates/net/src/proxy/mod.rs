//! Which proxy is used for a request: none, the system's, a fixed one, or those of a configuration script (PAC).
//!
//! The result is determined before a request and cached per origin for [`CACHE_MS`], because a script may resolve names
//! for seconds and the HTTP client asks for the proxy on an async thread. A proxy that cannot be reached is replaced by
//! the next one of its list for the same time.
//!
//! The system's proxies are those of the environment variables, else those that the script in the settings of the
//! operating system returns, else the fixed ones in these settings.
//!
//! Loopback addresses are always reached directly, as in browsers.
//!
//! Not here: connections (`live`), the settings of the operating system (`system_proxies`).

#[cfg(not(any(target_os = "android", target_os = "ios")))]
mod pac;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use carrel_system::{Clock, blocking};
use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

use crate::{
    Error, Failure, FailureKind, NetworkCause, NetworkSettings, ProxyCredentials, ProxyMode,
    RealSystem, Result, SystemProxies, SystemSettings,
};

/// How long the proxies of an origin are used before they are determined again, in milliseconds.
const CACHE_MS: i64 = 5 * 60_000;
/// How long a script is used before it is loaded again, in milliseconds.
const SCRIPT_MS: i64 = 30 * 60_000;

/// Maximum time to load a script.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of a script in bytes.
const MAX_SCRIPT_BYTES: usize = 1024 * 1024;

/// The proxies of one origin.
#[derive(Clone)]
struct Choice {
    /// In order of preference; `None` is a direct connection. Not empty.
    proxies: Vec<Option<Url>>,
    /// Index of the one in use.
    used: usize,
    /// Time at which they are determined again (monotonic, ms).
    until_ms: i64,
    /// Why the configuration script was not used.
    script_error: Option<String>,
}

/// A loaded script, or why it could not be loaded.
#[derive(Clone)]
struct Script {
    address: Url,
    text: Result<Arc<str>, String>,
    until_ms: i64,
}

/// The settings of the operating system, and their fixed proxies.
struct KnownSystem {
    settings: SystemSettings,
    fixed: Matcher,
    /// Time at which they are read again (monotonic, ms).
    until_ms: i64,
}

/// Creates a client without proxies, which loads scripts.
type Loader = Arc<dyn Fn() -> Result<reqwest::Client> + Send + Sync>;

/// Determines proxies. Shared by the client and its callback.
pub(crate) struct Proxies {
    mode: Mode,
    credentials: Option<ProxyCredentials>,
    clock: Arc<dyn Clock>,
    loader: Loader,
    choices: Mutex<HashMap<String, Choice>>,
    system: Mutex<Option<Arc<KnownSystem>>>,
    script: tokio::sync::Mutex<Option<Script>>,
}

enum Mode {
    System {
        /// Proxies of the environment variables.
        variables: Box<Matcher>,
        /// Finds nothing for the hosts in `NO_PROXY`.
        allowed: Box<Matcher>,
        settings: Arc<dyn SystemProxies>,
    },
    Direct,
    Fixed(Box<Matcher>),
    Script(Url),
}

impl Proxies {
    /// Checks the settings.
    pub(crate) fn new(
        settings: &NetworkSettings,
        loader: Loader,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let mode = match &settings.proxy {
            ProxyMode::Direct => Mode::Direct,
            ProxyMode::System => {
                let except = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
                Mode::System {
                    variables: Box::new(Matcher::from_env()),
                    allowed: Box::new(
                        Matcher::builder()
                            .all("http://any.invalid")
                            .no(except.unwrap_or_default())
                            .build(),
                    ),
                    settings: settings.system.clone().unwrap_or_else(|| Arc::new(RealSystem)),
                }
            }
            ProxyMode::Fixed { url, bypass } => {
                let url = parse(url, &["http", "https", "socks4", "socks4a", "socks5", "socks5h"])?;
                Mode::Fixed(Box::new(
                    Matcher::builder().all(url.to_string()).no(bypass.join(",")).build(),
                ))
            }
            ProxyMode::Script { url } => Mode::Script(parse(url, &["http", "https", "file"])?),
        };
        let (choices, system) = (Mutex::default(), Mutex::default());
        let script = tokio::sync::Mutex::default();
        let credentials = settings.credentials.clone();
        Ok(Self { mode, credentials, clock, loader, choices, system, script })
    }

    /// Determines the proxies for the origin of `url`, unless they are known.
    pub(crate) async fn prepare(self: &Arc<Self>, url: &Url) {
        if is_loopback(url)
            || self.current(url).is_some_and(|c| c.until_ms > self.clock.monotonic_ms())
        {
            return;
        }
        let (proxies, script_error) = match self.determine(url).await {
            Ok(proxies) => (proxies, None),
            // As browsers do: without the script, a direct connection is tried.
            Err(error) => {
                tracing::warn!(error, "the proxy configuration script cannot be used");
                (vec![None], Some(error))
            }
        };
        let until_ms = self.clock.monotonic_ms() + CACHE_MS;
        self.choices().insert(origin(url), Choice { proxies, used: 0, until_ms, script_error });
    }

    /// Returns the proxy for `url`, as determined by `prepare`; `None` for a direct connection.
    pub(crate) fn proxy_for(&self, url: &Url) -> Option<Url> {
        let choice = self.current(url)?;
        let mut proxy = choice.proxies.get(choice.used)?.clone()?;
        if let Some(credentials) = self.credentials.as_ref().filter(|_| proxy.username().is_empty())
        {
            // Fails only for URLs without a host, which are not proxies.
            let _ = proxy.set_username(&credentials.login);
            let _ = proxy.set_password(Some(&credentials.password));
        }
        Some(proxy)
    }

    /// Replaces the proxy in use by the next one after it could not be reached. Returns false if there is none.
    pub(crate) fn use_next(&self, url: &Url, failed: &Url) -> bool {
        let mut choices = self.choices();
        let Some(choice) = choices.get_mut(&origin(url)) else { return false };
        let is_in_use = choice
            .proxies
            .get(choice.used)
            .is_some_and(|p| p.as_ref().map(host_of) == Some(host_of(failed)));
        // Another request may have replaced it already.
        if is_in_use {
            if choice.used + 1 >= choice.proxies.len() {
                return false;
            }
            choice.used += 1;
        }
        true
    }

    /// Returns the failure of a direct connection that was tried because the script could not be used.
    pub(crate) fn script_failure(&self, url: &Url) -> Option<Failure> {
        let error = self.current(url)?.script_error?;
        Some(
            Failure::new(
                FailureKind::Connect,
                format!("the proxy configuration script cannot be used: {error}"),
            )
            .with_cause(NetworkCause::ProxyScript),
        )
    }

    /// Determines all proxies again, reads the settings of the system and loads the script again, after the network
    /// changed.
    pub(crate) fn forget(&self) {
        self.choices().clear();
        *self.known_system() = None;
        // While it is locked, it is being loaded.
        if let Ok(mut script) = self.script.try_lock() {
            *script = None;
        }
    }

    fn current(&self, url: &Url) -> Option<Choice> {
        self.choices().get(&origin(url)).cloned()
    }
    fn choices(&self) -> MutexGuard<'_, HashMap<String, Choice>> {
        self.choices.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn known_system(&self) -> MutexGuard<'_, Option<Arc<KnownSystem>>> {
        self.system.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn determine(self: &Arc<Self>, url: &Url) -> Result<Vec<Option<Url>>, String> {
        match &self.mode {
            Mode::Direct => Ok(vec![None]),
            Mode::Fixed(matcher) => Ok(vec![matched(matcher, url)]),
            Mode::System { variables, allowed, settings } => {
                if let found @ Some(_) = matched(variables, url) {
                    return Ok(vec![found]);
                }
                if matched(allowed, url).is_none() {
                    return Ok(vec![None]);
                }
                let system = self.read_system(settings).await.map_err(|e| e.to_string())?;
                self.determine_by_system(&system, url).await
            }
            Mode::Script(address) => self.by_script(address, url).await,
        }
    }

    /// Returns the settings of the system, reading them if they are not known or too old.
    async fn read_system(&self, source: &Arc<dyn SystemProxies>) -> Result<Arc<KnownSystem>> {
        let known = self.known_system().clone();
        if let Some(known) = known.filter(|k| k.until_ms > self.clock.monotonic_ms()) {
            return Ok(known);
        }
        let source = source.clone();
        let settings = blocking(move || Ok::<_, Error>(source.read())).await?;
        let fixed = settings.matcher();
        let until_ms = self.clock.monotonic_ms() + CACHE_MS;
        let read = Arc::new(KnownSystem { settings, fixed, until_ms });
        *self.known_system() = Some(read.clone());
        Ok(read)
    }

    /// As Windows does: the script decides, and if it cannot be used, the fixed proxies.
    async fn determine_by_system(
        self: &Arc<Self>,
        system: &KnownSystem,
        url: &Url,
    ) -> Result<Vec<Option<Url>>, String> {
        let by_script = match &system.settings.script {
            None => None,
            Some(Ok(address)) => Some(self.by_script(address, url).await),
            Some(Err(why)) => Some(Err(why.clone())),
        };
        let is_direct = system.settings.is_bypassed_plain_name(url);
        let fixed = matched(&system.fixed, url).filter(|_| !is_direct);
        match by_script {
            Some(Err(error)) if fixed.is_some() => {
                tracing::warn!(
                    error,
                    "the proxy configuration script of the system cannot be used"
                );
                Ok(vec![fixed])
            }
            Some(result) => result,
            None => Ok(vec![fixed]),
        }
    }

    async fn by_script(
        self: &Arc<Self>,
        address: &Url,
        url: &Url,
    ) -> Result<Vec<Option<Url>>, String> {
        let script = self.script(address).await?;
        self.run(script, url.clone()).await.map_err(|e| format!("{}: {e}", shown(address)))
    }

    #[cfg(not(any(target_os = "android", target_os = "ios")))]
    async fn run(&self, script: Arc<str>, url: Url) -> Result<Vec<Option<Url>>, String> {
        let clock = self.clock.clone();
        let run = blocking(move || Ok::<_, Error>(pac::run(&script, &url, &clock)));
        run.await.unwrap_or_else(|e| Err(e.to_string()))
    }
    /// On phones the system applies its configuration script to all connections.
    #[cfg(any(target_os = "android", target_os = "ios"))]
    async fn run(&self, _script: Arc<str>, _url: Url) -> Result<Vec<Option<Url>>, String> {
        Ok(vec![None])
    }

    /// Returns the script, loading it if it is not known or too old. An old one is used if a new one cannot be loaded.
    async fn script(&self, address: &Url) -> Result<Arc<str>, String> {
        let mut script = self.script.lock().await;
        if script.as_ref().is_some_and(|known| known.address != *address) {
            *script = None;
        }
        let now = self.clock.monotonic_ms();
        if let Some(known) = script.as_ref().filter(|s| s.until_ms > now) {
            return known.text.clone();
        }
        let loaded = load(address, &self.loader).await;
        let (text, until_ms) = match (loaded, script.as_ref()) {
            (Ok(text), _) => (Ok(text), now + SCRIPT_MS),
            (Err(error), Some(Script { text: Ok(old), .. })) => {
                tracing::warn!(error, "cannot load the proxy configuration script again");
                (Ok(old.clone()), now + CACHE_MS)
            }
            (Err(error), _) => (Err(error), now + CACHE_MS / 10),
        };
        *script = Some(Script { address: address.clone(), text: text.clone(), until_ms });
        text
    }
}

async fn load(address: &Url, loader: &Loader) -> Result<Arc<str>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", shown(address));
    let too_long = || failed(&format!("longer than {MAX_SCRIPT_BYTES} bytes"));
    let bytes = if address.scheme() == "file" {
        let path = address.to_file_path().map_err(|()| failed(&"not a path of a file"))?;
        let file = tokio::fs::metadata(&path).await.map_err(|e| failed(&e))?;
        // A pipe or a device could be read without an end.
        if !file.is_file() {
            return Err(failed(&"not a file"));
        }
        if file.len() > MAX_SCRIPT_BYTES as u64 {
            return Err(too_long());
        }
        tokio::fs::read(&path).await.map_err(|e| failed(&e))?
    } else {
        let loader = loader.clone();
        let client = blocking(move || loader()).await.map_err(|e| failed(&e))?;
        let reply = client.get(address.clone()).timeout(LOAD_TIMEOUT).send().await;
        let mut reply =
            reply.and_then(reqwest::Response::error_for_status).map_err(|e| failed(&e))?;
        let mut bytes = Vec::new();
        while let Some(piece) = reply.chunk().await.map_err(|e| failed(&e))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_SCRIPT_BYTES {
                return Err(too_long());
            }
        }
        bytes
    };
    Ok(String::from_utf8_lossy(&bytes).into())
}

/// Returns the address of a script for messages: without name and password.
fn shown(address: &Url) -> Url {
    let mut shown = address.clone();
    // Fails only for addresses that contain neither.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown
}

fn parse(text: &str, schemes: &[&str]) -> Result<Url> {
    let refused = |why: &str| {
        Error::Invalid(format!(
            "proxy address {text:?}: {why}; expected for example http://proxy.example:8080"
        ))
    };
    let url = Url::parse(text.trim()).map_err(|e| refused(&e.to_string()))?;
    if !schemes.contains(&url.scheme()) {
        return Err(refused(&format!("the scheme is none of {}", schemes.join(", "))));
    }
    Ok(url)
}

fn matched(matcher: &Matcher, url: &Url) -> Option<Url> {
    let found = matcher.intercept(&url.as_str().parse().ok()?)?;
    let mut proxy = Url::parse(&found.uri().to_string()).ok()?;
    if let Some((login, password)) = found.basic_auth().and_then(decode_basic).or_else(|| {
        found.raw_auth().map(|(login, password)| (login.to_owned(), password.to_owned()))
    }) {
        let _ = proxy.set_username(&login);
        let _ = proxy.set_password(Some(&password));
    }
    Some(proxy)
}

/// Returns name and password of a `Basic` header value.
fn decode_basic(value: &http::HeaderValue) -> Option<(String, String)> {
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(data_encoding::BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    text.split_once(':').map(|(login, password)| (login.to_owned(), password.to_owned()))
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn host_of(proxy: &Url) -> (Option<String>, Option<u16>) {
    (proxy.host_str().map(str::to_owned), proxy.port_or_known_default())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    }
}
