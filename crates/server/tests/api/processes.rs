//! Processes of the program that are killed (SIGKILL) or replaced (SIGTERM) in turn while devices push, pull and refresh
//! their tokens over HTTP, and somebody uploads courses. On PostgreSQL two processes share the database and the data
//! folder; on SQLite there is one.
//!
//! The expected rows are those of a plain model: the rows that the devices sent, joined by key. The devices send each
//! batch again until a reply arrives, so that in the end the server must have exactly these rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use carrel_people::permissions::Rank;
use carrel_server::{
    Clock, Settings, SystemClock,
    domain::{accounts::NewAccount, jobs::LEASE_MS},
    http::auth::new_user,
    store::StoreError,
};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    support::{NOW, PASSWORD, TestServer, codes, device, engine, fixture, push_body},
    uploads::UPLOADS,
};
use carrel_model::wire::Role;

/// Number of processes that are killed; with `CARREL_LONG=1`; `CARREL_KILLS` overrides both.
const KILLS: (u64, u64) = (6, 100);
const LEARNERS: usize = 3;
const DEVICES: u128 = 2;
/// The learner who only sends rows with new ids: each of them is one change.
const EVENTS_ONLY: usize = 0;
/// Settings of the processes.
pub const SETTINGS: &str = "route_limits = false\ndatabase_pool_min = 1\ndatabase_pool_max = 8\n";
/// Limit for a request and for the end of all jobs, so that a defect ends the test.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Pseudo-random numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// How to start the program.
#[derive(Clone)]
pub struct Program {
    /// The program file.
    pub file: PathBuf,
    pub folder: PathBuf,
    pub variables: Vec<(&'static str, String)>,
    pub settings: PathBuf,
    pub log: PathBuf,
}

impl Program {
    /// Writes the settings. `folder`: the data folder; the other files are beside it.
    pub fn new(folder: PathBuf, variables: Vec<(&'static str, String)>, settings: &str) -> Self {
        let file = |name| folder.with_file_name(name);
        let program = Self {
            file: env!("CARGO_BIN_EXE_carrel-server").into(),
            variables,
            settings: file("carrel.toml"),
            log: file("log"),
            folder,
        };
        fs::write(&program.settings, settings).unwrap();
        program
    }
    pub async fn start(&self) -> Process {
        let mut command = Command::new(&self.file);
        command.arg("serve").arg("--data").arg(&self.folder).arg("--config").arg(&self.settings);
        command.args(["--listen", "127.0.0.1:0"]).envs(self.variables.clone());
        let log = fs::File::options().create(true).append(true).open(&self.log).unwrap();
        command.stdout(Stdio::piped()).stderr(log);
        let start = move || {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let address = line.trim().rsplit("http://").next().and_then(|at| at.parse().ok());
            Process { child, address: address.expect("the process listens") }
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }
    /// Returns the number of runs of a job that the processes have reported as done.
    fn runs(&self, job: &str) -> usize {
        let log = fs::read_to_string(&self.log).unwrap();
        let name = format!("job.name=\"{job}\"");
        log.lines().filter(|line| line.contains("job done") && line.contains(&name)).count()
    }
}

/// A running process, which is killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Ends the process with SIGTERM, as for an update: it replies to open requests first.
    pub async fn replace(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap());
        assert!(ended.await.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests to the living processes.
#[derive(Clone)]
pub struct Link {
    pub http: reqwest::Client,
    pub addresses: watch::Receiver<Vec<Option<SocketAddr>>>,
    pub lost: Arc<Mutex<u64>>,
}

impl Link {
    /// Sends a request to a living process until a reply arrives, each time to another one if there is one.
    ///
    /// `first`: selects the first process. A process that lives never refuses, also while another one is killed.
    pub async fn send(
        &mut self,
        first: u64,
        build: impl Fn(&reqwest::Client, String) -> RequestBuilder,
    ) -> (StatusCode, Value) {
        loop {
            let mut alive: Vec<_> =
                self.addresses.borrow_and_update().iter().copied().flatten().collect();
            let count = alive.len().max(1);
            alive.rotate_left(first as usize % count);
            for address in alive {
                match reply_of(build(&self.http, format!("http://{address}"))).await {
                    Ok((status, body)) => {
                        assert!(status.is_success(), "{status}: {body}");
                        return (status, body);
                    }
                    Err(e) => {
                        assert!(!e.is_timeout(), "{e:?}");
                        *self.lost.lock().unwrap() += 1;
                    }
                }
            }
            self.addresses.changed().await.expect("a process is started");
        }
    }
}

pub async fn reply_of(request: RequestBuilder) -> reqwest::Result<(StatusCode, Value)> {
    let reply = request.timeout(PATIENCE).send().await?;
    let status = reply.status();
    let body = reply.bytes().await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// The rows of a learner: the percentage of an item, or the rating of a review.
pub type Rows = BTreeMap<String, u64>;

/// Joins a row, in the simplest way.
pub fn join(rows: &mut Rows, row: &Value) {
    let (key, value) = match row["type"].as_str() {
        Some("progress") => (&row["item"], &row["percent"]),
        Some("review") => (&row["id"], &row["rating"]),
        other => panic!("a row that nobody sent: {other:?}"),
    };
    let entry = rows.entry(key.as_str().unwrap().to_owned()).or_default();
    *entry = value.as_u64().unwrap().max(*entry);
}

/// A device of a learner.
pub struct Device {
    link: Link,
    random: Random,
    pub learner: usize,
    /// The access token and the refresh token.
    tokens: Value,
    /// Sync version of its requests.
    version: &'static str,
    cursor: u64,
    usn: u64,
    epoch: Value,
    /// What it pulled.
    pub replica: Rows,
    /// What it sent, and the server has acknowledged.
    acknowledged: Rows,
}

impl Device {
    pub async fn sign_in(mut link: Link, learner: usize, number: u128) -> Self {
        let login = format!("learner-{learner}");
        let body = json!({"login": login, "password": PASSWORD, "deviceId": device(number)});
        let (_, tokens) = link
            .send(number as u64, |http, url| http.post(format!("{url}/api/auth/login")).json(&body))
            .await;
        Self {
            link,
            random: Random(learner as u64 * 100 + number as u64),
            learner,
            tokens,
            version: if number.is_multiple_of(2) { "1" } else { "2" },
            cursor: 0,
            usn: 0,
            epoch: Value::Null,
            replica: Rows::new(),
            acknowledged: Rows::new(),
        }
    }
    pub async fn call(
        &mut self,
        build: impl Fn(&reqwest::Client, String) -> RequestBuilder,
    ) -> Value {
        let first = self.random.below(2);
        let (token, version) = (self.tokens["accessToken"].as_str().unwrap(), self.version);
        let call = |http: &reqwest::Client, url| {
            build(http, url).bearer_auth(token).header("sync-version", version)
        };
        let (_, reply) = self.link.send(first, call).await;
        if !reply["epoch"].is_null() {
            assert!(self.epoch.is_null() || self.epoch == reply["epoch"], "{reply}");
            self.epoch = reply["epoch"].clone();
        }
        reply
    }
    fn row(&mut self) -> Value {
        if self.learner == EVENTS_ONLY || self.random.below(4) == 0 {
            let id = [(); 2].map(|()| self.random.below(u64::MAX));
            let id = Uuid::from_u64_pair(id[0], id[1]);
            let rating = 1 + self.random.below(4);
            return json!({"type": "review", "id": id, "word": "a/word", "rating": rating, "atMs": NOW, "durationMs": 900});
        }
        let (item, percent) = (self.random.below(40), self.random.below(101));
        json!({"type": "progress", "kind": "section", "item": format!("a/b/{item}"), "percent": percent})
    }
    async fn push(&mut self, sent: &Mutex<Vec<Rows>>) {
        let count = 1 + self.random.below(8);
        let rows: Vec<Value> = (0..count).map(|_| self.row()).collect();
        rows.iter().for_each(|row| join(&mut sent.lock().unwrap()[self.learner], row));
        let body = push_body(&rows);
        let reply =
            self.call(|http, url| http.post(format!("{url}/api/sync/push")).json(&body)).await;
        assert!(codes(&reply).iter().all(|code| code == "ok"), "{reply}");
        self.follow(&reply["usn"]);
        rows.iter().for_each(|row| join(&mut self.acknowledged, row));
    }
    /// The change number of a learner never decreases, whichever process reports it.
    fn follow(&mut self, usn: &Value) {
        let usn = usn.as_u64().unwrap();
        assert!(usn >= self.usn, "{usn} after {}", self.usn);
        self.usn = usn;
    }
    /// Pulls all pages after the cursor. Returns the change numbers.
    pub async fn pull(&mut self) -> Vec<u64> {
        let mut numbers = Vec::new();
        loop {
            let (since, limit) = (self.cursor, 1 + self.random.below(60));
            let path = format!("/api/sync/pull?since={since}&limit={limit}");
            let page = self.call(|http, url| http.get(format!("{url}{path}"))).await;
            for row in page["rows"].as_array().unwrap() {
                let usn = row["usn"].as_u64().unwrap();
                assert!(usn > self.cursor, "{usn} after {}", self.cursor);
                self.cursor = usn;
                numbers.push(usn);
                join(&mut self.replica, &row["row"]);
            }
            assert_eq!(page["next"], self.cursor);
            if page["more"] == false {
                break;
            }
        }
        // Another process may have confirmed the rows.
        for (key, value) in &self.acknowledged {
            assert!(self.replica.get(key) >= Some(value), "{key} was confirmed and is missing");
        }
        numbers
    }
    async fn refresh(&mut self) {
        let body = json!({"refreshToken": self.tokens["refreshToken"]});
        self.tokens =
            self.call(|http, url| http.post(format!("{url}/api/auth/refresh")).json(&body)).await;
    }
    /// Studies until `stop`. Counts the batches that were confirmed.
    pub async fn study(
        mut self,
        sent: Arc<Mutex<Vec<Rows>>>,
        confirmed: watch::Sender<u64>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        while !*stop.borrow() {
            self.push(&sent).await;
            confirmed.send_modify(|count| *count += 1);
            match self.random.below(12) {
                0 => self.refresh().await,
                1..4 => drop(self.pull().await),
                _ => {}
            }
        }
        self
    }
}

/// Uploads a course after each start and end of a process. Returns the ids of the accepted uploads.
async fn upload(
    mut link: Link,
    token: String,
    zips: Vec<Vec<u8>>,
    mut stop: watch::Receiver<bool>,
) -> Vec<Uuid> {
    let mut accepted = Vec::new();
    loop {
        let zip = &zips[accepted.len() % zips.len()];
        let build = |http: &reqwest::Client, url| {
            let request = http.post(format!("{url}{UPLOADS}?name=rivers.zip")).bearer_auth(&token);
            request.header("content-type", "application/zip").body(zip.clone())
        };
        let (status, reply) = link.send(accepted.len() as u64, build).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{reply}");
        accepted.push(reply["id"].as_str().unwrap().parse().unwrap());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return accepted,
            changed = link.addresses.changed() => changed.unwrap(),
        }
    }
}

/// Prints the end of the log if the test fails.
pub struct PrintedLog(pub PathBuf);

impl Drop for PrintedLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.0).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
            eprintln!("{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// Makes all jobs due and ends all leases, as if enough time had passed since the processes were killed.
async fn end_leases(server: &TestServer, uploads: &[Uuid]) {
    let uploads = uploads.to_vec();
    let change = server.data_dir.store.write("end leases", move |tx| {
        for mut job in tx.jobs()?.into_iter().filter(|job| job.due_ms < i64::MAX) {
            (job.due_ms, job.lease_until_ms, job.succeeded_ms) = (0, 0, 0);
            job.error.clear();
            tx.put_job(&job)?;
        }
        for id in uploads {
            if let Some(mut upload) = tx.upload(id)?.filter(|upload| !upload.state.is_ended()) {
                upload.lease_until_ms = 0;
                tx.put_upload(&upload)?;
            }
        }
        Ok::<_, StoreError>(())
    });
    change.await.unwrap();
}

/// Waits until each scheduled job has succeeded.
async fn wait_for_jobs(server: &TestServer, link: &mut Link) {
    loop {
        let read = server.data_dir.store.read::<_, StoreError>("jobs", |tx| tx.jobs());
        let jobs = read.await.unwrap();
        if jobs.iter().all(|job| job.due_ms == i64::MAX || job.succeeded_ms > 0) {
            return;
        }
        assert!(jobs.iter().all(|job| job.error.is_empty()), "{jobs:?}");
        link.send(0, |http, url| http.get(format!("{url}/health"))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_and_repeat_nothing() {
    let long = std::env::var_os("CARREL_LONG").is_some();
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills = kills.unwrap_or(if long { KILLS.1 } else { KILLS.0 });
    let processes = if engine().is_shared() { 2 } else { 1 };
    let _ = rustls::crypto::ring::default_provider().install_default();

    let server = TestServer::with(Settings::default());
    let tina = server.staff("tina", Rank::Instructor).await;
    let password = carrel_server::password::hash_blocking(PASSWORD).unwrap();
    for learner in 0..LEARNERS {
        let user = new_user(&format!("learner-{learner}"), "Learner", Role::Student).unwrap();
        let account = NewAccount { user, password: password.clone() };
        server.data_dir.store.add_account(account, None, NOW).await.unwrap();
    }
    let variables = fixture().variables(&server.folder());
    let program = Program::new(server.folder(), variables, SETTINGS);
    let _log = PrintedLog(program.log.clone());
    let begun_ms = SystemClock.now_ms();

    let mut running = Vec::new();
    for _ in 0..processes {
        running.push(program.start().await);
    }
    let alive = running.iter().map(|process: &Process| Some(process.address)).collect();
    let (addresses, received) = watch::channel(alive);
    let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(10));
    let link = Link { http: http.build().unwrap(), addresses: received, lost: Arc::default() };
    let sent = Arc::new(Mutex::new(vec![Rows::new(); LEARNERS]));
    let (confirmed, mut count) = watch::channel(0);
    let (stop, stopped) = watch::channel(false);
    let mut devices = Vec::new();
    for (learner, number) in
        (0..LEARNERS).flat_map(|learner| (1..=DEVICES).map(move |number| (learner, number)))
    {
        let device = Device::sign_in(link.clone(), learner, number).await;
        let study = device.study(Arc::clone(&sent), confirmed.clone(), stopped.clone());
        devices.push(tokio::spawn(study));
    }
    let zips = ["bend", "wander", "flow"].map(|word| server.course_zip(&format!("Rivers {word}.")));
    let uploads = tokio::spawn(upload(link.clone(), tina.token.clone(), zips.into(), stopped));

    let mut random = Random(7);
    let (mut killed, mut replaced) = (0, 0);
    while killed < kills {
        let next = *count.borrow_and_update() + 1 + random.below(60);
        let waited = tokio::time::timeout(PATIENCE, count.wait_for(|count| *count >= next)).await;
        waited.expect("the devices are served").unwrap();
        let slot = (killed + replaced) as usize % processes;
        let process = running.remove(slot);
        if random.below(4) > 0 {
            process.kill();
            killed += 1;
        } else {
            process.replace().await;
            replaced += 1;
        }
        addresses.send_modify(|alive| alive[slot] = None);
        running.insert(slot, program.start().await);
        addresses.send_modify(|alive| alive[slot] = Some(running[slot].address));
    }
    stop.send(true).unwrap();
    let mut studied = Vec::new();
    for device in devices {
        studied.push(device.await.unwrap());
    }
    let uploads = uploads.await.unwrap();

    // No job ran again after it had succeeded.
    if SystemClock.now_ms() - begun_ms < LEASE_MS {
        for job in ["purge", "clean-up", "render"] {
            assert!(program.runs(job) <= 1, "{job} ran {} times", program.runs(job));
        }
    }
    // All processes are killed. What they left is finished by the next ones.
    running.drain(..).for_each(Process::kill);
    end_leases(&server, &uploads).await;
    addresses.send_modify(|alive| alive.fill(None));
    let mut start = async |slot: usize| {
        running.push(program.start().await);
        addresses.send_modify(|alive| alive[slot] = Some(running[slot].address));
    };
    // One process: a clean-up fails while another process compiles an upload.
    start(0).await;
    let mut link = link.clone();
    tokio::time::timeout(PATIENCE, wait_for_jobs(&server, &mut link)).await.expect("jobs end");
    for slot in 1..processes {
        start(slot).await;
    }
    let mut interrupted = 0;
    for id in &uploads {
        let build = |http: &reqwest::Client, url| {
            http.get(format!("{url}{UPLOADS}/{id}")).bearer_auth(&tina.token)
        };
        let (_, report) = link.send(0, build).await;
        let detail = report["problem"]["detail"].as_str().unwrap_or_default();
        // After three interrupted runs an upload has failed, and says so.
        interrupted += usize::from(detail.contains("stopped in each of"));
        let ended = report["state"] == "finished" || detail.contains("stopped in each of");
        assert!(ended, "{report}");
    }

    // The devices and each process have exactly the rows that were sent.
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    let mut rows = 0;
    for mut device in studied {
        device.pull().await;
        assert_eq!(device.replica, sent[device.learner], "learner {}", device.learner);
    }
    for (learner, expected) in sent.iter().enumerate() {
        for number in 0..processes as u128 {
            let mut device = Device::sign_in(link.clone(), learner, 10 + number).await;
            let numbers = device.pull().await;
            assert_eq!(device.replica, *expected, "learner {learner}");
            assert_eq!(numbers.len(), expected.len(), "a row was returned twice");
            let state = device.call(|http, url| http.get(format!("{url}/api/sync/epoch"))).await;
            assert_eq!(numbers.last().copied(), state["usn"].as_u64());
            if learner == EVENTS_ONLY {
                // Each of its rows is one change, so no number is missing.
                assert!(numbers.iter().copied().eq(1..=expected.len() as u64), "{numbers:?}");
            }
        }
        rows += expected.len();
    }
    assert!(!fs::read_to_string(&program.log).unwrap().contains("panicked"));
    let lost = *link.lost.lock().unwrap();
    eprintln!(
        "{killed} kills, {replaced} replacements, {} confirmed batches, {lost} lost replies, {rows} rows, \
         {} uploads, {interrupted} of them interrupted three times",
        *confirmed.borrow(),
        uploads.len()
    );
    assert!(uploads.iter().collect::<BTreeSet<_>>().len() == uploads.len());
}
