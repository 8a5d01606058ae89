//! The commands for accounts: `carrel-server user add`, `reset-password`, `disable`, `enable`, `role`, `email`, `code`,
//! `link`, `unlink`, `delete`, `list`.
//!
//! Not here: the rules of accounts (`domain::accounts`).

use std::{io::Read, path::PathBuf};

use carrel_model::wire::{Role, UserInfo};
use carrel_people::{
    accounts::{ListedPerson, PeopleFilter},
    codes,
    permissions::{Caller, Rank},
};
use carrel_roster::State;
use carrel_server::{
    Clock, DataDir, Error, SystemClock,
    domain::{DomainError, accounts::NewAccount, people::AccountChange},
    http::auth::{check_password, new_user},
    password,
};
use clap::{Subcommand, ValueEnum};

use crate::config_of;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Create an account. Without --password-stdin, a password is generated and printed.
    Add {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        login: String,
        #[arg(long)]
        name: String,
        #[arg(long, value_enum, default_value_t = RoleName::Student)]
        role: RoleName,
        /// Read the password from the standard input (its first line).
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a new password and end all sign-ins of the account. Without --password-stdin, a password is generated and
    /// printed. Work that a device has not sent yet stays on it.
    ResetPassword {
        login: String,
        #[arg(long)]
        data: PathBuf,
        /// Read the password from the standard input (its first line).
        #[arg(long)]
        password_stdin: bool,
    },
    /// End all sign-ins of the account and refuse further ones. Its work and its password are kept.
    Disable {
        login: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Allow sign-ins of a disabled account again.
    Enable {
        login: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Give the account another role. Operators are administrators whom only other operators change.
    Role {
        login: String,
        #[arg(value_enum)]
        role: RankName,
        #[arg(long)]
        data: PathBuf,
    },
    /// Set the e-mail address for messages to the account; an empty text removes it.
    Email {
        login: String,
        address: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Print a one-time code, which the person types instead of the password.
    Code {
        login: String,
        #[arg(long)]
        data: PathBuf,
        /// Days for which the code is valid, 1 to 90.
        #[arg(long, default_value_t = 7)]
        days: u32,
    },
    /// Link the account to a person at the identity provider, who signs in to it from then on.
    Link {
        login: String,
        #[arg(long)]
        data: PathBuf,
        /// As the configuration of the server states it.
        #[arg(long)]
        issuer: String,
        /// Value of the claim `sub`.
        #[arg(long)]
        subject: String,
    },
    /// Remove all links of the account to an identity provider.
    Unlink {
        login: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Delete the account with all its work. This cannot be undone.
    Delete {
        login: String,
        #[arg(long)]
        data: PathBuf,
        /// Confirm the deletion.
        #[arg(long)]
        yes: bool,
    },
    /// List the accounts: login, role, name, and the state if it is not active.
    List {
        #[arg(long)]
        data: PathBuf,
        /// Only accounts with this text in login, name or id.
        #[arg(long, default_value = "")]
        search: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum RoleName {
    Student,
    Instructor,
    Administrator,
}

impl RoleName {
    pub fn role(self) -> Role {
        match self {
            Self::Student => Role::Student,
            Self::Instructor => Role::Instructor,
            Self::Administrator => Role::Administrator,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum RankName {
    Student,
    Instructor,
    Administrator,
    Operator,
}

impl RankName {
    fn rank(self) -> Rank {
        match self {
            Self::Student => Rank::Student,
            Self::Instructor => Rank::Instructor,
            Self::Administrator => Rank::Administrator,
            Self::Operator => Rank::Operator,
        }
    }
}

/// Opens the data folder and finds an account.
async fn account(data: PathBuf, login: &str) -> Result<(DataDir, UserInfo), Error> {
    let data = DataDir::open_existing(config_of(data)?)?;
    let found = data.store.account(login, None).await?;
    let found = found.ok_or_else(|| DomainError::NoLogin(login.to_owned()))?;
    Ok((data, found.user))
}

/// Runs a command and prints its result.
pub async fn run(command: UserCommand) -> Result<(), Error> {
    match command {
        UserCommand::Add { data, login, name, role, password_stdin } => {
            add_user(data, &login, &name, role, password_stdin).await
        }
        UserCommand::ResetPassword { login, data, password_stdin } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let secret = password_of(password_stdin)?;
            let hash = password::hash_blocking(&secret)?;
            let (user, ended) =
                data.store.reset_password(&login, hash, SystemClock.now_ms()).await?;
            println!("set a new password for {} and ended {ended} sign-ins", user.login);
            if !password_stdin {
                println!("password: {secret}");
            }
            Ok(())
        }
        UserCommand::Disable { login, data } => set_disabled(data, &login, true).await,
        UserCommand::Enable { login, data } => set_disabled(data, &login, false).await,
        UserCommand::Role { login, role, data } => {
            let (data, user) = account(data, &login).await?;
            let (rank, now_ms) = (role.rank(), SystemClock.now_ms());
            let by = Caller::COMMAND_LINE;
            let change = AccountChange { rank: Some(rank), ..AccountChange::default() };
            data.store.change_person(by, user.id, change, now_ms).await?;
            println!("{} is {} now", user.login, rank.name());
            Ok(())
        }
        UserCommand::Email { login, address, data } => {
            let (data, user) = account(data, &login).await?;
            let (by, now_ms) = (Caller::COMMAND_LINE, SystemClock.now_ms());
            let change = AccountChange { email: Some(address), ..AccountChange::default() };
            let changed = data.store.change_person(by, user.id, change, now_ms).await?;
            let email = changed.person.email.as_deref().unwrap_or("none");
            println!("address of {}: {email}", user.login);
            Ok(())
        }
        UserCommand::Code { login, data, days } => {
            let (data, user) = account(data, &login).await?;
            let code = codes::code_text(password::random()?);
            let hash = data.token_keys().code_hash(user.id, &code);
            let (by, now_ms) = (Caller::COMMAND_LINE, SystemClock.now_ms());
            data.store.issue_code(by, user.id, hash, days, now_ms).await?;
            println!("code for {}, for {days} days: {code}", user.login);
            Ok(())
        }
        UserCommand::Link { login, data, issuer, subject } => {
            let (data, user) = account(data, &login).await?;
            let (by, now_ms) = (Caller::COMMAND_LINE, SystemClock.now_ms());
            data.store.link_identity(by, user.id, (issuer, subject.clone()), now_ms).await?;
            println!("linked {} to {subject}", user.login);
            Ok(())
        }
        UserCommand::Unlink { login, data } => {
            let (data, user) = account(data, &login).await?;
            let (by, now_ms) = (Caller::COMMAND_LINE, SystemClock.now_ms());
            let count = data.store.unlink_identities(by, user.id, now_ms).await?;
            println!("removed {count} links of {}", user.login);
            Ok(())
        }
        UserCommand::Delete { login, data, yes } => {
            let (data, user) = account(data, &login).await?;
            if !yes {
                return Err(Error::Refused(format!(
                    "{} and all work of this account would be deleted; repeat with --yes",
                    user.login
                )));
            }
            let now_ms = SystemClock.now_ms();
            let deleted = data.store.delete_person(Caller::COMMAND_LINE, user.id, now_ms).await?;
            println!("deleted {} ({})", user.login, user.id);
            for (kind, count) in deleted {
                println!("  {count} {kind}");
            }
            Ok(())
        }
        UserCommand::List { data, search } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let mut filter = PeopleFilter { search, limit: 1_000, ..PeopleFilter::default() };
            loop {
                let page = data.store.list_people(filter.clone()).await?;
                page.people.iter().for_each(print_person);
                let Some(next) = page.next else { return Ok(()) };
                filter.after = next;
            }
        }
    }
}

async fn set_disabled(data: PathBuf, login: &str, is_disabled: bool) -> Result<(), Error> {
    let (data, user) = account(data, login).await?;
    let (by, now_ms) = (Caller::COMMAND_LINE, SystemClock.now_ms());
    let change = AccountChange { disabled: Some(is_disabled), ..AccountChange::default() };
    data.store.change_person(by, user.id, change, now_ms).await?;
    let what = if is_disabled { "disabled" } else { "enabled" };
    println!("{what} {}", user.login);
    Ok(())
}

fn print_person(ListedPerson { person, rank, .. }: &ListedPerson) {
    let state = match person.state {
        _ if person.is_disabled => "  (disabled)",
        State::Active => "",
        State::Suspended => "  (suspended)",
        State::Left => "  (left)",
    };
    println!("{:<24} {:<14} {}{state}", person.login, rank.name(), person.name);
}

/// Reads a password from the standard input, or generates one.
fn password_of(from_stdin: bool) -> Result<String, Error> {
    let secret = if from_stdin {
        let mut bytes = Vec::new();
        let read = std::io::stdin().take(4096).read_to_end(&mut bytes);
        read.map_err(|e| Error::Refused(format!("failed to read the password: {e}")))?;
        password::first_line(&bytes)?
    } else {
        carrel_store::new_id().simple().to_string()[..16].to_owned()
    };
    check_password(&secret).map_err(|f| Error::Refused(f.detail))?;
    Ok(secret)
}

async fn add_user(
    data: PathBuf,
    login: &str,
    name: &str,
    role: RoleName,
    from_stdin: bool,
) -> Result<(), Error> {
    let role = role.role();
    let secret = password_of(from_stdin)?;
    let user = new_user(login, name, role).map_err(|f| Error::Refused(f.detail))?;
    let (id, login) = (user.id, user.login.clone());
    let data = DataDir::open_existing(config_of(data)?)?;
    let hash = password::hash_blocking(&secret)?;
    data.store.add_account(NewAccount { user, password: hash }, None, SystemClock.now_ms()).await?;
    println!("added {login} ({id})");
    if !from_stdin {
        println!("password: {secret}");
    }
    Ok(())
}
