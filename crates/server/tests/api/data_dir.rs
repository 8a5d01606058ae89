//! Import, backup, restore, export.

use std::path::Path;

use carrel_model::content::SignedManifest;
use carrel_server::{Config, DataDir, Server, backup, export, import, relocate, restore};
use serde_json::{Value, json};

use super::support::{NOW, TestServer, codes, config, engine, progress, write_course};

fn restored(from: &Path, to: &Path, replace: bool) -> Result<String, carrel_server::Error> {
    let options = restore::Options { replace, ..restore::Options::default() };
    restore::restore(engine(), from, to, options, NOW)
}

#[tokio::test]
async fn an_invalid_package_lists_all_its_problems_and_changes_nothing() {
    let server = TestServer::new();
    let (invalid, valid) = (server.dir.path().join("lib/bad"), server.dir.path().join("lib/good"));
    write_course(&invalid);
    write_course(&valid);
    let course = std::fs::read_to_string(invalid.join("course.json")).unwrap();
    let course = course
        .replace("how-rivers-work", "bad-rivers")
        .replace("INTERMEDIATE", "HARD")
        .replace("check.json", "gone.json");
    std::fs::write(invalid.join("course.json"), course).unwrap();
    std::fs::write(invalid.join("read.md"), "![Rain](nowhere.mp3)\n").unwrap();
    let report = server
        .data_dir
        .import(&[server.dir.path().join("lib"), server.dir.path().join("nothing")])
        .await
        .unwrap();
    assert!(!report.is_ok());
    assert_eq!((report.packages.len(), report.failed()), (3, 2));
    let lines: Vec<String> = report.packages[0].problems.iter().map(ToString::to_string).collect();
    assert!(lines.len() >= 3, "{lines:#?}");
    for part in ["HARD", "gone.json", "nowhere.mp3"] {
        assert!(
            lines.iter().any(|l| l.contains(part) && l.contains("error[")),
            "{part}: {lines:#?}"
        );
    }
    // The valid package is published, the invalid one is not.
    let list: Value = server.get("/api/courses", "").await.ok();
    assert_eq!(
        (list["total"].as_u64(), &list["items"][0]["id"]),
        (Some(1), &json!("how-rivers-work"))
    );
    let checked = import::check(&[invalid]).await.unwrap();
    assert_eq!(checked.failed(), 1);
}

#[tokio::test]
async fn a_new_version_replaces_the_old_one_completely() {
    let server = TestServer::new();
    server.publish().await;
    let old: Value = server.get("/api/courses/how-rivers-work", "").await.ok();
    let package = server.dir.path().join("package");
    std::fs::write(package.join("read.md"), "# Bends\n\nQuite another text about estuaries.\n")
        .unwrap();
    assert!(server.data_dir.import(&[package]).await.unwrap().is_ok());
    let new: Value = server.get("/api/courses/how-rivers-work", "").await.ok();
    assert_ne!(old["version"], new["version"]);
    for (q, total) in [("estuaries", 1), ("meandres", 0)] {
        let found: Value = server.get(&format!("/api/search?q={q}"), "").await.ok();
        assert_eq!(found["total"], total, "{q}");
    }
    // A client that displays the old version can still load its blobs.
    let body = old["outline"]["lessons"][0]["sections"][0]["body"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/blobs/{body}"), "").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_restored_backup_has_a_new_epoch() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let pushed: Value = server
        .push(&noor.access_token, &[progress("how-rivers-work/meanders/read", 5000)])
        .await
        .ok();
    let to = server.dir.path().join("backup");
    let metadata = backup::backup(engine(), &server.folder(), &to, NOW).unwrap();
    assert!(metadata.blobs > 3 && metadata.blob_bytes > 0);
    assert!(
        backup::backup(engine(), &server.folder(), &to, NOW)
            .unwrap_err()
            .to_string()
            .contains("exists")
    );
    // Work that is missing from the backup.
    server
        .push(&noor.access_token, &[progress("how-rivers-work/meanders/check", 7000)])
        .await
        .ok::<Value>();

    let data = server.dir.path().join("restored");
    let epoch = restored(&to, &data, false).unwrap();
    assert_ne!(pushed["epoch"], json!(epoch));
    let refused = restored(&to, &data, false).unwrap_err().to_string();
    assert!(refused.contains("--replace"), "{refused}");
    assert_ne!(restored(&to, &data, true).unwrap(), epoch);
    assert!(data.join(format!("replaced-{NOW}")).join(engine().file()).exists());

    let restored = Config { clock: std::sync::Arc::clone(&server.clock) as _, ..config(&data) };
    let data_dir = DataDir::open(restored).unwrap();
    let restored_server = TestServer {
        router: carrel_server::http::app(data_dir.app().unwrap()),
        data_dir,
        ..server
    };
    // Signing key, sign-in and blobs have been restored.
    let rows = restored_server.pull(&noor.access_token, 0).await;
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
    assert_ne!(rows["epoch"], pushed["epoch"]);
    let (hash, _) = restored_server.blob_of_type("audio/wav").await;
    assert_eq!(restored_server.get(&format!("/api/blobs/{hash}"), "").await.status.as_u16(), 200);
    // The device sends all its rows again: no row is missing, and none is counted twice.
    let all = [
        progress("how-rivers-work/meanders/read", 5000),
        progress("how-rivers-work/meanders/check", 7000),
    ];
    let resent: Value = restored_server.push(&noor.access_token, &all).await.ok();
    assert_eq!((codes(&resent), resent["usn"].as_u64()), (vec!["ok".to_owned(); 2], Some(2)));
}

#[tokio::test]
async fn damaged_backups_and_running_servers_are_refused() {
    let server = TestServer::new();
    server.publish().await;
    let to = server.dir.path().join("backup");
    backup::backup(engine(), &server.folder(), &to, NOW).unwrap();
    let running = Server::start(config(server.dir.path().join("other"))).await.unwrap();
    let refused = restored(&to, &server.dir.path().join("other"), true).unwrap_err().to_string();
    assert!(refused.contains("a server is running"), "{refused}");
    let second = Server::start(config(server.dir.path().join("other"))).await;
    match second {
        Ok(second) => {
            assert!(engine().is_shared());
            second.shutdown().await;
        }
        Err(e) => assert!(e.to_string().contains("a server is running"), "{e}"),
    }
    running.shutdown().await;

    let blob = files(&to.join("blobs")).into_iter().next().unwrap();
    std::fs::remove_file(&blob).unwrap();
    assert!(restored(&to, &server.dir.path().join("new"), false).is_err());
    std::fs::write(&blob, "other bytes").unwrap();
    let damaged = restored(&to, &server.dir.path().join("new"), false).unwrap_err().to_string();
    assert!(damaged.contains("damaged"), "{damaged}");
    assert!(!server.dir.path().join("new").join(engine().file()).exists());
}

#[tokio::test]
async fn an_exported_library_matches_the_server() {
    let server = TestServer::new();
    server.publish().await;
    let to = server.dir.path().join("demo");
    let exported = export::export(&server.data_dir, &to).await.unwrap();
    assert_eq!((exported.courses, exported.stories), (1, 0));
    let text = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
    let served: Value = server.get("/api/courses/how-rivers-work", "").await.ok();
    assert_eq!(
        serde_json::from_str::<Value>(&text("courses/how-rivers-work.json")).unwrap(),
        served
    );
    let list: Value = serde_json::from_str(&text("courses.json")).unwrap();
    assert_eq!((list["total"].as_u64(), list["items"].as_array().unwrap().len()), (Some(1), 1));
    assert_eq!(serde_json::from_str::<Value>(&text("stories.json")).unwrap()["items"], json!([]));
    let meta: Value = serde_json::from_str(&text("meta.json")).unwrap();
    let signed: SignedManifest =
        serde_json::from_str(&text("courses/how-rivers-work/manifest.json")).unwrap();
    let manifest = signed.verify(meta["signingKey"].as_str()).unwrap();
    assert_eq!(manifest.blobs.len() as u64, exported.blobs);
    for blob in &manifest.blobs {
        let hex = blob.hash.to_hex();
        let bytes = std::fs::read(to.join("blobs").join(&hex[..2]).join(&hex)).unwrap();
        assert_eq!(carrel_model::BlobHash::of(&bytes), blob.hash);
    }
    // An export can replace an exported library, but no other folder.
    export::export(&server.data_dir, &to).await.unwrap();
    let other = server.dir.path().join("package");
    assert!(
        export::export(&server.data_dir, &other)
            .await
            .unwrap_err()
            .to_string()
            .contains("neither empty")
    );
}

/// Imports real stories, if they are available.
#[tokio::test]
async fn global_storybooks_import() {
    let root = std::env::var("CARREL_CONTENT").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/content"),
        std::path::PathBuf::from,
    );
    let books = root.join("african-storybook");
    if !books.join("text").is_dir() {
        eprintln!("skipped: no Storybooks folder (set CARREL_CONTENT)");
        return;
    }
    // To keep the test short, only one book is copied, with its text in all languages and its images.
    let server = TestServer::new();
    let books_copy = server.dir.path().join("books");
    for (from, number) in [("text", "0001"), ("images", "0001")] {
        let (from, to) = (books.join(from).join(number), books_copy.join(from).join(number));
        if from.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            for file in files(&from) {
                std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let report = server.data_dir.import(&[books_copy]).await.unwrap();
    assert!(
        report.is_ok(),
        "{:#?}",
        report.packages.iter().filter(|p| p.outcome.is_none()).collect::<Vec<_>>()
    );
    let list: Value = server.get("/api/stories", "").await.ok();
    assert_eq!(list["total"].as_u64(), Some(report.packages.len() as u64));
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        .map(|e| e.into_path())
        .collect()
}

#[tokio::test]
async fn a_failing_package_does_not_block_the_others() {
    let server = TestServer::new();
    let library = server.dir.path().join("library");
    let story = |id: &str| {
        format!(
            r#"{{"format":"carrel-story/1","id":"{id}","title":"A Story","lang":"en","level":2,"license":"CC0-1.0"}}"#
        )
    };
    let put_story = |folder: &str, id: &str| {
        std::fs::create_dir_all(library.join(folder)).unwrap();
        std::fs::write(library.join(folder).join("story.json"), story(id)).unwrap();
        std::fs::write(library.join(folder).join("story.md"), "# A Story\n\n##\n\nIt rains.\n")
            .unwrap();
    };
    server.publish().await;
    // A story with the id of the course is between two valid ones; truncated course files are in the same folder.
    put_story("a-first", "first-story");
    put_story("b-taken", "how-rivers-work");
    put_story("c-broken", "No Id");
    put_story("d-last", "last-story");
    std::fs::write(library.join("school.carrel"), b"CARREL").unwrap();
    std::fs::write(library.join("empty.carrel"), b"").unwrap();
    let missing = server.dir.path().join("nowhere");
    let not_a_zip = server.dir.path().join("broken.zip");
    std::fs::write(&not_a_zip, b"PK\x03\x04 and no more").unwrap();
    let only_files = server.dir.path().join("usb");
    std::fs::create_dir_all(&only_files).unwrap();
    std::fs::write(only_files.join("x.carrel"), b"x").unwrap();
    let paths = [missing, not_a_zip, library.clone(), only_files];
    let report = server.data_dir.import(&paths).await.unwrap();
    let lines: Vec<_> = report
        .packages
        .iter()
        .map(|p| {
            let name = p.name.rsplit('/').next().unwrap().to_owned();
            (name, p.outcome.is_some(), p.problems.first().map_or("", |p| p.code))
        })
        .collect();
    let expected = [
        ("nowhere", false, "not-found"),
        ("broken.zip", false, "zip-broken"),
        ("empty.carrel", false, "bundle-file"),
        ("school.carrel", false, "bundle-file"),
        ("a-first", true, ""),
        ("b-taken", false, "refused"),
        ("c-broken", false, "id"),
        ("d-last", true, ""),
        ("x.carrel", false, "bundle-file"),
    ];
    for (line, (name, valid, code)) in lines.iter().zip(expected) {
        assert_eq!((line.0.as_str(), line.1), (name, valid), "{lines:?}");
        if !["id", "zip-broken"].contains(&code) {
            assert_eq!(line.2, code, "{lines:?}");
        }
    }
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    // Importing the same folder again: published packages are unchanged, the others are reported again.
    let again = server.data_dir.import(&[library]).await.unwrap();
    assert_eq!(again.failed(), report.failed() - 3);
    let unchanged = again.packages.iter().filter_map(|p| p.outcome.as_ref());
    assert!(unchanged.into_iter().all(|o| !o.changed));
}

/// A school moves to the other engine and back: every table is equal, and no device has to send its rows again.
#[tokio::test]
async fn a_moved_server_is_equal_and_keeps_its_epoch() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let rows: Vec<Value> = (0..50).map(|n| progress(&format!("c/l/s{n}"), n * 10)).collect();
    let pushed: Value = server.push(&noor.access_token, &rows).await.ok();
    assert!(codes(&pushed).iter().all(|code| code == "ok"));
    let enrol = "/api/courses/how-rivers-work/enrolment";
    server.post(enrol, &noor.access_token, &json!({})).await.ok::<Value>();
    let epoch: Value = server.get("/api/sync/epoch", &noor.access_token).await.ok();
    let before = server.pull(&noor.access_token, 0).await;
    let TestServer { dir, clock, data_dir, router } = server;
    drop((data_dir, router));

    let other: std::sync::Arc<dyn carrel_server::store::Engine> =
        std::sync::Arc::new(carrel_server::store::sqlite::SqliteEngine);
    let at = |name: &str, engine: Option<&std::sync::Arc<dyn carrel_server::store::Engine>>| {
        let base = config(dir.path().join(name));
        let engine = engine.cloned().unwrap_or(base.engine);
        Config { engine, clock: std::sync::Arc::clone(&clock) as _, ..base }
    };
    let moved = relocate::relocate(&at("data", None), &at("moved", Some(&other))).unwrap();
    assert!(moved.rows > 60 && moved.tables > 30, "{moved:?}");
    let back = relocate::relocate(&at("moved", Some(&other)), &at("back", None)).unwrap();
    assert_eq!(back, moved);
    // The old folders are refused, so that no work is stored where nobody looks for it.
    for (name, engine) in [("data", None), ("moved", Some(&other))] {
        let refused = DataDir::open(at(name, engine)).err().unwrap().to_string();
        assert!(refused.contains("was moved to"), "{refused}");
    }
    let data_dir = DataDir::open(at("back", None)).unwrap();
    let router = carrel_server::http::app(data_dir.app().unwrap());
    let server = TestServer { dir, clock, data_dir, router };
    let now: Value = server.get("/api/sync/epoch", &noor.access_token).await.ok();
    assert_eq!(now, epoch);
    assert_eq!(server.pull(&noor.access_token, 0).await, before);
    let found: Value = server.get("/api/search?q=wander", &noor.access_token).await.ok();
    assert!(found.to_string().contains("how-rivers-work"), "{found}");
    let (hash, _) = server.blob_of_type("audio/wav").await;
    assert_eq!(server.get(&format!("/api/blobs/{hash}"), "").await.status.as_u16(), 200);
    let pushed: Value = server.push(&noor.access_token, &[progress("c/l/s51", 5)]).await.ok();
    assert_eq!(codes(&pushed), ["ok"]);
}
