//! Anki packages.

use super::support::{anki, zip};
use super::{
    Expected::{Code, Items},
    Row,
};
use carrel_import::{
    Format,
    Level::{Changed, Exact},
};

const NOTE: [anki::Note<'_>; 1] = [("g", 1, &["word", "meaning"])];

fn changed_database(sql: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    std::fs::write(&path, anki::schema_11(&NOTE)).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    std::fs::read(path).unwrap()
}

pub fn rows() -> Vec<Row> {
    use Format::Anki;
    let good = anki::package(1, &anki::schema_11(&NOTE), &[]);
    let database = anki::schema_11(&NOTE);
    let one = |database: &[u8]| anki::package(1, database, &[]);
    let note = |front: &str| {
        let notes: [anki::Note<'_>; 1] = [("g", 1, &[front, "b"])];
        anki::package(1, &anki::schema_11(&notes), &[])
    };
    let clozes = |text: &str| {
        let notes: [anki::Note<'_>; 1] = [("g", 3, &[text, "b"])];
        anki::package(1, &anki::schema_11(&notes), &[])
    };
    let bomb = anki::zstd(&vec![0; 64 << 20]);
    let window = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        std::io::Write::write_all(&mut encoder, &database).unwrap();
        encoder.finish().unwrap()
    };
    vec![
        ("no zip", Anki, b"hello".to_vec(), Code("no-package")),
        ("an empty file", Anki, Vec::new(), Code("no-package")),
        ("a truncated zip", Anki, good[..good.len() / 2].to_vec(), Code("zip-broken")),
        ("a zip without a database", Anki, zip(&[("media", b"{}")]), Code("import-broken")),
        (
            "a path out of the archive",
            Anki,
            zip(&[("../../x", b"a"), ("collection.anki2", &database)]),
            Code("path-unsafe"),
        ),
        (
            "a bomb in the zip",
            Anki,
            zip(&[("collection.anki2", &vec![0; 3 << 20])]),
            Code("zip-ratio"),
        ),
        ("only the note for old versions", Anki, one(&anki::decoy()), Code("import-broken")),
        (
            "a newer form",
            Anki,
            zip(&[("meta", &[8, 9]), ("collection.anki2", &database)]),
            Code("import-newer"),
        ),
        (
            "the form without its database",
            Anki,
            zip(&[("meta", &[8, 3]), ("collection.anki2", &database)]),
            Code("import-broken"),
        ),
        (
            "damaged Zstandard",
            Anki,
            zip(&[("meta", &[8, 3]), ("collection.anki21b", b"\x28\xb5\x2f\xfdxxxx")]),
            Code("import-broken"),
        ),
        (
            "a bomb of Zstandard",
            Anki,
            zip(&[("meta", &[8, 3]), ("collection.anki21b", &bomb)]),
            Code("import-limit"),
        ),
        (
            "a window of 128 MiB",
            Anki,
            zip(&[("meta", &[8, 3]), ("collection.anki21b", &window)]),
            Code("import-broken"),
        ),
        ("no database", Anki, one(&vec![7; 5_000]), Code("import-broken")),
        ("a truncated database", Anki, one(&database[..5_000]), Code("import-broken")),
        (
            "overwritten pages",
            Anki,
            one(&[&database[..4_096], &vec![0xff; database.len() - 4_096][..]].concat()),
            Code("import-broken"),
        ),
        ("no note", Anki, one(&anki::schema_11(&[])), Code("import-empty")),
        (
            "a view for the notes",
            Anki,
            one(&changed_database(
                "ALTER TABLE notes RENAME TO n; CREATE VIEW notes AS SELECT * FROM n;",
            )),
            Code("import-broken"),
        ),
        (
            "an endless view",
            Anki,
            one(&changed_database(
                "DROP TABLE cards; CREATE VIEW cards AS WITH RECURSIVE c(x) AS \
                 (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x AS id FROM c;",
            )),
            Code("import-broken"),
        ),
        (
            "computed columns",
            Anki,
            one(&changed_database(
                "DROP TABLE revlog; ALTER TABLE cards ADD COLUMN z AS (zeroblob(100000000)) VIRTUAL;",
            )),
            Code("import-broken"),
        ),
        (
            "a trigger",
            Anki,
            one(&changed_database(
                "CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; END;",
            )),
            Items(&[Exact]),
        ),
        (
            "damaged note types",
            Anki,
            one(&changed_database("UPDATE col SET models = '{';")),
            Code("import-broken"),
        ),
        (
            "deeply nested note types",
            Anki,
            one(&changed_database(&format!("UPDATE col SET models = '{}';", "[".repeat(100_000)))),
            Code("import-broken"),
        ),
        (
            "a missing note type",
            Anki,
            one(&changed_database("UPDATE notes SET mid = 99;")),
            Code("import-empty"),
        ),
        (
            "fields that are bytes",
            Anki,
            one(&changed_database("UPDATE notes SET flds = x'ff00ff';")),
            Code("import-broken"),
        ),
        (
            "a missing template",
            Anki,
            one(&changed_database("UPDATE cards SET ord = 7;")),
            Code("import-empty"),
        ),
        (
            "numbers out of range",
            Anki,
            one(&changed_database("UPDATE cards SET ord = -5, did = 9223372036854775807;")),
            Items(&[Exact]),
        ),
        (
            "a damaged list of media",
            Anki,
            zip(&[("collection.anki2", &database), ("media", b"{")]),
            Code("import-broken"),
        ),
        (
            "a damaged list of media, new form",
            Anki,
            zip(&[
                ("meta", &[8, 3]),
                ("collection.anki21b", &anki::zstd(&database)),
                ("media", &anki::zstd(b"\x0a\xff")),
            ]),
            Code("import-broken"),
        ),
        ("a media name with a path", Anki, note("a[sound:../../../etc/passwd]"), Items(&[Changed])),
        ("a script", Anki, note("a<script>fetch('http://x')</script>"), Items(&[Changed])),
        ("a picture of the web", Anki, note("a<img src=\"https://x.org/a.png\">"), Items(&[Exact])),
        ("100 nested clozes", Anki, clozes(&"{{c1::a".repeat(100)), Items(&[Changed; 0])),
        ("text of 1 MiB", Anki, note(&"long ".repeat(200_000)), Items(&[Changed])),
        (
            "text that looks like markup",
            Anki,
            note("[a](word:b) ![c](d) $x$ `e` | # *"),
            Items(&[Exact]),
        ),
    ]
}
