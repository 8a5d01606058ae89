//! `run`: builds everything, starts a server, and opens the app, signed in to it. Without a display, runs the main
//! scenario in a virtual display.

use std::fs;

use crate::{
    demo::{self, Demo},
    programs,
    setup::{self, Part},
    sh::{self, Background, Result},
    window::{scenario, screen},
};

pub fn run(args: &[String]) -> Result {
    let headless = !screen::has_display();
    setup::install_packages(if headless { &[Part::App, Part::E2e] } else { &[Part::App] })?;
    programs::build()?;
    if headless {
        println!("no display: running the main scenario in a virtual display");
        return scenario::run();
    }
    let folder = sh::target().join("run");
    if args.iter().any(|arg| arg == "--fresh") && folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut demo = Demo::prepare(&folder.join("server"), &folder)?;
    demo.start()?;
    println!(
        "server: {}    login: {}    password: {}",
        demo.address(),
        demo::LOGIN,
        demo::PASSWORD
    );
    let mut app = sh::program(programs::app());
    println!("staff:  {}/staff/    login: {}", demo.address(), demo::OFFICE);
    // A debug build signs in with the values of this variable; a release build ignores it.
    app.env("CARREL_SIGN_IN", format!("{} {} {}", demo.address(), demo::LOGIN, demo::PASSWORD));
    app.env("CARREL_DATA_DIR", folder.join("device")).env("CARREL_DEMO_DIR", demo.library());
    Background::start("carrel", &app, &folder.join("app.log"))?.wait()
}
