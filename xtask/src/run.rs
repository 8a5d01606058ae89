//! `run`: builds everything, starts a server and opens the app signed in to it.

use std::fs;

use crate::{
    demo::{self, Demo},
    programs,
    setup::{self, Part},
    sh::{self, Background, Result},
    window::{screen, walk},
};

pub fn run(args: &[String]) -> Result {
    let alone = !screen::person_present();
    setup::system(if alone { &[Part::App, Part::E2e] } else { &[Part::App] })?;
    programs::build()?;
    if alone {
        println!("no display: running the walk in a virtual display");
        return walk::walk();
    }
    let place = sh::target().join("run");
    if args.iter().any(|arg| arg == "--fresh") && place.exists() {
        fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    }
    let mut demo = Demo::prepare(&place.join("server"), &place)?;
    demo.start()?;
    println!(
        "server: {}    login: {}    password: {}",
        demo.address(),
        demo::LOGIN,
        demo::PASSWORD
    );
    let mut app = sh::program(programs::app());
    // A debug build signs in with this variable; a release build ignores it.
    app.env("CARREL_SIGN_IN", format!("{} {} {}", demo.address(), demo::LOGIN, demo::PASSWORD));
    app.env("CARREL_DATA_DIR", place.join("device")).env("CARREL_DEMO_DIR", demo.library());
    Background::start("carrel", &app, &place.join("app.log"))?.wait()
}
