//! `gen`: generates the TypeScript types and client in ui/src/api from the command registry.
//!
//! The output is defined in crates/commands/examples/gen.rs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    programs,
    sh::{self, Result},
};

const API: &str = "ui/src/api";

pub fn run(args: &[String]) -> Result {
    programs::build_tests()?;
    if args.iter().any(|arg| arg == "--check") { check() } else { generate() }
}

/// Path of the generator, if it is built.
pub fn generator() -> Option<PathBuf> {
    let name = format!("gen{}", std::env::consts::EXE_SUFFIX);
    Some(sh::target().join("debug/examples").join(name)).filter(|path| path.is_file())
}

fn generate() -> Result {
    let generator =
        generator().ok_or("the generator is not built: crates/commands/examples/gen.rs")?;
    sh::run(Command::new(generator).arg(sh::root().join(API)))
}

/// Generates the files and returns an error if any of them changed.
pub fn check() -> Result {
    let folder = sh::root().join(API);
    let before = contents(&folder);
    generate()?;
    let after = contents(&folder);
    let changed: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{API} was not up to date: {}\nhint: the files were regenerated; commit them",
        changed.join(", ")
    ))
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for path in fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                out.insert(path, bytes);
            }
        }
    }
    out
}
