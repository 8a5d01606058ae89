//! Converts errors of the driver and of the pool.

use carrel_store::{Reason, StoreError};
use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

/// Returns the error with the message of the server, without values of the statement.
pub(crate) fn of(error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        let is_conversion = message.contains("error deserializing")
            || message.contains("error serializing")
            || message.contains("cannot convert between");
        let reason = Reason::from(format!("PostgreSQL: {message}"));
        return if is_conversion {
            StoreError::Internal(reason)
        } else {
            StoreError::Unavailable(reason)
        };
    };
    let code = db.code();
    let message = format!("PostgreSQL: {} ({})", db.message(), code.code());
    let reason = Reason { message, hint: hint(code) };
    match code.code().get(..2) {
        _ if *code == SqlState::UNIQUE_VIOLATION => StoreError::Conflict(reason),
        _ if *code == SqlState::DISK_FULL => StoreError::Full(reason),
        // A statement was cancelled by a time limit, or waited too long for a lock.
        _ if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE => {
            StoreError::Unavailable(reason)
        }
        // After a failover, the old primary is a read-only standby.
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unavailable(reason),
        // Connection, transaction rollback, resources, intervention of an operator, system errors.
        Some("08" | "40" | "53" | "57" | "58") => StoreError::Unavailable(reason),
        Some("XX") => StoreError::Corrupt(reason),
        _ => StoreError::Internal(reason),
    }
}

fn hint(code: &SqlState) -> &'static str {
    match code.code() {
        "28P01" | "28000" => "check user and password in the URL of the database, and pg_hba.conf",
        "3D000" => "create the database first: createdb --encoding UTF8 NAME",
        "42501" => "the user must own the database, or the schema carrel in it",
        "53300" => "raise max_connections of PostgreSQL, or lower database_pool_max",
        "53100" => "the disk of the PostgreSQL server is full",
        _ => "",
    }
}

pub(crate) fn of_pool(error: &PoolError) -> StoreError {
    let unavailable = |message: &str| StoreError::Unavailable(message.to_owned().into());
    match error {
        PoolError::Backend(e) => of(e),
        PoolError::Timeout(TimeoutType::Wait) => {
            unavailable("PostgreSQL: all connections of this server are in use")
        }
        PoolError::Timeout(_) => {
            unavailable("PostgreSQL: the connection could not be opened in time")
        }
        PoolError::Closed => StoreError::closed(),
        PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(e)) => of(e),
        other => unavailable(&format!("PostgreSQL: {other}")),
    }
}
