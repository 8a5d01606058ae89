//! Writes packages for Debian with dpkg-deb, compressed by xz.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Options,
    staging::{FILE, PROGRAM, Staging},
};
use crate::sh::{self, Result};

/// The control file of a package, and its scripts.
pub struct Package<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub section: &'a str,
    pub depends: &'a str,
    /// The summary, then paragraphs.
    pub description: &'a [&'a str],
    /// Installed paths of files that an administrator may change.
    pub conffiles: &'a [&'a str],
    /// Name of a maintainer script and its file.
    pub scripts: &'a [(&'a str, &'a str)],
}

/// Writes the package of the staged files to the folder of the packages.
pub fn build(staging: &Staging, package: &Package<'_>, options: &Options) -> Result<PathBuf> {
    let files = staging.files()?;
    let architecture = sh::output(sh::program("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let mut sums = sh::program("md5sum");
    let sums = sh::output(sums.current_dir(&staging.root).arg("--").args(&files))?;
    let bytes: u64 = files
        .iter()
        .filter_map(|file| fs::metadata(staging.root.join(file)).ok())
        .map(|meta| meta.len().div_ceil(1024))
        .sum();
    staging.write("DEBIAN/control", control(package, architecture, bytes).as_bytes(), FILE)?;
    staging.write("DEBIAN/md5sums", sums.as_bytes(), FILE)?;
    if !package.conffiles.is_empty() {
        let list: String = package.conffiles.iter().map(|path| format!("{path}\n")).collect();
        staging.write("DEBIAN/conffiles", list.as_bytes(), FILE)?;
    }
    for (name, file) in package.scripts {
        staging.copy(file, &format!("DEBIAN/{name}"), PROGRAM)?;
    }
    let file =
        options.out().join(format!("{}_{}_{architecture}.deb", package.name, package.version));
    pack(&staging.root, &file, options.is_quick)?;
    Ok(file)
}

fn control(package: &Package<'_>, architecture: &str, kib: u64) -> String {
    let Package { name, version, section, depends, .. } = package;
    let mut description = package.description.iter();
    let summary = description.next().copied().unwrap_or_default();
    let paragraphs: Vec<String> = description.map(|text| format!(" {text}\n")).collect();
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: The Carrel authors <packages@carrel.example>\nInstalled-Size: {kib}\nDepends: {depends}\n\
         Section: {section}\nPriority: optional\nHomepage: https://carrel.example\nDescription: {summary}\n{}",
        paragraphs.join(" .\n")
    )
}

/// Replaces a package by the same one compressed by xz.
pub fn recompress(file: &Path, is_quick: bool) -> Result {
    let folder = file.with_extension("files");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    sh::output(sh::program("dpkg-deb").arg("--raw-extract").args([file, &folder]))?;
    pack(&folder, file, is_quick)?;
    fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
}

fn pack(folder: &Path, file: &Path, is_quick: bool) -> Result {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    let level: &[&str] = if is_quick { &["-z0"] } else { &["-z9", "-Sextreme"] };
    let mut dpkg = sh::program("dpkg-deb");
    dpkg.args(["--root-owner-group", "-Zxz"]).args(level).arg("--build").args([folder, file]);
    sh::output(&mut dpkg).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: Package<'_> = Package {
        name: "carrel-test",
        version: "1.2.3",
        section: "net",
        depends: "libc6 (>= 2.34)",
        description: &["A test", "One.", "Two."],
        conffiles: &["/etc/carrel-test"],
        scripts: &[],
    };

    #[test]
    fn the_control_file_has_paragraphs() {
        let text = control(&PACKAGE, "amd64", 12);
        assert!(text.contains("\nInstalled-Size: 12\n"), "{text}");
        assert!(text.ends_with("\nDescription: A test\n One.\n .\n Two.\n"), "{text}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_package_contains_its_files_with_their_modes() {
        if sh::which("dpkg-deb").is_none() {
            return;
        }
        let folder = sh::target().join("xtask-test/deb");
        let staging = Staging::new(folder.join("files")).unwrap();
        staging.write("/etc/carrel-test", b"a", FILE).unwrap();
        staging.write("/usr/bin/carrel-test", b"#!/bin/sh\n", PROGRAM).unwrap();
        let options = Options { out: Some(folder), is_quick: true, ..Options::default() };
        let file = build(&staging, &PACKAGE, &options).unwrap();
        recompress(&file, false).unwrap();
        let listing = sh::output(sh::program("dpkg-deb").arg("--contents").arg(&file)).unwrap();
        assert!(
            listing.lines().any(|line| {
                line.starts_with("-rwxr-xr-x root/root") && line.ends_with("./usr/bin/carrel-test")
            }),
            "{listing}"
        );
        let info = sh::output(sh::program("dpkg-deb").arg("--info").arg(&file)).unwrap();
        assert!(info.contains("conffiles") && info.contains("md5sums"), "{info}");
    }
}
