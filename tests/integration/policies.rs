//! The commands of the UI on a machine with policies.

use carrel_commands::dispatch;
use carrel_testkit::{FakeClock, ManagedDevice, TestServer, device::PASSWORD};
use serde_json::json;

use crate::client::CommandHost;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_setting_is_shown_and_cannot_be_changed_or_stored() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let device = ManagedDevice::new(&clock, 1, &json!({})).await;
    let client = device.client.clone();
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let host = CommandHost { client: client.clone() };
    let set = async |value: &str| {
        dispatch(&host, "set_settings", json!({ "downloadMetered": value })).await
    };
    let shown = async || {
        let state = dispatch(&host, "get_app_state", json!({})).await.expect("the state");
        state["settings"]["downloadMetered"].as_str().expect("a text").to_owned()
    };
    set("always").await.expect("not fixed");
    assert_eq!(shown().await, "always");

    let address = server.url();
    device
        .set_policies(&json!({
            "DownloadOnMetered": "small",
            "ServerAddress": address,
            "ServerAddressLocked": true,
            "SignInMethods": ["password"],
            "ImportWork": false,
            "EnrolmentToken": "s3cr3t-token",
            "Nonsense": 1,
        }))
        .await;
    assert_eq!(shown().await, "small");
    let refused = set("never").await.expect_err("fixed");
    assert_eq!(refused.code.as_str(), "managed");
    assert_eq!(refused.subject.as_deref(), Some("DownloadOnMetered"));
    assert!(refused.hint.contains("administrator"), "{}", refused.hint);
    // The fixed value itself is accepted, and not stored as the learner's.
    let reply =
        dispatch(&host, "set_settings", json!({ "downloadMetered": "small", "textSize": 120 }));
    let reply = reply.await.expect("allowed");
    assert_eq!((&reply["downloadMetered"], &reply["textSize"]), (&json!("small"), &json!(120)));
    let account = client.account().expect("the account");
    let stored = account.learning.settings().await.expect("the settings");
    assert_eq!(stored["downloadMetered"], json!("always"));

    let list = dispatch(&host, "get_policies", json!({})).await.expect("the policies");
    let keys: Vec<_> = list["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| {
            (e["key"].as_str().expect("a key").to_owned(), e["locked"].as_bool().expect("a flag"))
        })
        .collect();
    let expected = [
        ("ServerAddress", true),
        ("ServerAddressLocked", true),
        ("SignInMethods", true),
        ("EnrolmentToken", false),
        ("DownloadOnMetered", true),
        ("ImportWork", true),
    ];
    assert_eq!(keys, expected.map(|(key, locked)| (key.to_owned(), locked)));
    assert_eq!(list["signInMethods"], json!(["password"]));
    assert_eq!((&list["importWork"], &list["importCourses"]), (&json!(false), &json!(true)));
    assert_eq!(list["serverAddress"], json!(address));
    assert_eq!(list["problems"].as_array().map(Vec::len), Some(1));
    assert!(!list.to_string().contains("s3cr3t"));
    for (command, request) in [
        ("check_server", json!({ "address": "https://other.example" })),
        (
            "register",
            json!({ "address": address, "login": "b", "name": "B", "password": PASSWORD }),
        ),
        ("open_guest", json!({})),
        ("import_work", json!({ "path": "x", "claim": false })),
    ] {
        let refused = dispatch(&host, command, request).await.expect_err(command);
        assert_eq!(refused.code.as_str(), "managed", "{command}");
    }

    device.set_policies(&json!({})).await;
    assert_eq!(shown().await, "always", "the learner's own choice");
    client.close().await;
}
