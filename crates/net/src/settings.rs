//! Settings of the network: proxy and additional certificate authorities.

use std::sync::Arc;

use crate::SystemProxies;

/// Which proxy is used for requests.
#[derive(Clone, Default)]
pub enum ProxyMode {
    /// That of the system: environment variables, then a script and the fixed proxies in the settings of the operating
    /// system.
    #[default]
    System,
    /// None.
    Direct,
    /// The proxy at `url` (`http`, `https`, `socks5`, `socks5h`), except for the hosts in `bypass`: names with their
    /// subdomains, IP addresses, networks such as `10.0.0.0/8`.
    Fixed {
        /// Address of the proxy.
        url: String,
        /// Hosts that are reached directly.
        bypass: Vec<String>,
    },
    /// The proxies that the configuration script (PAC) at `url` returns.
    Script {
        /// Address of the script: `http`, `https` or `file`.
        url: String,
    },
}

/// Name and password for a proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyCredentials {
    /// Name of the user.
    pub login: String,
    /// Password.
    pub password: String,
}

/// Settings of the network.
#[derive(Clone, Default)]
pub struct NetworkSettings {
    /// Which proxy is used.
    pub proxy: ProxyMode,
    /// Name and password for a proxy whose address contains none.
    pub credentials: Option<ProxyCredentials>,
    /// Certificates of additional authorities, in PEM.
    pub extra_ca: Vec<Vec<u8>>,
    /// Address of a mirror of the server's blobs, which is used before the server; for example in the school's own network.
    pub mirror: Option<String>,
    /// Reads the proxies in the settings of the operating system; those of the real one if it is `None`.
    pub system: Option<Arc<dyn SystemProxies>>,
}
