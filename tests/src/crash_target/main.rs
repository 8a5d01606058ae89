//! A program that tests kill at any time. It records study work, downloads a course, imports a file, or runs a server
//! command: one program for all, because linking the client takes long.
//!
//! `crash_target study|download|import|server ...`

mod download;
mod import;
mod server;
mod study;

use carrel_client::{Error, Result};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((action, rest)) if action == "study" => study::run(rest).await,
        Some((action, rest)) if action == "download" => download::run(rest).await,
        Some((action, rest)) if action == "import" => import::run(rest).await,
        Some((action, rest)) if action == "server" => server::run(rest).await,
        _ => Err(Error::Invalid("usage: crash_target study|download|import|server ...".into())),
    }
}
