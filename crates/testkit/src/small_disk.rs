//! An in-memory file system of a given size. Mounting it needs root; without it, tests are skipped.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted file system, unmounted when dropped.
pub struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    pub fn new(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self { dir });
        }
        #[expect(clippy::print_stderr, reason = "skipped tests are reported")]
        {
            eprintln!("skipped: cannot mount a small file system (needs root)");
        }
        None
    }
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
    pub fn free(&self) -> u64 {
        fs4::available_space(self.path()).unwrap()
    }
    /// Writes a file that leaves `left` free bytes, rounded to pages; returns its path.
    pub fn fill(&self, left: u64) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let page = vec![1; 4096];
        while self.free() > left && file.write_all(&page).is_ok() {}
        path
    }
    /// Remounts the file system read-only or writable.
    pub fn set_read_only(&self, read_only: bool) {
        let option = if read_only { "remount,ro" } else { "remount,rw" };
        let done = Command::new("mount").args(["-o", option]).arg(self.path()).status().unwrap();
        assert!(done.success());
    }
    /// Deletes all files.
    pub fn clear(&self) {
        for entry in fs::read_dir(self.path()).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => fs::remove_dir_all(entry.path()).unwrap(),
                false => fs::remove_file(entry.path()).unwrap(),
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
