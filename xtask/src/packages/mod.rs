//! `packages`: installs, uses, upgrades and removes the packages as an administrator would: those for Debian in a new
//! root folder (debootstrap, chroot), those for Windows in Wine. Checks the contents of the rpm, and runs the commands of
//! docs/OPERATIONS.md with which an administrator sets up a school.
//!
//! Needs the rights of root, and the network for Debian's packages. All output is written to target/packages/.

mod afternoon;
mod app;
mod root;
mod rpm;
mod server;
mod windows;

use std::path::{Path, PathBuf};

use crate::{
    bundle::{self, Options},
    setup::{self, Part},
    sh::{self, Result},
};

/// A version that is newer than each release: the upgrade of the tests.
const NEXT: &str = "99.0.0";

/// The packages of a version and of the next one.
struct Packages {
    old: Vec<PathBuf>,
    new: Vec<PathBuf>,
}

impl Packages {
    /// Returns the old and the new package whose names begin with `start` and end with `end`.
    fn pair(&self, start: &str, end: &str) -> Result<(&Path, &Path)> {
        let find = |packages: &'_ [PathBuf]| {
            packages.iter().position(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(start) && name.ends_with(end)
            })
        };
        match (find(&self.old), find(&self.new)) {
            (Some(old), Some(new)) => Ok((&self.old[old], &self.new[new])),
            _ => Err(format!("no package {start}*{end} was built")),
        }
    }
}

/// Returns true on Debian as root.
pub fn is_possible() -> bool {
    let is_root = sh::output(sh::program("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    cfg!(target_os = "linux") && is_root && sh::which("apt-get").is_some()
}

/// Returns the folder of this command.
fn folder() -> PathBuf {
    sh::target().join("packages")
}

pub fn run(args: &[String]) -> Result {
    let mut bin_dir = None;
    let mut parts: Vec<&str> = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bin-dir" => {
                let dir = args.next().ok_or("--bin-dir requires a folder")?;
                bin_dir = Some(std::path::absolute(dir).map_err(|e| format!("{dir}: {e}"))?);
            }
            part @ ("app" | "server" | "afternoon" | "rpm" | "windows") => parts.push(part),
            other => {
                return Err(format!(
                    "unknown argument `{other}`\nhint: app, server, afternoon, rpm, windows, --bin-dir DIR"
                ));
            }
        }
    }
    if !is_possible() {
        return Err("`packages` needs Debian and the rights of root".into());
    }
    let is_chosen = |part: &str| parts.is_empty() || parts.contains(&part);
    setup::install_packages(&[Part::E2e, Part::Packages, Part::Installers])?;
    if is_chosen("windows") {
        windows::test(bin_dir.as_deref())?;
    }
    if ["app", "server", "afternoon", "rpm"].into_iter().any(is_chosen) {
        let packages = build(bin_dir)?;
        if is_chosen("rpm") {
            rpm::test(packages.pair("carrel", ".rpm")?.0)?;
        }
        if is_chosen("server") {
            server::test(&packages)?;
        }
        if is_chosen("afternoon") {
            afternoon::test(&packages)?;
        }
        if is_chosen("app") {
            app::test(&packages)?;
        }
    }
    Ok(())
}

/// Builds the packages of this version and the same programs as the next version.
fn build(bin_dir: Option<PathBuf>) -> Result<Packages> {
    let mut options =
        Options { bin_dir, out: Some(folder().join("old")), is_quick: true, ..Options::default() };
    let old = bundle::build(&options)?;
    options.bin_dir.get_or_insert_with(|| sh::target().join("release"));
    options.out = Some(folder().join("new"));
    options.version = Some(NEXT.into());
    // Smaller, and an upgrade that removes files.
    options.without_library = true;
    Ok(Packages { old, new: bundle::build(&options)? })
}

/// Prints a passed check.
fn passed(what: &str) {
    println!("  passed: {what}");
}

/// Returns an error with `what` unless `condition` is true.
fn check(condition: bool, what: impl FnOnce() -> String) -> Result {
    if condition { Ok(()) } else { Err(what()) }
}
