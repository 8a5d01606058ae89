//! `bench [study|downloads|media|storage]`: the budgets, measured on a release build. The figures and their floors are made by carrel-tests.

use crate::sh::{self, Result};

pub fn run(args: &[String]) -> Result {
    let mut command = sh::cargo();
    command
        .args(["bench", "--package", "carrel-tests", "--bench", "budgets", "--locked", "--"])
        .args(args);
    sh::run(&mut command)
}
