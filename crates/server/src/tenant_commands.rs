//! The commands for tenants: `carrel-server tenant add`, `disable`, `enable`, `list`.
//!
//! Not here: folders and settings of tenants (`tenants`).

use std::path::PathBuf;

use carrel_server::{Error, tenants};
use clap::Subcommand;

use crate::config_of;

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Create a tenant. Running servers serve it within seconds.
    Add {
        /// Name in addresses (`/t/NAME`): letters a to z, digits and hyphens.
        name: String,
        /// Data folder of the server.
        #[arg(long)]
        data: PathBuf,
        /// Host name under which the tenant is reached as well; can be repeated.
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// Name of the school or library; by default, the name of the tenant.
        #[arg(long)]
        title: Option<String>,
        /// Name of its PostgreSQL database, whose URL is in CARREL_DATABASE_URL_NAME; by default, that of the server.
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
    /// Stop serving a tenant. Its data is kept.
    Disable {
        name: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Serve a tenant again.
    Enable {
        name: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Move a tenant to another PostgreSQL database. The server must be stopped; the old folder and rows are kept.
    Move {
        name: String,
        /// Data folder of the server.
        #[arg(long)]
        data: PathBuf,
        /// Name of the new database, whose URL is in CARREL_DATABASE_URL_NAME; by default, that of the server.
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
        /// Replace the rows of the tenant in the new database, which are copied aside: after it was there before, or an
        /// interrupted move.
        #[arg(long)]
        replace: bool,
    },
    /// List the tenants: name, hosts, data folder, database if it is not that of the server.
    List {
        #[arg(long)]
        data: PathBuf,
    },
}

/// Runs a command and prints its result.
pub fn run(command: TenantCommand) -> Result<(), Error> {
    match command {
        TenantCommand::Add { name, data, hosts, title, database } => {
            let (title, database) = (title.as_deref(), database.as_deref());
            let folder = tenants::add(&config_of(data)?, &name, &hosts, title, database)?;
            println!("added the tenant {name}; its data folder is {}", folder.display());
            println!("use this folder as --data of the other commands");
        }
        TenantCommand::Disable { name, data } => {
            tenants::set_disabled(&config_of(data)?, &name, true)?;
            println!("the tenant {name} is not served any more; its data is kept");
        }
        TenantCommand::Enable { name, data } => {
            tenants::set_disabled(&config_of(data)?, &name, false)?;
            println!("the tenant {name} is served again");
        }
        TenantCommand::Move { name, data, database, replace } => {
            let moved = tenants::move_to(&config_of(data)?, &name, database.as_deref(), replace)?;
            println!(
                "moved {name}: {} rows in {} tables, equal to the old ones, and {} blobs",
                moved.rows, moved.tables, moved.blobs
            );
        }
        TenantCommand::List { data } => {
            let server = config_of(data)?;
            for tenant in tenants::list(&server.data_dir)? {
                let folder = tenants::config_of(&server, &tenant)?.data_dir;
                println!(
                    "{:<20} {:<40} {} {}{}",
                    tenant.name,
                    tenant.settings.hosts.join(" "),
                    folder.display(),
                    tenant.settings.database.as_deref().unwrap_or_default(),
                    if tenant.settings.disabled { " (disabled)" } else { "" }
                );
            }
        }
    }
    Ok(())
}
