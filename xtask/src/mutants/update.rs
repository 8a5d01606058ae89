//! Mutants of updates: signatures, age of the feed, roll-back.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a package that is signed for another version is installed",
        file: "crates/update/src/feed.rs",
        good: "        comment.require(&self.name, \"version\", &feed.version.to_string())?;",
        bad: "",
        tests: &[
            "-p",
            "carrel-update",
            "-E",
            "test(a_package_whose_signature_is_for_another_file_is_refused)",
        ],
    },
    Mutant {
        name: "an older feed than the newest one is accepted",
        file: "crates/update/src/decision.rs",
        good: "        return Err(Refusal::Replayed { found: feed.published, newest });",
        bad: "        let _ = newest;",
        tests: &["-p", "carrel-update", "-E", "test(the_age_of_the_feed_decides)"],
    },
    Mutant {
        name: "a version that does not start is not rolled back",
        file: "crates/update/src/guard.rs",
        good: "            install.attempts += 1;",
        bad: "",
        tests: &[
            "-p",
            "carrel-update",
            "-E",
            "test(a_version_that_does_not_start_twice_is_rolled_back)",
        ],
    },
    Mutant {
        name: "the previous program is not kept",
        file: "crates/update/src/install.rs",
        good: "        fs::rename(&new, self.program)?;",
        bad: "        remove_if_present(&previous)?;\n        fs::rename(&new, self.program)?;",
        tests: &["-p", "carrel-update", "-E", "test(the_new_version_replaces_the_old_one)"],
    },
    Mutant {
        name: "a failed update says nothing about the certificate or the proxy",
        file: "crates/update/src/error.rs",
        good: "            Self::Net(e) => e.network_cause(),",
        bad: "            Self::Net(_) => None,",
        tests: &[
            "-p",
            "carrel-update",
            "-E",
            "test(a_failed_connection_is_reported_with_its_cause)",
        ],
    },
];
