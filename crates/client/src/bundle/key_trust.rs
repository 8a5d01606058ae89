//! Which signing keys are trusted.
//!
//! An account with a server trusts only the pinned key of that server, because progress is sent to one server and two
//! libraries may use the same ids. Without a pinned key, and in the account without a server, the keys that the user
//! accepted are trusted. An accepted key is stored for one account only and never becomes the pinned key of a server.

use carrel_bundle::{CourseHeader, fingerprint};
use carrel_content::library::Library;

use crate::{ImportError, Result};

/// Result of a key check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTrust {
    Trusted,
    /// The user has to accept the key first. The UI shows the library's name and the key's fingerprint.
    NotAccepted,
    Rejected(ImportError),
}

/// Checks the key of a file for an account. `library_name` is the name of the account's own library; none if it has no
/// server. `own_key`: the key of this device, with which it signs courses that it converted from files of other
/// programs; none if it was never needed.
pub(super) fn check(
    library: &Library,
    library_name: Option<&str>,
    header: &CourseHeader,
    key: &str,
    own_key: Option<&str>,
) -> Result<KeyTrust> {
    if own_key == Some(key) {
        return Ok(KeyTrust::Trusted);
    }
    let pinned = library.key_of(library.base_url())?;
    let wrong_key = || {
        let name = if header.server_name.is_empty() { &header.server } else { &header.server_name };
        KeyTrust::Rejected(ImportError::WrongKey {
            name: name.clone(),
            fingerprint: fingerprint(key),
        })
    };
    if let Some(ours) = library_name {
        return Ok(match pinned {
            Some(pinned) if pinned == key => KeyTrust::Trusted,
            Some(_) if header.server == library.base_url() => wrong_key(),
            Some(_) => KeyTrust::Rejected(ImportError::OtherLibrary {
                ours: ours.to_owned(),
                theirs: header.server_name.clone(),
            }),
            None if library.is_accepted(key)? => KeyTrust::Trusted,
            None => KeyTrust::NotAccepted,
        });
    }
    let known = [library.key_of(&header.server)?, library.accepted_of(&header.server)?];
    // Refused even if the key was accepted for another library.
    if known.iter().flatten().any(|k| k != key) {
        return Ok(wrong_key());
    }
    let is_known = known.iter().any(Option::is_some)
        || pinned.as_deref() == Some(key)
        || library.is_accepted(key)?;
    Ok(if is_known { KeyTrust::Trusted } else { KeyTrust::NotAccepted })
}
