//! `dev`: runs the app with live reload from Vite, or the UI in a browser with the bridge.

use crate::{
    setup::{self, Part},
    sh::{self, Background, Result},
};

pub fn run(args: &[String]) -> Result {
    setup::install_node_modules("ui")?;
    if args.iter().any(|arg| arg == "--browser") {
        return browser();
    }
    setup::install_packages(&[Part::App])?;
    let cli = sh::root().join("ui/node_modules/.bin").join(if cfg!(windows) {
        "tauri.cmd"
    } else {
        "tauri"
    });
    sh::run(sh::program(cli).args(["dev", "--", "--package", "carrel", "--no-default-features"]))
}

fn browser() -> Result {
    sh::run(sh::cargo().args(["build", "--package", "carrel-bridge", "--locked"]))?;
    let data = sh::target().join("dev");
    let port = sh::free_port()?.to_string();
    let log = data.join("bridge.log");
    let mut command = sh::program(sh::target().join("debug/carrel-bridge"));
    command.args(["--port", &port, "--data"]).arg(data.join("device"));
    command.arg("--ui").arg(sh::root().join("ui/dist"));
    let bridge = Background::start("carrel-bridge", &command, &log)?;
    println!("bridge log: {}", log.display());
    let mut vite = sh::npm("ui");
    let result =
        sh::run(vite.args(["run", "dev"]).env("CARREL_BRIDGE", format!("http://127.0.0.1:{port}")));
    bridge.stop();
    result
}
