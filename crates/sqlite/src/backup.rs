//! Writes a complete, compact copy of an open database while others read and write it.
//!
//! Not here: when backups are made and how many are kept.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use crate::{Error, Result};

/// Copies the database to `to` with `VACUUM INTO`. The file gets its name when the copy is complete and on disk, and
/// replaces an older one. Not inside a transaction.
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
        // An incomplete copy is useless. Only the first error is reported.
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
    // On Unix the name is durable only after the folder is synced. Windows has no such call and does not need it.
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
