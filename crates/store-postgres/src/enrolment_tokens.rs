//! SQL statements for enrolment tokens.

use carrel_model::{Slug, UserId};
use carrel_roster::ClassId;
use carrel_store::{
    Result, StoreError,
    tx::{EnrolmentTokenRow, EnrolmentTokenTx},
};
use tokio_postgres::Row;

use crate::tx::{PgTx, bytes, get, text};

const SELECT: &str =
    "SELECT t.name, t.created_ms, t.expires_ms, t.max_uses, t.revoked_ms, t.courses,
    (SELECT count(*) FROM enrolment_token_use u WHERE u.token = t.name), t.class FROM enrolment_token t";

fn token(row: &Row) -> Result<EnrolmentTokenRow> {
    let courses: Vec<Slug> = serde_json::from_str(get(row, 5)?)
        .map_err(|e| StoreError::unreadable("enrolment token", e))?;
    Ok(EnrolmentTokenRow {
        name: get(row, 0)?,
        created_ms: get(row, 1)?,
        expires_ms: get(row, 2)?,
        max_uses: get(row, 3)?,
        uses: get(row, 6)?,
        revoked_ms: get(row, 4)?,
        courses,
        class: uuid::Uuid::from_slice(get(row, 7)?).ok().map(ClassId),
    })
}

impl EnrolmentTokenTx for PgTx<'_> {
    fn insert_enrolment_token(&self, token: &EnrolmentTokenRow, hash: [u8; 32]) -> Result<bool> {
        let courses: Vec<&str> = token.courses.iter().map(Slug::as_str).collect();
        let inserted = self.execute(
            "INSERT INTO enrolment_token (name, hash, created_ms, expires_ms, max_uses, revoked_ms, courses, class)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, name) DO NOTHING",
            &[
                &text(&token.name),
                &hash.as_slice(),
                &token.created_ms,
                &token.expires_ms,
                &token.max_uses,
                &token.revoked_ms,
                &serde_json::json!(courses).to_string(),
                &token.class.as_ref().map_or(&[][..], |class| bytes(&class.0)),
            ],
        )?;
        Ok(inserted > 0)
    }
    fn enrolment_token(&self, hash: [u8; 32]) -> Result<Option<EnrolmentTokenRow>> {
        // First locks the token, then counts its uses in a later statement, which sees the uses that were committed
        // while it waited.
        if self.is_write() {
            let sql = "SELECT 1 FROM enrolment_token WHERE hash = $1 FOR UPDATE";
            self.query(sql, &[&hash.as_slice()])?;
        }
        let sql = format!("{SELECT} WHERE t.hash = $1");
        self.query_opt(&sql, &[&hash.as_slice()])?.as_ref().map(token).transpose()
    }
    fn enrolment_tokens(&self) -> Result<Vec<EnrolmentTokenRow>> {
        self.query(&format!("{SELECT} ORDER BY t.name"), &[])?.iter().map(token).collect()
    }
    fn revoke_enrolment_token(&self, name: &str, now_ms: i64) -> Result<bool> {
        let sql = "UPDATE enrolment_token
            SET revoked_ms = CASE WHEN revoked_ms = 0 THEN $2 ELSE revoked_ms END WHERE name = $1";
        Ok(self.execute(sql, &[&text(name), &now_ms])? > 0)
    }
    fn has_used_enrolment_token(&self, name: &str, user: UserId) -> Result<bool> {
        let sql = "SELECT 1 FROM enrolment_token_use WHERE token = $1 AND user_id = $2";
        self.exists(sql, &[&text(name), &bytes(&user.0)])
    }
    fn add_enrolment_token_use(
        &self,
        name: &str,
        user: UserId,
        registered: bool,
        now_ms: i64,
    ) -> Result<()> {
        self.execute(
            "INSERT INTO enrolment_token_use (token, user_id, used_ms, registered) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            &[&text(name), &bytes(&user.0), &now_ms, &registered],
        )?;
        Ok(())
    }
}
