//! Read replicas: what may be some time old is read from standbys of PostgreSQL. What a client reads of the catalogue
//! is never older than what it could have read on the primary.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use carrel_people::permissions::Rank;
use carrel_server::{
    Config, DataDir, FakeClock, Settings,
    database::{REPLICAS_VARIABLE, URL_VARIABLE},
    http,
    store::{Engine, Kind},
};
use carrel_store_postgres::{DatabaseUrl, PoolSettings, PostgresEngine};
use serde_json::Value;

use super::{
    cluster::{Postgres, wait_until},
    failover::client_without_proxy,
    processes::{PATIENCE, PrintedLog, Program, SETTINGS, reply_of},
    support::{NOW, TestServer, engine, progress},
};

/// In statements that read publications, and in the first one of each transaction on a replica.
const PUBLICATIONS: &str = "FROM publication c";
const TRANSACTION: &str = "FROM server_fact WHERE name IN";
/// A delay that no replica of a test reaches, also on a slow computer.
const HOUR: Duration = Duration::from_secs(3_600);

/// A primary with two standbys, and the database of a server.
struct Cluster {
    primary: Postgres,
    replicas: [Postgres; 2],
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Returns `None` if the test must be skipped.
    async fn new() -> Option<Self> {
        if !engine().is_shared() {
            eprintln!("skipped on {}: it has no replicas", engine().name());
            return None;
        }
        let Some(primary) = Postgres::primary_with_log() else {
            eprintln!("skipped: pg_basebackup is not installed");
            return None;
        };
        primary.create_school().await;
        let replicas = [primary.standby(), primary.standby()];
        Some(Self { primary, replicas, folder: tempfile::tempdir().unwrap() })
    }
    fn engine(&self, max_lag: Duration) -> PostgresEngine {
        let url = |postgres: &Postgres| DatabaseUrl::new(&postgres.url("school")).unwrap();
        let settings = PoolSettings {
            min: 1,
            max: 8,
            replicas: self.replicas.iter().map(url).collect(),
            replica_max_lag: max_lag,
            ..PoolSettings::default()
        };
        PostgresEngine::new(url(&self.primary), settings)
    }
    /// Returns a server on the database. Several servers of it share the data folder.
    fn server(&self, max_lag: Duration) -> TestServer {
        server_of(&self.folder.path().join("data"), Arc::new(self.engine(max_lag)))
    }
    fn logged(&self, text: &str) -> [usize; 2] {
        [self.replicas[0].logged(text), self.replicas[1].logged(text)]
    }
    /// Waits until the replicas have everything that was written, and a server uses both.
    async fn wait_until_used(&self, server: &TestServer) {
        let client = self.primary.client("school").await;
        let position = "SELECT pg_current_wal_flush_lsn()::text";
        let position: String = client.query_one(position, &[]).await.unwrap().get(0);
        for replica in &self.replicas {
            let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
            wait_until(&replica.client("school").await, &replayed).await;
        }
        let before = self.logged(PUBLICATIONS);
        let used = async {
            loop {
                let _: Value = server.get("/api/courses", "").await.ok();
                let now = self.logged(PUBLICATIONS);
                if now[0] > before[0] && now[1] > before[1] {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, used).await.expect("the replicas are used");
    }
}

fn server_of(folder: &Path, engine: Arc<dyn Engine>) -> TestServer {
    // Without the response cache: a kept reply needs no replica.
    let settings = Settings {
        registration_open: true,
        route_limits: false,
        cache_mib: 0,
        ..Settings::default()
    };
    let clock = Arc::new(FakeClock::new(NOW));
    let config = Config { settings, engine, clock: Arc::clone(&clock) as _, ..Config::new(folder) };
    let data_dir = DataDir::open(config).unwrap();
    let router = http::app(data_dir.app().unwrap());
    TestServer { dir: tempfile::tempdir().unwrap(), clock, data_dir, router }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catalogue_and_reports_are_read_from_both_replicas() {
    let Some(cluster) = Cluster::new().await else { return };
    let server = cluster.server(HOUR);
    server.publish().await;
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.learner("noor").await;
    server.push(&noor.access_token, &[progress("how-rivers-work/meanders/read", 10_000)]).await;
    cluster.wait_until_used(&server).await;

    let courses_of_noor = format!("/api/users/{}/courses", noor.user.id);
    for (path, token, text) in [
        ("/api/courses", "", "FROM publication c"),
        ("/api/courses?q=rivers", "", "find_passages"),
        ("/api/courses/search?q=rivers", &*noor.access_token, "find_passages"),
        ("/api/search?q=wander", "", "find_passages"),
        ("/api/stories", "", "FROM publication c"),
        ("/api/courses/how-rivers-work", &noor.access_token, "FROM publication WHERE"),
        ("/api/courses/how-rivers-work/manifest", "", "FROM publication WHERE"),
        ("/api/v1/admin/people", &ada.token, "WHERE a.login_key >"),
        ("/api/v1/admin/classes", &ada.token, "FROM class"),
        ("/api/v1/admin/audit", &ada.token, "FROM audit"),
        (&courses_of_noor, &ada.token, "FROM kv"),
    ] {
        let primary = cluster.primary.logged(text);
        let (before, transactions) = (cluster.logged(text), cluster.logged(TRANSACTION));
        let first = server.get(path, token).await;
        assert_eq!(first.status, StatusCode::OK, "{path}: {first:?}");
        for _ in 0..7 {
            assert_eq!(server.get(path, token).await.body, first.body, "{path}");
        }
        assert_eq!(cluster.primary.logged(text), primary, "{path} was read on the primary");
        let (after, transactions_after) = (cluster.logged(text), cluster.logged(TRANSACTION));
        for replica in [0, 1] {
            assert!(after[replica] > before[replica], "{path}: {before:?} {after:?}");
            assert!(transactions_after[replica] > transactions[replica], "{path}");
        }
    }

    // What a learner has just done, and what decides who somebody is, is read on the primary.
    let transactions = cluster.logged(TRANSACTION);
    for path in [
        "/api/sync/epoch",
        "/api/sync/pull?since=0",
        "/api/progress",
        "/api/me/progress",
        "/api/me/dashboard",
        "/api/meta",
        "/health",
    ] {
        let reply = server.get(path, &noor.access_token).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    }
    server.sign_in("noor", 2).await;
    assert_eq!(cluster.logged(TRANSACTION), transactions);
    for table in ["FROM token", "JOIN token", "FROM sign_in", "UPDATE ", "INSERT ", "DELETE "] {
        assert_eq!(cluster.logged(table), [0, 0], "{table} on a replica");
    }

    // Row-level security is in force on replicas, too: another tenant finds nothing there.
    let folder = cluster.folder.path().join("hills");
    let hills = server_of(&folder, cluster.engine(HOUR).for_tenant("hills"));
    cluster.wait_until_used(&hills).await;
    let found: Value = hills.get("/api/courses", "").await.ok();
    assert_eq!(found["total"], 0, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_catalogue_is_visible_at_once_although_no_replica_has_it() {
    let Some(cluster) = Cluster::new().await else { return };
    let server = cluster.server(HOUR);
    // Another process, which does not learn of changes.
    let other = cluster.server(HOUR);
    let servers = [&server, &other];
    for server in servers {
        cluster.wait_until_used(server).await;
    }
    for replica in &cluster.replicas {
        let client = replica.client("school").await;
        client.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
        wait_until(&client, "SELECT pg_get_wal_replay_pause_state() = 'paused'").await;
    }
    let total = async |server: &TestServer, path: &str| {
        let reply = server.get(path, "").await;
        let tag = reply.header("etag").to_owned();
        (reply.ok::<Value>()["total"].as_u64().unwrap(), tag)
    };
    let lists = ["/api/courses", "/api/courses/search", "/api/search?q=wander"];
    let course = "/api/courses/how-rivers-work";
    let mut tags = Vec::new();
    for path in lists {
        let (found, tag) = total(&server, path).await;
        assert_eq!(found, 0, "{path}");
        tags.push(tag);
    }
    let (attempts, reads) = (cluster.logged(TRANSACTION), cluster.logged(PUBLICATIONS));
    server.publish().await;
    for server in servers {
        for (path, tag) in lists.iter().zip(&tags) {
            let (found, new_tag) = total(server, path).await;
            assert!(found > 0 && new_tag != *tag, "{path}");
        }
        assert_eq!(server.get(course, "").await.status, StatusCode::OK);
    }
    // Replicas were asked, and had too little.
    let asked = cluster.logged(TRANSACTION);
    assert!(asked[0] > attempts[0] && asked[1] > attempts[1], "{attempts:?} {asked:?}");
    assert_eq!(cluster.logged(PUBLICATIONS), reads);
    server
        .data_dir
        .store
        .unpublish(Kind::Course, &"how-rivers-work".parse().unwrap())
        .await
        .unwrap();
    for server in servers {
        assert_eq!(total(server, "/api/courses").await.0, 0);
        assert_eq!(server.get(course, "").await.status, StatusCode::NOT_FOUND);
    }

    // A replica that lacks changes of more than the maximum delay is not used for reports either.
    let strict = cluster.server(Duration::from_millis(500));
    let ada = strict.staff("ada", Rank::Administrator).await;
    let people = "WHERE a.login_key >";
    let before = cluster.logged(people);
    for _ in 0..4 {
        let page: Value = strict.get("/api/v1/admin/people", &ada.token).await.ok();
        assert!(page.to_string().contains("ada"), "{page}");
    }
    assert_eq!(cluster.logged(people), before);
    for replica in &cluster.replicas {
        replica
            .client("school")
            .await
            .batch_execute("SELECT pg_wal_replay_resume()")
            .await
            .unwrap();
    }
    for server in [&server, &other, &strict] {
        cluster.wait_until_used(server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_fails_no_request() {
    let Some(cluster) = Cluster::new().await else { return };
    let server = Arc::new(cluster.server(HOUR));
    server.publish().await;
    cluster.wait_until_used(&server).await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (server, stop, count) =
                (Arc::clone(&server), Arc::clone(&stop), Arc::clone(&count));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    for path in ["/api/courses?q=rivers", "/api/courses/how-rivers-work"] {
                        let reply = server.get(path, "").await;
                        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let more = async |requests: usize| {
        let wanted = count.load(Ordering::SeqCst) + requests;
        let reached = async {
            while count.load(Ordering::SeqCst) < wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("requests are served");
    };
    more(40).await;
    cluster.replicas[0].stop();
    let reads = cluster.logged(TRANSACTION);
    more(40).await;
    let after = cluster.logged(TRANSACTION);
    assert!(after[0] == reads[0] && after[1] > reads[1], "{reads:?} {after:?}");
    cluster.replicas[1].stop();
    more(40).await;
    // They are used again as soon as they are back.
    cluster.replicas.iter().for_each(Postgres::start);
    cluster.wait_until_used(&server).await;
    more(40).await;
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    eprintln!("{} requests, none failed", count.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_cannot_be_used_is_named_with_the_reason() {
    let Some(cluster) = Cluster::new().await else { return };
    let foreign = Postgres::primary_with_log().unwrap();
    foreign.create_school().await;
    let [new_primary, left_behind] = &cluster.replicas;
    let hosts = [&cluster.primary, new_primary].map(|p| p.folder().display().to_string()).join(",");
    let url = format!("host={hosts} user=postgres dbname=school target_session_attrs=read-write");
    let replicas = [&cluster.primary, &foreign, left_behind].map(|p| p.url("school")).join(" ");
    let variables = vec![(URL_VARIABLE, url), (REPLICAS_VARIABLE, replicas)];
    let settings = format!("{SETTINGS}database_replica_max_lag_ms = 3600000\n");
    let program = Program::new(cluster.folder.path().join("data"), variables, &settings);
    let _log = PrintedLog(program.log.clone());
    let process = program.start().await;
    let http = client_without_proxy();
    let courses = format!("http://{}/api/courses", process.address);
    // The log is written while requests are served.
    let logged = async |part: &str, place: &Postgres| {
        let name = format!("replica=\"school at {}\"", place.folder().display());
        let found = async {
            loop {
                let log = std::fs::read_to_string(&program.log).unwrap();
                if log.lines().any(|line| line.contains(part) && line.contains(&name)) {
                    return;
                }
                let (status, _) = reply_of(http.get(&courses)).await.unwrap();
                assert_eq!(status, StatusCode::OK);
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{part} {name}"));
    };
    logged("it is a primary and not a standby", &cluster.primary).await;
    logged("it belongs to another PostgreSQL cluster", &foreign).await;
    logged("the replica is used", left_behind).await;
    assert_eq!(foreign.logged("publication"), 0);

    // After a failover, a standby that still follows the old primary may have changes that were lost.
    cluster.primary.stop();
    new_primary.control(&["promote", "--wait"]);
    let followed = async {
        loop {
            let log = std::fs::read_to_string(&program.log).unwrap();
            if log.contains("it follows another timeline than the primary") {
                return;
            }
            // Until the connections to the new primary are open, replies may be 503.
            let _ = reply_of(http.get(&courses)).await;
        }
    };
    tokio::time::timeout(PATIENCE, followed).await.expect("the standby is refused");
    let reads = left_behind.logged(PUBLICATIONS);
    for _ in 0..4 {
        let (status, _) = reply_of(http.get(&courses)).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(left_behind.logged(PUBLICATIONS), reads);
}
