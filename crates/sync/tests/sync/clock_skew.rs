//! Tests of sync with wrong clocks of devices and of the server, through the engine.
//!
//! Not here: times of reviews, sessions and attempts of a device with a wrong clock (`clocks`).

use carrel_learning::Step;
use carrel_model::{
    AttemptId, BlobHash,
    derive::time_studied,
    lattice::{ItemKind, Row, RowKey, RowType, Session, Validate},
    wire::ResultCode,
};
use carrel_system::Clock as _;
use carrel_testkit::{
    FakeClock, FakeServer,
    fake_server::Outcome,
    work::{finished, item},
};

use crate::world::{Device, PUSH, key, percent};

#[tokio::test]
async fn stamps_of_a_fast_clock_are_corrected() {
    let server = FakeServer::new();
    server.state().clock_ms = Some(FakeClock::NOON);
    let wrong = FakeClock::new(FakeClock::NOON + 40 * 3_600_000);
    let device = Device::new(1, &wrong, &server);
    let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
    device.learning.record(at("b1")).await.unwrap();
    device.finish("a/b/d").await;
    device.sync_until_idle().await;
    let Some(Row::Progress(row)) = server.row(&key("a/b/c")) else {
        panic!("the row was not pushed")
    };
    assert_eq!((row.percent, row.pos.unwrap().hlc.ms()), (500, FakeClock::NOON));
    assert!(device.refused().await.is_empty());
    // New stamps are correct immediately.
    let before = server.requests(PUSH);
    wrong.advance(1_000);
    device.learning.record(at("b2")).await.unwrap();
    device.sync_until_idle().await;
    assert_eq!(server.requests(PUSH), before + 1);
    // Then a later change on a device with a correct clock wins.
    let right_clock = FakeClock::new(FakeClock::NOON + 5_000);
    server.state().clock_ms = Some(FakeClock::NOON + 5_000);
    let right = Device::new(2, &right_clock, &server);
    right.sync().await;
    right.learning.record(at("b3")).await.unwrap();
    right.sync().await;
    device.sync().await;
    let here = device.learning.latest(1).await.unwrap();
    assert_eq!(here[0].row.pos.as_ref().unwrap().at, "b3");
}

/// The server's clock is wrong by some days while two devices meet it, and right when they meet it again. In between
/// both write offline.
#[tokio::test]
async fn after_a_wrong_server_clock_the_later_offline_write_wins() {
    let (hour, day) = (3_600_000, 24 * 3_600_000);
    for wrong_by in [-3 * day, -400 * day, -2 * hour, 3 * day] {
        for first_is_earlier in [true, false] {
            let what = format!("wrong by {wrong_by}, {first_is_earlier}");
            let server = FakeServer::new();
            let clock = FakeClock::noon();
            let set_server_clock =
                |wrong_by| server.state().clock_ms = Some(clock.now_ms() + wrong_by);
            // Only the first device has a correction: the second one has nothing to send to the wrong clock.
            let (first, second) =
                (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
            let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
            set_server_clock(wrong_by);
            first.learning.record(at("b0")).await.unwrap();
            first.sync_until_idle().await;
            second.sync().await;
            assert!(first.refused().await.is_empty(), "{what}");
            let (earlier, later) =
                if first_is_earlier { (&first, &second) } else { (&second, &first) };
            clock.advance(4 * day);
            earlier.learning.record(at("b1")).await.unwrap();
            clock.advance(hour);
            later.learning.record(at("b2")).await.unwrap();
            clock.advance(hour);
            set_server_clock(0);
            for device in [&first, &second, &first] {
                device.sync().await;
            }
            for device in [&first, &second] {
                assert_eq!(device.waiting().await, 0, "{what}");
                let latest = device.learning.latest(1).await.unwrap();
                assert_eq!(latest[0].row.pos.as_ref().unwrap().at, "b2", "{what}");
            }
            let Some(Row::Progress(row)) = server.row(&key("a/b/c")) else { panic!("{what}") };
            // The stamp is the time of the write, as on a device that never met the wrong clock.
            let error_ms = row.pos.unwrap().hlc.ms() - (clock.now_ms() - hour);
            assert!(error_ms.abs() < 60_000, "{what}: {error_ms} ms");
        }
    }
}

/// Without an answer about the server's clock, a device whose clock was corrected sends nothing.
#[tokio::test]
async fn stamps_wait_until_the_server_clock_is_known() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let device = Device::new(1, &clock, &server);
    server.state().clock_ms = Some(FakeClock::NOON - 3 * 24 * 3_600_000);
    let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
    device.learning.record(at("b0")).await.unwrap();
    device.sync_until_idle().await;
    device.learning.record(at("b1")).await.unwrap();
    server.state().clock_ms = Some(FakeClock::NOON);
    let pushes = server.requests(PUSH);
    server.enqueue("/api/meta", Outcome::LoseRequest);
    device.sync().await;
    assert_eq!((server.requests(PUSH), device.waiting().await), (pushes, 1));
    assert_eq!(device.engine.phase().0, carrel_sync::Phase::Offline);
    device.sync_until_idle().await;
    assert_eq!((server.requests(PUSH), device.waiting().await), (pushes + 1, 0));
}

#[tokio::test]
async fn times_of_a_wrong_clock_are_corrected() {
    let year = 365 * 24 * 3_600_000_i64;
    // How far ahead the clock is, and whether it is corrected before the first push.
    for (wrong_by, set_right) in [(73 * year, false), (year, false), (73 * year, true)] {
        let server = FakeServer::new();
        let clock = FakeClock::new(FakeClock::NOON + wrong_by);
        let device = Device::new(1, &clock, &server);
        for n in 0..3 {
            let section = item(&format!("a/b/s{n}"));
            device.learning.study_heartbeat(&section, true).await.unwrap();
            clock.advance(10_000);
            device.learning.study_heartbeat(&section, false).await.unwrap();
            clock.advance(60_000);
        }
        device.learning.save_word(&item("a/word"), None, true).await.unwrap();
        // Finished sections with and without a position, an open attempt, and a submitted one that took ten seconds.
        device.finish("a/b/s0").await;
        device
            .learning
            .record(Step { pos: Some("b1".into()), ..finished("a/b/s1") })
            .await
            .unwrap();
        let hash = BlobHash::of(b"a quiz");
        let first = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
        clock.advance(10_000);
        device.learning.submit_attempt(first).await.unwrap();
        let second = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
        clock.advance(10_000);
        if set_right {
            clock.jump(-wrong_by);
        }
        let now = clock.now_ms() - if set_right { 0 } else { wrong_by };
        server.state().clock_ms = Some(now);
        device.sync_until_idle().await;
        assert!(device.refused().await.is_empty(), "{:?}", device.refused().await);
        let rows: Vec<Row> = server.state().rows.values().map(|(_, row)| row.clone()).collect();
        let sessions: Vec<&Session> = rows
            .iter()
            .filter_map(|r| if let Row::Session(s) = r { Some(s) } else { None })
            .collect();
        assert_eq!(sessions.len(), 3);
        assert_eq!(
            time_studied(sessions.iter().copied()),
            30_000,
            "corrected sessions do not overlap"
        );
        for session in sessions {
            assert!((now - 300_000..=now).contains(&(session.started_ms + session.active_ms)));
            assert_eq!((session.day.as_str(), session.validate()), ("2026-11-20", Ok(())));
        }
        let at = |r: &Row| if let Row::Review(r) = r { Some(r.at_ms) } else { None };
        assert!(rows.iter().filter_map(at).all(|ms| ms <= now));
        let done = |r: &Row| if let Row::Progress(r) = r { r.done_ms } else { None };
        let done: Vec<i64> = rows.iter().filter_map(done).collect();
        assert_eq!(done.len(), 2);
        let recent = now - 300_000..=now;
        assert!(done.iter().all(|ms| recent.contains(ms)), "{done:?} {now}");
        let attempt = |id: AttemptId| {
            let key = RowKey::of(RowType::Attempt, &[id.to_string()]);
            let Some(Row::Attempt(a)) = server.row(&key) else { panic!("the row was not pushed") };
            (a.started_ms, a.submitted_ms)
        };
        let (started_ms, submitted_ms) = attempt(first);
        let took_ms = submitted_ms.unwrap() - started_ms;
        assert!(recent.contains(&started_ms) && recent.contains(&submitted_ms.unwrap()));
        assert_eq!(took_ms, 10_000, "wrong by {wrong_by}");
        assert!(recent.contains(&attempt(second).0) && attempt(second).1.is_none());
        // The second device has the same rows.
        let other = Device::new(2, &FakeClock::new(now), &server);
        other.sync().await;
        let theirs = other.learning.attempt(first).await.unwrap().attempt;
        assert_eq!((theirs.started_ms, theirs.submitted_ms), (started_ms, submitted_ms));
    }
}

/// Only times in the future are corrected: not a start that other devices may have, and not a position with a valid
/// stamp.
#[tokio::test]
async fn valid_times_are_kept_after_a_clock_jump() {
    let server = FakeServer::new();
    server.state().clock_ms = Some(FakeClock::NOON);
    let clock = FakeClock::noon();
    let (device, other) = (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
    let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
    device.learning.record(at("b1")).await.unwrap();
    let hash = BlobHash::of(b"a quiz");
    let attempt = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
    device.sync().await;
    other.sync().await;
    clock.advance(60_000);
    server.state().clock_ms = Some(clock.now_ms());
    other.learning.record(at("b2")).await.unwrap();
    other.sync().await;
    clock.advance(60_000);
    server.state().clock_ms = Some(clock.now_ms());
    // The server has no copy of this attempt whose start time could win.
    let unsent = device.learning.start_attempt(&item("a/r"), hash).await.unwrap().attempt.id;
    clock.jump(365 * 24 * 3_600_000);
    // Finished before the other device's position is pulled.
    device.finish("a/b/c").await;
    device.learning.submit_attempt(attempt).await.unwrap();
    device.learning.submit_attempt(unsent).await.unwrap();
    device.sync_until_idle().await;
    assert!(device.refused().await.is_empty(), "{:?}", device.refused().await);
    let Some(Row::Progress(row)) = server.row(&key("a/b/c")) else {
        panic!("the row was not pushed")
    };
    let now = server.state().clock_ms.unwrap();
    assert_eq!((row.done_ms, row.pos.unwrap().at.as_str()), (Some(now), "b2"));
    for (attempt, started_ms) in [(attempt, FakeClock::NOON), (unsent, now)] {
        let attempt = RowKey::of(RowType::Attempt, &[attempt.to_string()]);
        let Some(Row::Attempt(row)) = server.row(&attempt) else {
            panic!("the row was not pushed")
        };
        assert_eq!((row.started_ms, row.submitted_ms), (started_ms, Some(now)));
    }
}

#[tokio::test]
async fn repeated_clock_skew_is_quarantined() {
    let server = FakeServer::new();
    server.state().clock_ms = Some(FakeClock::NOON);
    let device = Device::new(1, &FakeClock::noon(), &server);
    let step = Step { pos: Some("b1".into()), ..percent("a/b/c", 500) };
    device.learning.record(step).await.unwrap();
    server.state().refuse.insert(key("a/b/c"), ResultCode::ClockSkew);
    device.sync_until_idle().await;
    assert_eq!(device.refused().await[0].code, "clock_skew");
    assert!(server.requests(PUSH) <= 5);
}

#[tokio::test]
async fn an_absurd_server_clock_does_not_stop_sync() {
    for clock_ms in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
        let server = FakeServer::new();
        let device = Device::new(1, &FakeClock::noon(), &server);
        // Only a position has a stamp.
        let step = Step { pos: Some("b1".into()), ..percent("a/b/c", 4_000) };
        device.learning.record(step).await.unwrap();
        server.state().clock_ms = Some(clock_ms);
        server.state().refuse.insert(key("a/b/c"), ResultCode::ClockSkew);
        for _ in 0..5 {
            device.sync().await;
            device.clock.advance(20 * 60_000);
        }
        // No row is lost, and nothing panics.
        let (waiting, refused) = (device.waiting().await, device.refused().await.len());
        assert_eq!((waiting, refused), (0, 1), "{clock_ms}: the row is quarantined");
        let row = device.learning.progress(ItemKind::Section, &item("a/b/c")).await.unwrap();
        assert_eq!(row.map(|r| r.row.percent), Some(4_000), "{clock_ms}");
    }
}
