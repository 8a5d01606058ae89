//! `bundle`: builds the installers of this system, including the demo library. On Linux these are deb and rpm, in
//! target/release/bundle.
//!
//! The other contents of the installers are defined in `tauri.conf.json`.

use crate::{
    demo,
    setup::{self, Part},
    sh::{self, Result},
};

/// Folder of the demo library in the app's resources.
const LIBRARY_DIR: &str = "demo-library";

pub fn run(args: &[String]) -> Result {
    setup::install_packages(&[Part::App])?;
    setup::install_node_modules("ui")?;
    let bundles = if cfg!(target_os = "linux") {
        "deb,rpm"
    } else if cfg!(windows) {
        "msi,nsis"
    } else {
        "app,dmg"
    };
    sh::run(sh::cargo().args(["build", "--release", "--locked", "--package", "carrel-server"]))?;
    let library = sh::target().join(LIBRARY_DIR);
    demo::build_library(&demo::server_program("release"), &library)?;
    let cli = sh::root().join("ui/node_modules/.bin").join(if cfg!(windows) {
        "tauri.cmd"
    } else {
        "tauri"
    });
    // Not in tauri.conf.json, because then the library would have to exist before every build of the app.
    let resources = format!(
        r#"{{"bundle":{{"resources":{{"{}":"{LIBRARY_DIR}"}}}}}}"#,
        library.display().to_string().replace('\\', "/")
    );
    let mut command = sh::program(cli);
    command.args(["build", "--ci", "--bundles", bundles, "--config", &resources]).args(args);
    // The app is not a default member of the workspace.
    sh::run(command.args(["--", "--package", "carrel", "--locked"]))?;
    println!("installers: {}", sh::target().join("release/bundle").display());
    Ok(())
}
