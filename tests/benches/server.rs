//! Measures the server alone: memory of silent connections, pushes of a hostile learner while another learner syncs,
//! and the time of large pushes and progress updates. `cargo xtask bench sockets hostile push updates`.
//!
//! The budgets limit memory, the waiting time of other clients, and ratios to a baseline.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use carrel_model::{
    UserId,
    wire::{MAX_PUSH_ITEMS, Role, UserInfo},
};
use carrel_server::{
    Config, DataDir, RunningServer, Server, Settings, domain::accounts::NewAccount, push_validation,
};
use serde_json::value::RawValue;
use tower::ServiceExt as _;

use super::{Table, format_duration, median_and_p99, resident_kib};

/// First argument with which this program only runs [`hold_sockets`].
pub const HOLD_SOCKETS: &str = "hold-sockets";
/// Number of silent connections.
const SOCKETS: usize = 10_000;
/// Number of loopback source addresses of the connections.
const SOURCES: usize = 200;

/// Budgets of the measurements.
const MAX_SOCKETS_MIB: f64 = 96.0;
/// Memory that a second round of connections may add: the allocator keeps the memory of the first round and uses it again.
const MAX_SOCKETS_GROWTH_MIB: f64 = 8.0;
const MAX_REQUEST_MS: f64 = 250.0;
const MAX_HOSTILE_MIB: f64 = 48.0;
const MAX_HOSTILE_WAIT_MS: f64 = 500.0;
/// 1 is linear, 2 quadratic.
const MAX_UPDATES_EXPONENT: f64 = 1.3;
/// Time of a push relative to plain inserts of its rows.
const MAX_PUSH_FACTOR: f64 = 2.0;

fn resident_mib() -> f64 {
    resident_kib() / 1024.0
}

/// Client of [`sockets`], in its own process: opens connections, prints their number, and keeps them open until stdin
/// is closed. Its memory and descriptors are not those of the measured process.
pub fn hold_sockets(mut args: impl Iterator<Item = String>) {
    let to: SocketAddr = args.next().and_then(|a| a.parse().ok()).expect("an address");
    let count: usize = args.next().and_then(|n| n.parse().ok()).expect("a number");
    raise_open_files();
    let mut held = Vec::with_capacity(count);
    for n in 0..count {
        let source = Ipv4Addr::new(127, 0, 1, (n % SOURCES + 1) as u8);
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("a socket");
        // Port 0: the system selects a free port of this source address.
        socket.bind(&SocketAddr::V4(SocketAddrV4::new(source, 0)).into()).expect("bound");
        socket.connect(&to.into()).expect("connected");
        held.push(socket);
    }
    println!("{}", held.len());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let _ =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// Measures one request on a new connection.
fn request(to: SocketAddr) -> Duration {
    let start = Instant::now();
    let mut socket = TcpStream::connect(to).expect("connected");
    let request = b"GET /api/meta HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request).expect("sent");
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).expect("a reply");
    assert!(reply.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&reply));
    start.elapsed()
}

/// Waits until `accept` accepts the server's number of connections.
async fn wait_for_connections(server: &RunningServer, what: &str, accept: impl Fn(usize) -> bool) {
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3_000 {
        if accept(server.connections()) {
            return;
        }
        interval.tick().await;
    }
    panic!("{what}: {} connections after a minute", server.connections());
}

/// A program that holds [`SOCKETS`] silent connections.
struct SilentSockets(Child);

impl SilentSockets {
    async fn open(server: &RunningServer, to: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([HOLD_SOCKETS, &to.to_string(), &SOCKETS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let mut reported = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut reported).expect("a line");
        assert_eq!(reported.trim(), SOCKETS.to_string(), "all connections are open");
        wait_for_connections(server, "opened", |n| n >= SOCKETS).await;
        Self(child)
    }

    async fn close(&mut self, server: &RunningServer) {
        drop(self.0.stdin.take());
        self.0.wait().expect("ended");
        wait_for_connections(server, "closed", |n| n == 0).await;
    }
}

/// Measures 10,000 silent connections: memory while they are open, memory that another 10,000 add after these were closed,
/// and the time of requests while they are open.
pub async fn sockets(table: &mut Table, dir: &Path) {
    let server = Server::start(Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        settings: Settings {
            max_connections: SOCKETS + 1_000,
            head_timeout_s: 600,
            ..Settings::default()
        },
        ..Config::new(dir.join("silent"))
    })
    .await
    .expect("the server starts");
    let to = server.addr;
    let request_times = |n: usize| {
        tokio::task::spawn_blocking(move || median_and_p99((0..n).map(|_| request(to)).collect()))
    };
    request_times(50).await.expect("a reply");
    let before = resident_mib();
    let mut first = SilentSockets::open(&server, to).await;
    let open = resident_mib();
    let (p50, p99) = request_times(200).await.expect("a reply");
    first.close(&server).await;
    let mut second = SilentSockets::open(&server, to).await;
    let open_again = resident_mib();
    second.close(&server).await;
    table.row(
        "10,000 silent sockets: memory",
        format!("{:.1} MiB more", open - before),
        format!("before {before:.1} MiB"),
        open - before,
        MAX_SOCKETS_MIB,
        "MiB",
    );
    table.row(
        "  added by 10,000 more after they were closed",
        format!("{:.1} MiB more", open_again - open),
        String::new(),
        open_again - open,
        MAX_SOCKETS_GROWTH_MIB,
        "MiB",
    );
    table.row(
        "  a request while they are open",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        String::new(),
        p99.as_secs_f64() * 1e3,
        MAX_REQUEST_MS,
        "ms p99",
    );
    server.shutdown().await;
}

/// Measures progress updates in one body: the time must grow linearly with their number.
pub async fn updates(table: &mut Table, dir: &Path) {
    const FEW: usize = 200;
    let mut config = Config::new(dir.join("updates"));
    config.settings.registration_open = true;
    let data = DataDir::open(config).expect("a server's folder");
    let router = carrel_server::http::app(data.app().expect("the routes"));
    let post = async |uri: &str, token: &str, body: String| {
        let request = axum::http::Request::post(uri)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(axum::body::Body::from(body));
        let start = Instant::now();
        let reply = router.clone().oneshot(request.expect("a request")).await.expect("a reply");
        let bytes = axum::body::to_bytes(reply.into_body(), usize::MAX).await.expect("read");
        let took = start.elapsed();
        (took, serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON"))
    };
    let account = serde_json::json!({"login": "noor", "name": "Noor", "password": super::PASSWORD, "deviceId": id(1)});
    let (_, account) = post("/api/auth/register", "", account.to_string()).await;
    let token = account["accessToken"].as_str().expect("a token").to_owned();
    let mut round = 0;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..15 {
        for (which, count) in [FEW, MAX_PUSH_ITEMS].into_iter().enumerate() {
            round += 1;
            let updates = (0..count)
                .map(|n| format!(r#"{{"kind":"section","item":"c/l{n}/s","percent":{round}}}"#));
            let body = format!("[{}]", updates.collect::<Vec<_>>().join(","));
            let (took, reply) = post("/api/progress/update", &token, body).await;
            assert_eq!(reply["results"].as_array().map(Vec::len), Some(count), "{reply}");
            times[which].push(took);
        }
    }
    let [few, many] = times.map(|t| median_and_p99(t).0);
    let exponent =
        (many.as_secs_f64() / few.as_secs_f64()).ln() / (MAX_PUSH_ITEMS as f64 / FEW as f64).ln();
    table.row(
        "2,000 progress updates in one body",
        format_duration(many),
        format!("200: {}", format_duration(few)),
        exponent,
        MAX_UPDATES_EXPONENT,
        "exponent",
    );
}

/// Measures a push of 10,000 new rows to the store in batches of 2,000. Baseline: the same bodies are parsed and
/// inserted with plain statements into the same tables, with a commit after each batch.
pub async fn push(table: &mut Table, dir: &Path) {
    const ROWS: usize = 10_000;
    let item = |round: usize, n: usize| {
        let text = format!(
            r#"{{"type":"progress","kind":"section","item":"course-{round}/lesson-{}/section-{n}","percent":5000}}"#,
            n / 100
        );
        RawValue::from_string(text).expect("JSON")
    };
    let bodies = |round: usize| -> Vec<Vec<Box<RawValue>>> {
        let all: Vec<usize> = (0..ROWS).collect();
        all.chunks(MAX_PUSH_ITEMS)
            .map(|chunk| chunk.iter().map(|n| item(round, *n)).collect())
            .collect()
    };
    let data = DataDir::open(Config::new(dir.join("push"))).expect("a server's folder");
    let user = UserId::from_u128(1);
    let info = UserInfo { id: user, login: "a".into(), name: "A".into(), role: Role::Student };
    let account = NewAccount { user: info, password: String::new() };
    data.store.add_account(account, None, NOW).await.expect("an account");
    let bare = carrel_sqlite::open(&dir.join("bare-rows.db"), carrel_sqlite::Options::default());
    let bare = bare.expect("a database");
    bare.execute_batch(&carrel_sqlite::rows::schema(carrel_sqlite::rows::Scope::Server))
        .expect("the tables");
    let sql = "INSERT INTO progress (user_id, kind, item, generation, percent, pos_hlc, pos_device, pos_at, done_ms, usn)
               VALUES (?1, 'section', ?2, 0, ?3, 0, x'', '', 9223372036854775807, ?4)";
    let (mut baselines, mut pushes) = (Vec::new(), Vec::new());
    // Measured alternately: a slow period of the disk affects both.
    for round in 0..9 {
        let batches = bodies(round);
        let start = Instant::now();
        for (n, body) in batches.iter().enumerate() {
            let rows = push_validation::check(body, NOW).rows;
            bare.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
            let mut insert = bare.prepare_cached(sql).expect("a statement");
            for (index, row) in rows.iter().enumerate() {
                let carrel_model::lattice::Row::Progress(p) = row else { continue };
                let usn = round * ROWS + n * MAX_PUSH_ITEMS + index + 1;
                insert
                    .execute((user.0.as_bytes(), p.item.as_str(), p.percent, usn as i64))
                    .expect("inserted");
            }
            drop(insert);
            bare.execute_batch("COMMIT").expect("committed");
        }
        baselines.push(start.elapsed());
        let start = Instant::now();
        for body in &batches {
            let rows = push_validation::check(body, NOW).rows;
            let done = data.store.push(user, rows, false, NOW).await.expect("pushed");
            assert_eq!(done.changed, MAX_PUSH_ITEMS as u64);
        }
        pushes.push(start.elapsed());
    }
    let ((baseline, _), (p50, p99)) = (median_and_p99(baselines), median_and_p99(pushes));
    table.row(
        "10,000 new rows, server only",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        format!("read, plain inserts, commits {}", format_duration(baseline)),
        p50.as_secs_f64() / baseline.as_secs_f64(),
        MAX_PUSH_FACTOR,
        "x baseline",
    );
}

fn id(n: usize) -> String {
    format!("0190a000-0000-7000-8000-{n:012x}")
}

const NOW: i64 = 1_790_000_000_000;

/// Returns one batch of each kind of hostile rows: growing unknown fields, unlimited answers, submitted attempts, new
/// rows over the quota.
fn batches(round: usize) -> [Vec<String>; 4] {
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
    [fields.collect(), answers.collect(), attempts.collect(), new.collect()]
}

fn read(items: Vec<String>) -> Vec<carrel_model::lattice::Row> {
    let items: Vec<Box<RawValue>> =
        items.into_iter().map(|i| RawValue::from_string(i).expect("JSON")).collect();
    push_validation::check(&items, NOW).rows
}

/// Measures pushes of a hostile learner, each concurrent with a push of another learner. `CARREL_LONG=1`: 3,600 pushes,
/// one hour at 60 per minute.
pub async fn hostile(table: &mut Table, dir: &Path) {
    let pushes = if std::env::var_os("CARREL_LONG").is_some() { 60 * 60 } else { 60 };
    let mut config = Config::new(dir.join("hostile"));
    config.settings.max_rows_per_learner = 100_000;
    config.settings.max_mib_per_learner = 64;
    let data = DataDir::open(config).expect("a server's folder");
    let (hostile, other) = (UserId::from_u128(1), UserId::from_u128(2));
    for (user, login) in [(hostile, "hostile"), (other, "other")] {
        let (login, name) = (login.to_owned(), login.to_owned());
        let user = UserInfo { id: user, login, name, role: Role::Student };
        let account = NewAccount { user, password: String::new() };
        data.store.add_account(account, None, NOW).await.expect("an account");
    }
    // Not measured: fills the caches.
    for items in batches(0) {
        data.store.push(hostile, read(items), false, NOW).await.expect("pushed");
    }
    let before = resident_mib();
    let (mut hostile_times, mut wait_times) = (Vec::new(), Vec::new());
    for round in 1..=pushes / 4 {
        for (kind, items) in batches(round).into_iter().enumerate() {
            let rows = read(items);
            let other_row = format!(r#"{{"type":"review_void","id":"{}"}}"#, id(round * 4 + kind));
            let other_rows = read(vec![other_row]);
            let start = Instant::now();
            let attack = async {
                let done = data.store.push(hostile, rows, false, NOW).await;
                (done, start.elapsed())
            };
            let other_push = async {
                let done = data.store.push(other, other_rows, false, NOW).await;
                (done, start.elapsed())
            };
            let ((attacked, long), (done, wait)) = tokio::join!(attack, other_push);
            attacked.expect("a result for each row");
            done.expect("pushed");
            hostile_times.push(long);
            wait_times.push(wait);
        }
    }
    let growth = resident_mib() - before;
    let ((own, _), (p50, p99)) = (median_and_p99(hostile_times), median_and_p99(wait_times));
    let file = std::fs::metadata(dir.join("hostile/server.db")).map_or(0, |m| m.len());
    table.row(
        &format!("{pushes} hostile pushes: memory"),
        format!("{growth:.1} MiB more"),
        format!("database {} MiB", file / (1024 * 1024)),
        growth,
        MAX_HOSTILE_MIB,
        "MiB",
    );
    table.row(
        "  a concurrent push of another learner",
        format!("{} p99 {}", format_duration(p50), format_duration(p99)),
        format!("hostile learner {}", format_duration(own)),
        p99.as_secs_f64() * 1e3,
        MAX_HOSTILE_WAIT_MS,
        "ms p99",
    );
}
