//! Learner actions as rows, and the values derived from them.

use std::{collections::BTreeMap, sync::Arc};

use carrel_learning::{
    Error, Learning, Step, Summary,
    store::{Store, outbox},
};
use carrel_model::{
    BlobHash, CardKey, DeviceId, SessionId,
    content::Response,
    lattice::{Answer, Decision, DecisionStatus, Extra, Grade, ItemKind, RowType, Session},
};
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{finished, item, options, slug},
};
use serde_json::json;
use tempfile::TempDir;

struct TestDevice {
    clock: FakeClock,
    store: Arc<Store>,
    learning: Learning,
    _dir: TempDir,
}

fn device() -> TestDevice {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(7)));
    TestDevice { clock, store, learning, _dir: dir }
}

#[tokio::test]
async fn only_a_restart_reduces_progress() {
    let d = device();
    let at = |percent| Step { percent: Some(percent), ..Step::at(ItemKind::Story, item("goat")) };
    let record = d.learning.record(at(4_000)).await.unwrap();
    assert_eq!((record.row.percent, record.waiting), (4_000, true));
    assert_eq!(
        d.learning.record(at(1_000)).await.unwrap().row.percent,
        4_000,
        "the percentage does not decrease"
    );
    let done = Step { done: true, ..Step::at(ItemKind::Story, item("goat")) };
    let first = d.learning.record(done.clone()).await.unwrap().row;
    assert_eq!((first.percent, first.done_ms), (10_000, Some(FakeClock::NOON)));
    d.clock.advance(60_000);
    assert_eq!(
        d.learning.record(done).await.unwrap().row.done_ms,
        first.done_ms,
        "the first completion is kept"
    );
    let again =
        Step { restart: true, percent: Some(500), ..Step::at(ItemKind::Story, item("goat")) };
    let again = d.learning.record(again).await.unwrap().row;
    assert_eq!(
        (again.generation, again.percent, again.done_ms),
        (1, 500, first.done_ms),
        "the completion is kept"
    );
    let bad = Step { percent: Some(10_001), ..Step::at(ItemKind::Story, item("goat")) };
    assert!(matches!(d.learning.record(bad).await, Err(Error::Invalid(_))));
    let long = Step { pos: Some("x".repeat(201)), ..Step::at(ItemKind::Story, item("goat")) };
    assert!(matches!(d.learning.record(long).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn latest_positions_are_sorted_and_roots_are_separate() {
    let d = device();
    let at = |text: &str, pos: &str| Step {
        pos: Some(pos.into()),
        ..Step::at(ItemKind::Section, item(text))
    };
    for (text, pos) in [("rivers/a/b", "b1"), ("rivers-2/a/b", "b2"), ("rivers/a/c", "b3")] {
        d.learning.record(at(text, pos)).await.unwrap();
        d.clock.jump(-60_000);
    }
    let latest = d.learning.latest(2).await.unwrap();
    let places: Vec<_> = latest.iter().map(|r| r.row.pos.as_ref().unwrap().at.as_str()).collect();
    assert_eq!(places, ["b3", "b2"], "newest recording first, whatever the clock");
    d.learning.record(finished("rivers/a/b")).await.unwrap();
    d.learning.record(finished("rivers-2/a/b")).await.unwrap();
    assert_eq!(d.learning.done_sections("rivers").await.unwrap().len(), 1);
    assert_eq!(d.learning.progress_under("rivers").await.unwrap().len(), 2);
    assert_eq!(d.learning.done_items(ItemKind::Section).await.unwrap().len(), 2);
    assert_eq!(d.learning.waiting(RowType::Progress).await.unwrap().len(), 3);
}

#[tokio::test]
async fn time_is_measured_by_the_monotonic_clock() {
    /// An event before a heartbeat.
    enum Before {
        Pass(i64),
        Jump(i64),
        Sleep(i64),
    }
    use Before::{Jump, Pass, Sleep};
    // Name, events before each heartbeat, total time, number of sessions.
    type Case = (&'static str, Vec<Before>, i64, usize);
    let table: Vec<Case> = vec![
        ("one heartbeat adds nothing", vec![Pass(0)], 0, 0),
        ("heartbeats are summed", vec![Pass(0), Pass(5_000), Pass(5_000), Pass(4_321)], 14_321, 1),
        (
            "a gap ends the session and is not counted",
            vec![Pass(0), Pass(5_000), Pass(20_001), Pass(5_000)],
            10_000,
            2,
        ),
        (
            "a long heartbeat is capped and ends the session",
            vec![Pass(0), Pass(18_000), Pass(5_000)],
            20_000,
            2,
        ),
        (
            "a heartbeat of exactly the limit continues the session",
            vec![Pass(0), Pass(15_000), Pass(5_000)],
            20_000,
            1,
        ),
        (
            "a clock jump adds nothing",
            vec![Pass(0), Pass(5_000), Jump(3_600_000), Pass(5_000), Pass(5_000)],
            15_000,
            2,
        ),
        (
            "a clock set back changes nothing",
            vec![Pass(0), Pass(5_000), Jump(-3_600_000), Pass(5_000), Pass(5_000)],
            15_000,
            2,
        ),
        (
            "a small clock correction continues the session",
            vec![Pass(0), Pass(5_000), Jump(-900), Pass(5_000)],
            10_000,
            1,
        ),
        (
            "suspended time is not counted",
            vec![Pass(0), Pass(5_000), Sleep(8 * 3_600_000), Pass(2_000), Pass(3_000)],
            10_000,
            2,
        ),
    ];
    for (name, beats, expected, sessions) in table {
        let d = device();
        let here = item("rivers/a/b");
        for before in beats {
            match before {
                Pass(ms) => {
                    d.clock.advance(ms);
                    d.learning.study_heartbeat(&here, true).await.unwrap();
                }
                Jump(ms) => d.clock.jump(ms),
                Sleep(ms) => d.clock.suspend(ms),
            }
        }
        assert_eq!(d.learning.time_spent(&here).await.unwrap(), expected, "{name}");
        let rows =
            d.store.read(|c| Ok(carrel_sqlite::rows::query::<Session>(c, "", [])?)).await.unwrap();
        assert_eq!(rows.len(), sessions, "{name}: {rows:#?}");
        assert_eq!(
            rows.iter().map(|s| s.active_ms).sum::<i64>(),
            expected,
            "{name}: sessions do not overlap"
        );
    }
}

#[tokio::test]
async fn a_session_ends_when_its_item_is_closed() {
    let d = device();
    let (a, b) = (item("rivers/a/a"), item("rivers/a/b"));
    d.learning.study_heartbeat(&a, true).await.unwrap();
    d.clock.advance(4_000);
    d.learning.study_heartbeat(&a, false).await.unwrap();
    d.clock.advance(10_000);
    d.learning.study_heartbeat(&b, true).await.unwrap();
    d.clock.advance(3_000);
    d.learning.study_heartbeat(&b, true).await.unwrap();
    d.clock.advance(2_000);
    d.learning.study_heartbeat(&a, true).await.unwrap();
    d.clock.advance(1_000);
    d.learning.study_heartbeat(&a, false).await.unwrap();
    assert_eq!(d.learning.time_spent(&a).await.unwrap(), 5_000);
    assert_eq!(d.learning.time_spent(&b).await.unwrap(), 3_000);
    assert_eq!(d.learning.time_spent_under("rivers").await.unwrap(), 8_000);
    assert_eq!(d.learning.time_spent_total().await.unwrap(), 8_000);
    // The overlap with a session of another device is counted once.
    let elsewhere = Session {
        id: SessionId::from_u128(5),
        item: a.clone(),
        device: DeviceId::from_u128(2),
        started_ms: FakeClock::NOON + 2_000,
        day: "2026-11-20".into(),
        off_min: None,
        active_ms: 4_000,
        extra: Extra::default(),
    };
    d.store.write("t", move |tx| tx.apply_remote(elsewhere.clone())).await.unwrap();
    assert_eq!(d.learning.time_spent(&a).await.unwrap(), 7_000);
}

#[tokio::test]
async fn sessions_end_with_the_study_day_and_streaks_count_days() {
    let d = device();
    d.learning.set_review_settings(|s| s.day_start_minutes = 0).await.unwrap();
    let here = item("rivers/a/b");
    // Two days at noon, then a session until after midnight.
    for _ in 0..2 {
        d.learning.study_heartbeat(&here, true).await.unwrap();
        d.clock.advance(10_000);
        d.learning.study_heartbeat(&here, false).await.unwrap();
        d.clock.advance(24 * 3_600_000 - 10_000);
    }
    d.clock.advance(12 * 3_600_000 - 5_000);
    d.learning.study_heartbeat(&here, true).await.unwrap();
    d.clock.advance(5_000);
    d.learning.study_heartbeat(&here, true).await.unwrap();
    d.clock.advance(7_000);
    d.learning.study_heartbeat(&here, true).await.unwrap();
    let overview = d.learning.overview().await.unwrap();
    assert_eq!(overview.days.len(), 28);
    let last: Vec<(&str, i64)> =
        overview.days[23..].iter().map(|(day, ms)| (day.as_str(), *ms)).collect();
    assert_eq!(
        last,
        [
            ("2026-11-19", 0),
            ("2026-11-20", 10_000),
            ("2026-11-21", 10_000),
            ("2026-11-22", 5_000),
            ("2026-11-23", 7_000)
        ]
    );
    assert_eq!((overview.streak_days, overview.total_ms), (4, 32_000));
    assert_eq!(overview.roots[0].root, "rivers");
    assert!(!overview.roots[0].is_story);
    d.clock.advance(24 * 3_600_000);
    assert_eq!(
        d.learning.overview().await.unwrap().streak_days,
        4,
        "a streak ends one day without study later"
    );
    d.clock.advance(24 * 3_600_000);
    assert_eq!(d.learning.overview().await.unwrap().streak_days, 0);
}

#[tokio::test]
async fn a_submission_after_the_deadline_counts_as_made_then() {
    let choice = |id: &str| Response::Choice { chosen: vec![slug(id)] };
    let submit = async |answers: usize, wait_ms: i64| {
        let d = device();
        let quiz = (item("rivers/bends"), BlobHash::of(b"v1"));
        let attempt = d.learning.start_attempt(&quiz.0, quiz.1).await.unwrap().attempt;
        for n in 0..answers {
            let question = slug(&format!("q{n}"));
            d.learning.save_answer(attempt.id, &question, &choice("x")).await.unwrap();
        }
        assert_eq!(d.learning.open_attempts().await.unwrap(), std::slice::from_ref(&attempt));
        d.clock.advance(wait_ms);
        let deadline = attempt.started_ms + 60_000;
        let done = d.learning.submit_attempt_until(attempt.id, Some(deadline)).await.unwrap();
        assert_eq!(d.learning.open_attempts().await.unwrap(), []);
        assert_eq!(done.answers.len(), answers);
        done.attempt.submitted_ms.unwrap() - attempt.started_ms
    };
    assert!(submit(1, 30_000).await < 60_000, "in time");
    let (one, two) = (submit(1, 600_000).await, submit(2, 3_600_000).await);
    assert!((60_000..62_000).contains(&one), "{one}");
    assert!(two < one, "of two devices, the submission with more answers is the earlier one");
}

#[tokio::test]
async fn the_summary_covers_thirty_days() {
    let d = device();
    let study = async |story: &str| {
        d.learning.study_heartbeat(&item(story), true).await.unwrap();
        d.clock.advance(10_000);
        d.learning.study_heartbeat(&item(story), false).await.unwrap();
    };
    let record = async |story: &str, percent: u16| {
        let step = Step::at(ItemKind::Story, item(story));
        let (done, percent) = (percent == 10_000, Some(percent));
        d.learning.record(Step { done, percent, ..step }).await.unwrap();
    };
    let summary = async || d.learning.overview().await.unwrap().summary;
    assert_eq!(summary().await, Summary::default());
    study("goat").await;
    record("goat", 10_000).await;
    d.clock.advance(24 * 3_600_000);
    study("rivers/bees").await;
    record("rivers/bees", 4_000).await;
    // The day of the first story is the 31st to the past.
    d.clock.advance(29 * 24 * 3_600_000);
    study("lamp").await;
    record("lamp", 2_000).await;
    let mut expected = Summary {
        active_days: 2,
        time_ms: 20_000,
        stories_started: 2,
        stories_completed: 0,
        mean_completion: 3_000,
    };
    assert_eq!(summary().await, expected);
    // Studied again: counted in the mean, but neither started nor completed again.
    study("goat").await;
    (expected.time_ms, expected.mean_completion) = (30_000, 5_333);
    assert_eq!(summary().await, expected);
    record("rivers/bees", 10_000).await;
    (expected.stories_completed, expected.mean_completion) = (1, 7_333);
    assert_eq!(summary().await, expected);
}

#[tokio::test]
async fn an_attempt_is_resumed_answered_submitted_and_then_frozen() {
    let d = device();
    let (quiz, hash) = (item("rivers/bends"), BlobHash::of(b"v1"));
    let choice = |id: &str| Response::Choice { chosen: vec![slug(id)] };
    let first = d.learning.start_attempt(&quiz, hash).await.unwrap().attempt.id;
    assert_eq!(
        d.learning.start_attempt(&quiz, hash).await.unwrap().attempt.id,
        first,
        "the open attempt is resumed"
    );
    let a = d.learning.save_answer(first, &slug("q1"), &choice("x")).await.unwrap();
    let b = d.learning.save_answer(first, &slug("q1"), &choice("y")).await.unwrap();
    let c = d.learning.save_answer(first, &slug("q1"), &choice("y")).await.unwrap();
    assert_eq!((a.seq, b.seq, c.seq), (1, 2, 2));
    d.clock.jump(-3_600_000);
    let done = d.learning.submit_attempt(first).await.unwrap();
    assert_eq!(
        done.attempt.submitted_ms,
        Some(done.attempt.started_ms),
        "the submission is not before the start"
    );
    d.clock.advance(7_200_000);
    assert_eq!(
        d.learning.submit_attempt(first).await.unwrap().attempt,
        done.attempt,
        "submitting again changes nothing"
    );
    let late = d.learning.save_answer(first, &slug("q1"), &choice("z")).await.unwrap_err();
    assert!(
        matches!(late, Error::Invalid(_)) && late.to_string().contains("cannot be changed"),
        "{late}"
    );
    // The submission contains its answers; later answer rows of another device have no effect.
    let submitted: Vec<_> = done.attempt.answers.clone().unwrap().into_iter().collect();
    assert_eq!(submitted, [(slug("q1"), c.value.clone())]);
    let elsewhere = |question: &str| Answer {
        question: slug(question),
        seq: 9,
        value: a.value.clone(),
        ..c.clone()
    };
    let rows = [elsewhere("q1"), elsewhere("q2")];
    d.store
        .write("t", move |tx| rows.iter().try_for_each(|r| tx.apply_remote(r.clone()).map(|_| ())))
        .await
        .unwrap();
    let shown = d.learning.attempt(first).await.unwrap().answers;
    let shown: Vec<_> = shown.into_iter().map(|a| (a.question, a.value)).collect();
    assert_eq!(shown, submitted);
    let nobody = carrel_model::AttemptId::from_u128(1);
    assert!(matches!(
        d.learning.save_answer(nobody, &slug("q1"), &choice("z")).await,
        Err(Error::NotFound(_))
    ));
    let grade = Grade {
        attempt: first,
        rev: 1,
        points: 1,
        max_points: 2,
        graded_ms: FakeClock::NOON,
        extra: Extra::default(),
    };
    d.store.write("t", move |tx| tx.apply_remote(grade.clone())).await.unwrap();
    let other = d.learning.start_attempt(&quiz, hash).await.unwrap().attempt.id;
    assert_ne!(other, first);
    let all = d.learning.attempts(&quiz).await.unwrap();
    assert_eq!(all.len(), 2);
    let of_first = all.iter().find(|a| a.attempt.id == first).unwrap();
    assert_eq!(
        (of_first.answers.len(), of_first.grade.as_ref().unwrap().points, of_first.waiting),
        (1, 1, true)
    );
    assert_eq!(
        d.learning.attempts_under("rivers").await.unwrap().len(),
        1,
        "only the submitted attempt"
    );
    assert_eq!(d.learning.overview().await.unwrap().quizzes_taken, 1);
    let updated = d.learning.start_attempt(&quiz, BlobHash::of(b"v2")).await.unwrap().attempt.id;
    assert!(updated != other, "another version of the quiz starts a new attempt");
}

#[tokio::test]
async fn words_are_added_and_removed() {
    let d = device();
    for (word, saved) in [
        ("goat/hill", true),
        ("goat/hill", true),
        ("goat/milk", true),
        ("rivers/bend", true),
        ("goat/hill", false),
    ] {
        d.clock.advance(1_000);
        d.learning.save_word(&item(word), None, saved).await.unwrap();
    }
    let words: Vec<String> =
        d.learning.words().await.unwrap().into_iter().map(|w| w.item.to_string()).collect();
    assert_eq!(words, ["rivers/bend", "goat/milk"]);
    d.learning.save_word(&item("goat/hill"), None, true).await.unwrap();
    assert_eq!(d.learning.words().await.unwrap().len(), 3, "a void does not affect later events");
    let keys = ["goat/hill", "goat/milk", "rivers/bend", "goat/sea"];
    let keys: Vec<CardKey> = keys.iter().map(|word| CardKey::of_item(&item(word))).collect();
    let saved = d.learning.saved_among(keys.clone()).await.unwrap();
    assert!(saved.iter().eq(&keys[..3]), "{saved:?}");
}

#[tokio::test]
async fn settings_and_enrolment_are_registers() {
    let d = device();
    let set = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
    d.learning.set_settings(set("theme", json!("night"))).await.unwrap();
    d.learning.set_settings(set("textSize", json!(120))).await.unwrap();
    d.clock.jump(-86_400_000);
    d.learning.set_settings(set("theme", json!("paper"))).await.unwrap();
    assert_eq!(
        d.learning.settings().await.unwrap()["theme"],
        json!("paper"),
        "the last write wins, also after the clock was set back"
    );
    d.learning.set_settings(set("theme", json!(null))).await.unwrap();
    assert_eq!(d.learning.settings().await.unwrap(), set("textSize", json!(120)));

    let course = slug("rivers");
    assert_eq!(d.learning.enrolment(&course).await.unwrap().status(), None);
    let request = d.learning.request_enrolment(&course, true).await.unwrap();
    assert_eq!((request.status(), request.waiting), (Some(DecisionStatus::Pending), true));
    let refusal = Decision {
        course: course.clone(),
        rev: 1,
        status: DecisionStatus::Refused,
        reason: "full".into(),
        extra: Extra::default(),
    };
    let settle = |tx: &mut carrel_learning::store::Tx<'_>| {
        for w in outbox::waiting(tx.conn(), 100)? {
            outbox::acknowledge(tx, &w.key, w.rev)?;
        }
        Ok(())
    };
    d.store
        .write("t", move |tx| {
            tx.apply_remote(refusal.clone())?;
            settle(tx)
        })
        .await
        .unwrap();
    assert_eq!(
        d.learning.enrolment(&course).await.unwrap().status(),
        Some(DecisionStatus::Refused)
    );
    d.learning.request_enrolment(&course, false).await.unwrap();
    assert_eq!(d.learning.enrolment(&course).await.unwrap().status(), None);
    let again = d.learning.request_enrolment(&course, true).await.unwrap();
    assert_eq!(again.status(), Some(DecisionStatus::Pending), "requested again, not decided yet");
    assert_eq!(d.learning.enrolments().await.unwrap().len(), 1);
    // The server's API withdraws by `null`.
    d.store.write("t", |tx| tx.set_register("enrolment", "rivers", &json!(null))).await.unwrap();
    assert_eq!(d.learning.enrolment(&slug("rivers")).await.unwrap().status(), None);
}
