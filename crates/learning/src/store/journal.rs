//! Journal of local changes: each row recorded on this device is appended after its transaction is committed and before
//! the change is acknowledged. It is read only to repair `user.db`: the newest backup joined with the journal contains
//! all acknowledged changes.
//!
//! Appending needs one write call and no fsync: `user.db` is the durable copy. After a power cut the end of the journal
//! may be missing. If `user.db` is damaged too, the gap is counted and reported.
//!
//! `journal/<first number>-<ms>.log` is one segment; each backup starts a new one. A line is `<checksum> <number> <ms>
//! <operation> <row as JSON>`; numbers increase by one, so missing lines can be counted.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use carrel_model::lattice::Row;

use crate::Result;

const FOLDER: &str = "journal";
/// Number of bytes of the last segment that are read first at start-up.
const TAIL_BYTES: u64 = 16 * 1024;
/// Number of hex digits of a line's checksum.
const CHECKSUM_DIGITS: usize = 16;

/// How a row is written back to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Join,
    /// The row replaced the stored one (`Tx::replace`).
    Replace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub operation: Operation,
    pub row: Row,
}

/// Missing or unreadable lines between two readable ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub entries: u64,
    /// Times of the surrounding lines; `None` at the start or the end.
    pub from_ms: Option<i64>,
    pub until_ms: Option<i64>,
}

/// Contents of all segments.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub entries: Vec<Entry>,
    pub gaps: Vec<Gap>,
    /// Number of the first readable line.
    pub first: Option<u64>,
    /// Number and time of the last readable line.
    pub last: Option<(u64, i64)>,
}

/// The segment that is being written.
pub(super) struct Journal {
    folder: PathBuf,
    file: Option<File>,
    /// Number of the next line.
    next: u64,
    /// The last line may be incomplete.
    torn: bool,
    /// A change was not appended, or there was no journal: a backup is needed.
    incomplete: bool,
}

impl Journal {
    /// Opens the journal to append after the last line. Never fails: changes that cannot be appended are gaps.
    ///
    /// `new_file`: `user.db` was just created. The first line then has the number 0, which means that the journal
    /// contains all changes; otherwise a backup is needed.
    pub fn open(dir: &Path, now_ms: i64, new_file: bool) -> Self {
        let folder = dir.join(FOLDER);
        let segments = segments(&folder);
        let next = match last_number(&segments) {
            Some(last) => last + 1,
            None => u64::from(!new_file),
        };
        let incomplete = segments.is_empty() && !new_file;
        let mut journal = Self { folder, file: None, next, torn: true, incomplete };
        let opened = match segments.last() {
            Some(segment) => {
                File::options().append(true).open(&segment.path).map(|f| journal.file = Some(f))
            }
            None => journal.start_segment(now_ms),
        };
        if let Err(e) = opened {
            tracing::warn!(error = %e, "the journal cannot be written: changes are stored in user.db only");
            journal.incomplete = true;
        }
        journal
    }

    /// Appends the rows that a commit recorded.
    pub fn append(&mut self, now_ms: i64, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        let mut text = String::new();
        if self.torn {
            text.push('\n');
        }
        let mut number = self.next;
        for entry in entries {
            match line(number, now_ms, entry) {
                Ok(line) => text.push_str(&line),
                Err(e) => {
                    tracing::warn!(
                        error = %e,
                        "a row cannot be serialised for the journal: it is stored in user.db only"
                    );
                }
            }
            number += 1;
        }
        // The numbers count as used even if nothing is written, so that the gap is detected.
        self.next = number;
        let written = match &mut self.file {
            Some(file) => file.write_all(text.as_bytes()),
            None => Err(io::Error::other("the journal is not open")),
        };
        self.torn = written.is_err();
        if let Err(e) = written {
            if !self.incomplete {
                tracing::warn!(
                    error = %e,
                    "the journal cannot be written: changes are stored in user.db only until the next backup"
                );
            }
            self.incomplete = true;
        }
    }

    /// Starts a new segment for the backup of `now_ms`, which is made next.
    pub fn rotate(&mut self, now_ms: i64) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        self.start_segment(now_ms)?;
        self.incomplete = false;
        Ok(())
    }

    /// Returns true if backup and journal together do not contain all changes.
    pub fn needs_backup(&self) -> bool {
        self.incomplete
    }
    pub fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    fn start_segment(&mut self, now_ms: i64) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{:020}-{now_ms}.log", self.next));
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.file = Some(options.open(path)?);
        self.torn = true;
        Ok(())
    }
}

/// Reads all segments.
pub(super) fn read(dir: &Path) -> Contents {
    let mut contents = Contents::default();
    let mut unreadable = 0;
    for segment in segments(&dir.join(FOLDER)) {
        let bytes = match fs::read(&segment.path) {
            Ok(bytes) => bytes,
            Err(e) => {
                tracing::warn!(
                    journal.segment = %segment.path.display(),
                    error = %e,
                    "a segment of the journal cannot be read"
                );
                continue;
            }
        };
        for line in bytes.split(|b| *b == b'\n') {
            match parse(line) {
                Some((number, at_ms, entry)) => {
                    contents.add(number, at_ms, entry);
                    unreadable = 0;
                }
                None => unreadable += u64::from(!line.is_empty()),
            }
        }
    }
    // A gap between two lines is counted from their numbers; after the last line, unreadable lines are counted.
    if unreadable > 0 {
        let from_ms = contents.last.map(|(_, at_ms)| at_ms);
        contents.gaps.push(Gap { entries: unreadable, from_ms, until_ms: None });
    }
    contents
}

/// Deletes the segments before that of the backup made at `backup_ms`.
pub(super) fn prune(dir: &Path, backup_ms: i64) {
    let segments = segments(&dir.join(FOLDER));
    let Some(kept) = segments.iter().position(|s| s.at_ms == backup_ms) else { return };
    for old in &segments[..kept] {
        if let Err(e) = fs::remove_file(&old.path) {
            tracing::warn!(error = %e, "an old journal segment could not be deleted");
        }
    }
}

/// Returns true if the journal has a segment that was started for the backup of `backup_ms`.
pub(super) fn covers(dir: &Path, backup_ms: i64) -> bool {
    segments(&dir.join(FOLDER)).iter().any(|s| s.at_ms == backup_ms)
}
/// Returns true if anything was ever written to the journal.
pub(super) fn exists(dir: &Path) -> bool {
    segments(&dir.join(FOLDER)).iter().any(|s| fs::metadata(&s.path).is_ok_and(|m| m.len() > 0))
}

impl Contents {
    fn add(&mut self, number: u64, at_ms: i64, entry: Entry) {
        match self.last {
            Some((last, _)) if number <= last => {}
            Some((last, from_ms)) if number > last + 1 => self.gaps.push(Gap {
                entries: number - last - 1,
                from_ms: Some(from_ms),
                until_ms: Some(at_ms),
            }),
            _ => {}
        }
        self.first = Some(self.first.map_or(number, |f| f.min(number)));
        if self.last.is_none_or(|(last, _)| number > last) {
            self.last = Some((number, at_ms));
        }
        self.entries.push(entry);
    }
}

struct Segment {
    first: u64,
    at_ms: i64,
    path: PathBuf,
}

fn segments(folder: &Path) -> Vec<Segment> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let named = files.flatten().filter_map(|f| {
        let name = f.file_name().into_string().ok()?;
        let (first, at_ms) = name.strip_suffix(".log")?.split_once('-')?;
        Some(Segment { first: first.parse().ok()?, at_ms: at_ms.parse().ok()?, path: f.path() })
    });
    let mut found: Vec<Segment> = named.collect();
    found.sort_by_key(|s| (s.first, s.at_ms));
    found
}

/// Returns the number of the last line; if the last segment has none, the number before its first.
fn last_number(segments: &[Segment]) -> Option<u64> {
    let last = segments.last()?;
    let written = last_line_number(&last.path).unwrap_or_else(|e| {
        tracing::warn!(error = %e, "the last segment of the journal cannot be read");
        None
    });
    match (written, last.first.checked_sub(1)) {
        (None, None) => Some(0),
        (written, before) => written.max(before),
    }
}

/// Returns the number of the last readable line of a segment. Numbers increase, so only the end of a long segment is
/// read.
fn last_line_number(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut tail = TAIL_BYTES;
    loop {
        let from = len.saturating_sub(tail);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        (&file).take(len - from).read_to_end(&mut bytes)?;
        // The first line may be truncated; its checksum is then wrong.
        let last = bytes.rsplit(|b| *b == b'\n').find_map(parse);
        match last {
            Some((number, ..)) => return Ok(Some(number)),
            None if from == 0 => return Ok(None),
            None => tail = tail.saturating_mul(8),
        }
    }
}

fn line(number: u64, at_ms: i64, entry: &Entry) -> Result<String> {
    let operation = match entry.operation {
        Operation::Join => "join",
        Operation::Replace => "replace",
    };
    let rest = format!("{number} {at_ms} {operation} {}", serde_json::to_string(&entry.row)?);
    Ok(format!("{} {rest}\n", checksum(rest.as_bytes())))
}

fn parse(line: &[u8]) -> Option<(u64, i64, Entry)> {
    let line = std::str::from_utf8(line).ok()?;
    let (sum, rest) = line.split_once(' ')?;
    if sum != checksum(rest.as_bytes()) {
        return None;
    }
    let mut fields = rest.splitn(4, ' ');
    let (number, at_ms) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let operation = match fields.next()? {
        "join" => Operation::Join,
        "replace" => Operation::Replace,
        _ => return None,
    };
    let row = Row::from_json(fields.next()?).ok()?;
    Some((number, at_ms, Entry { operation, row }))
}

fn checksum(bytes: &[u8]) -> String {
    let mut hex = carrel_model::BlobHash::of(bytes).to_hex();
    hex.truncate(CHECKSUM_DIGITS);
    hex
}

#[cfg(test)]
mod tests {
    use carrel_model::{
        ItemId,
        lattice::{ItemKind, Progress},
    };

    use super::*;

    fn entry(n: u16) -> Entry {
        let item = ItemId::new("a/b/c").unwrap();
        let row = Progress { percent: n, ..Progress::none(ItemKind::Section, item) };
        Entry { operation: Operation::Join, row: row.into() }
    }
    fn percents(dir: &Path) -> Vec<u16> {
        let of = |e: Entry| match e.row {
            Row::Progress(p) => p.percent,
            _ => panic!("no progress"),
        };
        read(dir).entries.into_iter().map(of).collect()
    }

    #[test]
    fn appends_across_restarts_and_segments_and_counts_missing_lines() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 10, true);
        journal.append(11, &[entry(0), entry(1)]);
        drop(journal);
        let mut journal = Journal::open(dir.path(), 20, false);
        assert!(!journal.needs_backup());
        journal.append(21, &[entry(2)]);
        journal.rotate(30).unwrap();
        journal.append(31, &[entry(3)]);
        journal.append(32, &[entry(4)]);
        journal.append(33, &[entry(5)]);
        assert_eq!(percents(dir.path()), [0, 1, 2, 3, 4, 5]);
        assert!(read(dir.path()).gaps.is_empty());

        // Damage to a line is detected, and the surrounding lines are read.
        let path = segments(&dir.path().join(FOLDER)).pop().unwrap().path;
        let whole = fs::read(&path).unwrap();
        let second = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0;
        for at in second + 1..second + 60 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let contents = read(dir.path());
            assert_eq!(contents.entries.len(), 5, "byte {at}");
            let gap = Gap { entries: 1, from_ms: Some(31), until_ms: Some(33) };
            assert_eq!(contents.gaps, [gap]);
        }
        // A line truncated by a crash does not corrupt the next one.
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        Journal::open(dir.path(), 40, false).append(41, &[entry(6)]);
        assert_eq!(percents(dir.path()), [0, 1, 2, 3, 4, 6]);

        prune(dir.path(), 99);
        assert_eq!(read(dir.path()).first, Some(0), "no segment was started for this backup");
        prune(dir.path(), 30);
        assert_eq!(read(dir.path()).first, Some(3));
        assert!(covers(dir.path(), 30) && !covers(dir.path(), 10));
    }

    #[test]
    fn finds_the_last_number_of_a_segment_with_a_damaged_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 10, true);
        let entries: Vec<Entry> = (0..1_000).map(entry).collect();
        journal.append(11, &entries);
        let path = segments(&dir.path().join(FOLDER)).pop().unwrap().path;
        let whole = fs::read(&path).unwrap();
        assert!(whole.len() as u64 > 4 * TAIL_BYTES);
        assert_eq!(last_line_number(&path).unwrap(), Some(999));
        // If part of the end is unreadable, the last line before it is used.
        for damaged in [10, 1_000, TAIL_BYTES as usize, 3 * TAIL_BYTES as usize] {
            let mut bytes = whole.clone();
            let from = bytes.len() - damaged;
            bytes[from..].fill(0);
            fs::write(&path, &bytes).unwrap();
            let all = bytes.split(|b| *b == b'\n').filter_map(parse).map(|(n, ..)| n).max();
            assert!(all.is_some_and(|n| n < 999));
            assert_eq!(last_line_number(&path).unwrap(), all, "{damaged} bytes");
        }
        fs::write(&path, vec![b'x'; 10 * TAIL_BYTES as usize]).unwrap();
        assert_eq!(last_line_number(&path).unwrap(), None);
        fs::write(&path, "").unwrap();
        assert_eq!(last_line_number(&path).unwrap(), None);
    }

    #[test]
    fn a_failed_append_is_a_gap_and_requires_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 10, false);
        assert!(
            journal.needs_backup(),
            "there was no journal: earlier changes are only in a backup"
        );
        journal.rotate(11).unwrap();
        assert!(!journal.needs_backup());
        journal.append(12, &[entry(1)]);
        let file = journal.file.take();
        journal.append(13, &[entry(2), entry(3)]);
        assert!(journal.needs_backup());
        journal.file = file;
        journal.append(14, &[entry(4)]);
        let contents = read(dir.path());
        assert_eq!(contents.gaps, [Gap { entries: 2, from_ms: Some(12), until_ms: Some(14) }]);
        assert!(journal.needs_backup(), "still incomplete until a backup");
    }
}
