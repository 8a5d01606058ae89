//! Which signing keys are trusted.
//!
//! An account with a server trusts the key of that server only: courses of two libraries must not mix, because
//! progress refers to their ids and is sent to that server. The account without a server holds courses of any library
//! that the user confirmed; the confirmation is stored for that account only and never becomes the expected key of a
//! server.

use carrel_bundle::{CourseHeader, fingerprint};
use carrel_content::library::Library;

use crate::{ImportError, Result};

/// Result of a key check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTrust {
    Trusted,
    /// The user has to confirm the library's name and the key's fingerprint.
    Unconfirmed,
    Rejected(ImportError),
}

/// Checks the key of a file for an account. `library_name` is the name of the account's own library; none if it has no
/// server.
pub(super) fn check(
    library: &Library,
    library_name: Option<&str>,
    header: &CourseHeader,
    key: &str,
) -> Result<KeyTrust> {
    let pinned = library.key_of(library.base_url())?;
    let wrong = || {
        let name = if header.server_name.is_empty() { &header.server } else { &header.server_name };
        KeyTrust::Rejected(ImportError::WrongKey {
            name: name.clone(),
            fingerprint: fingerprint(key),
        })
    };
    if let Some(ours) = library_name {
        return Ok(match pinned {
            Some(pinned) if pinned == key => KeyTrust::Trusted,
            Some(_) if header.server == library.base_url() => wrong(),
            Some(_) => KeyTrust::Rejected(ImportError::OtherLibrary {
                ours: ours.to_owned(),
                theirs: header.server_name.clone(),
            }),
            None if library.is_accepted(key)? => KeyTrust::Trusted,
            None => KeyTrust::Unconfirmed,
        });
    }
    let known = [library.key_of(&header.server)?, library.accepted_of(&header.server)?];
    // A key that the user confirmed for one library is not valid for another.
    if known.iter().flatten().any(|k| k != key) {
        return Ok(wrong());
    }
    let is_known = known.iter().any(Option::is_some)
        || pinned.as_deref() == Some(key)
        || library.is_accepted(key)?;
    Ok(if is_known { KeyTrust::Trusted } else { KeyTrust::Unconfirmed })
}
