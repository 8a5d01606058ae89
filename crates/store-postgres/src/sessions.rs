//! SQL statements for sign-ins and their tokens.

use carrel_model::{DeviceId, UserId};
use carrel_store::{
    Result,
    tx::{Redemption, SessionTx, SignInRow, SignedIn},
};
use uuid::Uuid;

use crate::{
    accounts::user,
    tx::{Lock, PgTx, bytes, get, text, user_id, uuid},
};

/// The limit of a statement that deletes at most `max` rows.
fn limit(max: Option<u32>) -> i64 {
    max.map_or(i64::MAX, i64::from)
}

impl PgTx<'_> {
    fn branches(&self, sql: &str, sign_in: Uuid, value: i64) -> Result<Vec<(u32, Redemption)>> {
        let rows = self.query(sql, &[&bytes(&sign_in), &value])?;
        rows.iter()
            .map(|row| {
                let branch: i64 = get(row, 0)?;
                let redemption = Redemption { generation: get(row, 1)?, at_ms: get(row, 2)? };
                Ok((u32::try_from(branch).unwrap_or(u32::MAX), redemption))
            })
            .collect()
    }
}

impl SessionTx for PgTx<'_> {
    fn sign_in(&self, id: Uuid) -> Result<Option<SignInRow>> {
        // The lock of the row orders the redemptions of its tokens.
        let sql = format!(
            "SELECT user_id, device, ended_ms, redeemed_floor FROM sign_in WHERE id = $1{}",
            self.for_update()
        );
        let row = self.find_or_lock(Lock::SignIn(id), || self.query_opt(&sql, &[&bytes(&id)]))?;
        row.map(|row| {
            Ok(SignInRow {
                user: user_id(&row, 0)?,
                device: DeviceId(uuid(&row, 1)?),
                is_ended: get::<i64>(&row, 2)? != 0,
                redeemed_floor: get(&row, 3)?,
            })
        })
        .transpose()
    }
    fn insert_sign_in(
        &self,
        id: Uuid,
        user: UserId,
        device: DeviceId,
        device_name: &str,
        now_ms: i64,
    ) -> Result<()> {
        self.execute(
            "INSERT INTO sign_in (id, user_id, device, device_name, created_ms, expires_ms)
             VALUES ($1, $2, $3, $4, $5, 0)",
            &[&bytes(&id), &bytes(&user.0), &bytes(&device.0), &text(device_name), &now_ms],
        )?;
        Ok(())
    }
    fn open_sign_ins(&self, user: UserId) -> Result<Vec<Uuid>> {
        let sql = format!(
            "SELECT id FROM sign_in WHERE user_id = $1 AND ended_ms = 0 ORDER BY id{}",
            self.for_update()
        );
        self.query(&sql, &[&bytes(&user.0)])?.iter().map(|row| uuid(row, 0)).collect()
    }
    fn extend_sign_in(&self, id: Uuid, expires_ms: i64) -> Result<()> {
        let sql = "UPDATE sign_in SET expires_ms = greatest(expires_ms, $2) WHERE id = $1";
        self.execute(sql, &[&bytes(&id), &expires_ms])?;
        Ok(())
    }
    fn end_sign_in(&self, id: Uuid, ended_ms: i64) -> Result<()> {
        let end = "UPDATE sign_in SET ended_ms = $2 WHERE id = $1";
        self.execute(end, &[&bytes(&id), &ended_ms])?;
        self.execute("DELETE FROM token WHERE sign_in = $1", &[&bytes(&id)])?;
        self.execute("DELETE FROM sign_in_branch WHERE sign_in = $1", &[&bytes(&id)])?;
        self.execute("DELETE FROM device_report WHERE sign_in = $1", &[&bytes(&id)])?;
        Ok(())
    }
    fn put_device_report(&self, sign_in: Uuid, reported_ms: i64, report: &str) -> Result<()> {
        self.execute(
            "INSERT INTO device_report (sign_in, reported_ms, report)
             SELECT id, $2, $3 FROM sign_in WHERE id = $1 AND ended_ms = 0
             ON CONFLICT (tenant, sign_in) DO UPDATE SET reported_ms = excluded.reported_ms, report = excluded.report",
            &[&bytes(&sign_in), &reported_ms, &text(report)],
        )?;
        Ok(())
    }
    fn raise_redeemed_floor(&self, id: Uuid, generation: i64) -> Result<()> {
        let sql = "UPDATE sign_in SET redeemed_floor = greatest(redeemed_floor, $2) WHERE id = $1";
        self.execute(sql, &[&bytes(&id), &generation])?;
        Ok(())
    }

    fn redemption(&self, sign_in: Uuid, branch: u32) -> Result<Option<Redemption>> {
        let sql = "SELECT branch, redeemed, redeemed_ms FROM sign_in_branch WHERE sign_in = $1 AND branch = $2";
        let found = self.branches(sql, sign_in, i64::from(branch))?;
        Ok(found.into_iter().next().map(|(_, redemption)| redemption))
    }
    fn put_redemption(&self, sign_in: Uuid, branch: u32, redemption: Redemption) -> Result<()> {
        self.execute(
            "INSERT INTO sign_in_branch (sign_in, branch, redeemed, redeemed_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, sign_in, branch)
             DO UPDATE SET redeemed = excluded.redeemed, redeemed_ms = excluded.redeemed_ms",
            &[&bytes(&sign_in), &i64::from(branch), &redemption.generation, &redemption.at_ms],
        )?;
        Ok(())
    }
    fn old_branches(&self, sign_in: Uuid, keep: u32) -> Result<Vec<(u32, Redemption)>> {
        let sql = "SELECT branch, redeemed, redeemed_ms FROM sign_in_branch WHERE sign_in = $1
            ORDER BY redeemed_ms DESC, redeemed DESC, branch OFFSET $2";
        self.branches(sql, sign_in, i64::from(keep))
    }
    fn delete_branch(&self, sign_in: Uuid, branch: u32) -> Result<()> {
        let sql = "DELETE FROM sign_in_branch WHERE sign_in = $1 AND branch = $2";
        self.execute(sql, &[&bytes(&sign_in), &i64::from(branch)])?;
        Ok(())
    }

    fn opaque_refresh_token(&self, hash: [u8; 32], now_ms: i64) -> Result<Option<(Uuid, i64)>> {
        let sql = "SELECT sign_in, generation FROM token
            WHERE hash = $1 AND kind = 'refresh' AND expires_ms > $2";
        let row = self.query_opt(sql, &[&hash.as_slice(), &now_ms])?;
        row.map(|row| Ok((uuid(&row, 0)?, get(&row, 1)?))).transpose()
    }
    fn delete_opaque_refresh_tokens(&self, sign_in: Uuid, before_generation: i64) -> Result<()> {
        let sql = "DELETE FROM token WHERE sign_in = $1 AND kind = 'refresh' AND generation < $2";
        self.execute(sql, &[&bytes(&sign_in), &before_generation])?;
        Ok(())
    }
    fn insert_access_token(&self, sign_in: Uuid, hash: [u8; 32], expires_ms: i64) -> Result<()> {
        self.execute(
            "INSERT INTO token (hash, sign_in, kind, generation, expires_ms)
             VALUES ($1, $2, 'access', 0, $3)",
            &[&hash.as_slice(), &bytes(&sign_in), &expires_ms],
        )?;
        Ok(())
    }
    fn trim_tokens(&self, sign_in: Uuid, now_ms: i64, keep: u32) -> Result<()> {
        let id = bytes(&sign_in);
        let expired = "DELETE FROM token WHERE sign_in = $1 AND expires_ms <= $2";
        self.execute(expired, &[&id, &now_ms])?;
        self.execute(
            "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE sign_in = $1 AND kind = 'access'
             ORDER BY expires_ms DESC, hash OFFSET $2)",
            &[&id, &i64::from(keep)],
        )?;
        Ok(())
    }
    fn sign_in_of_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>> {
        let sql = "SELECT sign_in FROM token WHERE hash = $1";
        self.query_opt(sql, &[&hash.as_slice()])?.map(|row| uuid(&row, 0)).transpose()
    }
    fn signed_in(&self, access: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>> {
        let sql = "SELECT a.id, a.login, a.name, a.role, s.id, s.device, t.expires_ms,
                coalesce(p.operator, false)
            FROM token t JOIN sign_in s ON s.id = t.sign_in JOIN account a ON a.id = s.user_id
            LEFT JOIN person p ON p.user_id = a.id
            WHERE t.hash = $1 AND t.kind = 'access' AND t.expires_ms > $2 AND s.ended_ms = 0";
        let row = self.query_opt(sql, &[&access.as_slice(), &now_ms])?;
        row.map(|row| {
            Ok(SignedIn {
                user: user(&row, 0)?,
                is_operator: get(&row, 7)?,
                sign_in: uuid(&row, 4)?,
                device: DeviceId(uuid(&row, 5)?),
                expires_ms: get(&row, 6)?,
            })
        })
        .transpose()
    }

    fn delete_expired_sign_ins(&self, now_ms: i64, max: Option<u32>) -> Result<u64> {
        // Rows that another transaction has locked are deleted by a later call.
        self.execute(
            "DELETE FROM sign_in WHERE id IN (SELECT id FROM sign_in WHERE expires_ms <= $1
             ORDER BY expires_ms LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &[&now_ms, &limit(max)],
        )
    }
    fn delete_all_sign_ins(&self) -> Result<()> {
        self.execute("DELETE FROM sign_in", &[])?;
        Ok(())
    }
}
