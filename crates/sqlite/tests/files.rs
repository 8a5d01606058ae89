//! Real files: how they are opened, copied and migrated.

use std::{fs, path::Path};

use carrel_model::ErrorCode;
use carrel_sqlite::{
    Error, Migrated, Migration, Options, backup, integrity_check, migrate, open, quick_check,
    rusqlite::{self, Connection},
};
use tempfile::TempDir;

const ONE: Migration =
    Migration { number: 1, name: "one", sql: "CREATE TABLE one (n INTEGER NOT NULL) STRICT;\n" };
const TWO: Migration = Migration {
    number: 2,
    name: "two",
    sql: "ALTER TABLE one ADD COLUMN m INTEGER NOT NULL DEFAULT 7;\nUPDATE one SET n = n + 1;",
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
fn at(dir: &Path) -> Connection {
    open(&dir.join("a.db"), Options::default()).unwrap()
}
fn number(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.query_row(sql, [], |r| r.get(0))
}

#[test]
fn a_file_is_opened_the_careful_way() {
    let dir = folder();
    let conn = at(dir.path());
    for (pragma, value) in [
        ("foreign_keys", 1),
        ("synchronous", 2),
        ("temp_store", 2),
        ("busy_timeout", 5_000),
        ("trusted_schema", 0),
    ] {
        assert_eq!(number(&conn, &format!("PRAGMA {pragma}")).unwrap(), value, "{pragma}");
    }
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(
        number(
            &conn,
            "SELECT carrel_join_extra('{\"x\":1}', '{\"x\":2,\"y\":3}') = '{\"x\":2,\"y\":3}'"
        )
        .unwrap(),
        1
    );
    assert!(conn.prepare("SELECT \"misspelt\"").is_err(), "a misspelt column is not a text");
    quick_check(&conn).unwrap();
    integrity_check(&conn).unwrap();
}

#[cfg(unix)]
#[test]
fn what_a_learner_did_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let conn = at(dir.path());
    conn.execute_batch("CREATE TABLE t (n)").unwrap();
    backup(&conn, &dir.path().join("copy.db")).unwrap();
    for name in ["a.db", "a.db-wal", "copy.db"] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_reader_cannot_write_and_a_missing_file_is_not_made() {
    let dir = folder();
    let path = dir.path().join("a.db");
    assert!(open(&path, Options::reader()).is_err());
    assert!(open(&path, Options { create: false, ..Options::default() }).is_err());
    assert!(!path.exists());
    let writer = at(dir.path());
    writer.execute_batch("CREATE TABLE t (n)").unwrap();
    let reader = open(&path, Options::reader()).unwrap();
    assert!(reader.execute_batch("INSERT INTO t VALUES (1)").is_err());
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(number(&reader, "SELECT count(*) FROM t").unwrap(), 1);
}

#[test]
fn incremental_vacuum_is_set_before_the_first_page() {
    let dir = folder();
    let conn =
        open(&dir.path().join("c.db"), Options { incremental_vacuum: true, ..Options::default() })
            .unwrap();
    conn.execute_batch("CREATE TABLE t (n)").unwrap();
    assert_eq!(number(&conn, "PRAGMA auto_vacuum").unwrap(), 2);
}

#[test]
fn damage_is_found_and_a_stranger_is_told() {
    let dir = folder();
    let path = dir.path().join("a.db");
    fs::write(
        &path,
        "this is a text and no database, long enough to have a header of its own".repeat(20),
    )
    .unwrap();
    let error = open(&path, Options::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");

    fs::remove_file(&path).unwrap();
    let conn = at(dir.path());
    conn.execute_batch("CREATE TABLE t (n); WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 5000) INSERT INTO t SELECT n FROM c")
        .unwrap();
    drop(conn);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = quick_check(&at(dir.path())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
    assert!(!error.hint().is_empty());
}

#[test]
fn a_backup_is_whole_or_not_there() {
    let dir = folder();
    let conn = at(dir.path());
    conn.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)").unwrap();
    let to = dir.path().join("backups/copy.db");
    backup(&conn, &to).unwrap();
    conn.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    fs::write(dir.path().join("backups/copy.db.part"), "left over from a crash").unwrap();
    backup(&conn, &to).unwrap();
    let copy = open(&to, Options::default()).unwrap();
    assert_eq!(number(&copy, "SELECT count(*) FROM t").unwrap(), 2);
    integrity_check(&copy).unwrap();
    // Inside a transaction SQLite refuses: the old copy stays and no half one is left.
    conn.execute_batch("BEGIN").unwrap();
    assert!(backup(&conn, &to).is_err());
    conn.execute_batch("ROLLBACK").unwrap();
    assert!(to.exists() && !dir.path().join("backups/copy.db.part").exists());
}

#[test]
fn migrations_are_applied_once_with_a_copy_first() {
    let dir = folder();
    let backups = dir.path().join("backups");
    let mut conn = at(dir.path());
    let first = migrate(&mut conn, &[ONE], Some(&backups), 10).unwrap();
    assert_eq!(first, Migrated { from: 0, to: 1, backup: None }, "there was nothing to copy");
    conn.execute_batch("INSERT INTO one VALUES (1)").unwrap();

    let second = migrate(&mut conn, &[ONE, TWO], Some(&backups), 20).unwrap();
    assert_eq!((second.from, second.to), (1, 2));
    assert_eq!(number(&conn, "SELECT n * 10 + m FROM one").unwrap(), 27);
    assert_eq!(
        number(&conn, "SELECT applied_ms FROM schema_migration WHERE number = 2").unwrap(),
        20
    );
    let copy = second.backup.unwrap();
    assert_eq!(copy, backups.join("before-0002-20.db"));
    let old = open(&copy, Options::reader()).unwrap();
    assert_eq!(number(&old, "SELECT n FROM one").unwrap(), 1);
    assert_eq!(number(&old, "SELECT max(number) FROM schema_migration").unwrap(), 1);

    let third = migrate(&mut conn, &[ONE, TWO], Some(&backups), 30).unwrap();
    assert_eq!(third, Migrated { from: 2, to: 2, backup: None });
    assert_eq!(number(&conn, "SELECT n FROM one").unwrap(), 2, "applied once");
    assert_eq!(number(&conn, "PRAGMA foreign_keys").unwrap(), 1);
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 1);
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let dir = folder();
    let mut conn = at(dir.path());
    migrate(&mut conn, &[ONE, TWO], None, 0).unwrap();
    let writes = conn.total_changes();
    let error = migrate(&mut conn, &[ONE], Some(dir.path()), 0).unwrap_err();
    assert!(matches!(error, Error::NewerFile { file: 2, app: 1 }), "{error}");
    assert_eq!(error.hint(), "update Carrel; the file was left as it is");
    assert_eq!(conn.total_changes(), writes);
}

#[test]
fn an_edited_migration_is_refused_but_line_ends_may_differ() {
    let dir = folder();
    let mut conn = at(dir.path());
    migrate(&mut conn, &[ONE], None, 0).unwrap();
    let edited = Migration { sql: "CREATE TABLE one (n INTEGER) STRICT;\n", ..ONE };
    let renamed = Migration { name: "uno", ..ONE };
    for wrong in [edited, renamed] {
        let error = migrate(&mut conn, &[wrong, TWO], None, 0).unwrap_err();
        assert!(matches!(&error, Error::Edited { number: 1, name } if name == "one"), "{error}");
        assert_eq!(number(&conn, "SELECT count(*) FROM schema_migration").unwrap(), 1);
    }
    let windows = Migration { sql: "CREATE TABLE one (n INTEGER NOT NULL) STRICT;\r\n", ..ONE };
    assert_eq!(migrate(&mut conn, &[windows, TWO], None, 0).unwrap().to, 2);
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let bad = |sql| Migration { number: 3, name: "bad", sql };
    let references = "CREATE TABLE child (n INTEGER NOT NULL REFERENCES one (n)) STRICT; CREATE UNIQUE INDEX one_n ON one (n); INSERT INTO child VALUES (99);";
    for (sql, expected) in [
        ("DELETE FROM one; CREATE TABLE one (n);", "already exists"),
        ("DELETE FROM one; SELEC 1;", "syntax error"),
        (references, "rows of child name rows of one that do not exist"),
    ] {
        let dir = folder();
        let backups = dir.path().join("backups");
        let mut conn = at(dir.path());
        migrate(&mut conn, &[ONE], None, 0).unwrap();
        conn.execute_batch("INSERT INTO one VALUES (1)").unwrap();
        let error = migrate(&mut conn, &[ONE, TWO, bad(sql)], Some(&backups), 5).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            matches!(error, Error::Failed { number: 3, .. } | Error::Refused { number: 3, .. }),
            "{error:?}"
        );
        assert_eq!(
            number(&conn, "SELECT max(number) FROM schema_migration").unwrap(),
            1,
            "all or none"
        );
        assert_eq!(number(&conn, "SELECT n FROM one").unwrap(), 1);
        assert!(conn.prepare("SELECT m FROM one").is_err());
        assert_eq!(number(&conn, "PRAGMA foreign_keys").unwrap(), 1, "enforced again");
        assert!(backups.join("before-0002-5.db").exists());
        // A release that puts it right goes on from there.
        assert_eq!(migrate(&mut conn, &[ONE, TWO], None, 6).unwrap().to, 2);
    }
}

#[test]
fn a_migration_may_not_end_the_transaction() {
    let dir = folder();
    let mut conn = at(dir.path());
    let sneaky = Migration { number: 1, name: "sneaky", sql: "CREATE TABLE a (n); COMMIT;" };
    let error = migrate(&mut conn, &[sneaky], None, 0).unwrap_err();
    assert!(error.to_string().contains("transaction"), "{error}");
}

#[test]
fn a_table_may_be_rebuilt_under_references() {
    let dir = folder();
    let mut conn = at(dir.path());
    let one = Migration {
        number: 1,
        name: "one",
        sql: "CREATE TABLE p (id INTEGER PRIMARY KEY) STRICT; CREATE TABLE c (p INTEGER NOT NULL REFERENCES p (id) ON DELETE CASCADE) STRICT;",
    };
    let two = Migration {
        number: 2,
        name: "two",
        sql: "CREATE TABLE p2 (id INTEGER PRIMARY KEY, x INTEGER) STRICT; INSERT INTO p2 (id) SELECT id FROM p; DROP TABLE p; ALTER TABLE p2 RENAME TO p;",
    };
    migrate(&mut conn, &[one], None, 0).unwrap();
    conn.execute_batch("INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)").unwrap();
    migrate(&mut conn, &[one, two], None, 0).unwrap();
    assert_eq!(
        number(&conn, "SELECT count(*) FROM c").unwrap(),
        1,
        "nothing was deleted with the old table"
    );
}

#[test]
fn strangers_and_gaps_are_refused() {
    let dir = folder();
    let mut conn = at(dir.path());
    conn.execute_batch("CREATE TABLE somebody_elses (n)").unwrap();
    assert!(matches!(migrate(&mut conn, &[ONE], None, 0), Err(Error::NotOurs)));
    let dir = folder();
    let mut conn = at(dir.path());
    assert!(matches!(migrate(&mut conn, &[TWO], None, 0), Err(Error::Numbering(2))));
    assert!(matches!(migrate(&mut conn, &[ONE, ONE], None, 0), Err(Error::Numbering(1))));
    migrate(&mut conn, &[ONE, TWO], None, 0).unwrap();
    conn.execute_batch("DELETE FROM schema_migration WHERE number = 1").unwrap();
    assert!(matches!(migrate(&mut conn, &[ONE, TWO], None, 0), Err(Error::Numbering(1))));
}

#[test]
fn two_programs_that_open_one_new_file_migrate_it_once() {
    let dir = folder();
    let path = dir.path().join("a.db");
    open(&path, Options::default()).unwrap();
    let done: Vec<u32> = std::thread::scope(|s| {
        let each = || {
            let mut conn = open(&path, Options::default()).unwrap();
            migrate(&mut conn, &[ONE, TWO], None, 0).unwrap().to
        };
        let all: Vec<_> = (0..4).map(|_| s.spawn(each)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(done, [2; 4]);
    assert_eq!(number(&at(dir.path()), "SELECT count(*) FROM schema_migration").unwrap(), 2);
}
