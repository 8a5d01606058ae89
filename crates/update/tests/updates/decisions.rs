//! The decision as a table.

use carrel_testkit::FakeClock;
use carrel_update::{
    Channel, Decision, Feed, Mode, PackageKind, Problem, UpdatePolicy, decide,
    decision::Installation,
};
use jiff::Timestamp;

use super::support::{Publisher, TARGET, day, installation, version};

struct Case {
    installation: Installation,
    policy: UpdatePolicy,
    feed: Feed,
    newest: Option<Timestamp>,
    now_ms: i64,
}

/// Returns a short text for the decision about version 1.2.0 on version 1.1.0, changed by `change`.
fn decided(change: impl FnOnce(&mut Case)) -> String {
    let mut case = Case {
        installation: installation("1.1.0"),
        policy: UpdatePolicy::default(),
        feed: Publisher::new().feed("1.2.0", b"package"),
        newest: None,
        now_ms: FakeClock::NOON,
    };
    change(&mut case);
    let Case { installation, policy, feed, newest, now_ms } = case;
    match decide(&installation, &policy, &feed, newest, now_ms) {
        Decision::UpToDate => "up to date".into(),
        Decision::NotYet => "not yet".into(),
        Decision::Offer(file) => format!("offer {}", file.name),
        Decision::Download(file) => format!("download {}", file.name),
        Decision::Refused(refusal) => {
            assert!(!refusal.to_string().is_empty());
            format!("{:?}", refusal.problem())
        }
    }
}

#[test]
fn the_version_of_the_feed_decides() {
    for (installed, offered, expected) in [
        ("1.1.0", "1.2.0", "download carrel_1.2.0.AppImage"),
        ("1.2.0", "1.2.0", "up to date"),
        ("1.2.0+build.1", "1.2.0+build.2", "up to date"),
        ("1.2.1", "1.2.0", "Downgrade"),
        ("2.0.0", "1.9.9", "Downgrade"),
        ("1.10.0", "1.9.0", "Downgrade"),
        ("1.9.0", "1.10.0", "download carrel_1.10.0.AppImage"),
        ("1.2.0-beta.1", "1.2.0", "download carrel_1.2.0.AppImage"),
        ("1.2.0", "1.2.0-beta.1", "Downgrade"),
        ("1.2.0-beta.2", "1.2.0-beta.10", "download carrel_1.2.0-beta.10.AppImage"),
    ] {
        let found = decided(|case| {
            case.installation.version = version(installed);
            case.feed = Publisher::new().feed(offered, b"package");
        });
        assert_eq!(found, expected, "{installed} -> {offered}");
    }
}

#[test]
fn policy_and_package_decide() {
    use PackageKind::{App, AppImage, Deb, Flatpak, Msi, Nsis, Program, Rpm};
    let download = "download carrel_1.2.0.AppImage";
    let offer = "offer carrel_1.2.0.AppImage";
    let decided = |mode, package, managed_packages| {
        decided(|case| {
            case.policy = UpdatePolicy { mode, managed_packages, ..UpdatePolicy::default() };
            case.installation.target.package = package;
            let target = case.installation.target.to_string();
            case.feed = Publisher::new().feed_for("1.2.0", Channel::Stable, &target, b"package");
        })
    };
    for package in [AppImage, Program, Nsis, App] {
        assert_eq!(decided(Mode::Automatic, package, false), download, "{package}");
        assert_eq!(decided(Mode::Notify, package, false), offer, "{package}");
        assert_eq!(decided(Mode::Off, package, true), "Off", "{package}");
    }
    for package in [Deb, Rpm, Msi, Flatpak] {
        for mode in [Mode::Automatic, Mode::Notify] {
            assert_eq!(decided(mode, package, false), "Managed", "{package}");
        }
        assert_eq!(decided(Mode::Automatic, package, true), download, "{package}");
        assert_eq!(decided(Mode::Notify, package, true), offer, "{package}");
        assert_eq!(decided(Mode::Off, package, false), "Off", "{package}");
    }
}

#[test]
fn the_age_of_the_feed_decides() {
    let download = "download carrel_1.2.0.AppImage";
    let at = |ms: i64| decided(|case| case.now_ms = ms);
    let expires = day(30).as_millisecond();
    assert_eq!(at(expires), download);
    assert_eq!(at(expires + 1), "Expired");
    assert_eq!(at(expires + 1_000 * 86_400_000), "Expired");
    // The clock of the device is years behind: only its expiry cannot be judged.
    assert_eq!(at(0), download);
    // An expired feed does not prove that the installed version is the newest one either.
    let expired = decided(|case| {
        case.installation.version = version("1.2.0");
        case.now_ms = expires + 1;
    });
    assert_eq!(expired, "Expired");

    let after = |newest| decided(|case| case.newest = Some(newest));
    assert_eq!(after(day(0)), download);
    assert_eq!(after(day(-1)), download);
    assert_eq!(after(day(1)), "Replayed");
}

#[test]
fn the_release_decides() {
    let rollout = |percent| decided(|case| case.feed.rollout = percent);
    assert_eq!(rollout(0), "not yet");
    assert_eq!(rollout(100), "download carrel_1.2.0.AppImage");
    let minimum = |text| decided(|case| case.feed.minimum_version = Some(version(text)));
    assert_eq!(minimum("1.1.0"), "download carrel_1.2.0.AppImage");
    assert_eq!(minimum("1.1.1"), "TooOld");
    assert_eq!(decided(|case| drop(case.feed.files.remove(TARGET))), "NoPackage");
    let failed = |text| decided(|case| case.installation.failed_versions.push(version(text)));
    assert_eq!(failed("1.2.0"), "FailedBefore");
    assert_eq!(failed("1.1.5"), "download carrel_1.2.0.AppImage");
}

#[test]
fn names_of_targets_and_modes() {
    assert_eq!(installation("1.0.0").target.to_string(), TARGET);
    for channel in Channel::ALL {
        assert_eq!(channel.as_str().parse(), Ok(channel));
        assert_eq!(serde_json::to_value(channel).unwrap(), channel.as_str());
    }
    for mode in Mode::ALL {
        assert_eq!(mode.as_str().parse(), Ok(mode));
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
    }
    assert!("Stable".parse::<Channel>().is_err() && "on".parse::<Mode>().is_err());
    let problem = carrel_update::Refusal::Off.problem();
    assert_eq!(problem, Problem::Off);
}
