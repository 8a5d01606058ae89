//! Prefetching: the next two lessons are prefetched on an unmetered network, and the current lesson is loaded into
//! memory at the start.

use carrel_client::OpenAccount;
use carrel_content::{Kind, download::ReportedConditions, prefetch::PrefetchState};
use carrel_learning::Step;
use carrel_model::{
    content::{Block, ManifestContent, Quiz, SectionBody},
    lattice::ItemKind,
};
use carrel_testkit::{FakeClock, Network, TestServer, content, device::PASSWORD, scratch::scratch};

use crate::client::{self, within_a_minute};

async fn wait_until_done(account: &OpenAccount) -> PrefetchState {
    let mut state = account.content.prefetcher.state();
    within_a_minute("the prefetch", async {
        state.wait_for(|r| r.is_done).await.expect("the status").clone()
    })
    .await
}

/// Opens a section as the UI does: reads its text and sets the position.
async fn open(account: &OpenAccount, n: usize) {
    let library = &account.content.library;
    let found = library.find_section(&content::sections()[n]).await.expect("the section");
    library.body::<SectionBody>(found.section().body).await.expect("its text");
    account.content.prefetcher.set_position(&found.manifest.value, found.lesson);
}

/// Returns how many of a lesson's four sections can be read completely without a network.
async fn readable(account: &OpenAccount, lesson: usize) -> usize {
    let library = &account.content.library;
    let mut complete = 0;
    for n in 0..4 {
        let found =
            library.find_section(&content::sections()[lesson * 4 + n]).await.expect("the section");
        let Ok(body) = library.body::<SectionBody>(found.section().body).await else { continue };
        let mut all = true;
        for block in &body.blocks {
            all &= match block {
                Block::Quiz { body, .. } => library.body::<Quiz>(*body).await.is_ok(),
                Block::Audio { audio } => library.blob(audio.blob.hash).await.is_ok(),
                Block::Image { image } => {
                    let mut stored = true;
                    for v in &image.variants {
                        stored &= library.blob(v.blob.hash).await.is_ok();
                    }
                    stored
                }
                _ => true,
            };
        }
        complete += usize::from(all);
    }
    complete
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_two_lessons_are_prefetched_except_on_a_metered_network() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let metered =
        |metered| ReportedConditions { metered: Some(metered), ..ReportedConditions::default() };
    client.set_conditions(metered(true));

    open(&account, 0).await;
    let mut state = account.content.prefetcher.state();
    let waiting = within_a_minute("the prefetch to wait", async {
        state.wait_for(|r| r.is_waiting).await.expect("the status").clone()
    })
    .await;
    assert_eq!(waiting.fetched, 0, "no prefetch on a metered network");
    client.set_conditions(metered(false));
    let state = wait_until_done(&account).await;
    assert!(state.fetched >= 11, "three lessons of four sections: {state:?}");

    server.stop().await;
    account.network_changed();
    for lesson in 0..3 {
        assert_eq!(readable(&account, lesson).await, 4, "lesson {lesson}");
    }
    // Prefetched content does not count as requested; content that was read does.
    let figures = account.content.library.cache().figures();
    let blobs = figures.routes.iter().find(|(r, _)| r.pattern == "/api/blobs/*").expect("a row").1;
    assert_eq!(blobs.network, 1, "only the section that was opened online");
    assert!(blobs.memory + blobs.disk >= 11, "{blobs:?}");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_current_lesson_is_loaded_into_memory_at_the_start_without_requests() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let section = content::sections()[5].clone();
    open(&account, 5).await;
    wait_until_done(&account).await;
    let place = Step { pos: Some("b1".into()), ..Step::at(ItemKind::Section, section) };
    account.learning.record(place).await.expect("a position");
    client.close().await;
    server.stop().await;

    let net = Network::over(client::live_http());
    let reopened = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = reopened.account().expect("the last account");
    let mut state = account.content.prefetcher.state();
    let loaded = within_a_minute("the lesson to be loaded", async {
        state.wait_for(|r| r.is_loaded).await.expect("the status").clone()
    })
    .await;
    assert!(loaded.loaded >= 4, "{loaded:?}");
    let library = &account.content.library;
    let manifest = library
        .known_manifest(Kind::Course, &content::course())
        .await
        .expect("read")
        .expect("a stored manifest");
    let ManifestContent::Course { outline, .. } = &manifest.manifest.content else {
        panic!("not a course")
    };
    let mut expected = 0;
    for section in &outline.lessons[1].sections {
        assert!(library.blobs().is_in_memory(section.body), "{}", section.id);
        expected += 1;
        let body: SectionBody = library.body(section.body).await.expect("its text");
        for block in &body.blocks {
            match block {
                Block::Quiz { body, .. } => assert!(library.blobs().is_in_memory(*body)),
                Block::Image { image } => {
                    assert!(library.blobs().is_in_memory(image.variants[0].blob.hash))
                }
                _ => continue,
            }
            expected += 1;
        }
    }
    // The next lessons are loaded afterwards.
    assert!(
        loaded.loaded <= expected,
        "more than the lesson was loaded: {loaded:?}, expected {expected}"
    );
    assert!(
        net.take_requests().iter().all(|r| !r.url.contains("/api/blobs/")),
        "no blob was requested"
    );
    reopened.close().await;
}
