//! Reports: figures equal those that a slow computation of its own derives from the rows that devices pull, after every
//! batch of a random history. The oracle uses nothing of `carrel-analytics`, `carrel-overview` and `carrel-model`.
//! `CARREL_LONG=1` runs more histories; `CARREL_SEED=n` starts from another seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_model::{UserId, wire::Role};
use carrel_people::permissions::Rank;
use carrel_roster::{ClassId, MemberRole, Membership};
use carrel_server::{
    Settings,
    domain::exports::ExportSpec,
    store::{
        StoreError,
        tx::{ClassKey, Details, LoginKeys, StoredAccount},
    },
};
use futures_util::StreamExt as _;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    permissions::Member,
    support::{NOW, TestServer, device, fixture, progress, write_course},
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-11-10T00:00:00Z: within 60 days before it, clocks changed in Europe, America and New Zealand.
const START: i64 = 1_794_268_800_000;
const COURSE: &str = "how-rivers-work";

fn settings(zone: &str) -> Settings {
    Settings { time_zone: zone.into(), route_limits: false, ..Settings::default() }
}

/// Pseudo-random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.unsigned_abs()) as i64
    }
}

// The oracle.

/// A learner on a day, as the oracle counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OracleDay {
    minutes: BTreeSet<i64>,
    sections: i64,
    lessons: i64,
    attempts: i64,
    shares: Vec<i64>,
}

#[derive(Debug, Clone, Default)]
struct Oracle {
    days: BTreeMap<Date, OracleDay>,
    status: Option<String>,
    done: Vec<String>,
    completed: Option<Date>,
    course_minutes: BTreeSet<i64>,
    course_last: Option<Date>,
    /// By quiz.
    best: BTreeMap<String, i64>,
}

/// The day of the school: the date four hours ago on the wall clock.
fn school_day(ms: i64, zone: &TimeZone) -> Date {
    let wall = Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone()).datetime();
    (wall - 4.hours()).date()
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

impl Oracle {
    /// Reads the rows of a learner. `sections`: those of the published course, in order.
    fn of(rows: &[Value], zone: &TimeZone, sections: &[&str]) -> Self {
        let mut oracle = Self::default();
        let of_type = |name: &str| rows.iter().filter(|r| r["type"] == name).collect::<Vec<_>>();
        for row in of_type("session") {
            let day: Date = text(row, "day").parse().unwrap();
            let first = row["startedMs"].as_i64().unwrap() / MINUTE;
            let minutes = first..first + row["activeMs"].as_i64().unwrap() / MINUTE;
            oracle.days.entry(day).or_default().minutes.extend(minutes.clone());
            if text(row, "item").split('/').next() == Some(COURSE) {
                oracle.course_minutes.extend(minutes);
                oracle.course_last = oracle.course_last.max(Some(day));
            }
        }
        let mut done: BTreeMap<&str, i64> = BTreeMap::new();
        for row in of_type("progress").into_iter().filter(|row| row["kind"] == "section") {
            if let Some(ms) = row["doneMs"].as_i64() {
                done.insert(text(row, "item"), ms);
                oracle.days.entry(school_day(ms, zone)).or_default().sections += 1;
            }
        }
        let times: Option<Vec<i64>> = sections.iter().map(|s| done.get(s).copied()).collect();
        // The course has one lesson.
        oracle.completed = times.map(|times| school_day(*times.iter().max().unwrap(), zone));
        if let Some(day) = oracle.completed {
            oracle.days.entry(day).or_default().lessons += 1;
        }
        oracle.done =
            sections.iter().filter(|s| done.contains_key(*s)).map(|s| (*s).to_owned()).collect();
        for row in of_type("attempt") {
            let Some(submitted) = row["submittedMs"].as_i64() else { continue };
            let epoch = Date::constant(1970, 1, 1);
            let day = match row["day"].as_i64() {
                Some(day) => epoch + day.days(),
                None => school_day(submitted, zone),
            };
            let day = oracle.days.entry(day).or_default();
            day.attempts += 1;
            let is_of = |grade: &&&Value| grade["attempt"] == row["id"];
            if let Some(grade) = of_type("grade").iter().find(is_of) {
                let share = grade["points"].as_i64().unwrap() * 10_000
                    / grade["maxPoints"].as_i64().unwrap();
                day.shares.push(share);
                let best = oracle.best.entry(text(row, "quiz").to_owned()).or_default();
                *best = share.max(*best);
            }
        }
        let requested = of_type("kv")
            .iter()
            .any(|r| r["ns"] == "enrolment" && r["key"] == COURSE && r["value"] == "true");
        let decided = of_type("decision").into_iter().find(|row| row["course"] == COURSE);
        oracle.status =
            requested.then(|| decided.map_or("pending", |row| text(row, "status")).to_owned());
        oracle
    }
    fn is_enrolled(&self) -> bool {
        self.status.as_deref() == Some("active")
    }
    fn last_day(&self) -> Option<Date> {
        let is_active =
            |day: &OracleDay| !day.minutes.is_empty() || day.sections > 0 || day.attempts > 0;
        self.days.iter().filter(|(_, day)| is_active(day)).map(|(date, _)| *date).max()
    }
    fn group(&self, today: Date) -> &'static str {
        match self.last_day().map(|day| (today - day).get_days()) {
            Some(..=6) => "active",
            Some(7..=29) => "recent",
            Some(30..=89) => "inactive",
            _ => "dormant",
        }
    }
    /// Returns the expected line of the report of a class, without id and names.
    fn line(&self, from: Date, today: Date, sections: usize) -> Value {
        let days: Vec<&OracleDay> = self.days.range(from..=today).map(|(_, day)| day).collect();
        let shares: Vec<i64> = days.iter().flat_map(|day| day.shares.clone()).collect();
        let is_active = |d: &&&OracleDay| !d.minutes.is_empty() || d.sections > 0 || d.attempts > 0;
        let enrolled = self.is_enrolled();
        let mut line = json!({
            "enrolled": i32::from(enrolled),
            "completed": i32::from(enrolled && self.completed.is_some()),
            "timeMs": days.iter().map(|d| d.minutes.len() as i64 * MINUTE).sum::<i64>(),
            "sections": days.iter().map(|d| d.sections).sum::<i64>(),
            "activeDays": days.iter().filter(is_active).count(),
            "group": self.group(today),
        });
        if enrolled {
            line["meanProgress"] = json!(self.done.len() * 10_000 / sections);
        }
        if !shares.is_empty() {
            line["meanScore"] = json!(shares.iter().sum::<i64>() / shares.len() as i64);
        }
        if let Some(day) = self.last_day() {
            line["lastDay"] = json!(day.to_string());
        }
        line
    }
}

// The school.

struct Classroom {
    server: TestServer,
    teacher: Member,
    admin: Member,
    learners: Vec<Member>,
    small: ClassId,
    /// The learners and 70 others, so that its report is made of stored figures.
    large: ClassId,
    zone: TimeZone,
    quiz_hash: String,
    sections: Vec<&'static str>,
}

const SECTIONS: [&str; 3] = [
    "how-rivers-work/meanders/read",
    "how-rivers-work/meanders/more",
    "how-rivers-work/meanders/check",
];

impl TestServer {
    /// Creates accounts of students in one transaction, and adds them to a class.
    async fn add_students(&self, prefix: &str, count: u32, class: Option<ClassId>) {
        let prefix = prefix.to_owned();
        let write = self.data_dir.store.write("test", move |tx| {
            for n in 0..count {
                let login = format!("{prefix}{n:05}");
                let user = carrel_model::wire::UserInfo {
                    id: UserId(carrel_store::new_id()),
                    login: login.clone(),
                    name: format!("={login}"),
                    role: Role::Student,
                };
                let person = user.id;
                let keys = LoginKeys { key: login.clone(), skeleton: login };
                let account = StoredAccount { user, password: String::new() };
                tx.insert_account(&account, &keys, NOW)?;
                if let Some(class) = class {
                    tx.add_membership(Membership { person, class, role: MemberRole::Student })?;
                }
            }
            Ok::<_, StoreError>(())
        });
        write.await.unwrap();
    }
    async fn publish_sections(&self, has_more: bool) {
        let package = self.dir.path().join("package");
        write_course(&package);
        if has_more {
            let file = package.join("course.json");
            let course = std::fs::read_to_string(&file).unwrap();
            let more =
                r#"{"id":"more","type":"TEXT","title":"More","file":"read.md"},{"id":"check""#;
            std::fs::write(&file, course.replace(r#"{"id":"check""#, more)).unwrap();
        }
        let report = self.data_dir.import(&[package]).await.unwrap();
        assert!(report.is_ok(), "{report:?}");
    }
}

impl Classroom {
    async fn new(zone: &str, learners: usize) -> Self {
        let server = TestServer::with(settings(zone));
        server.clock.set(START);
        server.publish_sections(false).await;
        let teacher = server.staff("tess", Rank::Instructor).await;
        let admin = server.staff("ann", Rank::Administrator).await;
        let mut all = Vec::new();
        for n in 0..learners {
            all.push(server.staff(&format!("learner-{n}"), Rank::Student).await);
        }
        let members: Vec<&Member> = all.iter().collect();
        let small = server.class("small", &teacher, &members).await;
        let large = server.class("large", &teacher, &members).await;
        server.add_students("idle-", 70, Some(large)).await;
        let uri = "/api/assessments/how-rivers-work.bends";
        let quiz: Value = server.get(uri, &admin.token).await.ok();
        Self {
            quiz_hash: text(&quiz, "quizHash").to_owned(),
            zone: TimeZone::get(zone).unwrap(),
            sections: vec![SECTIONS[0], SECTIONS[2]],
            learners: all,
            server,
            teacher,
            admin,
            small,
            large,
        }
    }
    fn now(&self) -> i64 {
        self.server.data_dir.config.clock.now_ms()
    }
    async fn get(&self, uri: &str) -> Value {
        self.server.get(uri, &self.teacher.token).await.ok()
    }
    /// Returns the rows of a learner as a device pulls them.
    async fn rows(&self, learner: &Member) -> Vec<Value> {
        let pulled = self.server.pull(&learner.token, 0).await;
        let rows = pulled["rows"].as_array().unwrap();
        rows.iter().map(|row| row.get("row").unwrap_or(row).clone()).collect()
    }
    /// Returns random work that was done in the last 45 days.
    fn work(&self, random: &mut Random) -> Vec<Value> {
        let count = 1 + random.below(5);
        let work = (0..count).map(|_| {
            let at = (self.now() - random.below(45 * DAY)) / MINUTE * MINUTE;
            // Zones from west to east of the date line.
            let off_min = [-660, -300, 0, 60, 330, 780, 840][random.below(7) as usize];
            let local = at + (off_min - 240) * MINUTE;
            let day = Timestamp::from_millisecond(local).unwrap().to_zoned(TimeZone::UTC).date();
            let id = device(random.below(1 << 40) as u128);
            match random.below(6) {
                0 | 1 => {
                    let items = [SECTIONS[0], SECTIONS[1], "the-flood", "other-course/a/b"];
                    let item = items[random.below(4) as usize];
                    // Few ids, so that sessions grow and overlap.
                    let id = device(1_000 + random.below(30) as u128);
                    json!({"type": "session", "id": id, "item": item, "device": device(1),
                        "startedMs": at, "day": day.to_string(), "offMin": off_min,
                        "activeMs": random.below(180) * MINUTE})
                }
                2 | 3 => {
                    let items = [SECTIONS[0], SECTIONS[1], SECTIONS[2], "other-course/a/b"];
                    let mut row = progress(items[random.below(4) as usize], 10_000);
                    row["doneMs"] = json!(at);
                    row
                }
                4 => {
                    let choice = ["out", "in"][random.below(2) as usize];
                    let typed = ["oxbow", "lake"][random.below(2) as usize];
                    let fast = json!({"kind": "choice", "chosen": [choice]});
                    let name = json!({"kind": "fill", "texts": [typed]});
                    let mut row = json!({"type": "attempt", "id": id, "quiz": "how-rivers-work/bends",
                        "quizHash": self.quiz_hash, "startedMs": at, "submittedMs": at + MINUTE,
                        "answers": {"fast": fast.to_string(), "name": name.to_string()}});
                    if random.below(3) > 0 {
                        let epoch = Date::constant(1970, 1, 1);
                        row["day"] = json!((day - epoch).get_days());
                        row["offMin"] = json!(off_min);
                    }
                    row
                }
                _ => {
                    let value = if random.below(4) == 0 { "false" } else { "true" };
                    let hlc = format!("{:012x}0000", self.now() + random.below(1_000));
                    json!({"type": "kv", "ns": "enrolment", "key": COURSE, "value": value, "hlc": hlc,
                        "device": device(1)})
                }
            }
        });
        work.collect()
    }

    /// Compares all reports with the oracle.
    async fn compare(&self, changed: &BTreeMap<(usize, Date), i64>, context: &str) {
        let mut oracles = Vec::new();
        for learner in &self.learners {
            oracles.push(Oracle::of(&self.rows(learner).await, &self.zone, &self.sections));
        }
        let today = school_day(self.now(), &self.zone);
        for (period, days) in [("7d", 7), ("30d", 30), ("90d", 90)] {
            let from = today - i64::from(days - 1).days();
            for class in [self.small, self.large] {
                let uri = format!("/api/classes/{class}/report?period={period}");
                let report = self.get(&uri).await;
                assert_eq!(report["asOf"], self.now(), "{context}");
                assert_eq!(
                    (text(&report, "from"), text(&report, "to")),
                    (from.to_string().as_str(), today.to_string().as_str()),
                    "{context}"
                );
                let lines = report["learners"].as_array().unwrap();
                for (learner, oracle) in self.learners.iter().zip(&oracles) {
                    let is_of = |line: &&Value| text(line, "id") == learner.id.to_string();
                    let mut line = lines.iter().find(is_of).unwrap().clone();
                    for key in ["id", "login", "name"] {
                        line.as_object_mut().unwrap().remove(key);
                    }
                    let expected = oracle.line(from, today, self.sections.len());
                    assert_eq!(line, expected, "{context} {period} {}", learner.id);
                }
                let mut expected: BTreeMap<String, (i64, u32)> = BTreeMap::new();
                for ((_, day), at) in changed {
                    if (from..=today).contains(day) {
                        let of_day = expected.entry(day.to_string()).or_default();
                        *of_day = (of_day.0.max(*at), of_day.1 + 1);
                    }
                }
                let found: BTreeMap<String, (i64, u32)> = report["changedSince"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|day| {
                        let learners = day["learners"].as_u64().unwrap() as u32;
                        (
                            text(day, "day").to_owned(),
                            (day["changedMs"].as_i64().unwrap(), learners),
                        )
                    })
                    .collect();
                assert_eq!(found, expected, "{context} {period}");
            }
            let uri = format!("/api/reports/trends?period={period}&class={}", self.large);
            let trends = self.get(&uri).await;
            let found = trends["days"].as_array().unwrap();
            assert_eq!(found.len(), days as usize, "{context}");
            for (n, found) in found.iter().enumerate() {
                let date = from + (n as i64).days();
                let of_day: Vec<&OracleDay> =
                    oracles.iter().filter_map(|oracle| oracle.days.get(&date)).collect();
                let sum = |f: fn(&OracleDay) -> i64| of_day.iter().map(|day| f(day)).sum::<i64>();
                let is_active =
                    |d: &&&OracleDay| !d.minutes.is_empty() || d.sections > 0 || d.attempts > 0;
                let mut expected = json!({
                    "day": date.to_string(),
                    "activeLearners": of_day.iter().filter(is_active).count(),
                    "timeMs": sum(|d| d.minutes.len() as i64 * MINUTE),
                    "sections": sum(|d| d.sections),
                    "lessons": sum(|d| d.lessons),
                    "attempts": sum(|d| d.attempts),
                });
                let scored = sum(|d| d.shares.len() as i64);
                if scored > 0 {
                    expected["meanScore"] = json!(sum(|d| d.shares.iter().sum()) / scored);
                }
                let sections = sum(|d| d.sections);
                if sections > 0 {
                    expected["timePerSectionMs"] =
                        json!(sum(|d| d.minutes.len() as i64 * MINUTE) / sections);
                }
                assert_eq!(*found, expected, "{context} {period} {date}");
            }
            self.compare_course(&oracles, period, from, today, context).await;
        }
        let uri = format!("/api/reports/engagement?class={}", self.small);
        let engagement = self.get(&uri).await["engagement"].clone();
        for group in ["active", "recent", "inactive", "dormant"] {
            let expected = oracles.iter().filter(|oracle| oracle.group(today) == group).count();
            assert_eq!(engagement[group], expected, "{context} {group}");
        }
    }

    async fn compare_course(
        &self,
        oracles: &[Oracle],
        period: &str,
        from: Date,
        today: Date,
        context: &str,
    ) {
        let uri = format!("/api/courses/{COURSE}/report?period={period}");
        let all: Value = self.server.get(&uri, &self.admin.token).await.ok();
        for class in [self.small, self.large] {
            let of_class = self.get(&format!("{uri}&class={class}")).await;
            for part in ["completion", "sections", "questions"] {
                assert_eq!(of_class[part], all[part], "{context} {part}");
            }
        }
        let enrolled: Vec<&Oracle> = oracles.iter().filter(|o| o.is_enrolled()).collect();
        let count = |f: &dyn Fn(&Oracle) -> bool| enrolled.iter().filter(|o| f(o)).count();
        let mut expected = json!({
            "enrolled": enrolled.len(),
            "active": count(&|o| o.course_last.is_some_and(|day| day >= from)),
            "completed": count(&|o| o.completed.is_some()),
            "completedInPeriod":
                count(&|o| o.completed.is_some_and(|day| (from..=today).contains(&day))),
        });
        let minutes = |of: &[&&Oracle]| -> i64 {
            of.iter().map(|o| o.course_minutes.len() as i64 * MINUTE).sum()
        };
        let mean = |sum: i64, of: usize| (of > 0).then(|| json!(sum / of as i64));
        let all_enrolled: Vec<&&Oracle> = enrolled.iter().collect();
        let completed: Vec<&&Oracle> = enrolled.iter().filter(|o| o.completed.is_some()).collect();
        let began = count(&|o| !o.course_minutes.is_empty());
        let percents: i64 = enrolled
            .iter()
            .map(|o| o.done.len() as i64 * 10_000 / self.sections.len() as i64)
            .sum();
        let best: Vec<i64> = enrolled.iter().flat_map(|o| o.best.values().copied()).collect();
        for (key, value) in [
            ("meanTimeMs", mean(minutes(&all_enrolled), began)),
            ("meanTimeCompletedMs", mean(minutes(&completed), completed.len())),
            ("meanProgress", mean(percents, enrolled.len())),
            ("meanScore", mean(best.iter().sum(), best.len())),
        ] {
            if let Some(value) = value {
                expected[key] = value;
            }
        }
        assert_eq!(all["completion"], expected, "{context} {period}");
        let sections = all["sections"].as_array().unwrap();
        for (id, found) in self.sections.iter().zip(sections) {
            let finished = count(&|o| o.done.iter().any(|done| done == id));
            let stopped =
                count(&|o| o.completed.is_none() && o.done.last().is_some_and(|last| last == id));
            let found = (text(found, "id"), &found["finished"], &found["stoppedAfter"]);
            assert_eq!(found, (*id, &json!(finished), &json!(stopped)), "{context}");
        }
        assert_eq!(sections.len(), self.sections.len());
    }
}

/// Records which days of a learner changed after they had ended.
fn record_changes(
    changed: &mut BTreeMap<(usize, Date), i64>,
    learner: usize,
    (before, after): (&Oracle, &Oracle),
    now: i64,
    zone: &TimeZone,
) {
    let days: BTreeSet<Date> = before.days.keys().chain(after.days.keys()).copied().collect();
    for day in days {
        let nothing = OracleDay::default();
        let of = |oracle: &Oracle| {
            let day = oracle.days.get(&day).unwrap_or(&nothing);
            let shares = (day.shares.len(), day.shares.iter().sum::<i64>());
            (day.minutes.len(), day.sections, day.lessons, day.attempts, shares)
        };
        let end = (day + 1.day()).at(4, 0, 0, 0).to_zoned(zone.clone()).unwrap();
        if of(before) != of(after) && now >= end.timestamp().as_millisecond() {
            changed.insert((learner, day), now);
        }
    }
}

async fn history(seed: u64, zone: &str, steps: usize) {
    let mut class = Classroom::new(zone, 3).await;
    let mut random = Random(seed);
    let mut changed = BTreeMap::new();
    let mut sent: Vec<Vec<Value>> = Vec::new();
    for step in 0..steps {
        let context = format!("seed {seed} {zone} step {step}");
        class.server.clock.advance(random.below(3) * random.below(30 * HOUR));
        let who = random.below(class.learners.len() as i64) as usize;
        if step == 5 || random.below(8) == 0 {
            let has_more = class.sections.len() == 2;
            class.server.publish_sections(has_more).await;
            class.sections =
                if has_more { SECTIONS.to_vec() } else { vec![SECTIONS[0], SECTIONS[2]] };
        } else {
            // Some batches arrive twice.
            let is_repeated = random.below(5) == 0 && !sent.is_empty();
            let batch = if is_repeated {
                sent[random.below(sent.len() as i64) as usize].clone()
            } else {
                class.work(&mut random)
            };
            sent.push(batch.clone());
            let learner = &class.learners[who];
            let before = Oracle::of(&class.rows(learner).await, &class.zone, &class.sections);
            class.server.push(&learner.token, &batch).await.ok::<Value>();
            let after = Oracle::of(&class.rows(learner).await, &class.zone, &class.sections);
            let found = (&before, &after);
            record_changes(&mut changed, who, found, class.now(), &class.zone);
        }
        // From the rows of the learners whose rows changed, and then from stored figures only.
        class.compare(&changed, &context).await;
        class.server.data_dir.store.refresh_analytics().await.unwrap();
        class.compare(&changed, &format!("{context}, stored")).await;
    }
    let report: Value = check(&class.server, &class.admin).await;
    assert_eq!(report["drifted"], 0, "seed {seed}");
}

/// Runs the check of stored figures and returns its report.
async fn check(server: &TestServer, admin: &Member) -> Value {
    server.run_job("check-analytics").await.unwrap();
    let reports: Value = server.get("/api/v1/admin/maintenance", &admin.token).await.ok();
    reports["analytics"].clone()
}

#[tokio::test]
async fn figures_equal_a_slow_computation_from_the_rows_after_every_late_batch() {
    let seed = std::env::var("CARREL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1_u64);
    let zones = ["Europe/Paris", "Pacific/Auckland", "America/New_York", "Pacific/Kiritimati"];
    let is_long = std::env::var("CARREL_LONG").is_ok();
    let histories = if is_long { 40 } else { 2 };
    for n in 0..histories {
        let zone = zones[(n as usize + seed as usize) % zones.len()];
        history(seed * 1_000 + n, zone, 12).await;
    }
}

#[tokio::test]
async fn the_learners_own_totals_are_the_figures_of_the_reports() {
    let class = Classroom::new("Africa/Cairo", 1).await;
    let (learner, mut random) = (&class.learners[0], Random(7));
    for _ in 0..8 {
        class.server.push(&learner.token, &class.work(&mut random)).await.ok::<Value>();
    }
    class.server.data_dir.store.refresh_analytics().await.unwrap();
    let id = learner.id;
    let read = class
        .server
        .data_dir
        .store
        .read("test", move |tx| tx.stored_figures(&[id], i32::MIN, Details::All));
    let stored = read.await.unwrap().remove(&id).unwrap();
    let own: Value = class.server.get("/api/me/analytics", &learner.token).await.ok();
    let days = own["days"].as_array().unwrap();
    assert!(days.iter().any(|day| day["activeMs"] != 0));
    for day in days {
        let date: Date = text(day, "day").parse().unwrap();
        let number = (date - Date::constant(1970, 1, 1)).get_days();
        let time = stored.days.get(&number).map_or(0, |figures| figures.time_ms);
        assert_eq!(day["activeMs"], time, "{date}");
    }
    let sections: i64 = stored.days.values().map(|figures| figures.sections).sum();
    assert_eq!(own["sectionsDone"], sections);
    let uri = format!("/api/me/progress?courseId={COURSE}");
    let courses: Value = class.server.get(&uri, &learner.token).await.ok();
    if let Some(course) = courses["items"].get(0) {
        let of = &stored.courses[&COURSE.parse::<carrel_model::Slug>().unwrap()];
        assert_eq!(course["completedSections"], of.done);
        assert_eq!(course["percent"], of.percent());
    }
}

#[tokio::test]
async fn questions_count_the_first_graded_attempt_of_each_learner() {
    let class = Classroom::new("UTC", 2).await;
    let attempt = |n: u128, at: i64, chosen: &str, name: Option<&str>| {
        let mut answers =
            json!({"fast": json!({"kind": "choice", "chosen": [chosen]}).to_string()});
        if let Some(name) = name {
            answers["name"] = json!(json!({"kind": "fill", "texts": [name]}).to_string());
        }
        json!({"type": "attempt", "id": device(n), "quiz": "how-rivers-work/bends",
            "quizHash": class.quiz_hash, "startedMs": at, "submittedMs": at + MINUTE, "answers": answers})
    };
    let enrolment = json!({"type": "kv", "ns": "enrolment", "key": COURSE, "value": "true",
        "hlc": "01a0000000000000", "device": device(1)});
    let first = [
        enrolment.clone(),
        attempt(1, START - HOUR, "out", Some("lake")),
        attempt(2, START - 2 * HOUR, "in", None),
    ];
    let second = [enrolment, attempt(3, START - HOUR, "out", Some("oxbow"))];
    for (learner, rows) in class.learners.iter().zip([&first[..], &second[..]]) {
        class.server.push(&learner.token, rows).await.ok::<Value>();
    }
    let uri = format!("/api/courses/{COURSE}/report?class={}", class.small);
    let line = |question: &str, answered: u32, right: u32, mean: u32| {
        json!({"quiz": "how-rivers-work/bends", "question": question, "attempts": 2,
            "answered": answered, "right": right, "meanScore": mean})
    };
    let expected = json!([line("fast", 2, 1, 5_000), line("name", 1, 1, 5_000)]);
    assert_eq!(class.get(&uri).await["questions"], expected);
}

#[tokio::test]
async fn devices_are_heard_from_when_they_sign_in_or_renew_it() {
    let server = TestServer::with(Settings { registration_open: true, ..settings("UTC") });
    let teacher = server.staff("tess", Rank::Instructor).await;
    let noor = server.learner("noor").await;
    let phone = server.sign_in("noor", 2).await;
    let amin = server.staff("amin", Rank::Student).await;
    let who = Member { id: noor.user.id, token: noor.access_token.clone() };
    let class = server.class("8b", &teacher, &[&who, &amin]).await;
    server.clock.advance(8 * DAY);
    let body = json!({"refreshToken": phone.refresh_token});
    let renewed = server.post("/api/auth/refresh", "", &body).await;
    assert!(renewed.status.is_success(), "{renewed:?}");
    let uri = format!("/api/classes/{class}/devices");
    let report: Value = server.get(&uri, &teacher.token).await.ok();
    let later = NOW + 8 * DAY;
    // amin has the same device 1, on which nothing happened for eight days.
    let expected = json!({"heard": 1, "total": 2, "since": later - 7 * DAY});
    assert_eq!((&report["devices"], &report["asOf"]), (&expected, &json!(later)));
    let learners = report["learners"].as_array().unwrap();
    assert_eq!((text(&learners[0], "name"), text(&learners[1], "name")), ("amin", "noor"));
    let of_noor = learners[1]["devices"].as_array().unwrap();
    let heard: Vec<i64> = of_noor.iter().map(|d| d["lastHeardMs"].as_i64().unwrap()).collect();
    assert_eq!(heard, [later, NOW]);
    let uri = format!("/api/classes/{class}/report");
    let of_class: Value = server.get(&uri, &teacher.token).await.ok();
    assert_eq!(of_class["devices"], expected);
    // A device that signed out is no longer one of the learner's.
    let body = json!({"refreshToken": noor.refresh_token});
    server.post("/api/auth/logout", &noor.access_token, &body).await;
    let report: Value =
        server.get(&format!("/api/classes/{class}/devices"), &teacher.token).await.ok();
    let of_noor = report["learners"][1]["devices"].as_array().unwrap();
    assert_eq!(of_noor.len(), 1);
}

#[tokio::test]
async fn a_teacher_sees_what_the_devices_of_the_class_reported() {
    let server = TestServer::with(Settings { registration_open: true, ..settings("UTC") });
    let teacher = server.staff("tess", Rank::Instructor).await;
    let noor = server.learner("noor").await;
    let phone = server.sign_in("noor", 2).await;
    let who = Member { id: noor.user.id, token: noor.access_token.clone() };
    let class = server.class("8b", &teacher, &[&who]).await;
    server.publish().await;
    let course: Value =
        server.get(&format!("/api/courses/{COURSE}"), &noor.access_token).await.ok();
    let assign = server.data_dir.store.write("test", move |tx| {
        let mut found = tx.class(ClassKey::Id(class))?.unwrap();
        found.courses = vec![COURSE.parse().unwrap()];
        tx.put_class(&found)
    });
    assign.await.unwrap();
    let refusal = json!({"rowType": "progress", "item": "course-1/a/b", "code": "invalid",
        "reason": "quota(rows=50000): there are too many rows", "atMs": NOW - 1});
    let report = json!({"appVersion": "1.2.3", "platform": "linux", "waiting": 3, "oldestWaitingMs": NOW - DAY,
        "refused": 7, "refusals": [refusal], "aLaterField": true,
        "downloads": [{"kind": "course", "id": COURSE, "phase": "ready", "version": course["version"]}]});
    server.clock.advance(MINUTE);
    let put = async |token: &str, report: &Value| {
        server.call(Method::PUT, "/api/me/device", token, Some(report)).await
    };
    let reply = put(&noor.access_token, &report).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{reply:?}");

    let devices = format!("/api/classes/{class}/devices");
    let seen: Value = server.get(&devices, &teacher.token).await.ok();
    let of_noor = seen["learners"][0]["devices"].as_array().unwrap();
    assert_eq!(of_noor.len(), 2);
    let reported = of_noor.iter().find(|device| !device["report"].is_null()).unwrap();
    assert_eq!(reported["lastHeardMs"], json!(NOW + MINUTE));
    let expected = json!({"reportedMs": NOW + MINUTE, "appVersion": "1.2.3", "platform": "linux", "waiting": 3,
        "oldestWaitingMs": NOW - DAY, "refused": 7,
        "refusals": [{"rowType": "progress", "item": "course-1/a/b", "code": "invalid", "reasonName": "quota",
            "reasonParams": {"rows": "50000"}, "atMs": NOW - 1}],
        "courses": [{"id": COURSE, "state": "current"}]});
    assert_eq!(reported["report"], expected);

    // The last report counts, and ends with the sign-in.
    let changed = json!({"appVersion": "1.2.4", "platform": "linux", "waiting": 0, "refused": 0});
    put(&noor.access_token, &changed).await;
    put(&phone.access_token, &report).await;
    assert_eq!(fixture().count(&server.folder(), "device_report"), 2);
    let body = json!({"refreshToken": phone.refresh_token});
    server.post("/api/auth/logout", &phone.access_token, &body).await;
    assert_eq!(fixture().count(&server.folder(), "device_report"), 1);
    let seen: Value = server.get(&devices, &teacher.token).await.ok();
    let version = &seen["learners"][0]["devices"][0]["report"]["appVersion"];
    assert_eq!(version, &json!("1.2.4"));

    // Bad reports are refused in words, and change nothing.
    for (field, value) in [
        ("appVersion", json!("x".repeat(65))),
        ("refusals", Value::Array(vec![refusal.clone(); 51])),
        ("downloads", json!([{"kind": "course", "id": "../etc", "phase": "ready"}])),
        ("waiting", json!(-1)),
        ("platform", json!("x".repeat(600_000))),
    ] {
        let mut bad = changed.clone();
        bad[field] = value;
        let refused = put(&noor.access_token, &bad).await;
        assert!(refused.status.is_client_error(), "{field}: {refused:?}");
    }
    let again: Value = server.get(&devices, &teacher.token).await.ok();
    assert_eq!(again["learners"], seen["learners"]);
}

#[tokio::test]
async fn a_deleted_learner_leaves_no_figures_and_no_exports_with_names() {
    let class = Classroom::new("UTC", 2).await;
    let server = &class.server;
    let mut random = Random(3);
    for learner in &class.learners {
        for _ in 0..4 {
            server.push(&learner.token, &class.work(&mut random)).await.ok::<Value>();
        }
    }
    server.data_dir.store.refresh_analytics().await.unwrap();
    class.finished_export(json!({"kind": "class", "class": class.small})).await;
    class.finished_export(json!({"kind": "trends"})).await;
    let late =
        [json!({"type": "session", "id": device(1), "item": SECTIONS[0], "device": device(1),
        "startedMs": START - HOUR, "day": "2026-11-09", "activeMs": MINUTE})];
    server.push(&class.learners[0].token, &late).await.ok::<Value>();
    let count = |table: &str| fixture().count(&server.folder(), table);
    assert!(count("analytics_day") > 0 && count("analytics_course") > 0);
    assert_eq!((count("analytics_dirty"), count("report_export")), (1, 2));
    for learner in &class.learners {
        let uri = format!("/api/v1/admin/people/{}", learner.id);
        let reply = server.call(Method::DELETE, &uri, &class.admin.token, None).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    for table in ["analytics_day", "analytics_course", "analytics_dirty"] {
        assert_eq!(count(table), 0, "{table}");
    }
    assert_eq!((count("report_export"), count("report_export_piece")), (1, 1));
    let uri = format!("/api/classes/{}/report", class.small);
    assert_eq!(class.get(&uri).await["learners"], json!([]));
}

#[tokio::test]
async fn figures_that_drifted_are_reported_and_computed_again() {
    let class = Classroom::new("UTC", 2).await;
    let server = &class.server;
    let rows =
        [json!({"type": "session", "id": device(1), "item": SECTIONS[0], "device": device(1),
        "startedMs": START - HOUR, "day": "2026-11-09", "activeMs": MINUTE})];
    server.push(&class.learners[0].token, &rows).await.ok::<Value>();
    let done = server.run_job("analytics").await.unwrap();
    assert_eq!(done, "figures of 1 learners computed");
    let report = check(server, &class.admin).await;
    assert_eq!(report["drifted"], 0);
    let uri = format!("/api/classes/{}/report", class.large);
    let before = class.get(&uri).await;
    // A fault: a figure, and the record that a figure lacks rows.
    fixture().execute(&server.folder(), "UPDATE analytics_day SET time_ms = time_ms + 60000");
    assert_ne!(class.get(&uri).await["learners"], before["learners"]);
    // The sample begins with the learner.
    let pivot = UserId::from_u128(class.learners[0].id.0.as_u128() - 1);
    let report = server.data_dir.store.check_analytics(pivot, class.now()).await.unwrap();
    assert_eq!((report.checked, report.drifted), (20, 1));
    assert_eq!(class.get(&uri).await["learners"], before["learners"]);
}

#[tokio::test]
async fn figures_that_changed_meanwhile_are_computed_again() {
    let class = Classroom::new("UTC", 2).await;
    let (server, store) = (&class.server, &class.server.data_dir.store);
    let session = |n: i64| {
        json!({"type": "session", "id": device(n as u128), "item": SECTIONS[0], "device": device(1),
            "startedMs": START - n * HOUR, "day": school_day(START - n * HOUR, &class.zone).to_string(),
            "activeMs": MINUTE})
    };
    let id = class.learners[0].id;
    server.push(&class.learners[0].token, &[session(1)]).await.ok::<Value>();
    let seen = store.usn(id).await.unwrap();
    for (usn, expected) in [(seen, vec![id]), (seen - 1, vec![])] {
        let write = store.write("test", move |tx| tx.lock_unchanged(&[(id, usn)]));
        assert_eq!(write.await.unwrap(), expected);
    }
    // Pushes and refreshes at the same time.
    let pushes = async |learner: &Member| {
        for n in 2..30 {
            server.push(&learner.token, &[session(n)]).await.ok::<Value>();
        }
    };
    let refreshes = async {
        for _ in 0..30 {
            store.refresh_analytics().await.unwrap();
        }
    };
    tokio::join!(pushes(&class.learners[0]), pushes(&class.learners[1]), refreshes);
    store.refresh_analytics().await.unwrap();
    assert_eq!(fixture().count(&server.folder(), "analytics_dirty"), 0);
    for learner in &class.learners {
        let pivot = UserId::from_u128(learner.id.0.as_u128() - 1);
        let report = store.check_analytics(pivot, class.now()).await.unwrap();
        assert_eq!(report.drifted, 0);
    }
    // That day had ended.
    let day = Date::constant(2026, 11, 8);
    let changed = [0, 1].map(|learner| ((learner, day), START));
    class.compare(&BTreeMap::from(changed), "after pushes and refreshes").await;
}

#[tokio::test]
async fn all_figures_are_computed_again_after_a_change_of_the_zone() {
    let class = Classroom::new("UTC", 1).await;
    let server = &class.server;
    // 16:00 on 2026-11-09 in UTC, 05:00 on the next day in Auckland.
    let mut done = progress(SECTIONS[0], 10_000);
    done["doneMs"] = json!(START - 8 * HOUR);
    server.push(&class.learners[0].token, &[done]).await.ok::<Value>();
    server.data_dir.store.refresh_analytics().await.unwrap();
    let uri = format!("/api/reports/trends?class={}&period=7d", class.large);
    let day_of = |report: &Value| {
        let days = report["days"].as_array().unwrap().clone();
        let day = days.into_iter().find(|day| day["sections"] == 1);
        day.map(|day| text(&day, "day").to_owned())
    };
    assert_eq!(day_of(&class.get(&uri).await).as_deref(), Some("2026-11-09"));
    let mut config = server.data_dir.config.clone();
    config.settings = settings("Pacific/Auckland");
    let data = carrel_server::DataDir::open(config).unwrap();
    let caller =
        carrel_people::permissions::Caller { id: Some(class.teacher.id), rank: Rank::Instructor };
    for _ in 0..2 {
        let report = data.store.trends(caller, Some(class.large), Default::default(), class.now());
        let report = serde_json::to_value(report.await.unwrap()).unwrap();
        assert_eq!(text(&report, "timeZone"), "Pacific/Auckland");
        assert_eq!(day_of(&report).as_deref(), Some("2026-11-10"));
        assert_eq!(report["changedSince"], json!([]));
        data.store.refresh_analytics().await.unwrap();
    }
}

#[test]
fn an_unknown_zone_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = carrel_server::Config {
        settings: settings("Europe/Atlantis"),
        ..super::support::config(dir.path().join("data"))
    };
    let error = carrel_server::DataDir::open(config).err().unwrap().to_string();
    assert!(error.contains("Europe/Atlantis") && error.contains("hint"), "{error}");
}

// Exports.

impl Classroom {
    /// Starts an export as the teacher and returns it when it has finished.
    async fn finished_export(&self, request: Value) -> Value {
        let reply = self.server.post("/api/exports", &self.teacher.token, &request).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{request}");
        let uri = reply.header("location").to_owned();
        let id = reply.json::<Value>()["id"].as_str().unwrap().parse().unwrap();
        let clock = Arc::clone(&self.server.data_dir.config.clock);
        // Waits for the run that the request started.
        self.server.data_dir.store.run_export(id, &clock).await.unwrap();
        let export: Value = self.server.get(&uri, &self.teacher.token).await.ok();
        assert_eq!((&export["state"], &export["progress"]), (&json!("finished"), &json!(100)));
        export
    }
    async fn file(&self, export: &Value) -> String {
        let uri = format!("/api/exports/{}/file", text(export, "id"));
        let reply = self.server.get(&uri, &self.teacher.token).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        String::from_utf8(reply.body).unwrap()
    }
}

#[tokio::test]
async fn an_export_contains_the_figures_of_the_report() {
    let class = Classroom::new("Africa/Cairo", 2).await;
    let mut random = Random(11);
    for learner in &class.learners {
        for _ in 0..6 {
            class.server.push(&learner.token, &class.work(&mut random)).await.ok::<Value>();
        }
    }
    for kind in ["class", "devices", "course", "questions", "trends", "engagement"] {
        let mut request = json!({"kind": kind, "class": class.small});
        if ["course", "questions"].contains(&kind) {
            request["course"] = json!(COURSE);
        }
        let export = class.finished_export(request).await;
        let file = class.file(&export).await;
        let mut lines = file.split_terminator("\r\n");
        let header = lines.next().unwrap();
        assert!(header.starts_with('\u{feff}') && header.ends_with(",time zone,as of"), "{header}");
        assert!(lines.clone().all(|line| line.contains(",Africa/Cairo,2026-11-10T02:00:00+02:00")));
        assert_eq!(export["lines"], lines.count(), "{kind}");
    }
    let report = class.get(&format!("/api/classes/{}/report", class.small)).await;
    let export = class.finished_export(json!({"kind": "class", "class": class.small})).await;
    let file = class.file(&export).await;
    for line in report["learners"].as_array().unwrap() {
        let start = format!(
            "{},{},{},{},",
            text(line, "login"),
            text(line, "name"),
            line["enrolled"],
            line["completed"]
        );
        let middle = format!(",{},{},", line["sections"], line["activeDays"]);
        let found = file.lines().find(|l| l.starts_with(&start)).unwrap();
        assert!(found.contains(&middle) && found.contains(text(line, "group")), "{found}");
    }
    // Each reading is in the audit log.
    let audit: Value = class.server.get("/api/v1/admin/audit", &class.admin.token).await.ok();
    let lines = audit.as_array().unwrap().iter();
    let reads: Vec<&Value> = lines.filter(|line| line["action"] == "report.export").collect();
    assert_eq!(reads.len(), 7);
    assert_eq!(text(reads[0], "actor"), class.teacher.id.to_string());
    assert_eq!(text(reads[0], "subject"), class.small.to_string());
    assert_eq!(reads[0]["detail"]["kind"], "class");
}

#[tokio::test]
async fn an_export_is_for_the_person_who_asked_and_only_as_long_as_they_may_read_the_report() {
    let class = Classroom::new("UTC", 1).await;
    let server = &class.server;
    let export = class.finished_export(json!({"kind": "class", "class": class.small})).await;
    let uri = format!("/api/exports/{}", text(&export, "id"));
    for (path, method) in [
        (uri.clone(), Method::GET),
        (format!("{uri}/file"), Method::GET),
        (uri.clone(), Method::DELETE),
    ] {
        let reply = server.call(method, &path, &class.admin.token, None).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    // The link lasts for days, but not longer than the teacher's class.
    server.clock.advance(6 * DAY);
    class.file(&export).await;
    let end =
        Membership { person: class.teacher.id, class: class.small, role: MemberRole::Instructor };
    server.data_dir.store.write("test", move |tx| tx.end_membership(end)).await.unwrap();
    let refused = server.get(&format!("{uri}/file"), &class.teacher.token).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    server.clock.advance(DAY);
    let expired = server.get(&uri, &class.teacher.token).await;
    assert_eq!(expired.status, StatusCode::NOT_FOUND);
    server.data_dir.store.purge_all(class.now() + 1, 10).await.unwrap();
    assert_eq!(fixture().count(&server.folder(), "report_export"), 0);
}

#[tokio::test]
async fn a_cancelled_export_is_not_written_and_an_interrupted_one_is_written_again() {
    let class = Classroom::new("UTC", 1).await;
    let server = &class.server;
    let store = &server.data_dir.store;
    let caller =
        carrel_people::permissions::Caller { id: Some(class.teacher.id), rank: Rank::Instructor };
    let spec = ExportSpec::new("class", Some(class.small), None, Default::default()).unwrap();
    let clock = Arc::clone(&server.data_dir.config.clock);
    let id = store.add_export(caller, spec.clone(), class.now()).await.unwrap();
    let uri = format!("/api/exports/{id}");
    let early = server.get(&format!("{uri}/file"), &class.teacher.token).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    let cancelled: Value = server.call(Method::DELETE, &uri, &class.teacher.token, None).await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    store.run_export(id, &clock).await.unwrap();
    let state: Value = server.get(&uri, &class.teacher.token).await.ok();
    assert_eq!((&state["state"], &state["lines"]), (&json!("cancelled"), &json!(0)));

    // A process took the lease and died.
    let id = store.add_export(caller, spec, class.now()).await.unwrap();
    let until = class.now() + MINUTE;
    let write = store.write("test", move |tx| {
        let row = tx.export(id)?.unwrap();
        tx.put_export_piece(id, 0, "half of")?;
        tx.put_export(&carrel_server::store::tx::ExportRow {
            state: carrel_server::store::tx::ExportState::Running,
            worker: "dead".into(),
            lease_until_ms: until,
            attempts: 1,
            pieces: 1,
            ..row
        })
    });
    write.await.unwrap();
    assert_eq!(store.run_exports(&clock).await.unwrap(), 0);
    server.clock.advance(MINUTE);
    assert_eq!(server.run_job("exports").await.unwrap(), "1 exports run");
    let file = class.file(&json!({"id": id.to_string()})).await;
    assert_eq!((file.lines().count(), file.contains("half of")), (2, false));
}

#[tokio::test]
async fn what_cannot_be_exported_is_refused() {
    let class = Classroom::new("UTC", 1).await;
    let other = class.server.staff("uma", Rank::Instructor).await;
    for (request, status) in [
        (json!({"kind": "class"}), 400),
        (json!({"kind": "course", "class": class.small}), 400),
        (json!({"kind": "grades", "class": class.small}), 400),
        (json!({"kind": "trends", "course": COURSE}), 400),
        (json!({"kind": "trends", "period": "2w"}), 400),
        (json!({"kind": "class", "class": device(5)}), 403),
        (json!({"kind": "course", "course": COURSE}), 403),
        (json!({"kind": "questions", "course": COURSE}), 403),
        (json!({"kind": "course", "course": "nothing", "class": class.small}), 404),
    ] {
        let reply = class.server.post("/api/exports", &class.teacher.token, &request).await;
        assert_eq!(reply.status.as_u16(), status, "{request}");
    }
    // Another instructor reaches neither the class nor its learners.
    let request = json!({"kind": "class", "class": class.small});
    let reply = class.server.post("/api/exports", &other.token, &request).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    for uri in [
        format!("/api/courses/{COURSE}/report"),
        format!("/api/courses/{COURSE}/report?class={}", class.small),
        format!("/api/reports/trends?class={}", class.small),
        format!("/api/reports/engagement?class={}", class.small),
    ] {
        assert_eq!(
            class.server.get(&uri, &other.token).await.status,
            StatusCode::FORBIDDEN,
            "{uri}"
        );
    }
    let none: Value = class.server.get("/api/reports/trends", &other.token).await.ok();
    assert_eq!(none["learners"], 0);
    let own: Value = class.server.get("/api/reports/trends", &class.teacher.token).await.ok();
    assert_eq!(own["learners"], 71);
    let unknown = format!("/api/reports/trends?class={}", device(5));
    assert_eq!(class.server.get(&unknown, &class.admin.token).await.status, StatusCode::NOT_FOUND);
    let missing = class.server.get("/api/courses/nothing/report", &class.admin.token).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_export_of_5000_learners_is_a_stream_and_a_report_of_them_is_refused() {
    let class = Classroom::new("UTC", 1).await;
    let server = &class.server;
    server.add_students("many-", 5_000, Some(class.large)).await;
    let uri = format!("/api/classes/{}/report", class.large);
    let refused = server.get(&uri, &class.teacher.token).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.problem().hint.contains("/api/exports"), "{:?}", refused.problem());
    let export = class.finished_export(json!({"kind": "class", "class": class.large})).await;
    assert_eq!(export["lines"], 5_071);
    let request = Request::get(format!("/api/exports/{}/file", text(&export, "id")))
        .header("authorization", format!("Bearer {}", class.teacher.token))
        .body(Body::empty())
        .unwrap();
    let reply = server.router.clone().oneshot(request).await.unwrap();
    let (mut pieces, mut lines, mut largest) = (0, 0, 0);
    let mut stream = reply.into_body().into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.unwrap();
        pieces += 1;
        largest = largest.max(piece.len());
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
    }
    assert_eq!((lines, pieces), (5_072, 11));
    assert!(largest < 100_000, "{largest}");
}

/// Requests with any parameters get a reply that is no error of the server.
#[tokio::test]
async fn random_parameters_never_fail_the_server() {
    let class = Classroom::new("UTC", 1).await;
    let mut random = Random(5);
    let words = [
        "",
        "30d",
        "1y",
        "-1",
        "x",
        "%00",
        "%27",
        "how-rivers-work",
        "class",
        "9223372036854775807",
        "00000000-0000-0000-0000-000000000000",
    ];
    let small = class.small.to_string();
    for _ in 0..300 {
        let mut word = || match random.below(12) {
            11 => small.as_str(),
            n => words[n as usize],
        };
        let uris = [
            format!("/api/classes/{}/report?period={}", word(), word()),
            format!("/api/classes/{}/devices", word()),
            format!("/api/courses/{}/report?period={}&class={}", word(), word(), word()),
            format!("/api/reports/trends?period={}&class={}", word(), word()),
            format!("/api/reports/engagement?class={}&{}={}", word(), word(), word()),
            format!("/api/exports/{}", word()),
            format!("/api/exports/{}/file", word()),
        ];
        let body = json!({"kind": word(), "class": word(), "course": word(), "period": word()});
        for uri in uris {
            let Ok(request) = Request::get(&uri)
                .header("authorization", format!("Bearer {}", class.teacher.token))
                .body(Body::empty())
            else {
                continue;
            };
            let reply = class.server.send(request).await;
            assert!(!reply.status.is_server_error(), "{uri} {}", reply.status);
        }
        let reply = class.server.post("/api/exports", &class.teacher.token, &body).await;
        assert!(!reply.status.is_server_error(), "{body} {}", reply.status);
    }
}
