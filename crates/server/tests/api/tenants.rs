//! Tenants: two schools on one server with the same logins, courses and rows. None reaches what another has.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_people::permissions::Rank;
use carrel_server::{
    Config, DataDir, FakeClock, RunningServer, Server, Settings, http,
    http::{
        access::Access,
        routes::all_routes,
        tenants::{CurrentRouters, Routers, router},
    },
    jobs::JobRunner,
    store::Kind,
    tenants,
};
use serde_json::{Value, json};

use super::{
    access::uri,
    support::{
        NOW, Reply, TestServer, codes, config, device, engine, object_store_of, progress, push_body,
    },
};

/// A server with two tenants. `server.router` serves all three; those of the tenants serve one each.
pub struct Schools {
    pub server: TestServer,
    pub rivers: TestServer,
    pub hills: TestServer,
}

pub fn schools() -> Schools {
    schools_with(Settings::default())
}

pub fn schools_with(settings: Settings) -> Schools {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new(NOW));
    let blobs = object_store_of(dir.path());
    let settings = Settings { registration_open: true, route_limits: false, blobs, ..settings };
    let config =
        Config { settings, clock: Arc::clone(&clock) as _, ..config(dir.path().join("data")) };
    let open = |config: Config| {
        let data_dir = DataDir::open(config).unwrap();
        let router = http::app(data_dir.app().unwrap());
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::clone(&clock));
        TestServer { dir, clock, data_dir, router }
    };
    let mut server = TestServer { dir, ..open(config.clone()) };
    let host = ["Rivers.Example".to_owned()];
    tenants::add(&config, "rivers", &host, Some("Rivers School"), None).unwrap();
    tenants::add(&config, "hills", &[], None, None).unwrap();
    let listed = tenants::list(&config.data_dir).unwrap();
    assert_eq!(listed.iter().map(|t| &*t.name).collect::<Vec<_>>(), ["hills", "rivers"]);
    let [hills, rivers] =
        [&listed[0], &listed[1]].map(|tenant| open(tenants::config_of(&config, tenant).unwrap()));
    let by_name = [("rivers", &rivers), ("hills", &hills)];
    server.router = router(CurrentRouters::new(Routers {
        server: server.router.clone(),
        by_name: by_name.map(|(name, t)| (name.to_owned(), t.router.clone())).into(),
        by_host: HashMap::from([("rivers.example".to_owned(), rivers.router.clone())]),
    }));
    Schools { server, rivers, hills }
}

async fn get_of_host(server: &TestServer, host: &str, uri: &str) -> Reply {
    let request = Request::builder().uri(uri).header("host", host);
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_request_reaches_the_tenant_of_its_path_or_host() {
    let Schools { server, rivers, .. } = schools();
    let id = |reply: Reply| reply.ok::<Value>()["serverId"].as_str().unwrap().to_owned();
    let expected = id(rivers.get("/api/meta", "").await);
    let own = id(server.get("/api/meta", "").await);
    let hills = id(server.get("/t/hills/api/meta", "").await);
    assert!(own != expected && hills != expected && own != hills);
    assert_eq!(id(server.get("/t/rivers/api/meta", "").await), expected);
    for host in ["rivers.example", "RIVERS.example:7300", "rivers.example."] {
        assert_eq!(id(get_of_host(&server, host, "/api/meta").await), expected, "{host}");
        // The path is more specific than the host.
        assert_eq!(id(get_of_host(&server, host, "/t/hills/api/meta").await), hills, "{host}");
    }
    for host in ["hills.example", "rivers.example.org", "x-rivers.example", ""] {
        assert_eq!(id(get_of_host(&server, host, "/api/meta").await), own, "{host}");
    }
    for path in
        ["/t/nobody/api/meta", "/t//api/meta", "/t/Rivers/api/meta", "/t/rivers/../hills/api/meta"]
    {
        assert_eq!(server.get(path, "").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // Pages name the address with the path of the tenant.
    let page = get_of_host(&server, "a.example", "/t/rivers").await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(
        page.contains("http://a.example/t/rivers<") && page.contains("Rivers School"),
        "{page}"
    );
}

#[tokio::test]
async fn the_address_of_a_report_is_within_the_tenant() {
    let Schools { server, rivers, .. } = schools();
    let admin = rivers.staff("admin", Rank::Administrator).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri("/t/rivers/api/v1/admin/rosters")
        .header("authorization", format!("Bearer {}", admin.token))
        .header("content-type", "text/csv")
        .body(Body::from("username,name\nnoor,Noor\n"))
        .unwrap();
    let reply = server.send(request).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&reply.body));
    let location = reply.header("location").to_owned();
    assert!(location.starts_with("/t/rivers/api/v1/admin/rosters/"), "{location}");
    assert_eq!(server.get(&location, &admin.token).await.status, StatusCode::OK);
    assert_ne!(
        server.get(location.strip_prefix("/t/rivers").unwrap(), &admin.token).await.status,
        StatusCode::OK
    );
}

/// Every route of a tenant refuses the sign-ins of another tenant, of every rank.
#[tokio::test]
async fn no_route_accepts_a_sign_in_of_another_tenant() {
    let Schools { server, rivers, hills } = schools();
    let mut members = Vec::new();
    for rank in [Rank::Student, Rank::Instructor, Rank::Administrator, Rank::Operator] {
        members.push(rivers.staff(&format!("{rank:?}").to_lowercase(), rank).await);
    }
    for route in all_routes() {
        if matches!(route.access, Access::Public | Access::Catalogue) {
            continue;
        }
        for member in &members {
            for other in [&hills, &server] {
                let reply =
                    other.call(route.method.clone(), &uri(&route), &member.token, None).await;
                assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{route:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_login_course_and_row_exist_once_in_each_tenant() {
    let Schools { server: _server, rivers, hills } = schools();
    let (noor, other) = (rivers.learner("noor").await, hills.learner("noor").await);
    rivers.publish().await;
    hills.publish().await;
    let row = progress("how-rivers-work/meanders/read", 10_000);
    let pushed: Value = rivers.push(&noor.access_token, &[row]).await.ok();
    assert_eq!(codes(&pushed), ["ok"]);
    assert_eq!(hills.pull(&other.access_token, 0).await["rows"], json!([]));
    let row = progress("how-rivers-work/meanders/read", 1);
    let pushed: Value = hills.push(&other.access_token, &[row]).await.ok();
    assert_eq!(codes(&pushed), ["ok"]);
    for (server, learner, percent) in [(&rivers, &noor, 10_000), (&hills, &other, 1)] {
        let rows = server.pull(&learner.access_token, 0).await["rows"].clone();
        let found: Vec<&Value> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|r| &r["row"])
            .filter(|r| r["type"] == "progress")
            .collect();
        assert_eq!(found.len(), 1, "{rows}");
        assert_eq!(found[0]["percent"], percent);
    }
    // The first change number of each learner is 1: tenants do not share counters.
    let epoch: Value = hills.get("/api/sync/epoch", &other.access_token).await.ok();
    assert_eq!(epoch["usn"], 1);
}

#[tokio::test]
async fn what_one_tenant_publishes_is_not_found_by_the_others() {
    let Schools { server, rivers, hills } = schools();
    rivers.publish().await;
    let (hash, _) = rivers.blob_of_type("audio/wav").await;
    let token = hills.learner("amin").await.access_token;
    let manifest = "/api/courses/how-rivers-work/manifest";
    for path in [
        "/api/courses/how-rivers-work".to_owned(),
        manifest.to_owned(),
        "/api/courses/how-rivers-work/content".to_owned(),
        format!("/api/blobs/{hash}"),
    ] {
        assert_eq!(rivers.get(&path, "").await.status, StatusCode::OK, "{path}");
        for other in [&hills, &server] {
            assert_eq!(other.get(&path, "").await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(hills.get(&path, &token).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in
        ["/api/courses", "/api/stories", "/api/courses/search?q=rivers", "/api/search?q=wander"]
    {
        let found: Value = hills.get(path, &token).await.ok();
        assert!(!found.to_string().contains("ivers"), "{path}: {found}");
    }
    let enrol = hills.post("/api/courses/how-rivers-work/enroll", &token, &json!({})).await;
    assert_eq!(enrol.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn passwords_tokens_and_certificates_are_those_of_one_tenant() {
    let Schools { server: _server, rivers, hills } = schools();
    let noor = rivers.learner("noor").await;
    hills.learner("other").await;
    let body =
        json!({"login": "noor", "password": super::support::PASSWORD, "deviceId": device(1)});
    assert_eq!(hills.post("/api/auth/login", "", &body).await.status, StatusCode::UNAUTHORIZED);
    let refresh = json!({"refreshToken": noor.refresh_token, "deviceId": device(1)});
    assert_eq!(
        hills.post("/api/auth/refresh", "", &refresh).await.status,
        StatusCode::UNAUTHORIZED
    );
    rivers.post("/api/auth/refresh", "", &refresh).await.ok::<Value>();
}

#[tokio::test]
async fn events_reach_the_streams_of_their_tenant_only() {
    let Schools { server: _server, rivers, hills } = schools();
    let noor = rivers.learner("noor").await;
    // The learner of the other tenant has the same id, as after a move of an account.
    let rivers_events = rivers.data_dir.events.subscribe(noor.user.id, uuid::Uuid::from_u128(7));
    let hills_events = hills.data_dir.events.subscribe(noor.user.id, uuid::Uuid::from_u128(7));
    let (Some(mut at_rivers), Some(mut at_hills)) = (rivers_events, hills_events) else {
        panic!("no stream was opened");
    };
    let push = push_body(&[progress("c/l/s", 5)]);
    rivers.post("/api/sync/push", &noor.access_token, &push).await.ok::<Value>();
    assert!(at_rivers.events.try_recv().is_ok());
    assert!(at_hills.events.try_recv().is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_blob_of_two_tenants_is_stored_once_and_kept_by_the_one_that_uses_it() {
    let Schools { server, rivers, hills } = schools();
    rivers.publish().await;
    hills.publish().await;
    let (hash, size) = rivers.blob_of_type("audio/wav").await;
    let (rivers, hills) = (Arc::new(rivers.data_dir), Arc::new(hills.data_dir));
    let run = async |data: &Arc<DataDir>, name: &str| {
        JobRunner::new(Arc::clone(data)).run_named(name).await.unwrap().result.unwrap()
    };
    assert_eq!(run(&rivers, "share-blobs").await, "0 blobs shared (0 bytes)");
    let shared = run(&hills, "share-blobs").await;
    assert!(!shared.starts_with("0 blobs"), "{shared}");
    // One tenant removes the course and, after the time for which unused blobs are kept, its blobs.
    let id = "how-rivers-work".parse().unwrap();
    rivers.store.unpublish(Kind::Course, &id).await.unwrap();
    for _ in 0..2 {
        run(&rivers, "clean-up").await;
        server.clock.advance(60 * 24 * 3_600_000);
    }
    run(&rivers, "clean-up").await;
    run(&rivers, "share-blobs").await;
    let size_in = |data: &DataDir| data.blobs.size(hash).unwrap();
    assert_eq!((size_in(&rivers), size_in(&hills)), (None, Some(size)));
    assert!(hills.store.blob(hash).await.unwrap().is_some());
}

#[test]
fn a_tenant_is_added_once_with_a_valid_name_and_a_free_host() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path().join("data"));
    drop(DataDir::open(config.clone()).unwrap());
    let add = |name: &str, host: &str| {
        let hosts: Vec<String> = if host.is_empty() { vec![] } else { vec![host.to_owned()] };
        tenants::add(&config, name, &hosts, None, None).map_err(|e| e.to_string())
    };
    let folder = add("rivers", "rivers.example").unwrap();
    // Commands find the tenant by its folder.
    assert_eq!(tenants::name_of(&folder).as_deref(), Some("rivers"));
    assert_eq!(tenants::name_of(&config.data_dir), None);
    for (name, host, expected) in [
        ("rivers", "", "already exists"),
        ("../x", "", "cannot be the name"),
        ("Rivers", "", "cannot be the name"),
        ("hills", "RIVERS.example", "is that of the tenant"),
        ("hills", "https://hills.example", "is not a host name"),
    ] {
        let error = add(name, host).unwrap_err();
        assert!(error.contains(expected), "{name} {host}: {error}");
        assert!(!dir.path().join("data/tenants/hills").exists());
    }
    let file = folder.join("tenant.toml");
    std::fs::write(&file, "hosts = [\"a.example\"]\nregistration_opne = true\n").unwrap();
    let error = tenants::list(&config.data_dir).unwrap_err().to_string();
    assert!(error.contains("registration_opne") && error.contains("tenant.toml"), "{error}");
}

/// Status of a request for the meta data of the server, by path and by host, and the id and the name in the reply.
async fn meta(server: &RunningServer, path: &str, host: &str) -> (u16, String, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{path}/api/meta", server.url());
    let mut request = http.get(url);
    if !host.is_empty() {
        request = request.header("host", host);
    }
    let reply = request.send().await.unwrap();
    let status = reply.status().as_u16();
    let body: Value = reply.json().await.unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (status, text("serverId"), text("name"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_servers_follow_the_folder_of_the_tenants() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path().join("data"));
    let mut servers = Vec::new();
    // On SQLite, one process serves a data folder.
    for _ in 0..if engine().is_shared() { 2 } else { 1 } {
        servers.push(Server::start(config.clone()).await.unwrap());
    }
    let refresh = async || {
        for server in &servers {
            server.refresh_tenants().await;
        }
    };
    let of = async |path: &str, host: &str| {
        let mut found = Vec::new();
        for server in &servers {
            found.push(meta(server, path, host).await);
        }
        assert!(found.iter().all(|one| *one == found[0]), "{path}: {found:?}");
        found.remove(0)
    };
    let own = of("", "").await.1;
    assert_eq!(of("/t/rivers", "").await.0, 404);
    let hosts = ["rivers.example".to_owned()];
    let folder = tenants::add(&config, "rivers", &hosts, Some("Rivers School"), None).unwrap();
    tenants::add(&config, "hills", &[], None, None).unwrap();
    refresh().await;
    let (status, id, name) = of("/t/rivers", "").await;
    assert_eq!((status, &*name), (200, "Rivers School"));
    assert_eq!(of("", "rivers.example").await.1, id);
    assert!(id != own && !id.is_empty());
    // A tenant that did not change is not opened again.
    let data = servers[0].tenant("rivers").unwrap();
    refresh().await;
    assert!(Arc::ptr_eq(&data, &servers[0].tenant("rivers").unwrap()));
    drop(data);
    // Changed settings: another name, no host.
    let file = folder.join("tenant.toml");
    std::fs::write(&file, "# of the ministry\nname = \"Rivers College\"\n").unwrap();
    refresh().await;
    assert_eq!(of("/t/rivers", "").await, (200, id.clone(), "Rivers College".to_owned()));
    assert_eq!(of("", "rivers.example").await.1, own);
    // A mistake in the settings of one tenant stops none.
    std::fs::write(dir.path().join("data/tenants/hills/tenant.toml"), "nmae = 1").unwrap();
    refresh().await;
    assert_eq!((of("/t/rivers", "").await.0, of("/t/hills", "").await.0), (200, 200));
    std::fs::write(dir.path().join("data/tenants/hills/tenant.toml"), "name = \"Hills\"").unwrap();
    // Disabled, and enabled again with the same data.
    tenants::set_disabled(&config, "rivers", true).unwrap();
    refresh().await;
    assert_eq!((of("/t/rivers", "").await.0, of("/t/hills", "").await.0), (404, 200));
    assert!(servers.iter().all(|server| server.tenant("rivers").is_none()));
    tenants::set_disabled(&config, "rivers", false).unwrap();
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "# of the ministry\nname = \"Rivers College\"\n"
    );
    refresh().await;
    assert_eq!(of("/t/rivers", "").await.1, id);
    let unknown = tenants::set_disabled(&config, "nobody", true).unwrap_err().to_string();
    assert!(unknown.contains("no tenant \"nobody\""), "{unknown}");
    // Removed.
    std::fs::remove_file(&file).unwrap();
    refresh().await;
    assert_eq!(of("/t/rivers", "").await.0, 404);
    for server in servers {
        server.shutdown().await;
    }
}
