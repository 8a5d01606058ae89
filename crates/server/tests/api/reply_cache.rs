//! Kept replies are those that a server without a cache computes: after each kind of write, in each process of the
//! database, with and without Redis, and in random histories.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_model::{UserId, wire::Role};
use carrel_people::permissions::{Caller, Rank};
use carrel_response_cache::{RULES, ReplyKind, ResponseCache};
use carrel_roster::{ClassId, MemberRole, Membership, Options};
use carrel_server::{
    Config, DataDir, Server, Settings,
    domain::{accounts::NewAccount, admission::Admission, enrolment::Verdict, sessions::NewSignIn},
    http,
    password::Passwords,
    store::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    permissions::Member,
    support::{NOW, Reply, TestServer, config, device, progress, push_body, write_course},
    tenants::schools,
};

const COURSE: &str = "/api/v1/admin/courses/how-rivers-work";
const SECTION: &str = "how-rivers-work/meanders/read";

fn settings(cache_mib: u64, redis_url: Option<&str>) -> Settings {
    let redis_url = redis_url.map(str::to_owned);
    Settings { route_limits: false, cache_mib, redis_url, ..Settings::default() }
}

/// Starts Redis on a socket in the folder, and returns its URL; `None` if none is installed.
fn redis(folder: &Path) -> Option<(Child, String)> {
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.args(["--port", "0", "--save", "", "--dir"]).arg(folder);
        command.arg("--unixsocket").arg(folder.join("s"));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()
    };
    let mut server = ["redis-server", "valkey-server"].into_iter().find_map(start)?;
    let lines = BufReader::new(server.stdout.take()?).lines().map_while(Result::ok);
    let mut lines = lines.skip_while(|line| !line.to_lowercase().contains("ready to accept"));
    assert!(lines.next().is_some(), "the server starts");
    Some((server, format!("redis+unix://{}", folder.join("s").display())))
}

impl TestServer {
    /// Returns another process of the same database and folder.
    fn process(&self, settings: Settings) -> Self {
        let clock = Arc::clone(&self.clock);
        let config = Config { settings, clock: Arc::clone(&clock) as _, ..config(self.folder()) };
        let data_dir = DataDir::open(config).unwrap();
        let router = http::app(data_dir.app().unwrap());
        Self { dir: tempfile::tempdir().unwrap(), clock, data_dir, router }
    }
    /// Returns the number of replies of a kind from an origin.
    async fn count(&self, administrator: &str, kind: ReplyKind, origin: &str) -> u64 {
        let figures: Value = self.get("/api/v1/admin/cache", administrator).await.ok();
        let mut kinds = figures["kinds"].as_array().unwrap().iter();
        let found = kinds.find(|found| found["kind"] == kind.rule().name).unwrap();
        found[origin].as_u64().unwrap()
    }
    async fn publish_titled(&self, title: &str) {
        let package = self.dir.path().join(format!("package {title}"));
        write_course(&package);
        let file = package.join("course.json");
        let text = std::fs::read_to_string(&file).unwrap().replace("How Rivers Work", title);
        std::fs::write(file, text).unwrap();
        assert!(self.data_dir.import(&[package]).await.unwrap().is_ok());
    }
    async fn set_member(&self, class: ClassId, person: UserId, is_member: bool) {
        let membership = Membership { person, class, role: MemberRole::Student };
        let write = self.data_dir.store.write("test", move |tx| match is_member {
            true if tx.is_member(membership)? => Ok(()),
            true => tx.add_membership(membership),
            false => tx.end_membership(membership),
        });
        write.await.unwrap();
    }
}

/// Two processes with a cache, and one without, on one database.
struct Processes {
    first: TestServer,
    second: TestServer,
    plain: TestServer,
    noor: Member,
    sam: Member,
    ada: Member,
    tina: Member,
    with_redis: bool,
}

/// What a client sees of a reply. The time at which figures were computed is left out.
fn seen(reply: &Reply) -> (u16, String, String, String) {
    let mut body = String::from_utf8_lossy(&reply.body).into_owned();
    if let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(&body) {
        for field in ["asOfMs", "correlationId"] {
            fields.remove(field);
        }
        body = Value::Object(fields).to_string();
    }
    let header = |name: &str| reply.header(name).to_owned();
    (reply.status.as_u16(), header("etag"), header("cache-control"), body)
}

impl Processes {
    async fn new(redis_url: Option<&str>) -> Self {
        let first = TestServer::with(settings(16, redis_url));
        first.publish().await;
        let story = first.dir.path().join("package/stories/the-flood");
        assert!(first.data_dir.import(&[story]).await.unwrap().is_ok());
        Self {
            noor: first.staff("noor", Rank::Student).await,
            sam: first.staff("sam", Rank::Student).await,
            ada: first.staff("ada", Rank::Administrator).await,
            tina: first.staff("tina", Rank::Instructor).await,
            second: first.process(settings(16, redis_url)),
            plain: first.process(settings(0, None)),
            with_redis: redis_url.is_some(),
            first,
        }
    }
    /// Returns the addresses whose replies are kept, as these readers ask for them.
    fn asked(&self) -> Vec<(&'static str, &str, String)> {
        let (noor, sam) = (self.noor.id, self.sam.id);
        let catalogue = [
            "/api/courses",
            "/api/courses?page=2&pageSize=1",
            "/api/courses/search?q=rivers",
            "/api/courses/how-rivers-work",
            "/api/courses/how-rivers-work/manifest",
            "/api/courses/how-rivers-work/content",
            "/api/stories",
            "/api/stories/the-flood",
            "/api/stories/the-flood/manifest",
            "/api/learning/exercises/story/the-flood?seed=1",
            "/api/search?q=wander",
        ];
        let own = [
            "/api/users/profile",
            "/api/me/progress",
            "/api/me/dashboard",
            "/api/me/analytics",
            "/api/progress",
            "/api/vocabulary/progress",
            "/api/vocabulary/recommendations",
            "/api/assessments/how-rivers-work.bends",
            "/api/assessments/how-rivers-work.bends/results",
        ];
        let mut all = Vec::new();
        let people = [("nobody", ""), ("noor", &self.noor.token), ("sam", &self.sam.token)];
        for (name, token) in people {
            all.extend(catalogue.map(|uri| (name, token, uri.to_owned())));
        }
        for (name, token) in &people[1..] {
            all.extend(own.map(|uri| (*name, *token, uri.to_owned())));
        }
        all.push(("ada", &self.ada.token, "/api/courses".to_owned()));
        all.push(("ada", &self.ada.token, "/api/courses/how-rivers-work".to_owned()));
        for (name, token, id) in [
            ("noor", &self.noor.token, noor),
            ("ada", &self.ada.token, noor),
            ("ada", &self.ada.token, sam),
            ("sam", &self.sam.token, noor),
        ] {
            for uri in
                [format!("/api/users/{id}/courses"), format!("/api/progress/{id}/how-rivers-work")]
            {
                all.push((name, token, uri));
            }
        }
        all
    }
    /// Compares all replies. Returns those of the process without a cache.
    async fn check(&self, step: &str) -> BTreeMap<String, (u16, String, String, String)> {
        let mut found = BTreeMap::new();
        // With Redis, a third of the replies: those of a step differ from those of the next one.
        let every = if self.with_redis { 3 } else { 1 };
        for (reader, token, uri) in self.asked().into_iter().skip(step.len() % every).step_by(every)
        {
            let expected = seen(&self.plain.get(&uri, token).await);
            for process in [&self.first, &self.second] {
                let reply = process.get(&uri, token).await;
                assert_eq!(seen(&reply), expected, "{step}: {reader} {uri}");
            }
            if expected.0 == 200 {
                let again = self.first.get(&uri, token).await;
                assert_eq!(seen(&again), expected, "{step}: {reader} {uri}");
                assert_eq!(again.header("x-cache"), "memory", "{step}: {reader} {uri}");
            }
            let uri = uri.replace(&self.noor.id.to_string(), "NOOR");
            let uri = uri.replace(&self.sam.id.to_string(), "SAM");
            found.insert(format!("{reader} {uri}"), expected);
        }
        found
    }
    async fn push(&self, process: &TestServer, row: Value) {
        let reply: Value =
            process.post("/api/sync/push", &self.noor.token, &push_body(&[row])).await.ok();
        assert_eq!(reply["results"][0]["code"], "ok", "{reply}");
    }
    async fn change(&self, process: &TestServer, body: Value) {
        process.patch(COURSE, &self.ada.token, &body).await.ok::<Value>();
    }
}

/// Makes each kind of write, each in one of the processes, and returns a table of the replies that it changed.
async fn changes_of_writes(redis_url: Option<&str>) -> String {
    let all = Processes::new(redis_url).await;
    let Processes { first, second, plain, noor, sam, ada, tina, .. } = &all;
    let mut before = all.check("start").await;
    let mut table = String::new();
    let mut record = async |step: &str| {
        let after = all.check(step).await;
        let changed = after.iter().filter(|(name, reply)| before.get(*name) != Some(*reply));
        let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
        assert!(!changed.is_empty() || all.with_redis, "{step} changes no reply");
        table.push_str(&format!("{step}\n    {}\n", changed.join("\n    ")));
        before = after;
    };
    let enrol = "/api/courses/how-rivers-work/enrolment";
    second.post(enrol, &noor.token, &json!({})).await.ok::<Value>();
    record("the learner enrols").await;
    let mut row = progress(SECTION, 10_000);
    row["doneMs"] = json!(NOW - 1_000);
    all.push(plain, row).await;
    record("progress is pushed").await;
    let session = json!({"type": "session", "id": device(50), "item": SECTION, "device": device(1),
        "startedMs": NOW - 600_000, "day": "2026-09-21", "activeMs": 60_000});
    all.push(first, session).await;
    record("a session is pushed").await;
    let body = json!({"kind": "section", "item": "how-rivers-work/meanders/check", "percent": 100});
    second.post("/api/progress/update", &noor.token, &body).await.ok::<Value>();
    record("progress is reported").await;
    let answers = json!({"fast": {"kind": "choice", "chosen": ["out"]},
        "name": {"kind": "fill", "texts": ["oxbow"]}});
    let uri = "/api/assessments/how-rivers-work.bends/submissions";
    let body = json!({"attempt": device(70), "answers": answers});
    plain.post(uri, &noor.token, &body).await.ok::<Value>();
    record("an assessment is submitted").await;
    let review = json!({"type": "review", "id": device(60), "word": "how-rivers-work/oxbow",
        "rating": 3, "atMs": NOW - 5_000, "durationMs": 2_000});
    all.push(first, review).await;
    record("a word is reviewed").await;
    assert_eq!(second.data_dir.store.count_learners().await.unwrap(), 1);
    record("learners are counted").await;
    all.change(first, json!({"owner": tina.id})).await;
    record("the course gets an owner").await;
    let list = "login,name,role\ntina,Tina Rossi,teacher\n";
    assert_eq!(plain.import_roster(list, Options::default()).await.applied, 1);
    record("a list changes the name of the owner").await;
    all.change(second, json!({"forClasses": true})).await;
    record("the course becomes one for classes").await;
    let class = first.class("5A", tina, &[sam]).await;
    plain.add_course(class).await;
    record("a class gets the course").await;
    second.set_member(class, sam.id, false).await;
    record("a student leaves the class").await;
    let rank = async |process: &TestServer, rank: &str| {
        let uri = format!("/api/v1/admin/people/{}", sam.id);
        process.patch(&uri, &ada.token, &json!({"rank": rank})).await.ok::<Value>();
    };
    rank(plain, "administrator").await;
    record("a student becomes an administrator").await;
    rank(first, "student").await;
    record("the administrator becomes a student").await;
    all.change(second, json!({"state": "withdrawn"})).await;
    record("the course is withdrawn").await;
    all.change(plain, json!({"state": "published"})).await;
    record("the course is published again").await;
    all.change(first, json!({"forClasses": false, "enrolment": "approval"})).await;
    record("the course becomes one for everybody").await;
    second.post(enrol, &sam.token, &json!({})).await.ok::<Value>();
    record("a student asks for enrolment").await;
    let verdict = Verdict { accepted: true, reason: String::new(), device: device(1) };
    let course = "how-rivers-work".parse().unwrap();
    let caller = Caller { id: Some(ada.id), rank: Rank::Administrator };
    let store = &plain.data_dir.store;
    store.decide_enrolment(caller, &course, sam.id, verdict, NOW).await.unwrap();
    record("the enrolment is accepted").await;
    plain.publish_titled("How Water Works").await;
    record("a version is published").await;
    second.call(Method::DELETE, enrol, &noor.token, None).await.ok::<Value>();
    record("the learner leaves the course").await;
    let uri = format!("/api/v1/admin/people/{}", tina.id);
    let deleted = first.call(Method::DELETE, &uri, &ada.token, None).await;
    assert_eq!(deleted.status, StatusCode::OK);
    record("the owner is deleted").await;
    assert!(
        plain.data_dir.store.unpublish(Kind::Story, &"the-flood".parse().unwrap()).await.unwrap()
    );
    record("a story is removed").await;
    assert!(second.data_dir.store.unpublish(Kind::Course, &course).await.unwrap());
    record("the course is removed").await;

    for rule in RULES {
        let [memory, miss] =
            ["memory", "miss"].map(async |origin| first.count(&ada.token, rule.kind, origin).await);
        assert!(miss.await > 0 && memory.await > 0, "{}", rule.name);
    }
    let from_redis = second.count(&ada.token, ReplyKind::List, "redis").await;
    assert_eq!(from_redis > 0, redis_url.is_some());
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_write_makes_each_reply_fresh_in_each_process() {
    insta::assert_snapshot!("reply_cache", changes_of_writes(None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_write_makes_each_reply_fresh_with_redis() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut server, url)) = redis(folder.path()) else {
        eprintln!("skipped: neither redis-server nor valkey-server is installed");
        return;
    };
    changes_of_writes(Some(&url)).await;
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_have_the_replies_of_a_server_without_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let redis = redis(folder.path());
    let all = Processes::new(redis.as_ref().map(|(_, url)| url.as_str())).await;
    let Processes { first, second, plain, noor, sam, tina, .. } = &all;
    let class = first.class("5A", tina, &[]).await;
    first.add_course(class).await;
    let asked = all.asked();
    let is_long = std::env::var("CARREL_LONG").is_ok_and(|long| long == "1");
    let (mut random, mut from_cache) = (Random(36), 0);
    for step in 0..(if is_long { 2_000 } else { 120 }) {
        let process = [first, second, plain][random.below(3)];
        let enrol = "/api/courses/how-rivers-work/enrolment";
        match random.below(12) {
            0 => {
                let titles = ["How Rivers Work", "Rivers", "Water"];
                plain.publish_titled(titles[random.below(3)]).await;
            }
            1 => all.change(process, json!({"forClasses": random.below(2) == 0})).await,
            2 => process.set_member(class, sam.id, random.below(2) == 0).await,
            3 => drop(process.post(enrol, &sam.token, &json!({})).await),
            4 => drop(process.call(Method::DELETE, enrol, &sam.token, None).await),
            5 => drop(process.post(enrol, &noor.token, &json!({})).await),
            6 => drop(process.data_dir.store.count_learners().await.unwrap()),
            7 => {
                let review = json!({"type": "review", "id": device(1_000 + step),
                    "word": "how-rivers-work/oxbow", "rating": 3, "durationMs": 2_000,
                    "atMs": NOW - 5_000});
                all.push(process, review).await;
            }
            // Kept replies expire, and study days end.
            8 => first.clock.advance(random.below(400_000) as i64),
            9 if step % 40 == 0 => first.clock.advance(12 * 3_600_000),
            _ => all.push(process, progress(SECTION, random.below(10_001) as u32)).await,
        }
        for _ in 0..8 {
            let (reader, token, uri) = &asked[random.below(asked.len())];
            let expected = seen(&plain.get(uri, token).await);
            let process = [first, second][random.below(2)];
            let reply = process.get(uri, token).await;
            assert_eq!(seen(&reply), expected, "{step}: {reader} {uri}");
            from_cache += usize::from(["memory", "redis"].contains(&reply.header("x-cache")));
        }
    }
    assert!(from_cache > 100, "{from_cache}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_after_a_write_never_returns_an_earlier_state() {
    let all = Arc::new(Processes::new(None).await);
    let written = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for n in 0..4 {
        let (all, written) = (Arc::clone(&all), Arc::clone(&written));
        readers.push(tokio::spawn(async move {
            let process = if n % 2 == 0 { &all.first } else { &all.second };
            let mut from_memory = 0;
            loop {
                let least = written.load(Ordering::SeqCst);
                let reply = process.get("/api/progress", &all.noor.token).await;
                from_memory += u64::from(reply.header("x-cache") == "memory");
                let body: Value = reply.ok();
                let percent = body["items"][0]["percent"].as_u64().unwrap_or(0);
                assert!(percent >= least, "{percent} {least}");
                if least == 100 {
                    return from_memory;
                }
            }
        }));
    }
    for percent in 1..=100 {
        let process = if percent % 3 == 0 { &all.first } else { &all.second };
        all.push(process, progress(SECTION, percent)).await;
        written.store(percent.into(), Ordering::SeqCst);
        // Several reads between two writes.
        for _ in 0..2 {
            all.first.get("/api/progress", &all.noor.token).await;
        }
    }
    let mut from_memory = 0;
    for reader in readers {
        from_memory += reader.await.unwrap();
    }
    assert!(from_memory > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_requests_at_the_same_time_one_is_computed() {
    let all = Processes::new(None).await;
    let server = Arc::new(all.first);
    let tasks = (0..1_000).map(|_| {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.get("/api/courses", "").await })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut bodies = std::collections::BTreeSet::new();
    for task in tasks {
        let reply = task.await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        bodies.insert(reply.body);
    }
    assert_eq!(bodies.len(), 1);
    assert_eq!(server.count(&all.ada.token, ReplyKind::List, "miss").await, 1);
    assert_eq!(server.count(&all.ada.token, ReplyKind::List, "bypass").await, 0);
}

/// Adds a learner with a fixed id, who is signed in.
async fn learner(server: &TestServer, id: u128, name: &str) -> Member {
    let id = UserId::from_u128(id);
    let user = carrel_model::wire::UserInfo {
        id,
        login: format!("{name}-{}", id.0.as_u128()),
        name: name.to_owned(),
        role: Role::Student,
    };
    let token = format!("token of {id} {name}");
    let sign_in = NewSignIn {
        id: Uuid::from_u128(id.0.as_u128() + 1_000),
        user: id,
        device: device(1),
        device_name: String::new(),
        access: (*blake3::hash(token.as_bytes()).as_bytes(), i64::MAX),
        refresh_expires_ms: i64::MAX,
    };
    let account = NewAccount { user, password: String::new() };
    server.data_dir.store.add_account(account, Some(sign_in), NOW).await.unwrap();
    Member { id, token }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_and_learners_with_equal_ids_and_requests_have_their_own_replies() {
    let folder = tempfile::tempdir().unwrap();
    let redis = redis(folder.path());
    let with_redis = settings(16, redis.as_ref().map(|(_, url)| url.as_str()));
    let schools = schools();
    // One process: the tenants share its memory, and Redis.
    let cache: ResponseCache = http::response_cache(&with_redis).unwrap().unwrap();
    let passwords = Arc::new(Passwords::new().unwrap());
    let with_cache = |mut server: TestServer| {
        let admission = Arc::new(Admission::new(16));
        let app = server.data_dir.app_with(Arc::clone(&passwords), admission, Some(&cache));
        server.router = http::app(app.unwrap());
        server
    };
    let tenants = [("north", with_cache(schools.rivers)), ("south", with_cache(schools.hills))];
    let mut learners = Vec::new();
    for (name, server) in &tenants {
        server.publish_titled(&format!("Course of {name}")).await;
        for id in [1, 2] {
            let member = learner(server, id, name).await;
            let row = progress(&format!("{SECTION}-{name}-{id}"), 5_000);
            let reply = server.push(&member.token, &[row]).await;
            assert_eq!(reply.ok::<Value>()["results"][0]["code"], "ok");
            learners.push((*name, server, id, member));
        }
    }
    let uris = [
        "/api/courses",
        "/api/search?q=wander",
        "/api/me/dashboard",
        "/api/progress",
        "/api/users/profile",
        "/api/courses/how-rivers-work",
        "/api/me/analytics",
    ];
    for round in 0..3 {
        for (name, server, id, member) in &learners {
            for uri in uris {
                let reply = server.get(uri, &member.token).await;
                assert_eq!(reply.status, StatusCode::OK);
                if round > 0 {
                    assert_eq!(reply.header("x-cache"), "memory", "{uri}");
                }
                let text = String::from_utf8(reply.body).unwrap();
                let other = if *name == "north" { "south" } else { "north" };
                assert!(!text.contains(other), "{name} {id} {uri}: {text}");
                if uri == "/api/progress" {
                    assert!(text.contains(&format!("-{name}-{id}\"")), "{text}");
                    assert_eq!(text.matches(SECTION).count(), 1, "{text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn access_is_checked_before_a_kept_reply_is_sent() {
    let all = Processes::new(None).await;
    let Processes { first, noor, sam, ada, tina, .. } = &all;
    let class = first.class("5A", tina, &[sam]).await;
    let uri = format!("/api/users/{}/courses", sam.id);
    let ask = async |token: &str| {
        let reply = first.get(&uri, token).await;
        (reply.status.as_u16(), reply.header("x-cache").to_owned())
    };
    let of = |status: u16, origin: &str| (status, origin.to_owned());
    assert_eq!(ask(&sam.token).await, of(200, "miss"));
    assert_eq!(ask(&tina.token).await, of(200, "memory"));
    assert_eq!(ask(&noor.token).await, of(403, ""));
    assert_eq!(ask("").await, of(401, ""));
    first.set_member(class, sam.id, false).await;
    assert_eq!(ask(&tina.token).await, of(403, ""));
    // A sign-in that ended gets nothing, also of the catalogue.
    assert_eq!(first.get("/api/courses", &sam.token).await.status, StatusCode::OK);
    let uri = format!("/api/v1/admin/people/{}", sam.id);
    first.patch(&uri, &ada.token, &json!({"disabled": true})).await.ok::<Value>();
    assert_eq!(ask(&sam.token).await, of(401, ""));
    assert_eq!(first.get("/api/courses", &sam.token).await.status, StatusCode::UNAUTHORIZED);
    // Errors are not kept.
    for _ in 0..2 {
        let reply = first.get("/api/courses/none", "").await;
        assert_eq!((reply.status.as_u16(), reply.header("x-cache")), (404, "miss"));
        let reply = first.get("/api/courses?page=0", "").await;
        assert_eq!((reply.status.as_u16(), reply.header("x-cache")), (400, "miss"));
    }
    // Without sign-in, a catalogue that is not public stays closed.
    let closed = Settings { public_catalogue: false, ..settings(16, None) };
    let closed = first.process(closed);
    assert_eq!(closed.get("/api/courses", &noor.token).await.status, StatusCode::OK);
    assert_eq!(closed.get("/api/courses", "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn conditional_requests_get_the_replies_of_a_server_without_a_cache() {
    let all = Processes::new(None).await;
    let Processes { first, plain, .. } = &all;
    let ask = async |server: &TestServer, uri: &str, tag: &str| {
        let mut request = Request::get(uri);
        if !tag.is_empty() {
            request = request.header("if-none-match", tag);
        }
        let reply = server.send(request.body(Body::empty()).unwrap()).await;
        let names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        let names = names.into_iter().filter(|n| !["x-cache", "x-request-id"].contains(&&**n));
        let mut names: Vec<String> = names.collect();
        names.sort();
        (seen(&reply), names, reply.header("x-cache").to_owned())
    };
    for uri in
        ["/api/courses", "/api/courses/how-rivers-work", "/api/courses/how-rivers-work/content"]
    {
        let (whole, ..) = ask(plain, uri, "").await;
        let tag = whole.1.clone();
        for (asked, origin) in
            [(&*tag, "miss"), ("", "memory"), (&*tag, "memory"), ("\"x\"", "memory")]
        {
            let (expected, names, _) = ask(plain, uri, asked).await;
            let found = ask(first, uri, asked).await;
            assert_eq!(found, (expected, names, origin.to_owned()), "{uri} {asked}");
        }
        first.publish_titled(&format!("Another title {}", uri.len())).await;
        let (changed, _, origin) = ask(first, uri, &tag).await;
        assert_eq!((changed.0, &*origin), (200, "miss"));
    }
    // Only GET is answered from the cache.
    let reply = first.call(Method::HEAD, "/api/courses", "", None).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-cache")), (200, ""));
}

#[tokio::test]
async fn replies_expire_by_their_kind_and_with_the_study_day() {
    let all = Processes::new(None).await;
    let Processes { first, noor, .. } = &all;
    let uris = [
        ("/api/courses/how-rivers-work/content", ReplyKind::Course),
        ("/api/courses/how-rivers-work", ReplyKind::CourseMeta),
        ("/api/courses", ReplyKind::List),
        ("/api/stories/the-flood", ReplyKind::Story),
        ("/api/assessments/how-rivers-work.bends", ReplyKind::Assessment),
        ("/api/me/dashboard", ReplyKind::Progress),
        ("/api/users/profile", ReplyKind::Profile),
        ("/api/me/analytics", ReplyKind::Analytics),
    ];
    assert_eq!(uris.len(), RULES.len());
    for (uri, kind) in uris {
        let origin = async || {
            let reply = first.get(uri, &noor.token).await;
            assert_eq!(reply.status, StatusCode::OK, "{uri}");
            reply.header("x-cache").to_owned()
        };
        assert_eq!(origin().await, "miss", "{uri}");
        first.clock.advance(i64::from(kind.rule().ttl_s) * 1_000 - 1);
        assert_eq!(origin().await, "memory", "{uri}");
        first.clock.advance(1);
        assert_eq!(origin().await, "miss", "{uri}");
    }
    // Two minutes before the end of the study day, at 4 o'clock.
    let day = 24 * 3_600_000;
    let now = first.data_dir.config.clock.now_ms();
    let end = (now - 4 * 3_600_000).div_euclid(day) * day + day + 4 * 3_600_000;
    first.clock.advance(end - 120_000 - now);
    let analytics = async |expected: &str| {
        let reply = first.get("/api/me/analytics", &noor.token).await;
        assert_eq!(reply.header("x-cache"), expected);
        reply.ok::<Value>()["day"].clone()
    };
    let today = analytics("miss").await;
    first.clock.advance(119_999);
    assert_eq!(analytics("memory").await, today);
    first.clock.advance(1);
    assert_ne!(analytics("miss").await, today);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_are_right_without_the_redis_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("redis+unix://{}", folder.path().join("missing").display());
    Processes::new(Some(&missing)).await.check("missing").await;
    let Some((mut server, url)) = redis(folder.path()) else {
        eprintln!("skipped: neither redis-server nor valkey-server is installed");
        return;
    };
    let all = Processes::new(Some(&url)).await;
    all.check("there").await;
    server.kill().unwrap();
    server.wait().unwrap();
    all.change(&all.first, json!({"forClasses": true})).await;
    all.check("ended").await;
    let failures: Value = all.first.get("/api/v1/admin/cache", &all.ada.token).await.ok();
    assert!(failures["redisFailures"].as_u64().unwrap() > 0, "{failures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_courses_with_most_learners_are_kept_before_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { settings: settings(16, None), ..config(folder.path().join("data")) };
    let package = folder.path().join("package");
    write_course(&package);
    let server = Server::start(config).await.unwrap();
    let figures = || server.app().reply_cache.as_ref().unwrap().figures();
    // After the start there is nothing to keep, and after an import its course.
    assert!(server.import(&[package]).await.unwrap().is_ok());
    while figures().entries < 3 {
        tokio::task::yield_now().await;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["", "/content", "/manifest"] {
        let uri = format!("{}/api/courses/how-rivers-work{path}", server.url());
        let reply = http.get(uri).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["x-cache"], "memory", "{path}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_without_memory_for_replies_keeps_none() {
    let all = Processes::new(None).await;
    let reply = all.plain.get("/api/courses", "").await;
    assert_eq!((reply.status.as_u16(), reply.header("x-cache")), (200, ""));
    let figures: Value = all.plain.get("/api/v1/admin/cache", &all.ada.token).await.ok();
    assert_eq!((&figures["maxBytes"], &figures["entries"]), (&json!(0), &json!(0)));
    let figures: Value = all.first.get("/api/v1/admin/cache", &all.ada.token).await.ok();
    assert_eq!(figures["maxBytes"], 16 * 1024 * 1024);
}
