//! The command line: files and links to open, and commands that print a report instead of opening the window.
//!
//! Not here: the reports themselves.

use std::{ffi::OsString, process::ExitCode};

use carrel_client::support::Folders;
use clap::Parser;

use crate::doctor;

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
    #[command(subcommand)]
    command: Option<Command>,
}

/// Commands that do not open the window.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check this device and the connection to the server, and print what to do
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

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

    /// Runs the command with the folders of this user; `None` if the window is to be opened.
    pub fn run_command(&self, folders: Option<&Folders>, version: &str) -> Option<ExitCode> {
        match *self.command.as_ref()? {
            Command::Doctor { json } => Some(doctor::run(folders.cloned(), version, json)),
        }
    }
    /// Returns true if a command prints a report instead of opening the window.
    pub fn has_command(&self) -> bool {
        self.command.is_some()
    }
}
