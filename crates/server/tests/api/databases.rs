//! Tenants on two PostgreSQL servers: one is stopped, a process starts without it, and a tenant moves to the other.

use std::process::{Command, Output};

use carrel_server::database::URL_VARIABLE;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    cluster::Postgres,
    failover::client_without_proxy,
    processes::{PATIENCE, PrintedLog, Process, Program, SETTINGS, reply_of},
    support::{PASSWORD, device, engine, progress, push_body},
};

/// A learner of a tenant.
struct Learner {
    http: reqwest::Client,
    tenant: &'static str,
    token: String,
}

impl Learner {
    async fn register(http: &reqwest::Client, process: &Process, tenant: &'static str) -> Self {
        let url = format!("http://{}/t/{tenant}/api/auth/register", process.address);
        let body =
            json!({"login": "noor", "name": "Noor", "password": PASSWORD, "deviceId": device(1)});
        let (status, reply) = reply_of(http.post(url).json(&body)).await.unwrap();
        assert!(status.is_success(), "{status} {reply}");
        let token = reply["accessToken"].as_str().unwrap().to_owned();
        Self { http: http.clone(), tenant, token }
    }
    async fn push(&self, process: &Process, item: &str) -> (StatusCode, Value) {
        let url = format!("http://{}/t/{}/api/sync/push", process.address, self.tenant);
        let body = push_body(&[progress(item, 10_000)]);
        reply_of(self.http.post(url).bearer_auth(&self.token).json(&body)).await.unwrap()
    }
    async fn pull(&self, process: &Process) -> (StatusCode, Value) {
        let url = format!("http://{}/t/{}/api/sync/pull?since=0", process.address, self.tenant);
        reply_of(self.http.get(url).bearer_auth(&self.token)).await.unwrap()
    }
}

async fn accounts(postgres: &Postgres) -> i64 {
    let client = postgres.client("school").await;
    client.query_one("SELECT count(*) FROM carrel.account", &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_on_two_databases_that_fail_and_move_separately() {
    if !engine().is_shared() {
        return eprintln!("skipped on {}: concerns PostgreSQL", engine().name());
    }
    let (Some(north), Some(south)) = (Postgres::primary(), Postgres::primary()) else {
        return eprintln!("skipped: pg_basebackup is not installed");
    };
    north.create_school().await;
    south.create_school().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let variables = vec![
        (URL_VARIABLE, north.url("school")),
        ("CARREL_DATABASE_URL_SOUTH", south.url("school")),
    ];
    let settings = format!("{SETTINGS}registration_open = true\n");
    let program = Program::new(data.clone(), variables.clone(), &settings);
    let _log = PrintedLog(program.log.clone());
    let tenant = |args: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carrel-server"));
        command.arg("tenant").args(args).arg("--data").arg(&data).envs(variables.clone());
        command.output().unwrap()
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    for args in [&["add", "rivers"][..], &["add", "hills", "--database", "south"]] {
        let added = tenant(args);
        assert!(added.status.success(), "{}", text(&added));
    }
    let unknown = tenant(&["add", "lakes", "--database", "west"]);
    assert!(text(&unknown).contains("set CARREL_DATABASE_URL_WEST to its URL"), "{unknown:?}");
    assert!(!data.join("tenants/lakes").exists());

    let process = program.start().await;
    let http = client_without_proxy();
    let rivers = Learner::register(&http, &process, "rivers").await;
    let hills = Learner::register(&http, &process, "hills").await;
    for learner in [&rivers, &hills] {
        assert_eq!(learner.push(&process, "a/b/c").await.0, StatusCode::OK);
    }
    assert_eq!((accounts(&north).await, accounts(&south).await), (1, 1));
    let (_, before) = rivers.pull(&process).await;

    // One database is stopped: only its tenant is not served.
    south.stop();
    let (status, problem) = hills.push(&process, "a/b/d").await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
    );
    assert_eq!(rivers.push(&process, "a/b/d").await.0, StatusCode::OK);
    // A process that starts then serves the others, and this one as soon as it can.
    process.replace().await;
    let process = program.start().await;
    let (status, problem) = hills.pull(&process).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
    );
    assert!(problem["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{problem}");
    assert_eq!(rivers.pull(&process).await.0, StatusCode::OK);
    south.start();
    let served = async {
        while hills.pull(&process).await.0 != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.expect("the tenant is served");
    assert_eq!(hills.push(&process, "a/b/d").await.0, StatusCode::OK);

    // A tenant moves to the other database, and needs its old one no longer.
    let running = tenant(&["move", "rivers", "--database", "south"]);
    assert!(text(&running).contains("a server is running"), "{running:?}");
    process.replace().await;
    let moved = tenant(&["move", "rivers", "--database", "south"]);
    assert!(moved.status.success(), "{}", text(&moved));
    let again = tenant(&["move", "rivers", "--database", "south"]);
    assert!(text(&again).contains("in this database already"), "{again:?}");
    assert_eq!(accounts(&south).await, 2);
    let process = program.start().await;
    north.stop();
    let (status, after) = rivers.pull(&process).await;
    assert_eq!(status, StatusCode::OK, "{after}");
    assert_eq!(after["epoch"], before["epoch"]);
    assert_eq!(after["rows"].as_array().unwrap().len(), 2, "{after}");
    assert_eq!(rivers.push(&process, "a/b/e").await.0, StatusCode::OK);
    assert_eq!(hills.pull(&process).await.0, StatusCode::OK);

    // Back again: what is still in the old database is replaced only if that is said.
    process.replace().await;
    north.start();
    let refused = tenant(&["move", "rivers"]);
    assert!(text(&refused).contains("--replace"), "{refused:?}");
    let back = tenant(&["move", "rivers", "--replace"]);
    assert!(back.status.success(), "{}", text(&back));
    let process = program.start().await;
    south.stop();
    let (status, after) = rivers.pull(&process).await;
    assert_eq!((status, after["rows"].as_array().map(Vec::len)), (StatusCode::OK, Some(3)));
}
