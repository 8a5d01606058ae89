//! Builds the programs, and says where they are.

use crate::{
    setup,
    sh::{self, Result},
};

/// The UI, then the programs: the app has the UI inside.
pub fn build() -> Result {
    setup::node("ui")?;
    if sh::root().join("ui/package.json").exists() {
        sh::run(sh::npm("ui").args(["run", "--silent", "build"]))?;
    }
    build_tests()
}

/// The built app.
pub fn app() -> std::path::PathBuf {
    sh::target().join("debug").join(format!("carrel{}", std::env::consts::EXE_SUFFIX))
}

/// Builds every program and test. Always the whole workspace, so that features, and with them every build, are
/// the same for each step: a build of one package alone would compile half of the dependencies a second time.
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
