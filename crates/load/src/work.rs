//! What people do: one action is one request or, for a device that comes back, several.

use hyper::Method;
use serde_json::json;

use crate::prepare::People;

/// An action of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A page of the list of courses.
    Courses,
    Course,
    Manifest,
    Stories,
    Search,
    Vocabulary,
    Dashboard,
    /// One to three rows of progress.
    Push,
    /// What has changed since the last pull.
    Pull,
    /// A week of work in one push, and a complete pull.
    WeekOfWork,
    /// The classes of an instructor.
    Classes,
    /// The courses of an instructor.
    StaffCourses,
    /// A page of the list of people, for an administrator.
    People,
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct Sent {
    pub method: Method,
    pub path: String,
    pub body: Option<String>,
    /// Rank of the person whose token is used.
    pub sender: Sender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Student,
    Instructor,
    Administrator,
}

/// Rows of a week of work: sections, sessions of study and reviews of words.
const WEEK_ROWS: usize = 300;

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Courses => "courses",
            Self::Course => "course",
            Self::Manifest => "manifest",
            Self::Stories => "stories",
            Self::Search => "search",
            Self::Vocabulary => "vocabulary",
            Self::Dashboard => "dashboard",
            Self::Push => "push",
            Self::Pull => "pull",
            Self::WeekOfWork => "week of work",
            Self::Classes => "classes",
            Self::StaffCourses => "staff courses",
            Self::People => "people",
        }
    }

    /// Returns the requests of the action. `person`: number of the person; `usn`: the last change number that the person
    /// has pulled; `now_ms`: the time for rows.
    pub fn requests(self, people: &People, person: usize, usn: u64, now_ms: i64) -> Vec<Sent> {
        let course = || people.courses[fastrand::usize(..people.courses.len().max(1))].as_str();
        let get =
            |path: String| Sent { method: Method::GET, path, body: None, sender: Sender::Student };
        let staff = |sender, path: &str| Sent { sender, ..get(path.to_owned()) };
        let one = match self {
            Self::Courses => get(format!("/api/courses?page={}&pageSize=20", fastrand::u32(1..=5))),
            Self::Course => get(format!("/api/courses/{}", course())),
            Self::Manifest => get(format!("/api/courses/{}/manifest", course())),
            Self::Stories => get(format!("/api/stories?page={}&pageSize=20", fastrand::u32(1..=5))),
            Self::Search => get("/api/search?q=rivers".to_owned()),
            Self::Vocabulary => get("/api/vocabulary/progress".to_owned()),
            Self::Dashboard => get("/api/me/dashboard".to_owned()),
            Self::Push => push(person, fastrand::usize(1..=3), now_ms),
            Self::Pull => get(format!("/api/sync/pull?since={usn}")),
            Self::WeekOfWork => {
                return vec![
                    push(person, WEEK_ROWS, now_ms),
                    get("/api/sync/pull?since=0&limit=2000".to_owned()),
                ];
            }
            Self::Classes => staff(Sender::Instructor, "/api/v1/admin/classes"),
            Self::StaffCourses => staff(Sender::Instructor, "/api/v1/admin/courses"),
            Self::People => staff(Sender::Administrator, "/api/v1/admin/people?limit=50"),
        };
        vec![one]
    }
}

fn push(person: usize, rows: usize, now_ms: i64) -> Sent {
    let id = || uuid::Uuid::from_u128(fastrand::u128(..));
    let device = uuid::Uuid::from_u128(person as u128 + 1);
    let items: Vec<_> = (0..rows)
        .map(|n| {
            let item = format!("load-{}/lesson-{}/s{}", fastrand::u32(..100), 1 + n % 2, 1 + n / 2 % 2);
            match n % 3 {
                0 => json!({ "type": "progress", "kind": "section", "item": item, "percent": fastrand::u32(0..=10_000) }),
                1 => json!({ "type": "session", "id": id(), "item": item, "device": device, "startedMs": now_ms,
                    "day": "2026-12-01", "activeMs": 60_000 }),
                _ => json!({ "type": "review", "id": id(), "word": format!("load/word-{}", fastrand::u32(..500)),
                    "rating": 3, "atMs": now_ms, "durationMs": 2_000 }),
            }
        })
        .collect();
    let body = json!({ "deviceId": device, "epoch": "", "batchId": id(), "hlcNow": "0000000000000001", "items": items });
    Sent {
        method: Method::POST,
        path: "/api/sync/push".to_owned(),
        body: Some(body.to_string()),
        sender: Sender::Student,
    }
}
