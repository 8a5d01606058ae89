//! The main job, walked in the real window: study, lose the network, study on, come back, agree with a second device.

use std::fs;

use super::{driver::Window, screen::Screen};
use crate::{
    run,
    sh::{self, Result},
};

/// Walks on a virtual screen and keeps pictures in target/walk.
pub fn walk() -> Result {
    if !run::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let place = sh::target().join("walk");
    if place.exists() {
        fs::remove_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    }
    let screen = Screen::start(1280, 800, &place)?;
    let window = Window::open(&screen, &run::app(), &place.join("laptop"), &[], &place)?;
    window.wait_true("the page to be complete", "document.readyState === 'complete'")?;
    let title = window.title()?;
    if title != "Carrel" {
        return Err(format!("the window's title is `{title}`"));
    }
    let picture = screen.picture(&place.join("01-start.png"))?;
    println!("  {}", picture.display());
    window.close()
}
