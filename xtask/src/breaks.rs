//! `break`: breaks the code on purpose, one fault at a time, and wants to see a test go red. A fault that no test sees is a gap.
//!
//! Works on a copy of the tree (target/break), so that what is being edited is never touched.
//! Not here: why each fault matters; docs/TESTING.md has the table.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use crate::sh::{self, Result};

/// One fault: in `file`, `good` (which occurs once) becomes `bad`; then `tests` must fail.
struct Fault {
    name: &'static str,
    file: &'static str,
    good: &'static str,
    bad: &'static str,
    /// Arguments of `cargo nextest run`.
    tests: &'static [&'static str],
}

const FAULTS: &[Fault] = &[
    // The server.
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
        name: "a device goes on wherever it stands",
        file: "crates/core/src/sync/batch.rs",
        good: "self.reply.own_since.filter(|own| *own == pulled)?",
        bad: "self.reply.own_since.filter(|own| *own >= pulled)?",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
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
    // Packages.
    Fault {
        name: "a zip bomb that lies about its sizes is unpacked",
        file: "crates/package/src/unzip.rs",
        good: "if size > limits.ratio_from && size / limits.ratio > packed {",
        bad: "if size > limits.ratio_from && size / limits.ratio > packed && false {",
        tests: &["-p", "carrel-package"],
    },
    Fault {
        name: "any style in an SVG is plain",
        file: "crates/package/src/svg.rs",
        good: "fn is_plain_css(value: &str) -> bool {",
        bad: "fn is_plain_css(value: &str) -> bool {\n    if value.len() < usize::MAX { return true; }",
        tests: &["-p", "carrel-package"],
    },
    // The client.
    Fault {
        name: "no ballast",
        file: "crates/core/src/store/writer.rs",
        good: "if RESERVE.give_up_piece(&self.dir) {",
        bad: "if false && RESERVE.give_up_piece(&self.dir) {",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "a change that says nothing new waits all the same",
        file: "crates/core/src/store/tx.rs",
        good: "if !self.put(&row)? {\n            return Ok(false);\n        }\n        self.mark_dirty(&row.key())?;",
        bad: "self.put(&row)?;\n        self.mark_dirty(&row.key())?;",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "one transaction that fails takes its neighbours with it",
        file: "crates/core/src/store/writer.rs",
        good: "run(\"ROLLBACK TO job\")?;",
        bad: "return Err(e);",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "a transaction that fails alone is committed",
        file: "crates/core/src/store/writer.rs",
        good: "run(\"ROLLBACK\")?;",
        bad: "run(\"COMMIT\")?;",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "the cursor is stored, the rows in another transaction",
        file: "crates/core/src/sync/engine.rs",
        good: "match self.store.write(\"apply_pull\", move |tx| pull::take(tx, since, &epoch, &reply)).await",
        bad: "let (next, server) = (reply.next, reply.epoch.clone());\n        let known = epoch.clone();\n        let ahead = self.store.write(\"cursor\", move |tx| { if known.is_empty() || known == server { tx.state().epoch.clone_from(&server); tx.state().pulled = next; } Ok(()) }).await;\n        if ahead.is_err() { return Event::StoreFailed(Lane::Pull); }\n        match self.store.write(\"apply_pull\", move |tx| { tx.state().pulled = since; tx.state().epoch.clone_from(&epoch); pull::take(tx, since, &epoch, &reply) }).await",
        tests: &["-p", "carrel-core", "--test", "work"],
    },
    Fault {
        name: "a 500 settles the batch",
        file: "crates/core/src/sync/fault.rs",
        good: "(408 | 425 | 429 | 500..=599, problem) => busy(&problem),",
        bad: "(500, _) => Fault::Refused { code: ErrorCode::InvalidRequest, reason: \"500\".into() },\n        (408 | 425 | 429 | 500..=599, problem) => busy(&problem),",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "an outbox row is acknowledged whatever its revision is now",
        file: "crates/core/src/store/outbox.rs",
        good: "pub fn acknowledge(tx: &mut Tx<'_>, key: &RowKey, rev: i64) -> Result<bool> {\n    let sql = \"DELETE FROM outbox WHERE row_type = ?1 AND key = ?2 AND rev = ?3\";",
        bad: "pub fn acknowledge(tx: &mut Tx<'_>, key: &RowKey, rev: i64) -> Result<bool> {\n    let sql = \"DELETE FROM outbox WHERE row_type = ?1 AND key = ?2 AND ?3 <> 0\";",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "in a chain of batches only the last is acknowledged",
        file: "crates/core/src/sync/engine.rs",
        good: "self.settle(answered.take(), None), replies",
        bad: "self.settle(answered.take().filter(|_| false), None), replies",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "the window does not hear that more waits",
        file: "crates/commands/src/events.rs",
        good: "Change::Sync | Change::Outbox => status_changed = true,",
        bad: "Change::Sync => status_changed = true,\n            Change::Outbox => {}",
        tests: &["-p", "carrel-tests", "-E", "test(the_window_hears)"],
    },
    Fault {
        name: "a new epoch is only noted",
        file: "crates/core/src/sync/batch.rs",
        good: "tx.state().pulled = 0;\n    tx.mark_all_dirty()",
        bad: "Ok(())",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    Fault {
        name: "a lane that failed sets no next try",
        file: "crates/core/src/sync/machine.rs",
        good: "self.doing = Doing::Waiting(now + wait);",
        bad: "let _ = (now, wait);\n        self.doing = Doing::Idle;",
        tests: &["-p", "carrel-core", "--lib", "--test", "work"],
    },
    // Downloads.
    Fault {
        name: "another tag is believed",
        file: "crates/core/src/download/transfer.rs",
        good: "is_ok_and(|other| other != blob.hash)",
        bad: "is_ok_and(|_| false)",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "an unfinished file is begun anew at each try",
        file: "crates/core/src/download/transfer.rs",
        good: "            let before = part.len();",
        bad: "            part.restart()?;\n            let before = part.len();",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "Retry-After ends with any change",
        file: "crates/core/src/download/run.rs",
        good: "Wait::World if world.changed()",
        bad: "_ if world.changed()",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "a download that is about to wait does not hear the learner",
        file: "crates/core/src/download/run.rs",
        good: "self.nudge.notify_one();",
        bad: "self.nudge.notify_waiters();",
        tests: &["-p", "carrel-core", "--lib"],
    },
    Fault {
        name: "a long file gives its place to nobody",
        file: "crates/core/src/download/slots.rs",
        good: "s.running + s.promised + 2 <= mine",
        bad: "s.running + s.promised + 99 <= mine",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "ready before the media are here",
        file: "crates/core/src/download/work.rs",
        good: "job.fetch(&Pile::new(rest, &needs, run)).await?;",
        bad: "let _ = (&rest, &needs, &run);",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "rules are not looked at while it runs",
        file: "crates/core/src/download/run.rs",
        good: "Err(reason) => return Err(Halt::Held(reason)),",
        bad: "Err(reason) => drop(reason),",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "the hash of a download is not looked at",
        file: "crates/core/src/download/transfer.rs",
        good: "if part.len() == blob.size && part.is_proved() {",
        bad: "if part.len() == blob.size {",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    // Storage.
    Fault {
        name: "what is pinned goes like anything else",
        file: "crates/core/src/storage/evict.rs",
        good: "v.pins > 0)\";",
        bad: "v.pins > 99)\";",
        tests: &["-p", "carrel-core", "--test", "storage"],
    },
    Fault {
        name: "nothing is near",
        file: "crates/core/src/storage/evict.rs",
        good: "\"NOT EXISTS (SELECT 1 FROM near x WHERE x.hash = b.hash)\"",
        bad: "\"1\"",
        tests: &["-p", "carrel-core", "--test", "storage"],
    },
    Fault {
        name: "what became free meanwhile is not looked at again",
        file: "crates/core/src/storage/evict.rs",
        good: "WHERE b.hash = ?1 AND {}\",",
        bad: "WHERE b.hash = ?1 AND ({} OR 1)\",",
        tests: &["-p", "carrel-core", "--test", "storage"],
    },
    Fault {
        name: "a file that was replaced is written on",
        file: "crates/core/src/cache/part.rs",
        good: "    same().unwrap_or(false)\n",
        bad: "    same().is_ok()\n",
        tests: &["-p", "carrel-core", "--test", "storage"],
    },
    Fault {
        name: "an answer is written below the floor",
        file: "crates/core/src/cache/entries.rs",
        good: "is_some_and(|may| !may(size))",
        bad: "is_some_and(|may| !may(size) && false)",
        tests: &["-p", "carrel-core", "--test", "storage"],
    },
    Fault {
        name: "the disk is asked for each answer",
        file: "crates/core/src/storage/spare.rs",
        good: "now.abs_diff(s.at_ms) < GOOD_FOR_MS as u64",
        bad: "now.abs_diff(s.at_ms) < GOOD_FOR_MS as u64 && now < 0",
        tests: &["-p", "carrel-core", "--test", "storage"],
    },
    Fault {
        name: "what the machine's store gave up is not noticed when it is opened",
        file: "crates/core/src/library/mod.rs",
        good: "let lost = came == Came::Asked && ",
        bad: "let lost = came == Came::Asked && false && ",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "what the machine's store gave up is not noticed at the start",
        file: "crates/core/src/storage/sweep.rs",
        good: "        self.sweep_needs(&mut swept)?;\n",
        bad: "        if false { self.sweep_needs(&mut swept)?; }\n",
        tests: &["-p", "carrel-core", "--test", "downloads"],
    },
    Fault {
        name: "content moves into itself by a link",
        file: "crates/core/src/storage/place.rs",
        good: "(real(&self.current()), real(to))",
        bad: "(real(&self.current()), to.to_owned())",
        tests: &["-p", "carrel-tests", "--test", "together", "-E", "test(content_is_moved)"],
    },
    Fault {
        name: "a move that was refused at its end goes on later",
        file: "crates/core/src/core/content.rs",
        good: "            Err(e) => places.give_up().and(Err(e)),\n",
        bad: "            Err(e) => Err(e),\n",
        tests: &["-p", "carrel-tests", "--test", "together", "-E", "test(content_is_moved)"],
    },
    // Media.
    Fault {
        name: "a picture without a width is not looked at",
        file: "crates/core/src/media/mod.rs",
        good: "match images.whole(hash, &place).await {",
        bad: "match images.whole(hash, &place).await.or(Ok::<(), Refusal>(())) {",
        tests: &["-p", "carrel-core", "--test", "loopback"],
    },
    Fault {
        name: "the first frame of a GIF may be as large as it likes",
        file: "crates/core/src/images/decode.rs",
        good: "(width.max(frame.0), height.max(frame.1))",
        bad: "(width.max(frame.0 * 0), height.max(frame.1 * 0))",
        tests: &["-p", "carrel-core", "--test", "loopback"],
    },
    // By cable.
    Fault {
        name: "what a file brought does not wait for the server",
        file: "crates/core/src/store/tx.rs",
        good: "let changed = self.apply_remote(row)?;\n        if changed {\n            self.mark_dirty(&key)?;",
        bad: "let changed = self.apply_remote(row)?;\n        if changed {\n            let _ = &key;",
        tests: &["-p", "carrel-core", "-p", "carrel-tests", "-E", "test(cable)"],
    },
    Fault {
        name: "another key speaks for a library that is known",
        file: "crates/core/src/cable/trust.rs",
        good: "if known.iter().flatten().any(|k| k != key) {",
        bad: "if known.iter().flatten().any(|k| k != key) && key.is_empty() {",
        tests: &["-p", "carrel-core", "-p", "carrel-tests", "-E", "test(cable)"],
    },
    Fault {
        name: "an import promises nothing",
        file: "crates/core/src/cable/receive.rs",
        good: "need => Some(library.storage().reserve(need).map_err(|e| no_space(e, need))?),",
        bad: "need => library.storage().reserve(need).map(|_| None::<crate::storage::Reservation>).map_err(|e| no_space(e, need))?,",
        tests: &["-p", "carrel-tests", "--test", "together", "-E", "test(two_imports)"],
    },
];

pub fn run(args: &[String]) -> Result {
    let chosen: Vec<&Fault> = FAULTS
        .iter()
        .filter(|f| {
            args.is_empty()
                || args.iter().any(|a| f.name.contains(a.as_str()) || f.file.contains(a.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        return Err("no fault has such a name or file".into());
    }
    let tree = copy()?;
    let mut unseen = Vec::new();
    for fault in &chosen {
        let start = Instant::now();
        // A fault that cannot be put in any more is a gap too, and no reason to leave the others out.
        let word = match try_one(&tree, fault) {
            Ok(true) => "red".to_owned(),
            Ok(false) => "NOT SEEN".to_owned(),
            Err(e) => format!("NOT TRIED: {e}"),
        };
        println!("{word:<9} {:>6.1} s  {}", start.elapsed().as_secs_f64(), fault.name);
        if word != "red" {
            unseen.push(fault.name);
        }
    }
    if unseen.is_empty() {
        println!("all {} faults were seen", chosen.len());
        Ok(())
    } else {
        Err(format!("no test saw: {}", unseen.join("; ")))
    }
}

/// The tracked files as they are now, in a place of their own. Files that did not change keep their times, so that little is built.
fn copy() -> Result<PathBuf> {
    let tree = sh::target().join("break");
    let listed = sh::output(sh::program("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    for name in listed.lines() {
        let (from, to) = (sh::root().join(name), tree.join(name));
        // Deleted, and not committed yet.
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        let failed = |e: std::io::Error| format!("{}: {e}", to.display());
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir).map_err(failed)?;
        }
        fs::write(&to, bytes).map_err(failed)?;
    }
    Ok(tree)
}

/// True if the tests went red with the fault in, and the code was built.
fn try_one(tree: &Path, fault: &Fault) -> Result<bool> {
    let path = tree.join(fault.file);
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let sound = fs::read_to_string(&path).map_err(failed)?;
    if sound.matches(fault.good).count() != 1 {
        return Err(format!("{}: the line to break is not there once: {}", fault.file, fault.name));
    }
    fs::write(&path, sound.replace(fault.good, fault.bad)).map_err(failed)?;
    let cargo = |verb: &[&str]| {
        let mut command = sh::cargo();
        command
            .current_dir(tree)
            .args(verb)
            .args(fault.tests)
            // The dependencies are the same; only this tree's own crates are built anew.
            .env("CARGO_TARGET_DIR", sh::target());
        command
    };
    let built = sh::output(cargo(&["nextest", "run", "--locked", "--no-run"]).stdin(Stdio::null()));
    let outcome = built.map(|_| {
        sh::output(&mut cargo(&["nextest", "run", "--locked", "--fail-fast", "--retries", "0"]))
            .is_err()
    });
    fs::write(&path, sound).map_err(failed)?;
    outcome.map_err(|e| format!("{}: does not build: {e}", fault.name))
}
