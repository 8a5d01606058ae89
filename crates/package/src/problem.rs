//! What is wrong with a package: one line for each problem, with the place and the way out.
//!
//! Not here: deciding what is wrong. Every other room of this crate reports into [`Problems`] and goes on, so that an author sees
//! the whole list at once.

use std::{cell::RefCell, collections::BTreeSet, fmt};

/// An error stops the compiler from writing anything; a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One problem. `code` is stable (docs/PACKAGE.md has the table); `message` and `hint` are for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path inside the package with `/`, or the path that was given when the package itself is at fault.
    pub file: String,
    /// From 1; 1 where a line has no meaning (a broken picture).
    pub line: u32,
    pub severity: Severity,
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// True if this stops the compiler.
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

/// How many problems are kept. A package this broken has one cause.
const MOST: usize = 2_000;

/// Collects problems through a shared reference, so that readers of a file can report while they hold parts of it.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: RefCell<Vec<Problem>>,
    seen: RefCell<BTreeSet<(String, u32, &'static str, String)>>,
}

/// A place: a file of the package and a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub file: &'a str,
    pub line: u32,
}

impl Problems {
    pub fn error(
        &self,
        at: Place<'_>,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(at, Severity::Error, code, message.into(), hint.into());
    }
    pub fn warn(
        &self,
        at: Place<'_>,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(at, Severity::Warning, code, message.into(), hint.into());
    }
    fn push(
        &self,
        at: Place<'_>,
        severity: Severity,
        code: &'static str,
        message: String,
        hint: String,
    ) {
        let mut list = self.list.borrow_mut();
        // A picture that is used twice is broken once.
        let fresh =
            self.seen.borrow_mut().insert((at.file.to_owned(), at.line, code, message.clone()));
        if fresh && list.len() < MOST {
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
        let at = Place { file: &problem.file, line: problem.line };
        self.push(
            at,
            problem.severity,
            problem.code,
            problem.message.clone(),
            problem.hint.clone(),
        );
    }
    pub fn has_errors(&self) -> bool {
        self.list.borrow().iter().any(Problem::is_error)
    }
    /// All problems by file and line.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        list.sort();
        list
    }
}

/// One error on its own, for the doors that stop at the first (opening a zip).
pub(crate) fn one(
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
