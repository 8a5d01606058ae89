//! Atomic, durable file writes, and reserve files that are released when the disk is full.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The reserve of a folder that contains only small files (`accounts.json`, tokens): enough to rewrite each of them.
pub const SMALL_RESERVE: Reserve =
    Reserve { name: "ballast", bytes: 256 * 1024, piece: 128 * 1024 };

/// Writes a file atomically: it contains either the old or the new bytes, even after a crash. On Unix only the owner
/// can read it.
///
/// If the disk is full, a piece of the folder's reserve file is released and the write is repeated.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    loop {
        match try_write_atomic(path, bytes) {
            Err(e) if is_full(&e) && SMALL_RESERVE.release_piece(folder) => {}
            done => return done,
        }
    }
}

fn try_write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = OsString::from(path);
    part.push(".part");
    let part = PathBuf::from(part);
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    if let Err(e) = written {
        // A partial file would still occupy space.
        let _ = fs::remove_file(&part);
        return Err(e);
    }
    sync_folder_of(path)
}

/// Pauses in ms between the attempts to delete a folder on Windows.
const DELETE_PAUSES_MS: [u64; 7] = [10, 20, 40, 80, 160, 320, 640];

/// Deletes a folder with its content. On Windows, files that are still open cannot be deleted, for example because a
/// virus scanner reads them: there, the deletion is tried again for about a second. Blocking.
#[allow(clippy::disallowed_methods, reason = "Windows reports no event when a file is closed")]
pub fn remove_folder(path: &Path) -> io::Result<()> {
    if cfg!(windows) {
        for pause in DELETE_PAUSES_MS {
            match fs::remove_dir_all(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    std::thread::sleep(std::time::Duration::from_millis(pause));
                }
                done => return done,
            }
        }
    }
    fs::remove_dir_all(path)
}

/// Flushes the file to the disk. The file is opened for writing, as Windows requires.
pub fn sync(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.sync_all()
}

/// Flushes the directory entry of `path` to the disk. Does nothing on Windows, which has no such call.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Returns true if the disk is full or the quota is exhausted.
pub fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A file of random bytes that reserves disk space. On a full disk it is shortened piece by piece, so that important
/// data can be written; `fill` extends it again.
#[derive(Debug, Clone, Copy)]
pub struct Reserve {
    /// File name within the folder.
    pub name: &'static str,
    /// Size of the full reserve in bytes.
    pub bytes: u64,
    /// Bytes that one release frees.
    pub piece: u64,
}

impl Reserve {
    /// Extends the file to its full size, piece by piece, while at least two pieces are free on the disk. Failures are
    /// only logged.
    pub fn fill(self, folder: &Path) {
        let path = folder.join(self.name);
        let mut length = fs::metadata(&path).map_or(0, |m| m.len());
        while length < self.bytes {
            // One piece stays free: otherwise the next write would release the reserve again.
            let has_space = fs4::available_space(folder).is_ok_and(|free| free >= 2 * self.piece);
            let more = self.piece.min(self.bytes - length);
            if !has_space || self.add(&path, length, more).is_err() {
                tracing::warn!(reserve.bytes = length, "cannot fill the reserve file");
                // Remove an incompletely written piece.
                let _ = File::options().write(true).open(&path).and_then(|f| f.set_len(length));
                return;
            }
            length += more;
        }
    }

    fn add(self, path: &Path, from: u64, bytes: u64) -> io::Result<()> {
        // Not zeros, because they reserve no space on a compressing file system.
        let mut random_bytes = vec![0; usize::try_from(bytes).unwrap_or_default()];
        blake3::Hasher::new().update(&from.to_le_bytes()).finalize_xof().fill(&mut random_bytes);
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(&random_bytes)?;
        file.sync_all()
    }

    /// Releases one piece; returns false if the reserve is empty or cannot be changed.
    pub fn release_piece(self, folder: &Path) -> bool {
        let path = folder.join(self.name);
        let Ok(length) = fs::metadata(&path).map(|m| m.len()) else { return false };
        if length <= self.piece {
            return fs::remove_file(&path).is_ok();
        }
        let left = length - self.piece;
        let cut = File::options().write(true).open(&path).and_then(|f| f.set_len(left));
        cut.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_released_and_refilled_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve { name: "ballast", bytes: 10_000, piece: 4_000 };
        let size = || fs::metadata(dir.path().join("ballast")).map_or(0, |m| m.len());
        assert!(!reserve.release_piece(dir.path()), "no reserve yet");
        reserve.fill(dir.path());
        for left in [6_000, 2_000, 0] {
            assert!(reserve.release_piece(dir.path()));
            assert_eq!(size(), left);
        }
        assert!(!reserve.release_piece(dir.path()));
        reserve.fill(dir.path());
        reserve.release_piece(dir.path());
        reserve.fill(dir.path());
        assert_eq!(size(), 10_000);
        // A file that is larger than the reserve's full size is also reduced by one piece.
        assert!(Reserve { bytes: 2_000, piece: 1_000, ..reserve }.release_piece(dir.path()));
        assert_eq!(size(), 9_000);
    }

    #[cfg(windows)]
    #[test]
    fn a_folder_is_deleted_when_its_last_file_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let file = File::create(folder.join("file")).unwrap();
        let deleting = std::thread::spawn({
            let folder = folder.clone();
            move || remove_folder(&folder)
        });
        drop(file);
        deleting.join().unwrap().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.json");
        write_atomic(&path, b"old").unwrap();
        fs::create_dir(dir.path().join("accounts.json.part")).unwrap();
        assert!(write_atomic(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
