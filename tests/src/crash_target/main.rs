//! A client or a server command in its own process, which tests kill at any time: it studies, downloads a course or
//! imports a file. One program, because linking the client takes long.
//!
//! `mortal study|fetch|carry|host ...`

mod carry;
mod fetch;
mod host;
mod study;

use carrel_client::{Error, Result};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((what, rest)) if what == "study" => study::run(rest).await,
        Some((what, rest)) if what == "fetch" => fetch::run(rest).await,
        Some((what, rest)) if what == "carry" => carry::run(rest).await,
        Some((what, rest)) if what == "host" => host::run(rest).await,
        _ => Err(Error::Invalid("usage: mortal study|fetch|carry|host ...".into())),
    }
}
