//! Tests of accounts: identity of a server, typed addresses, the list of accounts.

mod keychain;
mod session;

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use carrel_client::account::{
    AccountInfo, Accounts, FileSecrets, Identity, ProbeResult, Secrets, addresses, check_server,
    identity,
};
use carrel_model::{
    ErrorCode, UserId,
    wire::{Role, TokenReply, UserInfo},
};
use carrel_net::{Failure, FailureKind, Http, Request, SecretStore, Session, Tokens};
use carrel_testkit::{
    Answer, FakeClock, Network, SeededIds, SmallDisk, reply::problem_json, scratch::scratch,
};
use futures_util::future::join_all;

/// Runs a blocking call outside the thread of an async test.
fn on_other_thread<T: Send>(call: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(call).join().unwrap())
}

#[test]
fn set_needs_sign_in_returns_whether_the_account_changed() {
    let dir = tempfile::tempdir().unwrap();
    let ids = SeededIds::new(1);
    let accounts = Accounts::open(dir.path(), "laptop", &FakeClock::noon(), &ids).unwrap();
    let info = AccountInfo::of("https://one.example", "One", user(1));
    accounts.put(&info).unwrap();
    assert!(accounts.set_needs_sign_in(&info.id, true).unwrap());
    assert!(!accounts.set_needs_sign_in(&info.id, true).unwrap(), "unchanged");
    assert!(accounts.set_needs_sign_in(&info.id, false).unwrap(), "tokens were found after all");
    accounts.set_session_state(&info.id, false, true).unwrap();
    assert!(!accounts.set_needs_sign_in(&info.id, true).unwrap());
    let known = accounts.get(&info.id).unwrap();
    assert_eq!((known.needs_sign_in, known.signed_out), (false, true));
}

#[test]
fn account_is_matched_by_server_identity_not_address() {
    let dir = tempfile::tempdir().unwrap();
    let ids = SeededIds::new(1);
    let accounts = Accounts::open(dir.path(), "laptop", &FakeClock::noon(), &ids).unwrap();
    let school = |key: &str| Identity { server_id: "school".into(), key: key.into() };
    let account_at = |address: &str, identity: Option<&Identity>| {
        let info = accounts.match_or_create(address, "School", user(1), identity);
        accounts.put(&info).unwrap();
        info.id
    };
    // The id of an account created before servers had identities depends on its address and is kept.
    let old = account_at("http://192.168.1.4", None);
    assert_eq!(old, AccountInfo::of("http://192.168.1.4", "School", user(1)).id);
    assert_eq!(
        account_at("http://192.168.1.4", Some(&school("k"))),
        old,
        "recognised by its address"
    );
    accounts.store_identity(&old, &school("k")).unwrap();
    assert_eq!(account_at("https://school.example", Some(&school("k"))), old, "the server moved");
    assert_eq!(accounts.get(&old).unwrap().server.as_deref(), Some("https://school.example"));
    assert_eq!(
        account_at("https://school.example", None),
        old,
        "the server has no identity any more"
    );
    // A copied server id with another key, at another address and at the same one.
    let other = account_at("https://evil.example", Some(&school("other")));
    assert_ne!(other, old);
    assert_ne!(account_at("https://school.example", Some(&school("third"))), old);
    assert_ne!(
        account_at("https://evil.example", None),
        old,
        "an address of another server without a proof"
    );
    // Another server at the old address of this one.
    let next = Identity { server_id: "next".into(), key: "n".into() };
    assert_ne!(account_at("http://192.168.1.4", Some(&next)), old);
    // Another learner on the same server.
    let other_learner =
        accounts.match_or_create("https://school.example", "School", user(2), Some(&school("k")));
    assert_ne!(other_learner.id, old);
    // A damaged list is rebuilt from the folders, with the identities.
    fs::write(dir.path().join("accounts.json"), "{").unwrap();
    let accounts = Accounts::open(dir.path(), "laptop", &FakeClock::noon(), &ids).unwrap();
    let found =
        accounts.match_or_create("https://third.example", "School", user(1), Some(&school("k")));
    assert_eq!(found.id, old);
}

#[tokio::test]
async fn identity_requires_a_signature() {
    use ed25519_dalek::{Signer, SigningKey};
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (ours, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let public = hex(ours.verifying_key().as_bytes());
    let meta = carrel_model::wire::Meta {
        external_sign_in: None,
        password_reset: false,
        name: "School".into(),
        version: "1".into(),
        epoch: "e".into(),
        server_id: "school".into(),
        identity_proof: None,
        sync_versions: vec![1],
        signing_key: public.clone(),
        registration_open: false,
        now_ms: 0,
    };
    let proof = move |key: &SigningKey, id: &str, challenge: &str| {
        let text = carrel_model::wire::identity_text(id, challenge);
        Some(hex(&key.sign(text.as_bytes()).to_bytes()))
    };
    type Prove = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
    let (p1, p2, p3, p4) = (proof, proof, proof, proof);
    let (o1, o3, o4) = (ours.clone(), ours.clone(), ours);
    let table: Vec<(&str, Prove, bool)> = vec![
        ("valid", Box::new(move |c| p1(&o1, "school", c)), true),
        ("another key", Box::new(move |c| p2(&other, "school", c)), false),
        ("another id", Box::new(move |c| p3(&o3, "pond", c)), false),
        ("another challenge", Box::new(move |_| p4(&o4, "school", &"0".repeat(64))), false),
        ("no proof", Box::new(|_| None), false),
        ("invalid hex", Box::new(|_| Some("zz".repeat(64))), false),
        ("not ASCII", Box::new(|_| Some("é".repeat(64))), false),
        ("too short", Box::new(|_| Some("00".into())), false),
    ];
    for (name, prove, proved) in table {
        let description = meta.clone();
        let http = Network::new(move |r| {
            let challenge = r.url.split_once("challenge=").unwrap().1;
            let reply = carrel_model::wire::Meta {
                external_sign_in: None,
                password_reset: false,
                identity_proof: prove(challenge),
                ..description.clone()
            };
            (200, serde_json::to_vec(&reply).unwrap())
        });
        let found = identity(&*http, "https://school.example", &meta, &SeededIds::new(1)).await;
        let expected = Identity { server_id: "school".into(), key: public.clone() };
        assert_eq!(found, proved.then_some(expected), "{name}");
    }
    // A failed connection proves nothing; a server without an identity gets no challenge.
    let unreachable = Network::new(|_| Answer::refused());
    assert_eq!(
        identity(&*unreachable, "https://school.example", &meta, &SeededIds::new(1)).await,
        None
    );
    let unused = Network::new(|_| -> Answer { panic!("unexpected request") });
    let old = carrel_model::wire::Meta { server_id: String::new(), ..meta };
    assert_eq!(identity(&*unused, "https://school.example", &old, &SeededIds::new(1)).await, None);
}

fn user(n: u128) -> UserInfo {
    UserInfo {
        id: UserId::from_u128(n),
        login: format!("u{n}"),
        name: "Asha".into(),
        role: Role::Student,
    }
}

#[test]
fn several_learners_on_several_servers_have_one_account_each() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, ids) = (FakeClock::noon(), SeededIds::new(1));
    let open = || Accounts::open(dir.path(), "laptop", &clock, &ids).unwrap();
    let accounts = open();
    let device = accounts.device();
    let a = AccountInfo::of("https://one.example", "One", user(1));
    let b = AccountInfo::of("https://one.example", "One", user(2));
    let c = AccountInfo::of("https://two.example", "Two", user(1));
    for info in [&a, &b, &c] {
        accounts.put(info).unwrap();
    }
    assert_eq!(accounts.all().len(), 3, "one account per learner and server");
    assert_eq!(
        AccountInfo::of("https://one.example", "renamed", user(1)).id,
        a.id,
        "the same learner has the same folder"
    );
    accounts.set_active(Some(&b.id)).unwrap();
    accounts.set_session_state(&c.id, true, false).unwrap();
    let again = open();
    assert_eq!((again.device(), again.active().unwrap().id), (device, b.id.clone()));
    assert!(again.get(&c.id).unwrap().needs_sign_in);
    assert!(again.set_active(Some("nobody")).is_err());
    // A truncated list.
    let path = dir.path().join("accounts.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let found = open();
    assert_eq!(found.all().len(), 3, "rebuilt from the folders");
    assert!(found.all().iter().all(|a| a.signed_out), "a sign-in is required");
    // A list written by a newer release stays unchanged.
    fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    let error = Accounts::open(dir.path(), "laptop", &clock, &ids).err().unwrap();
    assert!(error.to_string().contains("update Carrel"), "{error}");
    // An id that is a path is rejected.
    fs::write(&path, text.replace(&a.id, "../../etc")).unwrap();
    assert_eq!(open().all().len(), 2);
}

#[test]
fn typed_addresses_are_normalised() {
    let table: Vec<(&str, Vec<&str>)> = vec![
        ("school.example", vec!["https://school.example"]),
        (" School.Example/ ", vec!["https://school.example"]),
        ("school.example:7300", vec!["https://school.example:7300"]),
        ("https://school.example/carrel/", vec!["https://school.example/carrel"]),
        ("https://school.example/carrel/api/meta", vec!["https://school.example/carrel"]),
        ("http://school.example", vec!["http://school.example"]),
        ("192.168.1.4:7300", vec!["http://192.168.1.4:7300", "https://192.168.1.4:7300"]),
        ("127.0.0.1:7300", vec!["http://127.0.0.1:7300", "https://127.0.0.1:7300"]),
        ("[::1]:7300", vec!["http://[::1]:7300", "https://[::1]:7300"]),
        ("localhost:7300", vec!["http://localhost:7300", "https://localhost:7300"]),
        ("library.local", vec!["http://library.local", "https://library.local"]),
        ("8.8.8.8", vec!["https://8.8.8.8"]),
        // Invisible characters, and what surrounds an address in a text.
        ("\u{feff}school.example\u{200b}", vec!["https://school.example"]),
        ("\u{200e}https://sch\u{ad}ool.example\u{202c}/", vec!["https://school.example"]),
        ("<https://school.example/carrel>,", vec!["https://school.example/carrel"]),
        ("\u{201c}school.example\u{201d}.", vec!["https://school.example"]),
        ("https://school.\r\nexample", vec!["https://school.example"]),
        // Signs and digits of other keyboards.
        ("192.168.1.4\u{ff1a}7300", vec!["http://192.168.1.4:7300", "https://192.168.1.4:7300"]),
        ("\u{ff53}chool\u{ff0e}example\u{ff0f}carrel", vec!["https://school.example/carrel"]),
        ("https\u{ff1a}\u{ff0f}\u{ff0f}school\u{3002}example", vec!["https://school.example"]),
        ("school.example\u{2236}7300", vec!["https://school.example:7300"]),
        ("my\u{2011}school.example", vec!["https://my-school.example"]),
        (
            "\u{661}\u{669}\u{662}.\u{661}\u{666}\u{668}.\u{661}.\u{664}:\u{667}\u{663}\u{660}\u{660}",
            vec!["http://192.168.1.4:7300", "https://192.168.1.4:7300"],
        ),
        // Spaces.
        ("school.  example : 7300", vec!["https://school.example:7300"]),
        ("https: // school.example / carrel", vec!["https://school.example/carrel"]),
        ("\u{3000}school.example\u{a0}", vec!["https://school.example"]),
        // The end.
        ("school.example.", vec!["https://school.example"]),
        ("school.example./", vec!["https://school.example"]),
        ("https://school.example.:7300", vec!["https://school.example:7300"]),
        ("library.local.", vec!["http://library.local", "https://library.local"]),
        ("https://school.example///", vec!["https://school.example"]),
        ("https://school.example/?x=1#/welcome", vec!["https://school.example"]),
        // The scheme.
        ("http//school.example", vec!["http://school.example"]),
        ("http:/school.example", vec!["http://school.example"]),
        ("HTTPS:school.example", vec!["https://school.example"]),
        ("https;//school.example", vec!["https://school.example"]),
        ("https:\\\\school.example", vec!["https://school.example"]),
        ("//school.example", vec!["https://school.example"]),
        ("https://http://school.example", vec!["http://school.example"]),
        ("http:7300", vec!["http://http:7300", "https://http:7300"]),
        ("http.example", vec!["https://http.example"]),
        ("https-school.example", vec!["https://https-school.example"]),
        // Internationalised names; their digits are part of the name.
        ("sch\u{fc}le.example", vec!["https://xn--schle-mva.example"]),
        ("SCHU\u{308}LE.example:7300", vec!["https://xn--schle-mva.example:7300"]),
        ("\u{5b66}\u{6821}\u{3002}example", vec!["https://xn--48s290a.example"]),
    ];
    for (typed, expected) in table {
        assert_eq!(addresses(typed).unwrap(), expected, "{typed}");
    }
    for bad in [
        "",
        "  ",
        "ftp://school.example",
        "https://",
        "a b",
        "https://me:secret@school.example",
        "http://[::1",
        "\u{0}",
        "\u{200b}",
        "7300",
        "http:// /",
        "https://.",
        "me@school.example",
        "my school.example",
        "my  school",
        "school.example:port",
        "school.example:99999",
        "https://ftp://school.example",
        "x".repeat(70_000).as_str(),
    ] {
        let result = addresses(bad);
        let is_rejected = matches!(result, Err(carrel_net::Error::Invalid(_))) || bad.len() > 1_000;
        assert!(is_rejected, "{:?}: {result:?}", &bad[..bad.len().min(40)]);
    }
}

#[tokio::test]
async fn check_server_classifies_replies() {
    let clock = FakeClock::noon();
    let meta = format!(
        r#"{{"name":"School","version":"1","epoch":"e","syncVersions":[1],"signingKey":"","registrationOpen":true,"nowMs":{}}}"#,
        FakeClock::NOON - 90_000
    );
    let http = Network::new(move |_| (200, meta.clone()));
    let found = check_server(&*http, &clock, "school.example").await.unwrap();
    assert_eq!((found.address.as_str(), found.clock_ahead_ms), ("https://school.example", 90_000));
    let table: Vec<(u16, &str, ErrorCode)> = vec![
        (200, "<html>Sign in to the Wi-Fi</html>", ErrorCode::BadReply),
        (200, "{}", ErrorCode::BadReply),
        (200, "", ErrorCode::BadReply),
        (302, "", ErrorCode::BadReply),
        (404, "<html>nginx</html>", ErrorCode::BadReply),
        (502, "<html>", ErrorCode::Unavailable),
    ];
    for (status, body, code) in table {
        let http = Network::new(move |_| (status, body));
        let error = check_server(&*http, &clock, "school.example").await.unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}");
    }
    let http = Network::new(|_| Answer::refused());
    assert_eq!(
        check_server(&*http, &clock, "school.example").await.unwrap_err().code(),
        ErrorCode::Offline
    );
    // On the local network https is tried after http; an error reply is reported rather than a missing one.
    let http = Network::new(|r| match r.url.starts_with("https") {
        true => (200, "<html>").into(),
        false => Answer::refused(),
    });
    assert_eq!(
        check_server(&*http, &clock, "192.168.1.4").await.unwrap_err().code(),
        ErrorCode::BadReply
    );
}

#[test]
fn unwritable_account_list_does_not_prevent_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, ids) = (FakeClock::noon(), SeededIds::new(1));
    let open = || Accounts::open(dir.path(), "laptop", &clock, &ids).unwrap();
    open().put(&AccountInfo::of("https://one.example", "One", user(1))).unwrap();
    let path = dir.path().join("accounts.json");
    let text = fs::read(&path).unwrap();
    // A folder at the path of the temporary file makes each write fail, even for root.
    fs::create_dir(dir.path().join("accounts.json.part")).unwrap();
    let accounts = open();
    assert_eq!(accounts.all().len(), 1);
    assert!(accounts.put(&AccountInfo::of("https://one.example", "One", user(2))).is_err());
    assert_eq!(accounts.all().len(), 1, "memory changes only after the disk write");
    assert_eq!(fs::read(&path).unwrap(), text);
    // A start without a list, which cannot be written either.
    fs::remove_file(&path).unwrap();
    assert_eq!(open().all().len(), 1, "rebuilt from the folders");
    fs::remove_dir(dir.path().join("accounts.json.part")).unwrap();
    assert_eq!(open().all().len(), 1);
    assert!(path.exists());
}

#[test]
fn small_files_are_replaced_or_unchanged_on_a_full_disk() {
    let Some(disk) = SmallDisk::new(4 << 20) else { return };
    let (clock, ids) = (FakeClock::noon(), Arc::new(SeededIds::new(1)));
    let account = |n: usize| {
        let id = UserId::from_u128(n as u128);
        let user = UserInfo { id, login: format!("u{n}"), name: "A".into(), role: Role::Student };
        AccountInfo::of("http://school", "School", user)
    };
    // Bytes free on the disk when the files are written.
    for left in (0..=512 * 1024).step_by(128 * 1024) {
        let dir = disk.path().join("data");
        let accounts = Accounts::open(&dir, "laptop", &clock, ids.as_ref()).unwrap();
        let secrets = FileSecrets::new(&dir, ids.clone());
        accounts.put(&account(0)).unwrap();
        secrets.set("token", "old").unwrap();
        drop(accounts);
        let filler = disk.fill(left);
        for n in 1..5 {
            let accounts = Accounts::open(&dir, "laptop", &clock, ids.as_ref()).unwrap();
            accounts.put(&account(n)).unwrap_or_else(|e| panic!("{left} free: {e}"));
            assert_eq!(accounts.all().len(), n + 1);
            secrets.set("token", &format!("new {n}")).unwrap();
            assert_eq!(secrets.get("token").unwrap(), Some(format!("new {n}")));
        }
        // Without a reserve file the old files are kept, and the start succeeds.
        let _ = fs::remove_file(dir.join("ballast"));
        let more = disk.fill(0);
        fs::rename(more, disk.path().join("more")).ok();
        let accounts = Accounts::open(&dir, "laptop", &clock, ids.as_ref()).unwrap();
        let full = accounts.put(&account(9));
        assert!(full.as_ref().err().is_none_or(|e| e.code() == ErrorCode::DiskFull), "{full:?}");
        let known = if full.is_ok() { 6 } else { 5 };
        assert_eq!(accounts.all().len(), known);
        let again = Accounts::open(&dir, "laptop", &clock, ids.as_ref()).unwrap();
        assert_eq!(again.all().len(), known, "{left} free: the list is complete");
        assert!(secrets.get("token").unwrap().is_some());
        let _ = fs::remove_file(filler);
        let _ = fs::remove_file(disk.path().join("more"));
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn account_list_opens_on_a_read_only_file_system() {
    let Some(disk) = SmallDisk::new(4 << 20) else { return };
    let (clock, ids) = (FakeClock::noon(), SeededIds::new(1));
    disk.set_read_only(true);
    let accounts = Accounts::open(&disk.path().join("data"), "laptop", &clock, &ids).unwrap();
    assert_eq!(accounts.all().len(), 0);
    disk.set_read_only(false);
}

/// A server with one valid access token at a time.
#[derive(Default)]
struct FakeAuthServer {
    generation: AtomicUsize,
    refreshes: AtomicUsize,
    /// Reply to a refresh, instead of new tokens.
    refresh_reply: Mutex<Option<(u16, Vec<u8>)>>,
    down: AtomicBool,
    /// For each request to another host, whether it had a token.
    other_hosts: Mutex<Vec<bool>>,
}
impl FakeAuthServer {
    fn tokens(n: usize) -> Tokens {
        Tokens {
            access: format!("access-{n}"),
            refresh: format!("refresh-{n}"),
            refresh_ms: 0,
            good_until_ms: 0,
            certificate: String::new(),
        }
    }
    fn reply(&self, request: &Request) -> Result<(u16, Vec<u8>), Failure> {
        let bearer = request.headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
        if !request.url.starts_with("http://gate/") {
            self.other_hosts.lock().unwrap().push(bearer.is_some());
            return Ok((200, vec![]));
        }
        if self.down.load(Ordering::SeqCst) && request.url.ends_with("/refresh") {
            return Err(Failure::new(FailureKind::Timeout, "down"));
        }
        let now = self.generation.load(Ordering::SeqCst);
        if request.url.ends_with("/api/auth/refresh") {
            self.refreshes.fetch_add(1, Ordering::SeqCst);
            if let Some(reply) = self.refresh_reply.lock().unwrap().clone() {
                return Ok(reply);
            }
            let sent = String::from_utf8(request.body.clone().unwrap().to_vec()).unwrap();
            assert!(sent.contains(&format!("refresh-{}", now - 1)), "{sent} at {now}");
            let t = Self::tokens(now);
            let reply = TokenReply {
                user: user(1),
                access_token: t.access,
                expires_in_ms: 1,
                refresh_token: t.refresh,
                refresh_expires_in_ms: 0,
                account_certificate: String::new(),
                enrolment_refused: None,
            };
            return Ok((200, serde_json::to_vec(&reply).unwrap()));
        }
        match bearer == Some(format!("Bearer access-{now}")) {
            true => Ok((200, b"in".to_vec())),
            false => Ok((401, problem_json(401, ErrorCode::Unauthenticated))),
        }
    }
}
