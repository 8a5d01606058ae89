//! Measures the minimum cost of a sync: moves the same rows and batches with SQLite and JSON only, without network,
//! merge or validation.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use carrel_sqlite::rusqlite::Connection;
use serde_json::{Value, json};

/// Rows per request, as in sync.
const BATCH: usize = 2_000;
const TABLE: &str = "CREATE TABLE row (key TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, usn INTEGER NOT NULL) STRICT;
     CREATE TABLE outbox (key TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;";

/// Returns the times to move `rows` rows with SQLite and JSON only: (push, pull). Each batch is read, encoded, parsed,
/// upserted and committed with an fsync; a push also removes the batch from the outbox in a separate commit.
pub fn sync(dir: &Path, rows: usize) -> (Duration, Duration) {
    std::fs::create_dir_all(dir).expect("a folder");
    let [device, server, tablet] = ["device", "server", "tablet"].map(|name| {
        let conn = carrel_sqlite::open(&dir.join(name).with_extension("db"), Default::default());
        let conn = conn.expect("a database");
        conn.execute_batch(TABLE).expect("a table");
        conn
    });
    let rows_to_move: Vec<Value> = (0..rows)
        .map(|n| {
            let item = format!("course-{}/lesson-{}/section-{n}", n % 100, n / 100 % 10);
            json!({"item": item, "kind": "section", "percent": 5_000, "completedMs": 0, "updatedMs": 1_764_000_000_000_u64})
        })
        .collect();
    upsert(&device, &rows_to_move);
    device.execute("INSERT INTO outbox SELECT key FROM row", ()).expect("queued");
    let start = Instant::now();
    for n in 0..rows.div_ceil(BATCH) {
        upsert(&server, &read_batch(&device, n));
        device
            .execute(
                "DELETE FROM outbox WHERE key IN (SELECT key FROM outbox LIMIT ?1)",
                [BATCH as i64],
            )
            .expect("settled");
    }
    let push = start.elapsed();
    let start = Instant::now();
    for n in 0..rows.div_ceil(BATCH) {
        upsert(&tablet, &read_batch(&server, n));
    }
    (push, start.elapsed())
}

/// Reads the rows of batch `n`, encodes them as one JSON text and parses it.
fn read_batch(from: &Connection, n: usize) -> Vec<Value> {
    let mut stmt = from
        .prepare_cached("SELECT body FROM row ORDER BY rowid LIMIT ?1 OFFSET ?2")
        .expect("a statement");
    let bodies = stmt
        .query_map([BATCH as i64, (n * BATCH) as i64], |r| r.get::<_, String>(0))
        .expect("read")
        .map(|body| serde_json::from_str(&body.expect("a row")).expect("JSON"))
        .collect::<Vec<Value>>();
    let text = serde_json::to_vec(&bodies).expect("encoded");
    serde_json::from_slice(&text).expect("parsed")
}

/// Upserts the rows in one transaction.
fn upsert(conn: &Connection, rows: &[Value]) {
    let tx = conn.unchecked_transaction().expect("a transaction");
    {
        let mut stmt = tx
            .prepare_cached(
                "INSERT INTO row (key, body, usn) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET body = excluded.body, usn = excluded.usn",
            )
            .expect("a statement");
        for (n, row) in rows.iter().enumerate() {
            stmt.execute((row["item"].as_str(), row.to_string(), n as i64)).expect("written");
        }
    }
    tx.commit().expect("committed");
}
