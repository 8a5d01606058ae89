//! Courses and work are transferred by files alone, without a network or a running server. Later all devices sync with
//! the server and have the same rows.

use std::fs;

use carrel_client::{
    ImportError,
    bundle::{BundleInfo, KeyTrust, LocalState},
};
use carrel_content::{Kind, download::Phase};
use carrel_model::lattice::{ItemKind, Row};
use carrel_testkit::{
    Network, TestServer, content, device::PASSWORD, oracle::compare, scratch::scratch,
};

use crate::{
    client::{self, ALL, finish_section, sync, wait_until},
    exported::{
        check_offline_content, course_and_story, download, export_fixture, import_error, phase,
        rewrite_header, stop_server,
    },
};

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
        other.inspect_file(&sent.path, Default::default()).await.expect("the file is inspected")
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
    let BundleInfo::Work(found) = other
        .inspect_file(&first_work.path, Default::default())
        .await
        .expect("the file is inspected")
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
        client.inspect_file(&sent.path, Default::default()).await.expect("the file is inspected")
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
        client.inspect_file(&sent.path, Default::default()).await.expect("the file is inspected")
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
    let BundleInfo::Courses(found) = client
        .inspect_file(&other_file.path, Default::default())
        .await
        .expect("the file is inspected")
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
    let BundleInfo::Courses(found) = fixture
        .client
        .inspect_file(&second.path, Default::default())
        .await
        .expect("the file is inspected")
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
