//! Kept replies: a layer around the handlers of the routes that `Entry::cached` names.
//!
//! It runs after the guard, so that the caller has access.
//!
//! Not here: when a kept reply is sent (`carrel_response_cache`), the state of the database (`domain::reply_state`).

use std::time::Duration;

use async_trait::async_trait;
use axum::{
    RequestExt, Router,
    body::Body,
    extract::{RawPathParams, Request, State},
    http::{Method, header},
    middleware::Next,
    response::Response,
};
use carrel_model::wire::CourseSummary;
use carrel_response_cache::{CacheableRequest, PresentState, ReplyKind, SeenBy, serve};
use tower::ServiceExt as _;

use super::{App, access, extract::SignedInUser, routes};
use crate::{
    domain::{
        publishing::rendered_by,
        reply_state::{DependsOn, StateQuery},
    },
    store::{Audience, Filter, Kind, ListOrder},
};

/// Number of courses whose meta reply, and whose whole content, is kept before it is asked for.
const WARM_META: u32 = 50;
const WARM_FULL: usize = 10;
/// Time after a change of the catalogue in which more changes may follow.
const SETTLE: Duration = Duration::from_millis(200);

/// The rule of a route whose replies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheRule {
    pub kind: ReplyKind,
    pub depends_on: DependsOn,
}

/// What a request asks for.
struct Asked {
    app: App,
    rule: CacheRule,
    /// Path and query.
    address: String,
    /// Whose rows or account the reply contains.
    subject: String,
    query: StateQuery,
    /// The account, if the reply depends on nothing else.
    account: Option<String>,
}

impl Asked {
    /// Returns `None` for a request that the handler refuses.
    async fn of(app: &App, rule: CacheRule, request: &mut Request) -> Option<Self> {
        let caller = request.extensions().get::<SignedInUser>().map(|caller| caller.user.clone());
        let reader = caller.as_ref().map(|caller| caller.id);
        let parameters = request.extract_parts::<RawPathParams>().await.ok();
        let parameters: Vec<(&str, &str)> = parameters.iter().flatten().collect();
        let query = StateQuery::of(rule.depends_on, reader, &parameters)?;
        let is_account = rule.depends_on == DependsOn::Account;
        let subject = if is_account { reader } else { query.learner };
        Some(Self {
            app: app.clone(),
            rule,
            address: request.uri().path_and_query()?.as_str().to_owned(),
            subject: subject.map(|user| user.to_string()).unwrap_or_default(),
            query,
            account: if is_account { Some(serde_json::to_string(&caller?).ok()?) } else { None },
        })
    }
}

#[async_trait]
impl CacheableRequest for Asked {
    fn kind(&self) -> ReplyKind {
        self.rule.kind
    }
    fn resource(&self) -> Vec<&str> {
        // Another release may compute another reply of the same state.
        vec![rendered_by(), &self.address, &self.subject]
    }
    async fn state(&self) -> Option<PresentState> {
        if let Some(text) = self.account.clone() {
            return Some(PresentState { text, finds: None });
        }
        let state = self.app.store.reply_state(self.query.clone()).await.ok()??;
        Some(PresentState { text: state.text(), finds: state.audience.as_ref().map(finds) })
    }
    fn now_ms(&self) -> i64 {
        self.app.clock.now_ms()
    }
}

/// Returns what a reader finds, as `SeenBy` contains it.
fn finds(audience: &Audience) -> String {
    format!("{audience:?}")
}

pub fn seen_by(audience: &Audience) -> SeenBy {
    SeenBy(finds(audience))
}

/// The layer.
pub async fn keep(
    State((app, rule)): State<(App, CacheRule)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(cache) = app.reply_cache.as_ref().filter(|_| request.method() == Method::GET) else {
        return next.run(request).await;
    };
    let asked = Asked::of(&app, rule, &mut request).await;
    let asked = asked.as_ref().map(|asked| asked as &dyn CacheableRequest);
    let condition = request.headers().get(header::IF_NONE_MATCH).cloned();
    let handler = |is_whole: bool| {
        if is_whole {
            request.headers_mut().remove(header::IF_NONE_MATCH);
        }
        next.run(request)
    };
    serve(cache, rule.kind, asked, condition, handler).await
}

impl App {
    /// Keeps the replies about the courses with most learners before they are asked for: at the start, and after each
    /// change of the catalogue that this process learns of. Ends with the server.
    pub(crate) fn keep_warm(&self) {
        if self.reply_cache.is_none() {
            return;
        }
        let (app, mut revisions) = (self.clone(), self.events.catalogue());
        self.data.tasks.spawn(async move {
            let router = access::without_guards(routes::table(), &app).with_state(app.clone());
            loop {
                revisions.borrow_and_update();
                tokio::select! {
                    () = app.stopping.cancelled() => return,
                    () = app.warm_up(&router) => {}
                }
                tokio::select! {
                    () = app.stopping.cancelled() => return,
                    changed = revisions.changed() => if changed.is_err() { return },
                }
                tokio::select! {
                    () = app.stopping.cancelled() => return,
                    () = tokio::time::sleep(SETTLE) => {}
                }
            }
        });
    }
    /// Computes the replies that are not kept yet. After a failure they are computed when they are asked for.
    async fn warm_up(&self, router: &Router) {
        let filter = Filter {
            audience: Audience::Reader(Vec::new()),
            order: ListOrder::Learners,
            limit: WARM_META,
            ..Filter::default()
        };
        let found = match self.store.list(Kind::Course, None, filter).await {
            Ok(found) => found.items,
            Err(e) => return tracing::warn!(error = %e, "the response cache cannot be filled"),
        };
        for (index, item) in found.iter().enumerate() {
            let Ok(summary) = serde_json::from_str::<CourseSummary>(&item.summary) else {
                continue;
            };
            let path = format!("/api/courses/{}", summary.meta.id);
            let full = [format!("{path}/content"), format!("{path}/manifest")];
            for address in
                std::iter::once(path).chain(full.into_iter().filter(|_| index < WARM_FULL))
            {
                if let Ok(request) = Request::get(address).body(Body::empty()) {
                    let _ = router.clone().oneshot(request).await;
                }
            }
        }
    }
}
