//! Replies to HTTP requests: a kept one of the present state, or that of the handler, which is kept if the state is the
//! same after it.

use async_trait::async_trait;
use bytes::Bytes;
use carrel_model::range::matches_tag;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::{
    cache::{Computation, LookUp, TenantCache},
    entry::CachedReply,
    figures::Origin,
    kinds::ReplyKind,
};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// Headers that a kept reply has.
const KEPT: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ETAG, header::CACHE_CONTROL, header::VARY];
/// Maximum size of a body that is given to other requests.
const MAX_BODY: u64 = 16 * 1024 * 1024;
/// A request whose state changes this often while it waits is computed without the cache.
const ROUNDS: usize = 3;

/// The state of the database on which a reply depends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresentState {
    /// Identifies the state.
    pub text: String,
    /// What the reader may find, if the reply depends on it. It is part of `text`.
    pub finds: Option<String>,
}

/// A request whose reply may be kept.
#[async_trait]
pub trait CacheableRequest: Send + Sync {
    fn kind(&self) -> ReplyKind;
    /// Everything that identifies the reply in any state.
    fn resource(&self) -> Vec<&str>;
    /// Reads the present state; `None` if the handler must decide. It must not return to an earlier one, except in
    /// `finds`.
    async fn state(&self) -> Option<PresentState>;
    fn now_ms(&self) -> i64;
}

/// For readers who find this, a handler computed its reply; in the extensions of the reply. If the request says that
/// the reply depends on it, only a reply with the same value is kept: what a reader finds may change and change back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenBy(pub String);

impl SeenBy {
    #[must_use]
    pub fn of<B>(self, mut reply: Response<B>) -> Response<B> {
        reply.extensions_mut().insert(self);
        reply
    }
}

/// Time from which a reply would be another one; in the extensions of the reply.
#[derive(Debug, Clone, Copy)]
pub struct ValidUntil(pub i64);

/// Returns the reply to a request. `asked`: `None` if the handler refuses it. `condition`: its `If-None-Match`.
/// `handler` computes the reply; with `true`, the reply to the request without the condition, because others need it as
/// a whole.
pub async fn serve<B, F>(
    cache: &TenantCache,
    kind: ReplyKind,
    asked: Option<&dyn CacheableRequest>,
    condition: Option<HeaderValue>,
    handler: impl FnOnce(bool) -> F,
) -> Response<B>
where
    B: Body<Data = Bytes> + From<Bytes> + Default,
    F: Future<Output = Response<B>>,
{
    let condition = condition.as_ref().and_then(|value| value.to_str().ok());
    for _ in 0..ROUNDS {
        let Some(asked) = asked else { break };
        let Some(state) = asked.state().await else { break };
        // What one reader finds does not displace what others find.
        let mut resource = asked.resource();
        resource.extend(state.finds.as_deref());
        match cache.look_up(asked.kind(), &resource, &state.text, asked.now_ms()).await {
            LookUp::Found(found) => {
                return with_origin(reply_of(found.reply(), condition), found.origin);
            }
            LookUp::Missing(computation) => {
                computation.begin();
                let reply = keep(handler(true).await, condition, asked, &state, computation).await;
                return with_origin(reply, Origin::Miss);
            }
            // The state may have changed.
            LookUp::Ended => {}
        }
    }
    cache.count_bypass(kind);
    with_origin(handler(false).await, Origin::Bypass)
}

/// Keeps a reply if the state is still the same. Returns the reply to the request with its condition.
async fn keep<B>(
    reply: Response<B>,
    condition: Option<&str>,
    asked: &dyn CacheableRequest,
    before: &PresentState,
    computation: Computation,
) -> Response<B>
where
    B: Body<Data = Bytes> + From<Bytes> + Default,
{
    let is_complete = reply.body().size_hint().exact().is_some_and(|size| size <= MAX_BODY);
    if reply.status() != StatusCode::OK || !is_complete {
        return reply;
    }
    let seen_by = reply.extensions().get::<SeenBy>().map(|SeenBy(finds)| finds.clone());
    let valid_until_ms = reply.extensions().get::<ValidUntil>().map(|ValidUntil(ms)| *ms);
    let (parts, body) = reply.into_parts();
    let Ok(body) = body.collect().await else {
        // The client sees that the body ends too early.
        return Response::from_parts(parts, B::default());
    };
    let headers = KEPT.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let kept = CachedReply { headers: headers.collect(), body: body.to_bytes() };
    let reply = reply_of(&kept, condition);
    // A state that is the same was the same while the handler read the database.
    let is_same = asked.state().await.is_some_and(|after| after == *before);
    if is_same && (before.finds.is_none() || seen_by == before.finds) {
        computation.finish(kept, valid_until_ms, asked.now_ms());
    }
    reply
}

/// Returns the reply to a request with this `If-None-Match`.
fn reply_of<B: From<Bytes> + Default>(kept: &CachedReply, condition: Option<&str>) -> Response<B> {
    let mut headers = HeaderMap::new();
    for (name, value) in &kept.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let is_known = condition.zip(tag).is_some_and(|(known, tag)| matches_tag(known, tag));
    let mut reply = Response::new(B::default());
    if is_known {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        headers.remove(header::CONTENT_TYPE);
    } else {
        *reply.body_mut() = B::from(kept.body.clone());
    }
    *reply.headers_mut() = headers;
    reply
}

fn with_origin<B>(mut reply: Response<B>, origin: Origin) -> Response<B> {
    reply.headers_mut().insert(X_CACHE, HeaderValue::from_static(origin.as_str()));
    reply
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body_util::Full;

    use super::*;
    use crate::ResponseCache;

    /// A database with a value, a revision that only grows, and what the reader finds.
    #[derive(Default)]
    struct Database(Mutex<(u32, String)>);

    struct Asked<'d>(&'d Database, bool);

    #[async_trait]
    impl CacheableRequest for Asked<'_> {
        fn kind(&self) -> ReplyKind {
            ReplyKind::List
        }
        fn resource(&self) -> Vec<&str> {
            vec!["/a"]
        }
        async fn state(&self) -> Option<PresentState> {
            let (revision, finds) = self.0.0.lock().unwrap().clone();
            let finds = self.1.then_some(finds);
            Some(PresentState { text: format!("{revision} {finds:?}"), finds })
        }
        fn now_ms(&self) -> i64 {
            1_790_000_000_000
        }
    }

    fn text(reply: &Response<Full<Bytes>>) -> String {
        reply.headers()[X_CACHE].to_str().unwrap().to_owned()
    }

    /// Asks, and lets `during` change the database while the handler runs.
    async fn ask(
        cache: &TenantCache,
        database: &Database,
        by_reader: bool,
        during: impl FnOnce(&mut (u32, String)) -> String,
    ) -> (String, String) {
        let asked = Asked(database, by_reader);
        let handler = |_: bool| async {
            let seen_by = during(&mut database.0.lock().unwrap());
            SeenBy(seen_by.clone()).of(Response::new(Full::from(seen_by)))
        };
        let reply: Response<Full<Bytes>> =
            serve(cache, ReplyKind::List, Some(&asked), None, handler).await;
        let origin = text(&reply);
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        (origin, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn a_reply_is_not_kept_if_the_state_changed_while_it_was_computed() {
        let cache = ResponseCache::new(1 << 20, None).for_tenant([1; 32]);
        let database = Database::default();
        let origin = |(origin, _): (String, String)| origin;
        let write = |state: &mut (u32, String)| {
            state.0 += 1;
            String::new()
        };
        let nothing = |_: &mut (u32, String)| String::new();
        assert_eq!(origin(ask(&cache, &database, false, write).await), "miss");
        assert_eq!(origin(ask(&cache, &database, false, nothing).await), "miss");
        assert_eq!(origin(ask(&cache, &database, false, nothing).await), "memory");
        database.0.lock().unwrap().0 += 1;
        assert_eq!(origin(ask(&cache, &database, false, nothing).await), "miss");
    }

    #[tokio::test]
    async fn a_reply_for_another_reader_is_not_kept_even_if_the_state_changed_back() {
        let cache = ResponseCache::new(1 << 20, None).for_tenant([1; 32]);
        let database = Database::default();
        // The reader joins a class, the handler reads, and the reader leaves it.
        let secret = |_: &mut (u32, String)| "secret".to_owned();
        let nothing = |_: &mut (u32, String)| String::new();
        assert_eq!(
            ask(&cache, &database, true, secret).await,
            ("miss".to_owned(), "secret".to_owned())
        );
        assert_eq!(ask(&cache, &database, true, nothing).await, ("miss".to_owned(), String::new()));
        let memory = ("memory".to_owned(), String::new());
        assert_eq!(ask(&cache, &database, true, secret).await, memory);
    }

    #[tokio::test]
    async fn a_kept_reply_answers_conditions() {
        let cache = ResponseCache::new(1 << 20, None).for_tenant([1; 32]);
        let database = Database::default();
        let asked = Asked(&database, false);
        let ask = async |condition: Option<&'static str>, status: StatusCode| {
            let condition = condition.map(HeaderValue::from_static);
            let handler = |is_whole: bool| async move {
                assert!(is_whole);
                let reply = Response::builder()
                    .status(status)
                    .header(header::ETAG, "W/\"1\"")
                    .header(header::CONTENT_TYPE, "application/json")
                    .header("x-other", "1");
                reply.body(Full::from("{}")).unwrap()
            };
            let reply = serve(&cache, ReplyKind::List, Some(&asked), condition, handler).await;
            let size = reply.body().size_hint().exact().unwrap();
            (reply.status().as_u16(), size, text(&reply), reply.headers().len())
        };
        let of = |origin: &str| origin.to_owned();
        // Only complete replies are kept.
        assert_eq!(ask(None, StatusCode::NOT_FOUND).await, (404, 2, of("miss"), 4));
        assert_eq!(ask(Some("\"1\""), StatusCode::OK).await, (304, 0, of("miss"), 2));
        assert_eq!(ask(None, StatusCode::OK).await, (200, 2, of("memory"), 3));
        assert_eq!(ask(Some("W/\"1\""), StatusCode::OK).await, (304, 0, of("memory"), 2));
        assert_eq!(ask(Some("\"2\""), StatusCode::OK).await, (200, 2, of("memory"), 3));
    }
}
