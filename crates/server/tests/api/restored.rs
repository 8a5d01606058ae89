//! A server restored from a backup older than its last sign-ins and accounts; interrupted restores and backups.

use std::{collections::BTreeMap, path::Path};

use axum::http::StatusCode;
use carrel_bundle::{WorkBundle, WorkDevice, WorkHeader, WorkLearner};
use carrel_model::{
    BlobHash, ErrorCode,
    lattice::Row,
    wire::{Role, TokenReply},
};
use carrel_people::permissions::Caller;
use carrel_server::{
    Config, DataDir, Error, Server, Settings, backup,
    bundle_import::{AcceptOptions, accept_work},
    domain::accounts::NewAccount,
    folders::Failpoint,
    http, restore,
};
use serde_json::{Value, json};

use super::support::{NOW, PASSWORD, TestServer, codes, config, device, engine, fixture, progress};

const MINUTE: i64 = 60_000;

impl TestServer {
    pub fn back_up(&self, name: &str) -> std::path::PathBuf {
        let to = self.dir.path().join(name);
        backup::backup(engine(), &self.folder(), &to, NOW).unwrap();
        to
    }
    /// Restores a backup of this server into a new folder.
    pub fn restored(self, from: &Path, options: restore::Options) -> Self {
        let data = self.dir.path().join("restored");
        restore::restore(engine(), from, &data, options, NOW).unwrap();
        let settings = self.data_dir.config.settings.clone();
        let clock = std::sync::Arc::clone(&self.clock) as _;
        let data_dir = DataDir::open(Config { settings, clock, ..config(&data) }).unwrap();
        let router = http::app(data_dir.app().unwrap());
        Self { data_dir, router, ..self }
    }
    pub async fn refresh_with_certificate(&self, token: &TokenReply) -> super::support::Reply {
        let body = json!({"refreshToken": token.refresh_token, "accountCertificate": token.account_certificate});
        self.post("/api/auth/refresh", "", &body).await
    }
    async fn rotate(&self, token: &TokenReply, times: u32) -> TokenReply {
        let mut token = token.clone();
        for _ in 0..times {
            self.clock.advance(15 * MINUTE);
            token = self.refresh_with_certificate(&token).await.ok();
        }
        token
    }
    async fn row_count(&self, access: &str) -> usize {
        self.pull(access, 0).await["rows"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn sign_ins_stay_valid_after_the_restore_of_an_older_backup() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let idle = server.sign_in("noor", 2).await;
    let to = server.back_up("backup");
    // After the backup: tokens are rotated, and a sign-in on a new device and a new account are created.
    let later = server.rotate(&noor, 5).await;
    let tablet = server.rotate(&server.sign_in("noor", 3).await, 2).await;
    let amin = server.rotate(&server.learner("amin").await, 3).await;
    let server = server.restored(&to, restore::Options::default());
    for (token, user) in [(&later, &noor), (&idle, &noor), (&tablet, &noor), (&amin, &amin)] {
        let next: TokenReply = server.refresh_with_certificate(token).await.ok();
        assert_eq!(next.user, user.user);
        let pushed: Value = server.push(&next.access_token, &[progress("a/b/c", 5000)]).await.ok();
        assert_eq!(codes(&pushed), ["ok"]);
        assert_eq!(server.row_count(&next.access_token).await, 1);
        // The branch continues, and the redeemed token cannot be used again.
        server.clock.advance(15 * MINUTE);
        let _: TokenReply = server.refresh_with_certificate(&next).await.ok();
        server.clock.advance(2 * MINUTE);
        assert_eq!(server.refresh_with_certificate(&next).await.status, StatusCode::UNAUTHORIZED);
    }
    // The recreated account has the same password.
    assert_eq!(server.sign_in("amin", 9).await.user.id, amin.user.id);
}

#[tokio::test]
async fn a_deleted_account_does_not_return_with_an_older_backup_or_its_device() {
    let ledger = tempfile::tempdir().unwrap();
    let settings = Settings {
        registration_open: true,
        erasure_dir: Some(ledger.path().to_owned()),
        ..Settings::default()
    };
    let server = TestServer::with(settings.clone());
    let (noor, amin) = (server.learner("noor").await, server.learner("amin").await);
    for token in [&noor, &amin] {
        server.push(&token.access_token, &[progress("a/b/c", 5000)]).await.ok::<Value>();
    }
    let to = server.back_up("backup");
    let store = &server.data_dir.store;
    store.delete_person(Caller::COMMAND_LINE, noor.user.id, NOW).await.unwrap();
    let server = server.restored(&to, restore::Options::default());
    assert_eq!(server.sign_in_status("noor", PASSWORD).await, StatusCode::UNAUTHORIZED);
    let refused = server.refresh_with_certificate(&noor).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
    let folder = server.data_dir.config.data_dir.clone();
    assert_eq!(fixture().count(&folder, "progress"), 1);
    // The other one is there.
    let next: TokenReply = server.refresh_with_certificate(&amin).await.ok();
    assert_eq!(server.row_count(&next.access_token).await, 1);

    // A process that ended between the deletion and its record: the next start records it.
    let file = ledger.path().join("erased.jsonl");
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert!(recorded.contains(&noor.user.id.to_string()), "{recorded}");
    std::fs::remove_file(&file).unwrap();
    let open = || DataDir::open(Config { settings: settings.clone(), ..config(&folder) });
    drop(open().unwrap());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), recorded);
    // Without the record, nobody could say that all deletions are known.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = open().err().unwrap().to_string();
    assert!(error.contains("the record of deleted accounts"), "{error}");
}

#[tokio::test]
async fn reuse_is_detected_on_a_restored_server() {
    let server = TestServer::new();
    let first = server.learner("noor").await;
    let to = server.back_up("backup");
    let stolen = server.rotate(&first, 2).await;
    let genuine = server.rotate(&stolen, 4).await;
    let server = server.restored(&to, restore::Options::default());
    let next: TokenReply = server.refresh_with_certificate(&genuine).await.ok();
    server.clock.advance(2 * MINUTE);
    assert_eq!(server.refresh_with_certificate(&stolen).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh_with_certificate(&next).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn all_sign_ins_can_be_ended_with_a_restore() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let to = server.back_up("backup");
    let later = server.rotate(&noor, 2).await;
    let options = restore::Options { end_sign_ins: true, ..restore::Options::default() };
    let server = server.restored(&to, options);
    for token in [&noor, &later] {
        assert_eq!(
            server.refresh_with_certificate(token).await.problem().code,
            ErrorCode::Unauthenticated
        );
    }
    assert_eq!(server.sign_in("noor", 1).await.user.id, noor.user.id);
}

#[tokio::test]
async fn sign_ins_ended_before_the_backup_stay_ended() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let tablet = server.sign_in("noor", 2).await;
    server.post("/api/auth/logout", "", &json!({"refreshToken": noor.refresh_token})).await;
    let next = server.rotate(&tablet, 1).await;
    server.clock.advance(2 * MINUTE);
    assert_eq!(server.refresh_with_certificate(&tablet).await.status, StatusCode::UNAUTHORIZED);
    let to = server.back_up("backup");
    let server = server.restored(&to, restore::Options::default());
    for token in [&noor, &tablet, &next] {
        assert_eq!(server.refresh_with_certificate(token).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn tokens_and_certificates_of_other_servers_are_refused() {
    let (server, other) = (TestServer::new(), TestServer::new());
    let ours = server.learner("noor").await;
    let theirs = other.learner("amin").await;
    assert_eq!(server.refresh_with_certificate(&theirs).await.status, StatusCode::UNAUTHORIZED);
    // The certificate of another account does not validate an unknown token.
    let to = server.back_up("backup");
    let zoe = server.learner("zoe").await;
    let server = server.restored(&to, restore::Options::default());
    let mixed = TokenReply { account_certificate: ours.account_certificate.clone(), ..zoe.clone() };
    assert_eq!(server.refresh_with_certificate(&mixed).await.status, StatusCode::UNAUTHORIZED);
    let adopt = json!({"accountCertificate": theirs.account_certificate});
    let noor: TokenReply = server.refresh_with_certificate(&ours).await.ok();
    let refused = server.post("/api/auth/adopt", &noor.access_token, &adopt).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.post("/api/auth/adopt", "", &adopt).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_recreated_account_is_a_student_with_a_free_login() {
    let server = TestServer::new();
    let to = server.back_up("backup");
    let user = http::auth::new_user("noor", "Noor", Role::Administrator).unwrap();
    let password = carrel_server::password::hash_blocking(PASSWORD).unwrap();
    server.data_dir.store.add_account(NewAccount { user, password }, None, NOW).await.unwrap();
    let old = server.sign_in("noor", 1).await;
    assert_eq!(old.user.role, Role::Administrator);
    let server = server.restored(&to, restore::Options::default());
    let new = server.learner("NOOR").await;
    let back: TokenReply = server.refresh_with_certificate(&old).await.ok();
    assert_eq!((back.user.id, back.user.login.as_str()), (old.user.id, "noor-2"));
    assert_eq!(back.user.role, Role::Student);
    assert_ne!(back.user.id, new.user.id);
}

#[tokio::test]
async fn a_device_that_signed_out_before_the_restore_signs_in_to_the_same_account() {
    let server = TestServer::new();
    let to = server.back_up("backup");
    let noor = server.learner("noor").await;
    let server = server.restored(&to, restore::Options::default());
    let sign_in = |password: &str, certificate: &str| json!({"login": "Noor", "password": password, "deviceId": device(1), "accountCertificate": certificate});
    let without = server.post("/api/auth/login", "", &sign_in(PASSWORD, "")).await;
    assert_eq!(without.problem().code, ErrorCode::BadCredentials);
    let wrong = server
        .post("/api/auth/login", "", &sign_in("another password", &noor.account_certificate))
        .await;
    assert_eq!(wrong.problem().code, ErrorCode::BadCredentials);
    let back: TokenReply = server
        .post("/api/auth/login", "", &sign_in(PASSWORD, &noor.account_certificate))
        .await
        .ok();
    assert_eq!(back.user.id, noor.user.id);
}

#[tokio::test]
async fn work_of_an_unknown_account_is_adopted_once_with_proof() {
    let server = TestServer::new();
    let to = server.back_up("backup");
    let (old, tablet) = (server.learner("noor").await, server.sign_in("noor", 2).await);
    let zoe = server.learner("zoe").await;
    let server = server.restored(&to, restore::Options::default());
    let (new, mallory) = (server.learner("noor").await, server.learner("mallory").await);
    let adopt = |token: &str, certificate: &str| json!({"refreshToken": token, "accountCertificate": certificate});
    // Another person may have a file with the certificate, so it is accepted only for an account with its login.
    let refused = server
        .post("/api/auth/adopt", &mallory.access_token, &adopt("", &old.account_certificate))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for _ in 0..2 {
        let body = adopt(&old.refresh_token, &old.account_certificate);
        let reply = server.post("/api/auth/adopt", &new.access_token, &body).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    let second = server
        .post("/api/auth/adopt", &mallory.access_token, &adopt(&tablet.refresh_token, ""))
        .await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    // The other sign-ins of the old account continue as sign-ins of the new one.
    let next: TokenReply = server.refresh_with_certificate(&tablet).await.ok();
    assert_eq!(next.user.id, new.user.id);
    // An existing account is not adopted.
    let _: TokenReply = server.refresh_with_certificate(&zoe).await.ok();
    let existing =
        server.post("/api/auth/adopt", &mallory.access_token, &adopt(&zoe.refresh_token, "")).await;
    assert_eq!(existing.status, StatusCode::CONFLICT);
}

fn work_file(of: &TokenReply, certificate: &str, rows: &[Row]) -> Vec<u8> {
    let header = WorkHeader {
        format: String::new(),
        learner: WorkLearner {
            id: of.user.id,
            login: of.user.login.clone(),
            name: of.user.name.clone(),
        },
        server: "http://school".into(),
        server_name: "School".into(),
        server_key: String::new(),
        device: WorkDevice { id: device(1), name: "laptop".into(), key: String::new() },
        made_ms: NOW,
        made_by: "Carrel".into(),
        certificate: certificate.to_owned(),
        rows: 0,
        row_bytes: 0,
        row_hash: BlobHash([0; 32]),
    };
    WorkBundle::write(header, rows, &ed25519_dalek::SigningKey::from_bytes(&[5; 32])).unwrap()
}

#[tokio::test]
async fn a_file_of_an_unknown_account_is_accepted_for_a_login_or_with_a_certificate() {
    let server = TestServer::new();
    let to = server.back_up("backup");
    let old = server.learner("noor").await;
    let server = server.restored(&to, restore::Options::default());
    let (zoe, amin) = (server.learner("zoe").await, server.learner("amin").await);
    let rows: Vec<Row> = ["a/b/c", "a/b/d"]
        .iter()
        .map(|item| serde_json::from_value(progress(item, 5000)).unwrap())
        .collect();
    let file = server.dir.path().join("noor.carrel");
    std::fs::write(&file, work_file(&old, "", &rows)).unwrap();
    let accept = |options| accept_work(&server.data_dir, &file, options);
    let options = |login, trust_device| AcceptOptions { login, trust_device };
    let refused = accept(options(None, true)).await.unwrap_err().to_string();
    assert!(refused.contains("--as LOGIN"), "{refused}");
    let refused = accept(options(Some("nobody"), false)).await.unwrap_err().to_string();
    assert!(refused.contains("no account has the login"), "{refused}");
    let first = accept(options(Some("ZOE"), false)).await.unwrap();
    assert_eq!((first.login.as_str(), first.rows, first.changed), ("zoe", 2, 2));
    let again = accept(options(Some("zoe"), false)).await.unwrap();
    assert_eq!((again.rows, again.changed), (2, 0));
    assert_eq!(server.row_count(&zoe.access_token).await, 2);
    // The file of an existing account is not accepted for another one.
    std::fs::write(&file, work_file(&amin, "", &rows)).unwrap();
    let refused = accept(options(Some("zoe"), true)).await.unwrap_err().to_string();
    assert!(refused.contains("has an account on this server"), "{refused}");
    // With its certificate the account is recreated.
    std::fs::write(&file, work_file(&old, &old.account_certificate, &rows)).unwrap();
    let refused = accept(options(None, false)).await.unwrap_err().to_string();
    assert!(refused.contains("--trust-device"), "{refused}");
    let back = accept(options(None, true)).await.unwrap();
    assert_eq!((back.login.as_str(), back.changed), ("noor", 2));
    let next: TokenReply = server.refresh_with_certificate(&old).await.ok();
    assert_eq!((next.user.id, server.row_count(&next.access_token).await), (old.user.id, 2));
}

/// Fails at the step with this number, to simulate a kill.
fn fail_at(
    at: usize,
    mut run: impl FnMut(Failpoint<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut n = 0;
    run(&mut |_| {
        n += 1;
        if n > at { Err(Error::Refused("killed".into())) } else { Ok(()) }
    })
}

fn killed_restore(from: &Path, data: &Path, at: usize, now_ms: i64) -> Result<(), Error> {
    let options = restore::Options { replace: true, ..restore::Options::default() };
    fail_at(at, |failpoint| {
        restore::restore_with_failpoints(engine(), from, data, options, now_ms, failpoint).map(drop)
    })
}

fn epoch_of(data: &Path) -> String {
    fixture().epoch(data)
}

/// Returns the epoch of a database that was moved aside.
fn epoch_of_old(folder: &Path) -> String {
    match engine().is_shared() {
        true => engine().copy_metadata(folder).unwrap().epoch,
        false => epoch_of(folder),
    }
}

fn is_unfinished(data: &Path) -> bool {
    match DataDir::open(config(data)) {
        Ok(_) => false,
        Err(Error::Unfinished(_)) => true,
        Err(e) => panic!("{e}"),
    }
}

#[tokio::test]
async fn a_killed_restore_is_refused_until_it_is_finished_or_undone() {
    let server = TestServer::new();
    server.publish().await;
    let key = std::fs::read(server.folder().join("signing.key")).unwrap();
    let to = server.back_up("backup");
    let other = TestServer::new();
    other.publish().await;
    other.learner("zoe").await;
    let (before, other_key) =
        (epoch_of(&other.folder()), std::fs::read(other.folder().join("signing.key")).unwrap());
    let other_backup = other.back_up("backup");
    // A database outside of the folder takes some tenths of a second for each step, so only some are tried.
    let (step, cases) = if engine().is_in_folder() { (1, 2) } else { (3, 1) };
    for has_old in [true, false].into_iter().take(cases) {
        let mut refused = 0;
        for at in (0..200).step_by(step) {
            for undo in [at % 2 == 0, at % 2 == 1].into_iter().take(cases) {
                let data = server.dir.path().join(format!("data-{has_old}-{at}-{undo}"));
                if has_old {
                    restore::restore(
                        engine(),
                        &other_backup,
                        &data,
                        restore::Options::default(),
                        NOW,
                    )
                    .unwrap();
                }
                let old_epoch = has_old.then(|| epoch_of(&data));
                assert_ne!(old_epoch.as_deref(), Some(before.as_str()));
                if killed_restore(&to, &data, at, NOW + 1).is_ok() {
                    assert!(at > 10 && refused > 8 / step, "{at} steps, {refused} refused");
                    assert_eq!(std::fs::read(data.join("signing.key")).unwrap(), key);
                    assert!(!is_unfinished(&data));
                    break;
                }
                let unfinished = data.exists() && carrel_server::folders::is_unfinished(&data);
                refused += usize::from(unfinished);
                if unfinished {
                    assert!(is_unfinished(&data), "step {at}");
                    assert!(Server::start(config(&data)).await.is_err());
                    assert!(
                        backup::backup(engine(), &data, &server.dir.path().join("never"), NOW)
                            .is_err()
                    );
                }
                if undo && unfinished {
                    match restore::abandon(engine(), &data) {
                        Ok(()) if has_old => {
                            assert_eq!(Some(epoch_of(&data)), old_epoch, "step {at}");
                            assert_eq!(std::fs::read(data.join("signing.key")).unwrap(), other_key);
                            assert!(!is_unfinished(&data));
                        }
                        Ok(()) => assert!(!data.join(engine().file()).exists()),
                        // The new database is in place: the restore can only be finished.
                        Err(_) => assert_ne!(Some(epoch_of(&data)), old_epoch),
                    }
                } else if has_old && !unfinished && at < 2 {
                    assert_eq!(Some(epoch_of(&data)), old_epoch, "step {at}");
                }
                // In each case, repeating the restore completes it.
                killed_restore(&to, &data, usize::MAX, NOW + 2).unwrap();
                assert_eq!(std::fs::read(data.join("signing.key")).unwrap(), key);
                assert!(!is_unfinished(&data), "step {at}");
                assert!(!data.join("restoring").exists());
                if let Some(old_epoch) = old_epoch {
                    let kept = std::fs::read_dir(&data).unwrap().flatten().any(|e| {
                        e.path().join(engine().file()).is_file()
                            && epoch_of_old(&e.path()) == old_epoch
                    });
                    assert!(kept, "the old database is missing after step {at}");
                }
                std::fs::remove_dir_all(&data).unwrap();
            }
        }
    }
}

/// Finishing an interrupted restore must not be reported as a restore of the requested backup.
#[tokio::test]
async fn a_restore_of_another_backup_is_not_reported_after_finishing_an_interrupted_one() {
    let server = TestServer::new();
    server.publish().await;
    let first = server.back_up("first");
    server.learner("noor").await;
    let second = server.dir.path().join("second");
    backup::backup(engine(), &server.folder(), &second, NOW + 5).unwrap();
    let mut finished = 0;
    for at in 0..200 {
        let data = server.dir.path().join(format!("data-{at}"));
        if killed_restore(&first, &data, at, NOW + 1).is_ok() {
            break;
        }
        if !data.join("restoring/ready.json").exists() {
            continue;
        }
        finished += 1;
        let options = restore::Options { replace: true, ..restore::Options::default() };
        match restore::restore(engine(), &second, &data, options, NOW + 2) {
            Err(Error::Refused(text)) => assert!(text.contains("--replace"), "{text}"),
            other => panic!("step {at}: {other:?}"),
        }
        assert!(!is_unfinished(&data), "step {at}");
        restore::restore(engine(), &second, &data, options, NOW + 3).unwrap();
        let data_dir = DataDir::open_existing(config(&data)).unwrap();
        assert!(data_dir.store.account("noor", None).await.unwrap().is_some(), "step {at}");
        // If the requested backup does not exist, the interrupted restore is finished without an error.
        let again = server.dir.path().join(format!("again-{at}"));
        assert!(killed_restore(&first, &again, at, NOW + 1).is_err());
        restore::restore(engine(), &server.dir.path().join("gone"), &again, options, NOW + 2)
            .unwrap();
    }
    assert!(finished > 2, "{finished}");
}

/// After all files are prepared, some old files may have been moved. The next restore then finishes the interrupted
/// one, even if it is a restore of another backup.
#[tokio::test]
async fn a_prepared_restore_is_finished_first() {
    let (server, other) = (TestServer::new(), TestServer::new());
    let key = std::fs::read(server.folder().join("signing.key")).unwrap();
    let (first_backup, other_backup) = (server.back_up("backup"), other.back_up("backup"));
    let mut finished = 0;
    for at in 0.. {
        let data = server.dir.path().join(format!("data-{at}"));
        restore::restore(engine(), &other_backup, &data, restore::Options::default(), NOW).unwrap();
        if killed_restore(&first_backup, &data, at, NOW + 1).is_ok() {
            break;
        }
        if data.join("restoring/ready.json").exists() {
            // Returns an error, because the requested backup was not restored.
            killed_restore(&other_backup, &data, usize::MAX, NOW + 2).unwrap_err();
            assert_eq!(std::fs::read(data.join("signing.key")).unwrap(), key, "step {at}");
            finished += 1;
        }
    }
    assert!(finished > 3, "{finished}");
}

/// Kills several restores at random steps, then completes one. `CARREL_LONG=1`: 500 runs.
#[tokio::test]
async fn repeatedly_killed_restores_can_be_completed() {
    let runs = if std::env::var_os("CARREL_LONG").is_some() { 500 } else { 25 };
    let server = TestServer::new();
    server.publish().await;
    let (first, noor) = (server.back_up("first"), server.learner("noor").await);
    server.push(&noor.access_token, &[progress("how-rivers-work/meanders/read", 5000)]).await;
    let second = server.back_up("second");
    let data = server.dir.path().join("again");
    restore::restore(engine(), &first, &data, restore::Options::default(), NOW).unwrap();
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut outcomes: BTreeMap<bool, u64> = BTreeMap::new();
    for run in 0..runs {
        let from = if random(2) == 0 { &first } else { &second };
        let now = NOW + run + 1;
        for _ in 0..random(4) {
            let killed = killed_restore(from, &data, random(24), now).is_err();
            *outcomes.entry(killed).or_default() += 1;
            if random(3) == 0 {
                let _ = restore::abandon(engine(), &data);
            }
        }
        killed_restore(from, &data, usize::MAX, now).unwrap();
        let data_dir = DataDir::open_existing(config(&data)).unwrap();
        assert_eq!(
            data_dir.store.blobs().await.unwrap().len(),
            server.data_dir.store.blobs().await.unwrap().len()
        );
        drop(data_dir);
        for entry in std::fs::read_dir(&data).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("replaced-") {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
    assert!(
        outcomes.get(&true).is_some_and(|n| *n > 0) && outcomes.contains_key(&false),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_killed_backup_is_invalid_and_checks_write_nothing() {
    let server = TestServer::new();
    server.publish().await;
    let mut killed = 0;
    let complete = loop {
        let to = server.dir.path().join(format!("backup-{killed}"));
        let data = server.folder();
        let result = fail_at(killed, |failpoint| {
            backup::backup_with_failpoints(engine(), &data, &to, NOW, failpoint).map(drop)
        });
        if result.is_ok() {
            break to;
        }
        let mut part = to.clone().into_os_string();
        part.push(".part");
        assert!(!to.exists());
        for path in [to.as_path(), Path::new(&part)] {
            let is_complete = backup::check(engine(), path).is_ok();
            // Only the final rename was missing.
            assert!(!is_complete || path.join("backup.json").exists(), "step {killed}");
        }
        killed += 1;
        // A backup to the same path starts again.
        backup::backup(engine(), &data, &to, NOW).unwrap();
        assert!(backup::check(engine(), &to).is_ok());
    };
    assert!(killed > 6);
    let names = |folder: &Path| {
        let mut all: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|e| (e.file_name(), e.metadata().unwrap().modified().unwrap()))
            .collect();
        all.sort();
        // A temporary file would change the modification time of the folder.
        (all, folder.metadata().unwrap().modified().unwrap())
    };
    let (before, bytes) =
        (names(&complete), std::fs::read(complete.join(engine().file())).unwrap());
    backup::check(engine(), &complete).unwrap();
    assert_eq!(
        (names(&complete), std::fs::read(complete.join(engine().file())).unwrap()),
        (before, bytes)
    );
    // An unrelated folder of that name is not deleted.
    let unrelated = server.dir.path().join("mine.part");
    std::fs::create_dir(&unrelated).unwrap();
    std::fs::write(unrelated.join("thesis.txt"), "years of work").unwrap();
    assert!(
        backup::backup(engine(), &server.folder(), &server.dir.path().join("mine"), NOW).is_err()
    );
    assert!(unrelated.join("thesis.txt").exists());
}

#[tokio::test]
async fn commands_do_not_create_a_server_in_a_wrong_folder() {
    sqlite_only!("the database of another engine is not a file that can be missing");
    let dir = tempfile::tempdir().unwrap();
    let wrong_path = dir.path().join("srv-carel");
    let no_server = |e: Error| matches!(e, Error::NoServer(_));
    assert!(DataDir::open_existing(config(&wrong_path)).err().is_some_and(no_server));
    assert!(
        backup::backup(engine(), &wrong_path, &dir.path().join("backup"), NOW)
            .err()
            .is_some_and(no_server)
    );
    assert!(!wrong_path.exists() && !dir.path().join("backup").exists());
    // No new server is created in an incomplete data folder.
    let server = TestServer::new();
    server.publish().await;
    let TestServer { dir, data_dir, router, .. } = server;
    drop((data_dir, router));
    let data = dir.path().join("data");
    std::fs::rename(data.join("signing.key"), data.join("away")).unwrap();
    assert!(matches!(DataDir::open(config(&data)), Err(Error::NoSigningKey(_))));
    std::fs::rename(data.join("away"), data.join("signing.key")).unwrap();
    for name in engine().side_files().iter().copied().chain([engine().file()]) {
        let _ = std::fs::remove_file(data.join(name));
    }
    assert!(matches!(DataDir::open(config(&data)), Err(Error::NoDatabase(_))));
    std::fs::write(data.join(engine().file()), "").unwrap();
    assert!(matches!(DataDir::open(config(&data)), Err(Error::NoDatabase(_))));
}

#[tokio::test]
async fn an_export_replaces_only_an_exported_library() {
    let server = TestServer::with(Settings::default());
    server.publish().await;
    let to = server.dir.path().join("site");
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("meta.json"), r#"{"title": "my photo album"}"#).unwrap();
    let export = || carrel_server::export::export(&server.data_dir, &to);
    assert!(export().await.is_err());
    std::fs::remove_file(to.join("meta.json")).unwrap();
    let exported = export().await.unwrap();
    assert_eq!(export().await.unwrap(), exported);
    // An unrelated file was added to the folder.
    std::fs::write(to.join("thesis.txt"), "years of work").unwrap();
    assert!(export().await.is_err());
    assert!(to.join("thesis.txt").exists() && to.join("meta.json").exists());
}
