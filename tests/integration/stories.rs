//! Stories as the UI shows them: estimated and corrected times of sentences, and exercises that are derived.

use std::{fs, path::Path};

use carrel_commands::dispatch;
use carrel_testkit::{FakeClock, TestServer, content, scratch::scratch};
use serde_json::{Value, json};

use crate::client::{CommandHost, sync, two_devices};

const RATE: usize = 8_000;

/// Returns a WAV file with sound where `parts` say so: milliseconds of silence and of sound in turn.
fn wav(parts: &[usize]) -> Vec<u8> {
    let mut samples: Vec<i16> = Vec::new();
    for (i, ms) in parts.iter().enumerate() {
        let loud = |n: usize| if i % 2 == 1 && n.is_multiple_of(2) { 9_000 } else { 0 };
        samples.extend((0..ms * RATE / 1000).map(loud));
    }
    let bytes = samples.len() as u32 * 2;
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&(36 + bytes).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    for field in [16, 0x0001_0001, RATE as u32, 2 * RATE as u32, 0x0010_0002] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(b"data");
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    out
}

/// The story of `content` with a narration of each page. That of the second page has times of its author.
fn write_narrated(dir: &Path) {
    content::write_story(dir, content::STORY, "The Lamp").expect("a story");
    let path = dir.join("story.md");
    let text = fs::read_to_string(&path).expect("the story");
    let mut parts = text.split("\n##\n");
    let mut narrated = parts.next().expect("the title").to_owned();
    for (page, text) in parts.enumerate() {
        narrated.push_str(&format!("\n##\n\n![Narration]({page}.wav)\n{text}"));
        // "She climbs." has 9 letters, "The stairs are old." has 15.
        fs::write(dir.join(format!("{page}.wav")), wav(&[200, 900, 500, 1_500, 300 + page]))
            .expect("a narration");
    }
    fs::write(&path, narrated).expect("written");
    let times = "WEBVTT\n\n00:00.100 --> 00:01.000\na\n\n00:01.500 --> 00:03.000\nb\n";
    fs::write(dir.join("1.vtt"), times).expect("times");
}

impl CommandHost {
    async fn ask(&self, command: &str, request: Value) -> Value {
        dispatch(self, command, request).await.unwrap_or_else(|e| panic!("{command}: {e:?}"))
    }
    async fn page(&self, index: usize) -> (Value, Vec<Value>, Value) {
        let story = self.ask("open_story", json!({ "item": content::STORY })).await;
        let page = &story["story"]["pages"][index];
        let sentences = page["sentences"].as_array().expect("sentences");
        let starts = sentences.iter().map(|s| s["startMs"].clone()).collect();
        (page["timingConfidence"].clone(), starts, story["correctedPages"].clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrated_story_without_times_is_estimated_corrected_and_practised() {
    let clock = FakeClock::noon();
    let server = TestServer::empty(&clock).await;
    let packages = scratch();
    write_narrated(packages.path());
    server.import(&[packages.path().to_owned()]).await;
    let devices = two_devices(&server, &clock).await;
    let [laptop, tablet] = &devices.hosts;
    assert_eq!(laptop.page(0).await, (json!(100), vec![json!(200), json!(1_600)], json!([])));
    assert_eq!(laptop.page(1).await, (Value::Null, vec![json!(100), json!(1_500)], json!([])));

    // Times that were tapped replace estimated ones, on all devices, but not those of an author.
    let story = laptop.ask("open_story", json!({ "item": content::STORY })).await;
    for page in [0, 1] {
        let recording = &story["story"]["pages"][page]["narration"]["hash"];
        let request = json!({ "recording": recording, "starts": [150, 1_700] });
        laptop.ask("set_sentence_times", request).await;
    }
    let corrected = (Value::Null, vec![json!(150), json!(1_700)], json!([0]));
    assert_eq!(laptop.page(0).await, corrected);
    assert_eq!(laptop.page(1).await.1, [json!(100), json!(1_500)]);
    for host in [laptop, tablet] {
        sync(&host.client.account().expect("the account")).await;
    }
    assert_eq!(tablet.page(0).await, corrected);
    // Another number of sentences, as in another edition: they are not used.
    let recording = &story["story"]["pages"][0]["narration"]["hash"];
    laptop.ask("set_sentence_times", json!({ "recording": recording, "starts": [150] })).await;
    assert_eq!(laptop.page(0).await, (json!(100), vec![json!(200), json!(1_600)], json!([])));

    let item = json!({ "item": content::STORY });
    let list = laptop.ask("get_exercises", item.clone()).await;
    assert_eq!(list, json!({ "available": true, "runs": [] }));
    let run = laptop.ask("start_exercises", item.clone()).await;
    let exercises = run["exercises"].as_array().expect("exercises");
    let kinds: Vec<&str> = exercises.iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(kinds.first(), Some(&"next"));
    assert!(["order", "listen", "say"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let mut points = 0;
    for exercise in exercises {
        let question = &exercise["question"];
        let response = match question["kind"].as_str().expect("a kind") {
            "single" => {
                let choices = question["choices"].as_array().expect("choices");
                let right = choices.iter().find(|choice| choice["correct"] == true);
                json!({ "kind": "choice", "chosen": [right.unwrap_or(&choices[0])["id"]] })
            }
            "fill" => json!({ "kind": "fill", "texts": [question["blanks"][0][0]] }),
            "order" => {
                let count = question["items"].as_array().expect("items").len();
                json!({ "kind": "order", "order": (0..count).collect::<Vec<_>>() })
            }
            kind => panic!("{kind}"),
        };
        let request = json!({
            "item": content::STORY, "run": run["run"], "exercise": question["id"], "response": response,
        });
        let answer = laptop.ask("answer_exercise", request).await;
        assert_eq!(answer["points"], answer["maxPoints"], "{exercise}");
        points += answer["points"].as_i64().expect("points");
    }
    let too_long = json!({ "kind": "fill", "texts": ["x".repeat(2_000)] });
    let request = json!({
        "item": content::STORY, "run": run["run"], "exercise": "exercise-1", "response": too_long,
    });
    assert!(dispatch(laptop, "answer_exercise", request).await.is_err());
    for host in [laptop, tablet] {
        sync(&host.client.account().expect("the account")).await;
    }
    let list = tablet.ask("get_exercises", item.clone()).await;
    assert_eq!(list["runs"][0]["answered"], json!(exercises.len()));
    assert_eq!(
        (&list["runs"][0]["points"], &list["runs"][0]["maxPoints"]),
        (&json!(points), &json!(points))
    );
    // A complete run is followed by a new one.
    let next = tablet.ask("start_exercises", item).await;
    assert_ne!(next["run"], run["run"]);
    assert_eq!(next["answers"], json!([]));
    for host in &devices.hosts {
        host.client.close().await;
    }
}
