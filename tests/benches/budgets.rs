//! Measures the budgets that need no window, each with its baseline in the same run. `cargo xtask bench`.
//!
//! Most budgets limit counts or ratios to a baseline, because times vary on shared machines. A row over its budget is
//! marked, and the program then exits with 1.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time and prints a table"
)]

mod baseline;
mod downloads;
mod fleet;
mod learning;
mod media;
mod search;
mod server;
mod storage;
mod table;

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use carrel_client::{Client, Config, OpenAccount, account::FileSecrets};
use carrel_commands::{Host, api::error::CommandError, dispatch};
use carrel_content::{Kind, blobs::BlobStore};
use carrel_learning::Step;
use carrel_model::{BlobHash, ItemId, lattice::ItemKind, wire::LoginRequest};
use carrel_net::{Http, LiveHttp};
use carrel_server::{Config as ServerConfig, Server, Settings};
use carrel_system::{Clock, SystemClock};
use carrel_testkit::{Network, SeededIds, content};
use futures_util::StreamExt;
use serde_json::json;
use table::{Table, median_and_p99};

pub const PASSWORD: &str = "a quiet desk";

struct BenchHost(Arc<Client>);

impl Host for BenchHost {
    fn client(&self) -> &Arc<Client> {
        &self.0
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        Err(CommandError::unavailable("no browser in a benchmark"))
    }
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}
fn format_duration(d: Duration) -> String {
    if d < Duration::from_millis(10) {
        format!("{:.1} us", micros(d))
    } else {
        format!("{:.1} ms", micros(d) / 1e3)
    }
}
fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
/// Returns the median of `n` runs.
fn median(n: usize, mut run: impl FnMut()) -> Duration {
    median_and_p99((0..n).map(|_| timed(&mut run)).collect()).0
}

async fn open_client(dir: &Path, http: Arc<dyn Http>, seed: u64) -> Arc<Client> {
    let ids = Arc::new(SeededIds::new(seed));
    Client::open(Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Default::default(),
        demo_dir: None,
        http,
        clock: Arc::new(SystemClock::new()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: format!("device {seed}"),
        network: Default::default(),
        app_version: "0.1.0".into(),
        policies: Vec::new(),
        event_stream: false,
    })
    .await
    .expect("the client opens")
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` passes this argument: measure nothing.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq(server::HOLD_SOCKETS).is_some() {
        return server::hold_sockets(args);
    }
    let dir = tempfile::Builder::new()
        .prefix("carrel-bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder on the disk");
    let books = dir.path().join("books");
    content::write_library(&books).expect("a library");
    let server = Server::start(ServerConfig {
        listen: "127.0.0.1:0".parse().expect("an address"),
        settings: Settings { registration_open: true, ..Settings::default() },
        ..ServerConfig::new(dir.path().join("server"))
    })
    .await
    .expect("the server starts");
    server.import(&[books]).await.expect("the library is imported");

    let mut table = Table::new();
    let live = Arc::new(LiveHttp::new("Carrel/bench").expect("a client"));
    let http = Network::over(live.clone());
    let laptop = open_client(&dir.path().join("laptop"), http.clone(), 1).await;
    let account =
        laptop.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");

    // For example, `cargo xtask bench downloads storage` measures only these two parts.
    let parts: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_selected = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    if is_selected("downloads") {
        downloads::measure(&mut table, &server, dir.path()).await;
    }
    if is_selected("media") {
        media::measure(&mut table);
    }
    if is_selected("storage") {
        storage::measure(&mut table, dir.path());
    }
    if is_selected("search") {
        search::measure(&mut table, dir.path()).await;
    }
    if is_selected("lists") {
        search::measure_lists(&mut table, dir.path()).await;
    }
    if is_selected("learning") {
        learning::measure(&mut table, http.clone(), &server.url(), dir.path()).await;
    }
    if is_selected("sign-ins") {
        sign_ins(&mut table, &live, &server.url()).await;
    }
    if is_selected("sockets") {
        server::sockets(&mut table, dir.path()).await;
    }
    if is_selected("push") {
        server::push(&mut table, dir.path()).await;
    }
    if is_selected("updates") {
        server::updates(&mut table, dir.path()).await;
    }
    // Only if it is named, because it takes minutes.
    if parts.iter().any(|part| part == "fleet") {
        fleet::measure(&mut table, &server, dir.path()).await;
    }
    if is_selected("hostile") {
        server::hostile(&mut table, dir.path()).await;
    }
    if is_selected("study") {
        record_progress(&mut table, &account, dir.path()).await;
        open_lesson(&mut table, &laptop, &account).await;
        cache(&mut table, dir.path());
        sync(&mut table, &http, &laptop, &account, &server.url(), dir.path()).await;
        start(&mut table, http.clone(), &laptop, dir.path()).await;
    } else {
        laptop.close().await;
    }
    server.shutdown().await;
    if table.over_budget() > 0 {
        println!("{} rows are over budget", table.over_budget());
        std::process::exit(1);
    }
}

/// Measures how much memory many sign-ins leave in use, relative to the block that one password hash needs.
/// `CARREL_LONG=1`: 10,000 sign-ins.
async fn sign_ins(table: &mut Table, http: &Arc<LiveHttp>, url: &str) {
    const BLOCK_KIB: f64 = 19.0 * 1024.0;
    let count = if std::env::var_os("CARREL_LONG").is_some() { 10_000 } else { 400 };
    let request = LoginRequest {
        login: "asha".into(),
        password: PASSWORD.into(),
        device_id: carrel_model::DeviceId::from_u128(7),
        device_name: "bench".into(),
        account_certificate: String::new(),
        enrolment_token: String::new(),
    };
    let sign_in = |n: usize| {
        let logins = (0..n).map(|_| carrel_client::account::login(http.as_ref(), url, &request));
        futures_util::stream::iter(logins).buffer_unordered(16).for_each(|done| async {
            done.expect("signed in");
        })
    };
    // Not measured: allocates the memory block of each thread.
    sign_in(32).await;
    let before = resident_kib();
    sign_in(count).await;
    let grown = resident_kib() - before;
    let figure = format!("{:.1} MiB more", grown / 1024.0);
    let what = format!("memory after {count} sign-ins");
    table.row(&what, figure, "one hash: 19 MiB".into(), grown / BLOCK_KIB, 1.5, "x one hash");
}

/// Returns the resident memory of the process; 0 if the system does not report it.
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
}

/// Measures the durable recording of progress, relative to one plain SQLite commit on the same disk.
async fn record_progress(table: &mut Table, account: &OpenAccount, dir: &Path) {
    let mut file = File::create(dir.join("fsync")).expect("a file");
    let conn = carrel_sqlite::open(&dir.join("bare.db"), Default::default()).expect("a database");
    conn.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL)").expect("a table");
    let item = content::sections()[0].clone();
    let (mut fsyncs, mut commits, mut times) = (Vec::new(), Vec::new(), Vec::new());
    // Measured alternately: a slow period of the disk affects all three.
    for percent in 1..=500 {
        fsyncs.push(timed(|| {
            file.write_all(&[7; 4096]).expect("written");
            file.sync_data().expect("synced");
        }));
        commits.push(timed(|| {
            conn.execute(
                "INSERT OR REPLACE INTO t VALUES (?1, 'a row of about the same length as a progress row')",
                [percent % 10],
            )
            .expect("committed");
        }));
        let step = Step { percent: Some(percent), ..Step::at(ItemKind::Section, item.clone()) };
        let start = Instant::now();
        account.learning.record(step).await.expect("recorded");
        times.push(start.elapsed());
    }
    let ((fsync, _), (commit, _), (p50, p99)) =
        (median_and_p99(fsyncs), median_and_p99(commits), median_and_p99(times));
    let figure = format!("{} p99 {}", format_duration(p50), format_duration(p99));
    let baseline = format!("commit {}, fsync {}", format_duration(commit), format_duration(fsync));
    table.row(
        "record progress, durable",
        figure,
        baseline,
        micros(p50) / micros(commit),
        2.0,
        "x one commit",
    );
}

/// Measures the opening of a local lesson through the command registry.
async fn open_lesson(table: &mut Table, client: &Arc<Client>, account: &OpenAccount) {
    let item = content::sections()[0].clone();
    let course = content::course();
    account.content.downloads.start(Kind::Course, &course).expect("started");
    let mut changes = client.changes().subscribe();
    while account
        .content
        .downloads
        .state(Kind::Course, &course)
        .expect("a state")
        .ready_version
        .is_none()
    {
        let _ = changes.recv().await;
    }
    let host = BenchHost(client.clone());
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        dispatch(&host, "open_section", json!({ "item": item })).await.expect("opened");
        times.push(start.elapsed());
    }
    let (p50, p99) = median_and_p99(times);
    table.row(
        "open a cached lesson (without paint)",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        "budget with paint 50 ms".into(),
        micros(p99) / 1e3,
        10.0,
        "ms p99",
    );
}

/// Measures memory and disk hits of the blob store, relative to a map lookup and to one read of the same file.
fn cache(table: &mut Table, dir: &Path) {
    let migrations = carrel_content::storage::MIGRATIONS;
    let db = carrel_sqlite::Database::open_disposable(&dir.join("content.db"), migrations, 0)
        .expect("a database");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = BlobStore::new(db, &dir.join("blobs"), clock);
    let small = Bytes::from(vec![1; 8 * 1024]);
    let large = Bytes::from((0..8 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let [small_hash, large_hash] = [&small, &large].map(|bytes| {
        let hash = BlobHash::of(bytes);
        store.put(hash, bytes).expect("stored");
        hash
    });
    let map = HashMap::from([(small_hash, small.clone())]);
    const HITS: u32 = 100_000;
    let lookup = median(5, || {
        (0..HITS).for_each(|_| drop(std::hint::black_box(map.get(&small_hash).cloned())))
    }) / HITS;
    let hit =
        median(5, || (0..HITS).for_each(|_| drop(std::hint::black_box(store.get(small_hash)))))
            / HITS;
    let overhead = micros(hit) - micros(lookup);
    table.row(
        "memory hit, 8 KiB",
        format!("{:.0} ns", micros(hit) * 1e3),
        format!("map {:.0} ns", micros(lookup) * 1e3),
        overhead,
        2.0,
        "us over the map",
    );

    let hex = large_hash.to_hex();
    let path = dir.join("blobs").join(&hex[..2]).join(&hex);
    let (mut reads, mut hits) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        reads.push(timed(|| {
            let mut bytes = Vec::with_capacity(large.len());
            File::open(&path).and_then(|mut f| f.read_to_end(&mut bytes)).expect("read");
            std::hint::black_box(&bytes);
        }));
        hits.push(timed(|| drop(std::hint::black_box(store.get(large_hash).expect("stored")))));
    }
    let ((read, _), (disk, _)) = (median_and_p99(reads), median_and_p99(hits));
    table.row(
        "disk hit, 8 MiB",
        format_duration(disk),
        format!("read {}", format_duration(read)),
        micros(disk) / micros(read),
        1.5,
        "x one read",
    );
}

/// Measures a push of 10,000 rows, the pull of these rows by another device, and a round without changes.
async fn sync(
    table: &mut Table,
    http: &Arc<Network>,
    laptop: &Arc<Client>,
    account: &OpenAccount,
    url: &str,
    dir: &Path,
) {
    const ROWS: usize = 10_000;
    account.sync.sync_now().await.expect("synced");
    account
        .store
        .write("bench", |tx| {
            for n in 0..ROWS {
                let item = ItemId::new(format!(
                    "course-{}/lesson-{}/section-{}",
                    n % 100,
                    n / 100 % 10,
                    n
                ))
                .expect("an id");
                let mut row = carrel_model::lattice::Progress::none(ItemKind::Section, item);
                row.percent = 5_000;
                tx.join(row)?;
            }
            Ok(())
        })
        .await
        .expect("written");
    let (push_baseline, pull_baseline) = baseline::sync(&dir.join("baseline"), ROWS);
    let before = http.request_count();
    let start_time = Instant::now();
    let status = account.sync.sync_now().await.expect("synced");
    let took = start_time.elapsed();
    let requests = http.request_count() - before;
    assert_eq!((status.waiting, status.refused), (0, 0), "all rows were accepted");
    table.row(
        "push 10,000 rows, durable on both sides",
        format_duration(took),
        format!("SQLite + JSON only {}", format_duration(push_baseline)),
        micros(took) / 1e3,
        120.0,
        "ms",
    );
    table.row(
        "  requests",
        requests.to_string(),
        "2,000 rows a request".into(),
        requests as f64,
        12.0,
        "requests",
    );

    let tablet = open_client(&dir.join("tablet"), http.clone(), 2).await;
    let before = http.request_count();
    let start_time = Instant::now();
    let second = tablet.sign_in(url, "asha", PASSWORD).await.expect("signed in");
    let signed_in = start_time.elapsed();
    let start_time = Instant::now();
    second.sync.sync_now().await.expect("synced");
    let took = start_time.elapsed();
    let requests = http.request_count() - before;
    let received = second.learning.progress_under("course-7").await.expect("read").len();
    assert_eq!(received, ROWS / 100, "every row is on the second device");
    let baseline = format!(
        "SQLite + JSON only {}, sign-in before {}",
        format_duration(pull_baseline),
        format_duration(signed_in)
    );
    table.row(
        "pull 10,000 rows on another device",
        format_duration(took),
        baseline,
        micros(took) / 1e3,
        120.0,
        "ms",
    );
    table.row(
        "  requests, the sign-in included",
        requests.to_string(),
        "2,000 rows a request".into(),
        requests as f64,
        14.0,
        "requests",
    );

    account.sync.sync_now().await.expect("synced");
    let before = http.request_count();
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        account.sync.sync_now().await.expect("synced");
        times.push(start.elapsed());
    }
    let requests = (http.request_count() - before) as f64 / 50.0;
    let (p50, p99) = median_and_p99(times);
    table.row(
        "sync round without changes",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        format!("{requests:.1} requests"),
        micros(p50) / 1e3,
        3.0,
        "ms",
    );
    tablet.close().await;
    let _ = laptop;
}

/// Measures the start of a client with local content, until the first list is returned.
async fn start(table: &mut Table, http: Arc<Network>, laptop: &Arc<Client>, dir: &Path) {
    let host = BenchHost(laptop.clone());
    dispatch(&host, "list_courses", json!({})).await.expect("listed");
    laptop.close().await;
    let start_time = Instant::now();
    let reopened = open_client(&dir.join("laptop"), http, 3).await;
    dispatch(&BenchHost(reopened.clone()), "get_app_state", json!({})).await.expect("a state");
    dispatch(&BenchHost(reopened.clone()), "list_courses", json!({})).await.expect("listed");
    let took = start_time.elapsed();
    table.row(
        "start to first list (client only)",
        format_duration(took),
        "budget with paint 400 ms".into(),
        micros(took) / 1e3,
        200.0,
        "ms",
    );
    reopened.close().await;
}
