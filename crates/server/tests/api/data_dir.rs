//! Import, backup, restore, export.

use std::path::Path;

use carrel_model::content::SignedManifest;
use carrel_server::{Config, DataDir, Server, backup, export, import, restore};
use serde_json::{Value, json};

use super::support::{NOW, World, codes, config, engine, progress, write_course};

fn restored(from: &Path, to: &Path, replace: bool) -> Result<String, carrel_server::Error> {
    let options = restore::Options { replace, ..restore::Options::default() };
    restore::restore(engine(), from, to, options, NOW)
}

#[tokio::test]
async fn an_invalid_package_lists_all_its_problems_and_changes_nothing() {
    let w = World::new();
    let (bad, good) = (w.dir.path().join("lib/bad"), w.dir.path().join("lib/good"));
    write_course(&bad);
    write_course(&good);
    let course = std::fs::read_to_string(bad.join("course.json")).unwrap();
    let course = course
        .replace("how-rivers-work", "bad-rivers")
        .replace("INTERMEDIATE", "HARD")
        .replace("check.json", "gone.json");
    std::fs::write(bad.join("course.json"), course).unwrap();
    std::fs::write(bad.join("read.md"), "![Rain](nowhere.mp3)\n").unwrap();
    let report =
        w.data_dir.import(&[w.dir.path().join("lib"), w.dir.path().join("nothing")]).await.unwrap();
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
    let list: Value = w.get("/api/courses", "").await.ok();
    assert_eq!(
        (list["total"].as_u64(), &list["items"][0]["id"]),
        (Some(1), &json!("how-rivers-work"))
    );
    let checked = import::check(&[bad]).await.unwrap();
    assert_eq!(checked.failed(), 1);
}

#[tokio::test]
async fn a_new_version_replaces_the_old_one_completely() {
    let w = World::new();
    w.publish().await;
    let old: Value = w.get("/api/courses/how-rivers-work", "").await.ok();
    let package = w.dir.path().join("package");
    std::fs::write(package.join("read.md"), "# Bends\n\nQuite another text about estuaries.\n")
        .unwrap();
    assert!(w.data_dir.import(&[package]).await.unwrap().is_ok());
    let new: Value = w.get("/api/courses/how-rivers-work", "").await.ok();
    assert_ne!(old["version"], new["version"]);
    for (q, total) in [("estuaries", 1), ("meandres", 0)] {
        let found: Value = w.get(&format!("/api/search?q={q}"), "").await.ok();
        assert_eq!(found["total"], total, "{q}");
    }
    // A client that reads the old version can still load its blobs.
    let body = old["outline"]["lessons"][0]["sections"][0]["body"].as_str().unwrap();
    assert_eq!(w.get(&format!("/api/blobs/{body}"), "").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_restored_backup_has_a_new_epoch() {
    let w = World::new();
    w.publish().await;
    let noor = w.learner("noor").await;
    let pushed: Value =
        w.push(&noor.access_token, &[progress("how-rivers-work/meanders/read", 5000)]).await.ok();
    let to = w.dir.path().join("backup");
    let facts = backup::backup(engine(), &w.folder(), &to, NOW).unwrap();
    assert!(facts.blobs > 3 && facts.blob_bytes > 0);
    assert!(
        backup::backup(engine(), &w.folder(), &to, NOW).unwrap_err().to_string().contains("exists")
    );
    // Work that is missing from the backup.
    w.push(&noor.access_token, &[progress("how-rivers-work/meanders/check", 7000)])
        .await
        .ok::<Value>();

    let data = w.dir.path().join("restored");
    let epoch = restored(&to, &data, false).unwrap();
    assert_ne!(pushed["epoch"], json!(epoch));
    let refused = restored(&to, &data, false).unwrap_err().to_string();
    assert!(refused.contains("--replace"), "{refused}");
    assert_ne!(restored(&to, &data, true).unwrap(), epoch);
    assert!(data.join(format!("replaced-{NOW}")).join(engine().file()).exists());

    let restored = Config { clock: std::sync::Arc::clone(&w.clock) as _, ..config(&data) };
    let data_dir = DataDir::open(restored).unwrap();
    let old = World { router: carrel_server::http::app(data_dir.app().unwrap()), data_dir, ..w };
    // Signing key, sign-in and blobs are the same.
    let rows = old.pull(&noor.access_token, 0).await;
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
    assert_ne!(rows["epoch"], pushed["epoch"]);
    let (hash, _) = old.blob_of_type("audio/wav").await;
    assert_eq!(old.get(&format!("/api/blobs/{hash}"), "").await.status.as_u16(), 200);
    // The device sends all its rows: nothing is lost, nothing is counted twice.
    let all = [
        progress("how-rivers-work/meanders/read", 5000),
        progress("how-rivers-work/meanders/check", 7000),
    ];
    let healed: Value = old.push(&noor.access_token, &all).await.ok();
    assert_eq!((codes(&healed), healed["usn"].as_u64()), (vec!["ok".to_owned(); 2], Some(2)));
}

#[tokio::test]
async fn damaged_backups_and_running_servers_are_refused() {
    let w = World::new();
    w.publish().await;
    let to = w.dir.path().join("backup");
    backup::backup(engine(), &w.folder(), &to, NOW).unwrap();
    let running = Server::start(config(w.dir.path().join("other"))).await.unwrap();
    let refused = restored(&to, &w.dir.path().join("other"), true).unwrap_err().to_string();
    assert!(refused.contains("a server is running"), "{refused}");
    let second =
        Server::start(config(w.dir.path().join("other"))).await.err().map(|e| e.to_string());
    assert!(second.is_some_and(|e| e.contains("a server is running")));
    running.shutdown().await;

    let blob = files(&to.join("blobs")).into_iter().next().unwrap();
    std::fs::remove_file(&blob).unwrap();
    assert!(restored(&to, &w.dir.path().join("new"), false).is_err());
    std::fs::write(&blob, "other bytes").unwrap();
    let damaged = restored(&to, &w.dir.path().join("new"), false).unwrap_err().to_string();
    assert!(damaged.contains("damaged"), "{damaged}");
    assert!(!w.dir.path().join("new").join(engine().file()).exists());
}

#[tokio::test]
async fn an_exported_library_matches_the_server() {
    let w = World::new();
    w.publish().await;
    let to = w.dir.path().join("demo");
    let done = export::export(&w.data_dir, &to).await.unwrap();
    assert_eq!((done.courses, done.stories), (1, 0));
    let text = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
    let served: Value = w.get("/api/courses/how-rivers-work", "").await.ok();
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
    assert_eq!(manifest.blobs.len() as u64, done.blobs);
    for blob in &manifest.blobs {
        let hex = blob.hash.to_hex();
        let bytes = std::fs::read(to.join("blobs").join(&hex[..2]).join(&hex)).unwrap();
        assert_eq!(carrel_model::BlobHash::of(&bytes), blob.hash);
    }
    // An export can replace an exported library, but no other folder.
    export::export(&w.data_dir, &to).await.unwrap();
    let other = w.dir.path().join("package");
    assert!(
        export::export(&w.data_dir, &other).await.unwrap_err().to_string().contains("not empty")
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
    // One book in all its languages keeps the test short; its text and images are copied.
    let w = World::new();
    let few = w.dir.path().join("books");
    for (from, number) in [("text", "0001"), ("images", "0001")] {
        let (from, to) = (books.join(from).join(number), few.join(from).join(number));
        if from.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            for file in files(&from) {
                std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let report = w.data_dir.import(&[few]).await.unwrap();
    assert!(
        report.is_ok(),
        "{:#?}",
        report.packages.iter().filter(|p| p.outcome.is_none()).collect::<Vec<_>>()
    );
    let list: Value = w.get("/api/stories", "").await.ok();
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
    let w = World::new();
    let at = w.dir.path().join("library");
    let story = |id: &str| {
        format!(
            r#"{{"format":"carrel-story/1","id":"{id}","title":"A Story","lang":"en","level":2,"license":"CC0-1.0"}}"#
        )
    };
    let put_story = |folder: &str, id: &str| {
        std::fs::create_dir_all(at.join(folder)).unwrap();
        std::fs::write(at.join(folder).join("story.json"), story(id)).unwrap();
        std::fs::write(at.join(folder).join("story.md"), "# A Story\n\n##\n\nIt rains.\n").unwrap();
    };
    w.publish().await;
    // A story with the id of the course is between two valid ones; truncated course files are in the same folder.
    put_story("a-first", "first-story");
    put_story("b-taken", "how-rivers-work");
    put_story("c-broken", "No Id");
    put_story("d-last", "last-story");
    std::fs::write(at.join("school.carrel"), b"CARREL").unwrap();
    std::fs::write(at.join("empty.carrel"), b"").unwrap();
    let missing = w.dir.path().join("nowhere");
    let not_a_zip = w.dir.path().join("broken.zip");
    std::fs::write(&not_a_zip, b"PK\x03\x04 and no more").unwrap();
    let only_files = w.dir.path().join("usb");
    std::fs::create_dir_all(&only_files).unwrap();
    std::fs::write(only_files.join("x.carrel"), b"x").unwrap();
    let paths = [missing, not_a_zip, at.clone(), only_files];
    let report = w.data_dir.import(&paths).await.unwrap();
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
    for (line, (name, good, code)) in lines.iter().zip(expected) {
        assert_eq!((line.0.as_str(), line.1), (name, good), "{lines:?}");
        if !["id", "zip-broken"].contains(&code) {
            assert_eq!(line.2, code, "{lines:?}");
        }
    }
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    // Importing the same folder again: published packages are unchanged, the others are reported again.
    let again = w.data_dir.import(&[at]).await.unwrap();
    assert_eq!(again.failed(), report.failed() - 3);
    let unchanged = again.packages.iter().filter_map(|p| p.outcome.as_ref());
    assert!(unchanged.into_iter().all(|o| !o.changed));
}
