//! A failover of PostgreSQL to a streaming standby in the middle of load, and the complete syncs that follow.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use carrel_model::wire::Role;
use carrel_people::permissions::Rank;
use carrel_server::{
    Config, DataDir, Settings, database::URL_VARIABLE, domain::accounts::NewAccount,
    domain::sessions::NewSignIn, http::auth::new_user,
};
use carrel_store_postgres::{DatabaseUrl, PoolSettings, PostgresEngine};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    cluster::{Postgres, wait_until},
    processes::{PATIENCE, PrintedLog, Process, Program, Rows, SETTINGS, join, reply_of},
    support::{NOW, TestServer, device, engine, fixture, push_body},
};

fn token_of(learner: usize) -> String {
    format!("token of learner {learner}")
}

/// Adds learners who are signed in with the token of `token_of`.
async fn add_learners(data: &DataDir, count: usize) {
    for learner in 0..count {
        let user = new_user(&format!("learner-{learner}"), "Learner", Role::Student).unwrap();
        let sign_in = NewSignIn {
            id: Uuid::from_u128(user.id.0.as_u128() ^ 1),
            user: user.id,
            device: device(1),
            device_name: String::new(),
            access: (*blake3::hash(token_of(learner).as_bytes()).as_bytes(), i64::MAX),
            refresh_expires_ms: i64::MAX,
        };
        let account = NewAccount { user, password: String::new() };
        data.store.add_account(account, Some(sign_in), NOW).await.unwrap();
    }
}

/// A device that keeps its rows, as the app does: with another epoch it pulls everything and sends all its rows again.
struct Device {
    http: reqwest::Client,
    addresses: Vec<std::net::SocketAddr>,
    learner: usize,
    requests: usize,
    epoch: String,
    cursor: u64,
    rows: Rows,
    outbox: Rows,
    /// Number of epochs that it has seen.
    epochs: usize,
    /// Number of 503 replies, and whether it waits as long as they say.
    refused: usize,
    is_patient: bool,
    /// Number of connections that were closed without a reply.
    broken: usize,
}

impl Device {
    fn new(http: &reqwest::Client, processes: &[Process], learner: usize) -> Self {
        Self {
            http: http.clone(),
            addresses: processes.iter().map(|process| process.address).collect(),
            learner,
            requests: learner,
            epoch: String::new(),
            cursor: 0,
            rows: Rows::new(),
            outbox: Rows::new(),
            epochs: 0,
            refused: 0,
            is_patient: false,
            broken: 0,
        }
    }
    /// Sends a request until it succeeds, and follows the epoch of the reply. Returns `None` if the epoch is new.
    async fn call(&mut self, path: &str, body: Option<&Value>) -> Option<Value> {
        let reply = loop {
            self.requests += 1;
            let address = self.addresses[self.requests % self.addresses.len()];
            let url = format!("http://{address}{path}");
            let request = match body {
                Some(body) => self.http.post(url).json(body),
                None => self.http.get(url),
            };
            match reply_of(request.bearer_auth(token_of(self.learner))).await {
                // An overloaded computer may close connections. The app waits, too.
                Err(_) => {
                    self.broken += 1;
                    let spread = self.learner as u64 * 7 % 2_000;
                    if self.is_patient {
                        tokio::time::sleep(Duration::from_millis(1_000 + spread)).await;
                    }
                }
                Ok((StatusCode::OK, reply)) => break reply,
                Ok((StatusCode::SERVICE_UNAVAILABLE, problem)) => {
                    self.refused += 1;
                    if let (true, Some(ms)) = (self.is_patient, problem["retryAfterMs"].as_u64()) {
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                    }
                }
                Ok((status, reply)) => panic!("{status} {reply}"),
            }
        };
        let epoch = reply["epoch"].as_str().unwrap();
        if epoch == self.epoch {
            return Some(reply);
        }
        let is_first = self.epoch.is_empty();
        self.epoch = epoch.to_owned();
        self.epochs += 1;
        if is_first {
            return Some(reply);
        }
        self.cursor = 0;
        self.outbox = self.rows.clone();
        None
    }
    fn record(&mut self, item: String, percent: u64) {
        self.rows.insert(item.clone(), percent);
        self.outbox.insert(item, percent);
    }
    /// Sends the outbox, at most 100 rows at once.
    async fn push(&mut self) {
        while !self.outbox.is_empty() {
            let batch: Vec<(String, u64)> =
                self.outbox.iter().take(100).map(|(item, n)| (item.clone(), *n)).collect();
            let row = |(item, percent): &(String, u64)| json!({"type": "progress", "kind": "section", "item": item, "percent": percent});
            let body = push_body(&batch.iter().map(row).collect::<Vec<_>>());
            // If the epoch is new, the rows are stored, but the outbox was filled again.
            if self.call("/api/sync/push", Some(&body)).await.is_some() {
                self.outbox.retain(|item, _| batch.iter().all(|(sent, _)| sent != item));
            }
        }
    }
    async fn pull(&mut self) {
        loop {
            let path = format!("/api/sync/pull?since={}&limit=500", self.cursor);
            let Some(page) = self.call(&path, None).await else { continue };
            for row in page["rows"].as_array().unwrap() {
                join(&mut self.rows, &row["row"]);
            }
            self.cursor = page["next"].as_u64().unwrap();
            if page["more"] == false {
                return;
            }
        }
    }
}

pub fn client_without_proxy() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_in_the_middle_of_load_loses_nothing() {
    const LEARNERS: usize = 4;
    if !engine().is_shared() {
        eprintln!("skipped on {}: it has no standby", engine().name());
        return;
    }
    let Some(primary) = Postgres::primary() else {
        eprintln!("skipped: pg_basebackup is not installed");
        return;
    };
    primary.create_school().await;
    let standby = primary.standby();
    let url = format!(
        "host={},{} user=postgres dbname=school target_session_attrs=read-write",
        primary.folder().display(),
        standby.folder().display()
    );
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let engine = PostgresEngine::new(DatabaseUrl::new(&url).unwrap(), PoolSettings::default());
    let data = DataDir::open(Config { engine: Arc::new(engine), ..Config::new(&folder) }).unwrap();
    add_learners(&data, LEARNERS).await;
    drop(data);
    let program = Program::new(folder, vec![(URL_VARIABLE, url)], SETTINGS);
    let _log = PrintedLog(program.log.clone());
    let processes = [program.start().await, program.start().await];

    let http = client_without_proxy();
    let (acknowledged, mut count) = watch::channel(0_u64);
    let (is_promoted, promoted) = watch::channel(false);
    // Each learner has two devices, which send rows of their own.
    let study = (0..2 * LEARNERS).map(|number| {
        let mut device = Device::new(&http, &processes, number / 2);
        let (acknowledged, promoted) = (acknowledged.clone(), promoted.clone());
        tokio::spawn(async move {
            let mut sent = 0;
            let mut after = 0;
            while after < 5 {
                let is_after = *promoted.borrow();
                device.record(format!("a/{number}/{sent}"), 1 + sent % 100);
                sent += 1;
                device.push().await;
                acknowledged.send_modify(|count| *count += 1);
                // The first reply of the new primary has the new epoch.
                assert!(!is_after || device.epochs == 2);
                device.pull().await;
                after += usize::from(is_after);
            }
            device
        })
    });
    let study: Vec<_> = study.collect();
    let reached = async |count: &mut watch::Receiver<u64>, more: u64| -> u64 {
        let target = *count.borrow() + more;
        let wait = tokio::time::timeout(PATIENCE, count.wait_for(|count| *count >= target)).await;
        *wait.expect("the devices are served").unwrap()
    };
    reached(&mut count, 100).await;
    // The standby receives nothing more: what is committed from now on is lost.
    let replica = standby.client("school").await;
    replica.batch_execute("ALTER SYSTEM SET primary_conninfo = ''").await.unwrap();
    replica.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    wait_until(&replica, "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await;
    let confirmed = reached(&mut count, 100).await;
    primary.stop();
    standby.control(&["promote", "--wait"]);
    let stored = "SELECT count(*) FROM carrel.progress";
    let stored: i64 = standby.client("school").await.query_one(stored, &[]).await.unwrap().get(0);
    assert!(stored.unsigned_abs() < confirmed, "{stored} of {confirmed} confirmed rows");
    is_promoted.send(true).unwrap();

    let mut devices = Vec::new();
    for device in study {
        let ended = tokio::time::timeout(PATIENCE, device).await;
        devices.push(ended.expect("the device finds the new epoch").unwrap());
    }
    // One new epoch, although two processes found it.
    let epochs: std::collections::BTreeSet<_> = devices.iter().map(|d| d.epoch.clone()).collect();
    assert_eq!(epochs.len(), 1);
    let (mut rows, mut refused) = (0, 0);
    for device in &mut devices {
        let own = device.rows.clone();
        device.pull().await;
        assert_eq!((device.epochs, device.outbox.len()), (2, 0));
        let mut fresh = Device::new(&http, &processes, device.learner);
        fresh.pull().await;
        assert_eq!(fresh.rows, device.rows);
        assert!(own.iter().all(|(item, percent)| fresh.rows.get(item) == Some(percent)));
        rows += own.len();
        refused += device.refused;
        assert_eq!(device.broken, 0);
    }
    let total = *acknowledged.borrow();
    eprintln!(
        "{confirmed} rows confirmed before the failover, {stored} of them on the standby; \
         afterwards {total} rows, each on its devices ({rows} copies); {refused} replies 503"
    );
}

/// Number of devices that sync everything at once; with `CARREL_LONG=1`; `CARREL_DEVICES` overrides both.
const DEVICES: (usize, usize) = (60, 10_000);
/// Number of devices that send one row every 200 ms meanwhile.
const STUDYING: usize = 20;

/// Returns the value below which this part of the values is.
fn quantile(values: &mut [Duration], part: f64) -> Duration {
    values.sort_unstable();
    values.get((values.len() as f64 * part) as usize).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complete_syncs_of_all_devices_end_while_others_are_served() {
    let long = std::env::var_os("CARREL_LONG").is_some();
    let wanted = std::env::var("CARREL_DEVICES").ok().and_then(|count| count.parse().ok());
    let count = wanted.unwrap_or(if long { DEVICES.1 } else { DEVICES.0 });
    let server = TestServer::with(Settings::default());
    server.staff("tina", Rank::Instructor).await;
    add_learners(&server.data_dir, count + STUDYING).await;
    // In a short run, few requests run at once, so that some are refused.
    let limit = if count > 1_000 { "" } else { "complete_syncs = 2\n" };
    let settings = format!("{SETTINGS}{limit}max_connections = 18000\n");
    let program = Program::new(server.folder(), fixture().variables(&server.folder()), &settings);
    let _log = PrintedLog(program.log.clone());
    let processes = vec![program.start().await];
    let http = client_without_proxy();
    let (is_over, over) = watch::channel(false);
    let studying = (count..count + STUDYING).map(|learner| {
        let mut device = Device::new(&http, &processes, learner);
        let over = over.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut tick = tokio::time::interval(Duration::from_millis(200));
            // The first pull is one from the beginning. Later ones follow from a row.
            device.record("a/b/first".to_owned(), 1);
            device.push().await;
            device.pull().await;
            device.refused = 0;
            while !*over.borrow() {
                // Requests that are late count from the time at which they should have begun.
                let due = tick.tick().await;
                device.record(format!("a/b/{}", latencies.len()), 1);
                device.push().await;
                device.pull().await;
                latencies.push(due.elapsed());
            }
            (latencies, device)
        })
    });
    let studying: Vec<_> = studying.collect();
    let begun = Instant::now();
    let waits = Arc::new(Mutex::new(Vec::new()));
    let syncing = (0..count).map(|learner| {
        let mut device = Device::new(&http, &processes, learner);
        let waits = Arc::clone(&waits);
        tokio::spawn(async move {
            device.is_patient = true;
            (0..20).for_each(|n| device.record(format!("a/b/{n}"), 7));
            device.pull().await;
            device.push().await;
            device.cursor = 0;
            device.pull().await;
            waits.lock().unwrap().push(begun.elapsed());
            device
        })
    });
    let syncing: Vec<_> = syncing.collect();
    let (mut refused, mut broken) = (0, 0);
    for device in syncing {
        let device = device.await.unwrap();
        assert_eq!((device.rows.len(), device.outbox.len(), device.cursor), (20, 0, 20));
        (refused, broken) = (refused + device.refused, broken + device.broken);
    }
    let lasted = begun.elapsed();
    is_over.send(true).unwrap();
    let (mut latencies, mut broken_others) = (Vec::new(), 0);
    for device in studying {
        let (measured, device) = device.await.unwrap();
        broken_others += device.broken;
        assert_eq!(device.refused, 0, "a device that sends what is new is not refused");
        latencies.extend(measured);
    }
    assert!(refused > 0, "the limit was not reached");
    let mut waits = std::mem::take(&mut *waits.lock().unwrap());
    eprintln!(
        "{count} devices synced everything in {lasted:?} (half of them in {:?}), {refused} replies 503 and {broken} closed \
         connections; {} pushes and pulls of {STUDYING} others: median {:?}, 99 % within {:?}, {broken_others} closed \
         connections",
        quantile(&mut waits, 0.5),
        latencies.len(),
        quantile(&mut latencies, 0.5),
        quantile(&mut latencies, 0.99)
    );
}
