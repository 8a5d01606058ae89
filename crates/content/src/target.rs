//! What can be downloaded, and the state of a download.

use carrel_model::{BlobHash, Slug};

use crate::kind::Kind;

/// What is wanted: a whole course or story, or one lesson of a course.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wish {
    pub kind: Kind,
    pub id: Slug,
    /// Empty: the whole; else the lesson's item id.
    pub scope: String,
}

impl Wish {
    pub fn whole(kind: Kind, id: &Slug) -> Self {
        Self { kind, id: id.clone(), scope: String::new() }
    }
    /// `lesson`: `course/lesson`.
    pub fn lesson(course: &Slug, lesson: &str) -> Self {
        Self { kind: Kind::Course, id: course.clone(), scope: lesson.to_owned() }
    }
    pub fn is_whole(&self) -> bool {
        self.scope.is_empty()
    }
    /// The id of the course or story, or the lesson's item id: what events name.
    pub fn name(&self) -> &str {
        if self.is_whole() { self.id.as_str() } else { &self.scope }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    #[default]
    Absent,
    Queued,
    Running,
    Paused,
    Ready,
    Failed,
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
    pub(crate) fn parse(text: &str) -> Self {
        [Self::Queued, Self::Running, Self::Paused, Self::Ready, Self::Failed]
            .into_iter()
            .find(|p| p.as_str() == text)
            .unwrap_or_default()
    }
}

/// Why a download waits or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reason {
    #[default]
    None,
    Offline,
    /// This network's sign-in page is in between.
    Portal,
    /// Somebody pays for each byte of this network.
    Metered,
    Battery,
    DiskFull,
    /// The organisation, or the server's refusal.
    Policy,
    User,
    /// Busy or broken.
    Server,
    Corrupt,
    SignIn,
    /// A file of this device cannot be read or written now, for another reason than space.
    Storage,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::Offline,
        Self::Portal,
        Self::Metered,
        Self::Battery,
        Self::DiskFull,
        Self::Policy,
        Self::User,
        Self::Server,
        Self::Corrupt,
        Self::SignIn,
        Self::Storage,
    ];
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Offline => "offline",
            Self::Portal => "portal",
            Self::Metered => "metered",
            Self::Battery => "battery",
            Self::DiskFull => "disk_full",
            Self::Policy => "policy",
            Self::User => "user",
            Self::Server => "server",
            Self::Corrupt => "corrupt",
            Self::SignIn => "sign_in",
            Self::Storage => "storage",
        }
    }
    pub(crate) fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|r| r.as_str() == text).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    pub phase: Phase,
    pub reason: Reason,
    pub bytes_done: u64,
    pub bytes_total: u64,
    /// When every byte was last proved; `None` if never.
    pub checked_ms: Option<i64>,
    /// The version whose bytes are all here.
    pub ready_version: Option<BlobHash>,
    /// By a learner's wish: it is never removed by itself.
    pub pinned: bool,
    /// While it runs: bytes a second, and milliseconds to the end.
    pub rate: Option<u64>,
    pub left_ms: Option<u64>,
    /// While it waits for its next try: when that is (UTC, ms).
    pub retry_at_ms: Option<i64>,
}
