//! Tests of the writer thread with group commit, of the readers and of the hooks.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use carrel_sqlite::{
    Cause, Hooks, NoHooks, StorageError, WriteTx, rusqlite::Connection, storage_error,
};
use tokio::sync::oneshot;

type Database = carrel_sqlite::Database<StorageError>;
type Result<T, E = StorageError> = std::result::Result<T, E>;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY) STRICT;";

fn connect(path: &Path) -> Connection {
    let conn = carrel_sqlite::open(path, carrel_sqlite::Options::default()).unwrap();
    conn.execute_batch(TABLE).unwrap();
    conn
}
fn insert(conn: &Connection, n: i64) -> Result<()> {
    conn.execute("INSERT INTO t VALUES (?1)", [n]).map(|_| ()).map_err(|e| storage_error(&e))
}
fn sum(conn: &Connection) -> Result<i64> {
    conn.query_row("SELECT coalesce(sum(n), 0) FROM t", [], |r| r.get(0))
        .map_err(|e| storage_error(&e))
}
fn count(conn: &Connection) -> Result<i64> {
    conn.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).map_err(|e| storage_error(&e))
}
fn rejected() -> StorageError {
    StorageError::other("rejected")
}

/// Starts a transaction that lasts until the sender is used or dropped. Returns when it runs.
async fn hold(db: &Database) -> (mpsc::Sender<()>, impl Future<Output = Result<()>> + use<>) {
    let (release, released) = mpsc::channel::<()>();
    let (running, is_running) = oneshot::channel();
    let (released, mut running) = (Mutex::new(released), Some(running));
    let db = db.clone();
    let held = tokio::spawn(async move {
        let held = db.write("hold", move |_| {
            running.take().map(|r| r.send(()));
            let _ = released.lock().unwrap().recv();
            Ok(())
        });
        held.await
    });
    is_running.await.unwrap();
    (release, async { held.await.unwrap() })
}

/// Small commits never make the log as long as the limit at which SQLite copies it in a commit.
#[tokio::test]
async fn the_log_is_copied_into_the_file_while_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let db = Database::new(connect(&path), NoHooks);
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    db.write("table", |tx| {
        tx.execute_batch("CREATE TABLE u (x TEXT) STRICT").map_err(|e| storage_error(&e))
    })
    .await
    .unwrap();
    assert_eq!(size(), before, "the table is in the log");
    for n in 0..40 {
        db.write("insert", move |tx| insert(tx, n)).await.unwrap();
    }
    let is_copied = async {
        while size() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), is_copied).await.unwrap();
}

struct Fixture {
    dir: tempfile::TempDir,
    commits: Arc<AtomicUsize>,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), commits: Arc::default() }
    }
    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("a.db")
    }
    /// Opens a connection that counts the commits of SQLite.
    fn connect(&self) -> Connection {
        let mut conn = connect(&self.path());
        let commits = self.commits.clone();
        conn.commit_hook(Some(move || {
            commits.fetch_add(1, Ordering::Relaxed);
            false
        }))
        .unwrap();
        conn
    }
    fn open(&self) -> Database {
        Database::new(self.connect(), NoHooks)
    }
    fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn queued_transactions_share_a_commit_and_fail_separately() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let (release, held) = hold(&db).await;
    let before = fixture.commits();
    let after_commit = Arc::new(Mutex::new(Vec::new()));
    let work = |n: i64, end: fn() -> Result<()>| {
        let after_commit = after_commit.clone();
        db.write("work", move |tx: &WriteTx<'_>| {
            insert(tx, n)?;
            let after_commit = after_commit.clone();
            tx.after_commit(move || after_commit.lock().unwrap().push(n));
            end()
        })
    };
    let release = async move { release.send(()).unwrap() };
    let (a, b, c, d, held, ()) = tokio::join!(
        work(1, || Ok(())),
        work(2, || Err(rejected())),
        work(4, || panic!("a fault")),
        work(8, || Ok(())),
        held,
        release,
    );
    assert_eq!((a, b, d, held), (Ok(()), Err(rejected()), Ok(()), Ok(())));
    assert!(c.unwrap_err().text.contains("work: a fault"));
    assert_eq!(
        fixture.commits() - before,
        2,
        "one commit for the first transaction, one for all queued ones"
    );
    assert_eq!(*after_commit.lock().unwrap(), [1, 8], "only for committed transactions");
    assert_eq!(db.read(sum).await, Ok(9));

    // Transactions that share no commit.
    assert_eq!(work(16, || Err(rejected())).await, Err(rejected()));
    assert!(work(32, || panic!("a fault")).await.is_err());
    assert_eq!(work(64, || Ok(())).await, Ok(()));
    assert_eq!(db.read(sum).await, Ok(73));
    assert_eq!(*after_commit.lock().unwrap(), [1, 8, 64]);
}

#[tokio::test]
async fn a_failed_commit_fails_all_its_transactions() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let add = |n| db.write("add", move |tx| insert(tx, n));
    db.with_connection(|conn| conn.commit_hook(Some(|| true)).map_err(|e| storage_error(&e)))
        .unwrap();
    let (release, held) = hold(&db).await;
    drop(release);
    let (a, b, held) = tokio::join!(add(1), add(2), held);
    assert!(a.is_err() && b.is_err() && held.is_err());
    db.with_connection(|conn| {
        conn.commit_hook(None::<fn() -> bool>).map_err(|e| storage_error(&e))
    })
    .unwrap();
    assert_eq!(add(4).await, Ok(()));
    assert_eq!(db.read(sum).await, Ok(4));
}

#[tokio::test]
async fn a_read_uses_one_snapshot_and_does_not_wait_for_writes() {
    let fixture = Fixture::new();
    let db = fixture.open();
    db.write("first", |tx| insert(tx, 1)).await.unwrap();
    let (first_read, first_read_done) = oneshot::channel();
    let (resume, resumed) = mpsc::channel::<()>();
    let read = tokio::spawn({
        let db = db.clone();
        async move {
            let read = db.read_once(move |conn| {
                let before = sum(conn)?;
                let _ = first_read.send(());
                let _ = resumed.recv();
                Ok((before, count(conn)?))
            });
            read.await
        }
    });
    first_read_done.await.unwrap();
    db.write("second", |tx| insert(tx, 2)).await.unwrap();
    resume.send(()).unwrap();
    assert_eq!(read.await.unwrap(), Ok((1, 1)), "both statements read one snapshot");
    let (release, held) = hold(&db).await;
    assert_eq!(db.read(sum).await, Ok(3), "a read while a transaction is open");
    drop(release);
    held.await.unwrap();
}

#[tokio::test]
async fn closing_finishes_queued_writes_and_running_reads() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let (release, held) = hold(&db).await;
    let (reading, is_reading) = oneshot::channel();
    let (end_read, read_may_end) = mpsc::channel::<()>();
    let read = tokio::spawn({
        let db = db.clone();
        async move {
            let read = db.read_once(move |conn| {
                let _ = reading.send(());
                let _ = read_may_end.recv();
                sum(conn)
            });
            read.await
        }
    });
    is_reading.await.unwrap();
    let closing = async {
        let close = db.close();
        tokio::pin!(close);
        tokio::select! {
            biased;
            () = &mut close => panic!("closed while a write is queued"),
            () = std::future::ready(()) => {}
        }
        assert!(db.write("late", |tx| insert(tx, 4)).await.is_err());
        end_read.send(()).unwrap();
        assert_eq!(read.await.unwrap(), Ok(0));
        release.send(()).unwrap();
        close.await;
    };
    let (queued, held, ()) = tokio::join!(db.write("queued", |tx| insert(tx, 1)), held, closing);
    assert_eq!((queued, held), (Ok(()), Ok(())));
    assert!(!fixture.dir.path().join("a.db-wal").exists(), "no connection is open");
    assert!(db.read(sum).await.is_err() && db.write("late", |tx| insert(tx, 8)).await.is_err());
    assert!(db.with_connection(|conn| sum(conn)).is_err());
    db.close().await;
    assert_eq!(sum(&connect(&fixture.path())), Ok(1));
}

/// A connection whose read ends after closing is closed, even while handles of the database exist.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_keeps_no_connection() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let (reading, is_reading) = oneshot::channel();
    let (end_read, read_may_end) = mpsc::channel::<()>();
    let reader = db.clone();
    let read = tokio::spawn(async move {
        let read = reader.read_once(move |conn| {
            let _ = reading.send(());
            let _ = read_may_end.recv();
            sum(conn)
        });
        read.await
    });
    is_reading.await.unwrap();
    db.close().await;
    end_read.send(()).unwrap();
    assert_eq!(read.await.unwrap(), Ok(0), "a running read completes");
    let path = fixture.path().canonicalize().unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let descriptors = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == path));
    assert_eq!(descriptors.count(), 0, "no open descriptor of the file");
    drop(db);
}

#[test]
fn dropping_the_last_handle_finishes_queued_writes() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (release, held) = hold(&db).await;
        let add = db.write("add", |tx| insert(tx, 1));
        tokio::pin!(add);
        tokio::select! {
            biased;
            done = &mut add => panic!("{done:?} while another transaction runs"),
            () = std::future::ready(()) => {}
        }
        drop((release, held));
    });
    drop(runtime);
    drop(db);
    assert!(!fixture.dir.path().join("a.db-wal").exists(), "no connection is open");
    assert_eq!(
        sum(&connect(&fixture.path())),
        Ok(1),
        "the transaction of a dropped caller is committed"
    );
}

/// Frees space by raising the page limit, `pieces` times.
struct FreeingHooks {
    pieces: usize,
    calls: Arc<AtomicUsize>,
}
const PIECE: i64 = 64;

fn limit(conn: &Connection, add: i64) -> Result<()> {
    let pages = |name: &str| {
        conn.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0))
            .map_err(|e| storage_error(&e))
    };
    let from = if add == 0 { pages("page_count")? } else { pages("max_page_count")? };
    pages(&format!("max_page_count = {}", from + add)).map(|_| ())
}
impl Hooks for FreeingHooks {
    fn free_space(&mut self, conn: &Connection) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let Some(left) = self.pieces.checked_sub(1) else { return false };
        self.pieces = left;
        limit(conn, PIECE).is_ok()
    }
}

#[tokio::test]
async fn on_a_full_disk_a_large_transaction_does_not_fail_a_small_one() {
    let fixture = Fixture::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let db = Database::new(fixture.connect(), FreeingHooks { pieces: 2, calls: calls.clone() });
    let fill = |from: i64, rows: i64| {
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = runs.clone();
        let done = db.write("fill", move |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            (from..from + rows).try_for_each(|n| insert(tx, n))
        });
        (done, seen)
    };
    db.with_connection(|conn| limit(conn, 0)).unwrap();
    let (done, runs) = fill(1_000_000, 5_000);
    assert_eq!(done.await, Ok(()));
    // The first run, one after the checkpoint of the log, and one after space was freed.
    assert_eq!((runs.load(Ordering::Relaxed), calls.load(Ordering::Relaxed)), (3, 1));

    let (release, held) = hold(&db).await;
    let release = async move { release.send(()).unwrap() };
    let ((large, _), (small, _)) = (fill(2_000_000, 100_000), fill(3_000_000, 1));
    let (large, small, held, ()) = tokio::join!(large, small, held, release);
    assert_eq!((small, held), (Ok(()), Ok(())));
    assert_eq!(large.unwrap_err().cause, Cause::Full);
    assert_eq!(calls.load(Ordering::Relaxed), 3, "called until no piece is left");
    assert_eq!(db.read(count).await, Ok(5_001));
}

/// Replaces the connection with one to a new file with one row.
struct RecreatingHooks(std::path::PathBuf, Arc<AtomicUsize>);
impl Hooks for RecreatingHooks {
    fn repair(&mut self, conn: Connection) -> Result<Connection> {
        drop(conn);
        self.1.fetch_add(1, Ordering::Relaxed);
        let conn = connect(&self.0);
        insert(&conn, 7)?;
        Ok(conn)
    }
}

#[tokio::test]
async fn reported_damage_is_repaired_before_the_next_statement() {
    for by_write in [false, true] {
        let fixture = Fixture::new();
        let repairs = Arc::new(AtomicUsize::new(0));
        let other = fixture.dir.path().join("b.db");
        let db = Database::new(fixture.connect(), RecreatingHooks(other, repairs.clone()));
        db.write("before", |tx| insert(tx, 1)).await.unwrap();
        assert_eq!(db.read(sum).await, Ok(1));
        let report = |conn: &Connection| match sum(conn)? {
            1 => Err(StorageError::corrupt("a page")),
            n => Ok(n),
        };
        if by_write {
            let failed = db.write("finds damage", move |tx| report(tx)).await;
            assert_eq!(failed.unwrap_err().cause, Cause::Corrupt);
            assert_eq!(db.read(sum).await, Ok(7));
        } else {
            assert_eq!(db.read(report).await, Ok(7), "the read runs again after the repair");
        }
        db.write("after", |tx| insert(tx, 8)).await.unwrap();
        assert_eq!((db.read(sum).await, repairs.load(Ordering::Relaxed)), (Ok(15), 1));
        assert_eq!(sum(&connect(&fixture.path())), Ok(1), "the old file is unchanged");
    }
}

#[tokio::test]
async fn reads_and_writes_use_the_new_connection_after_replace() {
    let fixture = Fixture::new();
    let db = fixture.open();
    db.write("before", |tx| insert(tx, 1)).await.unwrap();
    assert_eq!(db.read(sum).await, Ok(1));
    let failed = db.replace(|| Err::<(Connection, ()), _>(rejected())).await;
    assert_eq!((failed, db.read(sum).await), (Err(rejected()), Ok(1)));
    let path = fixture.dir.path().join("b.db");
    assert_eq!(db.replace(move || Ok((connect(&path), 5))).await, Ok(5));
    db.write("after", |tx| insert(tx, 2)).await.unwrap();
    assert_eq!((db.read(sum).await, sum(&connect(&fixture.path()))), (Ok(2), Ok(1)));
    let memory = || {
        let conn = carrel_sqlite::open_in_memory()?;
        conn.execute_batch(TABLE).map_err(|e| storage_error(&e))?;
        Ok((conn, ()))
    };
    db.replace(memory).await.unwrap();
    let (a, b) = tokio::join!(
        db.write("in memory", |tx| insert(tx, 4)),
        db.write("fails", |tx| insert(tx, 8).and(Err::<(), _>(rejected()))),
    );
    assert_eq!((a, b, db.read(sum).await), (Ok(()), Err(rejected()), Ok(4)));
}

#[test]
fn blocking_calls_work_on_a_blocking_thread() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let mut runs = 0;
    let written = db.write_blocking("add", |tx| {
        runs += 1;
        insert(tx, 1)
    });
    assert_eq!((written, runs), (Ok(()), 1));
    assert!(db.write_blocking("fails", |tx| insert(tx, 1)).is_err());
    assert_eq!(db.read_blocking(sum), Ok(1));
    db.close_blocking();
    assert!(db.read_blocking(sum).is_err() && db.write_blocking("late", |_| Ok(())).is_err());
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn blocking_calls_panic_on_async_threads_in_debug_builds() {
    let fixture = Fixture::new();
    let db = fixture.open();
    for block in [
        (|db| drop(db.read_blocking(sum))) as fn(&Database),
        |db| drop(db.write_blocking("add", |tx| insert(tx, 1))),
        Database::close_blocking,
    ] {
        let blocks = std::panic::AssertUnwindSafe(|| block(&db));
        assert!(std::panic::catch_unwind(blocks).is_err(), "on an async thread");
        let db = db.clone();
        let called = carrel_system::blocking(move || {
            block(&db);
            Ok::<_, carrel_system::Panicked>(())
        });
        called.await.expect("on a blocking thread");
    }
}

#[tokio::test]
async fn pending_calls_are_counted() {
    let fixture = Fixture::new();
    let db = fixture.open();
    let (release, held) = hold(&db).await;
    assert_eq!(db.pending(), 1);
    release.send(()).unwrap();
    held.await.unwrap();
    db.read(sum).await.unwrap();
    assert_eq!(db.pending(), 0);
}

struct DropUsesDatabase(Database);
impl Drop for DropUsesDatabase {
    fn drop(&mut self) {
        let _ = self.0.write_blocking("drop", |tx| insert(tx, 1));
    }
}

#[tokio::test]
async fn destructors_of_uncommitted_values_may_use_the_database() {
    let fixture = Fixture::new();
    let db = fixture.open();
    db.with_connection(|conn| {
        conn.execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
             CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT;",
        )
        .map_err(|e| storage_error(&e))
    })
    .unwrap();
    let handle = db.clone();
    let written = db.write("no parent", move |tx| {
        tx.execute("INSERT INTO child VALUES (7)", []).map_err(|e| storage_error(&e))?;
        Ok(DropUsesDatabase(handle.clone()))
    });
    assert!(written.await.is_err(), "the commit fails");
    assert_eq!(db.read(sum).await, Ok(1));
}
