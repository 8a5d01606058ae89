//! The commands of the screens for staff: what they may request, what is shown offline, and to whom.

use carrel_commands::{api::error::CommandError, dispatch};
use carrel_model::{ErrorCode, UserId};
use carrel_people::permissions::Rank;
use carrel_server::store::tx::PersonKey;
use carrel_system::Clock as _;
use carrel_testkit::{Answer, FakeClock, Network, TestServer, device::PASSWORD, scratch::scratch};
use serde_json::{Value, json};

use crate::client::{self, CommandHost};

const PEOPLE: &str = "/api/v1/admin/people";
const HOUR_MS: i64 = 3_600_000;

async fn make_administrator(server: &TestServer, id: UserId) {
    let store = &server.running().data().store;
    let write = store.write("test", move |tx| {
        let mut person = tx.person(PersonKey::Id(id))?.expect("the account");
        person.role = Rank::Administrator.role();
        tx.put_person(&person)
    });
    write.await.expect("the role");
}

async fn get(host: &CommandHost, path: &str) -> Result<Value, CommandError> {
    dispatch(host, "staff_get", json!({ "path": path })).await
}
async fn send(host: &CommandHost, request: Value) -> Result<Value, CommandError> {
    dispatch(host, "staff_send", request).await
}
fn logins(reply: &Value) -> Vec<&str> {
    let people = reply["json"]["people"].as_array().expect("people");
    people.iter().filter_map(|person| person["login"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_read_stored_figures_offline_and_nobody_else_on_the_device_does() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Network::over(client::live_http());
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    client.register(&server.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    let learner = client.account_info().expect("the account").id;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let info = client.account_info().expect("the account");
    make_administrator(&server, info.user.id).await;
    let host = CommandHost { client: client.clone() };

    let first = get(&host, PEOPLE).await.expect("the list");
    assert_eq!((logins(&first), &first["isStored"]), (vec!["asha", "bela"], &json!(false)));
    let asked_ms = clock.now_ms();
    assert_eq!(first["asOfMs"], asked_ms);

    // A change is sent with the session, and the next reply has it.
    let bela = first["json"]["people"][1]["id"].as_str().expect("an id").to_owned();
    let path = format!("{PEOPLE}/{bela}");
    let change =
        json!({ "method": "PATCH", "path": path, "body": "{\"email\":\"b@home.example\"}" });
    let changed = send(&host, change.clone()).await.expect("changed");
    assert_eq!(
        (&changed["status"], &changed["json"]["email"]),
        (&json!(200), &json!("b@home.example"))
    );
    let reread = get(&host, PEOPLE).await.expect("the list");
    assert_eq!(reread["json"]["people"][1]["email"], "b@home.example");

    // Offline: the stored list with its time; a change fails and is not kept for later.
    net.intercept(|_| Answer::refused());
    clock.advance(20 * HOUR_MS);
    let stored = get(&host, PEOPLE).await.expect("the stored list");
    assert_eq!((&stored["isStored"], &stored["asOfMs"]), (&json!(true), &json!(asked_ms)));
    assert_eq!(stored["json"], reread["json"]);
    let offline = |e: CommandError| e.code;
    assert_eq!(send(&host, change).await.map_err(offline), Err(ErrorCode::Offline));
    let never_read = get(&host, "/api/v1/admin/audit").await.map_err(offline);
    assert_eq!(never_read, Err(ErrorCode::Offline));

    // The other learner of this device gets nothing of it, offline or from the server.
    client.switch(&learner).await.expect("the other account opens");
    assert_eq!(get(&host, PEOPLE).await.map_err(offline), Err(ErrorCode::Offline));
    net.stop_intercepting();
    clock.advance(HOUR_MS);
    assert_eq!(get(&host, PEOPLE).await.map_err(offline), Err(ErrorCode::Forbidden));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_paths_of_staff_are_requested_and_only_uploaded_files_are_sent() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Network::over(client::live_http());
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    make_administrator(&server, client.account_info().expect("the account").user.id).await;
    let host = CommandHost { client: client.clone() };

    net.take_requests();
    for path in ["/api/sync/pull", "/api/v1/admin/../../sync/pull", "@other.example/api/reports/x"]
    {
        let refused = get(&host, path).await.map_err(|e| e.code);
        assert_eq!(refused, Err(ErrorCode::InvalidRequest), "{path}");
        let post = json!({ "method": "POST", "path": path });
        assert_eq!(send(&host, post).await.map_err(|e| e.code), Err(ErrorCode::InvalidRequest));
    }
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "username,name\nnoor,Noor\n").expect("written");
    let import = |file: &std::path::Path| {
        json!({ "method": "POST", "path": "/api/v1/admin/rosters?name=class.csv",
            "contentType": "text/csv", "file": file })
    };
    let refused = send(&host, import(&secret)).await.map_err(|e| e.code);
    assert_eq!(refused, Err(ErrorCode::InvalidRequest));
    assert_eq!(net.request_count(), 0, "nothing was sent");

    let url = dispatch(&host, "get_upload_url", json!({})).await.expect("an address");
    let url = format!("{}?name=class.csv", url["url"].as_str().expect("an address"));
    let put = carrel_net::Request {
        body: Some("username,name\nnoor,Noor\n".into()),
        ..carrel_net::Request::new(http::Method::PUT, url)
    };
    let reply = client::live_http().send(put).await.expect("a reply");
    let uploaded = reply.bytes(10_000).await.expect("the reply");
    let uploaded: Value = serde_json::from_slice(&uploaded).expect("JSON");
    let file = std::path::PathBuf::from(uploaded["path"].as_str().expect("a path"));
    let started = send(&host, import(&file)).await.expect("started");
    assert_eq!(started["status"], 202);
    assert!(started["json"]["id"].is_string() && !file.exists(), "{started}");
    let health = get(&host, "/health").await.expect("the state of the server");
    assert_eq!(health["json"]["databaseOk"], true);
    client.close().await;
}
