//! The start of a program that updates itself, as in the app: the guard first, then the "window".
//!
//! Usage: `program start UPDATES`, where UPDATES is the folder of updates.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use carrel_update::guard::{Guard, Start};
use semver::Version;

/// Runs `start` or `--version`; `None` for other arguments. `crashes`: before the window opens.
pub fn run(version: &str, crashes: bool) -> Option<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => {
            println!("program {version}");
            Some(ExitCode::SUCCESS)
        }
        ["start", updates] => Some(start(version, crashes, Path::new(updates))),
        _ => None,
    }
}

fn start(version: &str, crashes: bool, updates: &Path) -> ExitCode {
    let guard = Guard::start(updates, &version.parse::<Version>().unwrap(), &program());
    if let Start::Previous(program) = guard.decision() {
        println!("starting the previous version");
        let status = Command::new(program).args(["start".as_ref(), updates.as_os_str()]).status();
        return ExitCode::from(status.unwrap().code().unwrap_or(1) as u8);
    }
    if crashes {
        std::process::abort();
    }
    guard.ready();
    println!("ready {version}");
    ExitCode::SUCCESS
}

/// Returns the path of this program.
pub fn program() -> PathBuf {
    env::current_exe().unwrap()
}
