//! Files that are whole or not there, and on the disk when a call says so, on every system; and the reserve files that
//! are given up on a full disk.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The reserve of a folder that only holds small files (`accounts.json`, tokens): enough to write each of them anew.
pub const SMALL_RESERVE: Reserve =
    Reserve { name: "ballast", bytes: 256 * 1024, piece: 128 * 1024 };

/// Writes a file so that either the old bytes or the new ones are there, never half of them. Readable by the owner alone.
///
/// On a full disk a piece of the folder's reserve file is given up, if there is one, and it is tried again.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    loop {
        match try_write_whole(path, bytes) {
            Err(e) if is_full(&e) && SMALL_RESERVE.give_up_piece(folder) => {}
            done => return done,
        }
    }
}

fn try_write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
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
        // Half a file would only take the space that is missing.
        let _ = fs::remove_file(&part);
        return Err(e);
    }
    sync_folder_of(path)
}

/// Waits until what was written to the file, by whomever, is on the disk. Windows wants to be able to write for that.
pub fn sync(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.sync_all()
}

/// Waits until names in the folder of `path` are on the disk. Windows has no such call and needs none.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// True if there was no space, or no quota, for it.
pub fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A file of bytes without meaning. On a full disk it is given up piece by piece, so that what matters can be written;
/// it is filled again when there is space.
#[derive(Debug, Clone, Copy)]
pub struct Reserve {
    pub name: &'static str,
    pub bytes: u64,
    /// So much is given up at a time: the rest stays for the next need, of this run or of a later one.
    pub piece: u64,
}

impl Reserve {
    /// Fills the file up to its size, piece by piece, as far as the disk has a piece left beside it. Nothing depends on it.
    pub fn fill(self, folder: &Path) {
        let path = folder.join(self.name);
        let mut have = fs::metadata(&path).map_or(0, |m| m.len());
        while have < self.bytes {
            // The last free piece is not taken: then the next write would only give it up again.
            let room = fs4::available_space(folder).is_ok_and(|free| free >= 2 * self.piece);
            let more = self.piece.min(self.bytes - have);
            if !room || self.add(&path, have, more).is_err() {
                tracing::warn!(reserve.bytes = have, "no space to fill the reserve file");
                // What does not end at a piece was not written to its end.
                let _ = File::options().write(true).open(&path).and_then(|f| f.set_len(have));
                return;
            }
            have += more;
        }
    }

    fn add(self, path: &Path, from: u64, bytes: u64) -> io::Result<()> {
        // Not zeros: a file system that compresses would give nothing back.
        let mut noise = vec![0; usize::try_from(bytes).unwrap_or_default()];
        blake3::Hasher::new().update(&from.to_le_bytes()).finalize_xof().fill(&mut noise);
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(&noise)?;
        file.sync_all()
    }

    /// Gives up one piece; false if there was none.
    pub fn give_up_piece(self, folder: &Path) -> bool {
        let path = folder.join(self.name);
        let Ok(have) = fs::metadata(&path).map(|m| m.len()) else { return false };
        if have <= self.piece {
            return fs::remove_file(&path).is_ok();
        }
        let left = have - self.piece;
        let cut = File::options().write(true).open(&path).and_then(|f| f.set_len(left));
        cut.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_given_up_piece_by_piece_and_filled_again() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve { name: "ballast", bytes: 10_000, piece: 4_000 };
        let size = || fs::metadata(dir.path().join("ballast")).map_or(0, |m| m.len());
        assert!(!reserve.give_up_piece(dir.path()), "there is none yet");
        reserve.fill(dir.path());
        for left in [6_000, 2_000, 0] {
            assert!(reserve.give_up_piece(dir.path()));
            assert_eq!(size(), left);
        }
        assert!(!reserve.give_up_piece(dir.path()));
        reserve.fill(dir.path());
        reserve.give_up_piece(dir.path());
        reserve.fill(dir.path());
        assert_eq!(size(), 10_000);
        // A reserve of another size in the same folder is given up by the same piece, not down to the smaller size.
        assert!(Reserve { bytes: 2_000, piece: 1_000, ..reserve }.give_up_piece(dir.path()));
        assert_eq!(size(), 9_000);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one_and_no_part_of_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.json");
        write_whole(&path, b"old").unwrap();
        fs::create_dir(dir.path().join("accounts.json.part")).unwrap();
        assert!(write_whole(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
