//! What to do about a feed. A pure function of the installation, the policy, the feed and the time.

use std::cmp::Ordering;

use jiff::Timestamp;
use semver::Version;

use crate::{Feed, FeedFile, Mode, Problem, Target, UpdatePolicy, rollout};

/// Milliseconds by which the clock of a device may be behind that of the publisher.
const MAX_CLOCK_SKEW_MS: i64 = 24 * 3_600_000;

/// The installation for which a decision is made.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Installed version.
    pub version: Version,
    /// Target.
    pub target: Target,
    /// Random id of this device, for staged releases only.
    pub device_id: String,
    /// Versions that did not start and were rolled back.
    pub failed_versions: Vec<Version>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// This version is installed.
    UpToDate,
    /// The release is not offered to this device yet.
    NotYet,
    /// The user decides whether the file is downloaded.
    Offer(&'a FeedFile),
    /// The file is downloaded.
    Download(&'a FeedFile),
    /// No update, for this reason.
    Refused(Refusal),
}

/// Why an update is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The policy switches updates off.
    #[error("updates are switched off by the policy of this device")]
    Off,
    /// The package is updated by the system or the organisation.
    #[error("this installation ({0}) is updated by the system, not by the app")]
    Managed(Target),
    /// The feed is no longer valid.
    #[error("the update feed expired at {0}")]
    Expired(Timestamp),
    /// The feed is older than the newest feed that this device has read, or its date is in the future.
    #[error("the update feed of {found} is not the newest one; {newest} was seen before")]
    Replayed { found: Timestamp, newest: Timestamp },
    /// The feed offers an older version than the installed one.
    #[error(
        "the update feed offers version {offered}, which is older than the installed {installed}"
    )]
    Downgrade { offered: Version, installed: Version },
    /// The release has no package for this device.
    #[error("version {version} has no package for {target}")]
    NoPackage { version: Version, target: Target },
    /// The installed version is too old to be updated directly.
    #[error(
        "version {version} can only be installed over {minimum} or newer, and {installed} is installed"
    )]
    TooOld { version: Version, minimum: Version, installed: Version },
    /// This version did not start before and was rolled back.
    #[error("version {0} did not start on this device before")]
    FailedBefore(Version),
}

impl Refusal {
    /// Returns the kind of the problem.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Off => Problem::Off,
            Self::Managed(_) => Problem::Managed,
            Self::Expired(_) => Problem::Expired,
            Self::Replayed { .. } => Problem::Replayed,
            Self::Downgrade { .. } => Problem::Downgrade,
            Self::NoPackage { .. } => Problem::NoPackage,
            Self::TooOld { .. } => Problem::TooOld,
            Self::FailedBefore(_) => Problem::FailedBefore,
        }
    }
}

/// Returns an error if this installation must not look for updates at all.
pub fn may_update(installation: &Installation, policy: &UpdatePolicy) -> Result<(), Refusal> {
    if policy.mode == Mode::Off {
        return Err(Refusal::Off);
    }
    if installation.target.package.is_managed() && !policy.managed_packages {
        return Err(Refusal::Managed(installation.target));
    }
    Ok(())
}

/// Returns an error if the feed is not valid at `now_ms`, or is older than the newest feed that this device has read.
pub fn check_age(feed: &Feed, newest: Option<Timestamp>, now_ms: i64) -> Result<(), Refusal> {
    if now_ms > feed.expires.as_millisecond() {
        return Err(Refusal::Expired(feed.expires));
    }
    if let Some(newest) = newest.filter(|newest| feed.published < *newest) {
        return Err(Refusal::Replayed { found: feed.published, newest });
    }
    if feed.published.as_millisecond() > now_ms.saturating_add(MAX_CLOCK_SKEW_MS) {
        // The clock of this device is wrong. The feed is signed, so it is usable; only its expiry cannot be judged.
        tracing::warn!(feed.published = %feed.published, "the clock of this device is behind");
    }
    Ok(())
}

/// Returns the file of the release if it may be installed here, whatever its age and the mode: also used for an update
/// file that the user chose. `Ok(None)`: the version is installed.
pub fn installable<'a>(
    installation: &Installation,
    feed: &'a Feed,
) -> Result<Option<&'a FeedFile>, Refusal> {
    let Installation { version: installed, target, .. } = installation;
    let offered = &feed.version;
    match offered.cmp_precedence(installed) {
        Ordering::Equal => return Ok(None),
        Ordering::Less => {
            return Err(Refusal::Downgrade {
                offered: offered.clone(),
                installed: installed.clone(),
            });
        }
        Ordering::Greater => {}
    }
    if let Some(minimum) = feed.minimum_version.as_ref().filter(|m| installed < *m) {
        return Err(Refusal::TooOld {
            version: offered.clone(),
            minimum: minimum.clone(),
            installed: installed.clone(),
        });
    }
    if installation.failed_versions.contains(offered) {
        return Err(Refusal::FailedBefore(offered.clone()));
    }
    feed.files
        .get(&target.to_string())
        .map(Some)
        .ok_or_else(|| Refusal::NoPackage { version: offered.clone(), target: *target })
}

/// Decides about a verified feed. `newest`: the time of the newest feed of the channel that this device has seen.
pub fn decide<'a>(
    installation: &Installation,
    policy: &UpdatePolicy,
    feed: &'a Feed,
    newest: Option<Timestamp>,
    now_ms: i64,
) -> Decision<'a> {
    let checked = may_update(installation, policy)
        .and_then(|()| check_age(feed, newest, now_ms))
        .and_then(|()| installable(installation, feed));
    match checked {
        Err(refusal) => Decision::Refused(refusal),
        Ok(None) => Decision::UpToDate,
        Ok(Some(_)) if !rollout::includes(&installation.device_id, &feed.version, feed.rollout) => {
            Decision::NotYet
        }
        Ok(Some(file)) if policy.mode == Mode::Automatic => Decision::Download(file),
        Ok(Some(file)) => Decision::Offer(file),
    }
}
