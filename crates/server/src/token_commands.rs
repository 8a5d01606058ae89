//! The commands for enrolment tokens: `carrel-server token add`, `list`, `revoke`.
//!
//! Not here: the rules of tokens (`domain::enrolment_tokens`).

use std::path::PathBuf;

use carrel_model::Slug;
use carrel_roster::ClassId;
use carrel_server::{
    Clock, DataDir, Error, SystemClock, domain::enrolment_tokens::NewEnrolmentToken, password,
    percent_encoded, store::tx::EnrolmentTokenRow,
};
use clap::Subcommand;

use crate::config_of;

const DAY_MS: i64 = 24 * 3_600_000;

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it, once; only its hash is stored.
    Add {
        /// Name for the list and the log, such as "Class 7b".
        name: String,
        #[arg(long)]
        data: PathBuf,
        /// Number of days until it expires.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Number of accounts that may use it; by default, there is no limit.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        uses: Option<u32>,
        /// Course in which the accounts are enrolled; can be repeated.
        #[arg(long = "course", value_name = "ID")]
        courses: Vec<Slug>,
        /// Id of a class (`roster export --classes`) of which the accounts become students.
        #[arg(long, value_name = "ID")]
        class: Option<uuid::Uuid>,
        /// Address of this server for learners; prints a link that opens the app.
        #[arg(long)]
        address: Option<String>,
    },
    /// List the tokens: name, state, uses, courses.
    List {
        #[arg(long)]
        data: PathBuf,
    },
    /// Revoke a token: nobody can use it from now on. Accounts that used it stay.
    Revoke {
        name: String,
        #[arg(long)]
        data: PathBuf,
    },
}

/// Runs a command and prints its result.
pub async fn run(command: TokenCommand) -> Result<(), Error> {
    let now_ms = SystemClock.now_ms();
    match command {
        TokenCommand::Add { name, data, days, uses, courses, class, address } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let (text, hash) = password::new_token().map_err(|e| Error::Refused(e.to_string()))?;
            let expires_ms = Some(now_ms + i64::from(days) * DAY_MS);
            let class = class.map(ClassId);
            let token =
                NewEnrolmentToken { name, hash, expires_ms, max_uses: uses, courses, class };
            data.store.add_enrolment_token(token, now_ms).await?;
            println!("token: {text}");
            if let Some(address) = address {
                println!("link: carrel://enrol?server={}&token={text}", percent_encoded(&address));
            }
            Ok(())
        }
        TokenCommand::List { data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let tokens = data.store.enrolment_tokens().await?;
            tokens.iter().for_each(|token| println!("{}", token_line(token, now_ms)));
            Ok(())
        }
        TokenCommand::Revoke { name, data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            data.store.revoke_enrolment_token(&name, now_ms).await?;
            println!("revoked {name}");
            Ok(())
        }
    }
}

/// Formats a token as one line.
fn token_line(token: &EnrolmentTokenRow, now_ms: i64) -> String {
    let state = match token.expires_ms {
        _ if token.revoked_ms != 0 => "revoked".to_owned(),
        at if at <= now_ms => "expired".to_owned(),
        _ if token.uses >= token.max_uses => "used up".to_owned(),
        i64::MAX => "does not expire".to_owned(),
        at => format!("expires in {} days", (at - now_ms) / DAY_MS),
    };
    let max =
        if token.max_uses == i64::MAX { "any number".into() } else { token.max_uses.to_string() };
    let courses: Vec<&str> = token.courses.iter().map(Slug::as_str).collect();
    let courses = if courses.is_empty() { "no courses".into() } else { courses.join(", ") };
    format!("{:<24} {state:<20} {} of {max} uses; {courses}", token.name, token.uses)
}
