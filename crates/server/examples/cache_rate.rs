//! Benchmark of the response cache: `cargo run --release -p carrel-server --example cache_rate`, on an empty PostgreSQL
//! database if `CARREL_DATABASE_URL` is set, and with Redis if `CARREL_REDIS_URL` is set. Publishes 1,000 courses, and
//! prints the time from request to reply in the router, without a network: without the cache, for a reply that is not
//! kept yet (cold), and for a kept one.

#![allow(clippy::disallowed_methods, reason = "measures real time")]
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Instant};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use carrel_model::{
    BlobHash, DeviceId, UserId,
    content::Hours,
    wire::{Role, UserInfo},
};
use carrel_people::permissions::Caller;
use carrel_server::{
    DataDir, Settings, database,
    domain::{
        accounts::NewAccount, courses::Publishing, publishing::rendered_by, sessions::NewSignIn,
    },
    http, push_validation,
    store::{Kind, Publication},
};
use serde_json::{json, value::RawValue};
use tower::ServiceExt;

const COURSES: usize = 1_000;
const REQUESTS: usize = 500;
const NOW: i64 = 1_790_000_000_000;
const TOKEN: &str = "cache-rate";

fn course(n: usize) -> Publication {
    let version = BlobHash::of(format!("course {n}").as_bytes());
    let summary = json!({
        "id": format!("course-{n}"), "title": format!("Course {n:04}"), "lang": "en",
        "description": "A course with a description of about a hundred characters, as courses have in a catalogue.",
        "difficulty": "BEGINNER", "category": "Geography", "tags": ["water", "rivers"], "hours": 1.5,
        "authors": ["A. Teacher"], "license": "CC0-1.0", "cover": {"color": "#336699"}, "version": version,
    });
    Publication {
        kind: Kind::Course,
        id: format!("course-{n}").parse().expect("an id"),
        title: format!("Course {n:04}"),
        lang: "en".into(),
        category: "Geography".into(),
        difficulty: None,
        level: 0,
        hours: Hours::default(),
        summary: summary.to_string(),
        reply: summary.to_string(),
        manifest: "{}".into(),
        version,
        blobs: Vec::new(),
        quizzes: Vec::new(),
        passages: Vec::new(),
        rendered_by: rendered_by().to_owned(),
    }
}

async fn get(router: &Router, uri: String, token: &str) -> Result<(f64, String), Box<dyn Error>> {
    let mut request = Request::get(uri);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty())?;
    let start = Instant::now();
    let reply = router.clone().oneshot(request).await?;
    let ms = start.elapsed().as_secs_f64() * 1_000.0;
    let status = reply.status();
    let origin = reply.headers().get("x-cache").and_then(|v| v.to_str().ok()).unwrap_or("off");
    let origin = origin.to_owned();
    let body = to_bytes(reply.into_body(), usize::MAX).await?;
    assert!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body));
    Ok((ms, origin))
}

/// Prints the median and the 99th percentile of requests, each with an address from `uri`.
async fn measure(
    name: &str,
    router: &Router,
    token: &str,
    uri: impl Fn(usize) -> String,
) -> Result<(), Box<dyn Error>> {
    let (mut times, mut origins) = (Vec::new(), std::collections::BTreeMap::new());
    for n in 0..REQUESTS {
        let (ms, origin) = get(router, uri(n), token).await?;
        times.push(ms);
        *origins.entry(origin).or_insert(0) += 1;
    }
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{name:<44} {p50:>8.3} ms p50 {p99:>8.3} ms p99   {origins:?}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let redis_url = std::env::var("CARREL_REDIS_URL").ok().filter(|url| !url.is_empty());
    let settings = Settings { route_limits: false, redis_url, ..Settings::default() };
    let data = DataDir::open(database::config(dir.path(), settings.clone())?)?;
    let how = Publishing { by: Caller::COMMAND_LINE, owner: None, reopens: false, kept: 1 };
    for n in 0..COURSES {
        data.store.publish(course(n), how.clone(), NOW).await?;
    }
    let user = UserInfo {
        id: UserId::from_u128(1),
        login: "a".into(),
        name: "A".into(),
        role: Role::Student,
    };
    let id = user.id;
    let far_future = i64::MAX / 2;
    let sign_in = NewSignIn {
        id: uuid::Uuid::from_u128(1),
        user: id,
        device: DeviceId::from_u128(1),
        device_name: String::new(),
        access: (*blake3::hash(TOKEN.as_bytes()).as_bytes(), far_future),
        refresh_expires_ms: far_future,
    };
    let account = NewAccount { user, password: String::new() };
    data.store.add_account(account, Some(sign_in), NOW).await?;
    let mut items = Vec::new();
    for n in 0..100 {
        let course = format!("course-{n}");
        data.store.enrol(id, &course.parse()?, DeviceId::from_u128(1), true, NOW).await?;
        for section in 0..20 {
            items.push(RawValue::from_string(
                json!({"type": "progress", "kind": "section", "item": format!("{course}/l/s{section}"), "percent": 5_000})
                    .to_string(),
            )?);
        }
    }
    for items in items.chunks(1_000) {
        data.store.push(id, push_validation::check(items, NOW).rows, false, NOW).await?;
    }

    println!("engine: {}, {COURSES} courses, {REQUESTS} requests each", data.config.engine.name());
    let cached = http::app(data.app()?);
    let mut off = data.clone();
    off.config.settings = Settings { cache_mib: 0, ..settings };
    let off = http::app(off.app()?);
    for (name, token, base) in [
        ("catalogue page", "", "/api/courses?page=3&pageSize=50"),
        ("catalogue page, signed in", TOKEN, "/api/courses?page=3&pageSize=50"),
        ("search of courses", "", "/api/courses/search?q=course"),
        ("dashboard of 100 courses", TOKEN, "/api/me/dashboard?x=1"),
    ] {
        measure(&format!("{name}: without the cache"), &off, token, |_| base.to_owned()).await?;
        measure(&format!("{name}: cold"), &cached, token, |n| format!("{base}&n={n}")).await?;
        measure(&format!("{name}: kept"), &cached, token, |_| base.to_owned()).await?;
    }
    Ok(())
}
