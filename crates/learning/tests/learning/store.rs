//! `user.db` on real files: durability, transactions, damage, full disks.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use carrel_learning::{
    Error, Learning, Step,
    store::{Options, Store, outbox, state},
};
use carrel_model::{
    DeviceId, Hlc,
    lattice::{Extra, ItemKind, Kv, Position, Progress, RowKey, RowType},
};
use carrel_sqlite::{Cause, Change, DatabaseError};
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{finished, item, options},
};

fn row(text: &str, percent: u16) -> Progress {
    Progress { percent, ..Progress::none(ItemKind::Section, item(text)) }
}
fn key(text: &str) -> RowKey {
    RowKey::of(RowType::Progress, &["section", text])
}

#[tokio::test]
async fn a_write_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Store::open(dir.path(), options(1, &clock)).unwrap();
    store.write("t", |tx| tx.join(row("a/b/c", 5_000))).await.unwrap();
    // The state after a kill: the log is not checkpointed, and the lock file contains "open".
    let copy = tempfile::tempdir().unwrap();
    for file in ["user.db", "user.db-wal", "user.lock"] {
        fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let again = Store::open(copy.path(), options(1, &clock)).unwrap();
    assert!(again.opened().unclean, "the last run did not close the file");
    let found = again.read(|c| outbox::waiting(c, 10)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, key("a/b/c"));
    drop(again);
    let clean = Store::open(copy.path(), options(1, &clock)).unwrap();
    assert!(!clean.opened().unclean, "the last run closed the file");
}

#[tokio::test]
async fn a_changed_row_is_in_the_outbox_once_and_an_unchanged_row_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options(1, &FakeClock::noon())).unwrap();
    store
        .write("t", |tx| {
            for percent in 0..10_000 {
                tx.join(row("a/b/c", percent))?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let before = store.read(|c| outbox::waiting(c, 10)).await.unwrap();
    assert_eq!(before.len(), 1);
    assert!(!store.write("t", |tx| tx.join(row("a/b/c", 3))).await.unwrap());
    assert_eq!(
        store.read(|c| outbox::waiting(c, 10)).await.unwrap(),
        before,
        "an unchanged row is not put into the outbox"
    );
}

#[tokio::test]
async fn a_failed_transaction_is_rolled_back_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), options(1, &FakeClock::noon())).unwrap());
    let mut changes = store.changes().subscribe();
    let bad = store.write("bad", |tx| {
        tx.join(row("bad/b/c", 1))?;
        Err::<(), _>(Error::Invalid("no".into()))
    });
    let panics = store.write("panics", |tx| -> carrel_learning::Result<()> {
        tx.join(row("panics/b/c", 1))?;
        panic!("a bug")
    });
    let too_much = store.write("too much", |tx| tx.join(row("x/b/c", 10_001)));
    let good = store.write("good", |tx| tx.join(row("good/b/c", 1)));
    let (bad, panics, too_much, good) = tokio::join!(bad, panics, too_much, good);
    assert!(matches!(bad, Err(Error::Invalid(_))));
    assert!(matches!(panics, Err(Error::Internal(_))));
    assert!(matches!(too_much, Err(Error::Invalid(_))), "{too_much:?}");
    assert!(good.unwrap());
    let waiting = store.read(|c| outbox::waiting(c, 10)).await.unwrap();
    assert_eq!(waiting.into_iter().map(|w| w.key).collect::<Vec<_>>(), [key("good/b/c")]);
    let published = changes.try_recv().unwrap();
    assert!(
        published.contains(&Change::Progress("good".into())) && published.contains(&Change::Outbox)
    );
    assert!(
        !published.contains(&Change::Progress("bad".into())),
        "unsaved changes are not published"
    );
    assert!(changes.try_recv().is_err());

    // A failed transaction that shares its commit with no other is rolled back too.
    let alone = store.write("alone", |tx| {
        tx.join(row("alone/b/c", 1))?;
        Err::<(), _>(Error::Invalid("no".into()))
    });
    assert!(matches!(alone.await, Err(Error::Invalid(_))));
    assert!(changes.try_recv().is_err(), "unsaved changes are not published");
    assert!(store.write("after", |tx| tx.join(row("after/b/c", 1))).await.unwrap());
    let waiting = store.read(|c| outbox::waiting(c, 10)).await.unwrap();
    let keys: Vec<_> = waiting.into_iter().map(|w| w.key).collect();
    assert_eq!(keys, [key("after/b/c"), key("good/b/c")]);
}

#[tokio::test]
async fn only_one_process_opens_the_file_for_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options(1, &FakeClock::noon())).unwrap();
    let second = Store::open(dir.path(), options(1, &FakeClock::noon())).unwrap();
    let why = second.read_only().expect("the second process is read-only");
    assert!(
        why.cause() == Some(Cause::Busy) && why.to_string().contains("another Carrel"),
        "{why}"
    );
    assert!(second.write("late", |tx| tx.join(row("a/b/c", 1))).await.is_err());
    drop(second);
    store.close().await;
    assert!(store.write("late", |tx| tx.join(row("a/b/c", 1))).await.is_err());
    assert!(store.read(outbox::counts).await.is_err());
    Store::open(dir.path(), options(1, &FakeClock::noon())).unwrap();
}

#[tokio::test]
async fn a_full_disk_releases_the_reserve_before_writes_fail() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let mut limited = options(1, &clock);
    drop(Store::open(dir.path(), limited.clone()).unwrap());
    let pages = fs::metadata(dir.path().join("user.db")).unwrap().len() / 4096;
    limited.page_limit = Some(pages as u32 + 12);
    let store = Store::open(dir.path(), limited).unwrap();
    let reserve_file = dir.path().join("ballast");
    assert_eq!(fs::metadata(&reserve_file).unwrap().len(), 4 * 1024 * 1024);
    // Writes until the disk is full and the whole reserve is released: each released piece follows a SQLITE_FULL.
    let runs = Arc::new(AtomicU32::new(0));
    let mut saved = 0;
    let mut n = 0;
    let pieces = 4;
    while reserve_file.exists() {
        let runs = runs.clone();
        let text = format!("c{n}/{}/{}", "l".repeat(60), "s".repeat(60));
        store
            .write("fill", move |tx| {
                runs.fetch_add(1, Ordering::Relaxed);
                tx.join(row(&text, 100))
            })
            .await
            .expect("progress is saved on a full disk");
        saved += 1;
        n += 1;
        assert!(n < 10_000, "the disk never fills");
    }
    assert_eq!(
        runs.load(Ordering::Relaxed),
        saved + 2 * pieces,
        "each piece of the reserve causes two repeated runs: after the checkpoint, and after the release"
    );
    // A transaction that is too large even with the reserve does not fail another one in the same commit, which is
    // applied once although it runs twice.
    let (go, release_signal) = std::sync::mpsc::channel::<()>();
    let release_signal = std::sync::Mutex::new(release_signal);
    let held = store.write("hold", move |_| {
        let _ = release_signal.lock().unwrap().recv();
        Ok(())
    });
    let again = store.write("again", |tx| {
        let now: Option<Progress> = tx.find(&["section", "small/b/c"])?;
        let generation = now.map_or(0, |p| p.generation) + 1;
        tx.join(Progress { generation, ..row("small/b/c", 1) })
    });
    let huge = store.write("huge", |tx| {
        for n in 0..60_000 {
            tx.join(row(&format!("h{n}/{}/{}", "l".repeat(60), "s".repeat(60)), 100))?;
        }
        Ok(())
    });
    let release = async move { go.send(()).unwrap() };
    let (held, again, huge, ()) = tokio::join!(held, again, huge, release);
    held.unwrap();
    assert!(huge.as_ref().is_err_and(|e| e.is_full()), "{huge:?}");
    assert!(again.expect("the other transaction is saved"));
    let small = store
        .read(|c| Ok(carrel_sqlite::rows::query::<Progress>(c, "WHERE item = 'small/b/c'", [])?))
        .await;
    assert_eq!(small.unwrap()[0].generation, 1);
    let (waiting, _) = store.read(outbox::counts).await.unwrap();
    assert_eq!(waiting, saved + 1, "exactly the acknowledged rows are stored");
    store.close().await;
    drop(store);
    Store::open(dir.path(), options(1, &clock)).unwrap();
    assert!(reserve_file.exists(), "the reserve is refilled");
}

#[tokio::test]
async fn a_damaged_file_is_renamed_and_its_rows_are_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Store::open(dir.path(), options(1, &clock)).unwrap();
    store.write("t", |tx| tx.join(row("old/b/c", 10_000))).await.unwrap();
    store.maintain().await.unwrap();
    for n in 0..400 {
        store.write("t", move |tx| tx.join(row(&format!("new/l{n}/s"), 10_000))).await.unwrap();
    }
    store.close().await;
    drop(store);
    // Not closed, and the last leaf page with such a row is overwritten.
    fs::write(dir.path().join("user.lock"), "open\n").unwrap();
    let path = dir.path().join("user.db");
    let mut bytes = fs::read(&path).unwrap();
    const LEAF: u8 = 10;
    let has_rows =
        |page: &&mut [u8]| page[0] == LEAF && page.windows(5).any(|text| text == b"new/l");
    bytes.chunks_mut(4096).rev().find(has_rows).unwrap().fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let store = Store::open(dir.path(), options(1, &clock)).unwrap();
    let opened = store.opened();
    let repair = opened.repair.clone().unwrap();
    assert!(opened.unclean && opened.damaged_file_kept && repair.backup_ms.is_some(), "{opened:?}");
    let kept = dir.path().join(format!("user.damaged-{}.db", repair.at_ms));
    assert_eq!(fs::read(kept).unwrap(), bytes, "the damaged file is kept unchanged");
    let old = store
        .read(|c| Ok(carrel_sqlite::rows::query::<Progress>(c, "WHERE item = 'old/b/c'", [])?))
        .await
        .unwrap();
    assert_eq!(old.len(), 1, "restored from the backup");
    assert!(repair.salvaged > 0, "some rows are read from the damaged file");
    assert!(repair.is_complete(), "{repair:?}");
    assert_eq!(repair.salvaged + repair.replayed, 400, "the others are restored from the journal");
    let (waiting, _) = store.read(outbox::counts).await.unwrap();
    assert_eq!(waiting, 401, "all rows are put into the outbox again");
}

#[tokio::test]
async fn a_file_that_is_not_a_database_does_not_prevent_the_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("user.db"), vec![b'x'; 10_000]).unwrap();
    let store = Store::open(dir.path(), options(1, &FakeClock::noon())).unwrap();
    assert!(store.opened().damaged_file_kept);
    store.write("t", |tx| tx.join(row("a/b/c", 1))).await.unwrap();
}

#[tokio::test]
async fn a_backup_is_made_each_day_and_three_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Store::open(dir.path(), options(1, &clock)).unwrap();
    for _ in 0..24 * 6 {
        store.maintain().await.unwrap();
        clock.advance(3_600_000);
    }
    let names = |dir: &std::path::Path| {
        let mut names: Vec<String> = fs::read_dir(dir.join("backups"))
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let made = names(dir.path());
    assert_eq!(made.len(), 3, "{made:?}");
    let day = 24 * 3_600_000;
    assert_eq!(made[2], format!("daily-{}.db", FakeClock::NOON + 5 * day));
    // A clock that was set back does not prevent a backup.
    clock.jump(-300 * day);
    store.maintain().await.unwrap();
    assert!(names(dir.path()).len() == 3);
}

#[tokio::test]
async fn hybrid_time_is_monotonic_across_restarts_and_clock_jumps() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let mut last = Hlc::ZERO;
    for jump in [0, -3_600_000, 1, -86_400_000, 10, 0] {
        clock.jump(jump);
        let store = Store::open(dir.path(), options(1, &clock)).unwrap();
        let now = store.write("t", |tx| Ok(tx.hlc())).await.unwrap();
        assert!(now > last, "{now:?} after {last:?}");
        last = now;
    }
}

#[tokio::test]
async fn an_update_reads_foreign_rows_and_requeues_too_new_rows() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Store::open(dir.path(), options(1, &clock)).unwrap();
    let kv = |key: &str| Kv {
        ns: "setting".into(),
        key: key.into(),
        value: "1".into(),
        hlc: Hlc::new(5_000, 0),
        device: carrel_model::DeviceId::from_u128(9),
        extra: Extra::default(),
    };
    let text = serde_json::to_string(&carrel_model::lattice::Row::from(kv("from afar"))).unwrap();
    store
        .write("t", move |tx| {
            state::store_foreign(tx, &text)?;
            state::store_foreign(tx, r#"{"type":"of_the_future","x":1}"#)?;
            tx.join(kv("own"))?;
            let waiting = outbox::waiting(tx.conn(), 1)?.remove(0);
            outbox::refuse(tx, &waiting.key, waiting.rev, "too_new", "later")?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(store.read(outbox::counts).await.unwrap(), (0, 1));
    drop(store);
    drop(Store::open(dir.path(), options(1, &clock)).unwrap());
    let mut newer = options(1, &clock);
    newer.app_version = "1.1.0".into();
    let store = Store::open(dir.path(), newer).unwrap();
    assert_eq!(store.read(outbox::counts).await.unwrap(), (1, 0), "the row is in the outbox again");
    let (kvs, foreign) = store
        .read(|c| {
            let foreign: u32 = c.query_row("SELECT count(*) FROM foreign_row", [], |r| r.get(0))?;
            Ok((carrel_sqlite::rows::query::<Kv>(c, "", [])?.len(), foreign))
        })
        .await
        .unwrap();
    assert_eq!((kvs, foreign), (2, 1), "readable rows are applied, the others are kept");
}

#[tokio::test]
async fn without_a_server_the_outbox_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = options(1, &FakeClock::noon());
    demo.has_server = false;
    let store = Arc::new(Store::open(dir.path(), demo).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(1)));
    let record = learning.record(finished("a/b/c")).await.unwrap();
    assert!(!record.waiting && record.row.done_ms.is_some());
    assert_eq!(store.read(outbox::counts).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn work_is_saved_on_a_device_with_a_clock_at_1970() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(3_000);
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let learning = Learning::new(store, Arc::new(SeededIds::new(1)));
    assert!(learning.record(finished("a/b/c")).await.unwrap().row.done_ms.is_some());
    learning.save_word(&item("a/word"), None, true).await.unwrap();
    learning.study_heartbeat(&item("a/b/c"), true).await.unwrap();
    clock.advance(5_000);
    assert_eq!(learning.study_heartbeat(&item("a/b/c"), true).await.unwrap(), 5_000);
    assert_eq!(learning.words().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_register_with_an_implausible_stamp_can_be_written_again() {
    let implausible = [
        Hlc::from_raw(i64::MAX).unwrap(),
        Hlc::from_raw(i64::MAX - 1).unwrap(),
        Hlc::new(Hlc::MAX_PLAUSIBLE_MS + 1, 0),
        Hlc::new(Hlc::MAX_PLAUSIBLE_MS, u16::MAX),
    ];
    for (has_server, stamp) in implausible.into_iter().flat_map(|s| [(false, s), (true, s)]) {
        let dir = tempfile::tempdir().unwrap();
        let clock = FakeClock::noon();
        let options = Options { has_server, ..options(1, &clock) };
        let store = Arc::new(Store::open(dir.path(), options).unwrap());
        let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(7)));
        // As earlier releases stored it: the row with its stamp, and the device's clock advanced to that stamp.
        let device = DeviceId::from_u128(9);
        let kv = Kv {
            ns: "setting".into(),
            key: "theme".into(),
            value: "\"hostile\"".into(),
            hlc: stamp,
            device,
            extra: Extra::default(),
        };
        let pos = Some(Position { hlc: stamp, device, at: "hostile".into() });
        let progress = Progress { pos, ..row("a/b/c", 1) };
        store
            .write("t", move |tx| {
                tx.apply_remote(kv.clone())?;
                tx.apply_remote(progress.clone())?;
                tx.state().hlc = stamp;
                Ok(())
            })
            .await
            .unwrap();
        for value in ["dark", "light"] {
            clock.advance(1_000);
            let set = [("theme".to_owned(), serde_json::json!(value))].into();
            learning.set_settings(set).await.unwrap();
            assert_eq!(learning.settings().await.unwrap()["theme"], value, "{stamp:?}");
            let step =
                Step { pos: Some(value.into()), ..Step::at(ItemKind::Section, item("a/b/c")) };
            let at = learning.record(step).await.unwrap().row.pos.unwrap();
            assert_eq!(at.at, value, "{stamp:?}");
            assert!(at.hlc.ms() <= Hlc::MAX_PLAUSIBLE_MS, "{:?}", at.hlc);
        }
    }
}

/// Two statements of one read return the same state, whatever is written at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_two_statements_returns_one_state() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Arc::new(Store::open(dir.path(), options(1, &clock)).unwrap());
    let writer = store.clone();
    let writes = tokio::spawn(async move {
        for n in 0..300 {
            writer.write("t", move |tx| tx.join(row(&format!("a/b/c{n}"), 1))).await.unwrap();
        }
    });
    let mut seen = 0;
    while !writes.is_finished() {
        // Rows and their outbox keys are written together.
        let pair = store.read(|c| {
            let rows: u32 = c.query_row("SELECT count(*) FROM progress", [], |r| r.get(0))?;
            std::thread::yield_now();
            Ok((rows, outbox::counts(c)?.0))
        });
        let (rows, keys) = pair.await.unwrap();
        assert_eq!(rows, keys);
        seen += 1;
    }
    writes.await.unwrap();
    assert!(seen > 0);
}
