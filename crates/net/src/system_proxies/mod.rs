//! The proxies in the settings of the operating system: Windows, macOS, and GNOME with the desktops that use its
//! settings. One module reads the values of one system; pure functions turn them into `SystemSettings`.
//!
//! Automatic discovery of a script (WPAD by DHCP or DNS) is not supported: whoever answers it on a foreign network would
//! see all requests.
//!
//! Not here: environment variables, which have priority, and the use of the settings (`proxy`).

#[cfg(any(windows, target_os = "macos", target_os = "linux", test))]
mod address;
#[cfg(any(target_os = "linux", test))]
mod gnome;
#[cfg(any(target_os = "macos", test))]
mod macos;
#[cfg(any(windows, test))]
mod windows;

#[cfg(target_os = "linux")]
use gnome::read as read_system;
use hyper_util::client::proxy::matcher::Matcher;
#[cfg(target_os = "macos")]
use macos::read as read_system;
use url::{Host, Url};
#[cfg(windows)]
use windows::read as read_system;

/// Reads the proxies in the settings of the operating system.
pub trait SystemProxies: Send + Sync {
    /// Returns the current settings; empty if nothing is configured or nothing can be read. May block for two seconds.
    fn read(&self) -> SystemSettings;
}

/// Proxies in the settings of the operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemSettings {
    /// The address of a configuration script, or why it is invalid. Has priority over the fixed proxies.
    pub script: Option<Result<Url, String>>,
    /// Address of the fixed proxy for `http`.
    pub http: Option<String>,
    /// Address of the fixed proxy for `https`.
    pub https: Option<String>,
    /// Address of the SOCKS proxy, for each scheme without a proxy of its own.
    pub socks: Option<String>,
    /// Hosts that the fixed proxies are not used for: names with their subdomains, addresses, networks.
    pub bypass: Vec<String>,
    /// True if the fixed proxies are not used for names without a dot.
    pub bypass_plain_names: bool,
}

impl SystemSettings {
    /// Returns the fixed proxies. Those of macOS are read by the HTTP library.
    pub(crate) fn matcher(&self) -> Matcher {
        if cfg!(target_os = "macos") {
            return Matcher::from_system();
        }
        let address = |proxy: &Option<String>| proxy.clone().unwrap_or_default();
        Matcher::builder()
            .http(address(&self.http))
            .https(address(&self.https))
            .all(address(&self.socks))
            .no(self.bypass.join(","))
            .build()
    }
    /// Returns true if the host is reached directly because its name has no dot.
    pub(crate) fn is_bypassed_plain_name(&self, url: &Url) -> bool {
        self.bypass_plain_names
            && matches!(url.host(), Some(Host::Domain(name)) if !name.contains('.'))
    }
}

/// The settings of the system on which the app runs.
pub struct RealSystem;

impl SystemProxies for RealSystem {
    fn read(&self) -> SystemSettings {
        read_system()
    }
}

/// On phones the system applies its proxies to all connections.
#[cfg(not(any(windows, target_os = "macos", target_os = "linux")))]
fn read_system() -> SystemSettings {
    SystemSettings::default()
}
