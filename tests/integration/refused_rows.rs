//! A row that the server refuses does not block other rows. It is kept and shown with the reason, and it can be sent
//! again.

use carrel_learning::Step;
use carrel_model::lattice::ItemKind;
use carrel_net::Request;
use carrel_sync::ReceiptState;
use carrel_testkit::{
    Answer, FakeClock, Network, TestServer, content, device::PASSWORD, oracle::compare, reply,
    scratch::scratch,
};
use http::header;
use serde_json::Value;

use crate::client::{self, sync};

/// Changes one row of a push to a percentage that the server refuses. (A device cannot store such a row.)
pub fn make_invalid(request: &Request) -> Option<Answer> {
    if !request.url.ends_with("/api/sync/push") {
        return None;
    }
    if request.headers.contains_key(header::CONTENT_ENCODING) {
        return Some(Answer::Reply(reply::reply(
            415,
            "text/plain",
            "compressed bodies are not supported",
        )));
    }
    let mut body: Value = serde_json::from_slice(request.body.as_deref()?).ok()?;
    for item in body.get_mut("items")?.as_array_mut()? {
        if item["item"] == "rivers/bend/n50" {
            item["percent"] = 20_000.into();
        }
    }
    let mut request = request.clone();
    request.body = Some(body.to_string().into());
    Some(Answer::Replace(request))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_row_does_not_block_a_hundred_others() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let http = Network::over(client::live_http());
    let client = client::open(dir.path(), http.clone(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    sync(&account).await;
    http.intercept(make_invalid);
    for n in 0..101 {
        let item = content::item(&format!("rivers/bend/n{n}"));
        account
            .learning
            .record(Step { percent: Some(100), ..Step::at(ItemKind::Section, item) })
            .await
            .expect("a step");
    }
    let before = client::rows(&account).await;
    let status = sync(&account).await;
    assert_eq!((status.waiting, status.refused), (0, 1), "{status:?}");
    let user = client.account_info().expect("the account").user.id;
    let on_server = server.rows(user).await;
    let sections = |rows: &carrel_testkit::Rows| {
        rows.keys().filter(|k| k.key.contains("rivers/bend/n")).count()
    };
    assert_eq!(sections(&on_server), 100, "the other rows are stored");
    assert!(client::rows(&account).await == before, "the refused row is unchanged");

    // Its receipt contains the server's reason.
    let receipts = account.sync.receipts().await.expect("the receipts");
    let [refused] = &receipts.refused[..] else {
        panic!("not exactly one refused row: {receipts:?}")
    };
    assert_eq!((refused.state, refused.code.as_str()), (ReceiptState::Refused, "invalid"));
    assert!(refused.reason.contains("percent") && refused.row.is_some(), "{refused:?}");
    assert!(!receipts.accepted.is_empty());
    let export = account.sync.export_refused().await.expect("an export").to_string();
    assert!(export.contains("rivers/bend/n50") && export.contains("percent"), "{export}");

    // After a restart the row is still refused, and is not sent again automatically.
    client.close().await;
    drop((account, client));
    let client = client::open(dir.path(), http.clone(), &clock, 2, false).await;
    let account = client.account().expect("the account");
    assert_eq!(sync(&account).await.refused, 1);

    // A retry without the fault is accepted.
    http.stop_intercepting();
    let id = account.sync.receipts().await.expect("the receipts").refused[0].id.clone();
    account.sync.retry_refused(&id).await.expect("the row is pending again");
    let status = sync(&account).await;
    assert_eq!((status.waiting, status.refused), (0, 0), "{status:?}");
    compare(("server", &server.rows(user).await), ("device", &client::rows(&account).await))
        .expect("both agree");
    assert!(account.sync.retry_refused(&id).await.is_err(), "no row is refused");
}
