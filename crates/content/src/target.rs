//! Download targets, and the state of a download.

use carrel_model::{BlobHash, Slug};

use crate::kind::Kind;

/// A download target: a whole course or story, or one lesson of a course.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DownloadTarget {
    /// Course or story.
    pub kind: Kind,
    /// Id of the course or story.
    pub id: Slug,
    /// Item id of the lesson; empty for the whole course or story.
    pub scope: String,
}

impl DownloadTarget {
    /// Returns the target for a whole course or story.
    pub fn whole(kind: Kind, id: &Slug) -> Self {
        Self { kind, id: id.clone(), scope: String::new() }
    }
    /// Returns the target for one lesson. `lesson`: the item id, `course/lesson`.
    pub fn lesson(course: &Slug, lesson: &str) -> Self {
        Self { kind: Kind::Course, id: course.clone(), scope: lesson.to_owned() }
    }
    /// Returns whether the target is a whole course or story.
    pub fn is_whole(&self) -> bool {
        self.scope.is_empty()
    }
    /// Returns the lesson's item id, or else the id of the course or story, as in events.
    pub fn name(&self) -> &str {
        if self.is_whole() { self.id.as_str() } else { &self.scope }
    }
}

/// Phase of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not requested.
    #[default]
    Absent,
    /// Requested, not running yet.
    Queued,
    /// Being fetched.
    Running,
    /// Waiting for a changed condition, a retry or the learner.
    Paused,
    /// All bytes are on this device.
    Ready,
    /// Failed; retried only by the learner.
    Failed,
}

impl Phase {
    /// Returns the name, as stored and reported.
    pub fn as_str(self) -> &'static str {
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
    /// No reason.
    #[default]
    None,
    /// The server cannot be reached.
    Offline,
    /// A reply is not from the server, for example from a captive portal.
    Portal,
    /// The network is metered.
    Metered,
    /// The battery is low, or the settings require charging.
    Battery,
    /// The budget or the disk is full.
    DiskFull,
    /// Forbidden by the organisation's policy, or refused by the server.
    Policy,
    /// Paused by the learner.
    User,
    /// The server replied with an error, or does not have the content.
    Server,
    /// Bytes did not match their hash.
    Corrupt,
    /// The sign-in has expired.
    SignIn,
    /// A local file cannot be read or written, for a reason other than a full disk.
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

/// State of one download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Phase of the download.
    pub phase: Phase,
    /// Why it waits or failed.
    pub reason: Reason,
    /// Bytes that are stored.
    pub bytes_done: u64,
    /// Bytes of all blobs of the target; 0 while unknown.
    pub bytes_total: u64,
    /// When all bytes were last verified (UTC, ms); `None` if never.
    pub checked_ms: Option<i64>,
    /// The version whose bytes are all on this device.
    pub ready_version: Option<BlobHash>,
    /// Requested by the learner, and therefore never evicted.
    pub pinned: bool,
    /// Smoothed rate in bytes per second, while it runs.
    pub rate: Option<u64>,
    /// Estimated remaining time in milliseconds, while it runs.
    pub left_ms: Option<u64>,
    /// Time of the next attempt (UTC, ms), while it waits for one.
    pub retry_at_ms: Option<i64>,
}
