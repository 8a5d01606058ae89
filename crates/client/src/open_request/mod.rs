//! What the system asks the app to open: files that were double-clicked, and `carrel://` links. Nothing is done with a
//! request until the user has confirmed it, except with a sign-in that the user began on this device.
//!
//! Not here: how the host receives the arguments, and the contents of files (`bundle`).

mod link;

use std::{
    collections::VecDeque,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use url::Url;

pub use link::{Link, LinkError, MAX_LINK_BYTES};

/// Maximum number of requests that wait; further ones are dropped.
const MAX_WAITING: usize = 32;
/// Maximum number of characters of a refused link that are shown.
const MAX_SHOWN: usize = 120;

/// A request to open something, as one argument of the program or from the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenRequest {
    /// A file, which may be of any kind: its contents are checked when they are read. The path is absolute.
    File(PathBuf),
    Link(Link),
    /// The dialog in which the user chooses a file.
    ChooseFile,
    /// A link that is not followed.
    Refused {
        /// Its beginning, with control and invisible characters escaped.
        shown: String,
        error: LinkError,
    },
}

impl OpenRequest {
    /// Reads an argument of the program: a path, relative to `folder`, or a link. Reads no file.
    pub fn of_argument(argument: &OsStr, folder: &Path) -> Self {
        match argument.to_str() {
            Some(text) if link::has_scheme(text) => Self::of_link(text),
            _ => Self::File(folder.join(argument)),
        }
    }

    /// Reads an address that the system delivers: a `carrel://` link, or the `file://` address of a file.
    pub fn of_link(text: &str) -> Self {
        let result = match local_file(text) {
            Some(path) => path.map(Self::File),
            None => Link::parse(text).map(Self::Link),
        };
        result.unwrap_or_else(|error| Self::Refused { shown: shown(text), error })
    }
}

/// Returns the path of a `file:` address; an error if it names another computer or no path; none for other schemes.
fn local_file(text: &str) -> Option<Result<PathBuf, LinkError>> {
    let scheme = text.get(.."file:".len())?;
    if !scheme.eq_ignore_ascii_case("file:") {
        return None;
    }
    let url =
        link::check_text(text).and_then(|()| Url::parse(text).map_err(|_| LinkError::Malformed));
    // `to_file_path` accepts an empty host and `localhost` only; on Windows also other computers.
    let path = url.and_then(|url| {
        let is_local = matches!(url.host_str(), None | Some("" | "localhost"));
        let path = url.to_file_path().ok().filter(|_| is_local);
        path.filter(|_| url.query().is_none() && url.fragment().is_none())
            .ok_or(LinkError::Malformed)
    });
    Some(path)
}

fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(MAX_SHOWN)
        .flat_map(|c| if c.is_ascii_graphic() { vec![c] } else { c.escape_unicode().collect() })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// Requests that the UI has not taken yet, oldest first.
#[derive(Default)]
pub struct OpenRequests {
    waiting: Mutex<VecDeque<OpenRequest>>,
}

impl OpenRequests {
    /// Adds requests. Returns false if nothing was added: there were none, or too many are waiting.
    pub fn add(&self, requests: impl IntoIterator<Item = OpenRequest>) -> bool {
        let mut waiting = self.waiting.lock();
        let before = waiting.len();
        for request in requests {
            if waiting.len() < MAX_WAITING && !waiting.contains(&request) {
                waiting.push_back(request);
            }
        }
        waiting.len() > before
    }

    /// Returns the waiting requests and removes them.
    pub fn take(&self) -> Vec<OpenRequest> {
        self.waiting.lock().drain(..).collect()
    }
}

#[cfg(test)]
mod tests;
