//! One run: a server, devices of one or more learners, a faulty network, and random events in an order derived from a
//! seed. Time is virtual. Events run one after another; a change or crash may also occur during a request.

use std::{collections::BTreeMap, sync::Arc};

use carrel_learning::CardDetails;
use carrel_model::{BlobHash, ItemId, content::Quiz};
use carrel_net::Http;
use carrel_sync::{Event, Phase};
use carrel_system::Clock;
use carrel_testkit::{
    Device, FakeClock, Fault, FaultRates, FlakyHttp, Oracle, Rows, SeededRng, SimulatedLearner,
    TestServer, Timeline,
    device::NewDevice,
    flaky::HoldPoint,
    oracle::{check_no_loss, compare},
    server::Backup,
};
use tempfile::TempDir;

use crate::faulty_server::{FaultyServer, ServerBug};

/// The events that may occur in a run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Number of devices of each learner.
    pub learners: Vec<usize>,
    pub events: u32,
    pub faults: FaultRates,
    /// Devices crash, some of them during a request.
    pub crashes: bool,
    pub jumps: Jumps,
    /// The server is restored from an older backup.
    pub server_restored: bool,
    /// Learners also register after a backup. The server is restored twice, each time from a random backup.
    pub accounts_after_backup: bool,
    /// The disk of a device is copied, and both copies are used as devices.
    pub disk_cloned: bool,
    /// A device's disk is reset to an older state when its outbox is empty.
    pub disk_restored: bool,
    /// Bug of the server that the run must detect.
    pub bug: Option<ServerBug>,
}

/// Jumps of the devices' wall clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jumps {
    None,
    /// Jumps of a minute or more, up to one day back or three days ahead: the server refuses stamps, and the device
    /// replaces them.
    Large,
}

impl Scenario {
    pub fn devices(n: usize) -> Self {
        Self {
            learners: vec![n],
            events: 90,
            faults: FaultRates::all(18),
            crashes: false,
            jumps: Jumps::None,
            server_restored: false,
            accounts_after_backup: false,
            disk_cloned: false,
            disk_restored: false,
            bug: None,
        }
    }
}

/// Statistics of one or more runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunStats {
    pub runs: u64,
    pub acknowledged: u64,
    pub rows: u64,
    pub requests: u64,
    pub fault_counts: BTreeMap<Fault, u64>,
    pub crashes: u64,
    pub crashes_in_flight: u64,
    pub changes_in_flight: u64,
    pub restarts: u64,
    pub jumps: u64,
    pub server_restored: u64,
    pub disks_cloned: u64,
    pub disks_restored: u64,
    pub sign_ins: u64,
    /// The longest time on a healthy network until all outboxes were empty, in virtual ms.
    pub max_outbox_ms: i64,
}

impl RunStats {
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.acknowledged += other.acknowledged;
        self.rows += other.rows;
        self.requests += other.requests;
        for (fault, n) in &other.fault_counts {
            *self.fault_counts.entry(*fault).or_default() += n;
        }
        self.crashes += other.crashes;
        self.crashes_in_flight += other.crashes_in_flight;
        self.changes_in_flight += other.changes_in_flight;
        self.restarts += other.restarts;
        self.jumps += other.jumps;
        self.server_restored += other.server_restored;
        self.disks_cloned += other.disks_cloned;
        self.disks_restored += other.disks_restored;
        self.sign_ins += other.sign_ins;
        self.max_outbox_ms = self.max_outbox_ms.max(other.max_outbox_ms);
    }
}

/// Time limit on a healthy network until all outboxes are empty: a backoff of at most 15 min after the last fault, a
/// wait requested by the server, and time to send.
const OUTBOX_EMPTY_MS: i64 = 20 * 60_000;
/// Time limit until all devices have pulled the rows of the others: two polls more.
const ALL_PULLED_MS: i64 = OUTBOX_EMPTY_MS + 12 * 60_000;

struct SimulatedDevice {
    learner: usize,
    device: Device,
    simulated_learner: SimulatedLearner,
    old_disk: Option<TempDir>,
}

/// State of a device before an event.
struct StateBefore {
    rows: Rows,
    epoch: String,
}

impl StateBefore {
    async fn of(device: &Device) -> Self {
        Self { rows: device.rows().await, epoch: device.sync_state().await.epoch }
    }
    /// Checks that no row was lost and none has less data. Grades and decisions are exempt if the epoch of the server's
    /// database has changed.
    async fn check_no_loss(mut self, device: &Device, exact: bool) -> Result<(), String> {
        if device.sync_state().await.epoch != self.epoch {
            self.rows.retain(|_, row| !row.is_server_only());
        }
        check_no_loss(&device.name, &self.rows, &device.rows().await, exact)
    }
}

struct Simulation {
    scenario: Scenario,
    rng: SeededRng,
    time: Timeline,
    server: TestServer,
    quizzes: Vec<(ItemId, BlobHash, Quiz)>,
    devices: Vec<SimulatedDevice>,
    oracles: Vec<Oracle>,
    backups: Vec<Backup>,
    stats: RunStats,
}

/// Runs the scenario with this seed. Returns an error that describes the violated condition.
pub async fn run(seed: u64, scenario: &Scenario) -> Result<RunStats, String> {
    let mut simulation = Simulation::start(seed, scenario).await;
    for n in 0..scenario.events {
        simulation.event(n).await.map_err(|e| format!("event {n}: {e}"))?;
    }
    simulation.converge().await?;
    simulation.check().await?;
    Ok(simulation.stats)
}

/// Returns the state and the due day of each card on the list, as stored; and checks that a new computation from the
/// reviews gives the same.
async fn cards(device: &Device) -> carrel_learning::Result<Vec<CardDetails>> {
    let read = async || -> carrel_learning::Result<Vec<CardDetails>> {
        let mut cards = Vec::new();
        for word in device.learning().words().await? {
            cards.push(device.learning().card(&word.card).await?);
        }
        cards.sort_by(|a, b| a.card.cmp(&b.card));
        Ok(cards)
    };
    let stored = read().await?;
    let forget = |tx: &mut carrel_learning::store::Tx<'_>| {
        tx.conn().execute("INSERT OR IGNORE INTO card_changed (card) VALUES ('*')", [])?;
        Ok(())
    };
    device.app().store.write("forget_cards", forget).await?;
    let computed = read().await?;
    if computed != stored {
        return Err(carrel_learning::Error::Internal(format!(
            "the stored states are stale:\n  {stored:?}\n  {computed:?}"
        )));
    }
    Ok(stored)
}

impl Simulation {
    async fn start(seed: u64, scenario: &Scenario) -> Self {
        let rng = SeededRng::new(seed);
        let time = Timeline::default();
        let clock = FakeClock::noon();
        time.add(&clock);
        let server = TestServer::with_library(&clock).await;
        let quizzes = server.quizzes().await;
        let mut simulation = Self {
            scenario: scenario.clone(),
            rng,
            time,
            server,
            quizzes,
            devices: Vec::new(),
            oracles: Vec::new(),
            backups: Vec::new(),
            stats: RunStats { runs: 1, ..RunStats::default() },
        };
        for (learner, devices) in scenario.learners.iter().enumerate() {
            simulation.oracles.push(Oracle::default());
            for n in 0..*devices {
                let (http, clock) = (simulation.network(), simulation.clock());
                let (name, login) =
                    (format!("learner {learner} device {n}"), format!("learner-{learner}"));
                let url = simulation.server.url();
                let seed = simulation.rng.next();
                let who = NewDevice { name: &name, login: &login, is_new: n == 0, seed };
                let device = Device::sign_in(who, &url, http, clock, &simulation.time).await;
                simulation.add(learner, device);
            }
        }
        simulation
    }

    fn network(&self) -> FlakyHttp {
        let direct = self.server.direct();
        let http: Arc<dyn Http> = match self.scenario.bug {
            Some(bug) => Arc::new(FaultyServer::new(direct, bug)),
            None => direct,
        };
        FlakyHttp::new(http, &self.time, self.rng.fork())
    }
    fn clock(&self) -> FakeClock {
        let clock = FakeClock::new(self.server.clock().now_ms());
        self.time.add(&clock);
        clock
    }
    fn add(&mut self, learner: usize, device: Device) {
        device.http.set_faults(self.scenario.faults.clone());
        let simulated_learner = SimulatedLearner::new(self.rng.fork(), self.quizzes.clone());
        self.devices.push(SimulatedDevice { learner, device, simulated_learner, old_disk: None });
    }

    async fn event(&mut self, n: u32) -> Result<(), String> {
        let at = self.rng.below(self.devices.len() as u64) as usize;
        match self.rng.below(100) {
            0..=43 => self.act(at).await?,
            44..=67 => self.sync(at).await?,
            68..=79 => self.pass_time().await?,
            80..=83 => {
                let offline = self.rng.permille(500);
                self.devices[at].device.http.set_offline(offline);
            }
            84..=86 => self.restart(at).await,
            87..=91 if self.scenario.crashes => self.crash(at).await,
            92..=94 if self.scenario.jumps == Jumps::Large => self.jump(at),
            95 => self.server.restart().await,
            96..=99 if self.scenario.disk_restored => self.copy_or_restore_disk(at).await,
            _ => self.act(at).await?,
        }
        let events = self.scenario.events;
        let at_part = |part: u32| n == events * part / 12;
        if self.scenario.server_restored
            && (at_part(4) || (self.scenario.accounts_after_backup && (at_part(2) || at_part(6))))
        {
            self.backups.push(self.server.backup());
        }
        if self.scenario.accounts_after_backup && (at_part(5) || at_part(7)) {
            self.register().await;
        }
        if self.scenario.server_restored
            && (at_part(8) || (self.scenario.accounts_after_backup && at_part(10)))
        {
            let backup = self.rng.pick(&self.backups);
            self.server.restore(backup).await;
            self.stats.server_restored += 1;
        }
        if n == self.scenario.events * 2 / 3 && self.scenario.disk_cloned {
            let (http, clock, seed) = (self.network(), self.clock(), self.rng.next());
            let clone = self.devices[at].device.clone_disk("clone", http, clock, seed).await;
            // Sets the first timers, as at the start of the app.
            let _ = clone.step(Event::Start).await;
            self.add(self.devices[at].learner, clone);
            self.stats.disks_cloned += 1;
        }
        Ok(())
    }

    /// Registers a new learner.
    async fn register(&mut self) {
        let learner = self.oracles.len();
        self.oracles.push(Oracle::default());
        let (http, clock, seed) = (self.network(), self.clock(), self.rng.next());
        let (name, login) = (format!("learner {learner} device 0"), format!("learner-{learner}"));
        let who = NewDevice { name: &name, login: &login, is_new: true, seed };
        let device = Device::sign_in(who, &self.server.url(), http, clock, &self.time).await;
        // Sets the first timers, as at the start of the app.
        let _ = device.step(Event::Start).await;
        self.add(learner, device);
    }

    async fn act(&mut self, at: usize) -> Result<(), String> {
        let SimulatedDevice { learner, device, simulated_learner, .. } = &mut self.devices[at];
        simulated_learner.act(device, &mut self.oracles[*learner]).await;
        self.step(at, Event::LocalChange).await
    }

    /// Runs one round of sync, in some cases with a local change or a crash during a request.
    async fn sync(&mut self, at: usize) -> Result<(), String> {
        self.devices[at].device.sign_in_again().await;
        let event = if self.rng.permille(300) { Event::Timer } else { Event::SyncNow };
        let point = if self.rng.permille(500) { HoldPoint::Before } else { HoldPoint::After };
        let nth = self.rng.below(3);
        match self.rng.below(10) {
            0 | 1 => self.change_in_flight(at, event, nth, point).await,
            2 if self.scenario.crashes => {
                self.crash_in_flight(at, event, nth, point).await;
                Ok(())
            }
            _ => self.step(at, event).await,
        }
    }

    async fn step(&mut self, at: usize, event: Event) -> Result<(), String> {
        let exact = self.scenario.jumps == Jumps::None;
        let device = &self.devices[at].device;
        let before = StateBefore::of(device).await;
        device.step(event).await.map_err(|e| format!("{}: {e}", device.name))?;
        before.check_no_loss(device, exact).await
    }

    /// Performs a step in a section while a request is pending.
    async fn change_in_flight(
        &mut self,
        at: usize,
        event: Event,
        nth: u64,
        point: HoldPoint,
    ) -> Result<(), String> {
        let exact = self.scenario.jumps == Jumps::None;
        let SimulatedDevice { learner, device, simulated_learner, .. } = &mut self.devices[at];
        let before = StateBefore::of(device).await;
        let http = device.http.clone();
        http.hold_at(nth, point);
        let oracle = &mut self.oracles[*learner];
        let done = {
            let mut sync = std::pin::pin!(device.step(event));
            tokio::select! {
                biased;
                done = &mut sync => done,
                () = http.wait_until_held() => {
                    simulated_learner.act_in_section(device, oracle).await;
                    self.stats.changes_in_flight += 1;
                    http.release();
                    sync.await
                }
            }
        };
        http.cancel_hold();
        done.map_err(|e| format!("{}: {e}", device.name))?;
        before.check_no_loss(device, exact).await?;
        self.step(at, Event::LocalChange).await
    }

    async fn crash_in_flight(&mut self, at: usize, event: Event, nth: u64, point: HoldPoint) {
        let SimulatedDevice { device, simulated_learner, .. } = &mut self.devices[at];
        device.http.hold_at(nth, point);
        let crashed = {
            let http = device.http.clone();
            tokio::select! {
                biased;
                _ = device.step(event) => false,
                () = http.wait_until_held() => true,
            }
        };
        device.http.cancel_hold();
        if crashed {
            device.crash().await;
            simulated_learner.app_restarted();
            self.stats.crashes_in_flight += 1;
            let _ = device.step(Event::Start).await;
        }
    }

    async fn crash(&mut self, at: usize) {
        let SimulatedDevice { device, simulated_learner, .. } = &mut self.devices[at];
        device.crash().await;
        simulated_learner.app_restarted();
        self.stats.crashes += 1;
        let _ = device.step(Event::Start).await;
    }
    async fn restart(&mut self, at: usize) {
        let SimulatedDevice { device, simulated_learner, .. } = &mut self.devices[at];
        device.restart().await;
        simulated_learner.app_restarted();
        self.stats.restarts += 1;
        let _ = device.step(Event::Start).await;
    }

    fn jump(&mut self, at: usize) {
        let by = *self.rng.pick(&[
            -86_400_000,
            -3_600_000,
            -61_000,
            90_000,
            400_000,
            7_200_000,
            3 * 86_400_000,
        ]);
        self.devices[at].device.clock.jump(by);
        self.stats.jumps += 1;
    }

    /// Copies the disk. If a copy exists, restores it instead, but not while rows are pending or refused: they would be
    /// lost.
    async fn copy_or_restore_disk(&mut self, at: usize) {
        let SimulatedDevice { device, simulated_learner, old_disk, .. } = &mut self.devices[at];
        match old_disk.take() {
            None => *old_disk = Some(device.copy_disk().await),
            Some(disk) if device.counts().await == (0, 0) => {
                device.restore_disk(&disk);
                simulated_learner.app_restarted();
                self.stats.disks_restored += 1;
                let _ = device.step(Event::Start).await;
            }
            Some(disk) => *old_disk = Some(disk),
        }
    }

    /// Advances time, then handles the timers that have expired on each device.
    async fn pass_time(&mut self) -> Result<(), String> {
        self.time.advance(self.rng.between(500, 400_000));
        for at in 0..self.devices.len() {
            self.step(at, Event::Timer).await?;
        }
        Ok(())
    }

    /// Makes the network healthy. Timers alone must then deliver all rows to all devices; learners only sign in again
    /// and retry refused rows.
    async fn converge(&mut self) -> Result<(), String> {
        for simulated in &self.devices {
            simulated.device.http.set_faults(FaultRates::none());
            simulated.device.http.set_offline(false);
            simulated.device.http.deliver_late().await;
        }
        let healthy_since_ms = self.server.clock().monotonic_ms();
        let mut outbox_empty_at = None;
        loop {
            let now = self.server.clock().monotonic_ms() - healthy_since_ms;
            let mut waiting = 0;
            for at in 0..self.devices.len() {
                let device = &mut self.devices[at].device;
                device.sign_in_again().await;
                for refused in device.refused().await {
                    if self.scenario.jumps == Jumps::None {
                        return Err(format!("{} has a refused row: {refused:?}", device.name));
                    }
                    device.retry(&refused.key).await;
                }
                self.step(at, Event::Timer).await?;
                waiting += self.devices[at].device.counts().await.0;
            }
            if waiting == 0 && outbox_empty_at.is_none() {
                outbox_empty_at = Some(now);
                self.stats.max_outbox_ms = now;
            }
            // All at one time: a device that learns of a restored server later sends its rows again.
            if waiting == 0 && self.has_every_device_pulled_all().await {
                return Ok(());
            }
            if outbox_empty_at.is_none() && now > OUTBOX_EMPTY_MS {
                return Err(format!(
                    "{waiting} rows are still pending {now} ms after the network became healthy"
                ));
            }
            if now > ALL_PULLED_MS {
                return Err(format!(
                    "not every device has pulled all rows {now} ms after the network became healthy"
                ));
            }
            // Advance to the next timer of any device. A device without a timer would never sync again.
            let mut next: Option<i64> = None;
            for simulated in &self.devices {
                let engine = &simulated.device.app().engine;
                let timer_ms = match engine.next_wake_in() {
                    Some(timer_ms) => timer_ms,
                    // The device is signed in again in the next round.
                    None if engine.phase().0 == Phase::SignedOut => 0,
                    None => return Err(format!("{} has no timer", simulated.device.name)),
                };
                next = Some(next.map_or(timer_ms, |n| n.min(timer_ms)));
            }
            self.time.advance(next.unwrap_or(1_000).max(10));
        }
    }

    /// Returns true if every device has pulled the newest row of the server's present database.
    async fn has_every_device_pulled_all(&self) -> bool {
        let epoch = self.server.epoch().await;
        for SimulatedDevice { device, .. } in &self.devices {
            let state = device.sync_state().await;
            if state.epoch != epoch || state.pulled != self.server.usn(device.user).await {
                return false;
            }
        }
        true
    }

    async fn check(&mut self) -> Result<(), String> {
        let exact = self.scenario.jumps == Jumps::None;
        for (learner, oracle) in self.oracles.iter().enumerate() {
            let own: Vec<&SimulatedDevice> =
                self.devices.iter().filter(|d| d.learner == learner).collect();
            let user = own[0].device.user;
            let server: Rows = self.server.rows(user).await;
            oracle.check("the server", &server, exact)?;
            oracle.check_server_rows(&server, &self.quizzes)?;
            let mut first_cards: Option<Vec<CardDetails>> = None;
            for simulated in own {
                let device = &simulated.device;
                let rows = device.rows().await;
                oracle.check(&device.name, &rows, exact)?;
                compare(("server", &server), (device.name.as_str(), &rows))?;
                let shown =
                    device.learning().time_spent_total().await.map_err(|e| e.to_string())?;
                if exact && shown != oracle.time_ms() {
                    return Err(format!(
                        "{} shows {shown} ms of study time, expected {}",
                        device.name,
                        oracle.time_ms()
                    ));
                }
                let cards = cards(device).await.map_err(|e| e.to_string())?;
                match &first_cards {
                    Some(first) if *first != cards => {
                        return Err(format!(
                            "{} has other cards:\n  {cards:?}\n  {first:?}",
                            device.name
                        ));
                    }
                    _ => first_cards = Some(cards),
                }
                device.check_integrity().await;
            }
            self.stats.acknowledged += oracle.acknowledged();
            self.stats.rows += server.len() as u64;
        }
        for simulated in &self.devices {
            for (fault, n) in simulated.device.http.fault_counts() {
                *self.stats.fault_counts.entry(fault).or_default() += n;
            }
            self.stats.requests += simulated.device.http.requests();
            self.stats.sign_ins += u64::from(simulated.device.sign_ins);
        }
        Ok(())
    }
}
