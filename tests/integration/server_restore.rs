//! A server is restored from an old backup: the devices send all rows again, none has to sign in, and nothing counts
//! twice.

use carrel_client::Error;
use carrel_model::lattice::RowKey;
use carrel_server::restore;
use carrel_sync::{Event, Phase};
use carrel_testkit::{
    Device, FakeClock, FlakyHttp, Oracle, Rows, SeededRng, SimulatedLearner, TestServer, Timeline,
    device::NewDevice, oracle::compare, scratch::scratch,
};

use crate::client;

const DAY_MS: i64 = 24 * 3_600_000;
const PASSWORD: &str = "correct horse";

struct LearnerDevice {
    learner: usize,
    device: Device,
    simulated_learner: SimulatedLearner,
}

struct RestoreFixture {
    time: Timeline,
    rng: SeededRng,
    server: TestServer,
    quizzes: Vec<(carrel_model::ItemId, carrel_model::BlobHash, carrel_model::content::Quiz)>,
    devices: Vec<LearnerDevice>,
    oracles: Vec<Oracle>,
}

impl RestoreFixture {
    async fn new() -> Self {
        let (time, clock) = (Timeline::default(), FakeClock::noon());
        time.add(&clock);
        let server = TestServer::with_library(&clock).await;
        let quizzes = server.quizzes().await;
        let (devices, oracles) = (Vec::new(), Vec::new());
        Self { time, rng: SeededRng::new(7), server, quizzes, devices, oracles }
    }
    /// Adds a device of a learner; a new learner is registered.
    async fn device(&mut self, learner: usize) {
        let is_new = learner == self.oracles.len();
        if is_new {
            self.oracles.push(Oracle::default());
        }
        let clock = FakeClock::new(carrel_system::Clock::now_ms(self.server.clock()));
        self.time.add(&clock);
        let http = FlakyHttp::new(self.server.direct(), &self.time, self.rng.fork());
        let name = format!("device {}", self.devices.len());
        let login = format!("learner-{learner}");
        let who = NewDevice { name: &name, login: &login, is_new, seed: self.rng.next() };
        let device = Device::sign_in(who, &self.server.url(), http, clock, &self.time).await;
        let simulated_learner = SimulatedLearner::new(self.rng.fork(), self.quizzes.clone());
        self.devices.push(LearnerDevice { learner, device, simulated_learner });
    }
    /// Every device records work and syncs. Then all clocks advance by a day.
    async fn day(&mut self) {
        for LearnerDevice { learner, device, simulated_learner } in &mut self.devices {
            simulated_learner.act(device, &mut self.oracles[*learner]).await;
            device.step(Event::SyncNow).await.expect("a sync");
        }
        self.time.advance(DAY_MS);
    }
    /// Handles timers only, until every outbox is empty and every device has pulled all rows.
    async fn sync_all(&mut self) {
        for _ in 0..40 {
            let mut done = true;
            for LearnerDevice { device, .. } in &self.devices {
                device.step(Event::Timer).await.expect("a sync");
                let usn = self.server.usn(device.user).await;
                done &= device.counts().await == (0, 0) && device.sync_state().await.pulled == usn;
            }
            if done {
                return;
            }
            self.time.advance(6 * 60_000);
        }
        panic!("rows are pending or not pulled after 40 rounds");
    }
    async fn rows(&self) -> Vec<Rows> {
        let mut all = Vec::new();
        for learner in 0..self.oracles.len() {
            let entry = self.devices.iter().find(|d| d.learner == learner).expect("a device");
            all.push(self.server.rows(entry.device.user).await);
        }
        all
    }
}

/// Returns the rows without grades and decisions, which only the server writes. A restore can lose these
/// (docs/SYNC.md, limits).
fn without_server_rows(rows: &Rows) -> Rows {
    let of_learner = rows.iter().filter(|(_, row)| !row.is_server_only());
    of_learner.map(|(key, row)| (key.clone(), row.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_converge_after_a_restore_from_a_month_old_backup() {
    let mut fixture = RestoreFixture::new().await;
    for learner in 0..10 {
        fixture.device(learner).await;
        fixture.device(learner).await;
    }
    fixture.day().await;
    let backup = fixture.server.backup();
    for day in 0..30 {
        if day % 6 == 3 {
            fixture.device(fixture.oracles.len()).await;
        }
        fixture.day().await;
    }
    assert_eq!((fixture.oracles.len(), fixture.devices.len()), (15, 25));
    fixture.sync_all().await;
    let before: Vec<Rows> = fixture.rows().await.iter().map(without_server_rows).collect();
    fixture.server.restore(&backup).await;
    let total: usize = before.iter().map(Rows::len).sum();
    // One learner works offline before the first sync with the restored server.
    let LearnerDevice { learner, device, simulated_learner } = &mut fixture.devices[20];
    simulated_learner.act(device, &mut fixture.oracles[*learner]).await;
    fixture.sync_all().await;
    for entry in &fixture.devices {
        assert_eq!(entry.device.sign_ins, 0, "{}", entry.device.name);
        assert!(!entry.device.app().session.is_ended(), "{}", entry.device.name);
    }
    let after = fixture.rows().await;
    for (learner, rows) in after.iter().enumerate() {
        fixture.oracles[learner].check("the server", rows, true).unwrap();
        fixture.oracles[learner].check_server_rows(rows, &fixture.quizzes).unwrap();
        let missing: Vec<&RowKey> =
            before[learner].keys().filter(|k| !rows.contains_key(k)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for entry in fixture.devices.iter().filter(|d| d.learner == learner) {
            compare(
                ("server", &without_server_rows(rows)),
                (entry.device.name.as_str(), &without_server_rows(&entry.device.rows().await)),
            )
            .unwrap();
            let shown = entry.device.learning().time_spent_total().await.unwrap();
            assert_eq!(shown, fixture.oracles[learner].time_ms());
        }
    }
    assert!(total > 100, "only {total} rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_signed_out_by_a_restore_still_reports_pending_changes() {
    let mut fixture = RestoreFixture::new().await;
    fixture.device(0).await;
    let backup = fixture.server.backup();
    for _ in 0..3 {
        fixture.day().await;
    }
    fixture.sync_all().await;
    let options = restore::Options { replace: true, end_sign_ins: true, keep_epoch: false };
    fixture.server.restore_with(&backup, options).await;
    let device = &mut fixture.devices[0].device;
    let rows = device.rows().await.values().filter(|r| !r.is_server_only()).count();
    device.step(Event::SyncNow).await.unwrap();
    assert_eq!(device.app().engine.phase().0, Phase::SignedOut);
    assert!(rows > 0);
    assert_eq!(device.counts().await.0 as usize, rows);
    // An app that is started offline in this state still reports the pending changes.
    device.http.set_offline(true);
    device.restart().await;
    device.step(Event::Start).await.unwrap();
    assert_eq!(device.counts().await.0 as usize, rows);
    device.http.set_offline(false);
    assert!(device.sign_in_again().await);
    fixture.sync_all().await;
}

/// The learner registers again with the same login: the work of the lost account is merged into the new account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_a_lost_account_is_merged_into_the_new_one() {
    for signed_out in [false, true] {
        let clock = FakeClock::noon();
        let mut server = TestServer::with_library(&clock).await;
        let backup = server.backup();
        let (laptop_dir, phone_dir) = (scratch(), scratch());
        let laptop = client::open(laptop_dir.path(), client::live_http(), &clock, 1, false).await;
        let old = laptop.register(&server.url(), "asha", "Asha", PASSWORD).await.unwrap();
        for n in 0..3 {
            old.learning.record(client::finish_section(n)).await.unwrap();
        }
        client::sync(&old).await;
        let file = {
            let drive = scratch();
            let sent = laptop.export_work(drive.path()).await.unwrap();
            (drive, sent.path)
        };
        old.learning.record(client::finish_section(3)).await.unwrap();
        let old_user = laptop.account_info().unwrap().user.id;
        server.restore(&backup).await;
        // On another device, which has no data of the old account.
        let phone = client::open(phone_dir.path(), client::live_http(), &clock, 2, false).await;
        let new = phone.register(&server.url(), "asha", "Asha", "another password").await.unwrap();
        let new_user = phone.account_info().unwrap().user.id;
        assert_ne!(old_user, new_user);
        if signed_out {
            laptop.sign_out().await.unwrap();
        } else {
            laptop.close().await;
        }
        // The work file contains the proof of the lost account: it is accepted, also a second time.
        for _ in 0..2 {
            phone.import_work(&file.1, false).await.unwrap();
        }
        client::sync(&new).await;
        assert_eq!(client::finished_items(&server.rows(new_user).await), 3);
        let joined = laptop.sign_in(&server.url(), "asha", "another password").await.unwrap();
        assert_eq!(laptop.account_info().unwrap().user.id, new_user);
        client::sync(&joined).await;
        assert_eq!(client::finished_items(&server.rows(new_user).await), 4);
        // Another learner cannot import the file.
        let zoe_dir = scratch();
        let zoe = client::open(zoe_dir.path(), client::live_http(), &clock, 3, false).await;
        zoe.register(&server.url(), "zoe", "Zoe", PASSWORD).await.unwrap();
        assert!(matches!(zoe.import_work(&file.1, false).await, Err(Error::Import(_))));
        for client in [laptop, phone, zoe] {
            client.close().await;
        }
    }
}
