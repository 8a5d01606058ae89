//! Files of other programs are published as courses, with a report of what became of their items.

use carrel_import::Level;
use carrel_model::Slug;
use carrel_server::import::{self, ImportOptions};
use serde_json::Value;

use super::support::TestServer;

const GIFT: &str = "::Capital::What is the capital of France? {=Paris ~London}\n\n::Pi::Pi? {#3.14:0.01}\n\nBad {=x\n";

fn licensed() -> ImportOptions {
    let license = Some("CC-BY-4.0".to_owned());
    let foreign = carrel_import::Options { license, ..carrel_import::Options::default() };
    ImportOptions { foreign, ..ImportOptions::default() }
}

#[tokio::test]
async fn a_question_file_is_published_with_its_report() {
    let server = TestServer::new();
    let file = server.dir.path().join("capitals.gift");
    std::fs::write(&file, GIFT).unwrap();
    let report =
        server.data_dir.import_with(std::slice::from_ref(&file), &licensed()).await.unwrap();
    let package = &report.packages[0];
    assert!(report.is_ok(), "{package:#?}");
    let source = package.source.as_ref().unwrap();
    let levels: Vec<Level> = source.items.iter().map(|item| item.level).collect();
    assert_eq!(levels, [Level::Exact, Level::Exact, Level::Refused]);
    let list: Value = server.get("/api/courses", "").await.ok();
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["items"][0]["title"], "capitals");
    // The published report is the printed one.
    let stored = server.data_dir.source_report(&Slug::new(&id).unwrap()).await.unwrap();
    assert_eq!(stored.to_json(), source.to_json());
    // The same file again is the same version.
    let again =
        server.data_dir.import_with(std::slice::from_ref(&file), &licensed()).await.unwrap();
    assert!(!again.packages[0].outcome.as_ref().unwrap().changed);
    // A newer file is a new version of the same course.
    std::fs::write(&file, GIFT.replace("Bad {=x", "Good {=x}")).unwrap();
    let newer = server.data_dir.import_with(&[file], &licensed()).await.unwrap();
    let outcome = newer.packages[0].outcome.as_ref().unwrap();
    assert!(outcome.changed && outcome.id.as_str() == id);
    let missing = server.data_dir.source_report(&Slug::new("no-such-course").unwrap()).await;
    assert!(missing.unwrap_err().to_string().contains("no published course"));
}

#[tokio::test]
async fn a_file_without_a_licence_is_checked_but_not_published() {
    let server = TestServer::new();
    let file = server.dir.path().join("capitals.gift");
    std::fs::write(&file, GIFT).unwrap();
    let checked = import::check(std::slice::from_ref(&file)).await.unwrap();
    assert!(checked.is_ok());
    let refused = server.data_dir.import(&[file]).await.unwrap();
    assert_eq!(refused.packages[0].problems[0].code, "license-unknown");
    let list: Value = server.get("/api/courses", "").await.ok();
    assert_eq!(list["total"].as_u64(), Some(0));
}

#[tokio::test]
async fn files_in_a_folder_are_found_and_a_broken_one_does_not_block_the_others() {
    let server = TestServer::new();
    let folder = server.dir.path().join("files");
    std::fs::create_dir_all(folder.join("more")).unwrap();
    super::support::write_course(&folder.join("rivers"));
    std::fs::write(folder.join("rivers/own.gift"), GIFT).unwrap();
    std::fs::write(folder.join("a.gift"), GIFT).unwrap();
    std::fs::write(folder.join("more/b.gift"), "only text }\n").unwrap();
    std::fs::write(folder.join("more/notes.txt"), "Why? {because}\n").unwrap();
    let report = import::check(std::slice::from_ref(&folder)).await.unwrap();
    let mut found: Vec<(String, bool)> = report
        .packages
        .iter()
        .map(|p| (p.name.rsplit('/').next().unwrap().to_owned(), p.outcome.is_some()))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [("a.gift".to_owned(), true), ("b.gift".to_owned(), false), ("rivers".to_owned(), true)]
    );
    let only = import::check(&[folder.join("more")]).await.unwrap();
    assert_eq!((only.packages.len(), only.failed()), (1, 1));
}
