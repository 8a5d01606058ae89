//! Load tests of the server (`cargo xtask load` runs them with a release build).
//!
//! `carrel-load prepare` fills a data folder with courses and signed-in learners and writes their tokens to a file.
//! `carrel-load run` sends the requests of a scenario to a running server and writes a report. Requests are sent at their
//! planned times, whether or not earlier ones have been answered, and their duration counts from the planned time: a
//! server that is too slow cannot slow down the test.

#![allow(clippy::disallowed_methods, reason = "measures real time")]
#![allow(clippy::print_stdout, reason = "a program for the command line")]

mod client;
mod plan;
mod prepare;
mod report;
mod run;
mod usage;
mod work;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Load tests of the server")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fill an empty data folder, or the database of CARREL_DATABASE_URL, with courses and signed-in people.
    Prepare {
        #[arg(long)]
        data: PathBuf,
        /// File for the tokens.
        #[arg(long)]
        people: PathBuf,
        #[arg(long, default_value_t = 1_000)]
        learners: usize,
        #[arg(long, default_value_t = 100)]
        courses: usize,
    },
    /// Send the requests of a scenario, and write a report.
    Run {
        /// Address of the server, such as `http://127.0.0.1:7300`.
        #[arg(long)]
        url: String,
        /// File with the tokens, written by `prepare`.
        #[arg(long)]
        people: PathBuf,
        /// Name of a scenario; without one, all are run one after the other.
        #[arg(long)]
        scenario: Option<String>,
        /// Length of each scenario in seconds, in place of its own.
        #[arg(long)]
        seconds: Option<u64>,
        /// Process of the server, whose memory and CPU time are measured (Linux).
        #[arg(long)]
        server_pid: Option<u32>,
        /// Name of the database in the report.
        #[arg(long, default_value = "SQLite")]
        engine: String,
        /// Folder for the report (`report.html`, `report.json`).
        #[arg(long)]
        out: PathBuf,
    },
    /// List the scenarios.
    Scenarios,
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Cli::parse().command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Returns false if a scenario had a red verdict.
async fn start(command: Command) -> Result<bool> {
    match command {
        Command::Prepare { data, people, learners, courses } => {
            prepare::prepare(&data, &people, learners, courses).await?;
            Ok(true)
        }
        Command::Run { url, people, scenario, seconds, server_pid, engine, out } => {
            let people = std::sync::Arc::new(prepare::read(&people)?);
            let plans = plan::plans(scenario.as_deref(), seconds)?;
            let mut results = Vec::new();
            for plan in plans {
                let result = run::run(&url, &people, &plan, server_pid).await?;
                println!("{}", result.line());
                results.push(result);
            }
            let verdicts = report::write(&out, &engine, &results)?;
            println!("report: {}", out.join("report.html").display());
            Ok(verdicts)
        }
        Command::Scenarios => {
            for plan in plan::plans(None, None)? {
                println!("{:<12} {}", plan.name, plan.about);
            }
            Ok(true)
        }
    }
}
