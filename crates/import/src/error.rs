//! Why a whole file is refused.

use carrel_package::{Problem, Severity};

/// A file that cannot be converted: a stable code of docs/PACKAGE.md, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

pub(crate) type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { code, message: message.into(), hint }
    }
    /// Returns the refusal of a file that is damaged or of another kind than its name says.
    pub fn broken(message: impl Into<String>) -> Self {
        Self::new("import-broken", message, "export the file again, or copy it again")
    }
    /// Returns the refusal of a file without anything to import.
    pub fn empty(message: impl Into<String>) -> Self {
        Self::new("import-empty", message, "check that this is the file that you meant")
    }
    /// Returns the refusal of a file that exceeds a limit.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new("import-limit", message, "split the file, or export a part of it")
    }
    /// Returns the refusal of a zip that cannot be opened, by its first problem.
    pub fn of_archive(problems: Vec<Problem>) -> Self {
        match problems.into_iter().next() {
            Some(problem) => {
                let hint = "export the file again, or copy it again";
                Self::new(problem.code, problem.message, hint)
            }
            None => Self::broken("the file cannot be opened"),
        }
    }
    /// Returns the problem of the file `name`.
    pub fn into_problem(self, name: &str) -> Problem {
        Problem {
            file: name.to_owned(),
            line: 1,
            severity: Severity::Error,
            code: self.code,
            message: self.message,
            hint: self.hint.to_owned(),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Self {
        Self::new(
            "unreadable",
            format!("a file cannot be read or written: {e}"),
            "check the permissions and the free disk space",
        )
    }
}
