//! Clocks that are wrong when a review, a session or an attempt is stored: the times are exact once the server's clock
//! is known, and nothing that another replica may have is changed.

use carrel_learning::Step;
use carrel_model::{
    BlobHash, CardKey,
    lattice::{Attempt, ItemKind, Progress, Review, Row, Session, Validate, date_of_day},
};
use carrel_system::Clock as _;
use carrel_testkit::{
    FakeClock, FakeServer, fake_server::Outcome, reply::problem_json, work::item,
};

use crate::world::Device;

const NOON: i64 = FakeClock::NOON;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const YEAR_2099: i64 = 4_090_000_000_000;
/// The study day of `NOON`, 2026-11-20.
const TODAY: i32 = 20_777;

/// A position in a section.
fn at(pos: &str) -> Step {
    let place = Step::at(ItemKind::Section, item("a/b/c"));
    Step { percent: Some(500), pos: Some(pos.into()), ..place }
}

fn card() -> CardKey {
    CardKey::of_word("en", None, "meander")
}

/// A device and the true time, which passes for both.
struct Case {
    server: std::sync::Arc<FakeServer>,
    device: Device,
    true_ms: i64,
}

impl Case {
    fn new(wall_ms: i64) -> Self {
        let server = FakeServer::new();
        let device = Device::new(1, &FakeClock::new(wall_ms), &server);
        server.state().clock_ms = Some(NOON);
        Self { server, device, true_ms: NOON }
    }
    fn advance(&mut self, ms: i64) {
        self.device.clock.advance(ms);
        self.true_ms += ms;
        self.server.state().clock_ms = Some(self.true_ms);
    }
    /// Adds a word, studies ten seconds, and makes an attempt of ten seconds, with a minute between them. Returns the
    /// true times of each.
    async fn study(&mut self, jump_ms: i64) -> [i64; 3] {
        let review_ms = self.true_ms;
        self.device.learning.save_word(&item("a/word"), Some(&card()), true).await.unwrap();
        self.advance(60_000);
        let session_ms = self.true_ms;
        self.device.learning.study_heartbeat(&item("a/b/c"), true).await.unwrap();
        self.advance(10_000);
        self.device.learning.study_heartbeat(&item("a/b/c"), false).await.unwrap();
        self.device.clock.jump(jump_ms);
        self.advance(60_000);
        let attempt_ms = self.true_ms;
        let hash = BlobHash::of(b"a quiz");
        let attempt = self.device.learning.start_attempt(&item("a/q"), hash).await.unwrap();
        self.advance(10_000);
        self.device.learning.submit_attempt(attempt.attempt.id).await.unwrap();
        self.advance(60_000);
        [review_ms, session_ms, attempt_ms]
    }
    fn rows<T: TryFrom<Row>>(&self) -> Vec<T> {
        let rows: Vec<Row> =
            self.server.state().rows.values().map(|(_, row)| row.clone()).collect();
        rows.into_iter().filter_map(|row| T::try_from(row).ok()).collect()
    }
}

#[tokio::test]
async fn times_are_exact_once_the_server_clock_is_known() {
    let table = [
        ("a right clock", NOON, 0, 0),
        ("2099", YEAR_2099, 0, 0),
        ("1970", 1_000_000, 0, 0),
        ("25 h ahead from the middle on", NOON, 25 * HOUR, 0),
        ("25 h behind from the middle on", NOON, -25 * HOUR, 0),
        ("a day behind", NOON - DAY, 0, 0),
        ("ten minutes ahead", NOON + 600_000, 0, 0),
        ("2099, set right before the first contact", YEAR_2099, 0, NOON - YEAR_2099),
        ("1970, set right before the first contact", 1_000_000, 0, NOON - 1_000_000),
    ];
    for (name, wall_ms, mid_ms, end_ms) in table {
        let mut case = Case::new(wall_ms);
        let [review_ms, session_ms, attempt_ms] = case.study(mid_ms).await;
        case.device.clock.jump(end_ms);
        case.device.sync_until_idle().await;
        assert!(case.device.refused().await.is_empty(), "{name}");
        let reviews: Vec<Review> = case.rows();
        let sessions: Vec<Session> = case.rows();
        let attempts: Vec<Attempt> = case.rows();
        assert_eq!((reviews.len(), sessions.len(), attempts.len()), (1, 1, 1), "{name}");
        assert_eq!((reviews[0].at_ms, reviews[0].day), (review_ms, Some(TODAY)), "{name}");
        assert_eq!((sessions[0].started_ms, sessions[0].active_ms), (session_ms, 10_000), "{name}");
        assert_eq!(sessions[0].day, date_of_day(TODAY).to_string(), "{name}");
        assert_eq!((attempts[0].started_ms, attempts[0].day), (attempt_ms, Some(TODAY)), "{name}");
        assert_eq!(attempts[0].submitted_ms, Some(attempt_ms + 10_000), "{name}");
        let valid = [reviews[0].validate(), sessions[0].validate(), attempts[0].validate()];
        assert_eq!(valid, [Ok(()), Ok(()), Ok(())], "{name}");
        // The next rows are right at once.
        case.advance(60_000);
        let later_ms = case.true_ms;
        case.device.learning.save_word(&item("a/other"), None, true).await.unwrap();
        case.device.sync_until_idle().await;
        let latest = case.rows::<Review>().into_iter().map(|r| r.at_ms).max();
        assert_eq!(latest, Some(later_ms), "{name}");
    }
}

/// The local clock jumps after its difference to the server's clock was measured. A position written before the jump has
/// a correct stamp: it is kept, and replaces the older position on the server.
#[tokio::test]
async fn a_position_from_before_another_jump_is_kept() {
    for (jump_ms, restart) in
        [(3 * DAY, false), (3 * DAY, true), (-3 * DAY, false), (-3 * DAY, true)]
    {
        let what = format!("{jump_ms} ms, restart: {restart}");
        let mut case = Case::new(NOON + 2 * HOUR);
        case.device.learning.record(at("b1")).await.unwrap();
        case.device.sync_until_idle().await;
        case.advance(60_000);
        case.device.learning.record(at("b2")).await.unwrap();
        let written_ms = case.true_ms;
        case.advance(60_000);
        case.device.clock.jump(jump_ms);
        if restart {
            case.device = case.device.restart(&case.server).await;
        }
        case.device.sync_until_idle().await;
        let here = case.device.learning.latest(1).await.unwrap()[0].row.clone();
        for row in [here, case.rows::<Progress>().remove(0)] {
            let pos = row.pos.unwrap();
            assert_eq!(pos.at, "b2", "{what}");
            // The device's clock passes while it syncs.
            assert!((pos.hlc.ms() - written_ms).abs() < 60_000, "{what}: {pos:?}");
        }
    }
}

/// The server's clock was three days ahead when it accepted the first position, and is correct when the second one is
/// sent. The second stamp is moved before the first one, so the device must get the first position again.
#[tokio::test]
async fn a_position_moved_before_an_accepted_one_is_replaced_by_it() {
    let mut case = Case::new(NOON);
    case.true_ms += 3 * DAY;
    // A review makes the device fetch the server's clock.
    case.study(0).await;
    case.device.sync_until_idle().await;
    case.device.learning.record(at("b1")).await.unwrap();
    case.device.sync_until_idle().await;
    case.device.clock.advance(DAY);
    case.device.learning.record(at("b2")).await.unwrap();
    case.device.clock.advance(4 * DAY);
    case.server.state().clock_ms = Some(case.device.clock.now_ms());
    case.device.sync_until_idle().await;
    let here = case.device.learning.latest(1).await.unwrap()[0].row.clone();
    assert!(case.rows::<Progress>().contains(&here), "{here:?}");
}

/// A suspended device is not a wrong clock: its rows keep their times.
#[tokio::test]
async fn times_before_a_suspend_are_kept() {
    let mut case = Case::new(NOON);
    let [review_ms, session_ms, attempt_ms] = case.study(0).await;
    case.device.clock.suspend(9 * HOUR);
    case.true_ms += 9 * HOUR;
    case.advance(1_000);
    case.device.sync_until_idle().await;
    assert_eq!(case.rows::<Review>()[0].at_ms, review_ms);
    assert_eq!(case.rows::<Session>()[0].started_ms, session_ms);
    assert_eq!(case.rows::<Attempt>()[0].started_ms, attempt_ms);
}

/// After a restart only the wall clock tells when a row was written: times in the future, and of a clock that was never
/// set, are corrected.
#[tokio::test]
async fn times_of_an_earlier_run_are_corrected_if_they_are_impossible() {
    let table = [
        ("2099", YEAR_2099, 0, true),
        ("1970", 1_000_000, 0, true),
        ("2099, set right", YEAR_2099, NOON - YEAR_2099, false),
        ("right", NOON, 0, true),
    ];
    for (name, wall_ms, jump_ms, is_exact) in table {
        let mut case = Case::new(wall_ms);
        case.device.learning.save_word(&item("a/word"), Some(&card()), true).await.unwrap();
        case.advance(60_000);
        case.device = case.device.restart(&case.server).await;
        case.device.clock.jump(jump_ms);
        case.device.sync_until_idle().await;
        let review = case.rows::<Review>().remove(0);
        let expected = if is_exact { NOON..=NOON } else { NOON..=case.true_ms };
        assert!(expected.contains(&review.at_ms), "{name}: {}", review.at_ms);
        assert_eq!(review.day, Some(TODAY), "{name}");
    }
}

/// The start of an attempt that the server has is not changed; its submission is.
#[tokio::test]
async fn times_that_the_server_has_are_kept() {
    let mut case = Case::new(NOON);
    let hash = BlobHash::of(b"a quiz");
    let attempt = case.device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt;
    case.advance(1_000);
    case.device.sync_until_idle().await;
    case.device.clock.jump(3 * DAY);
    case.advance(60_000);
    let submitted_ms = case.true_ms;
    case.device.learning.submit_attempt(attempt.id).await.unwrap();
    case.advance(5_000);
    case.device.sync_until_idle().await;
    let stored = case.rows::<Attempt>().remove(0);
    assert_eq!((stored.started_ms, stored.submitted_ms), (NOON, Some(submitted_ms)));
    assert_eq!(stored.day, Some(TODAY));
}

/// A server that supports only the first version of the protocol: the client continues with it, and the server keeps
/// the fields that it does not know.
#[tokio::test]
async fn an_older_server_is_synced_with_the_oldest_version() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let device = Device::new(1, &clock, &server);
    device.learning.save_word(&item("a/word"), Some(&card()), true).await.unwrap();
    let too_new =
        || Outcome::Reply((426, problem_json(426, carrel_model::ErrorCode::TooNew)).into());
    server.enqueue("/api/meta", too_new());
    device.sync_until_idle().await;
    let pushed = server.requests("/api/sync/push");
    assert_eq!(pushed, 1, "later requests name the oldest version at once");
    let rows: Vec<Row> = server.state().rows.values().map(|(_, row)| row.clone()).collect();
    assert_eq!(rows.len(), 1);
    assert!(device.refused().await.is_empty());
}
