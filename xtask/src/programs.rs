//! Builds the programs and returns their paths.

use std::process::Command;

use crate::{
    setup,
    sh::{self, Result},
};

/// Builds the UI, then the programs: the app embeds the UI.
pub fn build() -> Result {
    setup::install_node_modules("ui")?;
    if sh::root().join("ui/package.json").exists() {
        sh::run(sh::npm("ui").args(["run", "--silent", "build"]))?;
    }
    build_tests()
}

/// Path of the app.
pub fn app() -> std::path::PathBuf {
    sh::target().join("debug").join(format!("carrel{}", std::env::consts::EXE_SUFFIX))
}

/// Builds all programs and tests. Always builds the whole workspace, so that every step uses the same features and
/// artifacts: building one package alone would compile half of the dependencies a second time.
pub fn build_tests() -> Result {
    sh::run(sh::cargo().args([
        "build",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
        "--locked",
        "--quiet",
    ]))
}

/// Returns a command of the Tauri CLI of ui/node_modules.
pub fn tauri_cli() -> Command {
    let name = if cfg!(windows) { "tauri.cmd" } else { "tauri" };
    sh::program(sh::root().join("ui/node_modules/.bin").join(name))
}
