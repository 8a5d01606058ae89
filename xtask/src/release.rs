//! `release`: makes the update feed from the installers in target/bundle (docs/UPDATES.md).

use crate::sh::{self, Result};

/// Folder of the mirror, if `--out` names no other one.
const OUT: &str = "release/updates";

pub fn run(args: &[String]) -> Result {
    let bundles = sh::target().join("bundle");
    let out = sh::target().join(OUT);
    let mut command = sh::cargo();
    command.args(["run", "--quiet", "--locked", "--package", "carrel-release", "--", "publish"]);
    command.arg("--root").arg(sh::root());
    let is_given = |name: &str| args.iter().any(|a| a.split('=').next() == Some(name));
    if !is_given("--bundles") && bundles.is_dir() {
        command.arg("--bundles").arg(bundles);
    }
    if !is_given("--out") {
        command.arg("--out").arg(out);
    }
    sh::run(command.args(args))
}
