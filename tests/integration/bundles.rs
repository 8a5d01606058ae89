//! Transfers courses and work by file alone, without a network or a running server. Later all devices sync with the
//! server and agree.

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
    FakeClock, SeededIds, SeededRng, TestServer, content, device::PASSWORD, oracle::compare,
    scratch::scratch,
};
use tempfile::TempDir;

use crate::client::{self, ALL, InterceptedHttp, finish_section, sync, wait_until};

/// A learner who has downloaded the course and the story, and a removable drive.
pub struct ExportFixture {
    pub clock: FakeClock,
    pub server: TestServer,
    _dir: TempDir,
    pub client: Arc<Client>,
    pub account: Arc<OpenAccount>,
    pub drive: TempDir,
}

/// Compiles the small course once, with recordings that are too large for the database.
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
        panic!("a course")
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
    assert!(!library.search("meander").expect("a search").is_empty());
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
    let mut s = export_fixture().await;
    // The second device has signed in once and has downloaded nothing of the library.
    let dir = scratch();
    let http = InterceptedHttp::new(client::live_http());
    let other = client::open(dir.path(), http.clone(), &s.clock, 2, false).await;
    let other_account = other.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    sync(&other_account).await;
    sync(&s.account).await;
    stop_server(&mut s.server).await;

    for n in 0..4 {
        s.account.learning.record(finish_section(n)).await.expect("recorded");
        other_account.learning.record(finish_section(n + 6)).await.expect("recorded");
    }
    s.account.learning.save_word(&content::words()[0], true).await.expect("a word");
    other_account.learning.save_word(&content::words()[1], true).await.expect("a word");
    for account in [&s.account, &other_account] {
        account.learning.study_heartbeat(&content::sections()[0], true).await.expect("a heartbeat");
    }
    s.clock.advance(9_000);
    for account in [&s.account, &other_account] {
        account
            .learning
            .study_heartbeat(&content::sections()[0], false)
            .await
            .expect("a heartbeat");
    }

    // Transfers the course.
    let sent = s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");
    assert_eq!(sent.bytes, fs::metadata(&sent.path).expect("the file").len());
    assert_eq!(
        fs::read_dir(s.drive.path()).expect("the drive").count(),
        1,
        "no other file on the drive"
    );
    let BundleInfo::Courses(found) =
        other.inspect_file(&sent.path).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert_eq!(
        (found.trust, found.courses.len()),
        (KeyTrust::Trusted, 2),
        "its own school's key is known from the sign-in"
    );
    assert!(found.courses.iter().all(|c| c.local == LocalState::Absent) && found.new_bytes > 0);
    let imported = other.import_courses(&sent.path, None).await.expect("imported");
    assert!(imported.len() == 2 && imported.iter().all(|t| t.imported));
    check_offline_content(&other_account).await;

    // Transfers work in both directions, and repeatedly.
    let first_work = s.client.export_work(s.drive.path()).await.expect("a file");
    let BundleInfo::Work(found) =
        other.inspect_file(&first_work.path).await.expect("the file is inspected")
    else {
        panic!("work")
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
    let other_file = other.export_work(s.drive.path()).await.expect("a file");
    s.client.import_work(&other_file.path, false).await.expect("imported");
    compare(
        ("first", &client::rows(&s.account).await),
        ("second", &client::rows(&other_account).await),
    )
    .expect("both agree without a server");
    assert_eq!(
        other_account.learning.done_sections(content::COURSE).await.expect("finished ones").len(),
        8
    );
    assert_eq!(
        other_account.learning.time_spent_total().await.expect("the time"),
        9_000,
        "two devices at once: counted once"
    );

    // The data survives a restart.
    other.close().await;
    drop((other_account, other));
    let other = client::open(dir.path(), http.clone(), &s.clock, 3, false).await;
    let other_account = other.account().expect("the account opens");
    check_offline_content(&other_account).await;

    // The device that imported the file is online first: it sends the work of both.
    s.server.start().await;
    http.take_requests();
    other_account.network_changed();
    assert_eq!(sync(&other_account).await.waiting, 0);
    let user = other.account_info().expect("the account").user.id;
    let learners = |rows: carrel_testkit::Rows| -> carrel_testkit::Rows {
        rows.into_iter().filter(|(_, r)| !r.is_server_only()).collect()
    };
    let on_server = learners(s.server.rows(user).await);
    compare(("server", &on_server), ("first", &learners(client::rows(&s.account).await)))
        .expect("the second device sent the first one's rows");
    s.account.network_changed();
    assert_eq!(sync(&s.account).await.waiting, 0);
    sync(&other_account).await;
    let server = s.server.rows(user).await;
    compare(("server", &server), ("first", &client::rows(&s.account).await)).expect("both agree");
    compare(("server", &server), ("second", &client::rows(&other_account).await))
        .expect("both agree");

    // Updates of the course come from the server as usual: imported content is not downloaded again.
    s.clock.advance(3_600_000);
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
    let mut s = export_fixture().await;
    let other_server = TestServer::with_library(&s.clock).await;
    let other_dir = scratch();
    let other_client =
        client::open(other_dir.path(), client::live_http(), &s.clock, 7, false).await;
    let bela = other_client
        .register(&other_server.url(), "bela", "Bela", PASSWORD)
        .await
        .expect("an account");
    bela.content.library.courses(&ALL).await.expect("the list");
    download(&other_client, &bela, Kind::Course).await;
    let key = carrel_server::signing::hex(&s.server.running().app().signer.public_key());
    stop_server(&mut s.server).await;

    let sent = s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &s.clock, 2, false).await;
    let guest = client.open_guest().await.expect("the guest account");
    assert!(
        guest.content.library.courses(&ALL).await.expect("an empty list").value.items.is_empty()
    );

    // The first file from this server: the user has to confirm its name and the fingerprint of its key.
    let BundleInfo::Courses(found) =
        client.inspect_file(&sent.path).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert_eq!(found.trust, KeyTrust::Unconfirmed);
    assert_eq!(found.fingerprint, carrel_client::bundle::fingerprint(&key));
    let no = import_error(
        client.import_courses(&sent.path, None).await.expect_err("no key was accepted"),
    );
    assert_eq!(no.reason(), "not_accepted");
    let no = import_error(
        client
            .import_courses(&sent.path, Some("0000 0000 0000 0000 0000"))
            .await
            .expect_err("another key was accepted"),
    );
    assert_eq!(no.reason(), "not_accepted");
    assert_eq!(phase(&guest, Kind::Course), Phase::Absent);
    client.import_courses(&sent.path, Some(&found.fingerprint)).await.expect("imported");
    check_offline_content(&guest).await;
    let BundleInfo::Courses(again) =
        client.inspect_file(&sent.path).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert_eq!((again.trust, again.new_bytes), (KeyTrust::Trusted, 0));
    assert!(again.courses.iter().all(|c| c.local == LocalState::Same));

    // A course of another server with the same id does not replace it.
    let foreign = scratch();
    let other_file = other_client
        .export_courses(&[(Kind::Course, content::course())], foreign.path())
        .await
        .expect("a file");
    let BundleInfo::Courses(found) =
        client.inspect_file(&other_file.path).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert_eq!(
        (found.trust, found.courses[0].local),
        (KeyTrust::Unconfirmed, LocalState::OtherLibrary)
    );
    let no = import_error(
        client
            .import_courses(&other_file.path, Some(&found.fingerprint))
            .await
            .expect_err("the id is in use"),
    );
    assert_eq!(no.reason(), "taken");
    // Nor is it imported into an account of this server.
    let no = import_error(
        s.client
            .import_courses(&other_file.path, Some(&found.fingerprint))
            .await
            .expect_err("another library"),
    );
    assert_eq!(no.reason(), "other_library");
    // A file that only claims to be from this server is reported as a forgery.
    let forged = foreign.path().join("forged.carrel");
    rewrite_header(&other_file.path, &forged, &other_server.url(), &s.server.url());
    for client in [&client, &s.client] {
        let no = import_error(
            client
                .import_courses(&forged, Some(&found.fingerprint))
                .await
                .expect_err("a wrong key"),
        );
        assert_eq!(no.reason(), "wrong_key");
    }

    // A file exported again from here keeps the original server's name.
    let second = client.export_courses(&course_and_story(), foreign.path()).await.expect("a file");
    let BundleInfo::Courses(found) =
        s.client.inspect_file(&second.path).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert_eq!((found.server, found.trust), (s.server.url(), KeyTrust::Trusted));

    // Work done here without an account is claimed on the learner's own device.
    guest.learning.record(finish_section(3)).await.expect("recorded");
    let work = client.export_work(s.drive.path()).await.expect("a file");
    let no = import_error(s.client.import_work(&work.path, false).await.expect_err("not claimed"));
    assert_eq!(no, ImportError::Unclaimed);
    assert!(s.account.learning.done_sections(content::COURSE).await.expect("none").is_empty());
    assert_eq!(s.client.import_work(&work.path, true).await.expect("claimed").changed, 1);
    s.server.start().await;
    s.account.network_changed();
    assert_eq!(sync(&s.account).await.waiting, 0);
    let user = s.client.account_info().expect("the account").user.id;
    let done = |r: &Row| matches!(r, Row::Progress(p) if p.done_ms.is_some() && p.kind == ItemKind::Section);
    assert_eq!(s.server.rows(user).await.values().filter(|r| done(r)).count(), 1);

    // A removed course disappears from the list.
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
    let s = export_fixture().await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &s.clock, 2, false).await;
    let bela =
        client.register(&s.server.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    s.account.learning.record(finish_section(0)).await.expect("recorded");
    let work = s.client.export_work(s.drive.path()).await.expect("a file");
    for claim in [false, true] {
        let no =
            import_error(client.import_work(&work.path, claim).await.expect_err("it is Asha's"));
        assert_eq!(no, ImportError::OtherLearner { name: "Asha".into() });
    }
    assert!(bela.learning.done_sections(content::COURSE).await.expect("none").is_empty());
    let other = TestServer::empty(&s.clock).await;
    client.register(&other.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let no = import_error(
        client.import_work(&work.path, true).await.expect_err("another server's Asha"),
    );
    assert_eq!(no.reason(), "other_server");
    client.open_guest().await.expect("the guest account");
    let no =
        import_error(client.import_work(&work.path, true).await.expect_err("a guest is not Asha"));
    assert_eq!(no.reason(), "other_learner");
    // A course file is not accepted as a work file, nor a work file as a course file.
    let courses =
        s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");
    assert_eq!(
        import_error(s.client.import_work(&courses.path, false).await.expect_err("courses"))
            .reason(),
        "nothing"
    );
    assert_eq!(
        import_error(s.client.import_courses(&work.path, None).await.expect_err("work")).reason(),
        "nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_file_changes_nothing() {
    let mut s = export_fixture().await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &s.clock, 2, false).await;
    let other_account = client.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    stop_server(&mut s.server).await;
    let sent = s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");
    let whole = fs::read(&sent.path).expect("the file");
    let bad = s.drive.path().join("bad.carrel");
    let head = 44 + u32::from_be_bytes(whole[8..12].try_into().expect("a length")) as usize;
    let flip = |at: usize| {
        let mut file = whole.clone();
        file[at] ^= 1;
        file
    };
    let table: [(&str, Vec<u8>, &str); 6] = [
        // From the front to the back: verified blobs are kept and not read again.
        ("a bit of the first blob", flip(head), "blob_damaged"),
        ("a bit in the middle", flip(head + (whole.len() - head) / 2), "blob_damaged"),
        ("a bit of the last blob", flip(whole.len() - 1), "blob_damaged"),
        ("the end missing", whole[..whole.len() - 1].to_vec(), "truncated"),
        ("a bit of the head", flip(60), "head_damaged"),
        ("nothing", vec![], "empty"),
    ];
    for (what, file, reason) in table {
        fs::write(&bad, file).expect("a bad file");
        let no = import_error(client.import_courses(&bad, None).await.expect_err(what));
        assert_eq!(no.reason(), reason, "{what}");
        for kind in [Kind::Course, Kind::Story] {
            assert_eq!(phase(&other_account, kind), Phase::Absent, "{what}");
        }
        assert!(
            other_account.content.library.courses(&ALL).await.is_err(),
            "{what}: nothing is listed"
        );
        assert!(client.transfers().progress().is_none());
    }
    for (what, path) in
        [("a folder", s.drive.path().to_owned()), ("nothing there", s.drive.path().join("no"))]
    {
        let no = import_error(client.import_courses(&path, None).await.expect_err(what));
        assert!(["not_carrel", "unreadable"].contains(&no.reason()), "{what}: {no}");
    }
    // Blobs verified before the fault stay in the cache: the valid file has fewer new bytes.
    let BundleInfo::Courses(found) =
        client.inspect_file(&sent.path).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert!(found.new_bytes < found.bytes - head as u64, "{} of {}", found.new_bytes, found.bytes);
    client.import_courses(&sent.path, None).await.expect("the good one");
    check_offline_content(&other_account).await;

    // A damaged file of an existing course does not affect the existing course.
    fs::write(&bad, flip(whole.len() - 1)).expect("a bad file");
    let _ = client.import_courses(&bad, None).await;
    check_offline_content(&other_account).await;

    // An import repairs damaged local content.
    let manifest = other_account
        .content
        .library
        .manifest(Kind::Course, &content::course())
        .await
        .expect("it")
        .value;
    let large = manifest.manifest.blobs.iter().max_by_key(|b| b.size).expect("a blob");
    other_account.content.library.blobs().remove(large.hash).expect("gone");
    let no = import_error(
        client
            .export_courses(&course_and_story(), s.drive.path())
            .await
            .expect_err("something is missing"),
    );
    let ImportError::Missing { files: 1, bytes, .. } = &no else { panic!("{no:?}") };
    assert_eq!(*bytes, large.size);
    assert!(!no.to_string().is_empty());
    client.import_courses(&sent.path, None).await.expect("repaired");
    check_offline_content(&other_account).await;
}

/// A clock that runs a callback whenever it is read.
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
    fn local_day(&self) -> String {
        self.clock.local_day()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_transfer_leaves_no_data() {
    let s = export_fixture().await;
    let callback_clock =
        Arc::new(CallbackClock { clock: s.clock.clone(), callback: Mutex::default() });
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
        app_version: "0.1.0".into(),
        event_stream: false,
        space: Default::default(),
    })
    .await
    .expect("the client opens");
    let other_account = client.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let sent = s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");

    // The first counted bytes cancel it.
    let stop = |client: &Arc<Client>| {
        let client = Arc::downgrade(client);
        *callback_clock.callback.lock().expect("the callback") = Some(Arc::new(move || {
            if let Some(client) = client.upgrade() {
                client.transfers().cancel();
            }
        }));
    };
    let clear_callback = || *callback_clock.callback.lock().expect("the callback") = None;
    stop(&client);
    let ended = client.import_courses(&sent.path, None).await;
    clear_callback();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(phase(&other_account, Kind::Course), Phase::Absent);
    assert!(client.transfers().progress().is_none());
    client.import_courses(&sent.path, None).await.expect("the second time");
    assert_eq!(phase(&other_account, Kind::Course), Phase::Ready);
    let before = fs::read(&sent.path).expect("the file");
    stop(&client);
    let ended = client.export_courses(&course_and_story(), s.drive.path()).await;
    clear_callback();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(
        fs::read_dir(s.drive.path()).expect("the drive").count(),
        1,
        "no incomplete file is left"
    );
    assert!(fs::read(&sent.path).expect("the file") == before, "the existing file is unchanged");

    // A cancelled import of a newer version leaves the ready version unchanged.
    stop(&client);
    let _ = client.import_courses(&sent.path, None).await;
    clear_callback();
    assert_eq!(phase(&other_account, Kind::Course), Phase::Ready);

    // Missing content cannot be exported, nor can anything be exported to a missing folder.
    let no = |r: carrel_client::Result<carrel_client::bundle::ExportedFile>| {
        import_error(r.expect_err("refused")).reason()
    };
    let nowhere = s.client.export_courses(&course_and_story(), Path::new("/no/such/stick")).await;
    assert_eq!(no(nowhere), "no_place");
    s.account.content.downloads.remove(Kind::Story, &content::story()).expect("removed");
    assert_eq!(no(s.client.export_courses(&course_and_story(), s.drive.path()).await), "not_here");
}

/// An older version never replaces a newer one, whichever way they arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_does_not_replace_a_newer_one() {
    let mut s = export_fixture().await;
    let course = [(Kind::Course, content::course())];
    let old = s.client.export_courses(&course, s.drive.path()).await.expect("a file").path;
    fs::rename(&old, s.drive.path().join("old.carrel")).expect("renamed");
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &s.clock, 2, false).await;
    let other_account = client.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    client.import_courses(&s.drive.path().join("old.carrel"), None).await.expect("the old one");
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

    // The server changes the course; Asha updates hers and exports it.
    let package = scratch();
    content::write_course(&package.path().join("rivers"), content::COURSE, "Rivers, again")
        .expect("a package");
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let file = package.path().join("rivers").join(lesson).join("stream.wav");
        fs::write(file, wav(1_500_000, n as u32 + 20)).expect("a recording");
    }
    let report =
        s.server.running().import(&[package.path().join("rivers")]).await.expect("an import");
    assert!(report.is_ok(), "{report:?}");
    s.clock.advance(3_600_000);
    s.account.content.library.refresh(Kind::Course).await.expect("the list");
    s.account.content.downloads.start(Kind::Course, &content::course()).expect("an update");
    wait_until(&s.client, "the update", || async { (version(&s.account) != first).then_some(()) })
        .await;
    stop_server(&mut s.server).await;
    let new = s.client.export_courses(&course, s.drive.path()).await.expect("a file").path;
    let BundleInfo::Courses(found) =
        client.inspect_file(&new).await.expect("the file is inspected")
    else {
        panic!("courses")
    };
    assert_eq!(found.courses[0].local, LocalState::Older);
    assert!(
        found.new_bytes < found.bytes / 4,
        "only what changed is new: {} of {}",
        found.new_bytes,
        found.bytes
    );
    assert!(client.import_courses(&new, None).await.expect("the new one")[0].imported);
    assert_eq!(version(&other_account), version(&s.account));
    let titles: Vec<_> =
        other_account.content.library.courses(&ALL).await.expect("the list").value.items;
    assert_eq!(titles[0].meta.title, "Rivers, again");

    let old = s.drive.path().join("old.carrel");
    for (device, account) in [(&client, &other_account), (&s.client, &s.account)] {
        let BundleInfo::Courses(found) =
            device.inspect_file(&old).await.expect("the file is inspected")
        else {
            panic!("courses")
        };
        assert_eq!(found.courses[0].local, LocalState::Newer);
        assert!(!device.import_courses(&old, None).await.expect("kept")[0].imported);
        assert_ne!(version(account), first);
    }
}

/// A server without a network imports courses of another server and its learners' work from files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_imports_courses_and_work_from_files() {
    let s = export_fixture().await;
    let sent = s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");
    let other = TestServer::empty(&s.clock).await;
    let library = other.running().data();
    let report = library.import(std::slice::from_ref(&sent.path)).await.expect("an import");
    assert_eq!(
        report.packages[0].problems[0].code, "bundle-key",
        "an unknown key is not trusted automatically"
    );
    let key = s.server.running().data().fingerprint();
    assert!(report.packages[0].problems[0].hint.contains(&key));
    // A folder of files, one of which is damaged: the valid one is imported.
    let mut bad = fs::read(&sent.path).expect("the file");
    *bad.last_mut().expect("a byte") ^= 1;
    fs::write(s.drive.path().join("a-bad.carrel"), bad).expect("a bad file");
    let folder = [s.drive.path().to_owned()];
    let report = library.import_from(&folder, std::slice::from_ref(&key)).await.expect("an import");
    assert_eq!((report.packages.len(), report.failed()), (3, 1), "{report:#?}");
    assert_eq!(report.packages[0].problems[0].code, "bundle-file");
    let again = library.import_from(&folder, &[key]).await.expect("an import");
    assert!(again.packages.iter().filter_map(|p| p.outcome.as_ref()).all(|o| !o.changed));
    let checked =
        carrel_server::import::check(std::slice::from_ref(&sent.path)).await.expect("a check");
    assert!(checked.is_ok(), "{checked:#?}");

    // Its learners read the imported content and find it in the server's search.
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &s.clock, 5, false).await;
    let bela = client.register(&other.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    bela.content.library.courses(&ALL).await.expect("the list");
    bela.content.library.stories(&ALL).await.expect("the list");
    download(&client, &bela, Kind::Course).await;
    download(&client, &bela, Kind::Story).await;
    check_offline_content(&bela).await;
    let found = library.store.search("downhill", 0, 10).await.expect("a search");
    assert!(found.total >= 1, "sections are searched");

    // Work from a device that the server knows.
    let home = s.server.running().data();
    s.account.learning.record(finish_section(0)).await.expect("recorded");
    let work = s.client.export_work(s.drive.path()).await.expect("a file").path;
    let accept_file = |path: PathBuf, trust| async move {
        carrel_server::bundle_import::accept_work(
            home,
            &path,
            carrel_server::bundle_import::AcceptOptions { trust_device: trust, login: None },
        )
        .await
        .map_err(|e| e.to_string())
    };
    let no = accept_file(work.clone(), false).await.expect_err("the server does not know the key");
    assert!(no.contains("--trust-device"), "{no}");
    assert_eq!(sync(&s.account).await.waiting, 0);
    for n in 1..4 {
        s.account.learning.record(finish_section(n)).await.expect("recorded");
    }
    s.account.learning.request_enrolment(&content::course(), true).await.expect("a request");
    let work = s.client.export_work(s.drive.path()).await.expect("a file").path;
    let done = accept_file(work.clone(), false).await.expect("submitted");
    assert_eq!((done.login.as_str(), done.refused), ("asha", 0));
    assert!(done.changed >= 4, "{done:?}");
    assert_eq!(
        accept_file(work.clone(), false).await.expect("again").changed,
        0,
        "a second import changes nothing"
    );
    let user = s.client.account_info().expect("the account").user.id;
    let rows = s.server.rows(user).await;
    assert!(
        rows.values().any(|r| matches!(r, Row::Decision(_))),
        "the server decided as for a push"
    );
    assert_eq!(sync(&s.account).await.waiting, 0);
    sync(&s.account).await;
    compare(("server", &s.server.rows(user).await), ("device", &client::rows(&s.account).await))
        .expect("both agree");

    // Invalid files.
    let other_file = client.export_work(s.drive.path()).await.expect("a file").path;
    assert!(
        accept_file(other_file, true).await.expect_err("no such account").contains("no account")
    );
    assert!(accept_file(sent.path.clone(), true).await.expect_err("courses").contains("courses"));
    client.open_guest().await.expect("the guest account");
    let guest = client.export_work(s.drive.path()).await.expect("a file").path;
    assert!(accept_file(guest, true).await.expect_err("a guest").contains("without an account"));
    let mut bad = fs::read(&work).expect("the file");
    *bad.last_mut().expect("a byte") ^= 1;
    fs::write(&work, bad).expect("a bad file");
    assert!(accept_file(work, true).await.expect_err("damaged").contains("damaged"));
}

/// A process that imports a file, killed at random moments repeatedly: it never finds an incomplete course.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_can_be_repeated() {
    let s = export_fixture().await;
    let sent = s.client.export_courses(&course_and_story(), s.drive.path()).await.expect("a file");
    let rng = SeededRng::new(40_017);
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let (mut killed, mut completed) = (0, 0);
    for _ in 0..kills {
        let dir = scratch();
        for life in 0.. {
            let mut child = Command::new(env!("CARGO_BIN_EXE_crash_target"))
                .arg("import")
                .args([dir.path(), &sent.path])
                .stdout(Stdio::null())
                .spawn()
                .expect("the process starts");
            // A random number of polls of some microseconds each, larger for later processes, so that the import
            // finishes.
            let mut polls = rng.below(8_000 * (life + 1));
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
                None => child.wait().expect("its end"),
            };
            if status.success() {
                completed += 1;
                break;
            }
            killed += 1;
        }
        let client = client::open(dir.path(), client::live_http(), &s.clock, 9, false).await;
        check_offline_content(&client.open_guest().await.expect("the guest account")).await;
        let parts = list_files(&dir.path().join("cache"));
        assert!(!parts.iter().any(|p| p.extension().is_some_and(|e| e == "part")), "{parts:?}");
        client.close().await;
    }
    assert_eq!(completed, kills);
    assert!(killed >= kills / 3, "only {killed} were killed before their end");
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
