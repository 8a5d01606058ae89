//! Reads a database file into memory, with its write-ahead log applied. It does not use SQLite and so writes nothing:
//! for a full disk, a read-only folder, and a damaged file.
//!
//! Format of the log: <https://sqlite.org/fileformat2.html#walformat>.

use std::{fs, io, path::Path};

use carrel_sqlite::DatabaseError;
use rusqlite::{Connection, MAIN_DB};

use crate::{
    Error, Result,
    store::{MIGRATIONS, with_suffix},
};

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;

/// Returns the bytes of the database at `path`, with its log applied if `with_log`. A missing file is read as empty.
pub(super) fn read(path: &Path, with_log: bool) -> io::Result<Vec<u8>> {
    let mut bytes = read_or_empty(path)?;
    if with_log {
        apply_log(&mut bytes, &read_or_empty(&with_suffix(path, "-wal"))?);
    }
    Ok(bytes)
}

fn read_or_empty(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// Opens a connection to a copy of these bytes in memory.
pub(super) fn open(bytes: Vec<u8>) -> Result<Connection> {
    let conn = load(bytes)?;
    // The first read fails if it is not a database.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(conn)
}

/// Like `open`, for a damaged file: the schema of the copy is corrected, so that its rows can be read.
pub(super) fn open_damaged(bytes: Vec<u8>) -> Result<Connection> {
    let conn = load(bytes)?;
    match carrel_sqlite::restore_schema(&conn, MIGRATIONS) {
        Ok(0) => {}
        Ok(corrected) => {
            tracing::warn!(store.entries = corrected, "the schema of a copy was corrected")
        }
        // Rows of the tables that it names correctly may still be readable.
        Err(e) => tracing::warn!(error = %e, "the schema of a copy could not be corrected"),
    }
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(conn)
}

fn load(mut bytes: Vec<u8>) -> Result<Connection> {
    let mut conn = carrel_sqlite::open_in_memory()?;
    if bytes.is_empty() {
        return Ok(conn);
    }
    if let Some(versions) = bytes.get_mut(18..20) {
        // An in-memory database cannot be in WAL mode.
        versions.fill(1);
    }
    conn.deserialize_read_exact(MAIN_DB, bytes.as_slice(), bytes.len(), false)?;
    Ok(conn)
}

/// Checks pages and schema. Returns `Cause::Corrupt` if they are damaged.
pub(super) fn quick_check(conn: &Connection) -> Result<()> {
    carrel_sqlite::quick_check(conn)?;
    match carrel_sqlite::schema_problem(conn, MIGRATIONS)? {
        Some(problem) => Err(Error::corrupt(problem)),
        None => Ok(()),
    }
}

/// Returns true if the schema of an open file is damaged, or cannot be read because pages are damaged.
pub(super) fn schema_is_damaged(conn: &Connection) -> Result<bool> {
    match carrel_sqlite::schema_problem(conn, MIGRATIONS).map_err(Error::from) {
        Ok(problem) => Ok(problem.is_some()),
        Err(e) if e.is_corrupt() => Ok(true),
        Err(e) => Err(e),
    }
}

/// Applies the complete transactions of a log, up to the first damaged frame.
fn apply_log(database: &mut Vec<u8>, log: &[u8]) {
    let Some(header) = log.get(..LOG_HEADER) else { return };
    let magic = be32(header, 0);
    let page_bytes = be32(header, 8) as usize;
    let is_valid =
        magic & !1 == MAGIC && (512..=65_536).contains(&page_bytes) && page_bytes.is_power_of_two();
    let mut sum = checksum(magic, (0, 0), &header[..24]);
    if !is_valid || sum != (be32(header, 24), be32(header, 28)) {
        return;
    }
    let salts = &header[16..24];
    let mut waiting: Vec<(usize, &[u8])> = Vec::new();
    for frame in log[LOG_HEADER..].chunks_exact(FRAME_HEADER + page_bytes) {
        let (frame_header, page) = frame.split_at(FRAME_HEADER);
        sum = checksum(magic, checksum(magic, sum, &frame_header[..8]), page);
        let number = be32(frame_header, 0) as usize;
        if &frame_header[8..16] != salts
            || sum != (be32(frame_header, 16), be32(frame_header, 20))
            || number == 0
        {
            return;
        }
        waiting.push(((number - 1) * page_bytes, page));
        let pages = be32(frame_header, 4) as usize;
        if pages == 0 {
            continue;
        }
        // The last frame of a transaction contains the size of the database after it.
        database.resize(database.len().max(pages * page_bytes), 0);
        for (at, page) in waiting.drain(..) {
            if let Some(target) = database.get_mut(at..at + page_bytes) {
                target.copy_from_slice(page);
            }
        }
        database.truncate(pages * page_bytes);
    }
}

fn checksum(magic: u32, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let word =
        |w: [u8; 4]| if magic & 1 == 1 { u32::from_be_bytes(w) } else { u32::from_le_bytes(w) };
    for pair in bytes.chunks_exact(8) {
        a = a.wrapping_add(word([pair[0], pair[1], pair[2], pair[3]])).wrapping_add(b);
        b = b.wrapping_add(word([pair[4], pair[5], pair[6], pair[7]])).wrapping_add(a);
    }
    (a, b)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(conn: &Connection) -> Vec<(i64, String)> {
        let mut stmt = conn.prepare("SELECT n, t FROM one ORDER BY n").unwrap();
        let found = stmt.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        found.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn an_image_equals_the_database_read_by_sqlite() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let conn = carrel_sqlite::open(&path, Default::default()).unwrap();
        conn.execute_batch("CREATE TABLE one (n INTEGER PRIMARY KEY, t TEXT)").unwrap();
        for n in 0..400_u32 {
            let text = "x".repeat(n as usize * 7 % 3_000);
            conn.execute("INSERT INTO one VALUES (?1, ?2)", (n, text)).unwrap();
            if n % 90 == 89 {
                // Part of it is checkpointed and the log restarts: old frames follow the new ones.
                conn.execute_batch("PRAGMA wal_checkpoint(RESTART)").unwrap();
            }
            if n % 7 == 0 {
                conn.execute("DELETE FROM one WHERE n = ?1", [n / 2]).unwrap();
            }
            if n % 31 == 0 {
                let image = open(read(&path, true).unwrap()).unwrap();
                assert_eq!(rows(&image), rows(&conn), "after {n}");
                carrel_sqlite::integrity_check(&image).unwrap();
            }
        }
        // An incomplete transaction is not applied.
        let expected = rows(&conn);
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        conn.execute_batch("BEGIN; DELETE FROM one").unwrap();
        conn.execute("INSERT INTO one VALUES (5000, ?1)", ["y".repeat(20_000)]).unwrap();
        conn.execute_batch("COMMIT").unwrap();
        let log = fs::read(with_suffix(&path, "-wal")).unwrap();
        let mut bytes = read(&path, false).unwrap();
        apply_log(&mut bytes, &log[..log.len() - 1]);
        assert_eq!(rows(&open(bytes).unwrap()), expected);
    }

    #[test]
    fn an_invalid_log_is_ignored() {
        let mut noise = vec![0; 40_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for log in [&noise[..0], &noise[..31], &noise[..], &[0; 5_000]] {
            let mut bytes = vec![7; 4_096];
            apply_log(&mut bytes, log);
            assert_eq!(bytes, vec![7; 4_096]);
        }
    }
}
