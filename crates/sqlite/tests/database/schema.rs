//! Damage in the text of a schema, which SQLite's own checks do not find.

use carrel_sqlite::{
    Migration, integrity_check, migrate, migrations_problem, open_in_memory, restore_schema,
    rusqlite::{Connection, config::DbConfig},
    schema_problem,
};

const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "books",
        sql: "CREATE TABLE book (id TEXT PRIMARY KEY, title TEXT NOT NULL, pages INTEGER) STRICT;
              CREATE INDEX book_title ON book (title); CREATE TABLE loan (book TEXT NOT NULL) STRICT;",
    },
    Migration { number: 2, name: "due", sql: "ALTER TABLE loan ADD COLUMN due INTEGER;" },
];

fn library(migrations: &[Migration]) -> Connection {
    let mut conn = open_in_memory().unwrap();
    migrate(&mut conn, migrations, None, 1).unwrap();
    conn.execute("INSERT INTO book VALUES ('a', 'Rivers', 90)", []).unwrap();
    conn
}

/// Changes the stored schema as a damaged page would.
fn damage(conn: &Connection, sql: &str) {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    conn.execute_batch(&format!("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET {sql}"))
        .unwrap();
}

const COLUMN: &str = "sql = replace(sql, 'pages', 'pagez') WHERE name = 'book'";
const KEYWORD: &str = "sql = replace(sql, 'CREATE TABLE', 'CREATE TABLF') WHERE name = 'book'";
const TABLE: &str =
    "sql = replace(sql, 'TABLE loan', 'TABLE loam'), name = 'loam', tbl_name = 'loam'
    WHERE name = 'loan'";
const NAME: &str = "name = 'loam', tbl_name = 'loam' WHERE name = 'loan'";

#[test]
fn a_sound_schema_has_no_problem() {
    for migrations in [MIGRATIONS, &MIGRATIONS[..1]] {
        let conn = library(migrations);
        assert_eq!(schema_problem(&conn, MIGRATIONS).unwrap(), None);
        assert_eq!(restore_schema(&conn, MIGRATIONS).unwrap(), 0);
        // Statistics are not part of it.
        conn.execute_batch("ANALYZE").unwrap();
        assert_eq!(schema_problem(&conn, MIGRATIONS).unwrap(), None);
    }
    assert_eq!(schema_problem(&open_in_memory().unwrap(), MIGRATIONS).unwrap(), None);
}

#[test]
fn a_changed_column_is_found_and_its_rows_are_read() {
    for migrations in [MIGRATIONS, &MIGRATIONS[..1]] {
        let conn = library(migrations);
        damage(&conn, COLUMN);
        conn.execute_batch("PRAGMA writable_schema = RESET").unwrap();
        integrity_check(&conn).expect("SQLite does not find it");
        conn.query_row("SELECT pages FROM book", [], |_| Ok(())).unwrap_err();
        assert!(schema_problem(&conn, MIGRATIONS).unwrap().unwrap().contains("book"));
        assert_eq!(restore_schema(&conn, MIGRATIONS).unwrap(), 1);
        let pages: u32 = conn.query_row("SELECT pages FROM book", [], |r| r.get(0)).unwrap();
        assert_eq!((pages, schema_problem(&conn, MIGRATIONS).unwrap()), (90, None));
    }
}

#[test]
fn statements_that_cannot_be_parsed_and_names_are_restored() {
    for change in [KEYWORD, NAME] {
        let conn = library(MIGRATIONS);
        damage(&conn, change);
        assert_eq!(restore_schema(&conn, MIGRATIONS).unwrap(), 1, "{change}");
        assert_eq!(schema_problem(&conn, MIGRATIONS).unwrap(), None, "{change}");
        conn.execute_batch("SELECT pages FROM book; SELECT due FROM loan").unwrap();
    }
}

#[test]
fn a_renamed_table_is_a_problem() {
    let conn = library(MIGRATIONS);
    damage(&conn, TABLE);
    assert!(schema_problem(&conn, MIGRATIONS).unwrap().is_some());
}

#[test]
fn a_corrupt_list_of_migrations_is_found_and_a_newer_or_foreign_file_has_no_problem() {
    let conn = library(MIGRATIONS);
    conn.execute("UPDATE schema_migration SET checksum = x'00' WHERE number = 1", []).unwrap();
    assert!(migrations_problem(&conn, MIGRATIONS).unwrap().is_some());
    assert_eq!(schema_problem(&conn, MIGRATIONS).unwrap(), None);
    let sound = library(MIGRATIONS);
    assert_eq!(migrations_problem(&sound, MIGRATIONS).unwrap(), None);
    let newer = library(MIGRATIONS);
    assert_eq!(schema_problem(&newer, &MIGRATIONS[..1]).unwrap(), None);
    let foreign = open_in_memory().unwrap();
    foreign.execute_batch("CREATE TABLE photo (id INTEGER)").unwrap();
    assert_eq!(schema_problem(&foreign, MIGRATIONS).unwrap(), None);
}
