//! What commands need of the program they run in: the client, and the few things only a shell can do.
//!
//! Deliberately not here: windows, menus, file dialogs, the clipboard.

use std::{path::PathBuf, sync::Arc};

use carrel_client::{Client, OpenAccount};

use crate::api::error::CommandError;

pub trait Host: Send + Sync + 'static {
    fn client(&self) -> &Arc<Client>;
    /// Opens a page in the system's browser.
    fn open_url(&self, url: &str) -> Result<(), CommandError>;
    /// The system's folder for downloads, if there is one; on a phone the app's documents.
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// The account that is open, or "sign in".
pub(crate) fn account(host: &dyn Host) -> Result<Arc<OpenAccount>, CommandError> {
    host.client().account().ok_or_else(|| carrel_client::Error::UNAUTHENTICATED.into())
}
