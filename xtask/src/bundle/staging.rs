//! A folder with the files of a package, as they will be installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::sh::{self, Result};

/// Modes of the files of a package.
pub const FILE: u32 = 0o644;
pub const PROGRAM: u32 = 0o755;

/// The files of a package below `root`.
pub struct Staging {
    pub root: PathBuf,
}

impl Staging {
    /// Starts with an empty folder.
    pub fn new(root: PathBuf) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|e| format!("{}: {e}", root.display()))?;
        }
        fs::create_dir_all(&root).map_err(|e| format!("{}: {e}", root.display()))?;
        Ok(Self { root })
    }

    /// Copies a file of the repository, or one with an absolute path.
    pub fn copy(&self, from: impl AsRef<Path>, to: &str, mode: u32) -> Result {
        let from = sh::root().join(from);
        let bytes = fs::read(&from).map_err(|e| format!("{}: {e}", from.display()))?;
        self.write(to, &bytes, mode)
    }

    /// Writes a file.
    pub fn write(&self, to: &str, bytes: &[u8], mode: u32) -> Result {
        let path = self.root.join(to.trim_start_matches('/'));
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, bytes))
            .and_then(|()| set_mode(&path, mode));
        written.map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Writes a text compressed by gzip, without time and name, so that the same text has the same bytes.
    pub fn write_gz(&self, to: &str, text: &str) -> Result {
        self.write(to, text.as_bytes(), FILE)?;
        let path = self.root.join(to.trim_start_matches('/'));
        sh::output(sh::program("gzip").args(["-9", "-n", "-f"]).arg(&path)).map(drop)
    }

    /// Returns the paths of all files relative to the root, in order.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut out = Vec::new();
        let mut pending = vec![self.root.clone()];
        while let Some(dir) = pending.pop() {
            let entries = fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    pending.push(path);
                } else {
                    out.push(path.strip_prefix(&self.root).unwrap_or(&path).to_owned());
                }
            }
        }
        out.sort();
        Ok(out)
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}
