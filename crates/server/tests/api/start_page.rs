//! The page at `/` and `/health`.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_server::{Settings, http::start_page::qr_code};
use serde_json::Value;

use super::support::{NOW, TestServer, fixture};

impl TestServer {
    async fn page(&self, host: &str) -> String {
        let request = Request::get("/").header("host", host).body(Body::empty()).unwrap();
        let reply = self.send(request).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        let policy = reply.header("content-security-policy");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        let page = String::from_utf8(reply.body.clone()).unwrap();
        assert!(page.contains(&format!("<style nonce=\"{nonce}\">")));
        assert!(!page.contains("<script") && !page.contains("<?xml") && page.len() < 16 * 1024);
        page
    }
}

#[tokio::test]
async fn the_start_page_shows_name_address_and_code() {
    let server =
        TestServer::with(Settings { name: "Rivers & <Sons>".into(), ..Settings::default() });
    let page = server.page("192.168.1.4:7300").await;
    assert!(page.contains("<h1>Rivers &amp; &lt;Sons&gt;</h1>"), "{page}");
    assert!(page.contains("<code>http://192.168.1.4:7300</code>"), "{page}");
    assert!(page.contains(env!("CARGO_PKG_VERSION")));
    let image = qr_code("http://192.168.1.4:7300");
    assert!(image.starts_with("<svg") && page.contains(&image));
    assert_ne!(image, qr_code("http://192.168.1.5:7300"));
    // A host that is invalid or contains a password is not shown.
    for host in ["a b", "\"><b>", "noor:secret@example.org"] {
        let page = server.page(host).await;
        assert!(page.contains("Type the address of this page") && !page.contains("<svg"), "{host}");
    }
    let settings = Settings { address: "https://school.example".into(), ..Settings::default() };
    let page = TestServer::with(settings).page("127.0.0.1:7300").await;
    assert!(page.contains("<code>https://school.example</code>"), "{page}");
    let settings = Settings { behind_tls: true, ..Settings::default() };
    let page = TestServer::with(settings).page("school.example").await;
    assert!(page.contains("<code>https://school.example</code>"), "{page}");
}

#[tokio::test]
async fn health_reports_database_disk_and_jobs() {
    let server = TestServer::new();
    let reply = server.get("/health", "").await;
    assert_eq!((reply.status, reply.header("cache-control")), (StatusCode::OK, "no-store"));
    let health: Value = reply.json();
    assert_eq!((&health["ok"], &health["databaseOk"]), (&true.into(), &true.into()));
    assert_eq!(
        (&health["failingJobs"], &health["lateJobs"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    // A failed job, and a due job that no process runs.
    let store = &server.data_dir.store;
    store.schedule_jobs(vec![("a", Some(1)), ("b", Some(1))], 0).await.unwrap();
    let failed = store.lease_due_job("me", &["a", "b"], NOW).await.unwrap().unwrap();
    store.finish_job(&failed, Some(1), Err("no".into()), NOW).await.unwrap();
    let health: Value = server.get("/health", "").await.json();
    assert_eq!((&health["failingJobs"][0], &health["lateJobs"][0]), (&"a".into(), &"b".into()));
    assert_eq!(health["ok"], true);
    // Too little free space.
    let server = TestServer::with(Settings { min_free_disk_mib: u64::MAX, ..Settings::default() });
    let reply = server.get("/health", "").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    let health: Value = reply.json();
    assert_eq!((&health["ok"], &health["diskOk"]), (&false.into(), &false.into()));
    assert_eq!(health["databaseOk"], true);
    // A database that does not respond.
    let server = TestServer::new();
    fixture().drop_table(&server.folder(), "job");
    let reply = server.get("/health", "").await;
    let health: Value = reply.json();
    assert_eq!(
        (reply.status, &health["databaseOk"]),
        (StatusCode::SERVICE_UNAVAILABLE, &false.into())
    );
}
