//! `bench [study|learning|downloads|media|storage|search|lists|sign-ins|sockets|push|updates|hostile|window]`: measures
//! the budgets on a release build, each next to its baseline. `bench record`: adds the figures of the founding budgets, measured with
//! the programs of the debug build like in `test`, to their history in tests/limits.csv.
//!
//! `carrel-tests` contains the measurements that need no window, `window::bench` the others.

use crate::{
    release_build,
    sh::{self, Result},
    window,
};

pub fn run(args: &[String]) -> Result {
    if args == ["record"] {
        return window::limits::record();
    }
    let (windows, parts): (Vec<&String>, Vec<&String>) =
        args.iter().partition(|arg| *arg == "window");
    let mut done = Ok(());
    if !parts.is_empty() || windows.is_empty() {
        let mut command = sh::cargo();
        command
            .args(["bench", "--package", "carrel-tests", "--bench", "budgets", "--locked", "--"])
            .args(parts);
        release_build::set_flags(&mut command, &sh::root(), &sh::target());
        done = sh::run(&mut command);
    }
    if args.is_empty() || !windows.is_empty() {
        // Also measured if a figure of the other parts is over its budget.
        done = done.and(window::bench::measure());
    }
    done
}
