//! The devices on which learners are signed in, and what they report about themselves.
//!
//! Not here: who may see them (`analytics`).

use std::collections::BTreeMap;

use carrel_analytics::{Device, Devices, LearnerDevices, LearnerName, ReportedDevice};
use carrel_model::{
    BlobHash, DeviceId, Slug, UserId,
    wire::{CourseReply, DeviceReport},
};
use uuid::Uuid;

use crate::{
    DomainError, DomainResult,
    store::{Kind, Store, StoreError, tx::Tx},
};

/// Devices were heard from if they were within this time.
const HEARD_MS: i64 = 7 * 24 * 3_600_000;
/// Longest version, platform, type, code or phase, in bytes.
const MAX_NAME: usize = 64;
/// Longest text of a refusal, in bytes.
const MAX_REASON: usize = 600;

/// Returns what is wrong with a report.
fn problem(report: &DeviceReport) -> Option<String> {
    let DeviceReport { app_version, platform, refusals, downloads, .. } = report;
    if refusals.len() > DeviceReport::MAX_REFUSALS {
        return Some(format!("refusals: at most {}", DeviceReport::MAX_REFUSALS));
    }
    if downloads.len() > DeviceReport::MAX_DOWNLOADS {
        return Some(format!("downloads: at most {}", DeviceReport::MAX_DOWNLOADS));
    }
    let names = [("appVersion", app_version), ("platform", platform)];
    let of_refusals =
        refusals.iter().flat_map(|row| [("rowType", &row.row_type), ("code", &row.code)]);
    let of_downloads =
        downloads.iter().flat_map(|row| [("kind", &row.kind), ("phase", &row.phase)]);
    for (name, text) in names.into_iter().chain(of_refusals).chain(of_downloads) {
        if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return Some(format!(
                "{name}: must have 1 to {MAX_NAME} bytes without control characters"
            ));
        }
    }
    let is_too_long = refusals.iter().any(|row| row.reason.len() > MAX_REASON);
    is_too_long.then(|| format!("reason: at most {MAX_REASON} bytes"))
}

pub(crate) fn devices_of(
    tx: &dyn Tx,
    users: &[UserId],
    now_ms: i64,
) -> Result<(Devices, BTreeMap<UserId, Vec<Device>>), StoreError> {
    let since = now_ms.saturating_sub(HEARD_MS);
    let mut heard: BTreeMap<DeviceId, i64> = BTreeMap::new();
    let mut by_learner: BTreeMap<UserId, Vec<Device>> = BTreeMap::new();
    for row in tx.devices_of(users, now_ms)? {
        let last = heard.entry(row.device).or_insert(row.heard_ms);
        *last = (*last).max(row.heard_ms);
        // A device on which the learner signed in several times is one device; its latest sign-in comes first.
        let devices = by_learner.entry(row.user).or_default();
        if devices.iter().all(|device| device.id != row.device) {
            devices.push(Device {
                id: row.device,
                name: row.name,
                signed_in_ms: row.signed_in_ms,
                last_heard_ms: row.heard_ms,
                report: None,
            });
        }
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let recent = heard.values().filter(|last| **last > since).count();
    Ok((Devices { heard: count(recent), total: count(heard.len()), since }, by_learner))
}

/// Adds what the devices reported. `courses`: those of the class, with their published versions.
pub(crate) fn add_device_reports(
    tx: &dyn Tx,
    by_learner: &mut BTreeMap<UserId, Vec<Device>>,
    courses: &[(Slug, BlobHash)],
    now_ms: i64,
) -> Result<(), StoreError> {
    let users: Vec<UserId> = by_learner.keys().copied().collect();
    for row in tx.device_reports(&users, now_ms)? {
        let report = serde_json::from_str(&row.report)
            .map_err(|e| StoreError::unreadable("device report", e))?;
        let mut devices = by_learner.get_mut(&row.user).into_iter().flatten();
        // Of a device with several sign-ins, the last report counts.
        if let Some(device) = devices.find(|device| device.id == row.device) {
            device.last_heard_ms = device.last_heard_ms.max(row.reported_ms);
            device.report = Some(ReportedDevice::of(report, row.reported_ms, courses));
        }
    }
    Ok(())
}

/// Returns the published versions of courses. Courses that are not published are left out.
pub(crate) fn published_versions(
    tx: &dyn Tx,
    courses: &[Slug],
) -> Result<Vec<(Slug, BlobHash)>, StoreError> {
    let replies = tx.replies(Kind::Course, courses)?.into_iter();
    replies
        .map(|(id, reply)| {
            let reply: CourseReply = serde_json::from_str(&reply)
                .map_err(|e| StoreError::unreadable("publication", e))?;
            Ok((id, reply.summary.version))
        })
        .collect()
}

/// Returns the devices of each learner, for lines of an export.
pub(crate) fn learner_devices(
    tx: &dyn Tx,
    names: &[LearnerName],
    now_ms: i64,
) -> Result<Vec<LearnerDevices>, StoreError> {
    let users: Vec<UserId> = names.iter().map(|who| who.id).collect();
    let (_, mut by_learner) = devices_of(tx, &users, now_ms)?;
    add_device_reports(tx, &mut by_learner, &[], now_ms)?;
    Ok(names.iter().map(|who| with_devices(who, &mut by_learner)).collect())
}

pub(crate) fn with_devices(
    who: &LearnerName,
    by_learner: &mut BTreeMap<UserId, Vec<Device>>,
) -> LearnerDevices {
    let devices = by_learner.remove(&who.id).unwrap_or_default();
    LearnerDevices { id: who.id, login: who.login.clone(), name: who.name.clone(), devices }
}

impl Store {
    /// Replaces what the device of a sign-in reported.
    ///
    /// # Errors
    /// `BadDeviceReport` if it exceeds the limits.
    pub async fn report_device(
        &self,
        sign_in: Uuid,
        report: &DeviceReport,
        now_ms: i64,
    ) -> DomainResult<()> {
        if let Some(problem) = problem(report) {
            return Err(DomainError::BadDeviceReport(problem));
        }
        let text = serde_json::to_string(report).unwrap_or_default();
        self.write("report_device", move |tx| tx.put_device_report(sign_in, now_ms, &text)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::wire::{DeviceDownload, RefusedRow};

    use super::*;

    fn report() -> DeviceReport {
        let refusal = RefusedRow {
            row_type: "note".into(),
            item: None,
            code: "invalid".into(),
            reason: "quota(rows=50000): too many rows".into(),
            at_ms: 1,
        };
        let download = DeviceDownload {
            kind: "course".into(),
            id: "rivers".parse().unwrap(),
            phase: "ready".into(),
            version: None,
        };
        DeviceReport {
            app_version: "1.0.0".into(),
            platform: "linux".into(),
            refused: 1,
            refusals: vec![refusal; DeviceReport::MAX_REFUSALS],
            downloads: vec![download; DeviceReport::MAX_DOWNLOADS],
            ..DeviceReport::default()
        }
    }

    #[test]
    fn reports_above_a_limit_are_refused() {
        assert_eq!(problem(&report()), None);
        let with = |change: fn(&mut DeviceReport)| {
            let mut report = report();
            change(&mut report);
            problem(&report).unwrap_or_default()
        };
        assert!(with(|r| r.refusals.push(r.refusals[0].clone())).contains("at most 50"));
        assert!(with(|r| r.downloads.push(r.downloads[0].clone())).contains("at most 2000"));
        assert!(with(|r| r.app_version.clear()).contains("appVersion"));
        assert!(with(|r| r.platform = "x".repeat(65)).contains("platform"));
        assert!(with(|r| r.refusals[3].code = "a\nb".into()).contains("code"));
        assert!(with(|r| r.downloads[3].phase = "x".repeat(65)).contains("phase"));
        assert!(with(|r| r.refusals[3].reason = "x".repeat(601)).contains("at most 600"));
    }
}
