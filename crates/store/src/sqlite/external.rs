//! SQL statements for sign-in with an identity provider.

use carrel_model::{DeviceId, UserId};
use rusqlite::{OptionalExtension, Row};

use super::{SqliteTx, accounts::uuid};
use crate::{
    Result,
    tx::{ExternalCodeRow, ExternalFlowRow, ExternalIdentityRow, ExternalTx},
};

fn identity(r: &Row<'_>) -> rusqlite::Result<ExternalIdentityRow> {
    Ok(ExternalIdentityRow {
        key: r.get("key")?,
        user: UserId(uuid(r, "user_id")?),
        issuer: r.get("issuer")?,
        subject: r.get("subject")?,
        linked_ms: r.get("linked_ms")?,
    })
}

impl ExternalTx for SqliteTx<'_> {
    fn put_external_flow(&self, flow: &ExternalFlowRow) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO external_flow (state, browser, nonce, verifier, challenge, device, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            flow.state,
            flow.browser,
            &flow.nonce,
            &flow.verifier,
            &flow.challenge,
            flow.device.0.as_bytes(),
            flow.expires_ms,
        ))?;
        Ok(())
    }
    fn take_external_flow(&self, state: [u8; 32]) -> Result<Option<ExternalFlowRow>> {
        let mut stmt = self.prepare_cached(
            "DELETE FROM external_flow WHERE state = ?1
             RETURNING browser, nonce, verifier, challenge, device, expires_ms",
        )?;
        let found = stmt.query_row([state], |r| {
            Ok(ExternalFlowRow {
                state,
                browser: r.get("browser")?,
                nonce: r.get("nonce")?,
                verifier: r.get("verifier")?,
                challenge: r.get("challenge")?,
                device: DeviceId(uuid(r, "device")?),
                expires_ms: r.get("expires_ms")?,
            })
        });
        Ok(found.optional()?)
    }
    fn put_external_code(&self, code: &ExternalCodeRow) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO external_code (hash, user_id, challenge, device, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            code.hash,
            code.user.0.as_bytes(),
            &code.challenge,
            code.device.0.as_bytes(),
            code.expires_ms,
        ))?;
        Ok(())
    }
    fn take_external_code(&self, hash: [u8; 32]) -> Result<Option<ExternalCodeRow>> {
        let mut stmt = self.prepare_cached(
            "DELETE FROM external_code WHERE hash = ?1 RETURNING user_id, challenge, device, expires_ms",
        )?;
        let found = stmt.query_row([hash], |r| {
            Ok(ExternalCodeRow {
                hash,
                user: UserId(uuid(r, "user_id")?),
                challenge: r.get("challenge")?,
                device: DeviceId(uuid(r, "device")?),
                expires_ms: r.get("expires_ms")?,
            })
        });
        Ok(found.optional()?)
    }
    fn delete_expired_external(&self, now_ms: i64, limit: Option<u32>) -> Result<u64> {
        let limit = limit.map_or(-1, i64::from);
        let flows = "DELETE FROM external_flow WHERE state IN
            (SELECT state FROM external_flow WHERE expires_ms <= ?1 LIMIT ?2)";
        let codes = "DELETE FROM external_code WHERE hash IN
            (SELECT hash FROM external_code WHERE expires_ms <= ?1 LIMIT ?2)";
        let mut count = 0;
        for sql in [flows, codes] {
            count += self.prepare_cached(sql)?.execute((now_ms, limit))? as u64;
        }
        Ok(count)
    }
    fn external_identity(&self, key: [u8; 32]) -> Result<Option<ExternalIdentityRow>> {
        let sql =
            "SELECT key, user_id, issuer, subject, linked_ms FROM external_identity WHERE key = ?1";
        Ok(self.prepare_cached(sql)?.query_row([key], identity).optional()?)
    }
    fn put_external_identity(&self, row: &ExternalIdentityRow) -> Result<()> {
        self.prepare_cached(
            "INSERT OR REPLACE INTO external_identity (key, user_id, issuer, subject, linked_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            row.key,
            row.user.0.as_bytes(),
            &row.issuer,
            &row.subject,
            row.linked_ms,
        ))?;
        Ok(())
    }
    fn external_identities_of(&self, user: UserId) -> Result<Vec<ExternalIdentityRow>> {
        let sql = "SELECT key, user_id, issuer, subject, linked_ms FROM external_identity
            WHERE user_id = ?1 ORDER BY linked_ms, subject";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([user.0.as_bytes()], identity)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn delete_external_identities(&self, user: UserId) -> Result<u64> {
        let sql = "DELETE FROM external_identity WHERE user_id = ?1";
        Ok(self.prepare_cached(sql)?.execute([user.0.as_bytes()])? as u64)
    }
    fn clear_external_identities(&self, user: UserId) -> Result<()> {
        let sql = "UPDATE external_identity SET issuer = '', subject = '' WHERE user_id = ?1";
        self.prepare_cached(sql)?.execute([user.0.as_bytes()])?;
        Ok(())
    }
}
