//! Updates of really built programs (crates/update/examples) from a loopback server: installation, roll-back, a power
//! cut at each step. After each case a program starts.
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use carrel_release::sign::SigningKey;
use carrel_update::{
    install::Step,
    journal::{Journal, Outcome, Report},
};

use support::{Machine, Site, built, server};

/// Returns the outcome of the last installation.
fn outcome(machine: &Machine) -> Option<(Outcome, String)> {
    let Report { outcome, version } = Journal::read(&machine.updates()).report?;
    Some((outcome, version.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_version_replaces_the_old_one() {
    let machine = Machine::new();
    let feed = machine.publish("1.1.0", &built("program-1-1"));
    assert_eq!(machine.start(), "ready 1.0.0");
    let url = server(&feed).await;
    assert_eq!(machine.update(&url), "installed 1.1.0");
    assert_eq!(machine.files(), ["program", "program.previous"]);
    assert_eq!(machine.start(), "ready 1.1.0");
    assert_eq!(machine.files(), ["program"]);
    assert_eq!(outcome(&machine), Some((Outcome::Updated, "1.1.0".into())));
    assert_eq!(machine.start(), "ready 1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_start_twice_is_rolled_back() {
    let machine = Machine::new();
    let feed = machine.publish("1.2.0", &built("program-1-2"));
    let url = server(&feed).await;
    assert_eq!(machine.update(&url), "installed 1.2.0");
    assert_eq!(machine.start(), "crashed");
    assert_eq!(machine.start(), "crashed");
    assert_eq!(machine.start(), "starting the previous version, ready 1.0.0");
    assert_eq!(outcome(&machine), Some((Outcome::RolledBack, "1.2.0".into())));
    assert_eq!(machine.start(), "ready 1.0.0");
    assert_eq!(machine.files(), ["program"]);
    // It is not installed again.
    assert_eq!(
        machine.update(&url),
        "FailedBefore: version 1.2.0 did not start on this device before"
    );
    // Another version is.
    let url = server(&machine.publish("1.1.0", &built("program-1-1"))).await;
    assert_eq!(machine.update(&url), "installed 1.1.0");
    assert_eq!(machine.start(), "ready 1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_each_step_leaves_a_program_that_starts() {
    let machine = Machine::new();
    let feed = machine.publish("1.1.0", &built("program-1-1"));
    let url = server(&feed).await;
    for step in Step::ALL {
        machine.install(&built("program-1-0"));
        assert_eq!(machine.update_until(&url, step), "crashed", "{step:?}");
        let is_replaced = matches!(step, Step::Replaced | Step::Done);
        if is_replaced {
            assert_eq!(machine.start(), "ready 1.1.0", "{step:?}");
            assert_eq!(outcome(&machine), Some((Outcome::Updated, "1.1.0".into())));
        } else {
            assert_eq!(machine.start(), "ready 1.0.0", "{step:?}");
            assert_eq!(machine.files(), ["program"], "{step:?}");
            assert_eq!(outcome(&machine), Some((Outcome::Interrupted, "1.1.0".into())));
            assert_eq!(machine.update(&url), "installed 1.1.0", "{step:?}");
            assert_eq!(machine.start(), "ready 1.1.0", "{step:?}");
        }
        assert_eq!(machine.files(), ["program"], "{step:?}");
        machine.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_start_after_a_power_cut_the_installation_is_repeated() {
    let machine = Machine::new();
    let feed = machine.publish("1.1.0", &built("program-1-1"));
    let url = server(&feed).await;
    for step in [Step::Recorded, Step::Copying, Step::Copied, Step::Checked, Step::PreviousKept] {
        assert_eq!(machine.update_until(&url, step), "crashed", "{step:?}");
    }
    assert_eq!(machine.update(&url), "installed 1.1.0");
    assert_eq!(machine.start(), "ready 1.1.0");
    assert_eq!(machine.files(), ["program"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_during_the_roll_back_leaves_the_old_version() {
    let machine = Machine::new();
    let feed = machine.publish("1.2.0", &built("program-1-2"));
    let url = server(&feed).await;
    machine.update(&url);
    assert_eq!((machine.start(), machine.start()), ("crashed".into(), "crashed".into()));
    // The program is restored, and the journal is not written yet.
    fs::rename(machine.program().with_extension("previous"), machine.program()).unwrap();
    assert_eq!(machine.start(), "ready 1.0.0");
    assert_eq!(outcome(&machine), Some((Outcome::RolledBack, "1.2.0".into())));
    assert!(machine.update(&url).starts_with("FailedBefore"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_update_leaves_the_old_version_and_says_why() {
    let machine = Machine::new();
    let good = built("program-1-1");
    type Case<'a> = (&'a str, Box<dyn Fn() -> Site + 'a>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (
            "a wrong key",
            Box::new(|| machine.signed_by(&SigningKey::generate().unwrap(), "1.1.0", &good)),
            "Signature: the signature of the feed is not valid: it is by a key that this app does not accept",
        ),
        (
            "a package that is signed for another version",
            Box::new(|| machine.publish_with_signature_of("1.1.0", "1.0.5", &good)),
            "Signature: the signature of program_1.1.0 is for another version: 1.0.5, not 1.1.0",
        ),
        (
            "a downgrade",
            Box::new(|| machine.publish("0.9.0", &good)),
            "Downgrade: the update feed offers version 0.9.0, which is older than the installed 1.0.0",
        ),
        (
            "a truncated file",
            Box::new(|| {
                let mut site = machine.publish("1.1.0", &good);
                let package = site.get_mut("/files/program_1.1.0").unwrap();
                package.truncate(1_000);
                site
            }),
            "Damaged: program_1.1.0 is damaged: it has 1000 bytes",
        ),
        (
            "an expired feed",
            Box::new(|| machine.publish_expired("1.1.0", &good)),
            "Expired: the update feed expired at 2026-11-19",
        ),
        (
            "a changed feed",
            Box::new(|| {
                let mut site = machine.publish("1.1.0", &good);
                let feed = site.get_mut("/stable.json").unwrap();
                let at = feed.iter().position(|b| *b == b'1').unwrap();
                feed[at] = b'2';
                site
            }),
            "Signature: the signature of the feed is not valid: The signature verification failed",
        ),
        (
            "a program of another version than the feed says",
            Box::new(|| machine.publish("1.3.0", &good)),
            "InstallFailed: version 1.3.0 does not run on this device: it says that it is \"program 1.1.0\"",
        ),
        (
            "a file that is no program",
            Box::new(|| machine.publish("1.1.0", b"#!/nonexistent/interpreter\n")),
            "InstallFailed: version 1.1.0 does not run on this device: No such file or directory",
        ),
        (
            "a staged release that has not started",
            Box::new(|| machine.publish_to("1.1.0", &good, 0)),
            "NotYet",
        ),
    ];
    for (what, site, message) in cases {
        let url = server(&site()).await;
        let found = machine.update(&url);
        assert!(found.starts_with(message), "{what}: {found}");
        assert_eq!(machine.start(), "ready 1.0.0", "{what}");
        assert_eq!(machine.files(), ["program"], "{what}");
    }
    let url = server(&machine.publish_to("1.1.0", &good, 100)).await;
    assert_eq!(machine.update(&url), "installed 1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_writable_is_reported_and_the_old_version_stays() {
    let machine = Machine::new();
    let url = server(&machine.publish("1.1.0", &built("program-1-1"))).await;
    // A folder in the place of the new file: like a read-only folder, also for root.
    fs::create_dir(machine.program().with_extension("new")).unwrap();
    let found = machine.update(&url);
    assert!(found.starts_with("NotReplaceable: "), "{found}");
    assert_eq!(machine.start(), "ready 1.0.0");
}

#[test]
fn a_second_instance_does_not_count_as_a_start() {
    use carrel_update::guard::{Guard, Start};
    let machine = Machine::new();
    machine.record_trial("1.1.0");
    let start = || Guard::start(&machine.updates(), &"1.1.0".parse().unwrap(), &machine.program());
    let first = start();
    assert_eq!(first.decision(), &Start::Trial(1));
    for _ in 0..5 {
        assert_eq!(start().decision(), &Start::Normal);
    }
    drop(first);
    assert_eq!(start().decision(), &Start::Trial(2));
}

#[test]
fn without_the_previous_program_the_new_one_stays_and_says_so() {
    use carrel_update::guard::{Guard, Start};
    let machine = Machine::new();
    machine.record_trial("1.1.0");
    let start = || {
        let version = "1.1.0".parse().unwrap();
        Guard::start(&machine.updates(), &version, &machine.program()).decision().clone()
    };
    assert_eq!([start(), start(), start()], [Start::Trial(1), Start::Trial(2), Start::Normal]);
    assert_eq!(outcome(&machine), Some((Outcome::NotRolledBack, "1.1.0".into())));
}

#[test]
fn another_copy_of_the_program_and_a_damaged_journal_change_nothing() {
    use carrel_update::guard::{Guard, Start};
    let machine = Machine::new();
    machine.record_trial("1.1.0");
    let before = Journal::read(&machine.updates());
    let other = machine.program().with_extension("copy");
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        let guard = Guard::start(&machine.updates(), &version.parse().unwrap(), &other);
        assert_eq!(guard.decision(), &Start::Normal);
        guard.ready();
        assert_eq!(Journal::read(&machine.updates()), before);
    }
    for damaged in ["", "{", "null", "[]", "{\"install\": 3}"] {
        fs::write(machine.updates().join("update.json"), damaged).unwrap();
        let version = "1.1.0".parse().unwrap();
        let guard = Guard::start(&machine.updates(), &version, &machine.program());
        assert_eq!(guard.decision(), &Start::Normal, "{damaged}");
    }
}
