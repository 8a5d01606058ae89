//! Settings of the network of this device: those of the organisation, with the learner's name and password for a proxy.
//!
//! Not here: connections (`carrel_net`).

use std::{fs, path::PathBuf, sync::Arc};

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

/// Uses the stored name and password, without delaying the start. The keychain is only read if they were stored, because
/// it may ask for a password of its own.
pub(super) fn apply_login(config: &Arc<Config>, secrets: &Arc<dyn SecretStore>) {
    let (config, secrets) = (config.clone(), secrets.clone());
    tokio::spawn(async move {
        let marker = marker(&config);
        let login =
            blocking(
                move || {
                    if marker.exists() { stored_login(secrets.as_ref()) } else { Ok(None) }
                },
            );
        match login.await {
            Ok(None) => {}
            Ok(login) => set(&config, login),
            Err(e) => {
                tracing::warn!(error = %e, "the name and the password for the proxy cannot be read");
            }
        }
    });
}

/// Returns the path of the empty file that exists while a name and a password are stored.
fn marker(config: &Config) -> PathBuf {
    config.data_dir.join("proxy-login")
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
        let marker = marker(self.config());
        blocking(move || match login {
            Some(ProxyCredentials { login, password }) => {
                let text = serde_json::to_string(&StoredLogin { login, password })
                    .map_err(|e| Error::Internal(e.to_string()))?;
                secrets.set(PROXY_SECRET, &text)?;
                Ok::<_, Error>(fs::write(marker, "")?)
            }
            None => {
                secrets.delete(PROXY_SECRET)?;
                let _ = fs::remove_file(marker);
                Ok(())
            }
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
