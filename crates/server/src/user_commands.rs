//! The commands for accounts: `carrel-server user add`, `reset-password`, `disable`, `list`.
//!
//! Not here: the rules of accounts (`domain::accounts`).

use std::{io::Read, path::PathBuf};

use carrel_model::wire::Role;
use carrel_roster::{State, role_name};
use carrel_server::{
    Clock, DataDir, Error, SystemClock,
    domain::accounts::NewAccount,
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
    /// Remove the password and end all sign-ins of the account. Its work is kept; `reset-password` enables it again.
    Disable {
        login: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// List the accounts: login, role, name.
    List {
        #[arg(long)]
        data: PathBuf,
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
        UserCommand::Disable { login, data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let reset = data.store.reset_password(&login, String::new(), SystemClock.now_ms());
            let (user, ended) = reset.await?;
            println!("disabled {} and ended {ended} sign-ins", user.login);
            Ok(())
        }
        UserCommand::List { data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            for person in data.store.people().await? {
                let state = match person.state {
                    _ if person.is_disabled => "  (disabled)",
                    State::Active => "",
                    State::Suspended => "  (suspended)",
                    State::Left => "  (left)",
                };
                println!(
                    "{:<24} {:<14} {}{state}",
                    person.login,
                    role_name(person.role),
                    person.name
                );
            }
            Ok(())
        }
    }
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
