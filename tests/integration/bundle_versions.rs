//! Files with an older or newer version, and files that a server imports.

use std::{fs, path::PathBuf};

use carrel_client::{
    OpenAccount,
    bundle::{BundleInfo, LocalState},
};
use carrel_content::Kind;
use carrel_model::{BlobHash, lattice::Row};
use carrel_testkit::{TestServer, content, device::PASSWORD, oracle::compare, scratch::scratch};

use crate::{
    client::{self, ALL, finish_section, sync, wait_until},
    exported::{
        check_offline_content, course_and_story, download, export_fixture, stop_server, wav,
    },
};

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
        client.inspect_file(&new, Default::default()).await.expect("the file is inspected")
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
            device.inspect_file(&old, Default::default()).await.expect("the file is inspected")
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
    let found = library
        .store
        .search("downhill", carrel_server::store::Audience::All, 0, 10)
        .await
        .expect("a search");
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
