//! Dictionary packs that a server offers: listed, downloaded over a connection that breaks, used without a network,
//! updated, stopped; and what a device refuses.

use std::{path::PathBuf, sync::Arc};

use carrel_bundle::{OFFERED_FOLDER, signing_key};
use carrel_client::Client;
use carrel_commands::dispatch;
use carrel_content::download::Conditions;
use carrel_dictionary::{Facts, build, source::read_list_text};
use carrel_model::Slug;
use carrel_net::{Failure, FailureKind, Http, Request};
use carrel_testkit::{
    Answer, FakeClock, Network, TestServer, device::PASSWORD, reply, scratch::scratch,
};
use ed25519_dalek::SigningKey;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, CommandHost, live_http, wait_until};

/// Entries of a pack whose database has several hundred kB.
const ENTRIES: usize = 6_000;
/// Bytes of a blob after which the connection breaks.
const CUT: usize = 200_000;

/// Writes a pack that the server offers, signed with its key or, if given, with another one. Returns its size.
fn offer(server: &TestServer, file: &str, made_ms: i64, entries: usize, key: Option<u8>) -> u64 {
    let data = server.running().app().data_dir.clone();
    let secret = std::fs::read_to_string(data.join("signing.key")).expect("the key of the server");
    let own = signing_key(secret.trim()).expect("a key");
    let words: String =
        (0..entries).map(|n| format!("word{n}\tnoun\t{}\tforms{n}\n", meaning(n))).collect();
    let facts = Facts {
        id: Slug::new("school").expect("an id"),
        name: "Words of the school".into(),
        lang: "en".into(),
        gloss_lang: "en".into(),
        license: "CC0-1.0".into(),
        source: "the school".into(),
        made_ms,
        skips_bad_lines: false,
    };
    let folder = data.join(OFFERED_FOLDER);
    std::fs::create_dir_all(&folder).expect("the folder");
    let key = key.map_or(own, |n| SigningKey::from_bytes(&[n; 32]));
    let report = build(read_list_text(&words), &facts, &key, &folder.join(file)).expect("a pack");
    report.bytes
}

fn meaning(n: usize) -> String {
    format!("meaning {n} {:x}", n * 7_919 % 104_729)
}

struct Device {
    dir: TempDir,
    net: Arc<Network>,
    clock: FakeClock,
    host: CommandHost,
}

impl Device {
    async fn signed_in(server: &TestServer, clock: &FakeClock) -> Self {
        let (dir, net) = (scratch(), Network::over(live_http()));
        let client = client::open(dir.path(), net.clone(), clock, 1, false).await;
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("registered");
        Self { dir, net, clock: clock.clone(), host: CommandHost { client } }
    }
    /// Opens the client again, with the account that was open.
    async fn restart(self) -> Self {
        let Self { dir, net, clock, host } = self;
        host.client.close().await;
        drop(host);
        let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
        Self { dir, net, clock, host: CommandHost { client } }
    }
    async fn run(&self, name: &str, request: Value) -> Value {
        let reply = dispatch(&self.host, name, request).await;
        reply.unwrap_or_else(|e| panic!("{name}: {e:?}"))
    }
    async fn offered(&self) -> Value {
        let list = self.run("list_offered_dictionaries", json!({})).await;
        let all = list["dictionaries"].as_array().expect("a list");
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }
    /// Waits until the offered pack is as `check` wants it.
    async fn until(&self, what: &str, check: impl Fn(&Value) -> bool) -> Value {
        let client: &Client = &self.host.client;
        wait_until(client, what, || async {
            let offered = self.offered().await;
            check(&offered).then_some(offered)
        })
        .await
    }
    async fn found(&self, word: &str) -> Option<String> {
        let found = self.run("look_up_word", json!({ "lang": "en", "text": word })).await;
        let entry = &found["word"]["entries"][0];
        (entry["found"] != "nothing")
            .then(|| entry["entry"]["meaning"].as_str().expect("a meaning").to_owned())
    }
    /// The first requested byte of each request for a blob, since the last call.
    fn requested_from(&self) -> Vec<usize> {
        let requests = self.net.take_requests();
        let blobs = requests.iter().filter(|r| r.url.contains("/api/blobs/"));
        blobs.map(|r| reply::requested_range(r).map_or(0, |(first, _)| first)).collect()
    }
    fn folder(&self) -> PathBuf {
        self.host.client.config().data_dir.join("dictionaries")
    }
}

fn is_installed(offered: &Value) -> bool {
    offered["status"] == "installed" && offered["download"].is_null()
}

/// A reply to a request for a blob breaks after `CUT` bytes; then no connection is possible.
fn cut(inner: Arc<dyn Http>, request: &Request) -> Answer {
    let request = request.clone();
    Answer::when(async move {
        let mut reply = match inner.send(request).await {
            Ok(reply) => reply,
            Err(failure) => return Answer::Fail(failure),
        };
        let mut left = CUT;
        let body = std::mem::replace(&mut reply.body, stream::empty().boxed());
        reply.body = body
            .scan((), move |(), piece| {
                let piece = match piece {
                    Ok(piece) if left > 0 => {
                        let piece = piece.slice(..piece.len().min(left));
                        left -= piece.len();
                        Some(Ok(piece))
                    }
                    Ok(_) => Some(Err(Failure::new(FailureKind::Broken, "the line is cut"))),
                    Err(e) => Some(Err(e)),
                };
                std::future::ready(piece)
            })
            .boxed();
        Answer::Reply(reply)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offered_pack_is_downloaded_over_a_broken_line_and_used_offline() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let bytes = offer(&server, "school.carrel", 1, ENTRIES, None);
    assert!(bytes > 2 * CUT as u64, "{bytes}");
    let device = Device::signed_in(&server, &clock).await;
    let offered = device.offered().await;
    assert_eq!((&offered["status"], &offered["download"]), (&json!("new"), &Value::Null));
    assert_eq!(offered["dictionary"]["entries"], ENTRIES);
    assert_eq!(device.found("word7").await, None);

    // The line breaks, then there is no network.
    let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    device.net.intercept(move |request| {
        if request.url.contains("/api/blobs/")
            && first.swap(false, std::sync::atomic::Ordering::SeqCst)
        {
            return cut(live_http(), request);
        }
        Answer::refused()
    });
    device.requested_from();
    device.run("download_dictionary", json!({ "id": "school" })).await;
    let paused = device.until("the download waits", |o| o["download"]["phase"] == "paused").await;
    assert_eq!(paused["download"]["reason"], "offline");
    assert_eq!(paused["download"]["bytesDone"], CUT);
    assert_eq!(device.found("word7").await, None, "not before it is complete");
    assert_eq!(device.requested_from()[0], 0);

    // After a restart it goes on where it stopped, as soon as there is a network.
    let device = device.restart().await;
    device.until("the download waits", |o| o["download"]["phase"] == "paused").await;
    device.requested_from();
    device.net.stop_intercepting();
    device.run("download_dictionary", json!({ "id": "school" })).await;
    let done = device.until("it is installed", is_installed).await;
    assert_eq!(done["download"], Value::Null);
    let requested = device.requested_from();
    assert!(requested[0] > 0 && requested[0] <= CUT, "{requested:?}");

    // Without any network, also after a restart.
    device.net.intercept(|_| Answer::refused());
    let device = device.restart().await;
    assert_eq!(device.found("word7").await.as_deref(), Some(meaning(7).as_str()));
    assert_eq!(device.found("forms8").await.as_deref(), Some(meaning(8).as_str()));
    assert_eq!(device.offered().await["status"], "installed", "the known list");
    let list = device.run("list_dictionaries", json!({})).await;
    assert_eq!(list["dictionaries"][0]["bytes"], offered["dictionary"]["bytes"]);
    let mut files: Vec<_> = std::fs::read_dir(device.folder())
        .expect("the folder")
        .map(|f| f.expect("a file").path().extension().expect("one").to_os_string())
        .collect();
    files.sort();
    assert_eq!(files, ["json", "sqlite"], "no request and no partial file is left");

    // The server has a newer one.
    device.net.stop_intercepting();
    let older = offer(&server, "older.carrel", 0, 3, None);
    let newer = offer(&server, "newer.carrel", 2, 4, None);
    assert!(older < bytes && newer < bytes);
    clock.advance(11 * 60_000);
    let update = device.until("the newer one is listed", |o| o["status"] == "update").await;
    assert_eq!(update["dictionary"]["entries"], 4);
    device.run("download_dictionary", json!({ "id": "school" })).await;
    device.until("it is updated", is_installed).await;
    assert_eq!(device.found("word7").await, None);
    assert!(device.found("word3").await.is_some());
    let removed = device.run("remove_dictionary", json!({ "id": "school" })).await;
    assert_eq!(removed["dictionaries"], json!([]));
    assert_eq!(device.offered().await["status"], "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_of_another_signer_a_metered_network_and_the_budget_stop_a_download() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    offer(&server, "school.carrel", 1, ENTRIES, Some(8));
    let device = Device::signed_in(&server, &clock).await;
    let refused = dispatch(&device.host, "download_dictionary", json!({ "id": "school" })).await;
    assert_eq!(refused.expect_err("another signer").reason.as_deref(), Some("not_accepted"));
    let unknown = dispatch(&device.host, "download_dictionary", json!({ "id": "none" })).await;
    assert_eq!(json!(unknown.expect_err("unknown").code), "not_found");

    let bytes = offer(&server, "school.carrel", 2, ENTRIES, None);
    clock.advance(11 * 60_000);
    device.until("the pack of the server is listed", |o| o["dictionary"]["madeMs"] == 2).await;
    let account = device.host.client.account().expect("the account");
    let conditions = |network| Conditions { network, ..Conditions::default() };
    account
        .content
        .downloads
        .set_conditions(conditions(carrel_content::download::Network::Metered));
    device.run("download_dictionary", json!({ "id": "school" })).await;
    let held = device.until("it waits", |o| o["download"]["phase"] == "paused").await;
    assert_eq!(held["download"]["reason"], "metered");
    let stopped = device.run("stop_dictionary_download", json!({ "id": "school" })).await;
    assert_eq!(stopped["dictionaries"][0]["download"], Value::Null);

    // The budget of the device is smaller than the pack.
    account.content.downloads.set_conditions(Conditions::default());
    device.run("set_budget", json!({ "budget": bytes / 2 })).await;
    device.run("download_dictionary", json!({ "id": "school" })).await;
    let full = device.until("it waits", |o| o["download"]["phase"] == "paused").await;
    assert_eq!(full["download"]["reason"], "disk_full");
    device.run("set_budget", json!({})).await;
    device.run("download_dictionary", json!({ "id": "school" })).await;
    device.until("it is installed", is_installed).await;
    assert!(device.found("word7").await.is_some());
}
