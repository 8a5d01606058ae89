//! Programs in sections that printed what was asked.

use std::{collections::BTreeSet, sync::Arc};

use carrel_learning::{Learning, store::Store};
use carrel_model::{
    ItemId,
    lattice::{ItemKind, Row, RowType},
};
use carrel_testkit::{
    FakeClock, SeededIds,
    work::{item, options},
};

struct TestDevice {
    store: Arc<Store>,
    learning: Learning,
    _dir: tempfile::TempDir,
}

fn device(number: u128) -> TestDevice {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::noon();
    let store = Arc::new(Store::open(dir.path(), options(number, &clock)).unwrap());
    let learning = Learning::new(store.clone(), Arc::new(SeededIds::new(number as u64)));
    TestDevice { store, learning, _dir: dir }
}

impl TestDevice {
    /// Takes over the registers and the progress of another device, as a sync does.
    async fn pull(&self, other: &TestDevice) {
        for row_type in [RowType::Kv, RowType::Progress] {
            let rows = move |conn: &rusqlite::Connection| {
                carrel_learning::store::checked::all(conn, row_type)
            };
            let rows: Vec<Row> = other.store.read(rows).await.unwrap();
            for row in rows {
                match row {
                    Row::Kv(kv) => {
                        self.store.write("pull", move |tx| tx.join(kv.clone()).map(drop)).await
                    }
                    Row::Progress(row) => {
                        self.store.write("pull", move |tx| tx.join(row.clone()).map(drop)).await
                    }
                    other => panic!("{other:?}"),
                }
                .unwrap();
            }
        }
    }
    async fn passed(&self, section: &ItemId) -> Vec<String> {
        let passed: BTreeSet<String> = self.learning.passed_programs(section).await.unwrap();
        passed.into_iter().collect()
    }
    async fn is_done(&self, section: &ItemId) -> bool {
        let progress = self.learning.progress(ItemKind::Section, section).await.unwrap();
        progress.is_some_and(|record| record.row.done_ms.is_some() && record.row.percent == 10_000)
    }
}

#[tokio::test]
async fn a_program_that_was_right_stays_so_and_the_last_one_finishes_the_section() {
    let d = device(1);
    let (section, other) = (item("rivers/one/code"), item("rivers/one/code-2"));
    let needed = ["a".to_owned(), "b".to_owned()];
    assert!(d.passed(&section).await.is_empty());
    assert!(!d.learning.pass_program(&section, "a", &needed).await.unwrap());
    assert!(!d.learning.pass_program(&section, "a", &needed).await.unwrap(), "again");
    assert_eq!(d.passed(&section).await, ["a"]);
    assert!(!d.is_done(&section).await);
    assert!(d.passed(&other).await.is_empty(), "another section whose id begins alike");
    assert!(d.learning.pass_program(&section, "b", &needed).await.unwrap());
    assert!(d.is_done(&section).await);
    assert!(!d.learning.pass_program(&section, "b", &needed).await.unwrap(), "finished before");
    assert_eq!(d.passed(&section).await, ["a", "b"]);
    // A section with a quiz is finished by its quiz.
    assert!(!d.learning.pass_program(&other, "a", &[]).await.unwrap());
    assert!(!d.is_done(&other).await);
}

#[tokio::test]
async fn programs_that_were_right_on_two_devices_count_on_both() {
    let (laptop, tablet) = (device(1), device(2));
    let section = item("rivers/one/code");
    let needed = ["a".to_owned(), "b".to_owned()];
    laptop.learning.pass_program(&section, "a", &needed).await.unwrap();
    tablet.pull(&laptop).await;
    assert_eq!(tablet.passed(&section).await, ["a"]);
    assert!(tablet.learning.pass_program(&section, "b", &needed).await.unwrap());
    laptop.pull(&tablet).await;
    assert_eq!(laptop.passed(&section).await, ["a", "b"]);
    assert!(laptop.is_done(&section).await && tablet.is_done(&section).await);
    // The rows wait for the server.
    let waiting = laptop.learning.waiting(RowType::Kv).await.unwrap();
    assert!(waiting.iter().any(|key| key.contains("rivers/one/code#a")), "{waiting:?}");
}
