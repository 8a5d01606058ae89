//! Tests of the whole client: sign-in and sign-out, several learners, restarts without a network.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use carrel_client::{
    Client, Config, Error, OpenAccount, account::FileSecrets, carrel_policy::Source,
};
use carrel_content::Kind;
use carrel_model::{
    ErrorCode, Slug, UserId,
    lattice::RowType,
    wire::{LoginRequest, ProviderSignInRequest, Role, TokenReply, UserInfo},
};
use carrel_net::{Request, SecretStore};
use carrel_sqlite::{Change, StorageError};
use carrel_sync::Phase;
use carrel_testkit::{
    Answer, FakeClock, FakeServer, Network, SeededIds,
    fake_server::Outcome,
    reply::{json, problem},
    within_a_minute,
    work::finished,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

/// A simulated server with sign-in.
pub struct School {
    sync_server: Arc<FakeServer>,
    /// Access tokens up to this number are refused.
    revoked: AtomicUsize,
    issued: AtomicUsize,
    /// Ends of sign-ins in the browser, in the order in which they were received.
    pub redeemed: Mutex<Vec<ProviderSignInRequest>>,
    /// Body and language of each request for a new password.
    resets: Mutex<Vec<(String, String)>>,
}

impl School {
    pub const ADDRESS: &'static str = "http://127.0.0.1:1";

    /// Number of progress rows on the server.
    fn progress_rows(&self) -> usize {
        self.sync_server.state().rows.keys().filter(|k| k.row_type == RowType::Progress).count()
    }
    pub fn set_down(&self, down: bool) {
        self.sync_server.state().down = down;
    }

    fn answer(&self, request: &Request) -> Answer {
        if self.sync_server.state().down {
            return Answer::refused();
        }
        let number = |text: &str| text.rsplit('-').next().and_then(|n| n.parse::<usize>().ok());
        let bearer = request.headers.get("authorization").and_then(|v| number(v.to_str().unwrap()));
        let is_signed_in = bearer.is_some_and(|n| n > self.revoked.load(Ordering::SeqCst));
        match request.url.strip_prefix(Self::ADDRESS).unwrap_or_default() {
            "/api/meta" => self.sync_server.answer(request),
            "/api/auth/login" => self.sign_in(request),
            "/api/auth/oidc/redeem" => self.redeem(request),
            "/api/auth/reset" => self.reset(request),
            "/api/auth/logout" => (204, "").into(),
            "/api/auth/refresh" => problem(401, ErrorCode::Unauthenticated, None).into(),
            _ if !is_signed_in => problem(401, ErrorCode::Unauthenticated, None).into(),
            path if path.starts_with("/api/sync/") => self.sync_server.answer(request),
            _ => (404, "").into(),
        }
    }
    fn sign_in(&self, request: &Request) -> Answer {
        let login: LoginRequest = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        if login.password != "right" {
            return problem(401, ErrorCode::BadCredentials, None).into();
        }
        self.tokens(login.login)
    }
    /// Accepts one request.
    fn reset(&self, request: &Request) -> Answer {
        let body = String::from_utf8(request.body.as_ref().unwrap().to_vec()).unwrap();
        let language = request.headers["accept-language"].to_str().unwrap().to_owned();
        let mut resets = self.resets.lock().unwrap();
        resets.push((body, language));
        if resets.len() > 1 {
            return problem(429, ErrorCode::RateLimited, None).into();
        }
        (202, "{}").into()
    }
    /// Accepts the code `right`.
    fn redeem(&self, request: &Request) -> Answer {
        let body = request.body.as_ref().unwrap();
        let sent: ProviderSignInRequest = serde_json::from_slice(body).unwrap();
        self.redeemed.lock().unwrap().push(sent.clone());
        if sent.code != "right" {
            return problem(401, ErrorCode::BadCredentials, None).into();
        }
        self.tokens("asha".to_owned())
    }
    fn tokens(&self, login: String) -> Answer {
        let n = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let id = UserId::from_u128(login.len() as u128);
        let tokens = TokenReply {
            user: UserInfo { id, login, name: "Asha".into(), role: Role::Student },
            access_token: format!("a-{n}"),
            expires_in_ms: 1,
            refresh_token: format!("r-{n}"),
            refresh_expires_in_ms: 0,
            account_certificate: String::new(),
            enrolment_refused: None,
        };
        json(serde_json::to_vec(&tokens).unwrap()).into()
    }
}

pub fn school() -> Arc<School> {
    Arc::new(School {
        sync_server: FakeServer::new(),
        revoked: AtomicUsize::new(0),
        issued: AtomicUsize::new(0),
        redeemed: Mutex::default(),
        resets: Mutex::default(),
    })
}

pub async fn open(dir: &Path, school: &Arc<School>, clock: &FakeClock) -> Arc<Client> {
    let secrets = FileSecrets::new(dir, Arc::new(SeededIds::new(1)));
    open_with(dir, school, clock, Arc::new(secrets)).await
}
async fn open_with(
    dir: &Path,
    school: &Arc<School>,
    clock: &FakeClock,
    secrets: Arc<dyn SecretStore>,
) -> Arc<Client> {
    open_managed(dir, school, clock, secrets, Vec::new()).await
}
/// Opens a client on a machine with policies.
pub async fn open_managed(
    dir: &Path,
    school: &Arc<School>,
    clock: &FakeClock,
    secrets: Arc<dyn SecretStore>,
    policies: Vec<Source>,
) -> Arc<Client> {
    let demo = dir.join("demo");
    std::fs::create_dir_all(&demo).unwrap();
    let school = school.clone();
    let ids = Arc::new(SeededIds::new(1));
    Client::open(Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Default::default(),
        demo_dir: Some(demo),
        http: Network::new(move |request| school.answer(request)),
        clock: Arc::new(clock.clone()),
        ids,
        secrets: Some(secrets),
        device_name: "laptop".into(),
        network: Default::default(),
        app_version: "1.0.0".into(),
        policies,
        event_stream: false,
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn unsent_changes_are_kept_until_the_next_sign_in() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    assert!(client.account().is_none());
    assert!(client.require_account().is_err_and(|e| e.code() == ErrorCode::Unauthenticated));
    let wrong = client.sign_in(School::ADDRESS, "asha", "wrong").await.err().unwrap();
    assert_eq!(wrong.code(), ErrorCode::BadCredentials);
    let account = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    let id = account.id().to_owned();
    account.learning.record(finished("a/b/c")).await.unwrap();
    let status = within_a_minute("a sync", account.sync.sync_now()).await.unwrap();
    assert_eq!((status.phase, status.waiting, school.progress_rows()), (Phase::Idle, 0, 1));

    school.revoked.store(1, Ordering::SeqCst);
    let mut changes = client.changes().subscribe();
    account.learning.record(finished("a/b/d")).await.unwrap();
    let status = within_a_minute("the sync", account.sync.sync_now()).await.unwrap();
    assert_eq!((status.phase, status.waiting), (Phase::SignedOut, 1));
    within_a_minute("the account change", async {
        while !changes.recv().await.unwrap().contains(&Change::Account) {}
    })
    .await;
    assert!(client.account_info().unwrap().needs_sign_in);
    account.learning.record(finished("a/b/e")).await.unwrap();

    // After a restart the account is readable and writable, and the changes are still unsent.
    client.close().await;
    drop((account, client));
    let client = open(dir.path(), &school, &clock).await;
    let account = client.account().expect("the last account is open");
    assert_eq!(account.learning.done_sections("a").await.unwrap().len(), 3);
    assert!(client.account_info().unwrap().needs_sign_in);

    let again = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    assert!(Arc::ptr_eq(&again, &account), "the account stays open");
    assert_eq!((again.id(), client.account_info().unwrap().needs_sign_in), (id.as_str(), false));
    let status = within_a_minute("a sync", again.sync.sync_now()).await.unwrap();
    // The sign-in starts a sync, which may still be running.
    assert_ne!(status.phase, Phase::SignedOut);
    assert_eq!((status.waiting, school.progress_rows()), (0, 3));
}

/// A sync that started in the old session ends after the learner has signed in again.
#[tokio::test]
async fn end_of_an_old_session_does_not_end_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let account = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    within_a_minute("a sync", account.sync.sync_now()).await.unwrap();

    school.revoked.store(1, Ordering::SeqCst);
    let (processed, has_arrived) = oneshot::channel();
    let (release, resumed) = oneshot::channel();
    school.sync_server.enqueue("/api/meta", Outcome::Hold { processed, resumed });
    account.learning.record(finished("a/b/c")).await.unwrap();
    let first = tokio::spawn({
        let account = account.clone();
        async move { account.sync.sync_now().await }
    });
    within_a_minute("the held request", has_arrived).await.unwrap();
    client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    release.send(()).unwrap();
    within_a_minute("the first sync", first).await.unwrap().unwrap();
    // The sync of the new session may end before the old request does, so several rounds are run.
    for round in 0..30 {
        let status = within_a_minute("a sync", account.sync.sync_now()).await.unwrap();
        assert_ne!(status.phase, Phase::SignedOut, "round {round}");
        assert_eq!((status.waiting, school.progress_rows()), (0, 1), "round {round}");
    }
}

#[tokio::test]
async fn several_learners_share_a_device_but_not_their_work() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let asha = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    asha.learning.record(finished("a/b/c")).await.unwrap();
    let asha = asha.id().to_owned();
    school.set_down(true);
    client.sign_out().await.unwrap();
    assert!(client.account().is_none());
    assert!(client.accounts().get(&asha).unwrap().signed_out);
    assert!(
        client.switch(&asha).await.is_err_and(|e| e.code() == ErrorCode::Unauthenticated),
        "a sign-in is required"
    );
    assert!(matches!(client.switch("nobody").await.err(), Some(Error::NotFound(_))));
    assert_eq!(
        client.sign_in(School::ADDRESS, "ben", "right").await.err().unwrap().code(),
        ErrorCode::Offline
    );

    school.set_down(false);
    let ben = client.sign_in(School::ADDRESS, "ben", "right").await.unwrap();
    assert_ne!(ben.id(), asha);
    assert!(ben.learning.done_sections("a").await.unwrap().is_empty());
    let demo = client.open_demo().await.unwrap();
    assert!(demo.is_demo());
    demo.learning.record(finished("a/b/z")).await.unwrap();
    let status = demo.sync.sync_now().await.unwrap();
    assert_eq!((status.phase, status.waiting), (Phase::Local, 0));
    assert!(
        ben.learning.record(finished("x/y/z")).await.is_err(),
        "nothing is written to a closed account"
    );
    let ben = ben.id().to_owned();
    assert_eq!(client.switch(&ben).await.unwrap().id(), ben, "still signed in");

    let asha_again = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    assert_eq!(asha_again.id(), asha);
    assert_eq!(asha_again.learning.done_sections("a").await.unwrap().len(), 1, "the work was kept");
    let status = within_a_minute("a sync", asha_again.sync.sync_now()).await.unwrap();
    assert_eq!((status.waiting, client.accounts().all().len()), (0, 3));
    client.sign_out().await.unwrap();
    client.close().await;
    drop(client);
    assert!(
        open(dir.path(), &school, &clock).await.account().is_none(),
        "the learner is still signed out"
    );
}

/// Switches to an account, and checks before its database is opened that its lock is free.
async fn switch_to_closed(client: &Client, account: &str) -> Arc<OpenAccount> {
    let lock = client.accounts().folder(account).join("user.lock");
    client.set_open_failpoints(Arc::new(move |step| {
        if step == "store" {
            std::fs::File::open(&lock).unwrap().try_lock().expect("the lock is free");
        }
        Ok(())
    }));
    let open = within_a_minute("an account", client.switch(account)).await.unwrap();
    client.set_open_failpoints(Arc::new(|_| Ok(())));
    assert!(open.store.read_only().is_none(), "the database is writable");
    open
}

#[tokio::test]
async fn failed_switch_keeps_the_current_account_and_can_be_retried() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let asha = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap().id().to_owned();
    client.sign_in(School::ADDRESS, "ben", "right").await.unwrap();
    for (n, failing_step) in
        ["store", "content", "sync", "tasks", "name", "end"].into_iter().enumerate()
    {
        let ben = client.account().unwrap();
        client.set_open_failpoints(Arc::new(move |step| match step == failing_step {
            true => Err(StorageError::full(format!("at {step}")).into()),
            false => Ok(()),
        }));
        let failed = client.switch(&asha).await.err().unwrap();
        assert!(failed.code() == ErrorCode::DiskFull, "{failing_step}: {failed:?}");
        let failure = client.open_failure().unwrap();
        assert_eq!(failure.account.id, asha, "{failing_step}");
        assert_eq!(failure.error.code(), ErrorCode::DiskFull, "{failing_step}");
        // A sign-in that fails at the same step has no further effect.
        let failed = client.sign_in(School::ADDRESS, "asha", "right").await.err().unwrap();
        assert!(failed.code() == ErrorCode::DiskFull, "{failing_step}: {failed:?}");
        assert!(
            Arc::ptr_eq(&client.account().unwrap(), &ben),
            "{failing_step}: the other account stays open"
        );
        ben.learning
            .record(finished(&format!("b/b/s{n}")))
            .await
            .expect("the open account is writable");
        assert_eq!(
            client.accounts().active().unwrap().id,
            ben.id(),
            "{failing_step}: the next start opens the other account"
        );

        let open = switch_to_closed(&client, &asha).await;
        assert!(client.open_failure().is_none(), "{failing_step}");
        open.learning.record(finished(&format!("a/b/s{n}"))).await.unwrap();
        assert_eq!(open.learning.done_sections("a").await.unwrap().len(), n + 1);
        let back = client.switch(ben.id()).await.unwrap();
        assert_eq!(back.learning.done_sections("b").await.unwrap().len(), n + 1);
    }
}

/// The call that opens an account is dropped at its first await after each step.
#[tokio::test]
async fn cancelled_opening_leaves_nothing_open() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let asha = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap().id().to_owned();
    let ben = client.sign_in(School::ADDRESS, "ben", "right").await.unwrap().id().to_owned();
    for last in ["store", "content", "sync", "tasks", "name"] {
        let passed = Arc::new(AtomicBool::new(false));
        let set_passed = passed.clone();
        client.set_open_failpoints(Arc::new(move |step| {
            set_passed.fetch_or(step == last, Ordering::SeqCst);
            Ok(())
        }));
        let mut opening = Box::pin(client.switch(&asha));
        std::future::poll_fn(|cx| {
            let is_done = opening.as_mut().poll(cx).is_ready();
            let is_passed = passed.load(Ordering::SeqCst);
            if is_done || is_passed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        drop(opening);
        let open = switch_to_closed(&client, &asha).await;
        open.learning.record(finished(&format!("a/b/{last}"))).await.unwrap();
        let back = client.switch(&ben).await.unwrap();
        back.learning.record(finished(&format!("b/b/{last}"))).await.unwrap();
    }
}

#[tokio::test]
async fn an_uploaded_file_is_stored_and_deleted_after_its_import() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    client.open_guest().await.unwrap().learning.record(finished("a/b/c")).await.unwrap();
    let work = client.export_work(dir.path()).await.unwrap();
    let bytes = std::fs::read(&work.path).unwrap();

    let url = client.upload_url().await.unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let request_head = format!(
        "PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    );
    let mut socket = TcpStream::connect(host).await.unwrap();
    socket.write_all(&[request_head.as_bytes(), &bytes].concat()).await.unwrap();
    let mut reply = String::new();
    within_a_minute("a reply", socket.read_to_string(&mut reply)).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let body: serde_json::Value = serde_json::from_str(reply.lines().last().unwrap()).unwrap();
    assert_eq!(body["bytes"], bytes.len());
    let uploaded = Path::new(body["path"].as_str().unwrap());
    assert_eq!(std::fs::read(uploaded).unwrap(), bytes);

    let imported = client.import_work(uploaded, true).await.unwrap();
    assert_eq!((imported.rows, imported.changed), (1, 0));
    assert!(!uploaded.exists());
    client.import_work(&work.path, true).await.unwrap();
    assert!(work.path.exists(), "files outside the upload folder are kept");
}

#[tokio::test]
async fn start_succeeds_and_reports_an_account_that_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let account = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    account.learning.record(finished("a/b/c")).await.unwrap();
    let (id, folder) = (account.id().to_owned(), account.store.dir().to_owned());
    client.close().await;
    drop((account, client));
    // A database that a newer release has written.
    let execute = |sql: &str| {
        let conn = carrel_sqlite::open(&folder.join("user.db"), Default::default()).unwrap();
        conn.execute(sql, []).unwrap();
    };
    execute("INSERT INTO schema_migration VALUES (99, 'future', x'00', 1)");
    let client = open(dir.path(), &school, &clock).await;
    assert!(client.account().is_none());
    let failure = client.open_failure().unwrap();
    assert_eq!(
        (failure.account.id.as_str(), failure.error.code()),
        (id.as_str(), ErrorCode::TooNew)
    );
    assert!(!failure.error.hint().is_empty());
    assert_eq!(client.switch(&id).await.err().unwrap().code(), ErrorCode::TooNew);
    // Other accounts can be used, and this account opens when the cause is gone.
    client.open_demo().await.unwrap();
    assert!(client.open_failure().is_none());
    execute("DELETE FROM schema_migration WHERE number = 99");
    let account = client.switch(&id).await.unwrap();
    assert_eq!(account.learning.done_sections("a").await.unwrap().len(), 1);
}

/// A keychain that can be locked.
struct LockableKeychain {
    inner: FileSecrets,
    locked: AtomicBool,
}
impl LockableKeychain {
    fn check(&self) -> carrel_net::Result<()> {
        match self.locked.load(Ordering::SeqCst) {
            true => Err(carrel_net::Error::Secrets("locked".into())),
            false => Ok(()),
        }
    }
}
impl SecretStore for LockableKeychain {
    fn get(&self, name: &str) -> carrel_net::Result<Option<String>> {
        self.check().and_then(|()| self.inner.get(name))
    }
    fn set(&self, name: &str, secret: &str) -> carrel_net::Result<()> {
        self.check().and_then(|()| self.inner.set(name, secret))
    }
    fn delete(&self, name: &str) -> carrel_net::Result<()> {
        self.check().and_then(|()| self.inner.delete(name))
    }
}

#[tokio::test]
async fn locked_keychain_at_start_requires_no_sign_in() {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let secrets = Arc::new(LockableKeychain {
        inner: FileSecrets::new(dir.path(), Arc::new(SeededIds::new(1))),
        locked: AtomicBool::new(false),
    });
    let client = open_with(dir.path(), &school, &clock, secrets.clone()).await;
    let account = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    let id = account.id().to_owned();
    within_a_minute("a sync", account.sync.sync_now()).await.unwrap();
    client.close().await;
    drop((account, client));
    // A wrong state stored by an earlier run is corrected too.
    for was_ended in [false, true] {
        secrets.locked.store(true, Ordering::SeqCst);
        let client = open_with(dir.path(), &school, &clock, secrets.clone()).await;
        let (registry_client, account_id) = (client.clone(), id.clone());
        let store_state =
            move || registry_client.accounts().set_needs_sign_in(&account_id, was_ended);
        carrel_system::blocking(store_state).await.unwrap();
        let account = client.account().expect("the account opens");
        account.learning.record(finished(if was_ended { "a/b/c" } else { "a/b/d" })).await.unwrap();
        let status = within_a_minute("the sync", account.sync.sync_now()).await.unwrap();
        assert_ne!(status.phase, Phase::SignedOut);
        assert_eq!((status.waiting, account.signed_in_until_ms().await), (1, None));
        assert_eq!(
            client.account_info().unwrap().needs_sign_in,
            was_ended,
            "the stored state is unchanged"
        );
        // Unlocked: the next sync succeeds without user action.
        secrets.locked.store(false, Ordering::SeqCst);
        let mut changes = client.changes().subscribe();
        let status = within_a_minute("a sync", account.sync.sync_now()).await.unwrap();
        assert_eq!((status.phase, status.waiting), (Phase::Idle, 0));
        within_a_minute("the stored state", async {
            while client.account_info().unwrap().needs_sign_in {
                changes.recv().await.unwrap();
            }
        })
        .await;
        client.close().await;
    }
}

/// Writes lists with one course and one story, as in an exported library.
fn write_demo_lists(folder: &Path) {
    let list = |facts: Value| {
        let mut item = json!({
            "title": "T", "description": "", "lang": "en", "dir": "ltr", "category": "", "tags": [], "authors": [],
            "license": "CC0-1.0", "credits": "", "cover": { "color": "#28505a", "ornament": "waves" },
            "totalBytes": 1, "version": "ab".repeat(32),
        });
        item.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
        json!({ "items": [item], "total": 1, "page": 1, "pageSize": 1 }).to_string()
    };
    let course = json!({
        "id": "rivers", "difficulty": "BEGINNER", "hours": 1, "lessonCount": 1, "sectionCount": 1,
    });
    let story =
        json!({ "id": "lamp", "level": 1, "family": "lamp", "pageCount": 1, "narrated": false });
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("courses.json"), list(course)).unwrap();
    std::fs::write(folder.join("stories.json"), list(story)).unwrap();
}

#[tokio::test]
async fn the_demo_library_is_stored_on_the_device_the_first_time() {
    let dir = tempfile::tempdir().unwrap();
    write_demo_lists(&dir.path().join("demo"));
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let requested = async |account: &Arc<OpenAccount>| {
        let requested = account.content.blocking(|content| {
            let downloads = &content.downloads;
            let (courses, stories) =
                (downloads.states(Kind::Course)?, downloads.states(Kind::Story)?);
            Ok([courses.contains_key("rivers"), stories.contains_key("lamp")])
        });
        requested.await.unwrap()
    };
    let demo = client.open_demo().await.unwrap();
    within_a_minute("the demo library to be stored", async {
        while requested(&demo).await != [true, true] {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let remove = demo.content.blocking(|content| {
        content.downloads.remove(Kind::Story, &Slug::new("lamp").unwrap()).map(drop)
    });
    remove.await.unwrap();
    let again = client.open_demo().await.unwrap();
    assert_eq!(requested(&again).await, [true, false], "what the learner removed stays removed");
    client.close().await;
}

#[tokio::test]
async fn a_link_for_a_new_password_is_requested_in_the_language_of_the_learner() {
    let (dir, school, clock) = (tempfile::tempdir().unwrap(), school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    client.request_password_reset(School::ADDRESS, " asha ", "fr").await.unwrap();
    assert_eq!(
        school.resets.lock().unwrap()[..],
        [(r#"{"login":"asha"}"#.to_owned(), "fr".to_owned())]
    );
    let again = client.request_password_reset(School::ADDRESS, "asha", "fr").await;
    assert_eq!(again.unwrap_err().code(), ErrorCode::RateLimited);
    school.set_down(true);
    let offline = client.request_password_reset(School::ADDRESS, "asha", "fr").await;
    assert_eq!(offline.unwrap_err().code(), ErrorCode::Offline);
    client.close().await;
}
