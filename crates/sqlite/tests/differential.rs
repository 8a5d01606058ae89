//! Tests that the upserts compute the joins: for any history of rows, in any order, with repeats and in any batches,
//! the tables equal a fold in Rust. A repeated join writes nothing and uses no change number.

use std::collections::BTreeMap;

use carrel_model::{
    UserId, arbitrary,
    lattice::{Extra, Join, Row, RowKey, RowType, Validate, fold},
};
use carrel_sqlite::{
    open_in_memory,
    rows::{self, Owner, Scope},
    rusqlite::Connection,
};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

fn tables(scope: Scope) -> Connection {
    let conn = open_in_memory().unwrap();
    conn.execute_batch(&rows::schema(scope)).unwrap();
    conn
}
fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    if let Err(e) = TestRunner::new(config).run(&strategy, test) {
        panic!("{e}");
    }
}
fn table(conn: &Connection, owner: Owner) -> BTreeMap<RowKey, Row> {
    let all = RowType::ALL.iter().flat_map(|t| rows::all(conn, owner, *t).unwrap());
    all.map(|r| (r.key(), r)).collect()
}

/// Generates a history, its rows reordered with some repeated, and flags for rows that start a batch.
fn histories() -> impl Strategy<Value = (Vec<Row>, Vec<Row>, Vec<bool>)> {
    vec(arbitrary::any_row(2), 1..10).prop_flat_map(|history| {
        let len = history.len();
        let repeats = proptest::sample::subsequence(history.clone(), 0..=len);
        let delivered = repeats.prop_map({
            let history = history.clone();
            move |r| [history.clone(), r].concat()
        });
        (Just(history), delivered.prop_shuffle(), vec(any::<bool>(), 2 * len))
    })
}

#[test]
fn a_client_table_equals_the_fold() {
    let conn = tables(Scope::Client);
    run(6_000, histories(), |(history, delivered, cuts)| {
        let tx = conn.unchecked_transaction().unwrap();
        let folded = fold(history);
        for batch in batches(&delivered, &cuts) {
            for row in batch {
                let before = rows::get(&tx, Owner::Client, &row.key()).unwrap();
                let joined = rows::join(&tx, Owner::Client, &row, 0).unwrap();
                let after = rows::get(&tx, Owner::Client, &row.key()).unwrap();
                prop_assert_eq!(
                    joined.changed,
                    before != after,
                    "`changed` is true if the row changed"
                );
            }
        }
        prop_assert_eq!(&table(&tx, Owner::Client), &folded);
        let writes = tx.total_changes();
        for row in delivered.iter().chain(folded.values()) {
            prop_assert!(
                !rows::join(&tx, Owner::Client, row, 0).unwrap().changed,
                "a repeated join changes {:?}",
                row
            );
        }
        prop_assert_eq!(tx.total_changes(), writes, "a repeated join writes nothing");
        for row_type in RowType::ALL {
            let keys = rows::keys(&tx, Owner::Client, *row_type).unwrap();
            let expected: Vec<_> =
                folded.keys().filter(|k| k.row_type == *row_type).cloned().collect();
            prop_assert_eq!(keys, expected, "keys are ordered by their text");
        }
        tx.rollback().unwrap();
        Ok(())
    });
}

/// Splits the rows into batches. Every other batch is folded in Rust.
fn batches(delivered: &[Row], cuts: &[bool]) -> Vec<Vec<Row>> {
    let mut batches: Vec<Vec<Row>> = vec![vec![]];
    for (row, cut) in delivered.iter().zip(cuts) {
        if *cut {
            batches.push(vec![]);
        }
        batches.last_mut().unwrap().push(row.clone());
    }
    let folds =
        |(i, b): (usize, Vec<Row>)| if i % 2 == 0 { fold(b).into_values().collect() } else { b };
    batches.into_iter().enumerate().map(folds).collect()
}

#[test]
fn a_server_table_equals_the_fold_of_each_learner() {
    let conn = tables(Scope::Server);
    let users = [UserId::from_u128(1), UserId::from_u128(2)];
    let page = 1..6_usize;
    run(4_000, (histories(), histories(), page), |(a, b, page)| {
        let tx = conn.unchecked_transaction().unwrap();
        let (mut usn, mut size) = ([0, 0], [0, 0]);
        // The rows of the two learners are interleaved and have the same keys.
        let (n, m) = (a.1.len(), b.1.len());
        for i in 0..n.max(m) {
            for (u, delivered) in [&a.1, &b.1].into_iter().enumerate() {
                if let Some(row) = delivered.get(i) {
                    let owner = Owner::Server(users[u]);
                    let before = rows::get(&tx, owner, &row.key()).unwrap();
                    let joined = rows::join(&tx, owner, row, usn[u] + 1).unwrap();
                    let after = rows::get(&tx, owner, &row.key()).unwrap();
                    prop_assert_eq!(joined.changed, before != after);
                    prop_assert_eq!(
                        joined.as_sent,
                        joined.changed && after.as_ref() == Some(row),
                        "{:?} became {:?}",
                        row,
                        after
                    );
                    usn[u] += u64::from(joined.changed);
                    prop_assert_eq!(joined.added, before.is_none());
                    size[u] += joined.growth;
                }
            }
        }
        let writes = tx.total_changes();
        for (u, (history, delivered, _)) in [&a, &b].into_iter().enumerate() {
            let owner = Owner::Server(users[u]);
            let folded = fold(history.clone());
            prop_assert_eq!(&table(&tx, owner), &folded);
            prop_assert_eq!(rows::last_usn(&tx, users[u]).unwrap(), usn[u]);
            prop_assert_eq!(stored_bytes(&tx, users[u]), size[u], "the sum of `growth`");
            for row in delivered.iter().chain(folded.values()) {
                prop_assert!(
                    !rows::join(&tx, owner, row, u64::MAX).unwrap().changed,
                    "a repeated join changes {:?}",
                    row
                );
            }
            prop_assert_eq!(pages(&tx, users[u], page)?, folded, "all rows are pulled");
        }
        prop_assert_eq!(tx.total_changes(), writes, "a repeated join writes nothing");
        tx.rollback().unwrap();
        Ok(())
    });
}

/// Computes the size of all rows of a learner, as counted in a quota, from the tables.
fn stored_bytes(conn: &Connection, user: UserId) -> i64 {
    let of = |spec: &rows::TableSpec| -> i64 {
        let (size, table) = (rows::size(spec), spec.table);
        let sql = format!("SELECT coalesce(sum({size}), 0) FROM {table} WHERE user_id = ?1");
        conn.query_row(&sql, [user.0.as_bytes().as_slice()], |r| r.get(0)).unwrap()
    };
    rows::SPECS.iter().map(of).sum()
}

/// Pulls all pages and checks that the change numbers strictly increase and no row is repeated.
fn pages(
    conn: &Connection,
    user: UserId,
    limit: usize,
) -> Result<BTreeMap<RowKey, Row>, TestCaseError> {
    let mut pulled = BTreeMap::new();
    let mut cursor = 0;
    loop {
        // Some pages are limited by bytes instead of rows.
        let max_bytes = if cursor % 3 == 0 { 300 } else { usize::MAX };
        let page = rows::since(conn, user, cursor, limit, max_bytes).unwrap();
        prop_assert!(page.rows.len() <= limit && (!page.more || !page.rows.is_empty()));
        let more = page.more;
        for (usn, row) in page.rows {
            prop_assert!(usn > cursor, "change numbers increase");
            cursor = usn;
            prop_assert!(pulled.insert(row.key(), row).is_none(), "no row is repeated");
        }
        if !more {
            return Ok(pulled);
        }
    }
}

#[test]
fn every_row_type_round_trips() {
    for scope in [Scope::Client, Scope::Server] {
        let conn = tables(scope);
        let owner = if scope == Scope::Client {
            Owner::Client
        } else {
            Owner::Server(UserId::from_u128(7))
        };
        for row_type in RowType::ALL {
            run(500, arbitrary::row(*row_type, 3), |row| {
                let tx = conn.unchecked_transaction().unwrap();
                let joined = rows::join(&tx, owner, &row, 1).unwrap();
                prop_assert!(joined.changed && !joined.payload_conflict);
                prop_assert_eq!(rows::get(&tx, owner, &row.key()).unwrap(), Some(row.clone()));
                prop_assert_eq!(rows::all(&tx, owner, *row_type).unwrap(), vec![row.clone()]);
                prop_assert_eq!(rows::keys(&tx, owner, *row_type).unwrap(), vec![row.key()]);
                tx.rollback().unwrap();
                Ok(())
            });
        }
    }
}

/// Unknown fields at and over their limits: the SQL function computes the same as the join in Rust, also for rows
/// stored by earlier releases.
#[test]
fn unknown_fields_join_in_sql_as_in_rust() {
    let conn = tables(Scope::Client);
    let two = (arbitrary::edge_extra(), arbitrary::edge_extra());
    run(2_000, two, |(a, b)| {
        // Stored unchanged, also over the limits.
        let raw = |extra: &Extra| match extra.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&extra.0).unwrap(),
        };
        let sql = "SELECT carrel_join_extra(?1, ?2)";
        let joined: String = conn.query_row(sql, [raw(&a), raw(&b)], |r| r.get(0)).unwrap();
        let mut expected = a.clone();
        expected.join(&b);
        prop_assert_eq!(&joined, &expected.to_text());
        let sql = "SELECT carrel_join_extra(?1, '')";
        let limited: String = conn.query_row(sql, [raw(&a)], |r| r.get(0)).unwrap();
        prop_assert_eq!(limited, a.to_text(), "the fields are limited");
        Ok(())
    });
}

#[test]
fn valid_rows_at_their_limits_join_in_sql_as_in_rust() {
    let conn = tables(Scope::Server);
    let owner = Owner::Server(UserId::from_u128(1));
    for row_type in RowType::ALL {
        let three = vec(arbitrary::valid_row(*row_type), 1..4);
        run(if std::env::var_os("CARREL_LONG").is_some() { 1_000 } else { 60 }, three, |history| {
            let tx = conn.unchecked_transaction().unwrap();
            for (usn, row) in (1..).zip(&history) {
                rows::join(&tx, owner, row, usn).unwrap();
            }
            let folded = fold(history);
            prop_assert_eq!(&table(&tx, owner), &folded);
            for row in folded.values() {
                prop_assert_eq!(row.validate(), Ok(()));
            }
            tx.rollback().unwrap();
            Ok(())
        });
    }
}

#[test]
fn a_payload_conflict_is_reported() {
    let conn = tables(Scope::Client);
    for row_type in RowType::ALL {
        let two = (arbitrary::row(*row_type, 1), arbitrary::row(*row_type, 1));
        run(500, two, |(a, b)| {
            let tx = conn.unchecked_transaction().unwrap();
            rows::join(&tx, Owner::Client, &a, 0).unwrap();
            let joined = rows::join(&tx, Owner::Client, &b, 0).unwrap();
            let payload = |r: &Row| match r {
                Row::Session(r) => Some(r.payload_hash()),
                Row::Attempt(r) => Some(r.payload_hash()),
                Row::Review(r) => Some(r.payload_hash()),
                Row::NoteRevision(r) => Some(r.payload_hash()),
                _ => None,
            };
            prop_assert_eq!(joined.payload_conflict, payload(&a) != payload(&b));
            tx.rollback().unwrap();
            Ok(())
        });
    }
}
