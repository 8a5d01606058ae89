//! The number of new sections that a learner sees after an update of a course that was complete.

use carrel_commands::dispatch;
use carrel_testkit::{Answer, FakeClock, TestServer, content, scratch::scratch};
use serde_json::{Value, json};

use crate::client::{CommandHost, sync, two_devices, wait_until};

/// Publishes the course with these sections added to its first lesson, and without those of the last lesson if
/// `is_shorter`.
async fn publish(server: &TestServer, clock: &FakeClock, added: &[&str], is_shorter: bool) {
    let packages = scratch();
    let dir = packages.path();
    content::write_course(dir, content::COURSE, "Rivers").expect("a course");
    let path = dir.join("course.json");
    let text = std::fs::read_to_string(&path).expect("the course");
    let mut course: Value = serde_json::from_str(&text).expect("JSON");
    let lessons = course["lessons"].as_array_mut().expect("lessons");
    if is_shorter {
        lessons.pop();
    }
    for id in added {
        let section = json!({ "id": id, "type": "TEXT", "title": id, "file": "source/read.md" });
        lessons[0]["sections"].as_array_mut().expect("sections").push(section);
    }
    std::fs::write(&path, course.to_string()).expect("written");
    // The list of the server may be cached for ten minutes.
    clock.advance(3_600_000);
    server.import(&[dir.to_owned()]).await;
}

impl CommandHost {
    /// Waits until the page of the course shows these numbers of new, finished and all sections.
    async fn shows(&self, expected: [u64; 3]) {
        let what = format!("{expected:?} new, finished and all sections");
        wait_until(&self.client, &what, || async {
            let request = json!({ "course": content::COURSE });
            let view = dispatch(self, "get_course", request).await.expect("the course");
            let number = |field: &str| view[field].as_u64().expect("a number");
            let shown = [number("newSections"), number("done"), number("total")];
            (shown == expected).then_some(())
        })
        .await;
    }
    async fn finish(&self, item: &str) {
        let step = json!({ "kind": "section", "item": item, "done": true, "restart": false });
        dispatch(self, "record_progress", step).await.expect("recorded");
    }
    async fn sync(&self) {
        sync(&self.client.account().expect("the account")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sections_that_an_update_adds_are_new_only_in_a_course_that_was_complete() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let devices = two_devices(&server, &clock).await;
    let [laptop, tablet] = &devices.hosts;
    let nets = &devices.nets;
    let sections: Vec<String> = content::sections().iter().map(ToString::to_string).collect();
    laptop.shows([0, 0, 12]).await;
    laptop.finish(&sections[0]).await;
    // An update of an unfinished course adds no new section.
    publish(&server, &clock, &["more"], false).await;
    laptop.shows([0, 1, 13]).await;
    publish(&server, &clock, &[], false).await;
    laptop.shows([0, 1, 12]).await;
    laptop.sync().await;
    tablet.sync().await;
    tablet.shows([0, 1, 12]).await;
    // Each device finishes a part offline. Neither of them knows that the course is complete.
    for net in nets {
        net.intercept(|_| Some(Answer::refused()));
    }
    for item in &sections[1..6] {
        laptop.finish(item).await;
    }
    for item in &sections[6..] {
        tablet.finish(item).await;
    }
    nets.iter().for_each(|net| net.stop_intercepting());
    for host in [laptop, tablet, laptop] {
        host.sync().await;
    }
    for host in [laptop, tablet] {
        host.shows([0, 12, 12]).await;
    }
    publish(&server, &clock, &["more", "most"], false).await;
    for host in [laptop, tablet] {
        host.shows([2, 12, 14]).await;
    }
    laptop.finish("rivers/source/more").await;
    laptop.shows([1, 13, 14]).await;
    laptop.sync().await;
    tablet.sync().await;
    tablet.shows([1, 13, 14]).await;
    // An update that removes sections is no news.
    publish(&server, &clock, &["more"], true).await;
    laptop.shows([0, 9, 9]).await;
    publish(&server, &clock, &["more", "last"], true).await;
    laptop.shows([1, 9, 10]).await;
    for host in &devices.hosts {
        host.client.close().await;
    }
}
