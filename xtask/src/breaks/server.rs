//! Faults of the server.

use super::Fault;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "a refresh token that is used twice is never noticed",
        file: "crates/server/src/store/sqlite/account.rs",
        good: "_ if line.generation > redeemed.map_or(floor, |(last, _)| last) => {",
        bad: "_ if line.generation > redeemed.map_or(floor, |(last, _)| last) || now_ms > 0 => {",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "another learner's progress can be read",
        file: "crates/server/src/http/learner.rs",
        good: "if user != learner.user.id {",
        bad: "if user != learner.user.id && false {",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "a row that says nothing new takes a change number",
        file: "crates/server/src/store/sqlite/learner.rs",
        good: "if joined.changed {\n            self.done.usn += 1;",
        bad: "if true {\n            self.done.usn += 1;",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "who sent a part is told that it is all",
        file: "crates/server/src/store/sqlite/learner.rs",
        good: "self.news |= joined.changed && !joined.as_sent;",
        bad: "self.news |= joined.changed && !joined.changed;",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "a request that fails alone is committed",
        file: "crates/server/src/store/sqlite/writer.rs",
        good: "if alone.run(conn) { \"COMMIT\" } else { \"ROLLBACK\" }",
        bad: "if alone.run(conn) { \"COMMIT\" } else { \"COMMIT\" }",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "a restored database keeps its epoch",
        file: "crates/server/src/restore.rs",
        good: "let epoch = sqlite::set_epoch(&conn)?;",
        bad: "let epoch = sqlite::fact(&conn, \"epoch\")?.unwrap_or_default();",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "If-Range goes by a weak tag too",
        file: "crates/server/src/range.rs",
        good: "if_range.is_none_or(|t| t.trim() == tag)",
        bad: "if_range.is_none_or(|t| names_tag(t, tag))",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "a device hears its own news",
        file: "crates/server/src/http/sync.rs",
        good: "Ok(Signal::News { from, .. }) if from == learner.sign_in => {}",
        bad: "Ok(Signal::News { from, .. }) if from == learner.sign_in && false => {}",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "an attempt that has a grade is not graded again",
        file: "crates/server/src/store/sqlite/learner.rs",
        good: "if let Some(grade) = grading::regrade(&quiz, id, &answers, old.as_ref(), now_ms) {",
        bad: "if let Some(grade) = grading::regrade(&quiz, id, &answers, old.as_ref(), now_ms).filter(|_| old.is_none()) {",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
    Fault {
        name: "a push may be as large as it likes",
        file: "crates/server/src/http/sync.rs",
        good: "pub const PUSH_BODY: usize = MAX_PUSH_BYTES + 16 * 1024;",
        bad: "pub const PUSH_BODY: usize = MAX_PUSH_BYTES * 1024;",
        tests: &["-p", "carrel-server", "--lib", "--test", "api"],
    },
];
