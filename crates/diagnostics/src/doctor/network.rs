//! Checks of the connection to the server: proxy, name, connection, certificate, reply, clock.

use std::time::Duration;

use carrel_model::wire::Meta;
use carrel_net::{
    Failure, NetworkCause, Reply, Request,
    reply::{ReplyClass, classify},
};
use http::header;

use super::{Check, Environment};

/// Time until the server has to reply.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REPLY_BYTES: usize = 256 * 1024;
/// Differences of the clocks that are a warning and a problem. Sync corrects them; certificates and dates do not.
const CLOCK_WARNING_MS: i64 = 2 * 60_000;
const CLOCK_PROBLEM_MS: i64 = 60 * 60_000;
/// 2025-01-01: a server with an earlier clock is no reference.
const MIN_CLOCK_MS: i64 = 1_735_689_600_000;

/// The steps of a connection, in their order.
const STEPS: [&str; 6] = [
    "server.proxy",
    "server.name",
    "server.connection",
    "server.certificate",
    "server.reply",
    "clock",
];
const REPLY: usize = 4;

pub(super) async fn check(environment: &Environment) -> Vec<Check> {
    let Some(server) = &environment.server else {
        return vec![Check::skipped("server", "no account with a server")];
    };
    let url = format!("{server}/api/meta");
    if !can_exist(&url) {
        return finished(server, 1, vec![of_cause(server, NetworkCause::Dns).1]);
    }
    let request = Request::get(&url).header(header::ACCEPT, "application/json").timeout(TIMEOUT);
    let sent = tokio::time::timeout(2 * TIMEOUT, environment.http.send(request)).await;
    let result = match sent {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(failure)) => Err(of_failure(server, &failure)),
        Err(_) => Err(of_cause(server, NetworkCause::Timeout)),
    };
    match result {
        Err((step, check)) => finished(server, step, vec![check]),
        Ok(reply) => finished(server, REPLY, of_reply(environment, server, reply).await),
    }
}

/// Returns false for host names that no name server can know: RFC 1035 limits their parts to 63 characters.
fn can_exist(url: &str) -> bool {
    let url = url::Url::parse(url);
    url.is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => {
            name.len() <= 253
                && name.trim_end_matches('.').split('.').all(|l| (1..=63).contains(&l.len()))
        }
        Some(_) => true,
        None => false,
    })
}

/// Adds the checks before and after those of the step that ended the connection.
fn finished(server: &str, failed: usize, mut last: Vec<Check>) -> Vec<Check> {
    let mut checks: Vec<Check> = STEPS[..failed].iter().map(|id| passed(id, server)).collect();
    let done = failed + last.len();
    checks.append(&mut last);
    let skipped = STEPS.iter().skip(done);
    checks.extend(skipped.map(|id| Check::skipped(id, "not reached")));
    checks
}

fn passed(id: &str, server: &str) -> Check {
    let found = match id {
        "server.proxy" => "no problem with a proxy".to_owned(),
        "server.name" => "the name of the server was found".to_owned(),
        "server.connection" => "the server accepts connections".to_owned(),
        _ if server.starts_with("https://") => "the certificate is trusted".to_owned(),
        _ => {
            let found = "the connection is not encrypted (http://)";
            return Check::warning(
                id,
                "not_encrypted",
                found,
                "use https:// outside a local network",
            );
        }
    };
    Check::ok(id, found)
}

/// Returns the step that failed, and its check.
fn of_failure(server: &str, failure: &Failure) -> (usize, Check) {
    match failure.cause {
        Some(cause) => of_cause(server, cause),
        None if server.starts_with("http://") => {
            let found = format!("the reply of {server} is not HTTP");
            let action = "the port may need https://; check the server's address";
            (REPLY, Check::problem(STEPS[REPLY], "not_http", found, action))
        }
        None => {
            let found = format!("{server}: {failure}");
            (2, Check::problem(STEPS[2], "connection", found, "check the network connection"))
        }
    }
}

fn of_cause(server: &str, cause: NetworkCause) -> (usize, Check) {
    use NetworkCause as C;
    let (step, found) = match cause {
        C::ProxyUnreachable => (0, "the proxy cannot be reached"),
        C::ProxyAuthentication => (0, "the proxy requires a name and a password"),
        C::ProxyRefused => (0, "the proxy does not connect to the server"),
        C::ProxyScript => (0, "the proxy configuration script cannot be loaded or run"),
        C::Dns => (1, "the name of the server is unknown, or no name server replied"),
        C::NoRoute => (2, "there is no network connection to the server"),
        C::Refused => (2, "no program listens on the server's port"),
        C::Timeout => (2, "the server does not reply in time; a firewall may block it"),
        C::Interrupted => (2, "the connection was closed before the reply"),
        C::CertificateUntrusted => {
            (3, "the certificate is signed by an authority that this device does not trust")
        }
        C::CertificateExpired => {
            (3, "the certificate has expired, or this device's clock is ahead")
        }
        C::CertificateNotYetValid => {
            (3, "the certificate is not valid yet, or this device's clock is behind")
        }
        C::CertificateWrongHost => (3, "the certificate is of another server"),
        C::CertificateRevoked => (3, "the certificate was revoked"),
        C::CertificateInvalid => (3, "the certificate is malformed or not for a server"),
        C::TlsVersion => (3, "server and app have no version of TLS in common"),
        C::NotTls => (3, "the server does not use TLS on this port"),
        C::TlsFailed => (3, "TLS failed"),
    };
    let check =
        Check::problem(STEPS[step], cause.name(), format!("{server}: {found}"), cause.hint());
    (step, check)
}

/// Checks the reply and, if it is from a Carrel server, the clocks.
async fn of_reply(environment: &Environment, server: &str, reply: Reply) -> Vec<Check> {
    let now_ms = environment.clock.now_ms();
    let (status, headers) = (reply.status, reply.headers.clone());
    let date_ms = headers
        .get(header::DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok());
    let body = match reply.bytes(MAX_REPLY_BYTES).await {
        Ok(body) => body,
        Err(failure) => return vec![of_failure(server, &failure).1],
    };
    let id = STEPS[REPLY];
    let classified = classify(status, &headers, &body, Some(now_ms));
    let meta: Option<Meta> = serde_json::from_slice(&body).ok();
    let problem = |cause, found: &str, action| {
        vec![Check::problem(id, cause, format!("{server}: {found}"), action)]
    };
    let portal = "open a web page in the browser and sign in to the network";
    match (classified.class, meta) {
        (ReplyClass::Ok, Some(meta)) => {
            let found = format!("a Carrel server, release {}", meta.version);
            let release = match meta.sync_versions.iter().any(|v| *v >= 1) {
                true => Check::ok(id, found),
                false => Check::problem(
                    id,
                    "too_old",
                    format!("{found}, has no sync version in common"),
                    "update Carrel",
                ),
            };
            vec![release, clock(now_ms, meta.now_ms)]
        }
        (ReplyClass::Ok, None) if classified.is_html => {
            problem("portal", "a web page instead of the server replied", portal)
        }
        (ReplyClass::Ok, None) => problem(
            "not_carrel",
            "the reply is not from a Carrel server",
            "check the server's address",
        ),
        (ReplyClass::Portal, _) if status == 407 => problem(
            "proxy_authentication",
            "the proxy requires a name and a password",
            NetworkCause::ProxyAuthentication.hint(),
        ),
        (ReplyClass::Portal, _) if (300..400).contains(&status) => {
            let to =
                headers.get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
            if to.ends_with("/api/meta") {
                let action = "sign in with the new address, or move the account to it";
                let host = to.trim_end_matches("/api/meta");
                return problem("moved", &format!("the server has the new address {host}"), action);
            }
            problem("portal", "the network redirects to another page", portal)
        }
        (ReplyClass::Portal, _) if status == 404 => problem(
            "not_carrel",
            "the address leads to another web server",
            "check the server's address",
        ),
        (ReplyClass::Portal, _) => {
            problem("portal", "the network or a proxy replied instead of the server", portal)
        }
        (ReplyClass::RetryLater, _) => {
            let mut checks = problem(
                "server_error",
                &format!("the server is not available now (status {status})"),
                "try again later; ask the administrator if it persists",
            );
            checks.extend(date_ms.map(|date_ms| clock(now_ms, date_ms)));
            checks
        }
        (ReplyClass::TooNew, _) => {
            problem("too_old", "the server requires a newer release of Carrel", "update Carrel")
        }
        _ => problem(
            "not_carrel",
            &format!("the reply is not from a Carrel server (status {status})"),
            "check the server's address",
        ),
    }
}

fn clock(now_ms: i64, server_ms: i64) -> Check {
    if server_ms < MIN_CLOCK_MS {
        let found = "the server's clock is not set";
        return Check::warning(
            "clock",
            "server_clock",
            found,
            "set the date and time of the server",
        );
    }
    let ahead_ms = now_ms.saturating_sub(server_ms);
    let minutes = ahead_ms.unsigned_abs() / 60_000;
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let found = format!("this device's clock is {minutes} minutes {direction} the server's");
    let action = "set the date and time of this device automatically";
    match i64::try_from(ahead_ms.unsigned_abs()).unwrap_or(i64::MAX) {
        CLOCK_PROBLEM_MS.. => Check::problem("clock", "clock_wrong", found, action),
        CLOCK_WARNING_MS.. => Check::warning("clock", "clock_wrong", found, action),
        _ => Check::ok("clock", "this device's clock agrees with the server's"),
    }
}
