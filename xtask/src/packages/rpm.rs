//! Checks the contents and scripts of the rpm, which is not installed: this system is a Debian.

use std::path::Path;

use super::{check, passed};
use crate::sh::{self, Result};

/// Files that the package must contain.
const FILES: &[&str] = &[
    "/usr/bin/carrel",
    "/usr/share/applications/Carrel.desktop",
    "/usr/share/doc/carrel/copyright",
    "/usr/share/icons/hicolor/scalable/apps/carrel.svg",
    "/usr/share/man/man1/carrel.1.gz",
    "/usr/share/metainfo/org.carrel.app.metainfo.xml",
    "/usr/share/mime/packages/carrel.xml",
];

pub fn test(package: &Path) -> Result {
    let query = |args: &[&str]| sh::output(sh::program("rpm").args(args).arg(package));
    let files = query(&["-qlp"])?;
    for file in FILES {
        check(files.lines().any(|line| line == *file), || format!("the rpm has no {file}"))?;
    }
    let allowed = |line: &str| {
        ["/usr/bin/", "/usr/share/", "/usr/lib/Carrel"].iter().any(|dir| line.starts_with(dir))
    };
    let others: Vec<&str> = files.lines().filter(|line| !allowed(line)).collect();
    check(others.is_empty(), || format!("the rpm has files at unexpected places: {others:?}"))?;
    let requires = query(&["-qp", "--requires"])?;
    check(requires.contains("gstreamer1-plugins-good"), || format!("the rpm requires {requires}"))?;
    // The system's file triggers update the databases of desktop entries, MIME types and icons.
    let scripts = query(&["-qp", "--scripts"])?;
    check(scripts.trim().is_empty(), || format!("the rpm has scripts:\n{scripts}"))?;
    let command = "rpm2cpio \"$0\" | cpio --quiet -i --to-stdout '*Carrel.desktop'";
    let entry = sh::output(sh::program("sh").args(["-c", command]).arg(package))?;
    check(entry.contains("Exec=carrel %U"), || format!("the desktop entry of the rpm: {entry}"))?;
    passed("rpm: files, requirements, desktop entry, no scripts");
    Ok(())
}
