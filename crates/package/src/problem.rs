//! Problems of a package: what is wrong, in which file and line, and what to do.
//!
//! Not here: detecting them. The other modules report to [`Problems`] and continue, so that authors get the complete
//! list.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
};

/// Severity of a problem. A package with an error is rejected; a warning does not reject it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A problem of a package. `code` is stable (see the table in docs/PACKAGE.md); `message` and `hint` are for authors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path inside the package with `/`, or the path as given for a problem of the package itself.
    pub file: String,
    /// From 1; 1 where lines do not apply (a broken image).
    pub line: u32,
    pub severity: Severity,
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// Returns true for an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}: {severity}[{}]: {}", self.file, self.line, self.code, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Returns true if a path contains nothing to import, and has no other problem.
pub fn is_no_package(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.code == "no-package")
}

/// Maximum number of stored problems.
const MAX_PROBLEMS: usize = 2_000;
/// Maximum length of a message or hint in characters; a message may quote a whole file.
const MAX_MESSAGE: usize = 1_000;

/// Collects problems through a shared reference, so that readers of a file can report while they borrow parts of it.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: RefCell<Vec<Problem>>,
    /// Number of errors, including those beyond the limit: any error must reject the package.
    errors: Cell<usize>,
    /// Number of problems beyond the limit.
    omitted: Cell<usize>,
    seen: RefCell<BTreeSet<(String, u32, &'static str, String)>>,
}

/// A location in a file of the package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceLocation<'a> {
    pub file: &'a str,
    pub line: u32,
}

impl Problems {
    pub fn error(
        &self,
        at: SourceLocation<'_>,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(at, Severity::Error, code, message.into(), hint.into());
    }
    pub fn warn(
        &self,
        at: SourceLocation<'_>,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(at, Severity::Warning, code, message.into(), hint.into());
    }
    fn push(
        &self,
        at: SourceLocation<'_>,
        severity: Severity,
        code: &'static str,
        message: String,
        hint: String,
    ) {
        if severity == Severity::Error {
            self.errors.set(self.errors.get() + 1);
        }
        let (message, hint) = (shortened(message), shortened(hint));
        let mut list = self.list.borrow_mut();
        let is_full = list.len() >= MAX_PROBLEMS;
        if is_full && severity == Severity::Warning {
            return self.omitted.set(self.omitted.get() + 1);
        }
        // A problem of a file that is used twice is reported once.
        let key = (at.file.to_owned(), at.line, code, message.clone());
        let mut seen = self.seen.borrow_mut();
        let is_new = !seen.contains(&key);
        if is_new && !is_full {
            seen.insert(key);
        }
        if is_new && is_full {
            self.omitted.set(self.omitted.get() + 1);
            // An error explains why the package is rejected, so it replaces a warning.
            let Some(warning) = list.iter().rposition(|p| !p.is_error()) else { return };
            list.remove(warning);
        }
        if is_new {
            list.push(Problem {
                file: at.file.to_owned(),
                line: at.line,
                severity,
                code,
                message,
                hint,
            });
        }
    }
    pub fn add(&self, problem: Problem) {
        let at = SourceLocation { file: &problem.file, line: problem.line };
        self.push(
            at,
            problem.severity,
            problem.code,
            problem.message.clone(),
            problem.hint.clone(),
        );
    }
    pub fn has_errors(&self) -> bool {
        self.errors.get() > 0
    }
    /// Returns all problems, sorted by file and line.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        list.sort();
        let omitted = self.omitted.get();
        if let (true, Some(last)) = (omitted > 0, list.last()) {
            let message = format!("{omitted} more problems are not listed");
            let file = last.file.clone();
            let severity = Severity::Warning;
            let hint = "correct these first".to_owned();
            list.push(Problem {
                file,
                line: last.line,
                severity,
                code: "more-problems",
                message,
                hint,
            });
        }
        list
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns an error about a whole file (line 1).
pub(crate) fn file_error(
    file: &str,
    code: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Problem {
    Problem {
        file: file.to_owned(),
        line: 1,
        severity: Severity::Error,
        code,
        message: message.into(),
        hint: hint.into(),
    }
}

#[cfg(test)]
mod tests;
