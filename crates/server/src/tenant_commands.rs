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
    },
    /// Stop serving a tenant. Its data is kept.
    Disable {
        name: String,
        /// Data folder of the server.
        #[arg(long)]
        data: PathBuf,
    },
    /// Serve a tenant again.
    Enable {
        name: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// List the tenants: name, hosts, data folder.
    List {
        #[arg(long)]
        data: PathBuf,
    },
}

/// Runs a command and prints its result.
pub fn run(command: TenantCommand) -> Result<(), Error> {
    match command {
        TenantCommand::Add { name, data, hosts, title } => {
            let folder = tenants::add(&config_of(data)?, &name, &hosts, title.as_deref())?;
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
        TenantCommand::List { data } => {
            let server = config_of(data)?;
            for tenant in tenants::list(&server.data_dir)? {
                let folder = tenants::config_of(&server, &tenant).data_dir;
                println!(
                    "{:<20} {:<40} {}{}",
                    tenant.name,
                    tenant.settings.hosts.join(" "),
                    folder.display(),
                    if tenant.settings.disabled { " (disabled)" } else { "" }
                );
            }
        }
    }
    Ok(())
}
