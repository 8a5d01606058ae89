//! Scheduled backups: each run creates a backup in a folder and removes the oldest ones.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

use super::Job;
use crate::{
    backup,
    data_dir::DataDir,
    error::{Error, io},
};

const PREFIX: &str = "backup-";

pub struct ScheduledBackup {
    /// `None` if scheduled backups are off.
    pub every_ms: Option<i64>,
    pub folder: PathBuf,
    /// At least 1.
    pub kept: u32,
}

#[async_trait]
impl Job for ScheduledBackup {
    fn name(&self) -> &'static str {
        "backup"
    }
    fn every_ms(&self) -> Option<i64> {
        self.every_ms
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        let engine = Arc::clone(&data.config.engine);
        let (from, folder) = (data.config.data_dir.clone(), self.folder.clone());
        let (now_ms, kept) = (data.config.clock.now_ms(), self.kept);
        let work = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&folder).map_err(io("create", &folder))?;
            let to = folder.join(format!("{PREFIX}{now_ms}"));
            let metadata = backup::backup(engine.as_ref(), &from, &to, now_ms)?;
            let removed = remove_old(&folder, kept as usize)?;
            Ok(format!(
                "created {} ({} blobs), removed {removed} older backups",
                to.display(),
                metadata.blobs
            ))
        });
        work.await.map_err(|e| Error::Refused(e.to_string()))?
    }
}

/// Removes all but the newest `kept` backups created by this job. Other files in the folder are kept.
fn remove_old(folder: &Path, kept: usize) -> Result<usize, Error> {
    let entries = fs::read_dir(folder).map_err(io("list", folder))?;
    let created_ms = |path: &Path| -> Option<i64> {
        let name = path.file_name()?.to_str()?;
        let ms = name.strip_prefix(PREFIX)?.parse().ok()?;
        backup::read_metadata(path).is_ok_and(|f| f.created_ms == ms).then_some(ms)
    };
    let mut found: Vec<(i64, PathBuf)> =
        entries.flatten().map(|e| e.path()).filter_map(|p| Some((created_ms(&p)?, p))).collect();
    found.sort();
    let old = found.len().saturating_sub(kept);
    for (_, path) in &found[..old] {
        fs::remove_dir_all(path).map_err(io("remove", path))?;
    }
    Ok(old)
}
