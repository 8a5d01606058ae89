//! The log file `logs/carrel.log` of limited size, and the last lines in memory. All lines are redacted before they are
//! stored.
//!
//! Not here: which lines are written (the host's filter), standard error.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt::MakeWriter};

use crate::{actions::TARGET, redact::Redactor};

/// Name of the folder in the data folder.
pub const FOLDER: &str = "logs";
/// Name of the newest file. Older ones are `carrel.1.log` to `carrel.4.log`.
const FILE: &str = "carrel.log";
/// Maximum size of one file in bytes.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;
/// Number of files, so that all together have at most 10 MiB.
const MAX_FILES: usize = 5;
/// Number of lines that are kept in memory.
pub const MAX_LAST_LINES: usize = 200;
/// Longer lines are cut.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// Writes lines to the files. Clones share them. An error (a full disk) loses lines and disturbs nothing else.
#[derive(Clone)]
pub struct LogFiles {
    shared: Arc<Shared>,
}

struct Shared {
    folder: Option<PathBuf>,
    max_file_bytes: u64,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<(File, u64)>,
    last: VecDeque<String>,
}

impl LogFiles {
    /// Writes to `carrel.log` in `folder`, which is created with the first line. Without a folder, lines are only kept
    /// in memory.
    pub fn new(folder: Option<PathBuf>, redactor: Arc<Redactor>) -> Self {
        Self::with_size(folder, redactor, MAX_FILE_BYTES)
    }

    fn with_size(folder: Option<PathBuf>, redactor: Arc<Redactor>, max_file_bytes: u64) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Shared { folder, max_file_bytes, redactor, state }) }
    }

    /// Returns the last lines, oldest first.
    pub fn last_lines(&self) -> Vec<String> {
        // A panic while a line is written must not block the report of this panic.
        let state = self.shared.state.try_lock();
        state.map_or_else(Vec::new, |state| state.last.iter().cloned().collect())
    }

    fn write_line(&self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        let mut end = line.len().min(MAX_LINE_BYTES);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.shared.redactor.redact(&line[..end]);
        let Some(mut state) = self.shared.state.try_lock_for(std::time::Duration::from_secs(1))
        else {
            return;
        };
        if let Some(folder) = &self.shared.folder
            && state.append(folder, self.shared.max_file_bytes, &line).is_err()
        {
            // Opened again with the next line.
            state.file = None;
        }
        if state.last.len() == MAX_LAST_LINES {
            state.last.pop_front();
        }
        state.last.push_back(line);
    }
}

impl State {
    fn append(&mut self, folder: &Path, max_bytes: u64, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.file.as_ref().is_some_and(|(_, size)| size + bytes > max_bytes) {
            self.file = None;
            rotate(folder)?;
        }
        if self.file.is_none() {
            let mut file = open(folder)?;
            let mut size = file.metadata()?.len();
            if size + bytes > max_bytes {
                rotate(folder)?;
                file = open(folder)?;
                size = 0;
            }
            self.file = Some((file, size));
        }
        if let Some((file, size)) = &mut self.file {
            file.write_all(format!("{line}\n").as_bytes())?;
            *size += bytes;
        }
        Ok(())
    }
}

/// Opens the newest file, readable by its owner only.
fn open(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let mut options = File::options();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(folder.join(FILE))
}

fn numbered(folder: &Path, number: usize) -> PathBuf {
    if number == 0 { folder.join(FILE) } else { folder.join(format!("carrel.{number}.log")) }
}

/// Renames each file to the next number; the oldest one is replaced.
fn rotate(folder: &Path) -> io::Result<()> {
    for number in (0..MAX_FILES - 1).rev() {
        match fs::rename(numbered(folder, number), numbered(folder, number + 1)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Returns the log files that exist, newest first.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    (0..MAX_FILES).map(|n| numbered(folder, n)).filter(|path| path.is_file()).collect()
}

/// Returns the filter of the log file: this app's lines from `level` on, and warnings of its libraries. The level of
/// the libraries cannot be raised, because their details contain addresses and header fields.
pub fn filter(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("carrel", level)
        .with_target(TARGET, LevelFilter::OFF)
}

/// Collects one event and writes it as lines.
pub struct LineWriter {
    files: LogFiles,
    text: Vec<u8>,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
impl Drop for LineWriter {
    fn drop(&mut self) {
        self.files.write_line(&String::from_utf8_lossy(&self.text));
    }
}
impl<'w> MakeWriter<'w> for LogFiles {
    type Writer = LineWriter;
    fn make_writer(&'w self) -> LineWriter {
        LineWriter { files: self.clone(), text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Layer, layer::SubscriberExt};

    use super::*;

    fn total(folder: &Path) -> u64 {
        files(folder).iter().map(|f| fs::metadata(f).unwrap().len()).sum()
    }

    #[test]
    fn the_files_have_a_limited_size_and_keep_the_newest_lines() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("logs");
        let write = |from: u32, to: u32| {
            let files = LogFiles::with_size(Some(folder.clone()), Arc::default(), 1_000);
            for n in from..to {
                files.write_line(&format!("line {n}"));
                assert!(total(&folder) <= 5_000);
            }
            files
        };
        write(0, 400);
        // Another run continues the file.
        let log = write(400, 1_000);
        assert_eq!(files(&folder).len(), MAX_FILES);
        let newest = fs::read_to_string(&files(&folder)[0]).unwrap();
        assert!(newest.ends_with("line 999\n"), "{newest}");
        let all: String =
            files(&folder).iter().rev().map(|f| fs::read_to_string(f).unwrap()).collect();
        let numbers: Vec<u32> =
            all.lines().map(|l| l.strip_prefix("line ").unwrap().parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "no line is lost between files");
        assert_eq!(log.last_lines().len(), MAX_LAST_LINES);
        assert_eq!(log.last_lines().last().unwrap(), "line 999");
    }

    #[test]
    fn lines_are_redacted_cut_and_filtered() {
        let dir = tempfile::tempdir().unwrap();
        let redactor = Arc::new(Redactor::default());
        redactor.add("Amina Diallo");
        let log = LogFiles::new(Some(dir.path().to_owned()), redactor);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(log)
            .with_filter(filter(LevelFilter::TRACE));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "carrel_sync", "sync of Amina Diallo");
            tracing::debug!(target: "hyper::proto", "a header field");
            tracing::warn!(target: "hyper::proto", "a warning");
            tracing::info_span!(target: TARGET, "command").in_scope(|| {
                tracing::info!(target: TARGET, "measured");
            });
            tracing::info!(target: "carrel", "{}", "é".repeat(10_000));
        });
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(text.contains("sync of [removed]") && text.contains("a warning"), "{text}");
        assert!(!text.contains("Amina") && !text.contains("header") && !text.contains("measured"));
        assert!(text.len() < 3 * MAX_LINE_BYTES);
    }

    #[test]
    fn a_folder_that_cannot_be_written_loses_only_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let log = LogFiles::new(Some(file.join("logs")), Arc::default());
        log.write_line("kept in memory");
        assert_eq!(log.last_lines(), ["kept in memory"]);
        fs::remove_file(&file).unwrap();
        log.write_line("written");
        assert_eq!(fs::read_to_string(file.join("logs").join(FILE)).unwrap(), "written\n");
    }
}
