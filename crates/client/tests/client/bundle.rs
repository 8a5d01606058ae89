//! Rows are exchanged by bundle and by sync in any order: all devices then have the rows that the model's `fold`
//! computes, and imported rows are in the outbox.

use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use carrel_bundle::{Bundle, WorkBundle, WorkDevice, WorkHeader, WorkLearner};
use carrel_client::bundle::{ImportedWork, join_rows};
use carrel_learning::store::{Store, outbox, state};
use carrel_model::{
    BlobHash, DeviceId, Hlc, UserId, arbitrary,
    lattice::{Kv, Row, RowKey, RowType, Validate, fold},
};
use carrel_sqlite::rows::{self, Owner};
use carrel_testkit::{FakeClock, scratch::scratch, work::options};
use ed25519_dalek::SigningKey;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

const DEVICES: usize = 3;

struct Device {
    store: Arc<Store>,
    _dir: tempfile::TempDir,
}

impl Device {
    fn new(n: usize) -> Self {
        let (dir, clock) = (scratch(), FakeClock::noon());
        let store = Store::open(dir.path(), options(n as u128 + 1, &clock)).unwrap();
        Self { store: Arc::new(store), _dir: dir }
    }
    async fn rows(&self) -> BTreeMap<RowKey, Row> {
        let read = self.store.read(|conn| {
            let all = RowType::ALL.iter().map(|t| rows::all(conn, Owner::Client, *t));
            Ok(all.collect::<Result<Vec<_>, _>>()?.concat())
        });
        read.await.unwrap().into_iter().map(|r| (r.key(), r)).collect()
    }
    async fn waiting(&self) -> Vec<RowKey> {
        let waiting = self.store.read(|conn| outbox::waiting(conn, 10_000)).await.unwrap();
        waiting.into_iter().map(|w| w.key).collect()
    }
    async fn rev(&self) -> i64 {
        self.store.read(state::load).await.unwrap().rev
    }
    /// Writes a local change.
    async fn join(&self, row: Row) {
        self.store.write("test", move |tx| tx.join(row.clone())).await.unwrap();
    }
    /// Writes rows as a pull does.
    async fn pull(&self, all: Vec<Row>) {
        let pulled = self.store.write("test", move |tx| {
            all.iter().try_for_each(|row| tx.apply_remote(row.clone()).map(|_| ()))
        });
        pulled.await.unwrap();
    }
    async fn import(&self, work_file: &[u8]) -> ImportedWork {
        let Bundle::Work(work) =
            carrel_bundle::open(&mut Cursor::new(work_file), work_file.len() as u64).unwrap()
        else {
            panic!("not a work file")
        };
        self.store.write("test", move |tx| join_rows(tx, &work.rows, false)).await.unwrap()
    }
}

fn work_file(all: &BTreeMap<RowKey, Row>) -> Vec<u8> {
    let header = WorkHeader {
        format: String::new(),
        learner: WorkLearner { id: UserId::from_u128(1), login: "a".into(), name: "A".into() },
        server: String::new(),
        server_name: String::new(),
        server_key: String::new(),
        device: WorkDevice { id: DeviceId::from_u128(1), name: "d".into(), key: String::new() },
        made_ms: 0,
        made_by: String::new(),
        certificate: String::new(),
        rows: 0,
        row_bytes: 0,
        row_hash: BlobHash([0; 32]),
    };
    WorkBundle::write(header, all.values(), &SigningKey::from_bytes(&[5; 32])).unwrap()
}

/// Generates a row that a learner may write.
fn learner_row() -> impl Strategy<Value = Row> {
    arbitrary::any_row(2)
        .prop_filter("written by a learner", |r| r.validate().is_ok() && !r.is_server_only())
        .prop_filter("a plausible timestamp", |r| {
            r.stamp().is_none_or(|stamp| stamp.is_plausible())
        })
}
/// Generates a transfer: sender, recipient, and true for a bundle or false for sync.
fn transfer() -> impl Strategy<Value = (usize, usize, bool)> {
    (0..DEVICES, 0..DEVICES, any::<bool>())
}

#[test]
fn bundles_and_sync_in_any_order_converge() {
    let cases = if std::env::var("CARREL_LONG").is_ok() { 150 } else { 12 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = vec((0..DEVICES, learner_row()), 1..14);
    let run = TestRunner::new(config).run(&(work, vec(transfer(), 0..8)), |(work, transfers)| {
        runtime.block_on(async {
            let devices: Vec<Device> = (0..DEVICES).map(Device::new).collect();
            // Half of the rows are written before the first transfer, the others between transfers.
            let mut later = work.clone();
            for (at, row) in later.drain(..work.len() / 2) {
                devices[at].join(row).await;
            }
            let last =
                (0..DEVICES).flat_map(|a| (0..DEVICES).map(move |b| (a, b, (a + b) % 2 == 0)));
            for (n, (from, to, by_bundle)) in
                transfers.into_iter().chain(last.clone()).chain(last).enumerate()
            {
                if n % 2 == 0
                    && let Some((at, row)) = later.pop()
                {
                    devices[at].join(row).await;
                }
                if n == 8 {
                    while let Some((at, row)) = later.pop() {
                        devices[at].join(row).await;
                    }
                }
                let (sent, before) = (devices[from].rows().await, devices[to].rows().await);
                if by_bundle {
                    let bundle = work_file(&sent);
                    let imported = devices[to].import(&bundle).await;
                    let after = devices[to].rows().await;
                    let changed: Vec<_> =
                        after.keys().filter(|k| before.get(k) != after.get(k)).collect();
                    prop_assert_eq!(imported.changed as usize, changed.len());
                    prop_assert_eq!(imported.unreadable, 0);
                    let waiting = devices[to].waiting().await;
                    for key in changed {
                        prop_assert!(
                            waiting.contains(key),
                            "{:?} was imported but is not in the outbox",
                            key
                        );
                    }
                    let rev = devices[to].rev().await;
                    prop_assert_eq!(
                        devices[to].import(&bundle).await.changed,
                        0,
                        "a second import changes nothing"
                    );
                    prop_assert_eq!(devices[to].rev().await, rev, "a second import writes nothing");
                    prop_assert!(devices[to].rows().await == after);
                } else {
                    devices[to].pull(sent.into_values().collect()).await;
                }
            }
            let expected = fold(work.into_iter().map(|(_, row)| row));
            for (n, device) in devices.iter().enumerate() {
                prop_assert_eq!(&device.rows().await, &expected, "device {}", n);
            }
            Ok(())
        })
    });
    if let Err(e) = run {
        panic!("{e}");
    }
}

#[tokio::test]
async fn grades_in_a_bundle_are_ignored_and_unreadable_rows_are_kept() {
    let device = Device::new(0);
    let grade = r#"{"type":"grade","attempt":"00000000-0000-0000-0000-000000000001","rev":4294967295,"points":9,"maxPoints":9,"gradedMs":1790000000000}"#;
    let rows: Vec<String> = [
        grade,
        r#"{"type":"hologram","x":1}"#,
        r#"{"type":"progress","kind":"section","item":"a/b/c","percent":20000}"#,
        r#"{"type":"progress","kind":"section","item":"a/b/c","percent":5000}"#,
        "not JSON",
    ]
    .map(str::to_owned)
    .into();
    let imported = device.store.write("test", move |tx| join_rows(tx, &rows, false)).await.unwrap();
    assert_eq!((imported.rows, imported.changed, imported.unreadable), (5, 1, 3));
    assert_eq!(device.rows().await.len(), 1, "grades in files are ignored");
    let kept: i64 = device
        .store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM foreign_row", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert_eq!(kept, 3, "unreadable rows are kept");
}

#[tokio::test]
async fn far_future_timestamp_in_a_bundle_never_wins() {
    let kv = |key: &str, value: &str, hlc: Hlc| {
        let (ns, device) = ("setting".to_owned(), DeviceId::from_u128(9));
        let (key, value) = (key.to_owned(), value.to_owned());
        Kv { ns, key, value, hlc, device, extra: Default::default() }
    };
    let day = 24 * 3_600_000;
    let far_future = [
        Hlc::from_raw(i64::MAX).unwrap(),
        Hlc::new(Hlc::MAX_PLAUSIBLE_MS, u16::MAX),
        Hlc::new(FakeClock::NOON + day + 1, 0),
    ];
    for stamp in far_future {
        let device = Device::new(0);
        device.join(kv("known", "mine", Hlc::new(FakeClock::NOON, 0)).into()).await;
        let sent = [kv("known", "theirs", stamp), kv("new", "theirs", stamp)];
        let bundle = work_file(&fold(sent.map(Row::from)));
        assert_eq!(device.import(&bundle).await.changed, 1, "{stamp:?}");
        assert_eq!(device.import(&bundle).await.changed, 0, "a second import changes nothing");
        let settings = |rows: BTreeMap<RowKey, Row>| -> Vec<String> {
            let value = |r: Row| Kv::try_from(r).unwrap().value;
            rows.into_values().map(value).collect()
        };
        assert_eq!(settings(device.rows().await), ["mine", "theirs"]);
        let hlc = device.store.read(state::load).await.unwrap().hlc;
        assert!(hlc.ms() <= FakeClock::NOON, "the clock is not advanced: {hlc:?}");
    }
    // A timestamp that a clock can plausibly have is stored unchanged.
    let device = Device::new(0);
    device.join(kv("known", "mine", Hlc::new(FakeClock::NOON, 0)).into()).await;
    let near = kv("known", "theirs", Hlc::new(FakeClock::NOON + day, 0));
    assert_eq!(device.import(&work_file(&fold([near.clone().into()]))).await.changed, 1);
    assert_eq!(device.rows().await.into_values().next(), Some(near.into()));
}

#[tokio::test]
async fn claimed_work_excludes_guest_settings() {
    let device = Device::new(0);
    let kv = |ns: &str| {
        format!(
            r#"{{"type":"kv","ns":"{ns}","key":"k","value":"true","hlc":"01a0c5f3b2000000","device":"00000000-0000-0000-0000-000000000001"}}"#
        )
    };
    let rows: Vec<String> =
        ["setting", "device", "device_key", "enrolment", "bookmark"].map(kv).into();
    let second = rows.clone();
    let claimed = device.store.write("test", move |tx| join_rows(tx, &rows, true)).await.unwrap();
    assert_eq!(claimed.changed, 2);
    let own = device.store.write("test", move |tx| join_rows(tx, &second, false)).await.unwrap();
    assert_eq!(own.changed, 3);
}
