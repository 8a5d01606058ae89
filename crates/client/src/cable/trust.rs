//! Whose signature is believed.
//!
//! An account with a server believes that server's key and no other: courses of two libraries must not mix, because progress hangs on
//! their ids and goes to the one server. The desk without an account holds courses of any library that a person has agreed to; what was
//! agreed there is remembered for that desk alone and never becomes the key that a server is expected to have.

use carrel_cable::{CourseHead, fingerprint};
use carrel_content::library::Library;

use crate::{Result, cable::Refusal};

/// What is to be thought of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    Known,
    /// A person is asked, with the library's name and the key's fingerprint.
    Ask,
    Never(Refusal),
}

/// Judges a file's key for an account. `ours`: the name of the account's own library; none if it has no server.
pub(super) fn judge(
    library: &Library,
    ours: Option<&str>,
    head: &CourseHead,
    key: &str,
) -> Result<Trust> {
    let pinned = library.key_of(library.base_url())?;
    let wrong = || {
        let name = if head.server_name.is_empty() { &head.server } else { &head.server_name };
        Trust::Never(Refusal::WrongKey { name: name.clone(), fingerprint: fingerprint(key) })
    };
    if let Some(ours) = ours {
        return Ok(match pinned {
            Some(pinned) if pinned == key => Trust::Known,
            Some(_) if head.server == library.base_url() => wrong(),
            Some(_) => Trust::Never(Refusal::OtherLibrary {
                ours: ours.to_owned(),
                theirs: head.server_name.clone(),
            }),
            None if library.is_accepted(key)? => Trust::Known,
            None => Trust::Ask,
        });
    }
    let known = [library.key_of(&head.server)?, library.accepted_of(&head.server)?];
    // Whatever key a person agreed to for one library, it does not speak for another.
    if known.iter().flatten().any(|k| k != key) {
        return Ok(wrong());
    }
    let is_known = known.iter().any(Option::is_some)
        || pinned.as_deref() == Some(key)
        || library.is_accepted(key)?;
    Ok(if is_known { Trust::Known } else { Trust::Ask })
}
