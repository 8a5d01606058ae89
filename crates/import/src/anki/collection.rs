//! Reads Anki's database, which a stranger may have made: read-only, without its triggers, views, functions and
//! extensions, and with limits on steps and sizes. The rows are copied out at once.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};
use serde_json::Value as Json;
use unicase::UniCase;

use super::protobuf;
use crate::error::{Refusal, Result};

/// Maximum number of notes, and of cards.
const MAX_ROWS: usize = 200_000;
/// Maximum number of rows of the review log.
const MAX_REVIEWS: usize = 5_000_000;
/// Maximum size of the fields of one note in bytes.
const MAX_NOTE_BYTES: i32 = 4 << 20;
/// Maximum size of the fields of all notes in bytes.
const MAX_NOTES_BYTES: usize = 256 << 20;
/// Maximum number of steps of SQLite's virtual machine, in units of `STEPS`.
const MAX_TICKS: u64 = 400_000;
const STEPS: i32 = 1_000;

/// A kind of notes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NoteType {
    pub name: String,
    pub is_cloze: bool,
    pub fields: Vec<String>,
    /// Name, question side and answer side.
    pub templates: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub id: i64,
    pub guid: String,
    pub note_type: i64,
    pub tags: String,
    pub fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    pub id: i64,
    pub note: i64,
    pub deck: i64,
    /// Index of the template, or number of the cloze minus 1.
    pub ordinal: u32,
}

/// A row of the review log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogRow {
    /// Milliseconds since 1970.
    pub id: i64,
    pub card: i64,
    pub ease: i64,
    pub factor: i64,
    pub duration_ms: i64,
    pub kind: i64,
}

/// The content of a database.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    /// Number of Anki's schema: 11, or 15 and later.
    pub schema: i64,
    /// Version of the scheduler that wrote the review log: 1, 2 or 3.
    pub scheduler: i64,
    pub note_types: BTreeMap<i64, NoteType>,
    /// Names with `::` between the levels.
    pub decks: BTreeMap<i64, String>,
    pub notes: Vec<Note>,
    pub cards: Vec<Card>,
    pub review_count: usize,
    /// Only if they were asked for.
    pub reviews: Vec<LogRow>,
}

fn damaged(e: rusqlite::Error) -> Refusal {
    Refusal::broken(format!("the database of the package cannot be read: {e}"))
}

/// Reads a database. `with_reviews`: also the review log.
pub(crate) fn read(path: &Path, with_reviews: bool) -> Result<Collection> {
    let connection = open(path).map_err(damaged)?;
    let tables = tables(&connection)?;
    for name in ["col", "notes", "cards"] {
        if !tables.contains(&name.to_owned()) {
            return Err(Refusal::broken(format!("the database has no table {name}")));
        }
    }
    let mut collection = Collection {
        schema: connection
            .query_row("SELECT ver FROM main.col", (), |row| row.get(0))
            .map_err(damaged)?,
        ..Collection::default()
    };
    if tables.contains(&"notetypes".to_owned()) {
        read_tables(&connection, &mut collection).map_err(damaged)?;
    } else {
        read_json(&connection, &mut collection)?;
    }
    read_notes(&connection, &mut collection)?;
    read_cards(&connection, &mut collection)?;
    if tables.contains(&"revlog".to_owned()) {
        read_log(&connection, &mut collection, with_reviews)?;
    }
    Ok(collection)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 64 << 20)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20)?;
    // Anki's tables compare names without case.
    connection.create_collation("unicase", |a, b| UniCase::new(a).cmp(&UniCase::new(b)))?;
    let ticks = Arc::new(AtomicU64::new(0));
    connection
        .progress_handler(STEPS, Some(move || ticks.fetch_add(1, Ordering::Relaxed) > MAX_TICKS))?;
    connection.execute_batch(
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON;",
    )?;
    Ok(connection)
}

/// Returns the names of ordinary tables. A view, a virtual table or a generated column under these names could run
/// expressions of the file.
fn tables(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' LIMIT 1000")
        .map_err(damaged)?;
    let rows = statement
        .query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(damaged)?;
    let mut names = Vec::new();
    for row in rows {
        let (name, sql) = row.map_err(damaged)?;
        let sql = sql.to_ascii_lowercase();
        if !sql.starts_with("create virtual")
            && !sql.contains("generated always")
            && !sql.contains(" as (")
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Schema 15 and later: tables with Protocol Buffers messages.
fn read_tables(connection: &Connection, collection: &mut Collection) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT id, name, config FROM main.notetypes LIMIT 10000")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let config: Vec<u8> = row.get(2)?;
        let kind = protobuf::field(&config, 1).and_then(protobuf::Value::number);
        let note_type =
            NoteType { name: row.get(1)?, is_cloze: kind == Some(1), ..NoteType::default() };
        collection.note_types.insert(row.get(0)?, note_type);
    }
    let mut fields: Vec<(i64, i64, String)> = Vec::new();
    let mut statement =
        connection.prepare("SELECT ntid, ord, name FROM main.fields LIMIT 100000")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        fields.push((row.get(0)?, row.get(1)?, row.get(2)?));
    }
    fields.sort();
    for (note_type, _, name) in fields {
        if let Some(note_type) = collection.note_types.get_mut(&note_type) {
            note_type.fields.push(name);
        }
    }
    let mut templates: Vec<(i64, i64, String, Vec<u8>)> = Vec::new();
    let mut statement =
        connection.prepare("SELECT ntid, ord, name, config FROM main.templates LIMIT 100000")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        templates.push((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    }
    templates.sort();
    for (note_type, _, name, config) in templates {
        let side =
            |n| protobuf::field(&config, n).and_then(protobuf::Value::text).unwrap_or_default();
        if let Some(note_type) = collection.note_types.get_mut(&note_type) {
            note_type.templates.push((name, side(1), side(2)));
        }
    }
    let mut statement = connection.prepare("SELECT id, name FROM main.decks LIMIT 100000")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        collection.decks.insert(row.get(0)?, name.replace('\u{1f}', "::"));
    }
    let scheduler =
        connection.query_row("SELECT val FROM main.config WHERE KEY = 'schedVer'", (), |row| {
            row.get::<_, Vec<u8>>(0)
        });
    collection.scheduler = scheduler
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok())
        .unwrap_or(2);
    Ok(())
}

/// Schema 11: JSON in the one row of `col`.
fn read_json(connection: &Connection, collection: &mut Collection) -> Result<()> {
    let (models, decks, conf): (String, String, String) = connection
        .query_row("SELECT models, decks, conf FROM main.col", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .map_err(damaged)?;
    let parse = |what: &str, text: &str| -> Result<BTreeMap<String, Json>> {
        serde_json::from_str(text)
            .map_err(|e| Refusal::broken(format!("the {what} of the database are damaged: {e}")))
    };
    let text = |value: &Json, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    for (id, model) in parse("note types", &models)? {
        let list = |key: &str| {
            let mut list: Vec<&Json> =
                model[key].as_array().map_or_else(Vec::new, |l| l.iter().collect());
            list.sort_by_key(|entry| entry["ord"].as_i64().unwrap_or(0));
            list
        };
        let note_type = NoteType {
            name: text(&model, "name"),
            is_cloze: model["type"].as_i64() == Some(1),
            fields: list("flds").into_iter().map(|field| text(field, "name")).collect(),
            templates: list("tmpls")
                .into_iter()
                .map(|t| (text(t, "name"), text(t, "qfmt"), text(t, "afmt")))
                .collect(),
        };
        if let Ok(id) = id.parse() {
            collection.note_types.insert(id, note_type);
        }
    }
    for (id, deck) in parse("decks", &decks)? {
        if let Ok(id) = id.parse() {
            collection.decks.insert(id, text(&deck, "name"));
        }
    }
    let conf: Json = serde_json::from_str(&conf).unwrap_or_default();
    collection.scheduler = conf["schedVer"].as_i64().unwrap_or(1);
    Ok(())
}

fn read_notes(connection: &Connection, collection: &mut Collection) -> Result<()> {
    let sql = "SELECT id, guid, mid, tags, flds FROM main.notes WHERE length(flds) <= ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare(sql).map_err(damaged)?;
    let limit = MAX_ROWS as i64 + 1;
    let rows = statement.query_map((MAX_NOTE_BYTES, limit), |row| {
        let fields: String = row.get(4)?;
        Ok(Note {
            id: row.get(0)?,
            guid: row.get(1)?,
            note_type: row.get(2)?,
            tags: row.get(3)?,
            fields: fields.split('\u{1f}').map(str::to_owned).collect(),
        })
    });
    let mut bytes = 0;
    for note in rows.map_err(damaged)? {
        let note = note.map_err(damaged)?;
        bytes += note.fields.iter().map(String::len).sum::<usize>();
        collection.notes.push(note);
        if bytes > MAX_NOTES_BYTES || collection.notes.len() > MAX_ROWS {
            return Err(Refusal::limit(format!(
                "the package has more than {MAX_ROWS} notes or {MAX_NOTES_BYTES} bytes of text"
            )));
        }
    }
    Ok(())
}

fn read_cards(connection: &Connection, collection: &mut Collection) -> Result<()> {
    // A card in a filtered deck belongs to its original deck.
    let sql =
        "SELECT id, nid, CASE WHEN odid = 0 THEN did ELSE odid END, ord FROM main.cards LIMIT ?1";
    let mut statement = connection.prepare(sql).map_err(damaged)?;
    let rows = statement.query_map([MAX_ROWS as i64 * 4], |row| {
        let ordinal: i64 = row.get(3)?;
        Ok(Card {
            id: row.get(0)?,
            note: row.get(1)?,
            deck: row.get(2)?,
            ordinal: u32::try_from(ordinal).unwrap_or(0),
        })
    });
    for card in rows.map_err(damaged)? {
        collection.cards.push(card.map_err(damaged)?);
    }
    collection.cards.sort_by_key(|card| (card.note, card.ordinal, card.id));
    Ok(())
}

fn read_log(connection: &Connection, collection: &mut Collection, with_rows: bool) -> Result<()> {
    let count: i64 = connection
        .query_row("SELECT count(*) FROM main.revlog", (), |row| row.get(0))
        .map_err(damaged)?;
    collection.review_count = usize::try_from(count).unwrap_or(0);
    if !with_rows {
        return Ok(());
    }
    let sql = "SELECT id, cid, ease, factor, time, type FROM main.revlog ORDER BY id LIMIT ?1";
    let mut statement = connection.prepare(sql).map_err(damaged)?;
    let rows = statement.query_map([MAX_REVIEWS as i64], |row| {
        Ok(LogRow {
            id: row.get(0)?,
            card: row.get(1)?,
            ease: row.get(2)?,
            factor: row.get(3)?,
            duration_ms: row.get(4)?,
            kind: row.get(5)?,
        })
    });
    for row in rows.map_err(damaged)? {
        collection.reviews.push(row.map_err(damaged)?);
    }
    Ok(())
}
