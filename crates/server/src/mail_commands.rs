//! The commands for mail: `carrel-server mail test`, `list`.
//!
//! Not here: sending (`mail`).

use std::path::PathBuf;

use carrel_server::{Clock, DataDir, Error, Settings, SystemClock, mail};
use clap::Subcommand;

use crate::config_of;

#[derive(Subcommand)]
pub enum MailCommand {
    /// Send a test message with the mail server of the configuration.
    Test {
        address: String,
        /// Configuration file of the server.
        #[arg(long)]
        config: PathBuf,
    },
    /// List the latest messages: state, kind, login, address, attempts and the last error.
    List {
        #[arg(long)]
        data: PathBuf,
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

/// Runs a command and prints its result.
pub async fn run(command: MailCommand) -> Result<(), Error> {
    match command {
        MailCommand::Test { address, config } => {
            mail::send_test(&Settings::read(&config)?, &address, SystemClock.now_ms()).await?;
            println!("the mail server accepted a test message to {address}");
        }
        MailCommand::List { data, limit } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            for listed in data.store.latest_mails(limit).await? {
                let mail = &listed.mail;
                let (state, kind) = (mail.state.as_str(), mail.kind.as_str());
                let error = if mail.error.is_empty() { "" } else { "; " };
                println!(
                    "{state:<8} {kind:<10} {} <{}>, {} attempts{error}{}",
                    listed.login, mail.address, mail.attempts, mail.error
                );
            }
        }
    }
    Ok(())
}
