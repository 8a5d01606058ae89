//! Requests of the screens for staff, with the session of the open account.
//!
//! Only the paths of a list can be requested, so that the UI cannot use the session for anything else. Reading follows
//! the route table of the cache: figures that were read before are shown offline, with their time. Changes need the
//! network.
//!
//! Not here: what a person may do, which the server decides; the screens (`ui/src/staff`).

use std::time::Duration;

use bytes::Bytes;
use carrel_http_cache::{Origin, Strategy};
use carrel_net::{
    Error as NetError, Request,
    reply::{ReplyClass, classify},
};
use http::{Method, header};

use super::OpenAccount;
use crate::{Error, Result};

/// Beginnings of the paths that can be requested.
const PREFIXES: [&str; 5] =
    ["/api/v1/admin/", "/api/classes/", "/api/courses/", "/api/reports/", "/api/exports"];
/// The state of the server; its reply may be 503.
const HEALTH: &str = "/health";
/// Maximum length of a path with its query.
const MAX_PATH: usize = 4_000;
/// Maximum size of a reply in bytes.
const MAX_REPLY: usize = 16 * 1024 * 1024;
/// Time limit of a request with a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A reply to a request of staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffReply {
    pub status: u16,
    /// The body is JSON; otherwise it is text.
    pub is_json: bool,
    pub body: Bytes,
    /// When the server sent it (UTC, ms since 1970).
    pub as_of_ms: i64,
    /// The server could not be reached: the reply was stored earlier.
    pub is_stored: bool,
}

/// A change.
#[derive(Debug, Clone)]
pub struct StaffChange {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    pub path: String,
    /// Media type of the body.
    pub content_type: String,
    pub body: Bytes,
}

/// Refuses a path that is not in the list, or that a server could normalise to such a path.
fn check(path: &str) -> Result<()> {
    let plain = path.split('?').next().unwrap_or_default();
    let is_listed = plain == HEALTH || PREFIXES.iter().any(|prefix| plain.starts_with(prefix));
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    let is_plain = plain.chars().all(is_allowed)
        && !plain.contains("//")
        && plain.split('/').all(|segment| segment != "." && segment != "..");
    let is_query = |c: char| c.is_ascii_graphic() && c != '#' && c != '\\';
    if is_listed && is_plain && path.chars().all(is_query) && path.len() <= MAX_PATH {
        return Ok(());
    }
    Err(Error::Invalid(format!("the path {path:?} is not one of the screens for staff")))
}

impl OpenAccount {
    /// Reads what staff may see. If the server cannot be reached, returns the stored reply, if there is one.
    ///
    /// # Errors
    ///
    /// `Invalid` for a path that is not in the list; `Offline` without a network and a stored reply; the refusal of the
    /// server.
    pub async fn staff_get(&self, path: &str) -> Result<StaffReply> {
        check(path)?;
        self.require_server()?;
        let cache = self.content.library.cache();
        if cache.route(path).strategy == Strategy::NetworkOnly {
            return self.exchange(Request::get(self.url(path)), path).await;
        }
        let cached = cache.get(path, || {}).await.map_err(carrel_content::Error::from)?;
        Ok(StaffReply {
            status: 200,
            is_json: true,
            body: cached.body,
            as_of_ms: cached.as_of_ms,
            is_stored: matches!(cached.origin, Origin::Memory | Origin::Disk),
        })
    }

    /// Sends a change. Nothing is stored for later: days later it may no longer be wanted.
    ///
    /// # Errors
    ///
    /// As `staff_get`.
    pub async fn staff_send(&self, change: StaffChange) -> Result<StaffReply> {
        check(&change.path)?;
        self.require_server()?;
        let method = match change.method {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => return Err(Error::Invalid(format!("the method {other} changes nothing"))),
        };
        let mut request = Request::new(method, self.url(&change.path));
        if !change.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, &change.content_type);
            request.body = Some(change.body);
            request.timeout = FILE_TIMEOUT;
        }
        self.exchange(request, &change.path).await
    }

    fn require_server(&self) -> Result<()> {
        if self.is_demo() {
            return Err(NetError::offline("the account has no server").into());
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    async fn exchange(&self, request: Request, path: &str) -> Result<StaffReply> {
        let url = request.url.clone();
        let reply = self.http.send(request).await.map_err(NetError::from)?;
        let (status, headers) = (reply.status, reply.headers.clone());
        let body = reply.bytes(MAX_REPLY).await.map_err(NetError::from)?;
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
        let is_json = media_type.starts_with("application/json");
        let is_unhealthy = path == HEALTH && status == 503 && is_json;
        let classified = classify(status, &headers, &body, None);
        if classified.class != ReplyClass::Ok && !is_unhealthy {
            return Err(classified.into_error(&url).into());
        }
        // Only the sign-in sheet is a page; another one is that of a network that requires signing in.
        if classified.is_html && !path.contains("/sign-in-sheet") {
            let problem =
                "a page instead of a reply; hint: sign in to the network first".to_owned();
            return Err(NetError::BadReply { url, problem }.into());
        }
        let as_of_ms = self.content.library.cache().now_ms();
        Ok(StaffReply { status, is_json, body, as_of_ms, is_stored: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_list_are_requested() {
        for path in [
            "/api/v1/admin/people?q=a%20b&limit=50",
            "/api/classes/0190a000-0000-7000-8000-000000000004/report?period=30d",
            "/api/courses/rivers/report",
            "/api/reports/trends",
            "/api/exports",
            "/api/exports/7/file",
            "/health",
        ] {
            assert!(check(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "/",
            "/api/sync/pull",
            "/api/auth/logout",
            "/api/me/dashboard",
            "/healthy",
            "/api/v1/admin",
            "/api/v1/admin/../../auth/logout",
            "/api/v1/admin/./people",
            "/api/v1/admin//people",
            "/api/v1/admin/%2e%2e/%2e%2e/auth/logout",
            "/api/v1/admin/..%2f..%2fauth",
            "/api/v1/admin/a\\..\\b",
            "/api/v1/admin/a b",
            "/api/v1/admin/people#x",
            "/api/v1/admin/people?q=\n",
            "http://other.example/api/v1/admin/people",
            "@other.example/api/v1/admin/people",
            "//other.example/api/v1/admin/people",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
        assert!(check(&format!("/api/v1/admin/people?q={}", "a".repeat(MAX_PATH))).is_err());
    }
}
