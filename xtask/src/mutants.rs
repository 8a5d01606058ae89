//! `mutants`: mutation tests. Applies one mutant to the code at a time and requires a test to fail; an undetected
//! mutant is a gap in the tests.
//!
//! The mutants are in `tests/mutants`, a file for each area. Changes only a copy of the tree (target/mutants), which
//! has a target folder of its own: packages of both trees have the same names, so in a common folder cargo would take
//! artifacts built with a mutant for those of the checkout. docs/TESTING.md lists the faults that the mutants
//! represent.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde::Deserialize;

use crate::{
    postgres::{self as postgres_cluster, Cluster},
    sh::{self, Result},
};

/// A mutant: `good`, which occurs once in `file`, is replaced by `bad`; then a test must fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    file: String,
    good: String,
    bad: String,
    /// Packages and test programs as arguments of `cargo nextest run`, separated by spaces.
    nextest: Option<String>,
    /// Filterset of nextest. All tests of `nextest` if absent.
    filter: Option<String>,
    /// Files of the UI's tests, separated by spaces. Instead of `nextest`.
    vitest: Option<String>,
}

#[derive(Deserialize)]
struct Table {
    mutant: Vec<Mutant>,
}

impl Mutant {
    /// Arguments of `cargo nextest run`.
    fn nextest_args(&self) -> Vec<&str> {
        let mut args: Vec<&str> = self.nextest.iter().flat_map(|args| args.split(' ')).collect();
        if let Some(filter) = &self.filter {
            args.extend(["-E", filter]);
        }
        args
    }
}

/// Reads the mutants of all areas.
fn all() -> Result<Vec<Mutant>> {
    let dir = sh::root().join("tests/mutants");
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.sort();
    let mut mutants = Vec::new();
    for file in files {
        let problem = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let text = fs::read_to_string(&file).map_err(|e| problem(&e))?;
        let table: Table = toml::from_str(&text).map_err(|e| problem(&e))?;
        mutants.extend(table.mutant);
    }
    Ok(mutants)
}

pub fn run(args: &[String]) -> Result {
    let all = all()?;
    let chosen: Vec<&Mutant> = all
        .iter()
        .filter(|m| {
            args.is_empty()
                || args.iter().any(|a| m.name.contains(a.as_str()) || m.file.contains(a.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        return Err(format!("no mutant matches {}", args.join(" ")));
    }
    let tree = copy()?;
    let needs_cluster = |mutant: &Mutant| {
        ["crates/store-postgres/", "migrations/server-postgres/"]
            .iter()
            .any(|folder| mutant.file.starts_with(folder))
    };
    let cluster = if chosen.iter().any(|m| needs_cluster(m)) { Cluster::start()? } else { None };
    let mut missed = Vec::new();
    for mutant in &chosen {
        let start = Instant::now();
        if needs_cluster(mutant) && cluster.is_none() {
            println!("skipped, because PostgreSQL is not installed: {}", mutant.name);
            continue;
        }
        // A mutant that cannot be applied counts as not detected and does not stop the others.
        let result = match is_detected(&tree, mutant, cluster.as_ref()) {
            Ok(true) => "detected".to_owned(),
            Ok(false) => "MISSED".to_owned(),
            Err(e) => format!("ERROR: {e}"),
        };
        println!("{result:<9} {:>6.1} s  {}", start.elapsed().as_secs_f64(), mutant.name);
        if result != "detected" {
            missed.push(mutant.name.as_str());
        }
    }
    if missed.is_empty() {
        println!("all {} mutants were detected", chosen.len());
        Ok(())
    } else {
        Err(format!("not detected: {}", missed.join("; ")))
    }
}

/// Copies the tracked files to target/mutants. Unchanged files keep their times, to avoid rebuilds.
fn copy() -> Result<PathBuf> {
    let tree = sh::target().join("mutants");
    let listed = sh::output(sh::program("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    for name in listed.lines() {
        let (from, to) = (sh::root().join(name), tree.join(name));
        // Tracked, but deleted from the disk.
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|old| old == bytes) {
            continue;
        }
        let failed = |e: std::io::Error| format!("{}: {e}", to.display());
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir).map_err(failed)?;
        }
        fs::write(&to, bytes).map_err(failed)?;
    }
    Ok(tree)
}

/// Returns true if the code was built with the mutant and a test failed.
fn is_detected(tree: &Path, mutant: &Mutant, cluster: Option<&Cluster>) -> Result<bool> {
    let path = tree.join(&mutant.file);
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let original = fs::read_to_string(&path).map_err(failed)?;
    if original.matches(&mutant.good).count() != 1 {
        return Err(format!(
            "{}: `good` does not occur exactly once: {}",
            mutant.file, mutant.name
        ));
    }
    fs::write(&path, original.replace(&mutant.good, &mutant.bad)).map_err(failed)?;
    let outcome = match &mutant.vitest {
        Some(files) => ui_tests_fail(tree, files),
        None => rust_tests_fail(tree, &mutant.nextest_args(), cluster),
    };
    fs::write(&path, original).map_err(failed)?;
    outcome.map_err(|e| format!("{}: {e}", mutant.name))
}

/// nextest's exit code if tests ran and some failed. Other codes are errors, for example no matching test.
const NEXTEST_FAILED: i32 = 100;

fn rust_tests_fail(tree: &Path, tests: &[&str], cluster: Option<&Cluster>) -> Result<bool> {
    let cargo = |verb: &[&str]| {
        let mut command = sh::cargo();
        command
            .current_dir(tree)
            .args(verb)
            .args(tests)
            .env("CARGO_TARGET_DIR", tree.join("target"))
            .envs(cluster.map(|cluster| (postgres_cluster::VARIABLE, cluster.address())));
        command
    };
    sh::output(cargo(&["nextest", "run", "--locked", "--no-run"]).stdin(Stdio::null()))
        .map_err(|e| format!("does not build: {e}"))?;
    match status(&mut cargo(&["nextest", "run", "--locked", "--fail-fast", "--retries", "0"]))? {
        Some(0) => Ok(false),
        Some(NEXTEST_FAILED) => Ok(true),
        code => Err(format!("nextest exited with {code:?}: no test result")),
    }
}

fn ui_tests_fail(tree: &Path, files: &str) -> Result<bool> {
    let modules = tree.join("ui/node_modules");
    if !modules.exists() {
        link(&sh::root().join("ui/node_modules"), &modules)
            .map_err(|e| format!("{}: {e}", modules.display()))?;
    }
    let mut vitest = sh::npm("ui");
    vitest
        .current_dir(tree.join("ui"))
        .args(["run", "--silent", "test", "--"])
        .args(files.split(' '));
    Ok(status(&mut vitest)? != Some(0))
}

fn status(command: &mut Command) -> Result<Option<i32>> {
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("{command:?}: {e}"))?;
    Ok(done.code())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mutant whose text no longer occurs would be noticed only by a run of all mutants, which takes over an hour.
    #[test]
    fn each_mutant_can_be_applied() {
        let stale: Vec<String> = all()
            .expect("the tables of mutants can be read")
            .iter()
            .filter_map(|m| {
                let text = fs::read_to_string(sh::root().join(&m.file)).unwrap_or_default();
                let count = text.matches(&m.good).count();
                (count != 1).then(|| format!("{}: {} ({count} times)", m.file, m.name))
            })
            .collect();
        assert!(stale.is_empty(), "{}", stale.join("\n"));
    }

    #[test]
    fn each_mutant_names_the_tests_of_one_tool() {
        for m in all().expect("the tables of mutants can be read") {
            assert!(m.nextest.is_some() != m.vitest.is_some(), "{}", m.name);
            assert!(m.filter.is_none() || m.nextest.is_some(), "{}", m.name);
        }
    }
}
