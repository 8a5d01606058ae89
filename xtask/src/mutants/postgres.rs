//! Mutants of the engine PostgreSQL. Its tests need a cluster, which `run` starts.

use super::Mutant;

macro_rules! postgres {
    ($test:literal) => {
        &["-p", "carrel-store-postgres", "--test", "postgres", "-E", concat!("test(", $test, ")")]
    };
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a push on PostgreSQL does not lock the learner",
        file: "crates/store-postgres/src/tx.rs",
        good: "if self.is_write() { \" FOR UPDATE\" } else { \"\" }",
        bad: "if self.is_write() { \"\" } else { \"\" }",
        tests: postgres!("change_numbers_are_exact_under_concurrent_pushes"),
    },
    Mutant {
        name: "on PostgreSQL, the absence of a row is not locked",
        file: "crates/store-postgres/src/tx.rs",
        good: "        self.lock(lock)?;\n        find()",
        bad: "        let _ = lock;\n        find()",
        tests: postgres!("of_concurrent_registrations_of_a_login_one_succeeds"),
    },
    Mutant {
        name: "the tables of PostgreSQL are not restricted to a tenant",
        file: "migrations/server-postgres/0009_tenants.sql",
        good: "EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);",
        bad: "",
        tests: postgres!("no_statement_of_a_tenant_reaches_another"),
    },
    Mutant {
        name: "a message reaches the streams of every tenant",
        file: "crates/store-postgres/src/messages.rs",
        good: "PoisonError::into_inner).get(&tenant)",
        bad: "PoisonError::into_inner).values().next_back().filter(|_| tenant > 0)",
        tests: unit!("carrel-store-postgres", "messages_are_sent_together"),
    },
    Mutant {
        name: "equal blobs of tenants are deleted with the first",
        file: "crates/server/src/jobs/share_blobs.rs",
        good: "if entry.links == 1 {",
        bad: "if entry.links <= 2 {",
        tests: unit!("carrel-server", "a_blob_of_two_tenants_is_stored_once"),
    },
    Mutant {
        name: "a moved server gets a new epoch",
        file: "crates/server/src/relocate.rs",
        good: "restore::Options { keep_epoch: true,",
        bad: "restore::Options { keep_epoch: false,",
        tests: &["-p", "carrel-server", "--test", "api", "-E", "test(a_moved_server_is_equal)"],
    },
    Mutant {
        name: "a failover of PostgreSQL keeps the epoch",
        file: "crates/store-postgres/src/epoch.rs",
        good: "stored.as_ref().is_some_and(|stored| *stored != now)",
        bad: "stored.as_ref().is_some_and(|stored| *stored != now && now.is_empty())",
        tests: postgres!("another_cluster_or_timeline_gives_a_new_epoch"),
    },
    Mutant {
        name: "a transaction that PostgreSQL aborted counts as committed",
        file: "crates/store-postgres/src/tx.rs",
        good: "            self.has_failed.set(true);",
        bad: "            self.has_failed.set(false);",
        tests: postgres!("a_transaction_with_a_failed_statement_is_not_committed"),
    },
    Mutant {
        name: "PostgreSQL writes a row that a join did not change",
        file: "crates/store-postgres/src/rows.rs",
        good: "let changed = columns != before.columns;",
        bad: "let changed = columns.0.len() == before.columns.0.len();",
        tests: postgres!("both_engines_merge_every_history_alike"),
    },
];
