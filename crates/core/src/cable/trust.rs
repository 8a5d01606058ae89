//! Whose signature is believed.
//!
//! An account with a server believes that server's key and no other: courses of two libraries must not mix, because progress hangs on
//! their ids and goes to the one server. The desk without an account holds courses of any library that a person has agreed to; what was
//! agreed there is remembered for that desk alone and never becomes the key that a server is expected to have.

use carrel_cable::{CourseHead, fingerprint};
use rusqlite::{OptionalExtension, params};

use super::Refusal;
use crate::{Result, library::Library};

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

impl Library {
    /// The key that manifests of this address were first seen with.
    pub(crate) fn key_of(&self, server: &str) -> Result<Option<String>> {
        self.content_db().with(|conn| {
            Ok(conn
                .prepare_cached("SELECT key FROM signing_key WHERE server = ?1")?
                .query_row([server], |r| r.get("key"))
                .optional()?)
        })
    }
    /// True if a person agreed to files with this key, in this account.
    pub(crate) fn is_accepted(&self, key: &str) -> Result<bool> {
        self.content_db().with(|conn| {
            Ok(conn
                .prepare_cached("SELECT 1 FROM accepted_key WHERE account = ?1 AND key = ?2")?
                .exists([self.account(), key])?)
        })
    }
    /// The key that a person agreed to for files that name this server.
    fn accepted_of(&self, server: &str) -> Result<Option<String>> {
        self.content_db().with(|conn| {
            Ok(conn
                .prepare_cached("SELECT key FROM accepted_key WHERE account = ?1 AND server = ?2")?
                .query_row([self.account(), server], |r| r.get("key"))
                .optional()?)
        })
    }
    /// A person agreed.
    pub(super) fn accept(&self, key: &str, head: &CourseHead) -> Result<()> {
        let now = self.clock().now_ms();
        self.content_db().with(|conn| {
            conn.prepare_cached(
                "INSERT OR IGNORE INTO accepted_key (account, key, server, server_name, accepted_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.account(), key, head.server, head.server_name, now])?;
            Ok(())
        })?;
        self.record_keys();
        Ok(())
    }
}
