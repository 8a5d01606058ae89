//! Sends alerts to a chat and a pager. A message that cannot be sent is sent again at the next call, for an hour.

use std::{collections::VecDeque, time::Duration};

use reqwest::{Client, Url, redirect::Policy};
use serde_json::Value;

use crate::{
    alerts::{Change, Notice, Severity},
    messages::{Context, chat_message, pager_event},
    settings::AlertSettings,
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that wait for a receiver that cannot be reached; the oldest are dropped.
const MAX_WAITING: usize = 100;
/// Age after which a message is not sent any more, in ms.
const MAX_AGE_MS: i64 = 3_600_000;

/// Why the settings of alerts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error("alerts.{key} {value:?}: must be an http or https address")]
    Address { key: &'static str, value: String },
    #[error("alerts.pager_key_file: read {path:?}: {source}")]
    Key { path: std::path::PathBuf, source: std::io::Error },
    #[error("alerts.pager_url needs alerts.pager_key_file")]
    NoKey,
    #[error("the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Returns a client for requests to a monitoring service.
pub(crate) fn http_client() -> reqwest::Result<Client> {
    // The provider of cryptography of this workspace is ring, whatever the default of the process is.
    let _ =
        rustls::crypto::CryptoProvider::install_default(rustls::crypto::ring::default_provider());
    Client::builder()
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .user_agent(concat!("carrel-server/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A receiver that accepts JSON.
struct Receiver {
    name: &'static str,
    url: Url,
    from: Severity,
    /// Alerts of which it got a message, so that it also gets their end.
    told: std::collections::BTreeSet<&'static str>,
    waiting: VecDeque<(i64, Value)>,
}

/// Sends alerts over HTTP.
pub struct Sender {
    client: Client,
    context: Context,
    chat: Option<Receiver>,
    pager: Option<(Receiver, String)>,
}

impl Sender {
    /// Reads the key of the pager.
    ///
    /// # Errors
    /// The setting that cannot be used.
    pub fn open(settings: &AlertSettings, context: Context) -> Result<Self, AlertError> {
        let receiver = |key, name, value: &str, from| {
            if value.is_empty() {
                return Ok::<_, AlertError>(None);
            }
            let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let url = url.ok_or_else(|| AlertError::Address { key, value: value.to_owned() })?;
            Ok(Some(Receiver {
                name,
                url,
                from,
                told: Default::default(),
                waiting: VecDeque::new(),
            }))
        };
        let chat = receiver("chat_url", "chat", &settings.chat_url, settings.chat_from)?;
        let pager = match receiver("pager_url", "pager", &settings.pager_url, settings.pager_from)?
        {
            Some(pager) => {
                let path = settings.pager_key_file.clone().ok_or(AlertError::NoKey)?;
                let key = std::fs::read_to_string(&path)
                    .map_err(|source| AlertError::Key { path, source })?;
                Some((pager, key.trim().to_owned()))
            }
            None => None,
        };
        let client = http_client()?;
        Ok(Self { client, context, chat, pager })
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Sends a message to the receivers whose least severity it has, after those that wait. `time`: its time in RFC 3339.
    pub fn add(&mut self, notice: &Notice, time: &str) {
        if let Some(chat) = &mut self.chat
            && chat.wants(notice)
        {
            chat.add(notice.at_ms, chat_message(notice, &self.context));
        }
        if let Some((pager, key)) = &mut self.pager
            && pager.wants(notice)
        {
            pager.add(notice.at_ms, pager_event(notice, &self.context, key, time));
        }
    }

    /// Sends what waits. Failures are logged without the address, which may contain a secret.
    pub async fn send(&mut self, now_ms: i64) {
        let pager = self.pager.as_mut().map(|(pager, _)| pager);
        for receiver in self.chat.iter_mut().chain(pager) {
            receiver.send(&self.client, now_ms).await;
        }
    }
}

impl Receiver {
    fn wants(&mut self, notice: &Notice) -> bool {
        let metric = notice.alert.metric;
        if notice.change == Change::Ends {
            return self.told.remove(metric);
        }
        let wants = notice.alert.severity >= self.from;
        if wants {
            self.told.insert(metric);
        }
        // A lower severity of an alert that was told is told as well.
        wants || self.told.contains(metric)
    }

    fn add(&mut self, at_ms: i64, message: Value) {
        self.waiting.push_back((at_ms, message));
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
        }
    }

    async fn send(&mut self, client: &Client, now_ms: i64) {
        while let Some((at_ms, message)) = self.waiting.front() {
            if now_ms - at_ms > MAX_AGE_MS {
                self.waiting.pop_front();
                continue;
            }
            let reply = client.post(self.url.clone()).json(message).send().await;
            let problem = match reply {
                Ok(reply) if reply.status().is_success() => None,
                Ok(reply) => {
                    Some((reply.status().is_client_error(), format!("status {}", reply.status())))
                }
                Err(e) => Some((false, e.without_url().to_string())),
            };
            let Some((is_permanent, problem)) = problem else {
                self.waiting.pop_front();
                continue;
            };
            tracing::warn!(
                alert.receiver = self.name,
                alert.error = problem,
                "an alert was not sent"
            );
            if !is_permanent {
                return;
            }
            // It would be refused again.
            self.waiting.pop_front();
        }
    }
}
