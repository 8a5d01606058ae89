//! Requests to the provider: no redirects, a maximum size and duration, and the hosts that the configuration allows.

use std::{error::Error, time::Duration};

use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    error::OidcError,
    settings::{OidcSettings, is_secure},
};

/// Maximum size of a reply, in bytes.
const MAX_REPLY: usize = 256 * 1024;

/// The HTTP client for one provider.
pub(crate) struct Web {
    client: Client,
    issuer: Url,
    allowed_hosts: Vec<String>,
}

/// A reply that was read.
pub(crate) struct Fetched {
    pub is_success: bool,
    pub body: Vec<u8>,
}

impl Web {
    pub fn new(settings: &OidcSettings, issuer: &Url) -> Result<Self, reqwest::Error> {
        // The provider of cryptography of this workspace is ring, whatever the default of the process is.
        let _ = rustls::crypto::CryptoProvider::install_default(
            rustls::crypto::ring::default_provider(),
        );
        let timeout = Duration::from_secs(settings.timeout_s);
        let builder = Client::builder();
        // Only a provider on this computer has an http address; no proxy reaches it.
        let builder = if issuer.scheme() == "http" { builder.no_proxy() } else { builder };
        let client = builder
            .redirect(Policy::none())
            .timeout(timeout)
            .connect_timeout(timeout)
            // The size is limited as it is received, so nothing is decompressed.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("carrel-server/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, issuer: issuer.clone(), allowed_hosts: settings.allowed_hosts.clone() })
    }

    /// Returns an address of the metadata if it may be contacted: that of the issuer's host, or of an allowed host.
    pub fn endpoint(&self, name: &'static str, address: &str) -> Result<Url, OidcError> {
        let bad = |problem: String| OidcError::BadReply { document: "metadata", problem };
        let url = Url::parse(address)
            .ok()
            .filter(|url| is_secure(url) && url.username().is_empty() && url.fragment().is_none())
            .ok_or_else(|| bad(format!("{name} is not an https address: {address:?}")))?;
        let is_issuer = url.origin() == self.issuer.origin();
        let host = url.host_str().unwrap_or_default();
        let is_default_port = url.scheme() == "https" && url.port().is_none();
        let is_named = is_default_port && self.allowed_hosts.iter().any(|allowed| allowed == host);
        let is_allowed = is_issuer || is_named;
        if !is_allowed {
            return Err(bad(format!(
                "{name} is on another host, {host:?}; if it belongs to the provider, add it to oidc.allowed_hosts"
            )));
        }
        Ok(url)
    }

    pub async fn get<T: DeserializeOwned>(
        &self,
        document: &'static str,
        url: Url,
    ) -> Result<T, OidcError> {
        let reply = self.send(document, self.client.get(url)).await?;
        if !reply.is_success {
            let problem = "the reply is an error or a redirect".to_owned();
            return Err(OidcError::BadReply { document, problem });
        }
        parse(document, &reply.body)
    }

    pub async fn post(
        &self,
        document: &'static str,
        url: Url,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<Fetched, OidcError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        if let Some((name, secret)) = basic {
            // RFC 6749 2.3.1: both are form-encoded before they are joined.
            let encoded = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            request = request.basic_auth(encoded(name), Some(encoded(secret)));
        }
        self.send(document, request).await
    }

    async fn send(
        &self,
        document: &'static str,
        request: RequestBuilder,
    ) -> Result<Fetched, OidcError> {
        let failed =
            |e: &reqwest::Error| OidcError::Unreachable(format!("{document}: {}", chain(e)));
        let mut reply =
            request.header("accept", "application/json").send().await.map_err(|e| failed(&e))?;
        let is_success = reply.status().is_success();
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|e| failed(&e))? {
            if body.len() + chunk.len() > MAX_REPLY {
                let problem = format!("it has more than {MAX_REPLY} bytes");
                return Err(OidcError::BadReply { document, problem });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { is_success, body })
    }
}

pub(crate) fn parse<T: DeserializeOwned>(
    document: &'static str,
    body: &[u8],
) -> Result<T, OidcError> {
    serde_json::from_slice(body).map_err(|e| OidcError::BadReply {
        document,
        problem: format!("it is not the expected JSON: {e}"),
    })
}

/// Returns the error with its causes, without the address, which may contain a query.
fn chain(e: &reqwest::Error) -> String {
    if e.is_timeout() {
        return "it takes too long".to_owned();
    }
    let mut text = String::new();
    let mut cause: Option<&dyn Error> = e.source();
    while let Some(e) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&e.to_string());
        cause = e.source();
    }
    if text.is_empty() { "the connection failed".to_owned() } else { text }
}
