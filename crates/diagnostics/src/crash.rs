//! Reports of panics, written to local files. They are never sent; a person can add them to a support bundle.

use std::{
    any::Any,
    backtrace::Backtrace,
    fmt::Write as _,
    fs,
    panic::{self, PanicHookInfo},
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_system::Clock;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{logs::LogFiles, redact::Redactor};

/// Name of the folder in the data folder.
pub const FOLDER: &str = "crashes";
/// Number of reports that are kept.
const MAX_REPORTS: usize = 5;

/// A stored report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CrashReport {
    /// Name of the file.
    pub name: String,
    /// Time of the panic (UTC, ms).
    pub at_ms: i64,
    /// The whole report.
    pub text: String,
}

/// Where and with what reports are written.
pub struct CrashReporter {
    pub folder: PathBuf,
    /// Release of the app.
    pub version: String,
    pub clock: Arc<dyn Clock>,
    pub log: LogFiles,
    pub redactor: Arc<Redactor>,
}

impl CrashReporter {
    /// Writes a report at each panic of this process, then runs the previous hook.
    pub fn install(self) {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            self.write(info);
            previous(info);
        }));
    }

    fn write(&self, info: &PanicHookInfo<'_>) {
        let at_ms = self.clock.now_ms();
        let text = self.redactor.redact(&self.report(info, at_ms));
        // Nothing can be done about an error here; the previous hook prints the panic.
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(self.folder.join(format!("crash-{at_ms}.txt")), text));
        if written.is_ok() {
            for old in names(&self.folder).into_iter().skip(MAX_REPORTS) {
                let _ = fs::remove_file(self.folder.join(old));
            }
        }
    }

    fn report(&self, info: &PanicHookInfo<'_>, at_ms: i64) -> String {
        let thread = std::thread::current();
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
        let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "Carrel {}\nsystem: {system}\ntime: {at_ms}\nthread: {}\nplace: {}\nmessage: {}\n\nbacktrace:\n{}",
            self.version,
            thread.name().unwrap_or("unnamed"),
            place.unwrap_or_default(),
            message(info.payload()),
            Backtrace::force_capture(),
        );
        let _ = writeln!(text, "last log lines:");
        for line in self.log.last_lines() {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// Starts of messages of the standard library. What follows may be a text of the user.
const KNOWN: &[&str] = &[
    "called `Result::unwrap()` on an `Err` value",
    "index out of bounds",
    "range start index",
    "range end index",
    "slice index starts at",
    "byte index",
    "start byte index",
    "end byte index",
    "assertion `left == right` failed",
    "assertion `left != right` failed",
    "RefCell already borrowed",
    "RefCell already mutably borrowed",
    "attempt to",
    "cannot access a Thread Local Storage value",
    "capacity overflow",
];

/// Returns the message as far as it cannot contain data: a literal of the source, or the start of a known message. The
/// place in the source tells the rest.
fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(literal) = payload.downcast_ref::<&'static str>() {
        return literal;
    }
    let text = payload.downcast_ref::<String>().map_or("", String::as_str);
    let known = KNOWN.iter().copied().find(|start| text.starts_with(start));
    known.unwrap_or("left out, because it may contain data")
}

/// Returns the names of the reports, newest first.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<(i64, String)> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some((time_of(&name)?, name)))
        .collect();
    names.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
    names.into_iter().map(|(_, name)| name).collect()
}

fn time_of(name: &str) -> Option<i64> {
    name.strip_prefix("crash-")?.strip_suffix(".txt")?.parse().ok()
}

/// Returns the stored reports, newest first.
pub fn reports(folder: &Path) -> Vec<CrashReport> {
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).ok()?;
        Some(CrashReport { at_ms: time_of(&name)?, name, text })
    };
    names(folder).into_iter().filter_map(read).take(MAX_REPORTS).collect()
}

/// Deletes all stored reports.
pub fn delete_reports(folder: &Path) {
    for name in names(folder) {
        let _ = fs::remove_file(folder.join(name));
    }
}

#[cfg(test)]
mod tests {
    use carrel_testkit::FakeClock;

    use super::*;

    /// One test, because the hook belongs to the whole process.
    #[test]
    fn reports_name_the_place_without_data_and_the_last_five_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        let redactor = Arc::new(Redactor::default());
        redactor.add("Amina Diallo");
        let clock = FakeClock::noon();
        let reporter = CrashReporter {
            folder: folder.clone(),
            version: "0.2.0".into(),
            clock: Arc::new(clock.clone()),
            log: LogFiles::new(None, redactor.clone()),
            redactor,
        };
        reporter.install();
        let panics = |what: fn()| {
            clock.advance(1_000);
            std::thread::Builder::new()
                .name("worker".into())
                .spawn(what)
                .unwrap()
                .join()
                .unwrap_err();
            reports(&folder).remove(0).text
        };
        let text = panics(|| panic!("a literal"));
        for part in [
            "Carrel 0.2.0",
            "thread: worker",
            "src/crash.rs:",
            "message: a literal",
            "last log lines",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let answer = std::hint::black_box("a secret answer");
        assert!(!answer.is_empty());
        let text = panics(|| panic!("{}", std::hint::black_box("a secret answer")));
        assert!(text.contains("message: left out") && !text.contains("a secret answer"), "{text}");
        let text = panics(|| {
            let result = "a secret answer".parse::<u32>().map_err(|_| "a secret answer");
            result.unwrap();
        });
        assert!(text.contains("`Result::unwrap()` on an `Err` value\n"), "{text}");
        let text = panics(|| {
            let answer = std::hint::black_box("é secret answer");
            assert!(answer[1..].is_empty());
        });
        assert!(text.contains("byte index\n") && !text.contains("secret answer"), "{text}");
        for _ in 0..10 {
            panics(|| panic!("again"));
        }
        assert_eq!(reports(&folder).len(), MAX_REPORTS);
        assert!(reports(&folder).windows(2).all(|w| w[0].at_ms > w[1].at_ms), "newest first");
        delete_reports(&folder);
        assert!(reports(&folder).is_empty());
    }
}
