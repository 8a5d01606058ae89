//! Writes a complete, compact copy of an open database while others read and write it.
//!
//! Not here: when backups are made and how many are kept.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use crate::{Error, Result};

/// Copies the database to `to` with `VACUUM INTO`. The copy is renamed to `to`, replacing an older file, when it is
/// complete and on the disk. Must not be called inside a transaction.
pub fn backup(conn: &Connection, to: &Path) -> Result<()> {
    let part = part_of(to);
    if let Some(folder) = folder_of(to) {
        fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    }
    match fs::remove_file(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &part)(e)),
        _ => {}
    }
    copy(conn, &part, to).inspect_err(|_| {
        // Deletes the incomplete copy. Only the first error is reported.
        let _ = fs::remove_file(&part);
    })
}

fn copy(conn: &Connection, part: &Path, to: &Path) -> Result<()> {
    let name = part.to_str().ok_or_else(|| {
        io_error("write", part)(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name is not Unicode",
        ))
    })?;
    conn.execute("VACUUM INTO ?1", [name])?;
    fs::OpenOptions::new()
        .write(true)
        .open(part)
        .and_then(|f| f.sync_all())
        .map_err(io_error("sync", part))?;
    restrict_to_owner(part)?;
    fs::rename(part, to).map_err(io_error("rename", part))?;
    // On Unix the rename is durable only after the folder is synced. On Windows this is neither possible nor needed.
    #[cfg(unix)]
    if let Some(folder) = folder_of(to) {
        fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io_error("sync", folder))?;
    }
    Ok(())
}

#[cfg(unix)]
fn restrict_to_owner(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io_error("protect", path))
}
#[cfg(not(unix))]
fn restrict_to_owner(_: &Path) -> Result<()> {
    Ok(())
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|p| !p.as_os_str().is_empty())
}
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.to_owned(), source }
}
