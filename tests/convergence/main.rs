//! Several devices, one server, a faulty network: in the end every device has all rows, exactly once, and no others.
//!
//! Each test runs its tasks on one thread. With two threads, a task could advance the virtual clocks while another task
//! runs, and a seed would not determine the run.
//!
//! `CARREL_LONG=1` runs 2,500 seeds instead of 74; `CARREL_SEED=n` runs one. See docs/TESTING.md.

mod faulty_server;
mod simulation;

use carrel_testkit::{Fault, FaultRates};
use faulty_server::ServerBug;
use simulation::{Jumps, RunStats, Scenario, run};

/// Returns the seed in `CARREL_SEED`; without it, `short` seeds from `first`, or `long` seeds with `CARREL_LONG`. On
/// PostgreSQL, where a restore takes longer, half of the short ones, but enough that each event of a run occurs.
fn seeds(first: u64, short: u64, long: u64) -> Vec<u64> {
    if let Some(seed) = std::env::var("CARREL_SEED").ok().and_then(|s| s.parse().ok()) {
        return vec![seed];
    }
    let is_long = std::env::var_os("CARREL_LONG").is_some();
    let is_postgres = std::env::var("CARREL_TEST_ENGINE").as_deref() == Ok("postgres");
    let count = match (is_long, is_postgres) {
        (true, _) => long,
        (false, true) => short.div_ceil(2).max(short.min(6)),
        (false, false) => short,
    };
    (first..first + count).collect()
}

/// Runs all seeds. Panics at the first failure; the message contains the seed.
async fn run_all(test: &str, seeds: Vec<u64>, scenario: Scenario) -> RunStats {
    let mut stats = RunStats::default();
    for seed in seeds {
        match run(seed, &scenario).await {
            Ok(run_stats) => stats.add(&run_stats),
            Err(e) => panic!(
                "seed {seed} failed: {e}\nhint: repeat with CARREL_SEED={seed} cargo nextest run -p carrel-tests {test}"
            ),
        }
    }
    print_stats(test, &stats);
    stats
}

#[expect(clippy::print_stdout, reason = "the log of a run contains its statistics")]
fn print_stats(test: &str, stats: &RunStats) {
    println!("{test}: {stats:#?}");
}

/// Panics if a configured fault never occurred: then the runs do not test it.
fn assert_every_fault_occurred(stats: &RunStats, faults: &FaultRates) {
    if std::env::var_os("CARREL_SEED").is_some() {
        return;
    }
    let missing: Vec<Fault> =
        faults.kinds().filter(|f| !stats.fault_counts.contains_key(f)).collect();
    assert!(missing.is_empty(), "these faults never occurred: {missing:?}");
}

#[tokio::test]
async fn two_devices_converge_under_every_fault() {
    let scenario = Scenario::devices(2);
    let stats = run_all("two_devices_converge", seeds(1, 20, 700), scenario.clone()).await;
    assert_every_fault_occurred(&stats, &scenario.faults);
}

#[tokio::test]
async fn three_devices_converge_over_crashes_and_clock_jumps() {
    let scenario = Scenario { crashes: true, jumps: Jumps::Large, ..Scenario::devices(3) };
    let seeds = seeds(10_001, 12, 400);
    let many = seeds.len() > 1;
    let stats = run_all("three_devices_converge", seeds, scenario).await;
    assert!(
        !many || (stats.crashes > 0 && stats.crashes_in_flight > 0 && stats.jumps > 0),
        "{stats:#?}"
    );
}

#[tokio::test]
async fn crashes_lose_no_row_and_change_no_stamp() {
    let scenario = Scenario { crashes: true, ..Scenario::devices(2) };
    run_all("crashes_lose_no_row", seeds(20_001, 8, 300), scenario).await;
}

#[tokio::test]
async fn two_learners_on_one_server_share_no_rows() {
    let scenario = Scenario { learners: vec![2, 1], ..Scenario::devices(2) };
    run_all("two_learners", seeds(30_001, 6, 200), scenario).await;
}

#[tokio::test]
async fn devices_converge_after_the_server_is_restored_from_an_old_backup() {
    let scenario = Scenario { server_restored: true, ..Scenario::devices(2) };
    let seeds = seeds(40_001, 8, 200);
    let count = seeds.len() as u64;
    let stats = run_all("devices_converge_after_the_server", seeds, scenario).await;
    assert_eq!(stats.server_restored, count);
}

/// Restores one of three backups at random, twice. Learners registered after the backup do not have to sign in again.
#[tokio::test]
async fn accounts_and_sign_ins_created_after_the_backup_survive_a_restore() {
    let scenario = Scenario {
        server_restored: true,
        accounts_after_backup: true,
        faults: FaultRates::none(),
        ..Scenario::devices(2)
    };
    let seeds = seeds(70_001, 8, 300);
    let count = seeds.len() as u64;
    let stats = run_all("accounts_and_sign_ins", seeds, scenario).await;
    assert_eq!((stats.server_restored, stats.sign_ins), (2 * count, 0));
}

/// The same scenario on a faulty network; here a device may have to sign in again.
#[tokio::test]
async fn accounts_survive_a_restore_on_a_faulty_network() {
    let scenario =
        Scenario { server_restored: true, accounts_after_backup: true, ..Scenario::devices(2) };
    run_all("accounts_survive_a_restore", seeds(80_001, 6, 200), scenario).await;
}

#[tokio::test]
async fn cloned_and_restored_disks_converge() {
    let scenario =
        Scenario { disk_cloned: true, disk_restored: true, events: 120, ..Scenario::devices(2) };
    let seeds = seeds(50_001, 6, 200);
    let many = seeds.len() > 1;
    let stats = run_all("cloned_and_restored_disks", seeds, scenario).await;
    assert!(!many || (stats.disks_cloned > 0 && stats.disks_restored > 0), "{stats:#?}");
}

#[tokio::test]
async fn a_seed_determines_its_run() {
    let scenario =
        Scenario { crashes: true, jumps: Jumps::Large, events: 60, ..Scenario::devices(2) };
    for seed in [3, 4] {
        let (first, second) = (run(seed, &scenario).await, run(seed, &scenario).await);
        assert_eq!(first, second, "seed {seed}");
    }
}

/// For each known bug, one of 24 runs against a server with the bug fails.
#[tokio::test]
async fn known_server_bugs_are_detected() {
    for bug in ServerBug::ALL {
        let restored = bug == ServerBug::KeepsEpochAfterRestore;
        let scenario = Scenario {
            bug: Some(bug),
            server_restored: restored,
            faults: FaultRates::all(10),
            ..Scenario::devices(2)
        };
        let mut found = None;
        for seed in 60_001..60_025 {
            if let Err(e) = run(seed, &scenario).await {
                found = Some((seed, e));
                break;
            }
        }
        let Some((seed, e)) = found else { panic!("{bug:?} was not detected in 24 runs") };
        print_detection(bug, seed, &e);
    }
}

#[expect(clippy::print_stdout, reason = "the log shows how each known bug is detected")]
fn print_detection(bug: ServerBug, seed: u64, e: &str) {
    println!("{bug:?}: seed {seed}: {}", e.lines().next().unwrap_or_default());
}
