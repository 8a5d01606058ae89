//! Settings of the network of this device: those of the organisation, with the learner's name and password for a proxy.
//!
//! Not here: connections (`carrel_net`).

use std::sync::Arc;

use carrel_net::{NetworkSettings, ProxyCredentials, SecretStore};
use carrel_system::blocking;
use serde::{Deserialize, Serialize};

use crate::{Client, Config, Error, Result};

/// Name of the secret with the name and the password for a proxy.
const PROXY_SECRET: &str = "proxy";

#[derive(Serialize, Deserialize)]
struct StoredLogin {
    login: String,
    password: String,
}

/// Applies the organisation's settings, and then, without delaying the start, the stored name and password. Settings that
/// cannot be used are logged, and the system's remain in use, so that the app starts.
pub(super) fn apply(config: &Arc<Config>, secrets: &Arc<dyn SecretStore>) {
    set(config, None);
    let (config, secrets) = (config.clone(), secrets.clone());
    tokio::spawn(async move {
        match blocking(move || stored_login(secrets.as_ref())).await {
            Ok(None) => {}
            Ok(login) => set(&config, login),
            Err(e) => {
                tracing::warn!(error = %e, "the name and the password for the proxy cannot be read");
            }
        }
    });
}

fn set(config: &Config, credentials: Option<ProxyCredentials>) {
    let settings = NetworkSettings { credentials, ..config.network.clone() };
    if let Err(e) = config.http.set_network(&settings) {
        tracing::error!(error = %e, "the settings of the network cannot be used");
    }
}

fn stored_login(secrets: &dyn SecretStore) -> Result<Option<ProxyCredentials>> {
    let Some(text) = secrets.get(PROXY_SECRET)? else { return Ok(None) };
    let StoredLogin { login, password } = serde_json::from_str(&text)
        .map_err(|e| Error::Internal(format!("stored name and password for the proxy: {e}")))?;
    Ok(Some(ProxyCredentials { login, password }))
}

impl Client {
    /// Stores the name and the password for the proxy in the keychain and uses them from now on; `None` deletes them.
    /// Retries downloads and sync.
    pub async fn set_proxy_login(&self, login: Option<ProxyCredentials>) -> Result<()> {
        let settings =
            NetworkSettings { credentials: login.clone(), ..self.config().network.clone() };
        let secrets = self.shared.secrets.clone();
        blocking(move || match login {
            Some(ProxyCredentials { login, password }) => {
                let text = serde_json::to_string(&StoredLogin { login, password })
                    .map_err(|e| Error::Internal(e.to_string()))?;
                Ok::<_, Error>(secrets.set(PROXY_SECRET, &text)?)
            }
            None => Ok(secrets.delete(PROXY_SECRET)?),
        })
        .await?;
        self.config().http.set_network(&settings)?;
        if let Some(account) = self.account() {
            account.network_changed();
        }
        Ok(())
    }

    /// Determines the proxies again and retries downloads and sync, after the network changed.
    pub fn network_changed(&self) {
        self.config().http.network_changed();
        if let Some(account) = self.account() {
            account.network_changed();
        }
    }
}
