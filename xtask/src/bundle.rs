//! `bundle`: the installers this system can make. On Linux deb and rpm, in target/release/bundle.

use crate::{
    setup::{self, Part},
    sh::{self, Result},
};

pub fn run(args: &[String]) -> Result {
    setup::system(&[Part::App])?;
    setup::node("ui")?;
    let bundles = if cfg!(target_os = "linux") {
        "deb,rpm"
    } else if cfg!(windows) {
        "msi,nsis"
    } else {
        "app,dmg"
    };
    let cli = sh::root().join("ui/node_modules/.bin").join(if cfg!(windows) {
        "tauri.cmd"
    } else {
        "tauri"
    });
    let mut command = sh::program(cli);
    command.args(["build", "--ci", "--bundles", bundles]).args(args);
    // The app is not a default member: name it.
    sh::run(command.args(["--", "--package", "carrel", "--locked"]))?;
    println!("in {}", sh::target().join("release/bundle").display());
    Ok(())
}
