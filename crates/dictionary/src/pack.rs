//! An installed pack: its database, opened in place.

use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};

use crate::{
    Entry, Error, Result,
    look_up::{Lexicon, Named},
};

/// `application_id` of the database: "CRLD".
pub(crate) const APPLICATION_ID: i32 = 0x4352_4C44;
/// `user_version` of the database.
pub(crate) const SCHEMA_VERSION: i32 = 1;
/// The tables. A file with any other object is refused. Keys are folded (`carrel_model::text::fold_word`).
pub(crate) const SCHEMA: [(&str, &str); 5] = [
    (
        "entry",
        "CREATE TABLE entry (id INTEGER PRIMARY KEY, headword TEXT NOT NULL, part_of_speech TEXT NOT NULL, \
      ipa TEXT NOT NULL, rank INTEGER, senses TEXT NOT NULL) STRICT",
    ),
    (
        "form",
        "CREATE TABLE form (key TEXT NOT NULL, entry INTEGER NOT NULL, form TEXT NOT NULL, \
      PRIMARY KEY (key, entry, form)) STRICT, WITHOUT ROWID",
    ),
    (
        "headword",
        "CREATE TABLE headword (key TEXT NOT NULL, entry INTEGER NOT NULL, headword TEXT NOT NULL, \
      PRIMARY KEY (key, entry)) STRICT, WITHOUT ROWID",
    ),
    (
        "meta",
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "stem",
        "CREATE TABLE stem (stem TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (stem, entry)) \
      STRICT, WITHOUT ROWID",
    ),
];
/// Name of the value in `meta`: words of the longest headword or form.
pub(crate) const MAX_WORDS: &str = "max_words";
/// Maximum number of rows that one key returns.
const MAX_ROWS: u32 = 40;
/// Maximum length of the meanings of an entry in bytes.
pub(crate) const MAX_SENSES_BYTES: usize = 256 * 1024;

/// A pack, opened for reading. The file is never written.
#[derive(Debug)]
pub struct Pack {
    conn: Mutex<Connection>,
    max_words: usize,
}

impl Pack {
    /// Opens the database of a pack whose hash was verified when it was installed.
    ///
    /// # Errors
    /// The file is no database, or not that of a pack: another schema, views or triggers.
    pub fn open(database: &Path) -> Result<Self> {
        let conn = carrel_sqlite::open_immutable(database)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        conn.pragma_update(None, "query_only", true)?;
        let number = |sql: &str| conn.query_row(sql, [], |r| r.get::<_, i32>(0));
        if number("PRAGMA application_id")? != APPLICATION_ID {
            return Err(Error::NotPack("the application id is another one".to_owned()));
        }
        let version = number("PRAGMA user_version")?;
        if version != SCHEMA_VERSION {
            return Err(Error::NotPack(format!("the schema has version {version}")));
        }
        check_schema(&conn)?;
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let max_words: Option<i64> = conn.query_row(sql, [MAX_WORDS], |r| r.get(0)).optional()?;
        let max_words = max_words.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
        Ok(Self { conn: Mutex::new(conn), max_words })
    }

    /// Reads all pages and checks them. For a new file; takes a second for 100 MB.
    pub fn check(&self) -> Result<()> {
        Ok(carrel_sqlite::quick_check(&self.conn.lock())?)
    }

    fn named(&self, sql: &str, key: &str) -> Result<Vec<Named>> {
        let conn = self.conn.lock();
        let mut stmt = conn.prepare_cached(sql)?;
        let rows = stmt.query_map((key, MAX_ROWS), |r| {
            Ok(Named { text: r.get("text")?, entry: r.get("entry")? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn check_schema(conn: &Connection) -> Result<()> {
    let mut stmt = conn.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let mut rows = stmt.query([])?;
    let mut expected = SCHEMA.iter();
    while let Some(row) = rows.next()? {
        let (name, sql): (String, Option<String>) = (row.get("name")?, row.get("sql")?);
        if expected.next().is_none_or(|(n, s)| name != *n || sql.as_deref() != Some(s)) {
            return Err(Error::NotPack(format!("unexpected object {name:?}")));
        }
    }
    match expected.next() {
        Some((name, _)) => Err(Error::NotPack(format!("no table {name:?}"))),
        None => Ok(()),
    }
}

impl Lexicon for Pack {
    fn by_headword(&self, key: &str) -> Result<Vec<Named>> {
        self.named("SELECT headword AS text, entry FROM headword WHERE key = ?1 LIMIT ?2", key)
    }
    fn by_form(&self, key: &str) -> Result<Vec<Named>> {
        self.named("SELECT form AS text, entry FROM form WHERE key = ?1 LIMIT ?2", key)
    }
    fn by_stem(&self, stem: &str) -> Result<Vec<u32>> {
        let conn = self.conn.lock();
        let mut stmt = conn.prepare_cached("SELECT entry FROM stem WHERE stem = ?1 LIMIT ?2")?;
        let rows = stmt.query_map((stem, MAX_ROWS), |r| r.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
    fn has_prefix(&self, key: &str) -> Result<bool> {
        let conn = self.conn.lock();
        for sql in [
            "SELECT key FROM headword WHERE key >= ?1 ORDER BY key LIMIT 1",
            "SELECT key FROM form WHERE key >= ?1 ORDER BY key LIMIT 1",
        ] {
            let mut stmt = conn.prepare_cached(sql)?;
            let next: Option<String> = stmt.query_row([key], |r| r.get(0)).optional()?;
            if next.is_some_and(|next| next.starts_with(key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
    fn max_words(&self) -> usize {
        self.max_words
    }
    fn entry(&self, id: u32) -> Result<Option<Entry>> {
        let conn = self.conn.lock();
        let sql = "SELECT headword, part_of_speech, ipa, rank, senses FROM entry WHERE id = ?1";
        let mut stmt = conn.prepare_cached(sql)?;
        let found = stmt.query_row([id], |r| {
            let senses: String = r.get("senses")?;
            let entry = Entry {
                headword: r.get("headword")?,
                part_of_speech: r.get("part_of_speech")?,
                ipa: r.get("ipa")?,
                rank: r.get("rank")?,
                senses: Vec::new(),
            };
            Ok((entry, senses))
        });
        let Some((entry, senses)) = found.optional()? else { return Ok(None) };
        let unreadable = |e: String| Error::NotPack(format!("entry {id}: {e}"));
        if senses.len() > MAX_SENSES_BYTES {
            return Err(unreadable(format!("meanings of {} bytes", senses.len())));
        }
        let senses = serde_json::from_str(&senses).map_err(|e| unreadable(e.to_string()))?;
        Ok(Some(Entry { senses, ..entry }))
    }
}
