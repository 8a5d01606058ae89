//! Mutants of the policies: what the organisation fixes and forbids.

use super::Mutant;

macro_rules! client {
    ($test:literal) => {
        &["-p", "carrel-client", "--test", "client", "-E", concat!("test(", $test, ")")]
    };
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a kiosk deletes work that the server does not have",
        file: "crates/client/src/client/kiosk.rs",
        good: "if !has_unsent_work {",
        bad: "if !has_unsent_work || unsent == Unsent::Keep {",
        tests: client!("unsent_work_is_kept_encrypted_and_claimed_with_the_code"),
    },
    Mutant {
        name: "a kiosk leaves the work of the previous learner when another one signs in",
        file: "crates/client/src/client/accounts.rs",
        good: "            if self.is_kiosk() {\n                self.end_kiosk_session(Some(&info.id)).await?;\n            }\n",
        bad: "",
        tests: client!("the_work_of_the_previous_learner_is_deleted_when_another_one_starts"),
    },
    Mutant {
        name: "the enrolment token of the organisation is sent to any server",
        file: "crates/client/src/policy.rs",
        good: "policies.enrolment_token.clone().filter(|_| is_theirs)",
        bad: "policies.enrolment_token.clone().filter(|_| is_theirs || true)",
        tests: &[
            "-p",
            "carrel-tests",
            "--test",
            "integration",
            "-E",
            "test(the_token_of_a_policy_is_sent_to_its_server_only_and_never_in_the_way)",
        ],
    },
    Mutant {
        name: "empty values of a managed configuration are policies",
        file: "crates/policy/src/source/managed_configuration.rs",
        good: "RawValue::Text(text) => text.trim().is_empty(),",
        bad: "RawValue::Text(_) => false,",
        tests: unit!("carrel-policy", "what_the_administrator_left_empty_is_not_set"),
    },
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
    Mutant {
        name: "the proxy script of the system may be on another machine",
        file: "crates/net/src/system_proxies/address.rs",
        good: r#"("file", Some(_)) => refused("a file on another machine"),"#,
        bad: r#"("file", Some(_)) => Some(Ok(url)),"#,
        tests: unit!("carrel-net", "addresses_of_scripts_are_checked"),
    },
    Mutant {
        name: "environment variables have no priority over the proxies of the system",
        file: "crates/net/src/proxy/mod.rs",
        good: "if let found @ Some(_) = matched(variables, url) {",
        bad: "if let found @ Some(_) = matched(variables, url).filter(|_| false) {",
        tests: &[
            "-p",
            "carrel-net",
            "--test",
            "net",
            "-E",
            "test(environment_variables_have_priority_over_the_system)",
        ],
    },
    Mutant {
        name: "a user who only reads the shared folder does not see it",
        file: "crates/content/src/storage/figures.rs",
        good: "bytes: bytes.unwrap_or_else(",
        bad: "bytes: Some(0).unwrap_or_else(",
        tests: &[
            "-p",
            "carrel-content",
            "--test",
            "storage",
            "-E",
            "test(the_shared_store_is_in_the_figures_of_its_readers)",
        ],
    },
];
