//! Requests to the mirrors of a feed.
//!
//! A mirror needs no trust: what it serves is verified. If one fails, or serves something that is not valid, the next
//! one is asked.

use std::sync::Arc;

use carrel_net::{Error as Net, Http, Reply, Request, reply::ClassifiedReply};
use http::header;
use url::Url;

use crate::{
    Channel, Error, Keys, Result, VerifiedFeed,
    feed::{MAX_FEED_BYTES, MAX_SIGNATURE_BYTES, SIGNATURE_SUFFIX},
};

/// Redirects that are followed for one request. Release pages redirect to a file store.
const MAX_REDIRECTS: usize = 5;

/// The base addresses of a feed.
#[derive(Debug, Clone)]
pub struct Mirrors(Vec<Url>);

impl Mirrors {
    /// Reads the addresses of folders, with or without a trailing slash.
    pub fn parse<S: AsRef<str>>(urls: &[S]) -> Result<Self> {
        let parse = |text: &S| {
            let text = text.as_ref();
            let problem = |problem: String| Error::NotSetUp(format!("{text:?}: {problem}"));
            let mut url = Url::parse(text).map_err(|e| problem(e.to_string()))?;
            if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
                return Err(problem("not an http or https address".into()));
            }
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            url.set_query(None);
            url.set_fragment(None);
            Ok(url)
        };
        let urls: Vec<Url> = urls.iter().map(parse).collect::<Result<_>>()?;
        if urls.is_empty() {
            return Err(Error::NotSetUp("no address of an update feed".into()));
        }
        Ok(Self(urls))
    }

    /// Fetches the feed of a channel from the first mirror that has one which `accept` accepts.
    ///
    /// # Errors
    ///
    /// The error of the last mirror that answered, otherwise that of the last mirror.
    pub async fn feed(
        &self,
        http: &Arc<dyn Http>,
        keys: &Keys,
        channel: Channel,
        accept: &(dyn Fn(&VerifiedFeed) -> Result<()> + Send + Sync),
    ) -> Result<VerifiedFeed> {
        let mut answered = None;
        let mut failed = None;
        for base in &self.0 {
            let found = feed_at(http, base, keys, channel).await;
            match found.and_then(|feed| accept(&feed).map(|()| feed)) {
                Ok(feed) => return Ok(feed),
                Err(error) => {
                    tracing::warn!(mirror = %base, error = %error, "no update feed");
                    let kept =
                        if matches!(error, Error::Net(_)) { &mut failed } else { &mut answered };
                    *kept = Some(error);
                }
            }
        }
        Err(answered.or(failed).unwrap_or(Error::NotNow("no mirror was asked")))
    }

    /// Returns the addresses of a file, in the order in which they are tried: each relative address at each mirror.
    pub fn addresses(&self, urls: &[String]) -> Vec<Url> {
        let mut all = Vec::new();
        for url in urls {
            let absolute = Url::parse(url).ok();
            let found = absolute.map_or_else(
                || self.0.iter().filter_map(|base| base.join(url).ok()).collect(),
                |url| vec![url],
            );
            for url in found {
                if matches!(url.scheme(), "http" | "https") && !all.contains(&url) {
                    all.push(url);
                }
            }
        }
        all
    }
}

/// Fetches the feed and its signature from one mirror. While a mirror is updated, the two may be of different releases,
/// so they are fetched once more if they do not match.
async fn feed_at(
    http: &Arc<dyn Http>,
    base: &Url,
    keys: &Keys,
    channel: Channel,
) -> Result<VerifiedFeed> {
    let name = channel.feed_name();
    let mut is_repeated = false;
    loop {
        let feed = small_file(http, base, &name, MAX_FEED_BYTES).await?;
        let signature =
            small_file(http, base, &format!("{name}{SIGNATURE_SUFFIX}"), MAX_SIGNATURE_BYTES)
                .await?;
        let signature = String::from_utf8_lossy(&signature);
        match VerifiedFeed::read(keys, channel, &feed, &signature) {
            Err(Error::Signature { .. }) if !is_repeated => is_repeated = true,
            done => return done,
        }
    }
}

async fn small_file(http: &Arc<dyn Http>, base: &Url, name: &str, limit: usize) -> Result<Vec<u8>> {
    let url = base.join(name).map_err(|e| Error::NotSetUp(format!("{base}: {e}")))?;
    let request = Request::get(url.as_str()).header(header::CACHE_CONTROL, "no-cache");
    let reply = send(http, request).await?;
    if reply.status != 200 {
        return Err(unexpected(reply, url.as_str()).await);
    }
    Ok(reply.bytes(limit).await?.to_vec())
}

/// Sends a GET request and follows redirects.
pub async fn send(http: &Arc<dyn Http>, mut request: Request) -> Result<Reply> {
    for _ in 0..=MAX_REDIRECTS {
        let reply = http.send(request.clone()).await?;
        let location = match reply.status {
            301 | 302 | 303 | 307 | 308 => reply.header(header::LOCATION),
            _ => None,
        };
        let next = location.and_then(|to| Url::parse(&request.url).ok()?.join(to).ok());
        match next {
            Some(url) if matches!(url.scheme(), "http" | "https") => request.url = url.into(),
            _ => return Ok(reply),
        }
    }
    Err(Net::BadReply { url: request.url, problem: "too many redirects".into() }.into())
}

/// Returns the error for a reply that is not the file.
pub async fn unexpected(reply: Reply, url: &str) -> Error {
    ClassifiedReply::read(reply, None).await.into_file_error(url).into()
}
