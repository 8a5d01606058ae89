//! Rosters on a server: import, sign-in of suspended people, undo, export, limits, the audit log.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    process::{Command, Output},
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use carrel_model::wire::Role;
use carrel_people::{
    permissions::{Caller, Rank},
    rosters::{AppliedRoster, ImportedBy},
};
use carrel_roster::{Approval, Options, Person, State, UNDO_MS};
use carrel_server::Settings;
use serde_json::{Value, json};

use super::support::{NOW, PASSWORD, Reply, TestServer, device, fixture};

const LIST: &str = "id,login,name,role,class\n\
                    1001,noor,Noor Khan,student,5A\n\
                    1002,peter,Peter Ito,student,5A; 5B\n\
                    2001,rossi,Tina Rossi,teacher,5A\n";

fn file(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn full() -> Options {
    Options { full: true, ..Options::default() }
}

impl TestServer {
    pub async fn import_roster(&self, text: &str, options: Options) -> AppliedRoster {
        let store = &self.data_dir.store;
        let comparison = store.compare_roster(file(text), options).await.unwrap();
        let verdict = comparison.summary.verdict(&Approval::default());
        let by = ImportedBy { by: Caller::COMMAND_LINE, name: "list.csv".to_owned() };
        store.apply_roster(&comparison, &verdict, by, NOW).await.unwrap()
    }
    async fn person(&self, login: &str) -> Person {
        let people = self.data_dir.store.people().await.unwrap();
        people.into_iter().find(|person| person.login == login).unwrap()
    }
    async fn exported(&self, classes: bool) -> String {
        let mut out = tempfile::tempfile().unwrap();
        self.data_dir.store.export_roster(out.try_clone().unwrap(), classes).await.unwrap();
        out.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    }
    async fn is_unchanged_by(&self, text: &str, options: Options) -> bool {
        let comparison = self.data_dir.store.compare_roster(file(text), options).await.unwrap();
        comparison.summary.is_unchanged() && comparison.summary.errors == 0
    }
    async fn status_of_sign_in(&self, login: &str) -> StatusCode {
        let body = json!({"login": login, "password": PASSWORD, "deviceId": device(5)});
        self.post("/api/auth/login", "", &body).await.status
    }
}

#[tokio::test]
async fn an_imported_list_and_its_export_change_nothing_afterwards() {
    let server = TestServer::new();
    server.learner("amin").await;
    let applied = server.import_roster(LIST, Options::default()).await;
    // Two classes, three people, four memberships.
    assert_eq!((applied.applied, applied.held), (9, 0), "{:?}", applied.conflicts);
    assert!(server.is_unchanged_by(LIST, full()).await);
    let (people, classes) = (server.exported(false).await, server.exported(true).await);
    assert_eq!(people.lines().count(), 5, "{people}");
    assert!(server.is_unchanged_by(&people, full()).await, "{people}");
    assert!(server.is_unchanged_by(&classes, Options::default()).await, "{classes}");
    // Another server has other ids.
    let other = TestServer::new();
    let comparison = other.data_dir.store.compare_roster(file(&people), full()).await.unwrap();
    assert_eq!((comparison.summary.other_tenant, comparison.summary.created_people), (4, 0));
}

#[tokio::test]
async fn suspended_people_cannot_sign_in_until_they_return() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    server.import_roster("login,class\nnoor,5A\n", Options::default()).await;
    assert_eq!(server.status_of_sign_in("noor").await, StatusCode::OK);
    server.import_roster("login,status\nnoor,suspended\n", Options::default()).await;
    assert_eq!(server.person("noor").await.state, State::Suspended);
    assert_eq!(server.status_of_sign_in("noor").await, StatusCode::UNAUTHORIZED);
    assert!(!server.accepts(&noor.access_token).await);
    assert_eq!(server.refresh(&noor.refresh_token).await.status, StatusCode::UNAUTHORIZED);
    server.import_roster("login\nnoor\n", Options::default()).await;
    assert_eq!(server.status_of_sign_in("noor").await, StatusCode::OK);
}

#[tokio::test]
async fn an_import_is_undone_within_thirty_days() {
    let server = TestServer::new();
    server.learner("noor").await;
    let store = &server.data_dir.store;
    let applied = server
        .import_roster("login,name,class\nnoor,Noor K,5A\nbo,Bo,5A\n", Options::default())
        .await;
    let late =
        store.undo_roster(applied.import, Caller::COMMAND_LINE, NOW + UNDO_MS).await.map(drop);
    assert!(late.unwrap_err().to_string().contains("import"));
    let undone = store.undo_roster(applied.import, Caller::COMMAND_LINE, NOW + 1).await.unwrap();
    assert!(undone.conflicts.is_empty(), "{:?}", undone.conflicts);
    assert_eq!(server.person("noor").await.name, "noor");
    assert_eq!(server.person("bo").await.state, State::Left);
    assert!(store.undo_roster(applied.import, Caller::COMMAND_LINE, NOW + 2).await.is_err());
    // The undoing is an import too.
    store.undo_roster(undone.import, Caller::COMMAND_LINE, NOW + 3).await.unwrap();
    assert_eq!(server.person("noor").await.name, "Noor K");
    assert_eq!(server.person("bo").await.state, State::Active);
}

#[tokio::test]
async fn a_change_of_somebody_else_meanwhile_is_not_overwritten() {
    let server = TestServer::new();
    server.learner("noor").await;
    let store = &server.data_dir.store;
    let comparison =
        store.compare_roster(file("login,name\nnoor,Noor A\n"), Options::default()).await.unwrap();
    server.import_roster("login,name\nnoor,Noor B\n", Options::default()).await;
    let verdict = comparison.summary.verdict(&Approval::default());
    let by = ImportedBy { by: Caller::COMMAND_LINE, name: "late.csv".to_owned() };
    let applied = store.apply_roster(&comparison, &verdict, by, NOW).await.unwrap();
    assert_eq!((applied.applied, applied.conflicts.len()), (0, 1));
    assert_eq!(server.person("noor").await.name, "Noor B");
}

#[tokio::test]
async fn every_change_has_a_line_in_the_audit_log() {
    let server = TestServer::new();
    let applied = server.import_roster(LIST, Options::default()).await;
    let lines = server.data_dir.store.audit(100).await.unwrap();
    assert_eq!(lines.len() as u64, applied.applied + 1);
    let noor = server.person("noor").await.id;
    let of_noor: Vec<&str> = lines
        .iter()
        .filter(|line| line.subject == Some(noor))
        .map(|line| line.action.as_str())
        .collect();
    assert_eq!(of_noor, ["membership.add", "person.create"]);
    assert_eq!(lines.last().map(|line| line.action.as_str()), Some("roster.import"));
}

fn command(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_carrel-server"))
        .arg("roster")
        .args(arguments)
        .arg("--data")
        .arg(data)
        .envs(fixture().variables(data))
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_shows_differences_applies_exports_and_undoes() {
    let server = TestServer::new();
    let folder = server.folder();
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list.csv");
    std::fs::write(&list, LIST).unwrap();
    let list = list.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(&folder, arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let (is_ok, text) = run(&["import", list]);
    assert!(is_ok && text.contains("line 2: new person noor \"Noor Khan\" Student"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert!(server.data_dir.store.people().await.unwrap().is_empty());
    let (is_ok, text) = run(&["import", list, "--apply"]);
    assert!(is_ok && text.contains("applied 9 changes as import 1; 0 are held"), "{text}");
    let export = dir.path().join("people.csv");
    let (is_ok, text) = run(&["export", export.to_str().unwrap()]);
    assert!(is_ok, "{text}");
    let (is_ok, text) = run(&["import", export.to_str().unwrap(), "--full", "--apply"]);
    assert!(is_ok && text.contains("3 unchanged"), "{text}");
    let (is_ok, text) = run(&["undo", "1"]);
    assert!(is_ok && text.contains("undid 9 changes"), "{text}");
    let bad = dir.path().join("bad.csv");
    std::fs::write(&bad, "login,role\nbo,boss\n").unwrap();
    let (is_ok, text) = run(&["import", bad.to_str().unwrap(), "--apply"]);
    assert!(!is_ok && text.contains("error: line 2, column \"role\", value \"boss\""), "{text}");
}

impl TestServer {
    /// Starts an import over HTTP and waits for its report.
    pub async fn import_over_http(&self, query: &str, token: &str, list: &str) -> Value {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/api/v1/admin/rosters?{query}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(list.to_owned()))
            .unwrap();
        let started = self.send(request).await;
        self.roster_report(&started, token).await
    }
    /// Waits for the report of an import that was started.
    async fn roster_report(&self, started: &Reply, token: &str) -> Value {
        assert_eq!(started.status, StatusCode::ACCEPTED);
        let uri = started.header("location").to_owned();
        loop {
            let report: Value = self.get(&uri, token).await.ok();
            if report["state"] != "running" {
                return report;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_import_is_undone_over_http_with_a_report() {
    let server = unlimited();
    let ada = server.staff("ada", Rank::Administrator).await;
    let list = "id,login,name,email\n7,bo,Bo,bo@home.example\n";
    server.import_over_http("apply=true&name=5A.csv", &ada.token, list).await;
    let change = "login,name,email\nbo,Bo Li,other@home.example\n";
    let report = server.import_over_http("apply=true&name=new.csv", &ada.token, change).await;
    let import = report["applied"]["import"].as_i64().unwrap();
    let imports: Value = server.get("/api/v1/admin/roster-imports", &ada.token).await.ok();
    assert_eq!((&imports[0]["import"], &imports[0]["name"]), (&json!(import), &json!("new.csv")));
    assert_eq!((&imports[0]["canBeUndone"], imports.as_array().unwrap().len()), (&json!(true), 2));
    let undo = format!("/api/v1/admin/roster-imports/{import}/undo");
    let started = server.post(&undo, &ada.token, &Value::Null).await;
    let report = server.roster_report(&started, &ada.token).await;
    assert_eq!((&report["state"], &report["applied"]["changes"]), (&json!("finished"), &json!(1)));
    let bo = server.person("bo").await;
    assert_eq!((bo.name.as_str(), bo.email.as_deref()), ("Bo", Some("bo@home.example")));
    // Once, and only imports that exist and are not too old.
    assert_eq!(server.post(&undo, &ada.token, &Value::Null).await.status, StatusCode::NOT_FOUND);
    let imports: Value = server.get("/api/v1/admin/roster-imports", &ada.token).await.ok();
    assert_eq!(imports[1]["canBeUndone"], false);
    server.clock.advance(UNDO_MS);
    for other in [1, 99] {
        let undo = format!("/api/v1/admin/roster-imports/{other}/undo");
        let reply = server.post(&undo, &ada.token, &Value::Null).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{other}");
    }
    let exported = server.exported(false).await;
    assert!(exported.contains("bo@home.example"), "{exported}");
    assert!(server.is_unchanged_by(&exported, full()).await, "{exported}");
}

/// Returns a server that does not limit how often a test asks for a report.
fn unlimited() -> TestServer {
    TestServer::with(Settings { route_limits: false, ..Settings::default() })
}

#[tokio::test]
async fn a_list_is_imported_over_http_with_a_report() {
    let server = unlimited();
    let ada = server.staff("ada", Rank::Administrator).await;
    let report = server.import_over_http("", &ada.token, LIST).await;
    assert_eq!((&report["state"], &report["applied"]), (&json!("finished"), &Value::Null));
    assert_eq!(report["summary"]["people"]["created"], 3);
    assert_eq!(report["differences"].as_array().unwrap().len(), 9);
    let people = server.data_dir.store.people().await.unwrap();
    assert_eq!(people.len(), 1);
    let report = server.import_over_http("apply=true&name=5A.csv", &ada.token, LIST).await;
    assert_eq!(report["applied"]["changes"], 9, "{report}");
    let report = server.import_over_http("apply=true", &ada.token, "login,role\nbo,boss\n").await;
    assert_eq!(report["problems"][0]["line"], 2);
    assert_eq!(report["problems"][0]["column"], "role");
    // A workbook is refused as a whole.
    let report = server.import_over_http("", &ada.token, "%PDF-1.7\n").await;
    assert_eq!(report["state"], "failed", "{report}");
    let lines = server.data_dir.store.audit(100).await.unwrap();
    assert!(lines.iter().all(|line| line.actor == Some(ada.id)));
    let unknown = server.get(&format!("/api/v1/admin/rosters/{}", device(5)), &ada.token).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_administrator_changes_neither_operators_nor_themselves_by_a_list() {
    let server = unlimited();
    let ada = server.staff("ada", Rank::Administrator).await;
    server.staff("olga", Rank::Operator).await;
    let list =
        "login,name,role,status\nolga,Changed,student,suspended\nada,Ada,student,suspended\n";
    let report = server.import_over_http("apply=true", &ada.token, list).await;
    let conflicts = report["applied"]["conflicts"].as_array().unwrap();
    assert!(
        conflicts.iter().any(|c| c == "olga: only an operator changes this account"),
        "{report}"
    );
    // The own row is an error as a whole.
    for login in ["olga", "ada"] {
        let person = server.person(login).await;
        assert_eq!((person.role, person.state), (Role::Administrator, State::Active), "{login}");
        assert_eq!(person.name, login);
    }
}
