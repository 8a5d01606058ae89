//! Measures a school's first day: every device registers with the school's enrolment token, downloads one course, and
//! pushes a week of progress, 32 devices at a time; once from the server alone and once with a mirror of its files.
//! `cargo xtask bench fleet`.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use carrel_client::{
    Client, Config, Result,
    account::FileSecrets,
    content::{Kind, download::Phase},
};
use carrel_learning::Step;
use carrel_model::lattice::ItemKind;
use carrel_net::{LiveHttp, NetworkSettings};
use carrel_server::{
    RunningServer, domain::enrolment_tokens::NewEnrolmentToken, password::new_token,
};
use carrel_system::{Clock as _, SystemClock, blocking};
use carrel_testkit::{SeededIds, content, device::PASSWORD};
use futures_util::StreamExt;

use super::{Table, format_duration, median_and_p99, resident_kib};

const DEVICES: usize = 500;
const AT_ONCE: usize = 32;
/// Days whose progress is pushed.
const DAYS: i64 = 7;
/// Maximum time for all devices, in seconds: about one lesson.
const MAX_S: f64 = 300.0;
/// Maximum growth of this process, which contains the server and the open devices, in MiB.
const MAX_MIB: f64 = 1_500.0;

/// Times of one device.
struct Day {
    sign_in: Duration,
    download: Duration,
    sync: Duration,
}

pub async fn measure(table: &mut Table, server: &RunningServer, dir: &Path) {
    let fleet = dir.join("fleet");
    let token = add_token(server).await;
    run(table, server, &fleet.join("direct"), &token, None).await;
    let (mirror, served) = start_mirror(&dir.join("server/blobs")).await;
    run(table, server, &fleet.join("mirror"), &token, Some(mirror)).await;
    let per_device = served.load(Ordering::Relaxed) as f64 / DEVICES as f64;
    println!("files from the mirror per device: {per_device:.1}");
}

/// Adds an enrolment token for all devices of both runs, and returns its text.
async fn add_token(server: &RunningServer) -> String {
    let (text, hash) = new_token().expect("random bytes");
    let now_ms = SystemClock::new().now_ms();
    let token = NewEnrolmentToken {
        name: "first day".into(),
        hash,
        expires_ms: Some(now_ms + 24 * 3_600_000),
        max_uses: Some(2 * DEVICES as u32),
        courses: vec![content::course()],
        class: None,
    };
    server.data().store.add_enrolment_token(token, now_ms).await.expect("a token");
    text
}

async fn run(
    table: &mut Table,
    server: &RunningServer,
    dir: &Path,
    token: &str,
    mirror: Option<String>,
) {
    let what = if mirror.is_some() { "with a mirror" } else { "from the server" };
    let (before, start) = (resident_kib(), Instant::now());
    let days = (0..DEVICES)
        .map(|n| first_day(dir.join(n.to_string()), n, server.url(), token, mirror.clone()));
    let days: Vec<Result<Day>> =
        futures_util::stream::iter(days).buffer_unordered(AT_ONCE).collect().await;
    let (took, grown) = (start.elapsed(), (resident_kib() - before) / 1024.0);
    let errors: Vec<String> =
        days.iter().filter_map(|d| Some(d.as_ref().err()?.to_string())).collect();
    errors.iter().take(3).for_each(|e| println!("{what}: {e}"));
    let days: Vec<Day> = days.into_iter().flatten().collect();
    for (name, times) in [
        ("sign-in", days.iter().map(|d| d.sign_in).collect()),
        ("download", days.iter().map(|d| d.download).collect()),
        ("sync", days.iter().map(|d| d.sync).collect()),
    ] {
        let (median, p99) = median_and_p99(times);
        println!(
            "{what}: {name}: median {}, p99 {}",
            format_duration(median),
            format_duration(p99)
        );
    }
    let name = format!("{DEVICES} devices {what}");
    let figure = format!("{:.1} s", took.as_secs_f64());
    table.row(&name, figure, format!("{AT_ONCE} at a time"), took.as_secs_f64(), MAX_S, "s");
    table.row(
        "  errors",
        errors.len().to_string(),
        String::new(),
        errors.len() as f64,
        0.0,
        "errors",
    );
    table.row(
        "  memory of server and devices",
        format!("{grown:.0} MiB"),
        String::new(),
        grown,
        MAX_MIB,
        "MiB",
    );
}

/// Registers, downloads the course, and pushes the progress of a week.
async fn first_day(
    dir: PathBuf,
    n: usize,
    url: String,
    token: &str,
    mirror: Option<String>,
) -> Result<Day> {
    let name = format!("{}-{n}", if mirror.is_some() { "mirrored" } else { "device" });
    let ids = Arc::new(SeededIds::new(n as u64 + 1_000));
    let client = Client::open(Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Default::default(),
        demo_dir: None,
        http: Arc::new(LiveHttp::new("Carrel/bench")?),
        clock: Arc::new(SystemClock::new()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(&dir, ids))),
        device_name: name.clone(),
        network: NetworkSettings { mirror, ..NetworkSettings::default() },
        policies: Vec::new(),
        app_version: "0.1.0".into(),
        event_stream: false,
    })
    .await?;
    let start = Instant::now();
    let account =
        client.register_with_token(&url, &name, "A learner", PASSWORD, Some(token)).await?;
    let sign_in = start.elapsed();
    let start = Instant::now();
    let mut changes = client.changes().subscribe();
    let downloads = account.content.downloads.clone();
    blocking(move || downloads.start(Kind::Course, &content::course())).await?;
    loop {
        let downloads = account.content.downloads.clone();
        let state = blocking(move || downloads.state(Kind::Course, &content::course())).await?;
        if state.phase == Phase::Ready {
            break;
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), changes.recv()).await;
    }
    let download = start.elapsed();
    for day in 0..DAYS {
        for section in content::sections() {
            let percent = u16::try_from((day + 1) * 14).unwrap_or(100);
            let step =
                Step { percent: Some(percent), ..Step::at(ItemKind::Section, section.clone()) };
            account.learning.record(step).await?;
        }
    }
    let start = Instant::now();
    let mut status = account.sync.sync_now().await?;
    for _ in 0..5 {
        if status.waiting > 0 {
            status = account.sync.sync_now().await?;
        }
    }
    let sync = start.elapsed();
    client.close().await;
    match (status.waiting, status.refused) {
        (0, 0) => Ok(Day { sign_in, download, sync }),
        left => {
            Err(carrel_client::Error::Internal(format!("{name}: waiting and refused: {left:?}")))
        }
    }
}

/// Serves the server's folder of blobs as a static web server would. Returns its address and the number of files sent.
async fn start_mirror(blobs: &Path) -> (String, Arc<AtomicUsize>) {
    let served = Arc::new(AtomicUsize::new(0));
    let state = (blobs.to_owned(), served.clone());
    let router = Router::new().route("/api/blobs/{hash}", get(file)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), served)
}

async fn file(
    State((blobs, served)): State<(PathBuf, Arc<AtomicUsize>)>,
    axum::extract::Path(hash): axum::extract::Path<String>,
) -> std::result::Result<Vec<u8>, StatusCode> {
    let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let path = blobs.join(hash.get(..2).filter(|_| is_hash).unwrap_or_default()).join(&hash);
    let bytes = tokio::fs::read(path).await.map_err(|_| StatusCode::NOT_FOUND)?;
    served.fetch_add(1, Ordering::Relaxed);
    Ok(bytes)
}
