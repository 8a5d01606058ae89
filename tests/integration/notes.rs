//! Notes of a learner: written offline, on both devices, in a new edition of the course, exported.

use carrel_commands::dispatch;
use carrel_testkit::{Answer, FakeClock, TestServer, content, scratch::scratch};
use serde_json::{Value, json};

use crate::client::{CommandHost, sync, two_devices, wait_until};

const FIRST: &str = "The river carries sand down from the hills every spring.";
const SECOND: &str = "Fish wait behind the large stones for their food.";

/// Publishes the course with a section of this text.
async fn publish(server: &TestServer, clock: &FakeClock, text: &str) {
    let packages = scratch();
    let dir = packages.path();
    content::write_course(dir, content::COURSE, "Rivers").expect("a course");
    let path = dir.join("course.json");
    let course = std::fs::read_to_string(&path).expect("the course");
    let mut course: Value = serde_json::from_str(&course).expect("JSON");
    let section = json!({ "id": "noted", "type": "TEXT", "title": "Sand", "file": "noted.md" });
    course["lessons"][0]["sections"].as_array_mut().expect("sections").push(section);
    std::fs::write(&path, course.to_string()).expect("written");
    std::fs::write(dir.join("noted.md"), text).expect("written");
    clock.advance(3_600_000);
    server.import(&[dir.to_owned()]).await;
}

async fn notes(host: &CommandHost) -> Vec<Value> {
    let request = json!({ "item": content::COURSE });
    let list = dispatch(host, "list_notes", request).await.expect("the notes");
    list["notes"].as_array().expect("notes").clone()
}

/// Opens the section until it contains `text`.
async fn open(host: &CommandHost, item: &str, text: &str) -> Value {
    let what = format!("the section contains {text}");
    let mut page = Value::Null;
    wait_until(&host.client, &what, || async {
        let _ = dispatch(host, "get_course", json!({ "course": content::COURSE })).await;
        let page = dispatch(host, "open_section", json!({ "item": item })).await.ok()?;
        page["body"].to_string().contains(text).then_some(())
    })
    .await;
    if let Ok(opened) = dispatch(host, "open_section", json!({ "item": item })).await {
        page = opened;
    }
    page
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_of_two_devices_are_merged_and_placed_in_a_new_edition() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    publish(&server, &clock, &format!("Rain falls first.\n\n{FIRST} {SECOND}\n")).await;
    let first = content::sections()[0].to_string();
    let item = format!("{}/noted", first.rsplit_once('/').expect("a lesson").0);
    let devices = two_devices(&server, &clock).await;
    let [laptop, tablet] = &devices.hosts;
    let nets = &devices.nets;
    let page = open(laptop, &item, "carries sand").await;
    open(tablet, &item, "carries sand").await;

    // Offline: a note on the first sentence, a highlight on the second one.
    nets[0].intercept(|_| Some(Answer::refused()));
    let start = "Rain falls first. ".len();
    let second = start + FIRST.len() + 1;
    let save = |start: usize, end: usize, text: &str, mark: &str| {
        json!({
            "base": [], "item": item, "text": text, "mark": mark,
            "place": {
                "body": page["bodyHash"],
                "passage": { "block": 0, "start": start, "end": end },
            },
        })
    };
    let request = save(second, second + SECOND.len(), "", "green");
    dispatch(laptop, "save_note", request).await.expect("saved");
    let saved = dispatch(laptop, "save_note", save(start, start + FIRST.len(), "why?", "yellow"));
    let note = saved.await.expect("saved")["note"].clone();
    let listed = notes(laptop).await;
    let quotes: Vec<&Value> = listed.iter().map(|n| &n["quote"]).collect();
    assert_eq!(quotes, [FIRST, SECOND], "in order of the text");
    assert!(listed.iter().all(|n| n["state"] == "exact" && n["waiting"] == true), "{listed:?}");
    assert_eq!(listed[0]["title"], "Sand");
    let outside = dispatch(laptop, "save_note", save(0, 9_999, "", "pink")).await;
    assert!(outside.is_err(), "a passage outside of the text");
    let receipts = dispatch(laptop, "list_receipts", json!({})).await.expect("receipts");
    let waiting = receipts["waiting"].as_array().expect("a list");
    let receipt = waiting.iter().find(|r| r["title"] == "why?").expect("the receipt of the note");
    assert_eq!(receipt["courseTitle"], "Sand");

    // Both devices edit the note.
    nets[0].stop_intercepting();
    for host in [laptop, tablet] {
        sync(&host.client.account().expect("the account")).await;
    }
    assert_eq!(notes(tablet).await.len(), 2);
    for (host, text) in [(laptop, "from the laptop"), (tablet, "from the tablet")] {
        let revisions = notes(host).await[0]["revisions"].clone();
        let request =
            json!({ "note": note, "base": revisions, "item": item, "text": text, "mark": "pink" });
        dispatch(host, "save_note", request).await.expect("saved");
    }
    for host in [laptop, tablet, laptop] {
        sync(&host.client.account().expect("the account")).await;
    }
    let merged = notes(laptop).await;
    assert_eq!(merged, notes(tablet).await);
    assert_eq!(merged[0]["others"].as_array().expect("a list").len(), 1);
    assert_eq!((&merged[0]["quote"], &merged[0]["mark"]), (&FIRST.into(), &"pink".into()));

    // A new edition: a sentence is added, the second one is deleted.
    let edition = format!("Rain falls first.\n\n{FIRST} Eels bury themselves.\n");
    publish(&server, &clock, &edition).await;
    open(laptop, &item, "Eels").await;
    let placed = notes(laptop).await;
    let states: Vec<&Value> = placed.iter().map(|n| &n["state"]).collect();
    assert_eq!(states, ["moved", "orphan"], "{placed:?}");
    assert_eq!((&placed[1]["quote"], &placed[1]["passage"]), (&SECOND.into(), &Value::Null));

    // Deletion and its undo.
    dispatch(laptop, "delete_note", json!({ "note": note })).await.expect("deleted");
    assert_eq!(notes(laptop).await.len(), 1);
    dispatch(laptop, "restore_note", json!({ "note": note })).await.expect("restored");
    assert_eq!(notes(laptop).await.len(), 2);

    let folder = scratch();
    for (format, extension) in
        [("annotations", "annotations"), ("markdown", "md"), ("html", "html")]
    {
        let request = json!({ "item": content::COURSE, "format": format, "folder": folder.path() });
        let file = dispatch(laptop, "export_notes", request).await.expect("exported");
        let path = file["path"].as_str().expect("a path");
        assert!(path.ends_with(&format!(".{extension}")), "{path}");
        assert_eq!(file["count"], 2);
        let content = std::fs::read(path).expect("the file");
        let text = String::from_utf8_lossy(&content);
        for expected in [FIRST, SECOND, "from the laptop", "from the tablet"] {
            assert!(text.contains(expected), "{format}: {expected}\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_on_a_page_of_a_story_reaches_the_other_device_and_its_text_file() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let devices = two_devices(&server, &clock).await;
    let [laptop, tablet] = &devices.hosts;
    let item = content::STORY;
    let ask = async |host: &CommandHost, name: &str, request: Value| -> Value {
        dispatch(host, name, request).await.unwrap_or_else(|e| panic!("{name}: {e:?}"))
    };
    let opened = ask(laptop, "open_story", json!({ "item": item })).await;
    let sentences: Vec<&str> = opened["story"]["pages"][0]["sentences"]
        .as_array()
        .expect("sentences")
        .iter()
        .map(|sentence| sentence["text"].as_str().expect("a text"))
        .collect();
    assert!(sentences.len() > 1, "{sentences:?}");
    // The second sentence, in the text of the page: the sentences with spaces between them.
    let start = sentences[0].chars().count() + 1;
    let end = start + sentences[1].chars().count();
    devices.nets[0].intercept(|_| Some(Answer::refused()));
    let passage = |block: usize, end: usize| json!({ "block": block, "start": start, "end": end });
    let save = |passage: Value| {
        json!({
            "base": [], "item": item, "text": "why?", "mark": "green",
            "place": { "body": opened["bodyHash"], "passage": passage },
        })
    };
    ask(laptop, "save_note", save(passage(0, end))).await;
    for outside in [passage(0, 100_000), passage(99, end)] {
        assert!(dispatch(laptop, "save_note", save(outside)).await.is_err());
    }
    devices.nets[0].stop_intercepting();
    for host in [laptop, tablet] {
        sync(&host.client.account().expect("the account")).await;
    }
    // The story was never opened on the tablet.
    let listed = ask(tablet, "list_notes", json!({ "item": item })).await;
    assert_eq!(listed["notes"][0]["state"], "unknown");
    ask(tablet, "open_story", json!({ "item": item })).await;
    let listed = ask(tablet, "list_notes", json!({ "item": item })).await;
    let note = &listed["notes"][0];
    assert_eq!((&note["state"], &note["passage"]), (&json!("exact"), &passage(0, end)));
    assert_eq!((&note["quote"], &note["text"]), (&json!(sentences[1]), &json!("why?")));
    let folder = scratch();
    let request = json!({ "item": item, "format": "markdown", "folder": folder.path() });
    let file = ask(tablet, "export_notes", request).await;
    let text = std::fs::read_to_string(file["path"].as_str().expect("a path")).expect("the file");
    assert!(text.contains(sentences[1]) && text.contains("why?"), "{text}");
}
