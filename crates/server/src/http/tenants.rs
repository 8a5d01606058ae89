//! Assigns requests to tenants: by the first parts of the path, `/t/NAME`, or else by the host name. Each tenant has the
//! whole router of a server with a state of its own, so no handler can reach the data of another tenant.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Uri, header, uri::PathAndQuery},
    response::Response,
};
use tower::ServiceExt as _;

use crate::tenants::normalized_host;

/// First part of the paths of tenants.
const PREFIX: &str = "/t/";

/// The path of the tenant before the path of the request, such as `/t/rivers`; in the extensions of a request.
#[derive(Debug, Clone)]
pub struct BasePath(pub String);

/// The routers of a server and its tenants.
#[derive(Clone)]
pub struct Routers {
    pub server: Router,
    pub by_name: HashMap<String, Router>,
    pub by_host: HashMap<String, Router>,
}

/// The routers at present: tenants are added and removed while the server runs.
#[derive(Clone)]
pub struct CurrentRouters(Arc<RwLock<Arc<Routers>>>);

impl CurrentRouters {
    pub fn new(routers: Routers) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(routers))))
    }
    pub fn get(&self) -> Arc<Routers> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Replaces the routers for the requests that begin from now on.
    pub fn set(&self, routers: Routers) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routers);
    }
}

/// Returns a router that passes each request to the router of its tenant. Requests for unknown tenants and hosts go to
/// the server's own router, which knows no path `/t/`.
pub fn router(routers: CurrentRouters) -> Router {
    Router::new().fallback(pass_on).with_state(routers)
}

async fn pass_on(State(current): State<CurrentRouters>, mut request: Request) -> Response {
    let routers = current.get();
    let mut base = None;
    let router = match tenant_of_path(request.uri()) {
        Some((name, rest)) if routers.by_name.contains_key(&name) => {
            base = Some(format!("{PREFIX}{name}"));
            *request.uri_mut() = rest;
            &routers.by_name[&name]
        }
        _ => {
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
            let host = host.or_else(|| request.uri().authority().map(|a| a.as_str()));
            host.and_then(|host| routers.by_host.get(&normalized_host(host)))
                .unwrap_or(&routers.server)
        }
    };
    if let Some(base) = &base {
        request.extensions_mut().insert(BasePath(base.clone()));
    }
    let Ok(mut reply) = router.clone().oneshot(request).await;
    if let Some(base) = base {
        let location = reply.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
        let location = location.filter(|l| l.starts_with('/')).map(|l| format!("{base}{l}"));
        if let Some(Ok(location)) = location.map(|l| HeaderValue::from_str(&l)) {
            reply.headers_mut().insert(header::LOCATION, location);
        }
    }
    reply
}

/// Returns the name in a path `/t/NAME/...`, and the URI without these parts.
fn tenant_of_path(uri: &Uri) -> Option<(String, Uri)> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(PREFIX)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Some((name.to_owned(), Uri::from_parts(parts).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_taken_from_the_path() {
        for (uri, expected) in [
            ("/t/rivers/api/meta?x=1", Some(("rivers", "/api/meta?x=1"))),
            ("/t/rivers", Some(("rivers", "/"))),
            ("/t/rivers?x=1", Some(("rivers", "/?x=1"))),
            ("/t/rivers//api", Some(("rivers", "//api"))),
            ("https://a.example/t/rivers/x", Some(("rivers", "https://a.example/x"))),
            ("/t/", Some(("", "/"))),
            ("/api/meta", None),
            ("/tt/rivers", None),
        ] {
            let found = tenant_of_path(&uri.parse().unwrap());
            let found = found.as_ref().map(|(name, uri)| (name.as_str(), uri.to_string()));
            let found = found.as_ref().map(|(name, uri)| (*name, uri.as_str()));
            assert_eq!(found, expected, "{uri}");
        }
    }
}
