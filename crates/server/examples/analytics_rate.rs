//! Benchmark of stored figures: `cargo run --release -p carrel-server --example analytics_rate`, on an empty PostgreSQL
//! database if `CARREL_DATABASE_URL` is set. Prints the time to compute and store the figures of 500 learners whose rows
//! changed, and the time of pushes of other learners within a minute, without and with the run of the job.

#![allow(clippy::disallowed_methods, reason = "measures real time")]
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use carrel_model::{
    UserId,
    wire::{Role, UserInfo},
};
use carrel_server::{
    DataDir, Settings, database, domain::accounts::NewAccount, push_validation, store::StoreError,
};
use serde_json::value::RawValue;

const LEARNERS: u128 = 500;
/// Sections of each learner; there is a session for each.
const SECTIONS: usize = 30;
/// Interval of the job `analytics`.
const MINUTE: Duration = Duration::from_secs(60);
const NOW: i64 = 1_790_000_000_000;
const DAY: i64 = 24 * 3_600_000;

fn rows(learner: u128, from: usize, count: usize) -> Vec<Box<RawValue>> {
    let row = |n: usize| {
        let (at, item) = (NOW - n as i64 * DAY, format!("course-{}/lesson-{}/s{n}", n % 3, n % 5));
        let day = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
        let day = day.strftime("%Y-%m-%d").to_string();
        [
            format!(
                r#"{{"type":"progress","kind":"section","item":"{item}","percent":10000,"doneMs":{at}}}"#
            ),
            format!(
                r#"{{"type":"session","id":"0190a000-0000-7000-8000-{:012x}","item":"{item}","device":"00000000-0000-0000-0000-000000000001","startedMs":{at},"day":"{day}","activeMs":600000}}"#,
                learner * 1_000_000 + n as u128
            ),
        ]
    };
    let texts = (from..from + count).flat_map(row);
    texts.filter_map(|text| RawValue::from_string(text).ok()).collect()
}

fn id(n: u128) -> UserId {
    // Ids of learners are random.
    UserId::from_u128((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

async fn push(data: &DataDir, n: u128, from: usize, count: usize) -> Result<(), Box<dyn Error>> {
    let checked = push_validation::check(&rows(n, from, count), NOW + DAY).rows;
    data.store.push(id(n), checked, false, NOW).await?;
    Ok(())
}

/// Marks all learners as changed.
async fn mark_all(data: &DataDir) -> Result<(), Box<dyn Error>> {
    let write = data.store.write("mark", |tx| {
        (0..LEARNERS).try_for_each(|n| tx.mark_dirty(id(n), &["course-0"], NOW))
    });
    Ok(write.await.map_err(|e: StoreError| e.to_string())?)
}

/// Pushes a row of one learner after the other for a minute, and prints the median and the 99th percentile.
async fn measure_pushes(data: &DataDir, name: &str, from: usize) -> Result<(), Box<dyn Error>> {
    let (mut times, begin) = (Vec::new(), Instant::now());
    while begin.elapsed() < MINUTE {
        let (n, start) = (times.len(), Instant::now());
        push(data, LEARNERS + (n as u128 % LEARNERS), from + n, 1).await?;
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(
        "pushes {name:<28} median {median:>7.2} ms, 99 % {p99:>7.2} ms, {} pushes",
        times.len()
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let data = DataDir::open(database::config(dir.path(), Settings::default())?)?;
    for n in 0..2 * LEARNERS {
        let login = format!("learner-{n}");
        let user = UserInfo { id: id(n), login: login.clone(), name: login, role: Role::Student };
        let account = NewAccount { user, password: String::new() };
        data.store.add_account(account, None, NOW).await?;
        push(&data, n, 0, SECTIONS).await?;
    }
    let start = Instant::now();
    let learners = data.store.refresh_analytics().await?;
    println!(
        "first figures of {learners} learners       {:>9.0} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    for _ in 0..3 {
        for n in 0..LEARNERS {
            push(&data, n, SECTIONS, 1).await?;
        }
        mark_all(&data).await?;
        let start = Instant::now();
        let learners = data.store.refresh_analytics().await?;
        println!(
            "figures of {learners} changed learners      {:>9.0} ms",
            start.elapsed().as_secs_f64() * 1e3
        );
    }
    measure_pushes(&data, "without refreshes", 100).await?;
    // As the job `analytics`, once in the minute, when the figures of all these learners are to be computed again.
    let refreshing = data.clone();
    let refresh = tokio::spawn(async move {
        mark_all(&refreshing).await.map_err(|e| e.to_string())?;
        refreshing.store.refresh_analytics().await.map_err(|e| e.to_string())
    });
    measure_pushes(&data, "with a refresh in the minute", 100_000).await?;
    println!("learners of the refresh              {:>9}", refresh.await??);
    Ok(())
}
