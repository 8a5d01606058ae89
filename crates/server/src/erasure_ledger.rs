//! The file with the ids of deleted accounts: a line of JSON for each, added and never changed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use carrel_model::UserId;
use serde::{Deserialize, Serialize};

use crate::{
    domain::erasure::{Erased, ErasureLedger},
    folders::sync_dir,
};

const FILE: &str = "erased.jsonl";

/// A ledger in a folder. Several processes can add to it.
pub struct LedgerFile(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: UserId,
    deleted_ms: i64,
}

impl LedgerFile {
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }
}

impl ErasureLedger for LedgerFile {
    fn read(&self) -> io::Result<Vec<Erased>> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut erased = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            // A line that a power cut has shortened is in the database, and is added again.
            match serde_json::from_str(line) {
                Ok(Line { id, deleted_ms }) => erased.push(Erased { id, deleted_ms }),
                Err(e) => tracing::warn!(error = %e, path = ?self.0, "skipped a damaged line"),
            }
        }
        Ok(erased)
    }
    fn add(&self, erased: &[Erased]) -> io::Result<()> {
        let is_new = !self.0.exists();
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.0)?;
        let mut text = String::new();
        // After a line without an end.
        if ends_within_a_line(&mut file)? {
            text.push('\n');
        }
        for Erased { id, deleted_ms } in erased.iter().copied() {
            text += &serde_json::to_string(&Line { id, deleted_ms })?;
            text.push('\n');
        }
        // One call, so that lines of several processes are not mixed.
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if is_new && let Some(folder) = self.0.parent() {
            sync_dir(folder).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back_after_a_shortened_line() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerFile::in_folder(&dir.path().join("new"));
        assert_eq!(ledger.read().unwrap(), []);
        let [a, b, c] =
            [1, 2, 3].map(|n| Erased { id: UserId::from_u128(n), deleted_ms: n as i64 });
        ledger.add(&[a, b]).unwrap();
        let text = fs::read_to_string(&ledger.0).unwrap();
        fs::write(&ledger.0, &text[..text.len() - 5]).unwrap();
        assert_eq!(ledger.read().unwrap(), [a]);
        ledger.add(&[c]).unwrap();
        assert_eq!(ledger.read().unwrap(), [a, c]);
    }
}
