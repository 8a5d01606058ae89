//! After the deletion of a learner, no table and no file of the data folder has a name, an address or a text of the
//! learner.

use std::path::Path;

use axum::http::{Method, StatusCode};
use carrel_people::permissions::Rank;
use carrel_server::Settings;
use carrel_sqlite::{open_immutable, rusqlite::types::ValueRef};
use carrel_store::{StoreError, personal, sqlite::FILE};
use serde_json::{Value, json};

use super::{
    mail,
    smtp_server::SmtpServer,
    support::{NOW, TestServer, codes, device, fixture, progress},
};

/// In each name, address and text of the learner; in lower case.
const MARKER: &str = "kanarek";
/// Tables in which the id of a deleted account stays, so that its devices are refused, and in which the audit log says
/// that it existed (docs/OPERATIONS.md).
const MAY_HAVE_THE_ID: [&str; 2] = ["deleted_account", "audit"];

fn has_marker(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).to_lowercase().contains(MARKER)
}

/// Returns table, column and value of each cell with the marker, or with the id.
fn cells(database: &Path, id: &[u8]) -> Vec<String> {
    let conn = open_immutable(database).unwrap();
    let list = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut stmt = conn.prepare(list).unwrap();
    let tables = stmt.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut found = Vec::new();
    for table in tables.map(Result::unwrap) {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let mut stmt = conn.prepare(&columns).unwrap();
        let columns = stmt.query_map([], |row| row.get::<_, String>(0)).unwrap();
        for column in columns.map(Result::unwrap) {
            let mut stmt = conn.prepare(&format!("SELECT \"{column}\" FROM \"{table}\"")).unwrap();
            let mut rows = stmt.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let bytes = match row.get_ref(0).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                    _ => continue,
                };
                let has_id = bytes.windows(id.len()).any(|part| part == id);
                let may_have_it = MAY_HAVE_THE_ID.contains(&table.as_str());
                if has_marker(bytes) || (has_id && !may_have_it) {
                    found.push(format!("{table}.{column}: {}", String::from_utf8_lossy(bytes)));
                }
            }
        }
    }
    found
}

/// Returns the files with the marker, except those of the database.
fn files(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|e| e.file_type().is_file());
    let others = files.filter(|e| !e.file_name().to_string_lossy().starts_with(FILE));
    others
        .filter(|e| {
            let name = e.path().to_string_lossy().into_owned();
            has_marker(name.as_bytes()) || has_marker(&std::fs::read(e.path()).unwrap())
        })
        .map(|e| e.path().strip_prefix(folder).unwrap().display().to_string())
        .collect()
}

#[tokio::test]
async fn nothing_of_a_deleted_learner_is_left_in_any_table_or_file() {
    let smtp = SmtpServer::start(None).await;
    let server = TestServer::with(Settings { route_limits: false, ..mail::settings(&smtp) });
    let ada = server.staff("ada", Rank::Administrator).await;
    let learner = server.learner("kanarek").await;
    let other = server.learner("amin").await;
    // Lists: one that names the learner, one that renames, one with an error in the learner's row.
    let lists = [
        "login,name,email,class\nkanarek,Kanarek One,kanarek@x.example,5A\namin,Amin,,5A\n",
        "login,name,class\nkanarek,Kanarek Two,5A\n",
        "login,name,role\nkanarek,Kanarek Two,kanarek-role\n",
    ];
    for list in lists {
        server.import_over_http("apply=true&name=5A.csv", &ada.token, list).await;
    }
    let uri = format!("/api/v1/admin/people/{}", learner.user.id);
    let change = json!({"email": "kanarek@y.example"});
    server.call(Method::PATCH, &uri, &ada.token, Some(&change)).await.ok::<Value>();
    // Work of the kinds that have texts, and of others.
    let stamp = "01a0000000000000";
    let rows = [
        progress("how-rivers-work/meanders/read", 10_000),
        json!({"type": "session", "id": device(1), "item": "how-rivers-work/meanders/read", "device": device(1),
            "startedMs": NOW - 600_000, "day": "2026-09-22", "activeMs": 60_000}),
        json!({"type": "kv", "ns": "setting", "key": "kanarek-key", "value": "\"kanarek value\"", "hlc": stamp,
            "device": device(1)}),
        json!({"type": "note_revision", "rev": device(7), "note": device(8), "hlc": stamp,
            "item": "how-rivers-work/meanders/read", "body": "kanarek note"}),
        json!({"type": "review", "id": device(9), "word": "story/kanarek-word", "rating": 3,
            "atMs": NOW - 60_000, "durationMs": 2_000}),
    ];
    let pushed: Value = server.push(&learner.access_token, &rows).await.ok();
    assert_eq!(codes(&pushed), ["ok"; 5]);
    server.push(&other.access_token, &[progress("a/b/c", 5_000)]).await.ok::<Value>();
    // A message that waits, figures, and exports of staff.
    server.post("/api/auth/reset", "", &json!({"login": "kanarek"})).await;
    let tasks = &server.data_dir.tasks;
    tasks.close();
    tasks.wait().await;
    tasks.reopen();
    server.data_dir.store.refresh_analytics().await.unwrap();
    let classes: Value = server.get("/api/v1/admin/classes", &ada.token).await.ok();
    for kind in ["class", "devices"] {
        let request = json!({"kind": kind, "class": classes[0]["id"]});
        let started = server.post("/api/exports", &ada.token, &request).await;
        assert_eq!(started.status, StatusCode::ACCEPTED);
        let id = started.json::<Value>()["id"].as_str().unwrap().parse().unwrap();
        let clock = std::sync::Arc::clone(&server.data_dir.config.clock);
        server.data_dir.store.run_export(id, &clock).await.unwrap();
    }
    server.sign_in_status("kanarek", "a wrong password").await;

    // The export of the learner has each row about the learner, and no secret; others cannot read it.
    let report = json!({"appVersion": "1.0.0", "platform": "linux", "waiting": 0, "refused": 0});
    let reported =
        server.call(Method::PUT, "/api/me/device", &learner.access_token, Some(&report)).await;
    assert_eq!(reported.status, StatusCode::NO_CONTENT);
    let finished = async |path: &str, token: &str| -> Value {
        let started = server.post(path, token, &json!({})).await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{started:?}");
        let id = started.json::<Value>()["id"].as_str().unwrap().to_owned();
        let clock = std::sync::Arc::clone(&server.data_dir.config.clock);
        server.data_dir.store.run_export(id.parse().unwrap(), &clock).await.unwrap();
        let file = format!("/api/exports/{id}/file");
        let foreign = server.get(&file, &other.access_token).await;
        assert_eq!(foreign.status, StatusCode::NOT_FOUND);
        server.get(&file, token).await.ok()
    };
    let own = finished("/api/me/export", &learner.access_token).await;
    let exported = finished(&format!("{uri}/export"), &ada.token).await;
    for section in [
        "account",
        "person",
        "membership",
        "class",
        "signIns",
        "deviceReports",
        "messages",
        "auditAbout",
    ] {
        assert!(
            !exported[section].as_array().unwrap().is_empty(),
            "nothing in {section}: {exported}"
        );
    }
    assert_eq!(exported["account"][0]["login"], "kanarek");
    assert_eq!(exported["person"][0]["email"], "kanarek@y.example");
    let text = exported.to_string();
    for part in ["kanarek value", "kanarek note", "kanarek-word", "how-rivers-work/meanders/read"] {
        assert!(text.contains(part), "the export lacks {part}");
    }
    assert!(!text.contains("argon2"), "the export has the hash of the password");
    assert_eq!(exported["rows"], own["rows"]);
    let pulled = server.pull(&learner.access_token, 0).await;
    let rows: Vec<&Value> = pulled["rows"].as_array().unwrap().iter().map(|r| &r["row"]).collect();
    assert_eq!(exported["rows"].as_array().unwrap().iter().collect::<Vec<_>>(), rows);

    let id = learner.user.id.0;
    let before = server.back_up("before");
    let tables = |found: &[String]| -> std::collections::BTreeSet<String> {
        found.iter().filter_map(|cell| Some(cell.split_once('.')?.0.to_owned())).collect()
    };
    let named = tables(&cells(&before.join(FILE), id.as_bytes()));
    for table in
        ["account", "kv", "note_revision", "review", "mail", "roster_change", "roster_report"]
    {
        assert!(named.contains(table), "the test has no data of the learner in {table}: {named:?}");
    }

    let deleted = server.call(Method::DELETE, &uri, &ada.token, None).await;
    let receipt: Value = deleted.ok();
    let count = |name: &str| receipt["deleted"][name].as_u64().unwrap_or_default();
    assert_eq!((count("kv"), count("note_revision"), count("review")), (1, 1, 1), "{receipt}");
    for section in ["account", "person", "membership", "signIns", "deviceReports", "messages"] {
        let exported = exported[section].as_array().unwrap().len() as u64;
        assert_eq!(count(section), exported, "{section}: {receipt}");
    }
    let audit: Value = server.get("/api/v1/admin/audit", &ada.token).await.ok();
    assert!(audit.to_string().contains("person.delete"));
    let after = server.back_up("after");
    let left = cells(&after.join(FILE), id.as_bytes());
    assert!(left.is_empty(), "{left:#?}");
    let left = files(&server.folder());
    assert!(left.is_empty(), "{left:#?}");
    // What others have is as before.
    assert_eq!(server.pull(&other.access_token, 0).await["rows"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_table_has_a_decision_about_exports_of_a_person() {
    let server = TestServer::with(Settings { registration_open: true, ..Settings::default() });
    let learner = server.learner("noor").await;
    let tables = fixture().tables(&server.folder());
    assert!(tables.len() > 40, "{tables:?}");
    let undecided = personal::undecided(tables.iter().map(String::as_str));
    assert!(
        undecided.is_empty(),
        "tables without an entry in `carrel_store::personal`: {undecided:?}"
    );
    let id = learner.user.id;
    let read = server.data_dir.store.read("test", move |tx| {
        let rows = personal::sections().map(|section| tx.section_rows(section, id));
        Ok::<_, StoreError>((rows.collect::<Result<Vec<_>, _>>()?, tx.count_personal(id)?))
    });
    let (rows, counts) = read.await.unwrap();
    let listed: u64 = rows.iter().map(|rows| rows.len() as u64).sum();
    assert_eq!(counts.values().sum::<u64>(), listed, "{counts:?}");
    assert_eq!(counts["account"], 1);
}
