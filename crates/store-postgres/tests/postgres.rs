//! The engine on a real PostgreSQL cluster, whose address is in `CARREL_TEST_POSTGRES` (`cargo xtask with-postgres`).
//! Without it, the tests are skipped.

#![allow(clippy::print_stderr, reason = "a skipped test prints the reason")]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use carrel_model::{
    UserId, arbitrary,
    lattice::{Row, RowKey, RowType},
    wire::{Role, UserInfo},
};
use carrel_sqlite::rows::{Kind, SPECS};
use carrel_store::{
    Engine, OpenOptions, Opened, Received, Result, StoreError, TxJob, facts,
    sqlite::SqliteEngine,
    tx::{JoinedRow, LoginKeys, StoredAccount, Tx, Usage},
};
use carrel_store_postgres::{DatabaseUrl, PoolSettings, PostgresEngine};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use tokio::sync::oneshot;
use tokio_postgres::{Client, NoTls};

#[path = "postgres/tenants.rs"]
mod tenants;

const OPTIONS: OpenOptions = OpenOptions { readers: 1, now_ms: 1_790_000_000_000 };

/// A database that is dropped at the end of the test.
struct Database {
    name: String,
}

fn address(database: &str) -> Option<String> {
    let cluster = std::env::var("CARREL_TEST_POSTGRES").ok();
    if cluster.is_none() {
        eprintln!("skipped: CARREL_TEST_POSTGRES is not set");
    }
    cluster.map(|cluster| {
        format!("{cluster} dbname={database} options='-c search_path=carrel -c carrel.tenant=1'")
    })
}

async fn client(database: &str) -> Client {
    let address = address(database).unwrap();
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Database {
    /// Creates an empty database. Returns `None` without a cluster.
    async fn new() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        address("postgres")?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("store_{}_{number}", std::process::id());
        client("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Some(Self { name })
    }
    fn engine(&self) -> PostgresEngine {
        let url = DatabaseUrl::new(&address(&self.name).unwrap()).unwrap();
        let settings = PoolSettings { min: 1, max: 8, ..PoolSettings::default() };
        PostgresEngine::new(url, settings)
    }
    fn open(&self) -> Opened {
        self.engine().open(Path::new(""), OPTIONS).unwrap()
    }
    async fn client(&self) -> Client {
        client(&self.name).await
    }
    async fn drop(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        client("postgres").await.batch_execute(&sql).await.unwrap();
    }
}

struct Job<T, F> {
    f: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&dyn Tx) -> Result<T> + Send> TxJob for Job<T, F> {
    fn run(&mut self, tx: &dyn Tx) -> bool {
        self.result = self.f.take().map(|f| f(tx));
        matches!(self.result, Some(Ok(_)))
    }
    fn finish(self: Box<Self>, ended: Result<()>) {
        let result = match (self.result, ended) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(e)), _) | (_, Err(e)) => Err(e),
            (None, Ok(())) => Err(StoreError::closed()),
        };
        let _ = self.reply.send(result);
    }
}

async fn write<T: Send + 'static>(
    opened: &Opened,
    f: impl FnOnce(&dyn Tx) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, received) = oneshot::channel();
    opened.transactions.write(Box::new(Job { f: Some(f), result: None, reply }));
    received.await.unwrap()
}

async fn read<T: Send + 'static>(
    opened: &Opened,
    f: impl FnOnce(&dyn Tx) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, received) = oneshot::channel();
    opened.transactions.read(Box::new(Job { f: Some(f), result: None, reply })).await;
    received.await.unwrap()
}

fn user(number: u128) -> UserId {
    UserId::from_u128(number)
}

fn add_account(tx: &dyn Tx, number: u128) -> Result<()> {
    let login = format!("learner-{number}");
    let keys = LoginKeys { key: login.clone(), skeleton: login.clone() };
    let user = UserInfo { id: user(number), name: login.clone(), login, role: Role::Student };
    tx.insert_account(&StoredAccount { user, password: String::new() }, &keys, 0)
}

/// What a batch changes, as far as callers see it.
type Pushed = (Vec<JoinedRow>, u64, Usage);

/// Joins a batch as the server does: the change number and the usage of the learner are updated.
fn push(tx: &dyn Tx, user: UserId, rows: &[Row]) -> Result<Pushed> {
    let (mut usn, mut usage) = (tx.usn(user)?.unwrap(), tx.usage(user)?);
    let joined = tx.join(user, rows, usn)?;
    for row in &joined {
        usn += u64::from(row.changed);
        usage.rows += i64::from(row.added);
        usage.bytes += row.growth;
    }
    tx.set_usn(user, usn)?;
    tx.set_usage(user, usage)?;
    // Values that were set are read in the same transaction.
    assert_eq!((tx.usn(user)?, tx.usage(user)?), (Some(usn), usage));
    Ok((joined, usn, usage))
}

/// All rows by pages of 3, and of about 300 bytes.
fn all_rows(tx: &dyn Tx, user: UserId) -> Result<Vec<(u64, Row)>> {
    let mut pages = Vec::new();
    for (limit, max_bytes) in [(3, usize::MAX), (1000, 300)] {
        let (mut all, mut more) = (Vec::new(), true);
        while more {
            let since = all.last().map_or(0, |(usn, _)| *usn);
            let page;
            (page, more) = tx.rows_since(user, since, limit, max_bytes)?;
            all.extend(page);
        }
        pages.push(all);
    }
    assert_eq!(pages[0], pages[1]);
    Ok(pages.remove(0))
}

/// PostgreSQL stores no U+0000, and validation refuses it, except in unknown fields.
fn is_storable(row: &Row) -> bool {
    !serde_json::to_string(row).unwrap().contains("\\u0000")
}

/// Two histories of one learner and one of another, in batches: every result and every stored row is the one of SQLite.
#[tokio::test(flavor = "multi_thread")]
async fn both_engines_merge_every_history_alike() {
    let Some(database) = Database::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let engines = [database.open(), SqliteEngine.open(dir.path(), OPTIONS).unwrap()];
    let handle = tokio::runtime::Handle::current();
    let next = AtomicUsize::new(1);
    let batches = vec(vec(arbitrary::any_row(2), 1..12), 1..6);
    let test = |batches: Vec<Vec<Row>>| {
        let batches: Vec<Vec<Row>> = batches
            .into_iter()
            .map(|rows| rows.into_iter().filter(is_storable).collect())
            .collect();
        let number = next.fetch_add(1, Ordering::Relaxed) as u128;
        let results = engines.each_ref().map(|opened| {
            let batches = batches.clone();
            handle.block_on(async {
                write(opened, move |tx| add_account(tx, number)).await.unwrap();
                let mut pushed = Vec::new();
                // The last batch again, row by row, in the transaction for a learner over the quota.
                let last = batches.last().cloned().unwrap_or_default();
                for rows in batches {
                    pushed.push(
                        write(opened, move |tx| push(tx, user(number), &rows)).await.unwrap(),
                    );
                }
                let smaller = write(opened, move |tx| {
                    let mut usn = tx.usn(user(number))?.unwrap();
                    let mut joined = Vec::new();
                    for row in &last {
                        let result = tx.join_unless_larger(user(number), row, usn)?;
                        usn += u64::from(result.is_some_and(|r| r.changed));
                        joined.push(result);
                    }
                    tx.set_usn(user(number), usn)?;
                    Ok(joined)
                });
                let smaller = smaller.await.unwrap();
                let rows = read(opened, move |tx| {
                    let rows = all_rows(tx, user(number))?;
                    for (_, row) in &rows {
                        assert_eq!(tx.row(user(number), &row.key())?.as_ref(), Some(row));
                        assert!(tx.has_row(user(number), &row.key())?);
                        assert!(!tx.has_row(user(0), &row.key())?);
                    }
                    Ok(rows)
                });
                (pushed, smaller, rows.await.unwrap())
            })
        });
        let [postgres, sqlite] = results;
        prop_assert_eq!(postgres, sqlite);
        Ok(())
    };
    let cases = if std::env::var_os("CARREL_LONG").is_some() { 5_000 } else { 150 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    tokio::task::block_in_place(|| {
        if let Err(e) = TestRunner::new(config).run(&batches, test) {
            panic!("{e}");
        }
    });
    drop(engines);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_have_the_columns_of_the_descriptions() {
    let Some(database) = Database::new().await else { return };
    drop(database.open());
    let client = database.client().await;
    for spec in &SPECS {
        let sql =
            "SELECT column_name::text, data_type::text, collation_name::text, is_nullable::text
            FROM information_schema.columns WHERE table_schema = 'carrel' AND table_name = $1 ORDER BY ordinal_position";
        let found: Vec<(String, String, Option<String>)> = client
            .query(sql, &[&spec.table])
            .await
            .unwrap()
            .iter()
            .map(|r| {
                assert_eq!(r.get::<_, &str>(3), "NO", "{}", spec.table);
                (r.get(0), r.get(1), r.get(2))
            })
            .collect();
        let column = |name: &str, kind: Kind| {
            let (sql_type, collation) = match kind {
                Kind::Int => ("bigint", None),
                Kind::Text => ("text", Some("C".to_owned())),
                Kind::Uuid | Kind::Hash | Kind::MaybeUuid => ("bytea", None),
            };
            (name.to_owned(), sql_type.to_owned(), collation)
        };
        let mut expected = vec![column("user_id", Kind::Uuid)];
        expected.extend(spec.columns().map(|c| column(c.name, c.kind)));
        expected.push(column("usn", Kind::Int));
        expected.push(("tenant".to_owned(), "integer".to_owned(), None));
        assert_eq!(found, expected, "{}", spec.table);
    }
    database.drop().await;
}

/// Several transactions change the rows of one learner at the same time: no change number is used twice, and none is
/// left out.
#[tokio::test(flavor = "multi_thread")]
async fn change_numbers_are_exact_under_concurrent_pushes() {
    let Some(database) = Database::new().await else { return };
    let opened = Arc::new(database.open());
    write(&opened, |tx| add_account(tx, 1)).await.unwrap();
    let tasks: Vec<_> = (0..8_u32)
        .map(|device| {
            let opened = Arc::clone(&opened);
            tokio::spawn(async move {
                for n in 0..20_u32 {
                    // Every device finishes the same sections, in another order.
                    let row = |i: u32| -> Row {
                        let item = (n * 7 + i + device) % 40;
                        let json = format!(
                            r#"{{"type":"progress","kind":"section","item":"c/l/s{item}","percent":{}}}"#,
                            device * 20 + n
                        );
                        Row::from_json(&json).unwrap()
                    };
                    let rows: Vec<Row> = (0..5).map(row).collect();
                    write(&opened, move |tx| push(tx, user(1), &rows)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (rows, usn, usage) =
        read(&opened, |tx| Ok((all_rows(tx, user(1))?, tx.usn(user(1))?, tx.usage(user(1))?)))
            .await
            .unwrap();
    let numbers: BTreeSet<u64> = rows.iter().map(|(usn, _)| *usn).collect();
    assert_eq!((rows.len(), numbers.len(), usage.rows), (40, 40, 40));
    assert_eq!(numbers.last().copied(), usn, "the last change is the learner's number");
    let bytes: i64 = sum_of_sizes(&database.client().await).await;
    assert_eq!(usage.bytes, bytes);
    drop(opened);
    database.drop().await;
}

async fn sum_of_sizes(client: &Client) -> i64 {
    let size = carrel_sqlite::rows::size(&SPECS[RowType::Progress as usize]);
    let sql = format!("SELECT sum({size})::int8 FROM progress");
    client.query_one(sql.as_str(), &[]).await.unwrap().get(0)
}

/// What is missing is looked up again under a lock before it is added: exactly one of many transactions adds it, and
/// none fails.
#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_registrations_of_a_login_one_succeeds() {
    let Some(database) = Database::new().await else { return };
    let opened = Arc::new(database.open());
    for round in 0..10_u128 {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let opened = Arc::clone(&opened);
                tokio::spawn(async move {
                    write(&opened, move |tx| {
                        let key = format!("learner-{round}");
                        let is_free = tx.account_by_login_key(&key)?.is_none();
                        if is_free {
                            add_account(tx, round)?;
                        }
                        Ok(is_free)
                    })
                    .await
                    .unwrap()
                })
            })
            .collect();
        let mut added = 0;
        for task in tasks {
            added += usize::from(task.await.unwrap());
        }
        assert_eq!(added, 1, "round {round}");
    }
    drop(opened);
    database.drop().await;
}

/// Epoch and id of the server.
async fn epoch(opened: &Opened) -> Result<(Option<String>, Option<String>)> {
    read(opened, |tx| Ok((tx.fact(facts::EPOCH)?, tx.fact(facts::SERVER_ID)?))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_or_timeline_gives_a_new_epoch() {
    let Some(database) = Database::new().await else { return };
    let opened = database.open();
    let first = epoch(&opened).await.unwrap();
    assert!(first.0.is_some() && first.1.is_some());
    drop(opened);
    let opened = database.open();
    assert_eq!(epoch(&opened).await.unwrap(), first, "the same cluster keeps the epoch");
    // As after a failover: the rows are those of another timeline.
    let client = database.client().await;
    let change = "UPDATE cluster SET identity = identity || '0'";
    assert_eq!(client.execute(change, &[]).await.unwrap(), 1);
    // New connections compare the timeline: the old ones end with the old primary.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.query(end, &[]).await.unwrap();
    let mut second = first.clone();
    for _ in 0..20 {
        if let Ok(found) = epoch(&opened).await {
            second = found;
            break;
        }
    }
    assert_ne!(second.0, first.0, "another timeline has another epoch");
    assert_eq!(second.1, first.1, "the server is the same");
    // A removed epoch is drawn again at the next start, as after pg_restore.
    client.execute("DELETE FROM server_fact WHERE name = 'epoch'", &[]).await.unwrap();
    drop(opened);
    let opened = database.open();
    let third = epoch(&opened).await.unwrap();
    assert!(third.0.is_some() && third.0 != second.0 && third.1 == first.1);
    drop(opened);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_unavailable_and_replaced() {
    let Some(database) = Database::new().await else { return };
    let opened = database.open();
    let pid = database.client().await;
    let lost = write(&opened, move |tx| {
        tx.set_fact(facts::CATALOGUE, "1")?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let handle = tokio::runtime::Handle::current();
        handle.block_on(pid.query(end, &[])).unwrap();
        tx.set_fact(facts::CATALOGUE, "2")
    });
    assert!(matches!(lost.await, Err(StoreError::Unavailable(_))));
    let mut last = None;
    for _ in 0..20 {
        last = write(&opened, |tx| tx.fact(facts::CATALOGUE)).await.ok();
        if last.is_some() {
            break;
        }
    }
    assert_eq!(last, Some(None), "nothing of the lost transaction was committed");
    drop(opened);
    database.drop().await;
}

/// PostgreSQL answers COMMIT with a roll-back after a failed statement, also if the job ignored its error.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_a_failed_statement_is_not_committed() {
    let Some(database) = Database::new().await else { return };
    let opened = database.open();
    let done = write(&opened, |tx| {
        add_account(tx, 1)?;
        assert!(matches!(add_account(tx, 1), Err(StoreError::Conflict(_))));
        Ok(())
    });
    assert!(matches!(done.await, Err(StoreError::Internal(_))));
    assert!(read(&opened, |tx| tx.account_by_id(user(1))).await.unwrap().is_none());
    // The connections are usable.
    for _ in 0..10 {
        write(&opened, |tx| tx.set_fact(facts::CATALOGUE, "1")).await.unwrap();
    }
    drop(opened);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_transaction_sees_one_state_and_writes_nothing() {
    let Some(database) = Database::new().await else { return };
    let opened = Arc::new(database.open());
    let other = Arc::clone(&opened);
    let seen = read(&opened, move |tx| {
        let before = tx.fact(facts::CATALOGUE)?;
        let handle = tokio::runtime::Handle::current();
        handle.block_on(write(&other, |tx| tx.set_fact(facts::CATALOGUE, "1"))).unwrap();
        Ok((before, tx.fact(facts::CATALOGUE)?))
    });
    assert_eq!(seen.await.unwrap(), (None, None));
    let refused = read(&opened, |tx| tx.set_fact(facts::CATALOGUE, "2")).await;
    assert!(refused.is_err());
    let now = read(&opened, |tx| tx.fact(facts::CATALOGUE)).await.unwrap();
    assert_eq!(now.as_deref(), Some("1"));
    drop(opened);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_migrate_once() {
    let Some(database) = Database::new().await else { return };
    let opened: Vec<Opened> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| database.open())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let client = database.client().await;
    let count: i64 =
        client.query_one("SELECT count(*) FROM schema_migration", &[]).await.unwrap().get(0);
    assert_eq!(count as usize, carrel_store_postgres::MIGRATIONS.len());
    drop(opened);
    // A schema of a newer release, and one of another release, are refused.
    let newer = "INSERT INTO schema_migration VALUES (99, 'newer', '', 0)";
    client.execute(newer, &[]).await.unwrap();
    let refused = database.engine().open(Path::new(""), OPTIONS).err().unwrap();
    assert!(refused.to_string().contains("newer release"), "{refused}");
    client
        .batch_execute(
            "DELETE FROM schema_migration WHERE number = 99;
             UPDATE schema_migration SET checksum = '' WHERE number = 1",
        )
        .await
        .unwrap();
    let refused = database.engine().open(Path::new(""), OPTIONS).err().unwrap();
    assert!(refused.to_string().contains("migration 1"), "{refused}");
    database.drop().await;
    let Some(foreign) = Database::new().await else { return };
    let other = "CREATE SCHEMA carrel; CREATE TABLE carrel.other (id int)";
    foreign.client().await.batch_execute(other).await.unwrap();
    let refused = foreign.engine().open(Path::new(""), OPTIONS).err().unwrap();
    assert!(refused.to_string().contains("another program"), "{refused}");
    foreign.drop().await;
}

/// A text with U+0000 is replaced where it is only shown, and finds nothing where it is looked up.
#[tokio::test(flavor = "multi_thread")]
async fn nul_in_a_text_aborts_no_transaction() {
    let Some(database) = Database::new().await else { return };
    let opened = database.open();
    let found = write(&opened, |tx| {
        add_account(tx, 1)?;
        let id = carrel_store::new_id();
        tx.insert_sign_in(id, user(1), carrel_model::DeviceId::from_u128(1), "a\0b", 1)?;
        let key = RowKey { row_type: RowType::Kv, key: "setting\u{1f}a\0b".to_owned() };
        Ok((tx.account_by_login_key("learner\0")?.is_some(), tx.has_row(user(1), &key)?))
    });
    assert_eq!(found.await.unwrap(), (false, false));
    drop(opened);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_committed_late_is_read() {
    let Some(database) = Database::new().await else { return };
    let address = address(&database.name).unwrap();
    let poll = Some(std::time::Duration::from_millis(20));
    let settings = PoolSettings { min: 1, max: 4, poll, ..PoolSettings::default() };
    let engine = PostgresEngine::new(DatabaseUrl::new(&address).unwrap(), settings);
    let opened = engine.open(Path::new(""), OPTIONS).unwrap();
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let receive = move |message| drop(sender.send(message));
    opened.messages.as_ref().unwrap().receive(Box::new(receive));
    let (late, early) = (database.client().await, database.client().await);
    assert_eq!(received.recv().await, Some(Received::Gap));
    // The second gap: reading has begun.
    assert_eq!(received.recv().await, Some(Received::Gap));
    let insert =
        "INSERT INTO message (payload) VALUES ('another process' || chr(10) || '1 ' || $1)";
    // Its id is assigned first.
    late.batch_execute("BEGIN").await.unwrap();
    late.execute(insert, &[&"late"]).await.unwrap();
    for number in ["1", "2", "3"] {
        early.execute(insert, &[&number]).await.unwrap();
        assert_eq!(received.recv().await, Some(Received::Message(number.to_owned())));
    }
    late.batch_execute("COMMIT").await.unwrap();
    early.execute(insert, &[&"4"]).await.unwrap();
    for expected in ["late", "4"] {
        assert_eq!(received.recv().await, Some(Received::Message(expected.to_owned())));
    }
    assert!(received.try_recv().is_err(), "each message is delivered once");
    drop(opened);
    database.drop().await;
}
