//! `bench [study|downloads|media|storage|sign-ins|sockets|updates|hostile|window]`: the budgets, measured on a release build, each beside its floor.
//!
//! Figures that need no window are made by carrel-tests, those of the window by `window::bench`.

use crate::{
    sh::{self, Result},
    window,
};

pub fn run(args: &[String]) -> Result {
    let (windows, parts): (Vec<&String>, Vec<&String>) =
        args.iter().partition(|arg| *arg == "window");
    let mut done = Ok(());
    if !parts.is_empty() || windows.is_empty() {
        let mut command = sh::cargo();
        command
            .args(["bench", "--package", "carrel-tests", "--bench", "budgets", "--locked", "--"])
            .args(parts);
        done = sh::run(&mut command);
    }
    if args.is_empty() || !windows.is_empty() {
        // A row that is over its budget does not keep the others from being measured.
        done = done.and(window::bench::measure());
    }
    done
}
