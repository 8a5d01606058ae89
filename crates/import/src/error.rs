//! Why a whole file is refused.

use carrel_package::{Problem, Severity};

/// A file that cannot be converted: a stable code of docs/PACKAGE.md, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

/// The codes of problems for which a whole file is refused: those of this crate, then those of a zip that cannot be
/// opened. The app has a message for each.
pub const PROBLEM_CODES: [&str; 21] = [
    "bad-lang",
    "import-broken",
    "import-empty",
    "import-limit",
    "import-newer",
    "import-protected",
    "import-xml",
    "internal",
    "unreadable",
    "file-too-large",
    "no-package",
    "not-found",
    "path-duplicate",
    "path-name",
    "too-large",
    "too-many-files",
    "zip-broken",
    "zip-encrypted",
    "zip-method",
    "zip-names",
    "zip-ratio",
];

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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::PROBLEM_CODES;

    /// Returns the texts in quotes of the code of a file, without its tests.
    fn literals(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned)).collect()
    }

    #[test]
    fn every_code_of_a_refusal_is_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = BTreeSet::new();
        // The first argument of each refusal.
        for entry in walk(&root.join("src")) {
            let source = fs::read_to_string(&entry).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for after in ["Refusal::new(", "Self::new("] {
                let calls = code.split(after).skip(1).map(str::trim_start);
                let quoted = calls.filter_map(|call| call.strip_prefix('"')?.split('"').next());
                found.extend(quoted.map(str::to_owned));
            }
        }
        // What opening a zip or a folder reports.
        let package = root.join("../package/src/source");
        for name in ["zip.rs", "zip_directory.rs", "mod.rs"] {
            let source = fs::read_to_string(package.join(name)).unwrap();
            let is_code = |text: &String| {
                text == "unreadable"
                    || text.contains('-')
                        && text.split('-').all(|word| {
                            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
                        })
            };
            found.extend(literals(&source).into_iter().filter(is_code));
        }
        let listed: BTreeSet<String> = PROBLEM_CODES.iter().map(ToString::to_string).collect();
        assert_eq!(found, listed);
    }

    fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(walk(&path));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
        files
    }
}
