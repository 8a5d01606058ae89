//! Trusted signing keys: the key pinned for each server, and keys that the user accepted for
//! imports.

use rusqlite::{OptionalExtension, params};

use super::Library;
use crate::Result;

impl Library {
    /// Returns the key pinned for the server at this address.
    pub fn key_of(&self, server: &str) -> Result<Option<String>> {
        self.content_db().read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT key FROM signing_key WHERE server = ?1")?
                .query_row([server], |r| r.get("key"))
                .optional()?)
        })
    }
    /// Returns whether the user of this account accepted this key for imports.
    pub fn is_accepted(&self, key: &str) -> Result<bool> {
        self.content_db().read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT 1 FROM accepted_key WHERE account = ?1 AND key = ?2")?
                .exists([self.account(), key])?)
        })
    }
    /// Returns the key that the user accepted for imports from the server at this address.
    pub fn accepted_of(&self, server: &str) -> Result<Option<String>> {
        self.content_db().read_blocking(|conn| {
            Ok(conn
                .prepare_cached("SELECT key FROM accepted_key WHERE account = ?1 AND server = ?2")?
                .query_row([self.account(), server], |r| r.get("key"))
                .optional()?)
        })
    }
    /// Records that the user accepted this key for imports from this server.
    pub fn accept(&self, key: &str, server: &str, server_name: &str) -> Result<()> {
        let now = self.clock().now_ms();
        self.content_db().write_blocking("key_trust.accept", |conn| {
            conn.prepare_cached(
                "INSERT OR IGNORE INTO accepted_key (account, key, server, server_name, accepted_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.account(), key, server, server_name, now])?;
            Ok(())
        })?;
        self.record_keys();
        Ok(())
    }
}
