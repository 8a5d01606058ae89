//! The role as which transactions run: it owns nothing and cannot bypass row-level security, so that a statement without
//! the tenant of its transaction finds no row.
//!
//! The role is `DATABASE_app`. The user of the URL creates it if it may, or else an administrator of the database
//! (docs/OPERATIONS.md). Without it, transactions run as the owner, for whom row-level security is forced as well, and
//! the database can have one tenant only.

use carrel_store::{Reason, Result, StoreError};
use tokio_postgres::{Client, error::SqlState};

use crate::{error, tx::MIGRATION_LOCK};

/// Takes the lock of changes to schema, roles and tenants until the end of the transaction.
pub(crate) async fn lock(owner: &Client) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock($1, 0)";
    owner.execute(sql, &[&MIGRATION_LOCK]).await.map_err(|e| error::of(&e))?;
    Ok(())
}

/// Prepares the role in a transaction that holds the lock, and returns its name; `None` if it does not exist and must not
/// be created.
///
/// `is_changed`: the schema was changed, so that the role lacks rights on new tables.
pub(crate) async fn prepare(owner: &Client, is_changed: bool) -> Result<Option<String>> {
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let row = owner.query_one("SELECT current_database() || '_app'", &[]).await.map_err(sql)?;
    let name: String = row.get(0);
    let role = quoted(&name);
    let find = "SELECT pg_has_role(current_user, oid, 'MEMBER'), has_schema_privilege(oid, 'carrel', 'USAGE')
        FROM pg_roles WHERE rolname = $1";
    let found = owner.query_opt(find, &[&name]).await.map_err(sql)?;
    let is_prepared = found.as_ref().is_some_and(|row| row.get::<_, bool>(1));
    match found {
        Some(row) if !row.get::<_, bool>(0) => return Ok(None),
        Some(_) => {}
        None => {
            owner.batch_execute("SAVEPOINT role").await.map_err(sql)?;
            let create = format!(
                "CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT; GRANT {role} TO CURRENT_USER"
            );
            match owner.batch_execute(&create).await {
                Ok(()) => {}
                Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                    owner.batch_execute("ROLLBACK TO role").await.map_err(sql)?;
                    return Ok(None);
                }
                Err(e) => return Err(error::of(&e)),
            }
        }
    }
    if is_changed || !is_prepared {
        // The audit log is not deleted from. The tables of the whole database are the owner's.
        let grant = format!(
            "GRANT USAGE ON SCHEMA carrel TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA carrel TO {role};
             REVOKE ALL ON schema_migration, tenant, cluster FROM {role};
             GRANT SELECT ON cluster TO {role};
             REVOKE DELETE ON audit FROM {role}"
        );
        owner.batch_execute(&grant).await.map_err(sql)?;
    }
    Ok(Some(name))
}

/// Returns the statement that changes a session to the role, and refuses a session that row-level security would not
/// restrict.
pub(crate) fn session_sql(role: Option<&str>) -> String {
    role.map(|role| format!("SET ROLE {}", quoted(role))).unwrap_or_default()
}

/// Returns an error if row-level security does not restrict the session.
pub(crate) async fn check(client: &Client) -> Result<()> {
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(sql, &[]).await.map_err(|e| error::of(&e))?;
    if row.get(0) {
        return Err(StoreError::Internal(Reason {
            message: "PostgreSQL: row-level security does not restrict the user of the database"
                .to_owned(),
            hint: "let the server connect as a user without SUPERUSER and BYPASSRLS",
        }));
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
