//! Replicas: hot standbys of the PostgreSQL server, from which is read what may be some time old.
//!
//! Each replica is asked every second whether it is a standby of the primary's cluster on its timeline, and how much it
//! lacks. This keeps away replicas that cannot be used. What a caller may see is decided in the transaction itself: it
//! is used only if the catalogue on the replica is at least the one that the caller has seen on the primary. After any
//! other outcome the job is run on the primary.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use carrel_store::{Freshness, Result, StoreError, TxJob};
use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use tokio::{
    runtime::Handle,
    time::{Instant, MissedTickBehavior, timeout},
};
use tokio_postgres::{Client, Row};

use crate::{
    error,
    monitor::PoolCounts,
    pool,
    settings::{DatabaseUrl, PoolSettings},
    transactions::Connection,
    tx::PgTx,
};

/// Interval at which a replica is checked.
const INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time for a question of a check.
const PATIENCE: Duration = Duration::from_secs(2);

/// The replicas of a database.
#[derive(Default)]
pub(crate) struct Replicas {
    all: Vec<Arc<Replica>>,
    next: AtomicU64,
}

impl Replicas {
    /// Begins to check the replicas of the settings, none of which is used before its first check.
    pub(crate) fn open(
        handle: &Handle,
        primary: &DatabaseUrl,
        settings: &PoolSettings,
        role: Option<&str>,
    ) -> Result<Self> {
        let mut all = Vec::new();
        for url in &settings.replicas {
            let replica = Arc::new(Replica {
                name: url.to_string(),
                pool: pool::of_replica(url, settings, role)?,
                counts: Arc::default(),
                is_used: AtomicBool::new(false),
                problem: Mutex::new(None),
            });
            let Replica { name, pool, counts, .. } = &*replica;
            let (pool, counts) = (pool.clone(), Arc::clone(counts));
            drop(handle.spawn(pool::maintain_replica(
                pool,
                name.clone(),
                settings.clone(),
                counts,
            )));
            let watch = Watch::new(primary.clone(), url.clone(), settings.clone());
            drop(handle.spawn(watch.run(Arc::clone(&replica))));
            all.push(replica);
        }
        Ok(Self { all, next: AtomicU64::default() })
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
    /// Returns a replica that can be used.
    pub(crate) fn choose(&self) -> Option<Arc<Replica>> {
        let used: Vec<_> = self.all.iter().filter(|r| r.is_used.load(Ordering::Acquire)).collect();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(used.get(index_of(turn, used.len()))?))
    }
    pub(crate) fn close(&self) {
        self.all.iter().for_each(|replica| replica.pool.close());
    }
}

/// Returns an index below `count` for the number of a call. Each gets an equal part of the calls, also of every second
/// or third one: a request may consist of several calls, of which one is long. The multiples of the golden ratio have
/// this property.
fn index_of(turn: u64, count: usize) -> usize {
    let fraction = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from((fraction * count as u64) >> 32).unwrap_or(0)
}

/// A replica.
pub(crate) struct Replica {
    name: String,
    pool: Pool,
    counts: Arc<PoolCounts>,
    is_used: AtomicBool,
    /// Why it is not used; `None` before the first check.
    problem: Mutex<Option<String>>,
}

impl Replica {
    /// Uses the replica from now on, or not, and logs a change.
    fn set(&self, state: std::result::Result<(), String>) {
        let problem = state.err().unwrap_or_default();
        let mut known = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_used.store(problem.is_empty(), Ordering::Release);
        if known.as_ref() == Some(&problem) {
            return;
        }
        if problem.is_empty() {
            tracing::info!(replica = self.name, "the replica is used");
        } else {
            tracing::warn!(replica = self.name, problem, "the replica is not used");
        }
        *known = Some(problem);
    }

    /// Runs a job. Returns it if it must be run on the primary.
    pub(crate) async fn run(
        self: Arc<Self>,
        tenant: i32,
        job: Box<dyn TxJob>,
        freshness: Freshness,
    ) -> Option<Box<dyn TxJob>> {
        let client = match self.pool.get().await {
            Ok(client) => client,
            // All connections are in use.
            Err(PoolError::Timeout(TimeoutType::Wait)) => return Some(job),
            Err(e) => {
                self.set(Err(error::of_pool(&e).to_string()));
                return Some(job);
            }
        };
        let handle = Handle::current();
        let run = move || self.run_blocking(&handle, client, tenant, job, &freshness);
        // If the task fails, the job was dropped, which closes the reply channel of the caller.
        tokio::task::spawn_blocking(run).await.ok().flatten()
    }

    fn run_blocking(
        &self,
        handle: &Handle,
        client: Object,
        tenant: i32,
        mut job: Box<dyn TxJob>,
        freshness: &Freshness,
    ) -> Option<Box<dyn TxJob>> {
        let mut connection = Connection::new(client);
        let ran = self.transaction(handle, connection.client(), tenant, job.as_mut(), freshness);
        match ran {
            Ok(is_done) => {
                connection.release();
                if is_done {
                    job.finish(Ok(()));
                    return None;
                }
            }
            Err(e) => self.set(Err(e.to_string())),
        }
        Some(job)
    }

    /// Runs a job in a transaction. Returns false if the replica is not fresh enough, or if the job failed for a reason
    /// of its own.
    fn transaction(
        &self,
        handle: &Handle,
        client: Option<&Object>,
        tenant: i32,
        job: &mut dyn TxJob,
        freshness: &Freshness,
    ) -> Result<bool> {
        let client = client.ok_or_else(StoreError::closed)?;
        let (tx, found) = PgTx::begin_on_replica(client, handle, &self.counts, tenant)?;
        let is_fresh = match freshness {
            Freshness::Delayed => true,
            Freshness::Catalogue(wanted) => found.is_at_least(wanted),
        };
        let is_done = is_fresh && job.run(&tx);
        if let Some(failure) = tx.failure() {
            return Err(failure);
        }
        handle.block_on(client.batch_execute("ROLLBACK")).map_err(|e| error::of(&e))?;
        Ok(is_done)
    }
}

/// The check of a replica.
struct Watch {
    primary: Question,
    replica: Question,
    positions: Positions,
}

/// What the primary says.
const OF_PRIMARY: &str = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8,
    (SELECT system_identifier FROM pg_control_system()), (SELECT identity FROM carrel.cluster)";
/// What a replica says, which may be any PostgreSQL server.
const OF_REPLICA: &str = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::int8,
    (SELECT system_identifier FROM pg_control_system()), pg_is_in_recovery(),
    to_regclass('carrel.cluster') IS NOT NULL";
/// Cluster and timeline for which the database on a replica was last written. A primary writes it before anything else
/// after a failover. The timeline that a standby itself reports is that of its last restart point.
const IDENTITY: &str = "SELECT identity FROM carrel.cluster";

impl Watch {
    fn new(primary: DatabaseUrl, replica: DatabaseUrl, settings: PoolSettings) -> Self {
        let positions = Positions::new(settings.replica_max_lag);
        let ask = |url| Question { url, settings: settings.clone(), client: None };
        Self { primary: ask(primary), replica: ask(replica), positions }
    }

    async fn run(mut self, replica: Arc<Replica>) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !replica.pool.is_closed() {
            tick.tick().await;
            replica.set(self.check().await);
        }
    }

    /// Returns why the replica cannot be used.
    async fn check(&mut self) -> std::result::Result<(), String> {
        let unreadable = |e: tokio_postgres::Error| error::of(&e).to_string();
        let ask = self.primary.row(OF_PRIMARY).await;
        let row = ask.map_err(|e| format!("the primary does not say what it has written: {e}"))?;
        let position: i64 = row.try_get(0).map_err(unreadable)?;
        let (cluster, identity): (i64, Option<String>) =
            (row.try_get(1).map_err(unreadable)?, row.try_get(2).map_err(unreadable)?);
        self.positions.add(Instant::now(), position);

        let row = self.replica.row(OF_REPLICA).await?;
        let replayed: Option<i64> = row.try_get(0).map_err(unreadable)?;
        if row.try_get::<_, i64>(1).map_err(unreadable)? != cluster {
            return Err("it belongs to another PostgreSQL cluster than the primary; \
                hint: database_replicas must name standbys of the database's own server"
                .to_owned());
        }
        if !row.try_get::<_, bool>(2).map_err(unreadable)? {
            return Err("it is a primary and not a standby".to_owned());
        }
        if !row.try_get::<_, bool>(3).map_err(unreadable)? {
            return Err("it does not have the tables of the server".to_owned());
        }
        let row = self.replica.row(IDENTITY).await?;
        if row.try_get::<_, Option<String>>(0).map_err(unreadable)? != identity {
            return Err("it follows another timeline than the primary".to_owned());
        }
        if self.positions.allow(replayed.unwrap_or(0), Instant::now()) {
            return Ok(());
        }
        Err("it lacks changes that are older than database_replica_max_lag_ms".to_owned())
    }
}

/// A connection on which a check asks.
struct Question {
    url: DatabaseUrl,
    settings: PoolSettings,
    client: Option<Client>,
}

impl Question {
    async fn row(&mut self, sql: &str) -> std::result::Result<Row, String> {
        let ask = async {
            let client = match self.client.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => pool::connect(&self.url, &self.settings).await?,
            };
            let row = client.query_one(sql, &[]).await.map_err(|e| error::of(&e))?;
            // After an error or no reply, the connection is closed.
            self.client = Some(client);
            Ok::<_, StoreError>(row)
        };
        match timeout(PATIENCE, ask).await {
            Ok(found) => found.map_err(|e| e.to_string()),
            Err(_) => Err(format!("no reply within {} s", PATIENCE.as_secs())),
        }
    }
}

/// What the primary had written at some times, by which the delay of a replica is measured without comparing clocks of
/// computers. A primary on which nothing is written causes no delay.
struct Positions {
    max_lag: Duration,
    /// The oldest is at least `max_lag` old as soon as there was one that long ago.
    known: VecDeque<(Instant, i64)>,
}

impl Positions {
    fn new(max_lag: Duration) -> Self {
        Self { max_lag, known: VecDeque::new() }
    }
    fn add(&mut self, at: Instant, position: i64) {
        self.known.push_back((at, position));
        while self.known.get(1).is_some_and(|(next, _)| at.duration_since(*next) >= self.max_lag) {
            self.known.pop_front();
        }
    }
    /// Returns true if a replica that has replayed up to a position lacks nothing that was written before the maximum
    /// delay.
    fn allow(&self, replayed: i64, now: Instant) -> bool {
        // How old the oldest position is, is not known.
        if self.known.front().is_none_or(|(_, oldest)| replayed < *oldest) {
            return false;
        }
        let lacks = self.known.iter().find(|(_, position)| *position > replayed);
        lacks.is_none_or(|(since, _)| now.duration_since(*since) <= self.max_lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_of_a_replica_is_that_of_the_first_position_it_lacks() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut positions = Positions::new(Duration::from_secs(2));
        assert!(!positions.allow(100, at(0)), "nothing is known");
        positions.add(at(0), 100);
        assert!(positions.allow(100, at(0)));
        assert!(!positions.allow(99, at(0)), "it may lack changes of hours");
        for second in 1..=5 {
            positions.add(at(second * 1_000), 100 + 10 * second as i64);
        }
        for (replayed, ms, expected) in [
            (150, 5_000, true),
            (130, 5_000, true),
            (129, 5_000, false),
            (0, 5_000, false),
            // The next position is that of 4 s.
            (139, 6_000, true),
            (139, 6_001, false),
            (150, 6_001, true),
        ] {
            assert_eq!(positions.allow(replayed, at(ms)), expected, "{replayed} at {ms} ms");
        }
        assert!(positions.known.len() <= 4, "{:?}", positions.known);
    }

    #[test]
    fn each_replica_gets_an_equal_part_also_of_every_second_call() {
        for (count, step) in (1..=4).flat_map(|count| (1..=4).map(move |step| (count, step))) {
            let mut calls = vec![0_i32; count];
            (0..1_000).for_each(|n| calls[index_of(n * step, count)] += 1);
            let equal = 1_000 / count as i32;
            assert!(calls.iter().all(|n| (n - equal).abs() <= 10), "{step}: {calls:?}");
        }
        assert_eq!(index_of(7, 0), 0);
    }

    #[test]
    fn a_quiet_primary_is_no_delay() {
        let start = Instant::now();
        let mut positions = Positions::new(Duration::from_millis(100));
        for second in 0..3_600 {
            let at = start + Duration::from_secs(second);
            positions.add(at, 500);
            assert!(positions.allow(500, at + Duration::from_millis(999)));
        }
        assert!(!positions.allow(499, start + Duration::from_secs(3_600)));
    }
}
