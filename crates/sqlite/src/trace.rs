//! Spans of SQL statements, for traces.

use carrel_system::SQL_TARGET;
use rusqlite::{
    Connection,
    trace::{TraceEvent, TraceEventCodes},
};
use tracing::{Level, Span};

use crate::Result;

/// Statements that run at the same time on a connection; those of triggers and further ones have no span.
const MAX_OPEN: usize = 32;

/// Opens a span for each statement that runs within another span, if these spans are enabled. The span has the text of
/// the statement, without the values of its parameters.
pub(crate) fn statements(conn: &mut Connection) -> Result<()> {
    if !tracing::enabled!(target: SQL_TARGET, Level::DEBUG) {
        return Ok(());
    }
    // Statements overlap: one may run while the rows of another one are read.
    let mut open: Vec<(String, Span)> = Vec::new();
    let trace = move |event: TraceEvent<'_>| match event {
        // The statements of a trigger are reported as comments.
        TraceEvent::Stmt(_, text) if text.starts_with("--") || Span::current().is_none() => {}
        TraceEvent::Stmt(statement, _) if open.len() < MAX_OPEN => {
            let sql = statement.sql().into_owned();
            let span = tracing::debug_span!(target: SQL_TARGET, "sql", db.query.text = %sql);
            open.push((sql, span));
        }
        TraceEvent::Profile(statement, _) => {
            let sql = statement.sql();
            if let Some(at) = open.iter().rposition(|(text, _)| *text == sql) {
                open.remove(at);
            }
        }
        _ => {}
    };
    let events = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
    Ok(conn.trace_v2(events, Some(trace))?)
}
