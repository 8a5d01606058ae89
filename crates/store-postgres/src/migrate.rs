//! Schema migrations: the same rules as for SQLite (migrations/README.md), in one transaction. Several processes that
//! start together migrate one after the other.

use carrel_sqlite::Migration;
use carrel_store::{Reason, Result, StoreError};
use tokio_postgres::Client;

use crate::{error, roles};

macro_rules! migration {
    ($number:literal, $name:literal, $file:literal) => {
        Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../../migrations/server-postgres/", $file, ".sql")),
        }
    };
}

/// The schema of a server database.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "rows", "0001_rows"),
    migration!(2, "server", "0002_server"),
    migration!(3, "people", "0003_people"),
    migration!(4, "enrolments", "0004_enrolments"),
    migration!(5, "operators", "0005_operators"),
    migration!(6, "one_time_codes", "0006_one_time_codes"),
    migration!(7, "roster_reports", "0007_roster_reports"),
    migration!(8, "class_codes", "0008_class_codes"),
    migration!(9, "tenants", "0009_tenants"),
    migration!(10, "external_sign_in", "0010_external_sign_in"),
    migration!(11, "courses", "0011_courses"),
    migration!(12, "course_uploads", "0012_course_uploads"),
    migration!(13, "mail_addresses", "0013_mail_addresses"),
    migration!(14, "mail", "0014_mail"),
    migration!(15, "story_uploads", "0015_story_uploads"),
    migration!(16, "messages", "0016_messages"),
    migration!(17, "rate_limits", "0017_rate_limits"),
    migration!(18, "list_indexes", "0018_list_indexes"),
    migration!(19, "analytics", "0019_analytics"),
    migration!(20, "device reports", "0020_device_reports"),
    migration!(21, "indexes of change numbers", "0021_change_numbers"),
    migration!(22, "consents", "0022_consents"),
];

/// Applies the missing migrations: all of them, or none if one fails. Returns the role of the transactions
/// (`roles::prepare`).
///
/// # Errors
/// `Corrupt` if the database was migrated by a newer or by another release, or belongs to another program.
pub(crate) async fn migrate(client: &mut Client, now_ms: i64) -> Result<Option<String>> {
    client.batch_execute("BEGIN").await.map_err(|e| error::of(&e))?;
    match apply(client, now_ms).await {
        Ok((count, role)) => {
            client.batch_execute("COMMIT").await.map_err(|e| error::of(&e))?;
            if count > 0 {
                tracing::info!(
                    schema.applied = count,
                    schema.to = MIGRATIONS.len(),
                    "database migrated"
                );
            }
            Ok(role)
        }
        Err(e) => {
            // Fails if the connection is lost, which also ends the transaction.
            let _ = client.batch_execute("ROLLBACK").await;
            Err(e)
        }
    }
}

async fn apply(client: &Client, now_ms: i64) -> Result<(usize, Option<String>)> {
    let sql = |e: tokio_postgres::Error| error::of(&e);
    roles::lock(client).await?;
    // A schema of its own: other schemas of the database are left alone, and a user who owns the database may create it.
    let exists = "SELECT to_regclass('carrel.schema_migration') IS NOT NULL,
        EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'carrel')";
    let row = client.query_one(exists, &[]).await.map_err(sql)?;
    match (row.get::<_, bool>(0), row.get::<_, bool>(1)) {
        (true, _) => {}
        (false, true) => {
            return Err(refused(
                "the schema carrel has tables of another program",
                "create an empty database for this server",
            ));
        }
        (false, false) => {
            let create = "CREATE TABLE schema_migration (
                    number bigint PRIMARY KEY,
                    name text COLLATE \"C\" NOT NULL,
                    checksum bytea NOT NULL,
                    applied_ms bigint NOT NULL
                )";
            let has_schema = "SELECT to_regnamespace('carrel') IS NOT NULL";
            let row = client.query_one(has_schema, &[]).await.map_err(sql)?;
            if !row.get::<_, bool>(0) {
                client.batch_execute("CREATE SCHEMA carrel").await.map_err(sql)?;
            }
            client.batch_execute(create).await.map_err(sql)?;
        }
    }
    let stored = client
        .query("SELECT number, name, checksum FROM schema_migration ORDER BY number", &[])
        .await
        .map_err(sql)?;
    if stored.len() > MIGRATIONS.len() {
        return Err(refused(
            &format!(
                "the database has the schema {} of a newer release, this one has {}",
                stored.len(),
                MIGRATIONS.len()
            ),
            "update the server",
        ));
    }
    for (row, migration) in stored.iter().zip(MIGRATIONS) {
        let is_same = row.get::<_, i64>(0) == i64::from(migration.number)
            && row.get::<_, &[u8]>(2) == migration.checksum();
        if !is_same {
            return Err(refused(
                &format!(
                    "migration {} of the database is not the one of this release",
                    migration.number
                ),
                "start the release that created the database",
            ));
        }
    }
    let missing = &MIGRATIONS[stored.len()..];
    for migration in missing {
        client.batch_execute(migration.sql).await.map_err(|e| match error::of(&e) {
            StoreError::Internal(reason) => StoreError::Internal(Reason {
                message: format!("migration {}: {}", migration.number, reason.message),
                ..reason
            }),
            other => other,
        })?;
        let insert = "INSERT INTO schema_migration (number, name, checksum, applied_ms) VALUES ($1, $2, $3, $4)";
        let checksum = migration.checksum();
        client
            .execute(
                insert,
                &[&i64::from(migration.number), &migration.name, &checksum.as_slice(), &now_ms],
            )
            .await
            .map_err(sql)?;
    }
    let role = roles::prepare(client, !missing.is_empty()).await?;
    Ok((missing.len(), role))
}

fn refused(message: &str, hint: &'static str) -> StoreError {
    StoreError::Corrupt(Reason { message: format!("PostgreSQL: {message}"), hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of the release before use the database until they are replaced.
    #[test]
    fn migrations_only_add() {
        // The older ones were changed before there was a release.
        for migration in MIGRATIONS.iter().filter(|migration| migration.number > 15) {
            let lines = migration.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
            let sql = lines.collect::<Vec<_>>().join(" ").to_lowercase();
            let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let words = ["drop table", "drop column", " rename ", "set not null", "alter column"];
            let found: Vec<_> = words.into_iter().filter(|word| sql.contains(word)).collect();
            assert!(found.is_empty(), "{}: {found:?}", migration.name);
        }
    }
}
