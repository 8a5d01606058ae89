//! SQL statements for sign-ins and their tokens.

use carrel_model::{DeviceId, UserId};
use rusqlite::OptionalExtension;
use uuid::Uuid;

use super::{
    SqliteTx,
    accounts::{user, uuid},
};
use crate::{
    Result,
    tx::{Redemption, SessionTx, SignInRow, SignedIn},
};

impl SessionTx for SqliteTx<'_> {
    fn sign_in(&self, id: Uuid) -> Result<Option<SignInRow>> {
        let sql = "SELECT user_id, device, ended_ms, redeemed_floor FROM sign_in WHERE id = ?1";
        let found = self.prepare_cached(sql)?.query_row([id.as_bytes()], |r| {
            Ok(SignInRow {
                user: UserId(uuid(r, "user_id")?),
                device: DeviceId(uuid(r, "device")?),
                is_ended: r.get::<_, i64>("ended_ms")? != 0,
                redeemed_floor: r.get("redeemed_floor")?,
            })
        });
        Ok(found.optional()?)
    }
    fn insert_sign_in(
        &self,
        id: Uuid,
        user: UserId,
        device: DeviceId,
        device_name: &str,
        now_ms: i64,
    ) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO sign_in (id, user_id, device, device_name, created_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 0)",
        )?
        .execute((
            id.as_bytes(),
            user.0.as_bytes(),
            device.0.as_bytes(),
            device_name,
            now_ms,
        ))?;
        Ok(())
    }
    fn open_sign_ins(&self, user: UserId) -> Result<Vec<Uuid>> {
        let sql = "SELECT id FROM sign_in WHERE user_id = ?1 AND ended_ms = 0";
        let mut stmt = self.prepare_cached(sql)?;
        let found = stmt.query_map([user.0.as_bytes()], |r| uuid(r, "id"))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn extend_sign_in(&self, id: Uuid, expires_ms: i64) -> Result<()> {
        self.prepare_cached("UPDATE sign_in SET expires_ms = max(expires_ms, ?2) WHERE id = ?1")?
            .execute((id.as_bytes(), expires_ms))?;
        Ok(())
    }
    fn end_sign_in(&self, id: Uuid, ended_ms: i64) -> Result<()> {
        let id = id.as_bytes();
        self.prepare_cached("UPDATE sign_in SET ended_ms = ?2 WHERE id = ?1")?
            .execute((id, ended_ms))?;
        self.prepare_cached("DELETE FROM token WHERE sign_in = ?1")?.execute([id])?;
        self.prepare_cached("DELETE FROM sign_in_branch WHERE sign_in = ?1")?.execute([id])?;
        self.prepare_cached("DELETE FROM device_report WHERE sign_in = ?1")?.execute([id])?;
        Ok(())
    }
    fn put_device_report(&self, sign_in: Uuid, reported_ms: i64, report: &str) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO device_report (sign_in, reported_ms, report)
             SELECT id, ?2, ?3 FROM sign_in WHERE id = ?1 AND ended_ms = 0
             ON CONFLICT (sign_in) DO UPDATE SET reported_ms = excluded.reported_ms, report = excluded.report",
        )?
        .execute((sign_in.as_bytes(), reported_ms, report))?;
        Ok(())
    }
    fn raise_redeemed_floor(&self, id: Uuid, generation: i64) -> Result<()> {
        let sql = "UPDATE sign_in SET redeemed_floor = max(redeemed_floor, ?2) WHERE id = ?1";
        self.prepare_cached(sql)?.execute((id.as_bytes(), generation))?;
        Ok(())
    }

    fn redemption(&self, sign_in: Uuid, branch: u32) -> Result<Option<Redemption>> {
        let sql =
            "SELECT redeemed, redeemed_ms FROM sign_in_branch WHERE sign_in = ?1 AND branch = ?2";
        let found = self.prepare_cached(sql)?.query_row((sign_in.as_bytes(), branch), |r| {
            Ok(Redemption { generation: r.get("redeemed")?, at_ms: r.get("redeemed_ms")? })
        });
        Ok(found.optional()?)
    }
    fn put_redemption(&self, sign_in: Uuid, branch: u32, redemption: Redemption) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO sign_in_branch (sign_in, branch, redeemed, redeemed_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (sign_in, branch) DO UPDATE SET redeemed = excluded.redeemed, redeemed_ms = excluded.redeemed_ms",
        )?
        .execute((sign_in.as_bytes(), branch, redemption.generation, redemption.at_ms))?;
        Ok(())
    }
    fn old_branches(&self, sign_in: Uuid, keep: u32) -> Result<Vec<(u32, Redemption)>> {
        let mut stmt = self.prepare_cached(
            "SELECT branch, redeemed, redeemed_ms FROM sign_in_branch WHERE sign_in = ?1
             ORDER BY redeemed_ms DESC, redeemed DESC LIMIT -1 OFFSET ?2",
        )?;
        let found = stmt.query_map((sign_in.as_bytes(), keep), |r| {
            let redemption =
                Redemption { generation: r.get("redeemed")?, at_ms: r.get("redeemed_ms")? };
            Ok((r.get("branch")?, redemption))
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
    fn delete_branch(&self, sign_in: Uuid, branch: u32) -> Result<()> {
        self.prepare_cached("DELETE FROM sign_in_branch WHERE sign_in = ?1 AND branch = ?2")?
            .execute((sign_in.as_bytes(), branch))?;
        Ok(())
    }

    fn opaque_refresh_token(&self, hash: [u8; 32], now_ms: i64) -> Result<Option<(Uuid, i64)>> {
        let sql = "SELECT sign_in, generation FROM token WHERE hash = ?1 AND kind = 'refresh' AND expires_ms > ?2";
        let found = self
            .prepare_cached(sql)?
            .query_row((hash, now_ms), |r| Ok((uuid(r, "sign_in")?, r.get("generation")?)));
        Ok(found.optional()?)
    }
    fn delete_opaque_refresh_tokens(&self, sign_in: Uuid, before_generation: i64) -> Result<()> {
        let sql = "DELETE FROM token WHERE sign_in = ?1 AND kind = 'refresh' AND generation < ?2";
        self.prepare_cached(sql)?.execute((sign_in.as_bytes(), before_generation))?;
        Ok(())
    }
    fn insert_access_token(&self, sign_in: Uuid, hash: [u8; 32], expires_ms: i64) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO token (hash, sign_in, kind, generation, expires_ms) VALUES (?1, ?2, 'access', 0, ?3)",
        )?
        .execute((hash, sign_in.as_bytes(), expires_ms))?;
        Ok(())
    }
    fn trim_tokens(&self, sign_in: Uuid, now_ms: i64, keep: u32) -> Result<()> {
        let id = sign_in.as_bytes();
        self.prepare_cached("DELETE FROM token WHERE sign_in = ?1 AND expires_ms <= ?2")?
            .execute((id, now_ms))?;
        self.prepare_cached(
            "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE sign_in = ?1 AND kind = 'access'
             ORDER BY expires_ms DESC, hash LIMIT -1 OFFSET ?2)",
        )?
        .execute((id, keep))?;
        Ok(())
    }
    fn sign_in_of_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>> {
        let mut stmt = self.prepare_cached("SELECT sign_in FROM token WHERE hash = ?1")?;
        Ok(stmt.query_row([hash], |r| uuid(r, "sign_in")).optional()?)
    }
    fn signed_in(&self, access: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>> {
        let mut stmt = self.prepare_cached(
            "SELECT s.id AS sign_in, s.device, t.expires_ms, a.id, a.login, a.name, a.role,
                 coalesce(p.operator, 0) AS operator
             FROM token t JOIN sign_in s ON s.id = t.sign_in JOIN account a ON a.id = s.user_id
             LEFT JOIN person p ON p.user_id = a.id
             WHERE t.hash = ?1 AND t.kind = 'access' AND t.expires_ms > ?2 AND s.ended_ms = 0",
        )?;
        let found = stmt.query_row((access, now_ms), |r| {
            Ok(SignedIn {
                user: user(r)?,
                is_operator: r.get("operator")?,
                sign_in: uuid(r, "sign_in")?,
                device: DeviceId(uuid(r, "device")?),
                expires_ms: r.get("expires_ms")?,
            })
        });
        Ok(found.optional()?)
    }

    fn delete_expired_sign_ins(&self, now_ms: i64, max: Option<u32>) -> Result<u64> {
        let deleted = self
            .prepare_cached(
                "DELETE FROM sign_in WHERE id IN
                 (SELECT id FROM sign_in WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)",
            )?
            .execute((now_ms, max.map_or(-1, i64::from)))?;
        Ok(deleted as u64)
    }
    fn delete_all_sign_ins(&self) -> Result<()> {
        self.execute("DELETE FROM sign_in", [])?;
        Ok(())
    }
}
