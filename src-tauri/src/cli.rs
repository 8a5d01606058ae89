//! The command line: files and links to open, and commands that print a report instead of opening the window.
//!
//! Not here: the reports themselves.

#[cfg(desktop)]
use std::path::PathBuf;
use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

/// Exit code of a wrong command line.
const USAGE: u8 = 2;

/// The arguments of the program.
#[derive(Debug, Default, Parser)]
#[command(
    name = "carrel",
    version,
    about = "Study offline: courses and stories",
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    /// Course files and carrel:// links to open
    #[arg(value_name = "FILE OR LINK")]
    pub open: Vec<OsString>,
    /// Install an update file, for devices without a network
    #[cfg(desktop)]
    #[arg(long, value_name = "FILE")]
    install_update: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Commands that do not open the window.
#[derive(Debug, clap::Subcommand)]
enum Command {}

impl Arguments {
    /// Reads the arguments of the process. `Err` with the exit code if there is nothing to open: after `--help`,
    /// `--version` or a wrong argument, which are answered here.
    pub fn from_env() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // Fails only if the output is closed, and then nobody reads it.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        })
    }

    /// Runs the command; `None` if the window is to be opened.
    pub fn run_command(&self) -> Option<ExitCode> {
        #[cfg(desktop)]
        if let Some(file) = &self.install_update {
            return Some(install_update(file));
        }
        match *self.command.as_ref()? {}
    }
}

/// Installs an update file and prints the result.
#[cfg(desktop)]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for the terminal")]
fn install_update(file: &std::path::Path) -> ExitCode {
    let Some(updates) = crate::shell::profile::Profile::from_env().updates_dir() else {
        eprintln!("error: this user has no folder for data");
        return ExitCode::FAILURE;
    };
    match crate::shell::updates::install_file(&updates, file) {
        Ok(version) => {
            println!(
                "version {version} is installed; it runs when the app is opened the next time"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            if !error.hint().is_empty() {
                eprintln!("hint: {}", error.hint());
            }
            ExitCode::FAILURE
        }
    }
}
