//! What the commands require from the host program: the client, and operations that only the host can perform.
//!
//! Deliberately not here: windows, menus, file dialogs, the clipboard.

use std::{path::PathBuf, sync::Arc};

use carrel_client::{Client, OpenAccount};

use crate::api::error::CommandError;

pub trait Host: Send + Sync + 'static {
    fn client(&self) -> &Arc<Client>;
    /// Opens an address in the system's browser or mail program.
    fn open_url(&self, url: &str) -> Result<(), CommandError>;
    /// Returns the system's downloads folder, if there is one; on a phone the app's documents folder.
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// Returns the open account, or the error "sign in".
pub(crate) fn account(host: &dyn Host) -> Result<Arc<OpenAccount>, CommandError> {
    host.client().account().ok_or_else(|| carrel_client::Error::UNAUTHENTICATED.into())
}
