//! Restores a backup into a data folder. A restore that was killed can be finished by repeating it, or undone until the
//! restored database is in place.
//!
//! The new files are prepared in `restoring/` inside the data folder and synced to disk. Blobs are written to their
//! final paths, since their names are the hashes of their content. `restoring/ready.json` is written last: a restore
//! killed after that is continued, not started again. The swap moves the old files to `replaced-<ms>/` and the new ones
//! to their final paths, the database last.
//!
//! While `restoring/` is not empty, every command except `restore` refuses the folder (`DataDir::open`).

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    backup, blob_place,
    blobs::BlobFolder,
    database,
    error::{Error, io},
    folders::{
        Failpoint, OLD_RELEASE_FILES, STAGING, copy_file, is_unfinished, lock, remove_file,
        sync_dir, write_synced,
    },
    key_file,
    store::Engine,
};

const PLAN_FILE: &str = "ready.json";

/// Options of a restore.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Moves the files of an existing server to `replaced-<ms>/`.
    pub replace: bool,
    /// Invalidates all sign-ins, including those created after the backup; for a server whose tokens may have been
    /// stolen.
    pub end_sign_ins: bool,
    /// Keeps the epoch of the backup: only if the backup is the last state of a server that is not used any more.
    pub keep_epoch: bool,
}

/// Plan of a swap, written when all files are prepared.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestorePlan {
    epoch: String,
    /// Name of the folder for the old files.
    aside: String,
    /// Epoch and creation time of the backup. `None` if an earlier release wrote the plan.
    #[serde(default)]
    backup: Option<(String, i64)>,
}

/// Verifies a backup completely and restores it into `data_dir` with a new epoch, which is returned. Returns an error
/// if `data_dir` has a server, unless `replace` is set. No server may be running on the folder.
///
/// If a restore into the folder was interrupted after its plan was written, that restore is finished instead. Returns
/// an error if its backup was not `from`.
pub fn restore(
    engine: &dyn Engine,
    from: &Path,
    data_dir: &Path,
    options: Options,
    now_ms: i64,
) -> Result<String, Error> {
    restore_with_failpoints(engine, from, data_dir, options, now_ms, &mut |_| Ok(()))
}

/// Like `restore`, but calls `failpoint` before each step.
pub fn restore_with_failpoints(
    engine: &dyn Engine,
    from: &Path,
    data_dir: &Path,
    options: Options,
    now_ms: i64,
    failpoint: Failpoint<'_>,
) -> Result<String, Error> {
    if let Some(plan) = read_plan(data_dir)? {
        let _lock = lock(data_dir, false)?;
        tracing::info!("finishing an interrupted restore");
        let epoch = swap(engine, data_dir, &plan, failpoint)?;
        // The backup is no longer needed and may have been deleted.
        let requested = backup::read_metadata(from).ok().map(|f| (f.epoch, f.created_ms));
        if requested.is_some() && plan.backup.is_some() && requested != plan.backup {
            return Err(Error::Refused(format!(
                "finished an interrupted restore of another backup; {from:?} was not restored; \
                 hint: to restore it, run the command again with --replace"
            )));
        }
        return Ok(epoch);
    }
    failpoint("check")?;
    let metadata = backup::check(engine, from)?;
    fs::create_dir_all(data_dir).map_err(io("create", data_dir))?;
    let _lock = lock(data_dir, false)?;
    database::refuse_other_engine(engine, data_dir)?;
    let has_server = engine.exists(data_dir)?;
    if has_server && !options.replace {
        return Err(Error::Refused(format!(
            "{data_dir:?} has a server; hint: restore into an empty folder, or add --replace to move the old server to a subfolder"
        )));
    }
    let staging = data_dir.join(STAGING);
    if staging.exists() {
        failpoint("remove the old staging folder")?;
        fs::remove_dir_all(&staging).map_err(io("remove", &staging))?;
    }
    failpoint("create the staging folder")?;
    fs::create_dir(&staging).map_err(io("create", &staging))?;
    failpoint("copy the database")?;
    copy_file(&from.join(engine.file()), &staging.join(engine.file()))?;
    failpoint("copy the key")?;
    copy_file(&from.join(key_file::FILE), &staging.join(key_file::FILE))?;
    let (source, into) = (BlobFolder::of(from), blob_place::of_folder(data_dir)?);
    for (hash, _) in engine.copy_metadata(&staging)?.blobs {
        failpoint("copy a blob")?;
        let path = source.path(hash);
        into.put_file(hash, &path).map_err(io("copy", path))?;
    }
    failpoint("prepare the database")?;
    let epoch = match options.keep_epoch {
        true => metadata.epoch.clone(),
        false => engine.prepare_restored(&staging, options.end_sign_ins, now_ms)?,
    };
    sync_dir(&staging)?;
    let backup = Some((metadata.epoch.clone(), metadata.created_ms));
    let plan = RestorePlan { epoch, aside: aside(data_dir, now_ms), backup };
    if has_server && !engine.is_in_folder() {
        failpoint("copy the old database")?;
        let aside = data_dir.join(&plan.aside);
        fs::create_dir_all(&aside).map_err(io("create", &aside))?;
        engine.copy(data_dir, &aside)?;
    }
    failpoint("write the plan")?;
    write_synced(&staging.join(PLAN_FILE), &serde_json::to_string(&plan).unwrap_or_default())?;
    let epoch = swap(engine, data_dir, &plan, failpoint)?;
    tracing::info!(backup.epoch = %metadata.epoch, server.epoch = %epoch, "restored");
    Ok(epoch)
}

/// Undoes an interrupted restore and moves the old files back. Returns an error if no restore was interrupted, or if
/// the restored database is already in place.
pub fn abandon(engine: &dyn Engine, data_dir: &Path) -> Result<(), Error> {
    let _lock = lock(data_dir, false)?;
    let staging = data_dir.join(STAGING);
    if let Some(plan) = read_plan(data_dir)? {
        if !staging.join(engine.file()).exists() {
            return Err(Error::Refused(
                "the restored database is already in place; hint: run `restore` to finish".into(),
            ));
        }
        let aside = data_dir.join(&plan.aside);
        let copy = aside.join(engine.file());
        if !engine.is_in_folder() && copy.exists() {
            engine.load(&aside, data_dir)?;
            remove_file(&copy)?;
        }
        for name in files(engine).chain([key_file::FILE]) {
            let (old, target_path) = (aside.join(name), data_dir.join(name));
            if old.exists() {
                fs::rename(&old, &target_path).map_err(io("move", &old))?;
            }
        }
        let _ = fs::remove_dir(&aside);
        sync_dir(data_dir)?;
    } else if !is_unfinished(data_dir) {
        return Err(Error::Refused(format!("no restore into {data_dir:?} was interrupted")));
    }
    // The plan is removed first, so that a kill during the removal does not leave a plan without its files.
    remove_file(&staging.join(PLAN_FILE))?;
    fs::remove_dir_all(&staging).map_err(io("remove", &staging))
}

fn read_plan(data_dir: &Path) -> Result<Option<RestorePlan>, Error> {
    let path = data_dir.join(STAGING).join(PLAN_FILE);
    match fs::read_to_string(&path) {
        // An unreadable plan was not written completely, so no file has been moved.
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io("read", &path)(e)),
    }
}

/// Returns the files of a database, in the order in which they are moved aside.
fn files(engine: &dyn Engine) -> impl Iterator<Item = &'static str> {
    std::iter::once(engine.file()).chain(engine.side_files().iter().copied())
}

/// Moves the prepared files to their final paths. Can be repeated after a kill at any step.
fn swap(
    engine: &dyn Engine,
    data_dir: &Path,
    plan: &RestorePlan,
    failpoint: Failpoint<'_>,
) -> Result<String, Error> {
    let staging = data_dir.join(STAGING);
    let aside = data_dir.join(&plan.aside);
    let move_aside = |name: &str, failpoint: Failpoint<'_>| -> Result<(), Error> {
        let old = data_dir.join(name);
        if old.exists() {
            failpoint("move an old file aside")?;
            fs::create_dir_all(&aside).map_err(io("create", &aside))?;
            fs::rename(&old, aside.join(name)).map_err(io("move", &old))?;
        }
        Ok(())
    };
    let (database, key) = (staging.join(engine.file()), staging.join(key_file::FILE));
    if database.exists() {
        for name in files(engine) {
            move_aside(name, failpoint)?;
        }
        if key.exists() {
            move_aside(key_file::FILE, failpoint)?;
            sync_dir(data_dir)?;
            failpoint("move the key into place")?;
            let target_path = data_dir.join(key_file::FILE);
            fs::rename(&key, &target_path).map_err(io("rename", &key))?;
        }
        sync_dir(data_dir)?;
        failpoint("move the database into place")?;
        database::mark(engine, data_dir)?;
        engine.load(&staging, data_dir)?;
        remove_file(&database)?;
        sync_dir(data_dir)?;
    }
    for name in OLD_RELEASE_FILES {
        remove_file(&data_dir.join(name))?;
    }
    failpoint("remove the plan")?;
    let database_backups = staging.join("backups");
    if database_backups.exists() {
        fs::remove_dir_all(&database_backups).map_err(io("remove", &database_backups))?;
    }
    remove_file(&staging.join(PLAN_FILE))?;
    failpoint("remove the staging folder")?;
    fs::remove_dir(&staging).map_err(io("remove", &staging))?;
    Ok(plan.epoch.clone())
}

/// Returns an unused name for the folder of the old files.
fn aside(data_dir: &Path, now_ms: i64) -> String {
    (now_ms..)
        .map(|ms| format!("replaced-{ms}"))
        .find(|name| !data_dir.join(name).exists())
        .unwrap_or_else(|| "replaced".into())
}
