//! Tests that the migrations create the tables that the code describes, and that invalid keys and values are reported.

use carrel_model::{
    UserId,
    lattice::{RowKey, RowType},
};
use carrel_sqlite::{
    Error, Migration, migrate, open_in_memory,
    rows::{self, Owner, SPECS, Scope},
    rusqlite::Connection,
};

const USER: &[&str] = &[
    include_str!("../../../migrations/user/0001_rows.sql"),
    include_str!("../../../migrations/user/0002_sync.sql"),
    include_str!("../../../migrations/user/0003_submitted_answers.sql"),
    include_str!("../../../migrations/user/0004_study_days.sql"),
];
const SERVER: &[&str] = &[
    include_str!("../../../migrations/server-sqlite/0001_rows.sql"),
    include_str!("../../../migrations/server-sqlite/0002_server.sql"),
    include_str!("../../../migrations/server-sqlite/0003_accounts.sql"),
    include_str!("../../../migrations/server-sqlite/0004_limits.sql"),
    include_str!("../../../migrations/server-sqlite/0005_attempt_limits.sql"),
    // 0006 to 0011 do not change learners' rows.
    include_str!("../../../migrations/server-sqlite/0012_study_days.sql"),
];

fn migrated(all: &[&'static str]) -> Connection {
    let mut conn = open_in_memory().unwrap();
    let migrations: Vec<_> =
        (1..).zip(all).map(|(number, sql)| Migration { number, name: "step", sql }).collect();
    migrate(&mut conn, &migrations, None, 0).unwrap();
    conn
}

/// Returns (name, type, not null, position in the primary key from 1, 0 for none) of each column.
fn columns(conn: &Connection, table: &str) -> Vec<(String, String, bool, u32)> {
    let mut stmt =
        conn.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)").unwrap();
    let rows =
        stmt.query_map([table], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn migrations_match_the_table_specs() {
    for (scope, all) in [(Scope::Client, USER), (Scope::Server, SERVER)] {
        let conn = migrated(all);
        for spec in &SPECS {
            let mut expected: Vec<(String, String, bool, u32)> = vec![];
            let server = u32::from(scope == Scope::Server);
            if scope == Scope::Server {
                expected.push(("user_id".into(), "BLOB".into(), true, 1));
            }
            for (i, c) in (1..).zip(spec.columns()) {
                let pk = if i <= spec.keys.len() as u32 { i + server } else { 0 };
                expected.push((c.name.into(), c.kind.sql().into(), true, pk));
            }
            if scope == Scope::Server {
                expected.push(("usn".into(), "INTEGER".into(), true, 0));
            }
            // The order may differ: columns added by later migrations are last, and statements name their columns.
            let mut found = columns(&conn, spec.table);
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{} {scope:?}", spec.table);
            let (strict, without_rowid): (bool, bool) = conn
                .query_row(
                    "SELECT strict, wr FROM pragma_table_list WHERE name = ?1",
                    [spec.table],
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )
                .unwrap();
            assert!(strict && without_rowid, "{}", spec.table);
        }
    }
}

#[test]
fn a_pull_uses_indices_without_sorting() {
    let conn = migrated(SERVER);
    for spec in &SPECS {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT usn FROM {} WHERE user_id = ?1 AND usn > ?2 ORDER BY usn",
            spec.table
        );
        let plan: String = conn.query_row(&sql, (b"u".as_slice(), 0), |r| r.get(3)).unwrap();
        assert!(plan.contains("COVERING INDEX") && plan.contains("_usn"), "{}: {plan}", spec.table);
    }
}

#[test]
fn change_numbers_are_unique() {
    let conn = migrated(SERVER);
    let owner = Owner::Server(UserId::from_u128(1));
    let row = |rev: u128| {
        carrel_model::lattice::ReviewVoid {
            id: carrel_model::EventId::from_u128(rev),
            extra: Default::default(),
        }
        .into()
    };
    rows::join(&conn, owner, &row(1), 1).unwrap();
    assert!(matches!(rows::join(&conn, owner, &row(2), 1), Err(Error::Sqlite(_))));
    rows::join(&conn, Owner::Server(UserId::from_u128(2)), &row(2), 1).unwrap();
}

#[test]
fn invalid_keys_are_rejected() {
    let conn = migrated(USER);
    for (row_type, key) in [
        (RowType::Session, "not-a-uuid"),
        (RowType::Progress, "section"),
        (RowType::Answer, "00000000-0000-0000-0000-000000000001"),
        (RowType::Answer, "x\u{1f}q"),
        (RowType::NoteLife, ""),
    ] {
        let key = RowKey { row_type, key: key.into() };
        let got = rows::get(&conn, Owner::Client, &key);
        assert!(matches!(&got, Err(Error::BadKey(k)) if *k == key), "{got:?}");
    }
    let absent = RowKey { row_type: RowType::Progress, key: "section\u{1f}a/b/c".into() };
    assert_eq!(rows::get(&conn, Owner::Client, &absent).unwrap(), None);
}

#[test]
fn an_invalid_stored_value_is_reported_with_its_column() {
    let conn = migrated(USER);
    let progress = "INSERT INTO progress \
                    (kind, item, generation, percent, pos_hlc, pos_device, pos_at, done_ms) VALUES";
    for (values, column) in [
        ("('lesson', 'a', 0, 0, 0, x'', '', 0)", "kind"),
        ("('section', 'A!', 0, 0, 0, x'', '', 0)", "item"),
        ("('section', 'a', -1, 0, 0, x'', '', 0)", "generation"),
        ("('section', 'a', 0, 70000, 0, x'', '', 0)", "percent"),
        ("('section', 'a', 0, 0, -1, x'', '', 0)", "pos_hlc"),
        ("('section', 'a', 0, 0, 1, x'0102', '', 0)", "pos_device"),
    ] {
        conn.execute_batch("DELETE FROM progress").unwrap();
        conn.execute_batch(&format!("{progress} {values}")).unwrap();
        match rows::all(&conn, Owner::Client, RowType::Progress) {
            Err(Error::BadRow { table: "progress", column: found, .. }) => {
                assert_eq!(found, column)
            }
            other => panic!("{values}: {other:?}"),
        }
    }
}
