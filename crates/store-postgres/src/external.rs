//! SQL statements for sign-in with an identity provider.

use carrel_model::{DeviceId, UserId};
use carrel_store::{
    Result,
    tx::{ExternalCodeRow, ExternalFlowRow, ExternalIdentityRow, ExternalTx},
};
use tokio_postgres::Row;

use crate::tx::{Lock, PgTx, bytes, get, hash, text, user_id, uuid};

const IDENTITY: &str = "SELECT key, user_id, issuer, subject, linked_ms FROM external_identity";

fn identity(row: &Row) -> Result<ExternalIdentityRow> {
    Ok(ExternalIdentityRow {
        key: hash(row, 0)?.0,
        user: user_id(row, 1)?,
        issuer: get(row, 2)?,
        subject: get(row, 3)?,
        linked_ms: get(row, 4)?,
    })
}

impl ExternalTx for PgTx<'_> {
    fn put_external_flow(&self, flow: &ExternalFlowRow) -> Result<()> {
        self.execute(
            "INSERT INTO external_flow (state, browser, nonce, verifier, challenge, device, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                &flow.state.as_slice(),
                &flow.browser.as_slice(),
                &text(&flow.nonce),
                &text(&flow.verifier),
                &text(&flow.challenge),
                &bytes(&flow.device.0),
                &flow.expires_ms,
            ],
        )?;
        Ok(())
    }
    fn take_external_flow(&self, state: [u8; 32]) -> Result<Option<ExternalFlowRow>> {
        let sql = "DELETE FROM external_flow WHERE state = $1
            RETURNING browser, nonce, verifier, challenge, device, expires_ms";
        let row = self.query_opt(sql, &[&state.as_slice()])?;
        row.map(|row| {
            Ok(ExternalFlowRow {
                state,
                browser: hash(&row, 0)?.0,
                nonce: get(&row, 1)?,
                verifier: get(&row, 2)?,
                challenge: get(&row, 3)?,
                device: DeviceId(uuid(&row, 4)?),
                expires_ms: get(&row, 5)?,
            })
        })
        .transpose()
    }
    fn put_external_code(&self, code: &ExternalCodeRow) -> Result<()> {
        self.execute(
            "INSERT INTO external_code (hash, user_id, challenge, device, expires_ms)
             VALUES ($1, $2, $3, $4, $5)",
            &[
                &code.hash.as_slice(),
                &bytes(&code.user.0),
                &text(&code.challenge),
                &bytes(&code.device.0),
                &code.expires_ms,
            ],
        )?;
        Ok(())
    }
    fn take_external_code(&self, code: [u8; 32]) -> Result<Option<ExternalCodeRow>> {
        let sql = "DELETE FROM external_code WHERE hash = $1
            RETURNING user_id, challenge, device, expires_ms";
        let row = self.query_opt(sql, &[&code.as_slice()])?;
        row.map(|row| {
            Ok(ExternalCodeRow {
                hash: code,
                user: user_id(&row, 0)?,
                challenge: get(&row, 1)?,
                device: DeviceId(uuid(&row, 2)?),
                expires_ms: get(&row, 3)?,
            })
        })
        .transpose()
    }
    fn delete_expired_external(&self, now_ms: i64, limit: Option<u32>) -> Result<u64> {
        // Without a limit, LIMIT NULL returns all rows.
        let flows = "DELETE FROM external_flow WHERE state IN (SELECT state FROM external_flow
            WHERE expires_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let codes = "DELETE FROM external_code WHERE hash IN (SELECT hash FROM external_code
            WHERE expires_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let limit = limit.map(i64::from);
        let mut count = 0;
        for sql in [flows, codes] {
            count += self.execute(sql, &[&now_ms, &limit])?;
        }
        Ok(count)
    }
    fn external_identity(&self, key: [u8; 32]) -> Result<Option<ExternalIdentityRow>> {
        // First sign-ins of one person are handled one after the other.
        self.lock(Lock::Accounts)?;
        let sql = format!("{IDENTITY} WHERE key = $1");
        self.query_opt(&sql, &[&key.as_slice()])?.as_ref().map(identity).transpose()
    }
    fn put_external_identity(&self, row: &ExternalIdentityRow) -> Result<()> {
        self.lock(Lock::Accounts)?;
        self.execute(
            "INSERT INTO external_identity (key, user_id, issuer, subject, linked_ms)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, key) DO UPDATE SET user_id = excluded.user_id, issuer = excluded.issuer,
             subject = excluded.subject, linked_ms = excluded.linked_ms",
            &[
                &row.key.as_slice(),
                &bytes(&row.user.0),
                &text(&row.issuer),
                &text(&row.subject),
                &row.linked_ms,
            ],
        )?;
        Ok(())
    }
    fn external_identities_of(&self, user: UserId) -> Result<Vec<ExternalIdentityRow>> {
        let sql = format!("{IDENTITY} WHERE user_id = $1 ORDER BY linked_ms, subject");
        self.query(&sql, &[&bytes(&user.0)])?.iter().map(identity).collect()
    }
    fn delete_external_identities(&self, user: UserId) -> Result<u64> {
        self.lock(Lock::Accounts)?;
        self.execute("DELETE FROM external_identity WHERE user_id = $1", &[&bytes(&user.0)])
    }
    fn clear_external_identities(&self, user: UserId) -> Result<()> {
        let sql = "UPDATE external_identity SET issuer = '', subject = '' WHERE user_id = $1";
        self.execute(sql, &[&bytes(&user.0)])?;
        Ok(())
    }
}
