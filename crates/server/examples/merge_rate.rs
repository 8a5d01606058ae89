//! Benchmark of the merge: `cargo run --release -p carrel-server --example merge_rate`, on an empty PostgreSQL database
//! if `CARREL_DATABASE_URL` is set. Prints rows per second for
//! validation, for merging new rows (one commit per batch), for replaying them and for pulling them, and the time of an
//! empty pull.

#![allow(clippy::disallowed_methods, reason = "measures real time")]
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Instant};

use axum::{body::Body, http::Request};
use carrel_model::{
    DeviceId, Hlc, UserId,
    wire::{Role, UserInfo},
};
use carrel_server::{
    DataDir, Settings, database,
    domain::{accounts::NewAccount, sessions::NewSignIn},
    http, push_validation,
};
use serde_json::value::RawValue;
use tower::ServiceExt;

const BATCHES: usize = 100;
const ROWS: usize = 1000;
const NOW: i64 = 1_790_000_000_000;

fn item(n: usize) -> String {
    let id = format!("0190a000-0000-7000-8000-{n:012x}");
    match n % 4 {
        0 | 1 => format!(
            r#"{{"type":"progress","kind":"section","item":"course-{}/lesson-{}/s{}","generation":0,"percent":{},"doneMs":{},"pos":{{"hlc":"{}","device":"00000000-0000-0000-0000-000000000001","at":"b{}"}}}}"#,
            n / 1000,
            n / 100,
            n,
            n % 10_001,
            NOW + n as i64,
            Hlc::new(NOW + n as i64, 0),
            n % 50
        ),
        2 => format!(
            r#"{{"type":"session","id":"{id}","item":"course-{}/lesson/s","device":"00000000-0000-0000-0000-000000000001","startedMs":{},"day":"2026-09-21","activeMs":60000}}"#,
            n / 1000,
            NOW + n as i64
        ),
        _ => format!(
            r#"{{"type":"review","id":"{id}","word":"course/word-{n}","rating":3,"atMs":{},"durationMs":2000}}"#,
            NOW + n as i64
        ),
    }
}

/// Returns the CPU time of all threads of this process in nanoseconds (Linux; 0 elsewhere). Unlike wall time, it does
/// not depend on the other load of the machine.
fn cpu_time_ns() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let read = threads.filter_map(|t| std::fs::read_to_string(t.path().join("schedstat")).ok());
    read.filter_map(|s| s.split(' ').next()?.parse::<u64>().ok()).sum()
}

struct Stopwatch(Instant, u64);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now(), cpu_time_ns())
    }
    fn rate(self, name: &str, rows: usize) {
        let (wall, cpu) = (self.0.elapsed().as_secs_f64(), (cpu_time_ns() - self.1) as f64 / 1e9);
        let per_second = |s: f64| if s > 0.0 { rows as f64 / s } else { 0.0 };
        println!(
            "{name:<40} {:>9.0} rows/s (wall time), {:>9.0} (CPU time)",
            per_second(wall),
            per_second(cpu)
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let data = DataDir::open(database::config(dir.path(), Settings::default())?)?;
    let user = UserInfo {
        id: UserId::from_u128(1),
        login: "a".into(),
        name: "A".into(),
        role: Role::Student,
    };
    let id = user.id;
    let token = "merge-rate";
    let far_future = i64::MAX / 2;
    let sign_in = NewSignIn {
        id: uuid::Uuid::from_u128(1),
        user: id,
        device: DeviceId::from_u128(1),
        device_name: String::new(),
        access: (*blake3::hash(token.as_bytes()).as_bytes(), far_future),
        refresh_expires_ms: far_future,
    };
    data.store
        .add_account(NewAccount { user, password: String::new() }, Some(sign_in), NOW)
        .await?;

    let batches: Vec<Vec<Box<RawValue>>> = (0..BATCHES)
        .map(|b| (0..ROWS).map(|r| RawValue::from_string(item(b * ROWS + r))).collect())
        .collect::<Result<_, _>>()?;
    let total = BATCHES * ROWS;

    let start = Stopwatch::start();
    let checked: Vec<_> =
        batches.iter().map(|b| push_validation::check(b, NOW + 1_000_000).rows).collect();
    start.rate("parse, validate, fold", total);

    let start = Stopwatch::start();
    for rows in &checked {
        data.store.push(id, rows.clone(), false, NOW).await?;
    }
    start.rate("merge new rows, one commit per 1,000", total);

    let start = Stopwatch::start();
    let mut changed = 0;
    for rows in &checked {
        changed += data.store.push(id, rows.clone(), false, NOW).await?.changed;
    }
    start.rate("replay (writes nothing)", total);
    assert_eq!(changed, 0);

    let router = http::app(data.app()?);
    let get = |uri: String| {
        let request = Request::get(uri)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty());
        let router = router.clone();
        async move { Ok::<_, Box<dyn Error>>(router.oneshot(request?).await?) }
    };
    let start = Stopwatch::start();
    for _ in 0..1000 {
        let reply = get(format!("/api/sync/pull?since={total}")).await?;
        assert!(reply.status().is_success());
    }
    println!(
        "empty pull through the router             {:>10.3} ms",
        start.0.elapsed().as_secs_f64()
    );

    let start = Stopwatch::start();
    let (mut since, mut rows) = (0, 0);
    loop {
        let (found, more) = data.store.pull(id, since, 2000, usize::MAX).await?;
        rows += found.len();
        since = found.last().map_or(since, |(usn, _)| *usn);
        if !more {
            break;
        }
    }
    start.rate("pull all rows, 2,000 per page", rows);
    Ok(())
}
