//! What the commands require from the host program: the client, and operations that only the host can perform.
//!
//! Not here: windows, menus, file dialogs, the clipboard.

use std::{path::PathBuf, sync::Arc};

use carrel_client::{Client, OpenAccount};

use crate::api::error::CommandError;

/// The program in which the commands run.
pub trait Host: Send + Sync + 'static {
    fn client(&self) -> &Arc<Client>;
    /// Opens an address in the system's browser or mail program.
    fn open_url(&self, url: &str) -> Result<(), CommandError>;
    /// Ends the program and starts it again, after an update.
    fn restart(&self) -> Result<(), CommandError> {
        Err(CommandError::unavailable("this host cannot start the program again"))
    }
    /// Returns the system's downloads folder, if there is one; on a phone the app's documents folder.
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// Returns the open account, or `Error::UNAUTHENTICATED`.
pub(crate) fn account(host: &dyn Host) -> Result<Arc<OpenAccount>, CommandError> {
    host.client().account().ok_or_else(|| carrel_client::Error::UNAUTHENTICATED.into())
}
