//! The result of a check or an import, as text and as JSON.
//!
//! Not here: finding and compiling packages.

use std::fmt::Write;

use carrel_package::{Declared, Problem, Severity};
use serde::Serialize;

/// The result for one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPackage {
    /// Name in messages: the given path and the folder or file inside it.
    pub path: String,
    /// Folder or zip to which the files of problems are relative.
    pub root: String,
    /// `course` or `story`; `None` if no package was found.
    pub kind: Option<&'static str>,
    /// Id and title that the package states, also if there are errors.
    pub declared: Declared,
    /// Id and title; `None` if there are errors.
    pub identity: Option<Identity>,
    /// By file and line.
    pub problems: Vec<Problem>,
    /// For a file of another program: what became of its items.
    pub conversion: Option<Conversion>,
}

/// The report of a converted file, in both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    pub text: String,
    pub json: serde_json::Value,
}

/// Id and title of a package without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub id: String,
    pub title: String,
    /// True if this version was published before.
    pub is_unchanged: bool,
}

/// The results of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    pub packages: Vec<CheckedPackage>,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    packages: Vec<JsonPackage<'a>>,
    totals: JsonTotals,
}

#[derive(Serialize)]
struct JsonPackage<'a> {
    path: &'a str,
    root: &'a str,
    kind: Option<&'a str>,
    id: Option<&'a str>,
    title: Option<&'a str>,
    problems: Vec<JsonProblem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion: Option<&'a serde_json::Value>,
}

#[derive(Serialize)]
struct JsonProblem<'a> {
    file: &'a str,
    line: u32,
    severity: &'static str,
    code: &'a str,
    message: &'a str,
    hint: &'a str,
}

#[derive(Serialize)]
struct JsonTotals {
    packages: usize,
    failed: usize,
    errors: usize,
    warnings: usize,
}

impl CheckedPackage {
    /// Returns the result for a path without a package.
    pub fn not_found(path: String, problems: Vec<Problem>) -> Self {
        let (root, declared) = (path.clone(), Declared::default());
        Self { path, root, kind: None, declared, identity: None, problems, conversion: None }
    }
    /// Returns a problem as one line with the path of its file.
    pub fn line(&self, problem: &Problem) -> String {
        if problem.file == self.path || problem.file == self.root {
            problem.to_string()
        } else {
            format!("{}/{problem}", self.root)
        }
    }
    fn id(&self) -> Option<&str> {
        let checked = self.identity.as_ref().map(|identity| identity.id.as_str());
        checked.or(self.declared.id.as_deref())
    }
    fn title(&self) -> Option<&str> {
        let checked = self.identity.as_ref().map(|identity| identity.title.as_str());
        checked.or(self.declared.title.as_deref())
    }
    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|p| p.severity == severity).count()
    }
}

impl CheckReport {
    /// Returns true if there was at least one package and all packages are without errors.
    pub fn is_ok(&self) -> bool {
        !self.packages.is_empty() && self.failed() == 0
    }
    fn failed(&self) -> usize {
        self.packages.iter().filter(|p| p.identity.is_none()).count()
    }
    fn count(&self, severity: Severity) -> usize {
        self.packages.iter().map(|p| p.count(severity)).sum()
    }

    /// Returns all problems, a line for each package without errors, and a summary. `verb` is what was done, such as
    /// `checked`.
    pub fn to_text(&self, verb: &str) -> String {
        let mut out = String::new();
        for package in &self.packages {
            for problem in &package.problems {
                let _ = writeln!(out, "{}", package.line(problem));
            }
            if let Some(conversion) = &package.conversion {
                out.push_str(&conversion.text);
            }
            if let Some(Identity { id, title, is_unchanged }) = &package.identity {
                let kind = package.kind.unwrap_or("package");
                let unchanged = if *is_unchanged { " (unchanged)" } else { "" };
                let _ = writeln!(out, "{verb} {kind} {id}: {title}{unchanged}");
            }
        }
        let _ = writeln!(out, "{}", self.summary(verb));
        out
    }

    fn summary(&self, verb: &str) -> String {
        let (all, failed) = (self.packages.len(), self.failed());
        let packages = match (failed, all) {
            (0, _) => format!("{} {verb}, no errors", counted(all, "package")),
            (_, 1) => "the package has errors".to_owned(),
            (failed, all) if failed == all => format!("all {all} packages have errors"),
            (1, all) => format!("1 of {all} packages has errors"),
            (failed, all) => format!("{failed} of {all} packages have errors"),
        };
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let mut counts = Vec::new();
        if errors > 0 {
            counts.push(counted(errors, "error"));
        }
        if warnings > 0 {
            counts.push(counted(warnings, "warning"));
        }
        match counts.is_empty() {
            true => packages,
            false => format!("{packages} ({})", counts.join(", ")),
        }
    }

    /// Returns one JSON document; docs/PACKAGE.md describes it.
    pub fn to_json(&self) -> String {
        let packages = self
            .packages
            .iter()
            .map(|package| JsonPackage {
                path: &package.path,
                root: &package.root,
                kind: package.kind,
                id: package.id(),
                title: package.title(),
                problems: package.problems.iter().map(json_problem).collect(),
                conversion: package.conversion.as_ref().map(|conversion| &conversion.json),
            })
            .collect();
        let totals = JsonTotals {
            packages: self.packages.len(),
            failed: self.failed(),
            errors: self.count(Severity::Error),
            warnings: self.count(Severity::Warning),
        };
        serde_json::to_string_pretty(&JsonReport { packages, totals }).unwrap_or_default()
    }
}

fn json_problem(problem: &Problem) -> JsonProblem<'_> {
    JsonProblem {
        file: &problem.file,
        line: problem.line,
        severity: severity_name(problem.severity),
        code: problem.code,
        message: &problem.message,
        hint: &problem.hint,
    }
}

pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: &str, severity: Severity) -> Problem {
        let (file, message, hint) =
            (file.to_owned(), "it is wrong".to_owned(), "correct it".to_owned());
        Problem { file, line: 3, severity, code: "bad-value", message, hint }
    }

    fn package(path: &str, root: &str, problems: Vec<Problem>) -> CheckedPackage {
        let is_ok = problems.iter().all(|p| p.severity == Severity::Warning);
        let identity = is_ok.then(|| Identity {
            id: "rivers".into(),
            title: "Rivers".into(),
            is_unchanged: false,
        });
        CheckedPackage {
            path: path.into(),
            root: root.into(),
            kind: Some("course"),
            declared: Declared { id: Some("declared".into()), title: None },
            identity,
            problems,
            conversion: None,
        }
    }

    #[test]
    fn problems_name_files_that_exist() {
        let text = "lib/sw/0001_one.md";
        let report = CheckReport {
            packages: vec![
                package("lib/rivers", "lib/rivers", vec![problem("a.md", Severity::Warning)]),
                package(text, "lib", vec![problem("sw/0001_one.md", Severity::Error)]),
                package("lib/big", "lib/big", vec![problem("lib/big", Severity::Error)]),
            ],
        };
        assert_eq!(
            report.to_text("checked"),
            "lib/rivers/a.md:3: warning[bad-value]: it is wrong; correct it\n\
             checked course rivers: Rivers\n\
             lib/sw/0001_one.md:3: error[bad-value]: it is wrong; correct it\n\
             lib/big:3: error[bad-value]: it is wrong; correct it\n\
             2 of 3 packages have errors (2 errors, 1 warning)\n"
        );
        assert!(!report.is_ok());
    }

    #[test]
    fn the_summary_is_a_sentence_for_every_number() {
        let good = || package("a", "a", Vec::new());
        let bad = || package("b", "b", vec![problem("x", Severity::Error)]);
        for (packages, summary) in [
            (vec![good()], "1 package imported, no errors"),
            (vec![good(), good()], "2 packages imported, no errors"),
            (vec![bad()], "the package has errors (1 error)"),
            (vec![bad(), bad()], "all 2 packages have errors (2 errors)"),
            (vec![good(), bad()], "1 of 2 packages has errors (1 error)"),
        ] {
            assert_eq!(CheckReport { packages }.summary("imported"), summary);
        }
        assert!(!CheckReport::default().is_ok());
    }

    #[test]
    fn the_json_document_has_packages_and_totals() {
        let report = CheckReport {
            packages: vec![
                package("rivers", "rivers", Vec::new()),
                package("b", "b", vec![problem("x.md", Severity::Error)]),
            ],
        };
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "packages": [
                    { "path": "rivers", "root": "rivers", "kind": "course", "id": "rivers", "title": "Rivers",
                      "problems": [] },
                    { "path": "b", "root": "b", "kind": "course", "id": "declared", "title": null, "problems": [
                        { "file": "x.md", "line": 3, "severity": "error", "code": "bad-value",
                          "message": "it is wrong", "hint": "correct it" } ] }
                ],
                "totals": { "packages": 2, "failed": 1, "errors": 1, "warnings": 0 }
            })
        );
    }
}
