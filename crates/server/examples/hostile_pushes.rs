//! Measures what a hostile learner's pushes cost: `cargo run --release -p carrel-server --example hostile_pushes [ROUNDS]`. One learner
//! pushes growing unknown fields, answers without end, submitted attempts and new rows beyond the quota; after each round another
//! learner's push is timed and the resident memory is read (Linux).

#![allow(clippy::disallowed_methods, reason = "it measures real time")]
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Instant};

use carrel_model::{
    UserId,
    wire::{MAX_PUSH_ITEMS, Role, UserInfo},
};
use carrel_server::{
    Config, Library, push,
    store::{NewAccount, Store},
};
use serde_json::value::RawValue;

const NOW: i64 = 1_790_000_000_000;

/// Resident memory in MiB; 0 where it cannot be read.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn id(n: usize) -> String {
    format!("0190a000-0000-7000-8000-{n:012x}")
}

/// One batch of each kind of hostile rows.
fn batches(round: usize) -> [(&'static str, Vec<String>); 4] {
    let field = |n: usize| format!(r#""f{n:07}":"{}""#, "v".repeat(4_000));
    let fields = (0..7).map(|row| {
        let fields: Vec<String> = (0..16).map(|n| field((round * 7 + row) * 16 + n)).collect();
        format!(
            r#"{{"type":"progress","kind":"section","item":"a/b/c","percent":5,{}}}"#,
            fields.join(",")
        )
    });
    let answers = (0..MAX_PUSH_ITEMS).map(|n| {
        let question = round * MAX_PUSH_ITEMS + n;
        format!(
            r#"{{"type":"answer","attempt":"{}","question":"q{question}","seq":1,"value":"1"}}"#,
            id(1)
        )
    });
    let attempts = (0..MAX_PUSH_ITEMS).map(|n| {
        format!(
            r#"{{"type":"attempt","id":"{}","quiz":"c/q","quizHash":"{}","startedMs":{NOW},"submittedMs":{}}}"#,
            id(1_000_000 + n),
            "ab".repeat(32),
            NOW + round as i64
        )
    });
    let new = (0..MAX_PUSH_ITEMS).map(|n| {
        format!(
            r#"{{"type":"review_void","id":"{}"}}"#,
            id(10_000_000 + round * MAX_PUSH_ITEMS + n)
        )
    });
    [
        ("growing unknown fields", fields.collect()),
        ("answers to one attempt", answers.collect()),
        ("submitted attempts", attempts.collect()),
        ("new rows", new.collect()),
    ]
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir()?;
    let mut config = Config::new(dir.path());
    config.settings.max_rows_per_learner = 100_000;
    config.settings.max_mib_per_learner = 64;
    let library = Library::open(config)?;
    let (hostile, other) = (UserId::from_u128(1), UserId::from_u128(2));
    for (user, login) in [(hostile, "hostile"), (other, "other")] {
        let name = login.to_owned();
        let user = UserInfo { id: user, login: login.into(), name, role: Role::Student };
        library.store.add_account(NewAccount { user, password: String::new() }, None, NOW).await?;
    }
    let before = resident_mib();
    let (mut worst, mut waited) = ([0.0_f64; 4], 0.0_f64);
    for round in 0..rounds {
        for (kind, (_, items)) in batches(round).into_iter().enumerate() {
            let items: Vec<Box<RawValue>> =
                items.into_iter().map(RawValue::from_string).collect::<Result<_, _>>()?;
            let rows = push::check(&items, NOW).rows;
            let start = Instant::now();
            let hostile = library.store.push(hostile, rows, false, NOW);
            let one = format!(r#"{{"type":"review_void","id":"{}"}}"#, id(round * 4 + kind));
            let one = push::check(&[RawValue::from_string(one)?], NOW).rows;
            let theirs = async {
                let done = library.store.push(other, one, false, NOW).await;
                (done, start.elapsed().as_secs_f64() * 1_000.0)
            };
            let (pushed, (done, ms)) = tokio::join!(hostile, theirs);
            pushed?;
            done?;
            worst[kind] = worst[kind].max(start.elapsed().as_secs_f64() * 1_000.0);
            waited = waited.max(ms);
        }
    }
    for ((what, _), ms) in batches(0).iter().zip(worst) {
        println!("{what:<24} slowest push {ms:>8.1} ms");
    }
    println!("another learner waited at most {waited:.1} ms behind one of them");
    let (rows, _) = library.store.pull(hostile, 0, 2_000, 4 << 20).await?;
    println!("a page of the hostile learner: {} rows", rows.len());
    println!(
        "resident memory: {before} MiB before, {} MiB after {} pushes",
        resident_mib(),
        rounds * 4
    );
    let file = dir.path().join("server.db").metadata()?.len() / (1024 * 1024);
    println!("database: {file} MiB");
    Ok(())
}
