//! Blobs in an object store: outages, the start of a server, copies to the other place, backups, two processes.

use std::path::Path;

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use carrel_model::{BlobHash, ErrorCode};
use carrel_object_store::testing::{FakeS3, Fault};
use carrel_server::{
    Config, DataDir, Error, Server, Settings, backup,
    blob_place::{self, Copied},
    relocate, restore,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::support::{
    NOW, PASSWORD, TestServer, config, device, engine, object_store_of, progress, push_body,
};

fn settings(s3: &FakeS3) -> Settings {
    let blobs = Some(s3.settings("school"));
    Settings { registration_open: true, blobs, ..Settings::default() }
}

fn with_store(s3: &FakeS3, folder: impl AsRef<Path>) -> Config {
    Config { settings: settings(s3), ..config(folder.as_ref()) }
}

fn local_blobs(folder: &Path) -> usize {
    carrel_server::blobs::files(&folder.join("blobs")).unwrap().len()
}

#[tokio::test]
async fn an_outage_is_a_503_while_learners_work_is_received() {
    let s3 = FakeS3::start();
    // With a cache, replies that were computed before are sent during an outage.
    let server = TestServer::with(Settings { cache_mib: 0, ..settings(&s3) });
    server.publish().await;
    let noor = server.learner("noor").await;
    let (hash, size) = server.blob_of_type("audio/wav").await;
    assert!(s3.keys("school/blobs/").len() > 3 && !server.folder().join("blobs").exists());
    let blob = format!("/api/blobs/{hash}");
    let paths = [blob.as_str(), "/api/courses/how-rivers-work/content"];
    for path in paths {
        assert_eq!(server.get(path, &noor.access_token).await.status, StatusCode::OK, "{path}");
    }
    s3.set_down(true);
    for path in paths {
        let reply = server.get(path, &noor.access_token).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(reply.header("retry-after"), "10", "{path}");
        let problem = reply.problem();
        assert!(problem.code == ErrorCode::Unavailable && problem.retryable, "{problem:?}");
        assert!(!problem.detail.contains("school"), "{problem:?}");
    }
    // The head needs no bytes.
    let head = server.call(Method::HEAD, &blob, "", None).await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, &*size.to_string()));
    let pushed = server.push(&noor.access_token, &[progress("a/b/c", 10)]).await;
    assert_eq!(pushed.status, StatusCode::OK);
    s3.set_down(false);
    let reply = server.get(&blob, "").await;
    assert_eq!(BlobHash::of(&reply.body), hash);
    // A transfer that cannot be completed ends with an error, not as a shorter blob.
    for _ in 0..4 {
        s3.fail("GET", "/blobs/", Fault::Cut(10));
    }
    let request = Request::builder().uri(&blob).body(Body::empty()).unwrap();
    let reply = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(to_bytes(reply.into_body(), usize::MAX).await.is_err());
}

#[tokio::test]
async fn a_server_starts_during_an_outage_but_not_with_wrong_settings() {
    let s3 = FakeS3::start();
    let dir = tempfile::tempdir().unwrap();
    let start = async |name: &str, change: &dyn Fn(&mut Settings)| {
        let mut config = with_store(&s3, dir.path().join(name));
        change(&mut config.settings);
        Server::start(config).await.map_err(|e| e.to_string())
    };
    start("one", &|_| {}).await.unwrap().shutdown().await;
    // Commands and later starts find the store without the configuration.
    start("one", &|s| s.blobs = None).await.unwrap().shutdown().await;
    assert!(!dir.path().join("one/blobs").exists());
    s3.set_down(true);
    start("one", &|_| {}).await.unwrap().shutdown().await;
    s3.set_down(false);
    let store = |s: &mut Settings| s.blobs.clone().unwrap();
    type Change<'a> = &'a dyn Fn(&mut Settings);
    let key: Change<'_> = &|s| {
        let blobs = store(s);
        s.blobs = Some(carrel_object_store::ObjectStoreSettings {
            access_key: Some("OTHER".into()),
            ..blobs
        });
    };
    let place: Change<'_> = &|s| s.blobs.as_mut().unwrap().url = "s3://library/elsewhere".into();
    let bad: Change<'_> = &|s| s.blobs.as_mut().unwrap().url = "library".into();
    let bucket: Change<'_> = &|s| s.blobs.as_mut().unwrap().url = "s3://other-bucket/x".into();
    let own: Change<'_> = &|s| s.blobs.as_mut().unwrap().url = "s3://library/own".into();
    for (name, change, expected) in [
        ("one", place, "and not in \"s3://library/elsewhere\""),
        ("one", key, "the access key is unknown"),
        ("two", bad, "blobs.url"),
        ("two", &|_| {}, "belongs to another server"),
        ("two", bucket, "the bucket \"other-bucket\" does not exist"),
    ] {
        let error = start(name, change).await.err().unwrap();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // The mistakes of a server without courses leave nothing behind.
    start("two", own).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn blobs_are_copied_to_a_store_and_back() {
    if object_store_of(Path::new("")).is_some() {
        // Begins with blobs in the folder.
        return;
    }
    let s3 = FakeS3::start();
    let server = TestServer::with(Settings { blobs: None, ..settings(&s3) });
    server.publish().await;
    let (folder, count) = (server.folder(), local_blobs(&server.folder()) as u64);
    let (hash, _) = server.blob_of_type("audio/wav").await;
    let target = with_store(&s3, &folder);
    let refused = DataDir::open(target.clone()).err().unwrap().to_string();
    assert!(refused.contains("blobs copy --to object-store"), "{refused}");
    // A damaged blob ends the copy. The place stays the old one.
    let hex = hash.to_hex();
    let path = folder.join("blobs").join(&hex[..2]).join(&hex);
    let content = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, vec![b'x'; content.len()]).unwrap();
    let error = blob_place::copy(&target, false).await.unwrap_err().to_string();
    assert!(error.contains("does not match its hash"), "{error}");
    assert!(DataDir::open(target.clone()).is_err());
    std::fs::write(&path, &content).unwrap();
    // The next copy continues.
    let Copied { blobs, found, .. } = blob_place::copy(&target, false).await.unwrap();
    assert!(blobs >= 1 && blobs + found == count, "{blobs} + {found}, not {count}");
    assert_eq!(s3.keys("school/blobs/").len() as u64, count);
    std::fs::remove_dir_all(folder.join("blobs")).unwrap();
    // Also without [blobs].
    let opened = DataDir::open(config(&folder)).unwrap();
    assert_eq!(opened.blobs.read(hash).unwrap(), content);
    let again = blob_place::copy(&target, false).await.unwrap();
    assert_eq!((again.blobs, again.found), (0, count));
    // Back: a blob that the store has lost or changed ends the copy.
    s3.damage(&hex, b"changed");
    assert!(blob_place::copy(&config(&folder), true).await.is_err());
    s3.damage(&format!("blobs/{}/{hex}", &hex[..2]), &content);
    let back = blob_place::copy(&config(&folder), true).await.unwrap();
    assert_eq!(back.blobs + back.found, count);
    s3.set_down(true);
    let opened = DataDir::open(config(&folder)).unwrap();
    assert_eq!(opened.blobs.read(hash).unwrap(), content);
    let none = blob_place::copy(&config(&folder), false).await.unwrap_err().to_string();
    assert!(none.contains("no object store is configured"), "{none}");
}

#[tokio::test]
async fn a_backup_has_the_blobs_and_a_restore_puts_missing_ones_back() {
    let s3 = FakeS3::start();
    let server = TestServer::with(settings(&s3));
    server.publish().await;
    let (hash, _) = server.blob_of_type("audio/wav").await;
    let count = s3.keys("school/blobs/").len();
    let saved = server.dir.path().join("backup");
    let metadata = backup::backup(engine(), &server.folder(), &saved, NOW).unwrap();
    assert_eq!((metadata.blobs as usize, local_blobs(&saved)), (count, count));
    backup::check(engine(), &saved).unwrap();
    let options = restore::Options { replace: true, ..restore::Options::default() };
    // A new folder has its blobs itself.
    let other = server.dir.path().join("other");
    restore::restore(engine(), &saved, &other, options, NOW).unwrap();
    assert_eq!(local_blobs(&other), count);
    let opened = DataDir::open(config(&other)).unwrap();
    let content = opened.blobs.read(hash).unwrap();
    // The folder of the server has them in the store.
    s3.lose(&hash.to_hex());
    assert!(server.data_dir.blobs.read(hash).is_err());
    restore::restore(engine(), &saved, &server.folder(), options, NOW).unwrap();
    assert_eq!((local_blobs(&server.folder()), s3.keys("school/blobs/").len()), (0, count));
    let opened = DataDir::open(with_store(&s3, server.folder())).unwrap();
    assert_eq!(opened.blobs.read(hash).unwrap(), content);
    drop(opened);
    // A move leaves them where they are.
    let moved = server.dir.path().join("moved");
    relocate::relocate(&config(server.folder()), &config(&moved)).unwrap();
    let opened = DataDir::open(config(&moved)).unwrap();
    assert_eq!((local_blobs(&moved), opened.blobs.read(hash).unwrap()), (0, content));
}

/// Two processes on two data folders, as on two computers, with one database and one bucket.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_receives_another_one_serves() {
    use super::{
        processes::{PrintedLog, Program, SETTINGS, reply_of},
        support::fixture,
        uploads::UPLOADS,
    };
    use carrel_people::permissions::Rank;

    if !engine().is_shared() {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let s3 = FakeS3::start();
    let server = TestServer::with(settings(&s3));
    let ada = server.staff("ada", Rank::Administrator).await;
    server.learner("noor").await;
    let blobs = s3.settings("school");
    let text = format!(
        "{SETTINGS}\n[blobs]\nurl = {:?}\nendpoint = {:?}\naccess_key = {:?}\nsecret_key_file = {:?}\n",
        blobs.url,
        blobs.endpoint.unwrap(),
        blobs.access_key.unwrap(),
        blobs.secret_key_file.unwrap()
    );
    let (first, second) = (server.folder(), server.dir.path().join("second"));
    std::fs::create_dir(&second).unwrap();
    for name in ["signing.key", "database"] {
        std::fs::copy(first.join(name), second.join(name)).unwrap();
    }
    let variables = fixture().variables(&first);
    let first = Program::new(first, variables.clone(), &text);
    let second = Program::new(second, variables, &text);
    let _log = PrintedLog(first.log.clone());
    let (one, two) = (first.start().await, second.start().await);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let upload = format!("http://{}{UPLOADS}?name=rivers.zip", one.address);
    let package = server.dir.path().join("uploaded");
    drop(server.course_zip("Rivers bend."));
    let zip = super::uploads::zip_of(&package.join("stories/the-flood"));
    let upload =
        http.post(upload).bearer_auth(&ada.token).header("content-type", "application/zip");
    let (status, started) = reply_of(upload.body(zip)).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{started}");
    let id = started["id"].as_str().unwrap().to_owned();
    loop {
        let report = format!("http://{}{UPLOADS}/{id}", two.address);
        let (_, report) = reply_of(http.get(report).bearer_auth(&ada.token)).await.unwrap();
        assert_ne!(report["state"], "failed", "{report}");
        if report["state"] == "finished" {
            break;
        }
    }
    drop(one);
    let get = async |path: &str| {
        let request = http.get(format!("http://{}{path}", two.address));
        request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap()
    };
    let signed: Value =
        serde_json::from_slice(&get("/api/stories/the-flood/manifest").await).unwrap();
    let manifest: Value = serde_json::from_str(signed["manifest"].as_str().unwrap()).unwrap();
    let blobs = manifest["blobs"].as_array().unwrap();
    assert!(!blobs.is_empty());
    for blob in blobs {
        let hash = blob["hash"].as_str().unwrap();
        let bytes = get(&format!("/api/blobs/{hash}")).await;
        assert_eq!(BlobHash::of(&bytes).to_hex(), hash);
    }
    // Learners' work, too.
    let body = json!({"login": "noor", "password": PASSWORD, "deviceId": device(2)});
    let sign_in = http.post(format!("http://{}/api/auth/login", two.address));
    let (_, tokens) = reply_of(sign_in.json(&body)).await.unwrap();
    let body = push_body(&[progress("a/b/c", 5)]);
    let push = http.post(format!("http://{}/api/sync/push", two.address)).json(&body);
    let push = push.bearer_auth(tokens["accessToken"].as_str().unwrap());
    let (status, _) = reply_of(push).await.unwrap();
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_lost_database_is_noticed_although_no_blob_is_in_the_folder() {
    sqlite_only!("the database of another engine is not a file that can be missing");
    let s3 = FakeS3::start();
    let server = TestServer::with(settings(&s3));
    server.publish().await;
    let TestServer { dir, data_dir, router, .. } = server;
    drop((data_dir, router));
    let data = dir.path().join("data");
    for name in engine().side_files().iter().copied().chain([engine().file()]) {
        let _ = std::fs::remove_file(data.join(name));
    }
    let opened = DataDir::open(with_store(&s3, &data));
    assert!(matches!(opened, Err(Error::NoDatabase(_))), "a new server would have no courses");
}
