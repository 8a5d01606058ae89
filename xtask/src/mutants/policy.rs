//! Mutants of the policies: what the organisation fixes and forbids.

use super::Mutant;

macro_rules! client {
    ($test:literal) => {
        &["-p", "carrel-client", "--test", "client", "-E", concat!("test(", $test, ")")]
    };
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a policy file that is being written lifts the policies",
        file: "crates/client/src/policy.rs",
        good: "if new.report.has_failed_source() {",
        bad: "if false && new.report.has_failed_source() {",
        tests: client!("changed_policies_apply_within_half_a_minute"),
    },
    Mutant {
        name: "an account of a forbidden server is opened",
        file: "crates/client/src/client/accounts.rs",
        good: "            self.check_account(info)?;\n",
        bad: "",
        tests: client!("an_account_of_a_forbidden_server_is_kept_and_not_opened"),
    },
    Mutant {
        name: "one download may use a metered network although the organisation forbids it",
        file: "crates/content/src/download/policy.rs",
        good: "if input.anyway && !(metered && rules.metered_fixed) {",
        bad: "if input.anyway {",
        tests: unit!("carrel-content", "every_rule_decides_as_documented"),
    },
    Mutant {
        name: "a pipe in the place of the policy file is opened",
        file: "crates/policy/src/source/file.rs",
        good: "if !meta.is_file() {",
        bad: "if meta.is_dir() {",
        tests: &["-p", "carrel-policy", "--test", "inputs", "-E", "test(links_are_followed)"],
    },
    Mutant {
        name: "a report contains the password of the proxy",
        file: "crates/policy/src/report.rs",
        good: "Value::Text(without_password(address))",
        bad: "Value::Text(address.clone())",
        tests: &["-p", "carrel-policy", "--test", "inputs", "-E", "test(each_file_has)"],
    },
];
