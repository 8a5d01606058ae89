//! Many devices, one server, a faulty network: in the end every device has all rows, exactly once, and no others.
//!
//! Each test runs its tasks on one thread: with two, a task that advances the virtual clocks would run while another task
//! continues, and a seed would not repeat its run.
//!
//! `CARREL_LONG=1` runs 2,000 seeds instead of 60; `CARREL_SEED=n` runs one. See docs/TESTING.md.

mod meddler;
mod world;

use carrel_testkit::{Fault, FaultRates};
use meddler::Meddling;
use world::{Jumps, Plan, Tally, run};

/// Returns the seeds to run: the one in `CARREL_SEED`, else `long` or `short` of them.
fn seeds(first: u64, short: u64, long: u64) -> Vec<u64> {
    if let Some(seed) = std::env::var("CARREL_SEED").ok().and_then(|s| s.parse().ok()) {
        return vec![seed];
    }
    let count = if std::env::var_os("CARREL_LONG").is_some() { long } else { short };
    (first..first + count).collect()
}

/// Runs all seeds; the first failure ends the test and reports its seed.
async fn all(test: &str, seeds: Vec<u64>, plan: Plan) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match run(seed, &plan).await {
            Ok(one) => tally.add(&one),
            Err(e) => panic!(
                "seed {seed} went wrong: {e}\nagain: CARREL_SEED={seed} cargo nextest run -p carrel-tests {test}"
            ),
        }
    }
    tell(test, &tally);
    tally
}

#[expect(clippy::print_stdout, reason = "what a run was made of belongs into its log")]
fn tell(test: &str, tally: &Tally) {
    println!("{test}: {tally:#?}");
}

/// Fails if a configured fault never occurred, because the runs then do not test it.
fn every_fault_fired(tally: &Tally, faults: &FaultRates) {
    if std::env::var_os("CARREL_SEED").is_some() {
        return;
    }
    let missing: Vec<Fault> = faults.kinds().filter(|f| !tally.fired.contains_key(f)).collect();
    assert!(missing.is_empty(), "these faults never happened: {missing:?}");
}

#[tokio::test]
async fn two_devices_converge_under_every_fault() {
    let plan = Plan::devices(2);
    let tally = all("two_devices_converge", seeds(1, 20, 700), plan.clone()).await;
    every_fault_fired(&tally, &plan.faults);
}

#[tokio::test]
async fn three_devices_converge_over_crashes_and_clock_jumps() {
    let plan = Plan { crashes: true, jumps: Jumps::Wild, ..Plan::devices(3) };
    let seeds = seeds(10_001, 12, 400);
    let many = seeds.len() > 1;
    let tally = all("three_devices_converge", seeds, plan).await;
    assert!(
        !many || (tally.crashes > 0 && tally.crashes_in_flight > 0 && tally.jumps > 0),
        "{tally:#?}"
    );
}

#[tokio::test]
async fn crashes_lose_no_row_and_change_no_stamp() {
    let plan = Plan { crashes: true, ..Plan::devices(2) };
    all("crashes_alone", seeds(20_001, 8, 300), plan).await;
}

#[tokio::test]
async fn two_learners_on_one_server_share_no_rows() {
    let plan = Plan { learners: vec![2, 1], ..Plan::devices(2) };
    all("two_learners", seeds(30_001, 6, 200), plan).await;
}

#[tokio::test]
async fn devices_converge_after_the_server_is_restored_from_an_old_backup() {
    let plan = Plan { server_restored: true, ..Plan::devices(2) };
    let seeds = seeds(40_001, 8, 200);
    let count = seeds.len() as u64;
    let tally = all("a_server_restored", seeds, plan).await;
    assert_eq!(tally.server_restored, count);
}

/// Restores any of three backups, twice, with learners who registered after them: nobody has to sign in again.
#[tokio::test]
async fn accounts_and_sign_ins_created_after_the_backup_survive_a_restore() {
    let plan = Plan {
        server_restored: true,
        accounts_since: true,
        faults: FaultRates::none(),
        ..Plan::devices(2)
    };
    let seeds = seeds(70_001, 8, 300);
    let count = seeds.len() as u64;
    let tally = all("accounts_and_sign_ins", seeds, plan).await;
    assert_eq!((tally.server_restored, tally.sign_ins), (2 * count, 0));
}

/// Does the same on a faulty network.
#[tokio::test]
async fn accounts_survive_a_restore_on_a_faulty_network() {
    let plan = Plan { server_restored: true, accounts_since: true, ..Plan::devices(2) };
    all("accounts_on_a_bad_network", seeds(80_001, 6, 200), plan).await;
}

#[tokio::test]
async fn cloned_and_restored_disks_converge() {
    let plan = Plan { disk_cloned: true, disk_restored: true, events: 120, ..Plan::devices(2) };
    let seeds = seeds(50_001, 6, 200);
    let many = seeds.len() > 1;
    let tally = all("cloned_and_restored_disks", seeds, plan).await;
    assert!(!many || (tally.disks_cloned > 0 && tally.disks_restored > 0), "{tally:#?}");
}

#[tokio::test]
async fn a_seed_determines_its_run() {
    let plan = Plan { crashes: true, jumps: Jumps::Wild, events: 60, ..Plan::devices(2) };
    for seed in [3, 4] {
        let (first, second) = (run(seed, &plan).await, run(seed, &plan).await);
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Every known bug of a server is detected within a few seeds, and the correct server passes the same ones.
#[tokio::test]
async fn known_server_bugs_are_detected() {
    for meddling in Meddling::ALL {
        let restored = meddling == Meddling::HidesTheRestore;
        let plan = Plan {
            meddling: Some(meddling),
            server_restored: restored,
            faults: FaultRates::all(10),
            ..Plan::devices(2)
        };
        let mut found = None;
        for seed in 60_001..60_025 {
            if let Err(e) = run(seed, &plan).await {
                found = Some((seed, e));
                break;
            }
        }
        let Some((seed, e)) = found else { panic!("{meddling:?} was not seen in 24 runs") };
        told(meddling, seed, &e);
    }
}

#[expect(clippy::print_stdout, reason = "how a known bug shows belongs into the log")]
fn told(meddling: Meddling, seed: u64, e: &str) {
    println!("{meddling:?}: seed {seed}: {}", e.lines().next().unwrap_or_default());
}
