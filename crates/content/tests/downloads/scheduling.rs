//! Concurrent downloads: all make progress, the limit per host is kept, and the open section is fetched
//! first.

use carrel_content::download::{MAX_PER_HOST, Phase};

use crate::{
    client::{TestClient, target_of, within_a_minute},
    fake_server::{Course, FakeServer, Fault},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_course_is_ready_before_two_large_ones_started_earlier() {
    let server = FakeServer::new();
    let large_files = [6_000_000; 6];
    let large = [Course::new("one", &[&large_files]), Course::new("two", &[&large_files])];
    let small = Course::new("small", &[&[40_000; 4]]);
    for course in large.iter().chain([&small]) {
        server.publish(course);
    }
    let large_files: Vec<_> = large.iter().flat_map(Course::media).collect();
    large_files.iter().for_each(|b| server.inject(b.hash, &[Fault::Hold(500_000)]));
    let client = TestClient::new(&server);
    large.iter().for_each(|c| client.start(c));
    within_a_minute("the large courses use every slot", async {
        while large_files.iter().filter(|b| server.sent(b.hash) > 0).count() < MAX_PER_HOST {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.start(&small);
    within_a_minute("the small course has its plan", async {
        while client.state(&small.id).bytes_total == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.release_held();
    client.wait_ready(&small).await;
    for course in &large {
        client.wait_ready(course).await;
        client.assert_complete(course);
        // Released slots cause additional requests, but no additional bytes.
        assert!(course.media().iter().all(|b| server.sent(b.hash) == b.size));
    }
    assert!(server.max_concurrent() <= MAX_PER_HOST, "{} at once", server.max_concurrent());
    let requests = server.requests();
    let of = |hash| large_files.iter().any(|b| b.hash == hash);
    let is_resumed = |from: Option<u64>| from.unwrap_or(0) > 0;
    let resumed = requests.iter().filter(|(hash, from)| of(*hash) && is_resumed(*from)).count();
    assert!(resumed > 0, "a large transfer released its slot");
    // Compares the order of requests, because times depend on the load of the machine.
    let small_last =
        requests.iter().rposition(|(hash, _)| small.blobs.iter().any(|(b, _)| b.hash == *hash));
    let large_last = requests.iter().rposition(|(hash, _)| of(*hash));
    assert!(
        small_last < large_last,
        "{small_last:?} of the small course, {large_last:?} of the large courses"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_fetched_first_then_the_open_section() {
    let mut in_order = 0;
    for _ in 0..5 {
        let server = FakeServer::new();
        let sizes = [50_000; 4];
        let course = Course::new("river", &[&sizes, &sizes, &sizes]);
        server.publish(&course);
        let client = TestClient::new(&server);
        client.downloads().prioritize(&course.item(2, 1));
        client.start(&course);
        client.wait_ready(&course).await;
        let media: Vec<_> = course.media().iter().map(|b| b.hash).collect();
        let requests: Vec<_> = server.requests().into_iter().map(|(hash, _)| hash).collect();
        let first_media = requests.iter().position(|h| media.contains(h)).unwrap();
        assert_eq!(first_media, course.blobs.len() - media.len(), "all text precedes audio");
        let at = |n: usize| requests.iter().position(|h| *h == media[n]).unwrap();
        // With four workers, the open section is among the first four of twelve requests, and its
        // lesson among the first seven.
        let lesson = [8, 10, 11].iter().all(|n| at(*n) < first_media + 7);
        in_order += u32::from(at(9) < first_media + 4 && lesson);
    }
    // A worker may be delayed between selecting a blob and requesting it, in about one of forty
    // courses.
    assert!(in_order >= 3, "the open section is fetched first: {in_order} of 5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downloaded_lesson_is_complete_and_opens_offline() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[60_000; 3], &[70_000; 3]]);
    server.publish(&course);
    let client = TestClient::new(&server);
    let target = carrel_content::download::DownloadTarget::lesson(&course.id, "river/l1");
    client.downloads().request(&target, false).unwrap();
    let state = client.wait_until(&target, "the lesson", |s| s.phase == Phase::Ready).await;
    assert!(state.bytes_total < course.bytes() * 6 / 10, "{state:?}");
    let media = course.media();
    assert!(
        media[..3].iter().all(|b| server.sent(b.hash) == 0)
            && media[3..].iter().all(|b| server.sent(b.hash) == b.size)
    );
    assert_eq!(client.downloads().lessons(&course.id).unwrap()["river/l1"].phase, Phase::Ready);
    assert_eq!(client.state(&course.id).phase, Phase::Absent, "the course is not ready");
    server.set_fault(Some(Fault::Refused));
    let client = client
        .restart_after(|dir| {
            std::fs::remove_dir_all(dir.join("account")).expect("the account folder is deleted")
        })
        .await;
    let found =
        client.content.library.find_section(&course.item(1, 2)).await.expect("the section opens");
    let body = found.section().body;
    client
        .content
        .library
        .body::<carrel_model::content::SectionBody>(body)
        .await
        .expect("the text of the section is read");
    // The download of the whole course fetches only the rest.
    server.set_fault(None);
    server.reset_counts();
    client.content.network_changed();
    client.start(&course);
    client.wait_ready(&course).await;
    assert!(media[3..].iter().all(|b| server.sent(b.hash) == 0));
    // The removal of the course keeps the blobs of the lesson.
    client.downloads().remove_target(&target_of(&course)).unwrap();
    let has = |n: usize| client.content.library.blobs().has(media[n].hash).unwrap();
    assert!(!has(0) && has(3));
    client.downloads().remove_target(&target).unwrap();
    assert!(!has(3));
}
