//! Checks of the stored data: what is found, what is corrected, and who reads the reports.

use carrel_people::permissions::Rank;
use carrel_server::{domain::maintenance::IndexFault, jobs::JobRunner};
use serde_json::{Value, json};

use super::support::{NOW, TestServer, device, engine, fixture, progress};

/// Tables with few rows, which need no index for the references to their account.
const SMALL: [&str; 2] = ["adopted_account", "external_code"];
const URI: &str = "/api/v1/admin/maintenance";

/// Returns the entry of a table in a part of a report.
fn of<'a>(report: &'a Value, part: &str, table: &str) -> &'a Value {
    report[part].as_array().unwrap().iter().find(|entry| entry["table"] == table).unwrap()
}

#[tokio::test]
async fn rows_without_an_account_are_deleted_and_values_out_of_range_corrected() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    let ada = server.staff("ada", Rank::Administrator).await;
    let none: Value = server.get(URI, &ada.token).await.ok();
    assert_eq!(none, json!({}));
    server.push(&noor.access_token, &[progress("a/b/c", 4_000), progress("a/b/d", 1)]).await;
    server.push(&amin.access_token, &[progress("a/b/c", 1)]).await;
    let folder = server.folder();
    fixture().execute(&folder, "UPDATE progress SET percent = 20000 WHERE percent = 4000");
    fixture().execute(&folder, "DELETE FROM account WHERE login = 'amin'");

    let report = server.data_dir.store.check_rows(NOW).await.unwrap();
    assert_eq!(
        report.summary(),
        "1 rows without an account (1 deleted), 1 values out of range (1 corrected)"
    );
    let reports: Value = server.get(URI, &ada.token).await.ok();
    let rows = &reports["rows"];
    assert_eq!(rows["checkedMs"], NOW);
    let expected = json!({"table": "progress", "found": 1, "deleted": 1});
    assert_eq!(of(rows, "orphans", "progress"), &expected);
    assert_eq!(
        of(rows, "orphans", "review"),
        &json!({"table": "review", "found": 0, "deleted": 0})
    );
    let percent = of(rows, "values", "progress");
    assert_eq!((&percent["found"], &percent["corrected"]), (&json!(1), &json!(1)));
    assert_eq!((&percent["min"], &percent["max"]), (&json!(0), &json!(10_000)));
    // Devices pull the corrected value; the learner's other rows are as before.
    let pulled = server.pull(&noor.access_token, 2).await;
    assert_eq!(pulled["rows"].as_array().unwrap().len(), 1);
    assert_eq!(pulled["rows"][0]["row"]["percent"], 10_000);
    assert_eq!(fixture().count(&folder, "progress"), 2);
    // The next check finds nothing.
    let again = server.data_dir.store.check_rows(NOW).await.unwrap();
    assert!(again.orphans.iter().all(|count| count.found == 0), "{again:?}");
    assert!(again.values.iter().all(|count| count.found == 0), "{again:?}");
}

#[tokio::test]
async fn rows_of_many_missing_accounts_are_reported_and_kept() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let rows: Vec<Value> = (0..1_001).map(|n| progress(&format!("a/b/c{n}"), 1)).collect();
    server.push(&noor.access_token, &rows).await.ok::<Value>();
    fixture().execute(&server.folder(), "DELETE FROM account WHERE login = 'noor'");
    let report = server.data_dir.store.check_rows(NOW).await.unwrap();
    let progress = report.orphans.iter().find(|count| count.table == "progress").unwrap();
    assert_eq!((progress.found, progress.deleted), (1_001, 0));
    assert_eq!(fixture().count(&server.folder(), "progress"), 1_001);
}

#[tokio::test]
async fn a_value_that_devices_have_too_is_reported_and_kept() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let session = json!({"type": "session", "id": device(5), "item": "a/b/c",
        "device": device(1), "startedMs": NOW - 1_000, "day": "2026-09-21",
        "offMin": 120, "activeMs": 1_000});
    server.push(&noor.access_token, &[session]).await.ok::<Value>();
    fixture().execute(&server.folder(), "UPDATE study_session SET active_ms = -5");
    let report = server.data_dir.store.check_rows(NOW).await.unwrap();
    let found = report.values.iter().find(|count| count.table == "study_session").unwrap();
    assert_eq!((found.found, found.corrected), (1, 0));
}

#[tokio::test]
async fn the_indices_are_reviewed_and_only_operators_read_it() {
    let server = TestServer::new();
    let folder = server.folder();
    let ada = server.staff("ada", Rank::Administrator).await;
    let olga = server.staff("olga", Rank::Operator).await;
    let report = server.data_dir.store.check_indices(NOW).await.unwrap();
    assert!(report.tables > 20 && report.indices > 20 && report.bytes > 0, "{report:?}");
    assert_eq!(report.file_faults, [""; 0]);
    // The schema itself has no index that another one replaces, and each large table has the indices that it needs.
    for finding in &report.findings {
        let is_small = SMALL.contains(&finding.table.as_str());
        assert!(finding.fault == IndexFault::Missing && is_small, "{finding:?}");
    }
    fixture().execute(&folder, "CREATE INDEX superfluous ON job (name)");
    server.data_dir.store.check_indices(NOW).await.unwrap();
    let reports: Value = server.get(URI, &olga.token).await.ok();
    let findings = reports["indices"]["findings"].as_array().unwrap();
    let expected = match engine().name() {
        // Its key begins with the tenant.
        "postgres" => vec![],
        _ => vec!["superfluous"],
    };
    let duplicates = findings.iter().filter(|f| f["fault"] == "duplicate");
    let names: Vec<&str> = duplicates.map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, expected);
    let reports: Value = server.get(URI, &ada.token).await.ok();
    assert_eq!(reports.get("indices"), None);
}

#[tokio::test]
async fn each_kind_of_expired_rows_is_counted() {
    let server = TestServer::new();
    server.learner("noor").await;
    let year = 366 * 24 * 3_600_000;
    server.data_dir.store.purge_all(NOW + year, 1).await.unwrap();
    let store = &server.data_dir.store;
    let retention = store.maintenance_reports(Rank::Administrator).await.unwrap().retention;
    let retention = retention.unwrap();
    let of = |kind: &str| retention.kinds.iter().find(|found| found.kind == kind).unwrap();
    assert_eq!(of("signIns").deleted, 1);
    assert_eq!((of("uploads").deleted, of("uploads").kept_ms), (0, Some(30 * 24 * 3_600_000)));
    assert_eq!(retention.kinds.len(), 9);
}

#[tokio::test]
async fn the_checks_are_jobs() {
    let server = TestServer::new();
    let data = std::sync::Arc::new(server.data_dir.clone());
    let runner = JobRunner::new(data);
    for (name, expected) in [
        ("check-rows", "0 rows without an account"),
        ("check-indices", "0 faults of files"),
        ("check-analytics", "0 learners checked, figures of 0 were wrong"),
    ] {
        let done = runner.run_named(name).await.unwrap().result.unwrap();
        assert!(done.contains(expected), "{done}");
    }
}
