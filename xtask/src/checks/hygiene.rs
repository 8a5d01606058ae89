//! Checks for content that does not belong in the repository: large files, debugging code, merge conflict markers,
//! keys, absolute paths of a machine.

use std::fs;

use super::report;
use crate::sh::{self, Result};

/// Maximum size of a file outside assets/, except lock files. Bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Forbidden text in two parts, so that this list does not match itself; and the reason.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("<<<<<<", "< ", "a merge conflict marker"),
    ("-----BEGIN ", "PRIVATE KEY", "a private key"),
    ("-----BEGIN RSA ", "PRIVATE KEY", "a private key"),
    ("untrusted comment: rsign encrypted ", "secret key", "a signing key"),
    ("/home", "/", "an absolute path of a machine"),
    ("/Users", "/", "an absolute path of a machine"),
    ("C:\\", "Users\\", "an absolute path of a machine"),
];

/// Debugging and unfinished code, forbidden in source files.
const FORBIDDEN_IN_SOURCES: &[(&str, &str, &str)] = &[
    ("dbg", "!(", "debugging code"),
    ("todo", "!(", "unfinished code"),
    ("unimplemented", "!(", "unfinished code"),
    ("FIX", "ME", "unfinished code"),
    ("it.only", "(", "skips the other tests"),
    ("test.only", "(", "skips the other tests"),
    ("describe.only", "(", "skips the other tests"),
];

const SOURCES: &[&str] = &["rs", "ts", "js", "svelte", "css", "sql", "py", "sh", "toml", "yml"];

pub fn check() -> Result {
    let root = sh::root();
    let checkout = root.display().to_string();
    let listing = sh::output(sh::program("git").args(["ls-files", "-z"]))?;
    let mut problems = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        let Ok(meta) = fs::symlink_metadata(root.join(path)) else { continue };
        if meta.len() > MAX_FILE_BYTES && !path.starts_with("assets/") && !path.ends_with(".lock") {
            problems.push(format!(
                "{path}: {} KiB, maximum {} KiB",
                meta.len() / 1024,
                MAX_FILE_BYTES / 1024
            ));
        }
        // Images and audio are not valid UTF-8 and are skipped here.
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            problems.extend(problems_in(path, &text, &checkout));
        }
    }
    report(&problems, "problems in the files of the repository")
}

fn problems_in(path: &str, text: &str, checkout: &str) -> Vec<String> {
    let mut out = Vec::new();
    let source = SOURCES.iter().any(|end| path.rsplit('.').next() == Some(end));
    let rules = FORBIDDEN.iter().chain(FORBIDDEN_IN_SOURCES.iter().filter(|_| source));
    for (first, second, why) in rules {
        let needle = format!("{first}{second}");
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains(&needle)) {
            out.push(format!("{path}:{}: {why}: {}", number + 1, line.trim()));
        }
    }
    // `/` alone, or a very short checkout path, would match everywhere.
    if checkout.len() > 4 && text.contains(checkout) {
        out.push(format!("{path}: contains the path of this checkout"));
    }
    if path.ends_with("package-lock.json") && text.contains("\"resolved\": \"http") {
        out.push(format!(
            "{path}: contains download URLs\nhint: set omit-lockfile-registry-resolved=true in .npmrc"
        ));
    }
    if text.contains('\r') {
        out.push(format!("{path}: has CRLF line endings"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_problem_is_reported_with_its_line() {
        let with_debugging = format!("fn a() {{}}\n    dbg{}1);\n", "!(");
        let with_conflict = format!("{}< HEAD\n", "<<<<<<");
        let with_path = "data in /srv/checkouts/carrel/target\n";
        let lock = "{ \"resolved\": \"https://r.example/x.tgz\" }\n";
        let of = |path: &str, text: &str| problems_in(path, text, "/srv/checkouts/carrel");
        assert_eq!(
            of("a.rs", &with_debugging),
            [format!("a.rs:2: debugging code: dbg{}1);", "!(")]
        );
        assert_eq!(of("a.md", &with_debugging), [""; 0]);
        assert!(of("a.md", &with_conflict)[0].starts_with("a.md:1: a merge conflict marker"));
        assert_eq!(of("a.md", with_path), ["a.md: contains the path of this checkout"]);
        assert!(of("ui/package-lock.json", lock)[0].contains("download URLs"));
        assert!(of("a.md", "one\r\n")[0].contains("CRLF"));
    }
}
