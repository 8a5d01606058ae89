//! Courses and work are transferred by files alone, without a network or a running server. Later all devices sync with
//! the server and have the same rows.

use std::{
    fs,
    future::Future,
    net::TcpStream,
    path::{Path, PathBuf},
    pin::Pin,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use carrel_client::{
    Client, Config, Error, ImportError, OpenAccount,
    account::FileSecrets,
    bundle::{BundleInfo, KeyTrust, LocalState},
};
use carrel_content::{
    Kind,
    download::{DownloadTarget, Phase},
};
use carrel_model::{
    BlobHash, ErrorCode,
    content::{Block, ManifestContent, SectionBody},
    lattice::{ItemKind, Row},
};
use carrel_system::Clock;
use carrel_testkit::{
    FakeClock, Network, SeededIds, SeededRng, TestServer, content, device::PASSWORD,
    oracle::compare, scratch::scratch,
};
use tempfile::TempDir;

use crate::client::{self, ALL, finish_section, sync, wait_until};

/// A client that has downloaded the course and the story, its server, and a folder for files.
pub struct ExportFixture {
    pub clock: FakeClock,
    pub server: TestServer,
    _dir: TempDir,
    pub client: Arc<Client>,
    pub account: Arc<OpenAccount>,
    pub drive: TempDir,
}

/// Returns the data folder of a server with the test library; its recordings are too large for the database.
pub async fn library() -> TempDir {
    let (packages_dir, dir) = (scratch(), scratch());
    content::write_library(packages_dir.path()).expect("the packages");
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let file = packages_dir.path().join(content::COURSE).join(lesson).join("stream.wav");
        fs::write(file, wav(1_500_000, n as u32 + 20)).expect("a recording");
    }
    let library =
        carrel_server::DataDir::open(carrel_server::Config::new(dir.path())).expect("a library");
    let report = library.import(&[packages_dir.path().to_owned()]).await.expect("an import");
    assert!(report.is_ok(), "{report:?}");
    drop(library);
    dir
}

/// Returns a recording: 8 kHz, 16 bit, mono.
pub fn wav(samples: u32, pitch: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + samples * 2).to_le_bytes());
    bytes.extend_from_slice(
        b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data",
    );
    bytes.extend_from_slice(&(samples * 2).to_le_bytes());
    bytes.extend(
        (0..samples).flat_map(|n| {
            (if (n / pitch).is_multiple_of(2) { 900_i16 } else { -900 }).to_le_bytes()
        }),
    );
    bytes
}

pub async fn export_fixture() -> ExportFixture {
    let clock = FakeClock::noon();
    let library_dir = library().await;
    let server = TestServer::with_settings(
        &clock,
        carrel_server::Settings::default(),
        Some(library_dir.path()),
    )
    .await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    account.content.library.stories(&ALL).await.expect("the list of stories");
    download(&client, &account, Kind::Course).await;
    download(&client, &account, Kind::Story).await;
    ExportFixture { clock, server, _dir: dir, client, account, drive: scratch() }
}
fn id(kind: Kind) -> carrel_model::Slug {
    match kind {
        Kind::Course => content::course(),
        Kind::Story => content::story(),
    }
}
async fn download(client: &Client, account: &OpenAccount, kind: Kind) {
    account.content.downloads.start(kind, &id(kind)).expect("a download");
    wait_until(client, "the download", || async {
        let state = account.content.downloads.state(kind, &id(kind)).expect("its state");
        (state.phase == Phase::Ready && state.bytes_done == state.bytes_total).then_some(())
    })
    .await;
}
pub fn course_and_story() -> [(Kind, carrel_model::Slug); 2] {
    [(Kind::Course, content::course()), (Kind::Story, content::story())]
}
pub fn import_error(e: Error) -> ImportError {
    match e {
        Error::Import(refusal) => refusal,
        other => panic!("not a refusal: {other}"),
    }
}
pub async fn stop_server(server: &mut TestServer) {
    server.stop().await;
    let address = server.url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).is_err(), "the port is closed");
}
pub fn phase(account: &OpenAccount, kind: Kind) -> Phase {
    account.content.downloads.state(kind, &id(kind)).expect("its state").phase
}

/// Checks that lists, sections, blobs, search and verification work without a network.
pub async fn check_offline_content(account: &OpenAccount) {
    let library = &account.content.library;
    let courses = library.courses(&ALL).await.expect("the list").value.items;
    assert_eq!(courses.iter().map(|c| c.meta.id.as_str()).collect::<Vec<_>>(), [content::COURSE]);
    assert_eq!(library.stories(&ALL).await.expect("the list").value.items.len(), 1);
    let manifest =
        library.manifest(Kind::Course, &content::course()).await.expect("the manifest").value;
    let ManifestContent::Course { outline, .. } = &manifest.manifest.content else {
        panic!("not a course")
    };
    let mut media = 0;
    for section in outline.lessons.iter().flat_map(|l| &l.sections) {
        let body: SectionBody = library.body(section.body).await.expect("a section");
        media += body
            .blocks
            .iter()
            .filter(|b| matches!(b, Block::Audio { .. } | Block::Image { .. }))
            .count();
    }
    assert!(media > 0, "the course has audio and images");
    for blob in &manifest.manifest.blobs {
        assert_eq!(library.blob(blob.hash).await.expect("every blob is stored").size(), blob.size);
    }
    library.find_story(&content::story().into()).await.expect("the story opens");
    assert!(!library.search("meander", 0, 50).expect("a search").hits.is_empty());
    for kind in [Kind::Course, Kind::Story] {
        assert_eq!(phase(account, kind), Phase::Ready);
        let verification = account
            .content
            .downloads
            .verify(&DownloadTarget::whole(kind, &id(kind)))
            .await
            .expect("a proof");
        assert_eq!(verification.missing(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_converge_after_courses_and_work_are_transferred_by_file() {
    let mut fixture = export_fixture().await;
    // The second device has signed in once and has downloaded nothing of the library.
    let dir = scratch();
    let http = Network::over(client::live_http());
    let other = client::open(dir.path(), http.clone(), &fixture.clock, 2, false).await;
    let other_account =
        other.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    sync(&other_account).await;
    sync(&fixture.account).await;
    stop_server(&mut fixture.server).await;

    for n in 0..4 {
        fixture.account.learning.record(finish_section(n)).await.expect("recorded");
        other_account.learning.record(finish_section(n + 6)).await.expect("recorded");
    }
    fixture.account.learning.save_word(&content::words()[0], None, true).await.expect("a word");
    other_account.learning.save_word(&content::words()[1], None, true).await.expect("a word");
    for account in [&fixture.account, &other_account] {
        account.learning.study_heartbeat(&content::sections()[0], true).await.expect("a heartbeat");
    }
    fixture.clock.advance(9_000);
    for account in [&fixture.account, &other_account] {
        account
            .learning
            .study_heartbeat(&content::sections()[0], false)
            .await
            .expect("a heartbeat");
    }

    // Transfers the course.
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    assert_eq!(sent.bytes, fs::metadata(&sent.path).expect("the file").len());
    assert_eq!(
        fs::read_dir(fixture.drive.path()).expect("the drive").count(),
        1,
        "no other file on the drive"
    );
    let BundleInfo::Courses(found) =
        other.inspect_file(&sent.path, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert_eq!(
        (found.trust, found.courses.len()),
        (KeyTrust::Trusted, 2),
        "the server's key is known from the sign-in"
    );
    assert!(found.courses.iter().all(|c| c.local == LocalState::Absent) && found.new_bytes > 0);
    let imported = other.import_courses(&sent.path, None).await.expect("imported");
    assert!(imported.len() == 2 && imported.iter().all(|t| t.imported));
    check_offline_content(&other_account).await;

    // Transfers work in both directions; the first file is imported twice.
    let first_work = fixture.client.export_work(fixture.drive.path()).await.expect("a file");
    let BundleInfo::Work(found) =
        other.inspect_file(&first_work.path, None).await.expect("the file is inspected")
    else {
        panic!("not a work file")
    };
    assert_eq!(
        (found.learner.as_str(), found.refusal, found.rows),
        ("Asha", None, first_work.count)
    );
    let imported = other.import_work(&first_work.path, false).await.expect("imported");
    assert!(imported.changed >= 6, "{imported:?}");
    assert_eq!(
        other.import_work(&first_work.path, false).await.expect("again").changed,
        0,
        "a second import changes nothing"
    );
    let other_file = other.export_work(fixture.drive.path()).await.expect("a file");
    fixture.client.import_work(&other_file.path, false).await.expect("imported");
    compare(
        ("first", &client::rows(&fixture.account).await),
        ("second", &client::rows(&other_account).await),
    )
    .expect("both agree without a server");
    assert_eq!(
        other_account
            .learning
            .done_sections(content::COURSE)
            .await
            .expect("the finished sections")
            .len(),
        8
    );
    assert_eq!(
        other_account.learning.time_spent_total().await.expect("the time"),
        9_000,
        "simultaneous study on two devices counts once"
    );

    // The data survives a restart.
    other.close().await;
    drop((other_account, other));
    let other = client::open(dir.path(), http.clone(), &fixture.clock, 3, false).await;
    let other_account = other.account().expect("the account opens");
    check_offline_content(&other_account).await;

    // The device that imported the course is online first: it sends the work of both devices.
    fixture.server.start().await;
    http.take_requests();
    other_account.network_changed();
    assert_eq!(sync(&other_account).await.waiting, 0);
    let user = other.account_info().expect("the account").user.id;
    let learners = |rows: carrel_testkit::Rows| -> carrel_testkit::Rows {
        rows.into_iter().filter(|(_, r)| !r.is_server_only()).collect()
    };
    let on_server = learners(fixture.server.rows(user).await);
    compare(("server", &on_server), ("first", &learners(client::rows(&fixture.account).await)))
        .expect("the second device sent the rows of the first");
    fixture.account.network_changed();
    assert_eq!(sync(&fixture.account).await.waiting, 0);
    sync(&other_account).await;
    let server = fixture.server.rows(user).await;
    compare(("server", &server), ("first", &client::rows(&fixture.account).await))
        .expect("both agree");
    compare(("server", &server), ("second", &client::rows(&other_account).await))
        .expect("both agree");

    // An update from the server does not download imported content again.
    fixture.clock.advance(3_600_000);
    other_account.content.library.refresh(Kind::Course).await.expect("the list");
    other_account.content.downloads.start(Kind::Course, &content::course()).expect("an update");
    wait_until(&other, "the update", || async {
        (phase(&other_account, Kind::Course) == Phase::Ready).then_some(())
    })
    .await;
    let requests: Vec<_> =
        http.take_requests().into_iter().filter(|r| r.url.contains("/api/blobs/")).collect();
    assert!(requests.is_empty(), "{} blobs were fetched", requests.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_confirms_the_key_and_its_work_is_claimed() {
    let mut fixture = export_fixture().await;
    let other_server = TestServer::with_library(&fixture.clock).await;
    let other_dir = scratch();
    let other_client =
        client::open(other_dir.path(), client::live_http(), &fixture.clock, 7, false).await;
    let bela = other_client
        .register(&other_server.url(), "bela", "Bela", PASSWORD)
        .await
        .expect("an account");
    bela.content.library.courses(&ALL).await.expect("the list");
    download(&other_client, &bela, Kind::Course).await;
    let key = carrel_server::signing::hex(&fixture.server.running().app().signer.public_key());
    stop_server(&mut fixture.server).await;

    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &fixture.clock, 2, false).await;
    let guest = client.open_guest().await.expect("the guest account");
    assert!(
        guest.content.library.courses(&ALL).await.expect("an empty list").value.items.is_empty()
    );

    // The first file from this server: the user has to accept the key.
    let BundleInfo::Courses(found) =
        client.inspect_file(&sent.path, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert_eq!(found.trust, KeyTrust::NotAccepted);
    assert_eq!(found.fingerprint, carrel_client::bundle::fingerprint(&key));
    let error = import_error(
        client.import_courses(&sent.path, None).await.expect_err("no key was accepted"),
    );
    assert_eq!(error.reason(), "not_accepted");
    let error = import_error(
        client
            .import_courses(&sent.path, Some("0000 0000 0000 0000 0000"))
            .await
            .expect_err("another key was accepted"),
    );
    assert_eq!(error.reason(), "not_accepted");
    assert_eq!(phase(&guest, Kind::Course), Phase::Absent);
    client.import_courses(&sent.path, Some(&found.fingerprint)).await.expect("imported");
    check_offline_content(&guest).await;
    let BundleInfo::Courses(again) =
        client.inspect_file(&sent.path, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert_eq!((again.trust, again.new_bytes), (KeyTrust::Trusted, 0));
    assert!(again.courses.iter().all(|c| c.local == LocalState::Same));

    // A course of another server with the same id does not replace the imported course.
    let foreign = scratch();
    let other_file = other_client
        .export_courses(&[(Kind::Course, content::course())], foreign.path())
        .await
        .expect("a file");
    let BundleInfo::Courses(found) =
        client.inspect_file(&other_file.path, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert_eq!(
        (found.trust, found.courses[0].local),
        (KeyTrust::NotAccepted, LocalState::OtherLibrary)
    );
    let error = import_error(
        client
            .import_courses(&other_file.path, Some(&found.fingerprint))
            .await
            .expect_err("the id is in use"),
    );
    assert_eq!(error.reason(), "taken");
    // It is not imported into an account of this server either.
    let error = import_error(
        fixture
            .client
            .import_courses(&other_file.path, Some(&found.fingerprint))
            .await
            .expect_err("another library"),
    );
    assert_eq!(error.reason(), "other_library");
    // A file with this server's address and another server's key is refused.
    let forged = foreign.path().join("forged.carrel");
    rewrite_header(&other_file.path, &forged, &other_server.url(), &fixture.server.url());
    for client in [&client, &fixture.client] {
        let error = import_error(
            client
                .import_courses(&forged, Some(&found.fingerprint))
                .await
                .expect_err("a wrong key"),
        );
        assert_eq!(error.reason(), "wrong_key");
    }

    // A file that is exported from imported content has the address of the original server.
    let second = client.export_courses(&course_and_story(), foreign.path()).await.expect("a file");
    let BundleInfo::Courses(found) =
        fixture.client.inspect_file(&second.path, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert_eq!((found.server, found.trust), (fixture.server.url(), KeyTrust::Trusted));

    // Work of the guest account is claimed on the learner's own device.
    guest.learning.record(finish_section(3)).await.expect("recorded");
    let work = client.export_work(fixture.drive.path()).await.expect("a file");
    let error =
        import_error(fixture.client.import_work(&work.path, false).await.expect_err("not claimed"));
    assert_eq!(error, ImportError::Unclaimed);
    assert!(
        fixture.account.learning.done_sections(content::COURSE).await.expect("none").is_empty()
    );
    assert_eq!(fixture.client.import_work(&work.path, true).await.expect("claimed").changed, 1);
    fixture.server.start().await;
    fixture.account.network_changed();
    assert_eq!(sync(&fixture.account).await.waiting, 0);
    let user = fixture.client.account_info().expect("the account").user.id;
    let done = |r: &Row| matches!(r, Row::Progress(p) if p.done_ms.is_some() && p.kind == ItemKind::Section);
    assert_eq!(fixture.server.rows(user).await.values().filter(|r| done(r)).count(), 1);

    // A removed course is not listed.
    client
        .require_account()
        .expect("open")
        .content
        .downloads
        .remove(Kind::Course, &content::course())
        .expect("removed");
    assert!(guest.content.library.courses(&ALL).await.expect("the list").value.items.is_empty());
    assert_eq!(guest.content.library.stories(&ALL).await.expect("the list").value.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_another_learner_is_refused() {
    let fixture = export_fixture().await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &fixture.clock, 2, false).await;
    let bela =
        client.register(&fixture.server.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    fixture.account.learning.record(finish_section(0)).await.expect("recorded");
    let work = fixture.client.export_work(fixture.drive.path()).await.expect("a file");
    for claim in [false, true] {
        let error =
            import_error(client.import_work(&work.path, claim).await.expect_err("it is Asha's"));
        assert_eq!(error, ImportError::OtherLearner { name: "Asha".into() });
    }
    assert!(bela.learning.done_sections(content::COURSE).await.expect("none").is_empty());
    let other = TestServer::empty(&fixture.clock).await;
    client.register(&other.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let error = import_error(
        client.import_work(&work.path, true).await.expect_err("another server's Asha"),
    );
    assert_eq!(error.reason(), "other_server");
    client.open_guest().await.expect("the guest account");
    let error =
        import_error(client.import_work(&work.path, true).await.expect_err("a guest is not Asha"));
    assert_eq!(error.reason(), "other_learner");
    // A course file is not accepted as a work file, nor a work file as a course file.
    let courses = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    assert_eq!(
        import_error(fixture.client.import_work(&courses.path, false).await.expect_err("courses"))
            .reason(),
        "nothing"
    );
    assert_eq!(
        import_error(fixture.client.import_courses(&work.path, None).await.expect_err("work"))
            .reason(),
        "nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_file_changes_nothing() {
    let mut fixture = export_fixture().await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &fixture.clock, 2, false).await;
    let other_account =
        client.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    stop_server(&mut fixture.server).await;
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let valid = fs::read(&sent.path).expect("the file");
    let bad = fixture.drive.path().join("bad.carrel");
    let head = 44 + u32::from_be_bytes(valid[8..12].try_into().expect("a length")) as usize;
    let flip = |at: usize| {
        let mut file = valid.clone();
        file[at] ^= 1;
        file
    };
    let table: [(&str, Vec<u8>, &str); 6] = [
        // In order of position in the file: verified blobs are kept and not read again.
        ("a bit of the first blob", flip(head), "blob_damaged"),
        ("a bit in the middle", flip(head + (valid.len() - head) / 2), "blob_damaged"),
        ("a bit of the last blob", flip(valid.len() - 1), "blob_damaged"),
        ("without the last byte", valid[..valid.len() - 1].to_vec(), "truncated"),
        ("a bit of the head", flip(60), "head_damaged"),
        ("an empty file", vec![], "empty"),
    ];
    for (what, file, reason) in table {
        fs::write(&bad, file).expect("a bad file");
        let error = import_error(client.import_courses(&bad, None).await.expect_err(what));
        assert_eq!(error.reason(), reason, "{what}");
        for kind in [Kind::Course, Kind::Story] {
            assert_eq!(phase(&other_account, kind), Phase::Absent, "{what}");
        }
        assert!(
            other_account.content.library.courses(&ALL).await.is_err(),
            "{what}: nothing is listed"
        );
        assert!(client.transfers().progress().is_none());
    }
    for (what, path) in [
        ("a folder", fixture.drive.path().to_owned()),
        ("a missing file", fixture.drive.path().join("no")),
    ] {
        let error = import_error(client.import_courses(&path, None).await.expect_err(what));
        assert!(["not_carrel", "unreadable"].contains(&error.reason()), "{what}: {error}");
    }
    // Blobs verified before the damaged one were kept: the valid file has fewer new bytes.
    let BundleInfo::Courses(found) =
        client.inspect_file(&sent.path, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert!(found.new_bytes < found.bytes - head as u64, "{} of {}", found.new_bytes, found.bytes);
    client.import_courses(&sent.path, None).await.expect("the valid file is imported");
    check_offline_content(&other_account).await;

    // The import of a damaged file does not affect the existing course.
    fs::write(&bad, flip(valid.len() - 1)).expect("a bad file");
    let _ = client.import_courses(&bad, None).await;
    check_offline_content(&other_account).await;

    // An import restores missing local content.
    let manifest = other_account
        .content
        .library
        .manifest(Kind::Course, &content::course())
        .await
        .expect("the manifest")
        .value;
    let large = manifest.manifest.blobs.iter().max_by_key(|b| b.size).expect("a blob");
    other_account.content.library.blobs().remove(large.hash).expect("removed");
    let error = import_error(
        client
            .export_courses(&course_and_story(), fixture.drive.path())
            .await
            .expect_err("a blob is missing"),
    );
    let ImportError::Missing { files: 1, bytes, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*bytes, large.size);
    assert!(!error.to_string().is_empty());
    client.import_courses(&sent.path, None).await.expect("restored");
    check_offline_content(&other_account).await;
}

/// A clock that runs a callback whenever its monotonic time is read.
pub struct CallbackClock {
    pub clock: FakeClock,
    pub callback: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}
impl Clock for CallbackClock {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
    fn monotonic_ms(&self) -> i64 {
        let callback = self.callback.lock().expect("the callback").clone();
        if let Some(callback) = callback {
            callback();
        }
        self.clock.monotonic_ms()
    }
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }
    fn zone_offset_min(&self, at_ms: i64) -> i32 {
        self.clock.zone_offset_min(at_ms)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_transfer_leaves_no_data() {
    let fixture = export_fixture().await;
    let callback_clock =
        Arc::new(CallbackClock { clock: fixture.clock.clone(), callback: Mutex::default() });
    let dir = scratch();
    let ids = Arc::new(SeededIds::new(2));
    let client = Client::open(Config {
        data_dir: dir.path().join("data"),
        cache_dir: dir.path().join("cache"),
        demo_dir: None,
        http: client::live_http(),
        clock: callback_clock.clone(),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir.path(), ids))),
        device_name: "alarm".into(),
        network: Default::default(),
        app_version: "0.1.0".into(),
        policies: Vec::new(),
        event_stream: false,
        space: Default::default(),
    })
    .await
    .expect("the client opens");
    let other_account =
        client.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");

    // Cancels a transfer when it next reads the clock.
    let cancel_soon = |client: &Arc<Client>| {
        let client = Arc::downgrade(client);
        *callback_clock.callback.lock().expect("the callback") = Some(Arc::new(move || {
            if let Some(client) = client.upgrade() {
                client.transfers().cancel();
            }
        }));
    };
    let clear_callback = || *callback_clock.callback.lock().expect("the callback") = None;
    cancel_soon(&client);
    let ended = client.import_courses(&sent.path, None).await;
    clear_callback();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(phase(&other_account, Kind::Course), Phase::Absent);
    assert!(client.transfers().progress().is_none());
    client.import_courses(&sent.path, None).await.expect("imported");
    assert_eq!(phase(&other_account, Kind::Course), Phase::Ready);
    let before = fs::read(&sent.path).expect("the file");
    cancel_soon(&client);
    let ended = client.export_courses(&course_and_story(), fixture.drive.path()).await;
    clear_callback();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(
        fs::read_dir(fixture.drive.path()).expect("the drive").count(),
        1,
        "no incomplete file is left"
    );
    assert!(fs::read(&sent.path).expect("the file") == before, "the existing file is unchanged");

    // A cancelled import of a newer version leaves the ready version unchanged.
    cancel_soon(&client);
    let _ = client.import_courses(&sent.path, None).await;
    clear_callback();
    assert_eq!(phase(&other_account, Kind::Course), Phase::Ready);

    // An export to a missing folder is refused, and so is an export of missing content.
    let refusal = |r: carrel_client::Result<carrel_client::bundle::ExportedFile>| {
        import_error(r.expect_err("refused")).reason()
    };
    let nowhere =
        fixture.client.export_courses(&course_and_story(), Path::new("/no/such/stick")).await;
    assert_eq!(refusal(nowhere), "no_place");
    fixture.account.content.downloads.remove(Kind::Story, &content::story()).expect("removed");
    assert_eq!(
        refusal(fixture.client.export_courses(&course_and_story(), fixture.drive.path()).await),
        "not_here"
    );
}

/// An import of an older version does not replace a newer one, imported or downloaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_does_not_replace_a_newer_one() {
    let mut fixture = export_fixture().await;
    let course = [(Kind::Course, content::course())];
    let old =
        fixture.client.export_courses(&course, fixture.drive.path()).await.expect("a file").path;
    fs::rename(&old, fixture.drive.path().join("old.carrel")).expect("renamed");
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &fixture.clock, 2, false).await;
    let other_account =
        client.sign_in(&fixture.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    client
        .import_courses(&fixture.drive.path().join("old.carrel"), None)
        .await
        .expect("the old version");
    let version = |account: &OpenAccount| -> BlobHash {
        account
            .content
            .downloads
            .state(Kind::Course, &content::course())
            .expect("its state")
            .ready_version
            .expect("a version")
    };
    let first = version(&other_account);

    // The server publishes a new version; the first device downloads and exports it.
    let package = scratch();
    content::write_course(&package.path().join("rivers"), content::COURSE, "Rivers, again")
        .expect("a package");
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let file = package.path().join("rivers").join(lesson).join("stream.wav");
        fs::write(file, wav(1_500_000, n as u32 + 20)).expect("a recording");
    }
    let report =
        fixture.server.running().import(&[package.path().join("rivers")]).await.expect("an import");
    assert!(report.is_ok(), "{report:?}");
    fixture.clock.advance(3_600_000);
    fixture.account.content.library.refresh(Kind::Course).await.expect("the list");
    fixture.account.content.downloads.start(Kind::Course, &content::course()).expect("an update");
    wait_until(&fixture.client, "the update", || async {
        (version(&fixture.account) != first).then_some(())
    })
    .await;
    stop_server(&mut fixture.server).await;
    let new =
        fixture.client.export_courses(&course, fixture.drive.path()).await.expect("a file").path;
    let BundleInfo::Courses(found) =
        client.inspect_file(&new, None).await.expect("the file is inspected")
    else {
        panic!("not a course file")
    };
    assert_eq!(found.courses[0].local, LocalState::Older);
    assert!(
        found.new_bytes < found.bytes / 4,
        "only changed blobs are new: {} of {}",
        found.new_bytes,
        found.bytes
    );
    assert!(client.import_courses(&new, None).await.expect("the new version")[0].imported);
    assert_eq!(version(&other_account), version(&fixture.account));
    let titles: Vec<_> =
        other_account.content.library.courses(&ALL).await.expect("the list").value.items;
    assert_eq!(titles[0].meta.title, "Rivers, again");

    let old = fixture.drive.path().join("old.carrel");
    for (device, account) in [(&client, &other_account), (&fixture.client, &fixture.account)] {
        let BundleInfo::Courses(found) =
            device.inspect_file(&old, None).await.expect("the file is inspected")
        else {
            panic!("not a course file")
        };
        assert_eq!(found.courses[0].local, LocalState::Newer);
        assert!(!device.import_courses(&old, None).await.expect("kept")[0].imported);
        assert_ne!(version(account), first);
    }
}

/// A server without a network imports courses of another server and its learners' work from files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_imports_courses_and_work_from_files() {
    let fixture = export_fixture().await;
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let other = TestServer::empty(&fixture.clock).await;
    let library = other.running().data();
    let report = library.import(std::slice::from_ref(&sent.path)).await.expect("an import");
    assert_eq!(
        report.packages[0].problems[0].code, "bundle-key",
        "an unknown key is not trusted automatically"
    );
    let key = fixture.server.running().data().fingerprint();
    assert!(report.packages[0].problems[0].hint.contains(&key));
    // A folder with valid files and a damaged file: the valid files are imported.
    let mut bad = fs::read(&sent.path).expect("the file");
    *bad.last_mut().expect("a byte") ^= 1;
    fs::write(fixture.drive.path().join("a-bad.carrel"), bad).expect("a bad file");
    let folder = [fixture.drive.path().to_owned()];
    let report = library.import_from(&folder, std::slice::from_ref(&key)).await.expect("an import");
    assert_eq!((report.packages.len(), report.failed()), (3, 1), "{report:#?}");
    assert_eq!(report.packages[0].problems[0].code, "bundle-file");
    let again = library.import_from(&folder, &[key]).await.expect("an import");
    assert!(again.packages.iter().filter_map(|p| p.outcome.as_ref()).all(|o| !o.changed));
    let checked =
        carrel_server::import::check(std::slice::from_ref(&sent.path)).await.expect("a check");
    assert!(checked.is_ok(), "{checked:#?}");

    // Learners of this server can read the imported content, and the server's search finds it.
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &fixture.clock, 5, false).await;
    let bela = client.register(&other.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    bela.content.library.courses(&ALL).await.expect("the list");
    bela.content.library.stories(&ALL).await.expect("the list");
    download(&client, &bela, Kind::Course).await;
    download(&client, &bela, Kind::Story).await;
    check_offline_content(&bela).await;
    let found = library.store.search("downhill", 0, 10).await.expect("a search");
    assert!(found.total >= 1, "sections are searched");

    // Work of a device is refused while its key is unknown, and accepted after its first sync.
    let home = fixture.server.running().data();
    fixture.account.learning.record(finish_section(0)).await.expect("recorded");
    let work = fixture.client.export_work(fixture.drive.path()).await.expect("a file").path;
    let accept_file = |path: PathBuf, trust| async move {
        carrel_server::bundle_import::accept_work(
            home,
            &path,
            carrel_server::bundle_import::AcceptOptions { trust_device: trust, login: None },
        )
        .await
        .map_err(|e| e.to_string())
    };
    let error = accept_file(work.clone(), false).await.expect_err("the key is unknown");
    assert!(error.contains("--trust-device"), "{error}");
    assert_eq!(sync(&fixture.account).await.waiting, 0);
    for n in 1..4 {
        fixture.account.learning.record(finish_section(n)).await.expect("recorded");
    }
    fixture.account.learning.request_enrolment(&content::course(), true).await.expect("a request");
    let work = fixture.client.export_work(fixture.drive.path()).await.expect("a file").path;
    let done = accept_file(work.clone(), false).await.expect("submitted");
    assert_eq!((done.login.as_str(), done.refused), ("asha", 0));
    assert!(done.changed >= 4, "{done:?}");
    assert_eq!(
        accept_file(work.clone(), false).await.expect("again").changed,
        0,
        "a second import changes nothing"
    );
    let user = fixture.client.account_info().expect("the account").user.id;
    let rows = fixture.server.rows(user).await;
    assert!(
        rows.values().any(|r| matches!(r, Row::Decision(_))),
        "the server decides as for a push"
    );
    assert_eq!(sync(&fixture.account).await.waiting, 0);
    sync(&fixture.account).await;
    compare(
        ("server", &fixture.server.rows(user).await),
        ("device", &client::rows(&fixture.account).await),
    )
    .expect("both agree");

    // Invalid files.
    let other_file = client.export_work(fixture.drive.path()).await.expect("a file").path;
    assert!(
        accept_file(other_file, true).await.expect_err("no such account").contains("no account")
    );
    assert!(accept_file(sent.path.clone(), true).await.expect_err("courses").contains("courses"));
    client.open_guest().await.expect("the guest account");
    let guest = client.export_work(fixture.drive.path()).await.expect("a file").path;
    assert!(accept_file(guest, true).await.expect_err("a guest").contains("without an account"));
    let mut bad = fs::read(&work).expect("the file");
    *bad.last_mut().expect("a byte") ^= 1;
    fs::write(&work, bad).expect("a bad file");
    assert!(accept_file(work, true).await.expect_err("damaged").contains("damaged"));
}

/// A process that imports a file is repeatedly killed at random moments, until an import completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_can_be_repeated() {
    let fixture = export_fixture().await;
    let sent = fixture
        .client
        .export_courses(&course_and_story(), fixture.drive.path())
        .await
        .expect("a file");
    let rng = SeededRng::new(40_017);
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let (mut killed, mut completed) = (0, 0);
    for _ in 0..kills {
        let dir = scratch();
        for process in 0.. {
            let mut child = Command::new(env!("CARGO_BIN_EXE_crash_target"))
                .arg("import")
                .args([dir.path(), &sent.path])
                .stdout(Stdio::null())
                .spawn()
                .expect("the process starts");
            // A random number of polls of some microseconds each. Its maximum increases with each process, so that the
            // import finishes.
            let mut polls = rng.below(8_000 * (process + 1));
            let status = loop {
                if let Some(status) = child.try_wait().expect("its state") {
                    break Some(status);
                }
                if polls == 0 {
                    break None;
                }
                polls -= 1;
                std::thread::yield_now();
            };
            let _ = child.kill();
            let status = match status {
                Some(status) => status,
                None => child.wait().expect("its exit status"),
            };
            if status.success() {
                completed += 1;
                break;
            }
            killed += 1;
        }
        let client = client::open(dir.path(), client::live_http(), &fixture.clock, 9, false).await;
        check_offline_content(&client.open_guest().await.expect("the guest account")).await;
        let parts = list_files(&dir.path().join("cache"));
        assert!(!parts.iter().any(|p| p.extension().is_some_and(|e| e == "part")), "{parts:?}");
        client.close().await;
    }
    assert_eq!(completed, kills);
    assert!(killed >= kills / 3, "only {killed} processes were killed before their end");
}

fn list_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { list_files(&p) } else { vec![p] }).collect()
}

/// Copies a file and replaces text in its header.
fn rewrite_header(from: &Path, to: &Path, old: &str, new: &str) {
    let file = fs::read(from).expect("the file");
    let end = 44 + u32::from_be_bytes(file[8..12].try_into().expect("a length")) as usize;
    let head = String::from_utf8(file[44..end].to_vec()).expect("text").replace(old, new);
    let mut out = carrel_bundle::frame(head.as_bytes()).expect("a frame");
    out.extend_from_slice(&file[end..]);
    fs::write(to, out).expect("written");
}
