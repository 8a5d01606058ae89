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
    download::{Phase, DownloadTarget},
};
use carrel_model::{
    BlobHash, ErrorCode,
    content::{Block, ManifestContent, SectionBody},
    lattice::{ItemKind, Row},
};
use carrel_system::Clock;
use carrel_testkit::{
    SeededRng, FakeClock, SeededIds, TestServer, content, device::PASSWORD, oracle::compare,
    scratch::scratch,
};
use tempfile::TempDir;

use crate::desk::{self, ALL, Netted, sync, tick, until};

/// A learner who has downloaded the course and the story, and a removable drive.
pub struct School {
    pub clock: FakeClock,
    pub server: TestServer,
    _dir: TempDir,
    pub core: Arc<Client>,
    pub account: Arc<OpenAccount>,
    pub stick: TempDir,
}

/// Compiles the small course once, with recordings that are too large for the database.
pub async fn library() -> TempDir {
    let (sources, dir) = (scratch(), scratch());
    content::write_library(sources.path()).expect("the packages");
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let file = sources.path().join(content::COURSE).join(lesson).join("stream.wav");
        fs::write(file, wav(1_500_000, n as u32 + 20)).expect("a recording");
    }
    let library =
        carrel_server::DataDir::open(carrel_server::Config::new(dir.path())).expect("a library");
    let report = library.import(&[sources.path().to_owned()]).await.expect("an import");
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

pub async fn school() -> School {
    let clock = FakeClock::noon();
    let made = library().await;
    let server =
        TestServer::with_settings(&clock, carrel_server::Settings::default(), Some(made.path())).await;
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), &clock, 1, false).await;
    let account = core.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    account.content.library.stories(&ALL).await.expect("the list of stories");
    download(&core, &account, Kind::Course).await;
    download(&core, &account, Kind::Story).await;
    School { clock, server, _dir: dir, core, account, stick: scratch() }
}
fn id(kind: Kind) -> carrel_model::Slug {
    match kind {
        Kind::Course => content::course(),
        Kind::Story => content::story(),
    }
}
async fn download(core: &Client, account: &OpenAccount, kind: Kind) {
    account.content.downloads.start(kind, &id(kind)).expect("a download");
    until(core, "the download", || async {
        let state = account.content.downloads.state(kind, &id(kind)).expect("its state");
        (state.phase == Phase::Ready && state.bytes_done == state.bytes_total).then_some(())
    })
    .await;
}
pub fn both() -> [(Kind, carrel_model::Slug); 2] {
    [(Kind::Course, content::course()), (Kind::Story, content::story())]
}
pub fn refused(e: Error) -> ImportError {
    match e {
        Error::Import(refusal) => refusal,
        other => panic!("not a refusal: {other}"),
    }
}
pub async fn is_closed(server: &mut TestServer) {
    server.stop().await;
    let address = server.url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).is_err(), "the port is closed");
}
pub fn phase(account: &OpenAccount, kind: Kind) -> Phase {
    account.content.downloads.state(kind, &id(kind)).expect("its state").phase
}

/// Checks that lists, sections, blobs, search and verification work without a network.
pub async fn opens_offline(account: &OpenAccount) {
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
    assert!(media > 0, "there is something to hear and to see");
    for blob in &manifest.manifest.blobs {
        assert_eq!(library.blob(blob.hash).await.expect("every blob is here").size(), blob.size);
    }
    library.find_story(&content::story().into()).await.expect("the story opens");
    assert!(!library.search("meander").expect("a search").is_empty());
    for kind in [Kind::Course, Kind::Story] {
        assert_eq!(phase(account, kind), Phase::Ready);
        let verification =
            account.content.downloads.verify(&DownloadTarget::whole(kind, &id(kind))).await.expect("a proof");
        assert_eq!(verification.missing(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_converge_after_courses_and_work_are_transferred_by_file() {
    let mut s = school().await;
    // The second device has signed in once and has downloaded nothing of the library.
    let dir = scratch();
    let http = Netted::new(desk::live());
    let other = desk::open(dir.path(), http.clone(), &s.clock, 2, false).await;
    let there = other.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    sync(&there).await;
    sync(&s.account).await;
    is_closed(&mut s.server).await;

    for n in 0..4 {
        s.account.learning.record(tick(n)).await.expect("a tick");
        there.learning.record(tick(n + 6)).await.expect("a tick");
    }
    s.account.learning.save_word(&content::words()[0], true).await.expect("a word");
    there.learning.save_word(&content::words()[1], true).await.expect("a word");
    for account in [&s.account, &there] {
        account.learning.study_heartbeat(&content::sections()[0], true).await.expect("a beat");
    }
    s.clock.advance(9_000);
    for account in [&s.account, &there] {
        account.learning.study_heartbeat(&content::sections()[0], false).await.expect("a beat");
    }

    // Transfers the course.
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    assert_eq!(sent.bytes, fs::metadata(&sent.path).expect("the file").len());
    assert_eq!(
        fs::read_dir(s.stick.path()).expect("the stick").count(),
        1,
        "nothing else is left on the stick"
    );
    let BundleInfo::Courses(found) = other.inspect_file(&sent.path).await.expect("a look") else {
        panic!("courses")
    };
    assert_eq!(
        (found.trust, found.courses.len()),
        (KeyTrust::Trusted, 2),
        "its own school's key is known from the sign-in"
    );
    assert!(found.courses.iter().all(|c| c.local == LocalState::Absent) && found.new_bytes > 0);
    let taken = other.import_courses(&sent.path, None).await.expect("taken in");
    assert!(taken.len() == 2 && taken.iter().all(|t| t.taken));
    opens_offline(&there).await;

    // Transfers work in both directions, and repeatedly.
    let mine = s.core.export_work(s.stick.path()).await.expect("a file");
    let BundleInfo::Work(found) = other.inspect_file(&mine.path).await.expect("a look") else {
        panic!("work")
    };
    assert_eq!((found.learner.as_str(), found.refusal, found.rows), ("Asha", None, mine.count));
    let taken = other.import_work(&mine.path, false).await.expect("taken in");
    assert!(taken.changed >= 6, "{taken:?}");
    assert_eq!(
        other.import_work(&mine.path, false).await.expect("again").changed,
        0,
        "a second import changes nothing"
    );
    let theirs = other.export_work(s.stick.path()).await.expect("a file");
    s.core.import_work(&theirs.path, false).await.expect("taken in");
    compare(("first", &desk::rows(&s.account).await), ("second", &desk::rows(&there).await))
        .expect("both agree without a server");
    assert_eq!(
        there.learning.done_sections(content::COURSE).await.expect("finished ones").len(),
        8
    );
    assert_eq!(
        there.learning.time_spent_total().await.expect("the time"),
        9_000,
        "two devices at once: counted once"
    );

    // The data survives a restart.
    other.close().await;
    drop((there, other));
    let other = desk::open(dir.path(), http.clone(), &s.clock, 3, false).await;
    let there = other.account().expect("the account opens");
    opens_offline(&there).await;

    // The device that imported the file is online first: it sends the work of both.
    s.server.start().await;
    http.seen();
    there.network_changed();
    assert_eq!(sync(&there).await.waiting, 0);
    let user = other.account_info().expect("the account").user.id;
    let learners = |rows: carrel_testkit::Rows| -> carrel_testkit::Rows {
        rows.into_iter().filter(|(_, r)| !r.is_server_only()).collect()
    };
    let on_server = learners(s.server.rows(user).await);
    compare(("server", &on_server), ("first", &learners(desk::rows(&s.account).await)))
        .expect("what the first did came with the second");
    s.account.network_changed();
    assert_eq!(sync(&s.account).await.waiting, 0);
    sync(&there).await;
    let server = s.server.rows(user).await;
    compare(("server", &server), ("first", &desk::rows(&s.account).await)).expect("both agree");
    compare(("server", &server), ("second", &desk::rows(&there).await)).expect("both agree");

    // Updates of the course come from the server as usual: imported content is not downloaded again.
    s.clock.advance(3_600_000);
    there.content.library.refresh(Kind::Course).await.expect("the list");
    there.content.downloads.start(Kind::Course, &content::course()).expect("an update");
    until(&other, "the update", || async {
        (phase(&there, Kind::Course) == Phase::Ready).then_some(())
    })
    .await;
    let asked: Vec<_> = http.seen().into_iter().filter(|r| r.url.contains("/api/blobs/")).collect();
    assert!(asked.is_empty(), "{} blobs were fetched", asked.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_confirms_the_key_and_its_work_is_claimed() {
    let mut s = school().await;
    let other_school = TestServer::with_library(&s.clock).await;
    let elsewhere = scratch();
    let stranger = desk::open(elsewhere.path(), desk::live(), &s.clock, 7, false).await;
    let visitor =
        stranger.register(&other_school.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    visitor.content.library.courses(&ALL).await.expect("the list");
    download(&stranger, &visitor, Kind::Course).await;
    let key = carrel_server::signing::hex(&s.server.running().app().signer.public_key());
    is_closed(&mut s.server).await;

    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), &s.clock, 2, false).await;
    let guest = core.open_guest().await.expect("the desk without an account");
    assert!(
        guest.content.library.courses(&ALL).await.expect("an empty list").value.items.is_empty()
    );

    // The first file from this server: the user has to confirm its name and the fingerprint of its key.
    let BundleInfo::Courses(found) = core.inspect_file(&sent.path).await.expect("a look") else {
        panic!("courses")
    };
    assert_eq!(found.trust, KeyTrust::Ask);
    assert_eq!(found.fingerprint, carrel_client::bundle::fingerprint(&key));
    let no = refused(core.import_courses(&sent.path, None).await.expect_err("nobody agreed"));
    assert_eq!(no.reason(), "not_accepted");
    let no = refused(
        core.import_courses(&sent.path, Some("0000 0000 0000 0000 0000"))
            .await
            .expect_err("to another key"),
    );
    assert_eq!(no.reason(), "not_accepted");
    assert_eq!(phase(&guest, Kind::Course), Phase::Absent);
    core.import_courses(&sent.path, Some(&found.fingerprint)).await.expect("taken in");
    opens_offline(&guest).await;
    let BundleInfo::Courses(again) = core.inspect_file(&sent.path).await.expect("a look") else {
        panic!("courses")
    };
    assert_eq!((again.trust, again.new_bytes), (KeyTrust::Trusted, 0));
    assert!(again.courses.iter().all(|c| c.local == LocalState::Same));

    // A course of another server with the same id does not replace it.
    let foreign = scratch();
    let theirs = stranger
        .export_courses(&[(Kind::Course, content::course())], foreign.path())
        .await
        .expect("a file");
    let BundleInfo::Courses(found) = core.inspect_file(&theirs.path).await.expect("a look") else {
        panic!("courses")
    };
    assert_eq!((found.trust, found.courses[0].local), (KeyTrust::Ask, LocalState::OtherLibrary));
    let no = refused(
        core.import_courses(&theirs.path, Some(&found.fingerprint)).await.expect_err("it is taken"),
    );
    assert_eq!(no.reason(), "taken");
    // Nor is it imported into an account of this server.
    let no = refused(
        s.core
            .import_courses(&theirs.path, Some(&found.fingerprint))
            .await
            .expect_err("another library"),
    );
    assert_eq!(no.reason(), "other_library");
    // A file that only claims to be from this server is reported as a forgery.
    let forged = foreign.path().join("forged.carrel");
    rewrite_head(&theirs.path, &forged, &other_school.url(), &s.server.url());
    for core in [&core, &s.core] {
        let no = refused(
            core.import_courses(&forged, Some(&found.fingerprint)).await.expect_err("a wrong key"),
        );
        assert_eq!(no.reason(), "wrong_key");
    }

    // A file exported again from here keeps the original server's name.
    let second = core.export_courses(&both(), foreign.path()).await.expect("a file");
    let BundleInfo::Courses(found) = s.core.inspect_file(&second.path).await.expect("a look")
    else {
        panic!("courses")
    };
    assert_eq!((found.server, found.trust), (s.server.url(), KeyTrust::Trusted));

    // Work done here without an account is claimed on the learner's own device.
    guest.learning.record(tick(3)).await.expect("a tick");
    let work = core.export_work(s.stick.path()).await.expect("a file");
    let no =
        refused(s.core.import_work(&work.path, false).await.expect_err("nobody said whose it is"));
    assert_eq!(no, ImportError::Unclaimed);
    assert!(s.account.learning.done_sections(content::COURSE).await.expect("none").is_empty());
    assert_eq!(s.core.import_work(&work.path, true).await.expect("claimed").changed, 1);
    s.server.start().await;
    s.account.network_changed();
    assert_eq!(sync(&s.account).await.waiting, 0);
    let user = s.core.account_info().expect("the account").user.id;
    let done = |r: &Row| matches!(r, Row::Progress(p) if p.done_ms.is_some() && p.kind == ItemKind::Section);
    assert_eq!(s.server.rows(user).await.values().filter(|r| done(r)).count(), 1);

    // A removed course disappears from the list.
    core.require_account()
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
    let s = school().await;
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), &s.clock, 2, false).await;
    let bela = core.register(&s.server.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    s.account.learning.record(tick(0)).await.expect("a tick");
    let work = s.core.export_work(s.stick.path()).await.expect("a file");
    for claim in [false, true] {
        let no = refused(core.import_work(&work.path, claim).await.expect_err("it is Asha's"));
        assert_eq!(no, ImportError::OtherLearner { name: "Asha".into() });
    }
    assert!(bela.learning.done_sections(content::COURSE).await.expect("none").is_empty());
    let other = TestServer::empty(&s.clock).await;
    core.register(&other.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let no = refused(core.import_work(&work.path, true).await.expect_err("another server's Asha"));
    assert_eq!(no.reason(), "other_server");
    core.open_guest().await.expect("the desk without an account");
    let no = refused(core.import_work(&work.path, true).await.expect_err("a guest is not Asha"));
    assert_eq!(no.reason(), "other_learner");
    // A course file is not accepted as a work file, nor a work file as a course file.
    let courses = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    assert_eq!(
        refused(s.core.import_work(&courses.path, false).await.expect_err("courses")).reason(),
        "nothing"
    );
    assert_eq!(
        refused(s.core.import_courses(&work.path, None).await.expect_err("work")).reason(),
        "nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_file_changes_nothing() {
    let mut s = school().await;
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), &s.clock, 2, false).await;
    let there = core.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    is_closed(&mut s.server).await;
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    let whole = fs::read(&sent.path).expect("the file");
    let bad = s.stick.path().join("bad.carrel");
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
        let no = refused(core.import_courses(&bad, None).await.expect_err(what));
        assert_eq!(no.reason(), reason, "{what}");
        for kind in [Kind::Course, Kind::Story] {
            assert_eq!(phase(&there, kind), Phase::Absent, "{what}");
        }
        assert!(there.content.library.courses(&ALL).await.is_err(), "{what}: nothing is listed");
        assert!(core.transfers().progress().is_none());
    }
    for (what, path) in
        [("a folder", s.stick.path().to_owned()), ("nothing there", s.stick.path().join("no"))]
    {
        let no = refused(core.import_courses(&path, None).await.expect_err(what));
        assert!(["not_carrel", "unreadable"].contains(&no.reason()), "{what}: {no}");
    }
    // Blobs verified before the fault stay in the cache: the valid file has fewer new bytes.
    let BundleInfo::Courses(found) = core.inspect_file(&sent.path).await.expect("a look") else {
        panic!("courses")
    };
    assert!(found.new_bytes < found.bytes - head as u64, "{} of {}", found.new_bytes, found.bytes);
    core.import_courses(&sent.path, None).await.expect("the good one");
    opens_offline(&there).await;

    // A damaged file of an existing course does not affect the existing course.
    fs::write(&bad, flip(whole.len() - 1)).expect("a bad file");
    let _ = core.import_courses(&bad, None).await;
    opens_offline(&there).await;

    // An import repairs damaged local content.
    let manifest =
        there.content.library.manifest(Kind::Course, &content::course()).await.expect("it").value;
    let large = manifest.manifest.blobs.iter().max_by_key(|b| b.size).expect("a blob");
    there.content.library.blobs().forget(large.hash).expect("gone");
    let no = refused(
        core.export_courses(&both(), s.stick.path()).await.expect_err("something is missing"),
    );
    let ImportError::Missing { files: 1, bytes, .. } = &no else { panic!("{no:?}") };
    assert_eq!(*bytes, large.size);
    assert!(!no.to_string().is_empty());
    core.import_courses(&sent.path, None).await.expect("mended");
    opens_offline(&there).await;
}

/// A clock that runs a callback whenever it is read.
pub struct Alarm {
    pub clock: FakeClock,
    pub ring: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}
impl Clock for Alarm {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
    fn monotonic_ms(&self) -> i64 {
        let ring = self.ring.lock().expect("the alarm").clone();
        if let Some(ring) = ring {
            ring();
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
    let s = school().await;
    let alarm = Arc::new(Alarm { clock: s.clock.clone(), ring: Mutex::default() });
    let dir = scratch();
    let ids = Arc::new(SeededIds::new(2));
    let core = Client::open(Config {
        data_dir: dir.path().join("data"),
        cache_dir: dir.path().join("cache"),
        demo_dir: None,
        http: desk::live(),
        clock: alarm.clone(),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir.path(), ids))),
        device_name: "alarm".into(),
        app_version: "0.1.0".into(),
        event_stream: false,
        space: Default::default(),
    })
    .await
    .expect("the core opens");
    let there = core.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");

    // The first counted bytes cancel it.
    let stop = |core: &Arc<Client>| {
        let core = Arc::downgrade(core);
        *alarm.ring.lock().expect("the alarm") = Some(Arc::new(move || {
            if let Some(core) = core.upgrade() {
                core.transfers().cancel();
            }
        }));
    };
    let quiet = || *alarm.ring.lock().expect("the alarm") = None;
    stop(&core);
    let ended = core.import_courses(&sent.path, None).await;
    quiet();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(phase(&there, Kind::Course), Phase::Absent);
    assert!(core.transfers().progress().is_none());
    core.import_courses(&sent.path, None).await.expect("the second time");
    assert_eq!(phase(&there, Kind::Course), Phase::Ready);
    let before = fs::read(&sent.path).expect("the file");
    stop(&core);
    let ended = core.export_courses(&both(), s.stick.path()).await;
    quiet();
    assert_eq!(ended.map_err(|e| e.code()), Err(ErrorCode::Cancelled));
    assert_eq!(fs::read_dir(s.stick.path()).expect("the stick").count(), 1, "no half file is left");
    assert!(fs::read(&sent.path).expect("the file") == before, "the one that was there is whole");

    // A cancelled import of a newer version leaves the ready version unchanged.
    stop(&core);
    let _ = core.import_courses(&sent.path, None).await;
    quiet();
    assert_eq!(phase(&there, Kind::Course), Phase::Ready);

    // Missing content cannot be exported, nor can anything be exported to a missing folder.
    let no = |r: carrel_client::Result<carrel_client::bundle::ExportedFile>| {
        refused(r.expect_err("refused")).reason()
    };
    let nowhere = s.core.export_courses(&both(), Path::new("/no/such/stick")).await;
    assert_eq!(no(nowhere), "no_place");
    s.account.content.downloads.remove(Kind::Story, &content::story()).expect("removed");
    assert_eq!(no(s.core.export_courses(&both(), s.stick.path()).await), "not_here");
}

/// An older version never replaces a newer one, whichever way they arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_does_not_replace_a_newer_one() {
    let mut s = school().await;
    let course = [(Kind::Course, content::course())];
    let old = s.core.export_courses(&course, s.stick.path()).await.expect("a file").path;
    fs::rename(&old, s.stick.path().join("old.carrel")).expect("renamed");
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), &s.clock, 2, false).await;
    let there = core.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    core.import_courses(&s.stick.path().join("old.carrel"), None).await.expect("the old one");
    let version = |account: &OpenAccount| -> BlobHash {
        account
            .content
            .downloads
            .state(Kind::Course, &content::course())
            .expect("its state")
            .ready_version
            .expect("a version")
    };
    let first = version(&there);

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
    until(&s.core, "the update", || async { (version(&s.account) != first).then_some(()) }).await;
    is_closed(&mut s.server).await;
    let new = s.core.export_courses(&course, s.stick.path()).await.expect("a file").path;
    let BundleInfo::Courses(found) = core.inspect_file(&new).await.expect("a look") else {
        panic!("courses")
    };
    assert_eq!(found.courses[0].local, LocalState::Older);
    assert!(
        found.new_bytes < found.bytes / 4,
        "only what changed is new: {} of {}",
        found.new_bytes,
        found.bytes
    );
    assert!(core.import_courses(&new, None).await.expect("the new one")[0].taken);
    assert_eq!(version(&there), version(&s.account));
    let titles: Vec<_> = there.content.library.courses(&ALL).await.expect("the list").value.items;
    assert_eq!(titles[0].meta.title, "Rivers, again");

    let old = s.stick.path().join("old.carrel");
    for (who, account) in [(&core, &there), (&s.core, &s.account)] {
        let BundleInfo::Courses(found) = who.inspect_file(&old).await.expect("a look") else {
            panic!("courses")
        };
        assert_eq!(found.courses[0].local, LocalState::Newer);
        assert!(!who.import_courses(&old, None).await.expect("kept")[0].taken);
        assert_ne!(version(account), first);
    }
}

/// A server without a network imports courses of another server and its learners' work from files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_imports_courses_and_work_from_files() {
    let s = school().await;
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    let other = TestServer::empty(&s.clock).await;
    let library = other.running().data();
    let report = library.import(std::slice::from_ref(&sent.path)).await.expect("an import");
    assert_eq!(
        report.packages[0].problems[0].code, "bundle-key",
        "a foreign key is not believed by itself"
    );
    let key = s.server.running().data().fingerprint();
    assert!(report.packages[0].problems[0].hint.contains(&key));
    // A folder of files, one of which is damaged: the valid one is imported.
    let mut bad = fs::read(&sent.path).expect("the file");
    *bad.last_mut().expect("a byte") ^= 1;
    fs::write(s.stick.path().join("a-bad.carrel"), bad).expect("a bad file");
    let folder = [s.stick.path().to_owned()];
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
    let core = desk::open(dir.path(), desk::live(), &s.clock, 5, false).await;
    let bela = core.register(&other.url(), "bela", "Bela", PASSWORD).await.expect("an account");
    bela.content.library.courses(&ALL).await.expect("the list");
    bela.content.library.stories(&ALL).await.expect("the list");
    download(&core, &bela, Kind::Course).await;
    download(&core, &bela, Kind::Story).await;
    opens_offline(&bela).await;
    let found = library.store.search("downhill", 0, 10).await.expect("a search");
    assert!(found.total >= 1, "sections are searched");

    // Work from a device that the server knows.
    let home = s.server.running().data();
    s.account.learning.record(tick(0)).await.expect("a tick");
    let work = s.core.export_work(s.stick.path()).await.expect("a file").path;
    let accept = |path: PathBuf, trust| async move {
        carrel_server::bundle_import::accept_work(
            home,
            &path,
            carrel_server::bundle_import::AcceptOptions { trust_device: trust, login: None },
        )
        .await
        .map_err(|e| e.to_string())
    };
    let no = accept(work.clone(), false).await.expect_err("its key was never told");
    assert!(no.contains("--trust-device"), "{no}");
    assert_eq!(sync(&s.account).await.waiting, 0);
    for n in 1..4 {
        s.account.learning.record(tick(n)).await.expect("a tick");
    }
    s.account.learning.request_enrolment(&content::course(), true).await.expect("a wish");
    let work = s.core.export_work(s.stick.path()).await.expect("a file").path;
    let done = accept(work.clone(), false).await.expect("handed in");
    assert_eq!((done.login.as_str(), done.refused), ("asha", 0));
    assert!(done.changed >= 4, "{done:?}");
    assert_eq!(accept(work.clone(), false).await.expect("again").changed, 0, "twice is as once");
    let user = s.core.account_info().expect("the account").user.id;
    let rows = s.server.rows(user).await;
    assert!(
        rows.values().any(|r| matches!(r, Row::Decision(_))),
        "the server decided as for a push"
    );
    assert_eq!(sync(&s.account).await.waiting, 0);
    sync(&s.account).await;
    compare(("server", &s.server.rows(user).await), ("device", &desk::rows(&s.account).await))
        .expect("both agree");

    // Invalid files.
    let theirs = core.export_work(s.stick.path()).await.expect("a file").path;
    assert!(accept(theirs, true).await.expect_err("nobody here").contains("no account"));
    assert!(accept(sent.path.clone(), true).await.expect_err("courses").contains("courses"));
    core.open_guest().await.expect("the desk without an account");
    let guest = core.export_work(s.stick.path()).await.expect("a file").path;
    assert!(accept(guest, true).await.expect_err("a guest").contains("without an account"));
    let mut bad = fs::read(&work).expect("the file");
    *bad.last_mut().expect("a byte") ^= 1;
    fs::write(&work, bad).expect("a bad file");
    assert!(accept(work, true).await.expect_err("damaged").contains("damaged"));
}

/// A process that imports a file, killed at random moments repeatedly: it never finds an incomplete course.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_can_be_repeated() {
    let s = school().await;
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    let rng = SeededRng::new(40_017);
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let (mut killed, mut came) = (0, 0);
    for _ in 0..kills {
        let dir = scratch();
        for life in 0.. {
            let mut child = Command::new(env!("CARGO_BIN_EXE_mortal"))
                .arg("carry")
                .args([dir.path(), &sent.path])
                .stdout(Stdio::null())
                .spawn()
                .expect("the process starts");
            // A random number of polls of some microseconds each, larger for later processes, so that the import
            // finishes.
            let mut looks = rng.below(8_000 * (life + 1));
            let status = loop {
                if let Some(status) = child.try_wait().expect("its state") {
                    break Some(status);
                }
                if looks == 0 {
                    break None;
                }
                looks -= 1;
                std::thread::yield_now();
            };
            let _ = child.kill();
            let status = match status {
                Some(status) => status,
                None => child.wait().expect("its end"),
            };
            if status.success() {
                came += 1;
                break;
            }
            killed += 1;
        }
        let core = desk::open(dir.path(), desk::live(), &s.clock, 9, false).await;
        opens_offline(&core.open_guest().await.expect("the desk")).await;
        let parts = walk(&dir.path().join("cache"));
        assert!(!parts.iter().any(|p| p.extension().is_some_and(|e| e == "part")), "{parts:?}");
        core.close().await;
    }
    assert_eq!(came, kills);
    assert!(killed >= kills / 3, "only {killed} were killed before their end");
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}

/// Copies a file and replaces text in its header.
fn rewrite_head(from: &Path, to: &Path, old: &str, new: &str) {
    let file = fs::read(from).expect("the file");
    let end = 44 + u32::from_be_bytes(file[8..12].try_into().expect("a length")) as usize;
    let head = String::from_utf8(file[44..end].to_vec()).expect("text").replace(old, new);
    let mut out = carrel_bundle::frame(head.as_bytes()).expect("a frame");
    out.extend_from_slice(&file[end..]);
    fs::write(to, out).expect("written");
}
