//! What the commands require from the host program: the client, and operations that only the host can perform.
//!
//! Not here: windows, menus, file dialogs, the clipboard.

use std::{path::PathBuf, sync::Arc};

use carrel_client::{Client, OpenAccount, open_request::OpenRequests};
use carrel_diagnostics::{Diagnostics, doctor::SystemFacts};

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
    /// Returns the files and links that the system asked the app to open, if this host can be asked. After adding to
    /// them, the host sends `UiEvent::OpenRequested`.
    fn open_requests(&self) -> Option<&OpenRequests> {
        None
    }
    /// Returns the diagnostics of this run, if the host records them.
    fn diagnostics(&self) -> Option<&Arc<Diagnostics>> {
        None
    }
    /// Returns a function that reads what is known about the operating system, for the checks. It may block.
    fn system_facts(&self) -> fn() -> SystemFacts {
        SystemFacts::of_this_system
    }
    /// Returns a function that reads the policies in force as text, for the support bundle. It may block.
    fn policies(&self) -> fn() -> Option<String> {
        || None
    }
}

/// Returns the diagnostics of this run, or an error if the host records none.
pub(crate) fn diagnostics(host: &dyn Host) -> Result<&Arc<Diagnostics>, CommandError> {
    host.diagnostics()
        .ok_or_else(|| CommandError::unavailable("this program records no diagnostics"))
}

/// Returns the open account, or `Error::UNAUTHENTICATED`.
pub(crate) fn account(host: &dyn Host) -> Result<Arc<OpenAccount>, CommandError> {
    host.client().account().ok_or_else(|| carrel_client::Error::UNAUTHENTICATED.into())
}
