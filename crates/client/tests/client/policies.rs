//! What the organisation's policies fix and forbid, at the start and while the client runs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_client::{
    BrowserSignInOptions, Change, Client, Error,
    account::FileSecrets,
    carrel_policy::{Policies, ProxyPolicy, Source},
    net::ProxyMode,
    network_settings,
};
use carrel_model::ErrorCode;
use carrel_testkit::{FakeClock, SeededIds, within_a_minute};
use serde_json::json;

use crate::lifecycle::{School, open_managed, school};

/// A machine with a policy file.
struct Machine {
    dir: tempfile::TempDir,
    school: Arc<School>,
    clock: FakeClock,
}

impl Machine {
    fn new(policies: &str) -> Self {
        let machine =
            Self { dir: tempfile::tempdir().unwrap(), school: school(), clock: FakeClock::noon() };
        machine.write(policies);
        machine
    }
    fn path(&self) -> PathBuf {
        self.dir.path().join("policies.json")
    }
    fn write(&self, policies: &str) {
        fs::write(self.path(), policies).unwrap();
    }
    async fn client(&self) -> Arc<Client> {
        let secrets = FileSecrets::new(self.dir.path(), Arc::new(SeededIds::new(1)));
        let source = Source::File { path: self.path(), of_machine: false };
        let secrets = Arc::new(secrets);
        open_managed(self.dir.path(), &self.school, &self.clock, secrets, vec![source]).await
    }
}

/// Returns the key of the policy that forbids a call.
fn key<T>(result: Result<T, Error>) -> &'static str {
    let error = result.err().expect("a refusal");
    assert_eq!(error.code(), ErrorCode::Managed, "{error}");
    assert!(!error.is_retryable() && error.hint().contains("--policy-report"));
    match error {
        Error::Managed { key, .. } => key,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn only_allowed_servers_are_asked() {
    let machine = Machine::new(r#"{"AllowedServers": ["school.example", "127.0.0.1:1"]}"#);
    let client = machine.client().await;
    for address in ["https://other.example", "other.example", "192.168.1.4", "127.0.0.1:2"] {
        assert_eq!(key(client.check_server(address).await), "AllowedServers", "{address}");
        assert_eq!(key(client.sign_in(address, "asha", "right").await), "AllowedServers");
        assert_eq!(key(client.register(address, "a", "A", "right").await), "AllowedServers");
    }
    let account = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    assert_eq!(account.base_url, School::ADDRESS);
    assert_eq!(key(client.move_server("https://other.example").await), "AllowedServers");
    // An address that is no address is reported as such.
    assert_eq!(client.check_server("12").await.unwrap_err().code(), ErrorCode::InvalidRequest);
    client.close().await;
}

#[tokio::test]
async fn a_locked_address_is_the_only_one() {
    let text =
        format!(r#"{{"ServerAddress": "{}/", "ServerAddressLocked": true}}"#, School::ADDRESS);
    let machine = Machine::new(&text);
    let client = machine.client().await;
    for address in ["127.0.0.1:2", "https://127.0.0.1:1", "http://127.0.0.1:1/other"] {
        assert_eq!(key(client.check_server(address).await), "ServerAddressLocked", "{address}");
    }
    // Without a scheme, the address that is allowed is tried.
    assert_eq!(client.check_server("127.0.0.1:1").await.unwrap().address, School::ADDRESS);
    client.close().await;
}

#[tokio::test]
async fn each_way_to_start_can_be_forbidden() {
    let machine = Machine::new(r#"{"SignInMethods": ["guest"], "DemoLibrary": false}"#);
    let client = machine.client().await;
    assert_eq!(key(client.sign_in(School::ADDRESS, "asha", "right").await), "SignInMethods");
    assert_eq!(key(client.register(School::ADDRESS, "a", "A", "right").await), "SignInMethods");
    let browser = client.begin_browser_sign_in(School::ADDRESS, BrowserSignInOptions::default());
    assert_eq!(key(browser.await), "SignInMethods");
    let reset = client.request_password_reset(School::ADDRESS, "asha", "en");
    assert_eq!(key(reset.await), "SignInMethods");
    assert!(!client.demo_available());
    assert_eq!(key(client.open_demo().await), "DemoLibrary");
    client.open_guest().await.unwrap();
    assert_eq!(
        key(client.import_courses(Path::new("x"), None).await.map_err(|_| {
            // Allowed: the error is that of the file.
            Error::Managed { what: String::new(), key: "the file" }
        })),
        "the file"
    );
    machine
        .write(r#"{"SignInMethods": ["password"], "ImportCourses": false, "ImportWork": false}"#);
    client.reload_policies().await;
    assert!(client.account().is_none(), "a guest is no longer allowed");
    assert_eq!(key(client.open_guest().await), "SignInMethods");
    assert!(client.demo_available());
    client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    assert_eq!(key(client.import_courses(Path::new("x"), None).await), "ImportCourses");
    assert_eq!(key(client.import_work(Path::new("x"), true).await), "ImportWork");
    client.close().await;
}

#[tokio::test]
async fn an_account_of_a_forbidden_server_is_kept_and_not_opened() {
    let machine = Machine::new("{}");
    let client = machine.client().await;
    let id = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap().id().to_owned();
    client.close().await;
    drop(client);
    machine.write(r#"{"AllowedServers": ["school.example"]}"#);
    let client = machine.client().await;
    assert!(client.account().is_none());
    assert_eq!(client.open_failure().unwrap().error.code(), ErrorCode::Managed);
    assert_eq!(key(client.switch(&id).await), "AllowedServers");
    assert_eq!(client.accounts().all().len(), 1);
    machine.write("{}");
    client.reload_policies().await;
    assert_eq!(client.switch(&id).await.unwrap().id(), id);
    client.close().await;
}

#[tokio::test]
async fn changed_policies_apply_within_half_a_minute() {
    // This test calls blocking functions of the content crate on an async thread.
    carrel_client::system::allow_blocking();
    let machine = Machine::new("{}");
    let client = machine.client().await;
    client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    let storage = client.storage().await.unwrap();
    let limits = || storage.limits().unwrap().policy;
    let mut changes = client.changes().subscribe();
    assert_eq!(limits(), None);
    let reload = async |changes: &mut tokio::sync::broadcast::Receiver<_>| {
        within_a_minute("the policies are read again", async {
            loop {
                machine.clock.advance(30_000);
                tokio::select! {
                    set = changes.recv() => {
                        let set: std::collections::BTreeSet<Change> = set.unwrap();
                        if set.contains(&Change::Settings) {
                            return;
                        }
                    }
                    () = tokio::task::yield_now() => {}
                }
            }
        })
        .await;
    };
    machine.write(r#"{"ContentQuota": "500 MB"}"#);
    reload(&mut changes).await;
    assert_eq!(limits(), Some(500_000_000));
    // A broken file does not lift the policies, and is reported.
    machine.write(r#"{"ContentQuota": "#);
    reload(&mut changes).await;
    assert_eq!(limits(), Some(500_000_000));
    let loaded = client.policies();
    assert_eq!(loaded.policies.content_quota, Some(500_000_000));
    assert_eq!((loaded.report.entries.len(), loaded.report.problems.len()), (1, 1));
    // Without a change nothing is published.
    client.reload_policies().await;
    fs::remove_file(machine.path()).unwrap();
    reload(&mut changes).await;
    assert_eq!(limits(), None);
    assert!(client.policies().report.entries.is_empty());
    client.close().await;
}

#[tokio::test]
async fn the_content_folder_of_the_machine_is_used_and_cannot_be_moved() {
    let shared = tempfile::tempdir().unwrap();
    let folder = shared.path().join("content");
    let machine = Machine::new(&json!({ "ContentFolder": folder }).to_string());
    let client = machine.client().await;
    assert_eq!(client.storage().await.unwrap().dir(), folder);
    assert!(!client.can_move_content());
    assert_eq!(key(client.move_content(shared.path().join("b")).await), "ContentFolder");
    client.close().await;
}

#[test]
fn the_settings_of_the_network_are_those_of_the_policies() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, "PEM").unwrap();
    let url = "http://proxy.example:3128".to_owned();
    let bypass = vec!["localhost".to_owned()];
    let with = |proxy| network_settings(&Policies { proxy, ..Policies::default() }).proxy;
    assert!(matches!(with(ProxyPolicy::System), ProxyMode::System));
    assert!(matches!(with(ProxyPolicy::Direct), ProxyMode::Direct));
    assert!(
        matches!(with(ProxyPolicy::Pac { url: url.clone() }), ProxyMode::Script { url: u } if u == url)
    );
    let manual = ProxyPolicy::Manual { url: url.clone(), bypass: bypass.clone() };
    assert!(matches!(
        with(manual),
        ProxyMode::Fixed { url: u, bypass: b } if u == url && b == bypass
    ));
    let extra = |path: PathBuf| {
        network_settings(&Policies { extra_ca: Some(path), ..Policies::default() }).extra_ca
    };
    assert_eq!(extra(ca), [b"PEM".to_vec()]);
    assert!(extra(dir.path().join("absent.pem")).is_empty());
}
