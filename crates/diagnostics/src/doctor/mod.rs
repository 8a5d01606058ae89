//! `carrel doctor`: checks what Carrel needs on this device, and names the cause of what does not work.
//!
//! The checks change nothing, except for a temporary file in the data folder that shows whether it can be written.
//!
//! Not here: where the folders and accounts of this device are (`carrel_client::support`).

mod files;
mod network;
mod report;
mod system;

use std::{path::PathBuf, sync::Arc};

use carrel_net::Http;
use carrel_system::{Clock, Disk};
pub use report::{Check, DoctorReport, Outcome};
pub use system::{Keychain, SystemFacts};

/// What is checked.
pub struct Environment {
    /// Release of the app.
    pub version: String,
    /// Folder of accounts and learning records.
    pub data_dir: PathBuf,
    /// Folder of content.
    pub content_dir: PathBuf,
    /// Content folder for all users of the machine, which this user may only be able to read; none: there is none.
    pub machine_folder: Option<PathBuf>,
    pub databases: Vec<DatabaseFile>,
    /// Lock files of running instances, which are free if no other instance uses the accounts.
    pub locks: Vec<PathBuf>,
    /// This process itself has the locks.
    pub is_running: bool,
    /// Files that must contain JSON.
    pub json_files: Vec<PathBuf>,
    /// Base address of the server; none without an account.
    pub server: Option<String>,
    pub http: Arc<dyn Http>,
    pub clock: Arc<dyn Clock>,
    pub disk: Arc<dyn Disk>,
    pub system: SystemFacts,
}

/// A database of Carrel. It may be missing.
#[derive(Debug, Clone)]
pub struct DatabaseFile {
    /// For example `user.db`.
    pub name: String,
    pub path: PathBuf,
    /// Number of the newest schema that this release knows.
    pub schema: u32,
}

/// Runs all checks. Takes up to about 10 s if the server does not reply.
pub async fn run(environment: Environment) -> DoctorReport {
    let environment = Arc::new(environment);
    let of_files = environment.clone();
    let files = carrel_system::blocking(move || {
        let mut checks = files::check(&of_files);
        checks.extend(system::check(&of_files.system));
        Ok::<_, carrel_system::Panicked>(checks)
    });
    let mut checks = files.await.unwrap_or_else(|e| {
        vec![Check::problem("doctor", "internal", e.to_string(), "report this to the developers")]
    });
    checks.extend(network::check(&environment).await);
    DoctorReport {
        version: environment.version.clone(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        checked_ms: environment.clock.now_ms(),
        checks,
    }
}
