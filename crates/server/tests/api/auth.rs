//! Accounts and tokens: expiry, rotation, grace, reuse, throttling.

use axum::http::StatusCode;
use carrel_model::{ErrorCode, wire::TokenReply};
use carrel_server::Settings;
use serde_json::json;

use super::support::{World, device};

const MINUTE: i64 = 60_000;

impl World {
    async fn refresh(&self, token: &str) -> super::support::Reply {
        self.post("/api/auth/refresh", "", &json!({"refreshToken": token})).await
    }
    async fn is_good(&self, access: &str) -> bool {
        self.get("/api/sync/epoch", access).await.status == StatusCode::OK
    }
}

#[tokio::test]
async fn a_learner_registers_and_signs_in_without_regard_to_case() {
    let w = World::new();
    let first = w.learner("Noor").await;
    assert_eq!((first.user.login.as_str(), first.expires_in_ms), ("Noor", 15 * MINUTE));
    assert_eq!(w.sign_in("nOOR ", 2).await.user.id, first.user.id);
    let again =
        json!({"login": "NOOR", "name": "x", "password": "12345678", "deviceId": device(1)});
    let taken = w.post("/api/auth/register", "", &again).await;
    assert_eq!((taken.status, taken.problem().code), (StatusCode::CONFLICT, ErrorCode::Conflict));
}

#[tokio::test]
async fn wrong_password_and_unknown_login_look_the_same() {
    let w = World::new();
    w.learner("noor").await;
    let w = &w;
    let try_login = |login: &'static str| {
        let body = json!({"login": login, "password": "not the password", "deviceId": device(1)});
        async move { w.post("/api/auth/login", "", &body).await }
    };
    let (wrong, unknown) = (try_login("noor").await, try_login("nobody").await);
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.problem().code, ErrorCode::BadCredentials);
    let plain = |r: &super::support::Reply| {
        let mut p = r.problem();
        p.correlation_id.clear();
        p
    };
    assert_eq!(plain(&wrong), plain(&unknown));
}

#[tokio::test]
async fn an_access_token_ends_after_fifteen_minutes_and_a_refresh_brings_the_next() {
    let w = World::new();
    let first = w.learner("noor").await;
    w.clock.advance(15 * MINUTE - 1);
    assert!(w.is_good(&first.access_token).await);
    w.clock.advance(1);
    let late = w.get("/api/sync/epoch", &first.access_token).await;
    assert_eq!(
        (late.status, late.problem().code),
        (StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated)
    );
    assert!(late.header("www-authenticate").starts_with("Bearer"));
    let next: TokenReply = w.refresh(&first.refresh_token).await.ok();
    assert_ne!(next.refresh_token, first.refresh_token);
    assert!(w.is_good(&next.access_token).await);
    // A refresh token is no access token, and the other way round.
    assert!(!w.is_good(&next.refresh_token).await);
    assert_eq!(w.refresh(&next.access_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_lost_reply_is_answered_again_within_the_grace() {
    let w = World::new();
    let first = w.learner("noor").await;
    let lost: TokenReply = w.refresh(&first.refresh_token).await.ok();
    w.clock.advance(MINUTE);
    let again: TokenReply = w.refresh(&first.refresh_token).await.ok();
    assert!(w.is_good(&again.access_token).await && w.is_good(&lost.access_token).await);
    let next: TokenReply = w.refresh(&again.refresh_token).await.ok();
    assert!(w.is_good(&next.access_token).await);
}

#[tokio::test]
async fn reuse_after_the_grace_revokes_the_whole_sign_in_and_no_other() {
    let w = World::new();
    let first = w.learner("noor").await;
    let tablet = w.sign_in("noor", 2).await;
    let next: TokenReply = w.refresh(&first.refresh_token).await.ok();
    w.clock.advance(MINUTE + 1);
    assert_eq!(w.refresh(&first.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert!(!w.is_good(&next.access_token).await);
    assert_eq!(w.refresh(&next.refresh_token).await.problem().code, ErrorCode::Unauthenticated);
    assert!(w.is_good(&tablet.access_token).await);
}

#[tokio::test]
async fn an_older_generation_is_reuse_even_within_the_grace() {
    let w = World::new();
    let first = w.learner("noor").await;
    let second: TokenReply = w.refresh(&first.refresh_token).await.ok();
    let third: TokenReply = w.refresh(&second.refresh_token).await.ok();
    assert_eq!(w.refresh(&first.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    assert!(!w.is_good(&third.access_token).await);
}

#[tokio::test]
async fn signing_out_ends_both_tokens_and_says_nothing() {
    let w = World::new();
    let noor = w.learner("noor").await;
    for token in [noor.refresh_token.as_str(), noor.refresh_token.as_str(), "unknown"] {
        let out = w.post("/api/auth/logout", "", &json!({"refreshToken": token})).await;
        assert_eq!(out.status, StatusCode::NO_CONTENT);
    }
    assert!(!w.is_good(&noor.access_token).await);
    assert_eq!(w.refresh(&noor.refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_device_may_stay_away_for_half_a_year() {
    let w = World::new();
    let noor = w.learner("noor").await;
    w.clock.advance(180 * 24 * 60 * MINUTE - 1);
    let back: TokenReply = w.refresh(&noor.refresh_token).await.ok();
    w.clock.advance(180 * 24 * 60 * MINUTE);
    assert_eq!(w.refresh(&back.refresh_token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guessing_is_slowed_for_that_login_alone() {
    let w = World::with(Settings { login_attempts: 3, ..Settings::default() });
    w.learner("noor").await;
    w.learner("amin").await;
    let wrong = json!({"login": "noor", "password": "wrong password", "deviceId": device(1)});
    for _ in 0..3 {
        assert_eq!(w.post("/api/auth/login", "", &wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    let slowed = w.post("/api/auth/login", "", &wrong).await;
    let problem = slowed.problem();
    assert_eq!(
        (slowed.status, problem.code),
        (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited)
    );
    assert_eq!(problem.retry_after_ms, Some(15 * 60_000));
    assert_eq!(slowed.header("retry-after"), "900");
    assert!(problem.retryable);
    w.sign_in("amin", 1).await;
    w.clock.advance(15 * MINUTE);
    w.sign_in("noor", 1).await;
}

#[tokio::test]
async fn registration_can_be_closed() {
    let w = World::with(Settings { registration_open: false, ..Settings::default() });
    let body =
        json!({"login": "noor", "name": "Noor", "password": "12345678", "deviceId": device(1)});
    let closed = w.post("/api/auth/register", "", &body).await;
    assert_eq!(
        (closed.status, closed.problem().code),
        (StatusCode::FORBIDDEN, ErrorCode::Forbidden)
    );
    let meta: serde_json::Value = w.get("/api/meta", "").await.ok();
    assert_eq!(meta["registrationOpen"], false);
}

#[tokio::test]
async fn tokens_and_passwords_are_nowhere_in_the_file() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let data = w.data();
    drop(w.router);
    let mut bytes = std::fs::read(data.join("server.db")).unwrap();
    bytes.extend(std::fs::read(data.join("server.db-wal")).unwrap_or_default());
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("$argon2id$"));
    for secret in [super::support::PASSWORD, &noor.access_token, &noor.refresh_token] {
        assert!(!holds(secret));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for name in ["server.db", "signing.key"] {
            assert_eq!(
                std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777,
                0o600,
                "{name}"
            );
        }
    }
}
