//! Mutants of diagnostics: redaction, alerts, checks.

use super::Mutant;

/// The test that looks for private texts in the bundle, the log and the crash reports.
const LEAKS: &[&str] = &[
    "-p",
    "carrel-tests",
    "--test",
    "integration",
    "-E",
    "test(a_support_bundle_contains_nothing_private)",
];

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the support bundle is written without redaction",
        file: "crates/diagnostics/src/bundle.rs",
        good: "zip.write_all(redactor.redact(text).as_bytes())?;",
        bad: "let _ = redactor;\n            zip.write_all(text.as_bytes())?;",
        tests: LEAKS,
    },
    Mutant {
        name: "the log file is written without redaction",
        file: "crates/diagnostics/src/logs.rs",
        good: "let line = self.shared.redactor.redact(&line[..end]);",
        bad: "let line = line[..end].to_owned();",
        tests: unit!("carrel-diagnostics", "lines_are_redacted_cut_and_filtered"),
    },
    Mutant {
        name: "a crash report contains the whole message",
        file: "crates/diagnostics/src/crash.rs",
        good: "known.unwrap_or(\"left out, because it may contain data\")",
        bad: "if known.is_some() { known.unwrap_or_default() } else { text }",
        tests: LEAKS,
    },
    Mutant {
        name: "a dismissed alert returns without a new break",
        file: "crates/diagnostics/src/metrics/alerts.rs",
        good: "is_some_and(|newest| sample <= *newest)",
        bad: "is_some_and(|newest| sample < *newest)",
        tests: unit!(
            "carrel-diagnostics",
            "a_dismissed_percentile_returns_only_if_its_own_limit_is_broken"
        ),
    },
];
