//! Accounts and tokens: expiry, rotation, grace period, reuse, rate limits.

use axum::http::StatusCode;
use carrel_model::{ErrorCode, wire::TokenReply};
use carrel_server::Settings;
use serde_json::json;

use super::support::{NOW, PASSWORD, TestServer, device, engine, fixture};

const MINUTE: i64 = 60_000;

impl TestServer {
    pub async fn refresh(&self, token: &str) -> super::support::Reply {
        self.post("/api/auth/refresh", "", &json!({"refreshToken": token})).await
    }
    pub async fn accepts(&self, access: &str) -> bool {
        self.get("/api/sync/epoch", access).await.status == StatusCode::OK
    }
}

#[tokio::test]
async fn registration_and_sign_in_ignore_case() {
    let server = TestServer::new();
    let first = server.learner("Noor").await;
    assert_eq!((first.user.login.as_str(), first.expires_in_ms), ("Noor", 15 * MINUTE));
    assert_eq!(server.sign_in("nOOR ", 2).await.user.id, first.user.id);
    let again =
        json!({"login": "NOOR", "name": "x", "password": "12345678", "deviceId": device(1)});
    let conflict = server.post("/api/auth/register", "", &again).await;
    assert_eq!(
        (conflict.status, conflict.problem().code),
        (StatusCode::CONFLICT, ErrorCode::Conflict)
    );
}

#[tokio::test]
async fn wrong_password_and_unknown_login_get_the_same_reply() {
    let server = TestServer::new();
    server.learner("noor").await;
    let server = &server;
    let try_login = |login: &'static str| {
        let body = json!({"login": login, "password": "not the password", "deviceId": device(1)});
        async move { server.post("/api/auth/login", "", &body).await }
    };
    let (wrong, unknown) = (try_login("noor").await, try_login("nobody").await);
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.problem().code, ErrorCode::BadCredentials);
    let without_id = |r: &super::support::Reply| {
        let mut p = r.problem();
        p.correlation_id.clear();
        p
    };
    assert_eq!(without_id(&wrong), without_id(&unknown));
}

#[tokio::test]
async fn an_access_token_expires_after_fifteen_minutes_and_can_be_refreshed() {
    let server = TestServer::new();
    let first = server.learner("noor").await;
    server.clock.advance(15 * MINUTE - 1);
    assert!(server.accepts(&first.access_token).await);
    server.clock.advance(1);
    let expired = server.get("/api/sync/epoch", &first.access_token).await;
    assert_eq!(
        (expired.status, expired.problem().code),
        (StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated)
    );
    assert!(expired.header("www-authenticate").starts_with("Bearer"));
    let next: TokenReply = server.refresh(&first.refresh_token).await.ok();
    assert_ne!(next.refresh_token, first.refresh_token);
    assert!(server.accepts(&next.access_token).await);
    // A refresh token is not accepted as an access token, and an access token not as a refresh token.
    assert!(!server.accepts(&next.refresh_token).await);
    assert_eq!(server.refresh(&next.access_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_token_is_accepted_again_within_the_grace_period() {
    let server = TestServer::new();
    let first = server.learner("noor").await;
    let first_reply: TokenReply = server.refresh(&first.refresh_token).await.ok();
    server.clock.advance(MINUTE);
    let again: TokenReply = server.refresh(&first.refresh_token).await.ok();
    assert!(
        server.accepts(&again.access_token).await
            && server.accepts(&first_reply.access_token).await
    );
    let next: TokenReply = server.refresh(&again.refresh_token).await.ok();
    assert!(server.accepts(&next.access_token).await);
}

#[tokio::test]
async fn reuse_after_the_grace_period_ends_this_sign_in_and_no_other() {
    let server = TestServer::new();
    let first = server.learner("noor").await;
    let tablet = server.sign_in("noor", 2).await;
    let next: TokenReply = server.refresh(&first.refresh_token).await.ok();
    server.clock.advance(MINUTE + 1);
    assert_eq!(server.refresh(&first.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert!(!server.accepts(&next.access_token).await);
    assert_eq!(
        server.refresh(&next.refresh_token).await.problem().code,
        ErrorCode::Unauthenticated
    );
    assert!(server.accepts(&tablet.access_token).await);
}

#[tokio::test]
async fn an_older_generation_is_reuse_even_within_the_grace_period() {
    let server = TestServer::new();
    let first = server.learner("noor").await;
    let second: TokenReply = server.refresh(&first.refresh_token).await.ok();
    let third: TokenReply = server.refresh(&second.refresh_token).await.ok();
    assert_eq!(server.refresh(&first.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert!(!server.accepts(&third.access_token).await);
}

#[tokio::test]
async fn signing_out_revokes_both_tokens() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    for token in [noor.refresh_token.as_str(), noor.refresh_token.as_str(), "unknown"] {
        let reply = server.post("/api/auth/logout", "", &json!({"refreshToken": token})).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    assert!(!server.accepts(&noor.access_token).await);
    assert_eq!(server.refresh(&noor.refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_token_is_valid_for_half_a_year() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    server.clock.advance(180 * 24 * 60 * MINUTE - 1);
    let next: TokenReply = server.refresh(&noor.refresh_token).await.ok();
    server.clock.advance(180 * 24 * 60 * MINUTE);
    assert_eq!(server.refresh(&next.refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guesses_are_limited_per_login() {
    let server = TestServer::with(Settings { login_attempts: 3, ..Settings::default() });
    server.learner("noor").await;
    server.learner("amin").await;
    let wrong = json!({"login": "noor", "password": "wrong password", "deviceId": device(7)});
    for _ in 0..3 {
        assert_eq!(
            server.post("/api/auth/login", "", &wrong).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let limited = server.post("/api/auth/login", "", &wrong).await;
    let problem = limited.problem();
    assert_eq!(
        (limited.status, problem.code),
        (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited)
    );
    // The limit refills evenly: the next attempt is possible after a third of the window.
    assert_eq!(problem.retry_after_ms, Some(5 * 60_000));
    assert_eq!(limited.header("retry-after"), "300");
    assert!(problem.retryable);
    server.sign_in("amin", 2).await;
    // Guesses on another device do not block the device on which the learner has signed in before.
    server.sign_in("noor", 1).await;
    server.clock.advance(5 * MINUTE);
    server.sign_in("noor", 7).await;
}

impl TestServer {
    async fn guess(&self, login: &str, ip: &str, device_no: u128) -> StatusCode {
        let body =
            json!({"login": login, "password": "wrong password", "deviceId": device(device_no)});
        let request = axum::http::Request::post("/api/auth/login")
            .header("content-type", "application/json")
            .header("x-forwarded-for", ip)
            .body(axum::body::Body::from(serde_json::to_vec(&body).unwrap()));
        self.send(request.unwrap()).await.status
    }
}

#[tokio::test]
async fn guesses_are_counted_for_the_account_the_network_and_both() {
    let settings = Settings { login_attempts: 2, trust_forwarded_for: true, ..Settings::default() };
    let not_limited = StatusCode::UNAUTHORIZED;
    // One account from many networks.
    let server = TestServer::with(settings.clone());
    server.learner("noor").await;
    let mut guesses = 0;
    for n in 0..20 {
        for _ in 0..3 {
            guesses +=
                u32::from(server.guess("noor", &format!("192.0.2.{n}"), 7).await == not_limited);
        }
    }
    assert_eq!(guesses, 6);
    server.sign_in("noor", 1).await;
    // Many accounts from one network; all addresses of an IPv6 /64 are one network.
    for (kind, is_ipv6) in [("v4", false), ("v6", true)] {
        let server = TestServer::with(settings.clone());
        let mut guesses = 0;
        for n in 0..30 {
            let ip = if is_ipv6 { format!("2001:db8:0:1::{n}") } else { "192.0.2.1".to_owned() };
            guesses += u32::from(server.guess(&format!("pupil-{n}"), &ip, 7).await == not_limited);
        }
        assert_eq!(guesses, 12, "{kind}");
    }
    // A device on which the learner has signed in before has one limit over all networks.
    let server = TestServer::with(settings);
    server.learner("noor").await;
    let mut guesses = 0;
    for n in 0..20 {
        guesses += u32::from(server.guess("noor", &format!("192.0.2.{n}"), 1).await == not_limited);
    }
    assert_eq!(guesses, 2);
}

#[tokio::test]
async fn correct_passwords_do_not_count() {
    let server = TestServer::with(Settings { login_attempts: 1, ..Settings::default() });
    server.learner("noor").await;
    for n in 0..5 {
        server.sign_in("noor", 100 + n).await;
    }
}

#[tokio::test]
async fn logins_and_passwords_are_compared_by_precis() {
    let server = TestServer::new();
    let composed = server.learner("Jos\u{e9}").await;
    // Decomposed, upper-case and full-width forms are logins of the same account.
    for login in ["jose\u{301}", "JOSE\u{301}", "\u{ff4a}\u{ff4f}\u{ff53}\u{e9}", " jos\u{e9} "] {
        assert_eq!(server.sign_in(login, 2).await.user.id, composed.user.id, "{login:?}");
    }
    let register = |login: &str, name: &str, password: &str| {
        let body =
            json!({"login": login, "name": name, "password": password, "deviceId": device(3)});
        let server = &server;
        async move { server.post("/api/auth/register", "", &body).await }
    };
    for login in ["jose\u{301}", "\u{ff2a}OS\u{c9}"] {
        assert_eq!(register(login, "", PASSWORD).await.status, StatusCode::CONFLICT, "{login:?}");
    }
    // Pasted with invisible characters, as only a sign-in accepts.
    for login in ["\u{feff}jos\u{e9}", "jos\u{e9}\u{200b}", "\u{202a}jose\u{301}\u{202c}"] {
        assert_eq!(server.sign_in(login, 2).await.user.id, composed.user.id, "{login:?}");
        assert_eq!(
            register(login, "", PASSWORD).await.status,
            StatusCode::BAD_REQUEST,
            "{login:?}"
        );
    }
    // The letters i of Turkish.
    let irem = server.learner("\u{130}rem").await;
    for login in ["irem", "IREM", "\u{131}rem", "I\u{307}REM", "i\u{307}rem"] {
        assert_eq!(server.sign_in(login, 2).await.user.id, irem.user.id, "{login:?}");
        assert_eq!(register(login, "", PASSWORD).await.status, StatusCode::CONFLICT, "{login:?}");
    }
    server.learner("pw3").await;
    for (login, name, password, field) in [
        ("pw3\u{200b}", "", PASSWORD, "login"),
        ("pw\u{202e}3", "", PASSWORD, "login"),
        ("pw\u{ad}4", "", PASSWORD, "login"),
        ("pw\u{feff}4", "", PASSWORD, "login"),
        ("pw\u{378}4", "", PASSWORD, "login"),
        ("amin", "A\u{202e}nim", PASSWORD, "name"),
        ("amin", "A\u{2066}nim", PASSWORD, "name"),
        ("amin", "", "a good\u{200b} password", "password"),
        ("amin", "", "a good\u{7} password", "password"),
    ] {
        let refused = register(login, name, password).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{login:?} {name:?}");
        let detail = refused.problem().detail;
        assert!(detail.starts_with(&format!("{field}: contains")), "{detail}");
    }
    // Cyrillic letters that look like Latin letters, and a digit that looks like a letter.
    server.learner("pupil1").await;
    for login in ["j\u{43e}s\u{e9}", "\u{440}w3", "pupill"] {
        let refused = register(login, "", PASSWORD).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{login:?}");
        assert!(refused.problem().detail.contains("too similar"), "{login:?}");
    }
    // Composed and decomposed forms of a password are equal.
    let first: TokenReply = register("amin", "", "caf\u{e9} au lait").await.ok();
    for password in ["cafe\u{301} au lait", "caf\u{e9}\u{a0}au lait"] {
        let body = json!({"login": "amin", "password": password, "deviceId": device(4)});
        let again: TokenReply = server.post("/api/auth/login", "", &body).await.ok();
        assert_eq!(again.user.id, first.user.id);
    }
}

#[tokio::test]
async fn both_branches_of_a_repeated_refresh_stay_valid() {
    let server = TestServer::new();
    let first = server.learner("noor").await;
    let first_reply: TokenReply = server.refresh(&first.refresh_token).await.ok();
    let repeated: TokenReply = server.refresh(&first.refresh_token).await.ok();
    let mut branches = [first_reply, repeated];
    for _ in 0..3 {
        for branch in &mut branches {
            server.clock.advance(MINUTE + 1_000);
            *branch = server.refresh(&branch.refresh_token).await.ok();
        }
        // One branch is refreshed later than the other.
        server.clock.advance(20 * MINUTE);
        branches[1] = server.refresh(&branches[1].refresh_token).await.ok();
    }
    // The reuse of a token in one branch ends both branches.
    let next: TokenReply = server.refresh(&branches[0].refresh_token).await.ok();
    server.clock.advance(MINUTE + 1);
    assert_eq!(server.refresh(&branches[0].refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh(&next.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh(&branches[1].refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn reuse_is_detected_after_many_lost_replies() {
    let server = TestServer::new();
    let stolen = server.learner("noor").await;
    let mut token: TokenReply = server.refresh(&stolen.refresh_token).await.ok();
    // So many replies are lost that the first branch is deleted.
    for _ in 0..20 {
        let _lost: TokenReply = server.refresh(&token.refresh_token).await.ok();
        server.clock.advance(1_000);
        token = server.refresh(&token.refresh_token).await.ok();
        server.clock.advance(15 * MINUTE);
    }
    assert_eq!(server.refresh(&stolen.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh(&token.refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

impl TestServer {
    pub fn rows_of(&self, table: &str) -> i64 {
        fixture().count(&self.folder(), table)
    }
}

#[tokio::test]
async fn old_tokens_and_sign_ins_are_purged() {
    let server = TestServer::new();
    let mut token = server.learner("noor").await;
    for n in 0..300 {
        server.clock.advance(20 * MINUTE);
        if n % 7 == 0 {
            let _lost: TokenReply = server.refresh(&token.refresh_token).await.ok();
        }
        token = server.refresh(&token.refresh_token).await.ok();
    }
    assert!(server.rows_of("token") <= 8, "{} rows", server.rows_of("token"));
    assert!(server.rows_of("sign_in_branch") <= 8);
    for n in 0..30 {
        let tablet = server.sign_in("noor", 100 + n).await;
        if n % 2 == 0 {
            server
                .post("/api/auth/logout", "", &json!({"refreshToken": tablet.refresh_token}))
                .await;
        }
    }
    assert_eq!(server.rows_of("sign_in"), 31);
    server.clock.advance(170 * 24 * 60 * MINUTE);
    token = server.refresh(&token.refresh_token).await.ok();
    assert_eq!(server.rows_of("sign_in"), 31);
    server.clock.advance(11 * 24 * 60 * MINUTE);
    for _ in 0..2 {
        token = server.refresh(&token.refresh_token).await.ok();
        server.clock.advance(2 * MINUTE);
    }
    assert_eq!((server.rows_of("sign_in"), server.rows_of("token")), (1, 2));
}

#[tokio::test]
async fn signing_out_with_an_access_token_ends_the_sign_in() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let reply =
        server.post("/api/auth/logout", "", &json!({"refreshToken": noor.access_token})).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert!(!server.accepts(&noor.access_token).await);
    assert_eq!(server.refresh(&noor.refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

/// A computer without a battery starts at 1970, and its clock is set later. Tokens issued before would be expired then.
#[tokio::test]
async fn nothing_is_changed_while_the_clock_was_never_set() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    for wrong in [0, 86_400_000, 946_684_800_000, 4_102_444_800_000] {
        server.clock.set(wrong);
        let body = json!({"login": "noor", "password": PASSWORD, "deviceId": device(7)});
        let new = json!({"login": "amin", "password": PASSWORD, "deviceId": device(8)});
        let replies = [
            server.post("/api/auth/login", "", &body).await,
            server.post("/api/auth/register", "", &new).await,
            server.refresh(&noor.refresh_token).await,
            server.push(&noor.access_token, &[]).await,
        ];
        for reply in replies {
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{wrong}");
            let problem = reply.problem();
            assert_eq!(problem.code, ErrorCode::Unavailable);
            assert_eq!((problem.retry_after_ms, problem.retryable), (Some(60_000), true));
            assert!(problem.detail.contains("clock"), "{}", problem.detail);
        }
        assert_eq!(server.get("/api/meta", "").await.status, StatusCode::OK, "{wrong}");
    }
    // After the clock is set, the device continues with its tokens.
    server.clock.set(NOW + 3 * 24 * 60 * MINUTE);
    let next: TokenReply = server.refresh(&noor.refresh_token).await.ok();
    assert!(server.accepts(&next.access_token).await);
    server.sign_in("noor", 7).await;
}

#[tokio::test]
async fn registration_is_closed_by_default() {
    let server = TestServer::with(Settings::default());
    let body =
        json!({"login": "noor", "name": "Noor", "password": "12345678", "deviceId": device(1)});
    let closed = server.post("/api/auth/register", "", &body).await;
    assert_eq!(closed.status, StatusCode::FORBIDDEN);
    let meta: serde_json::Value = server.get("/api/meta", "").await.ok();
    assert_eq!(meta["registrationOpen"], false);
}

#[tokio::test]
async fn registration_can_be_closed() {
    let server = TestServer::with(Settings { registration_open: false, ..Settings::default() });
    let body =
        json!({"login": "noor", "name": "Noor", "password": "12345678", "deviceId": device(1)});
    let closed = server.post("/api/auth/register", "", &body).await;
    assert_eq!(
        (closed.status, closed.problem().code),
        (StatusCode::FORBIDDEN, ErrorCode::Forbidden)
    );
    let meta: serde_json::Value = server.get("/api/meta", "").await.ok();
    assert_eq!(meta["registrationOpen"], false);
}

#[tokio::test]
async fn tokens_and_passwords_are_not_stored_in_plain_text() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let data = server.folder();
    drop(server.router);
    let bytes = fixture().raw_bytes(&data);
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("$argon2id$"));
    for secret in [PASSWORD, &noor.access_token, &noor.refresh_token] {
        assert!(!contains(secret));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Another engine stores no file of the database here.
        let database = (engine().name() == "sqlite").then(|| engine().file());
        for name in database.into_iter().chain(["signing.key"]) {
            assert_eq!(
                std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777,
                0o600,
                "{name}"
            );
        }
    }
}
