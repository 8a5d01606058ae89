//! SQL statements for enrolment tokens.

use carrel_model::{Slug, UserId};
use carrel_roster::ClassId;
use rusqlite::{OptionalExtension, Row, types::Type};

use super::SqliteTx;
use crate::{
    Result,
    tx::{EnrolmentTokenRow, EnrolmentTokenTx},
};

const SELECT: &str = "SELECT name, created_ms, expires_ms, max_uses, revoked_ms, courses, class,
    (SELECT count(*) FROM enrolment_token_use WHERE token = name) AS uses FROM enrolment_token";

fn token(r: &Row<'_>) -> rusqlite::Result<EnrolmentTokenRow> {
    let courses: String = r.get("courses")?;
    let courses: Vec<Slug> = serde_json::from_str(&courses)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))?;
    Ok(EnrolmentTokenRow {
        name: r.get("name")?,
        created_ms: r.get("created_ms")?,
        expires_ms: r.get("expires_ms")?,
        max_uses: r.get("max_uses")?,
        uses: r.get("uses")?,
        revoked_ms: r.get("revoked_ms")?,
        courses,
        class: uuid::Uuid::from_slice(&r.get::<_, Vec<u8>>("class")?).ok().map(ClassId),
    })
}

impl EnrolmentTokenTx for SqliteTx<'_> {
    fn insert_enrolment_token(&self, token: &EnrolmentTokenRow, hash: [u8; 32]) -> Result<bool> {
        let courses: Vec<&str> = token.courses.iter().map(Slug::as_str).collect();
        let inserted = self
            .prepare_cached(
                "INSERT INTO enrolment_token (name, hash, created_ms, expires_ms, max_uses, revoked_ms, courses, class)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO NOTHING",
            )?
            .execute((
                &token.name,
                hash,
                token.created_ms,
                token.expires_ms,
                token.max_uses,
                token.revoked_ms,
                serde_json::json!(courses).to_string(),
                token.class.map(|class| class.0.as_bytes().to_vec()).unwrap_or_default(),
            ))?;
        Ok(inserted > 0)
    }
    fn enrolment_token(&self, hash: [u8; 32]) -> Result<Option<EnrolmentTokenRow>> {
        let mut stmt = self.prepare_cached(&format!("{SELECT} WHERE hash = ?1"))?;
        Ok(stmt.query_row([hash], token).optional()?)
    }
    fn enrolment_tokens(&self) -> Result<Vec<EnrolmentTokenRow>> {
        let mut stmt = self.prepare_cached(&format!("{SELECT} ORDER BY name"))?;
        Ok(stmt.query_map([], token)?.collect::<rusqlite::Result<_>>()?)
    }
    fn revoke_enrolment_token(&self, name: &str, now_ms: i64) -> Result<bool> {
        let found = self
            .prepare_cached(
                "UPDATE enrolment_token SET revoked_ms = iif(revoked_ms = 0, ?2, revoked_ms) WHERE name = ?1",
            )?
            .execute((name, now_ms))?;
        Ok(found > 0)
    }
    fn has_used_enrolment_token(&self, name: &str, user: UserId) -> Result<bool> {
        let mut stmt = self.prepare_cached(
            "SELECT 1 FROM enrolment_token_use WHERE token = ?1 AND user_id = ?2",
        )?;
        Ok(stmt.exists((name, user.0.as_bytes()))?)
    }
    fn add_enrolment_token_use(
        &self,
        name: &str,
        user: UserId,
        registered: bool,
        now_ms: i64,
    ) -> Result<()> {
        self.prepare_cached(
            "INSERT INTO enrolment_token_use (token, user_id, used_ms, registered) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute((name, user.0.as_bytes(), now_ms, registered))?;
        Ok(())
    }
}
