//! Makes Anki packages of the three forms.
#![allow(dead_code)]

use rusqlite::Connection;

/// A note: guid, note type (1 basic, 2 reversed, 3 cloze), fields.
pub type Note<'a> = (&'a str, i64, &'a [&'a str]);

/// Templates of a note type: name, question, answer.
const BASIC: [(&str, &str, &str); 1] =
    [("Card 1", "{{Front}}", "{{FrontSide}}\n\n<hr id=answer>\n\n{{Back}}")];
const REVERSED: [(&str, &str, &str); 2] =
    [("Card 1", "{{Front}}", "{{FrontSide}}<hr>{{Back}}"), ("Card 2", "{{Back}}", "{{Front}}")];
const CLOZE: [(&str, &str, &str); 1] =
    [("Cloze", "{{cloze:Front}}", "{{cloze:Front}}<br>{{Back}}")];

fn templates(note_type: i64) -> &'static [(&'static str, &'static str, &'static str)] {
    match note_type {
        1 => &BASIC,
        2 => &REVERSED,
        _ => &CLOZE,
    }
}

const SHARED: &str = "CREATE TABLE notes (id integer primary key, guid text not null, mid integer not null,
        mod integer not null, usn integer not null, tags text not null, flds text not null, sfld integer not null,
        csum integer not null, flags integer not null, data text not null);
    CREATE TABLE cards (id integer primary key, nid integer not null, did integer not null, ord integer not null,
        mod integer not null, usn integer not null, type integer not null, queue integer not null, due integer not null,
        ivl integer not null, factor integer not null, reps integer not null, lapses integer not null,
        left integer not null, odue integer not null, odid integer not null, flags integer not null,
        data text not null);
    CREATE TABLE revlog (id integer primary key, cid integer not null, usn integer not null, ease integer not null,
        ivl integer not null, lastIvl integer not null, factor integer not null, time integer not null,
        type integer not null);";

fn fill(connection: &Connection, notes: &[Note<'_>]) {
    let mut card = 0;
    for (n, (guid, note_type, fields)) in notes.iter().enumerate() {
        let id = n as i64 + 1;
        connection
            .execute(
                "INSERT INTO notes VALUES (?1, ?2, ?3, 0, 0, ' t ', ?4, '', 0, 0, '')",
                (id, guid, note_type, fields.join("\u{1f}")),
            )
            .unwrap();
        let cards = match note_type {
            2 => 2,
            3 => fields[0].matches("{{c").count() as i64,
            _ => 1,
        };
        for ordinal in 0..cards {
            card += 1;
            let deck = if id % 2 == 1 { 10 } else { 11 };
            connection
                .execute(
                    "INSERT INTO cards VALUES (?1, ?2, ?3, ?4, 0,0,0,0,0,0,0,0,0,0,0,0,0,'')",
                    (card, id, deck, ordinal),
                )
                .unwrap();
        }
    }
    connection
        .execute_batch(
            "INSERT INTO revlog VALUES (1600000000000, 1, 0, 3, 1, 0, 2500, 4000, 1);
            INSERT INTO revlog VALUES (1600000100000, 1, 0, 3, 1, 0, 0, 4000, 4);
            INSERT INTO revlog VALUES (1600000200000, 999, 0, 3, 1, 0, 2500, 4000, 1);",
        )
        .unwrap();
}

/// Returns a database of schema 11, where note types and decks are JSON.
pub fn schema_11(notes: &[Note<'_>]) -> Vec<u8> {
    database(|connection| {
        connection
            .execute_batch(&format!(
                "CREATE TABLE col (id integer primary key, crt integer, mod integer, scm integer, ver integer,
                 dty integer, usn integer, ls integer, conf text, models text, decks text,
                 dconf text, tags text);{SHARED}"
            ))
            .unwrap();
        let models: serde_json::Map<String, serde_json::Value> = (1..=3)
            .map(|id| {
                let tmpls: Vec<_> = templates(id)
                    .iter()
                    .enumerate()
                    .map(|(n, (name, q, a))| serde_json::json!({"name": name, "ord": n, "qfmt": q, "afmt": a}))
                    .collect();
                let model = serde_json::json!({ "id": id, "name": "M", "type": i64::from(id == 3), "tmpls": tmpls,
                    "flds": [{"name": "Back", "ord": 1}, {"name": "Front", "ord": 0}] });
                (id.to_string(), model)
            })
            .collect();
        let decks = serde_json::json!({ "10": {"id": 10, "name": "Words"}, "11": {"id": 11, "name": "Words::More"} });
        connection
            .execute(
                "INSERT INTO col VALUES (1, 0, 0, 0, 11, 0, 0, 0, '{\"schedVer\": 2}', ?1, ?2, '{}', '{}')",
                (serde_json::Value::from(models).to_string(), decks.to_string()),
            )
            .unwrap();
        fill(connection, notes);
    })
}

/// Returns a database of schema 18, where note types and decks are tables with compared names.
pub fn schema_18(notes: &[Note<'_>]) -> Vec<u8> {
    database(|connection| {
        connection
            .create_collation("unicase", |a, b| a.to_lowercase().cmp(&b.to_lowercase()))
            .unwrap();
        connection
            .execute_batch(&format!(
                "CREATE TABLE col (id integer primary key, crt integer, mod integer, scm integer, ver integer,
                 dty integer, usn integer, ls integer, conf text, models text, decks text, dconf text, tags text);
                 INSERT INTO col VALUES (1, 0, 0, 0, 18, 0, 0, 0, '', '', '', '', '');
                 CREATE TABLE config (KEY text NOT NULL PRIMARY KEY, usn integer, mtime_secs integer,
                    val blob) WITHOUT ROWID;
                 INSERT INTO config VALUES ('schedVer', 0, 0, CAST('2' AS blob));
                 CREATE TABLE notetypes (id integer NOT NULL PRIMARY KEY, name text NOT NULL COLLATE unicase,
                    mtime_secs integer, usn integer, config blob NOT NULL);
                 CREATE UNIQUE INDEX idx_notetypes_name ON notetypes (name);
                 CREATE TABLE fields (ntid integer NOT NULL, ord integer NOT NULL, name text NOT NULL COLLATE unicase,
                    config blob NOT NULL, PRIMARY KEY (ntid, ord)) WITHOUT ROWID;
                 CREATE TABLE templates (ntid integer NOT NULL, ord integer NOT NULL,
                    name text NOT NULL COLLATE unicase,
                    mtime_secs integer, usn integer, config blob NOT NULL, PRIMARY KEY (ntid, ord)) WITHOUT ROWID;
                 CREATE TABLE decks (id integer PRIMARY KEY NOT NULL, name text NOT NULL COLLATE unicase,
                    mtime_secs integer, usn integer, common blob, kind blob);
                 CREATE UNIQUE INDEX idx_decks_name ON decks (name);{SHARED}"
            ))
            .unwrap();
        for id in 1..=3_i64 {
            let config: &[u8] = if id == 3 { b"\x08\x01" } else { b"" };
            connection
                .execute(
                    "INSERT INTO notetypes VALUES (?1, ?2, 0, 0, ?3)",
                    (id, format!("M{id}"), config),
                )
                .unwrap();
            for (ord, name) in [(1, "Back"), (0, "Front")] {
                connection
                    .execute("INSERT INTO fields VALUES (?1, ?2, ?3, x'')", (id, ord, name))
                    .unwrap();
            }
            for (ord, (name, q, a)) in templates(id).iter().enumerate() {
                let config = [text_field(1, q), text_field(2, a)].concat();
                connection
                    .execute(
                        "INSERT INTO templates VALUES (?1, ?2, ?3, 0, 0, ?4)",
                        (id, ord as i64, name, config),
                    )
                    .unwrap();
            }
        }
        for (id, name) in [(10, "Words"), (11, "Words\u{1f}More")] {
            connection
                .execute("INSERT INTO decks VALUES (?1, ?2, 0, 0, x'', x'')", (id, name))
                .unwrap();
        }
        fill(connection, notes);
    })
}

/// Returns the bytes of a database.
pub fn database(make: impl FnOnce(&Connection)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let connection = Connection::open(&path).unwrap();
    make(&connection);
    drop(connection);
    std::fs::read(path).unwrap()
}

/// Returns a field of a Protocol Buffers message with a text.
pub fn text_field(number: u8, text: &str) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = text.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(text.as_bytes());
    out
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// The database that packages contain for old versions.
pub fn decoy() -> Vec<u8> {
    schema_11(&[(
        "x",
        1,
        &[
            "Please update to the latest Anki version, then import the .colpkg/.apkg file again.",
            "",
        ],
    )])
}

/// Returns a package of the form 1, 2 or 3 with media.
pub fn package(form: u8, database: &[u8], media: &[(&str, &[u8])]) -> Vec<u8> {
    let decoy = decoy();
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    match form {
        1 => entries.push(("collection.anki2".into(), database.to_vec())),
        2 => {
            entries.push(("collection.anki2".into(), decoy));
            entries.push(("collection.anki21".into(), database.to_vec()));
        }
        _ => {
            entries.push(("meta".into(), vec![8, 3]));
            entries.push(("collection.anki2".into(), decoy));
            entries.push(("collection.anki21b".into(), zstd(database)));
        }
    }
    let names: serde_json::Map<String, serde_json::Value> =
        media.iter().enumerate().map(|(n, (name, _))| (n.to_string(), (*name).into())).collect();
    let list = match form {
        3 => {
            let mut list = Vec::new();
            for (name, _) in media {
                let entry = text_field(1, name);
                list.extend([0x0a, entry.len() as u8]);
                list.extend(entry);
            }
            zstd(&list)
        }
        _ => serde_json::Value::from(names).to_string().into_bytes(),
    };
    entries.push(("media".into(), list));
    for (n, (_, bytes)) in media.iter().enumerate() {
        entries.push((n.to_string(), if form == 3 { zstd(bytes) } else { bytes.to_vec() }));
    }
    let entries: Vec<(&str, &[u8])> =
        entries.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
    super::zip(&entries)
}
