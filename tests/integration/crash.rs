//! Processes that record study work are killed at random moments: each change that was reported as stored is stored,
//! the file is intact, and in the end the server has all changes.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use carrel_model::{
    derive::time_studied,
    lattice::{Row, RowKey, RowType},
};
use carrel_sqlite::rows::{self, Owner};
use carrel_testkit::{
    FakeClock, Rows, SeededRng, TestServer, device::PASSWORD, oracle::compare, scratch::scratch,
};

use crate::client::{self, sync};

/// Default number of kills; `CARREL_KILLS` overrides it.
const KILLS: u64 = 200;

/// Starts a process and kills it after `lines` lines of output. Returns the lines that report a stored change.
fn run_process(dir: &Path, first: Option<&str>, lines: usize) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash_target"));
    command.arg("study").arg(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(server) = first {
        command.args([server, "asha", PASSWORD]);
    }
    let mut child = command.spawn().expect("the process starts");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let mut reported = Vec::new();
    let mut read = out.lines().map_while(Result::ok);
    let mut exited = false;
    for _ in 0..lines {
        match read.next() {
            Some(line) => reported.push(line),
            None => {
                exited = true;
                break;
            }
        }
    }
    // SIGKILL: no destructor runs.
    let _ = child.kill();
    // Lines in the pipe were written before the kill; the last one may be incomplete.
    reported.extend(read);
    let status = child.wait().expect("its exit status");
    let errors = child
        .stderr
        .take()
        .map(|e| BufReader::new(e).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    assert!(!exited || !status.success(), "the process exited before it was killed");
    assert!(
        !exited,
        "the process exited after {reported:?}: {status} {}",
        errors.unwrap_or_default()
    );
    reported.retain(|l| l.starts_with("stored "));
    reported
}

/// Checks the file's integrity and returns its rows.
fn read_rows(dir: &Path) -> Rows {
    let accounts = std::fs::read_dir(dir.join("data/accounts")).expect("the accounts");
    let folder =
        accounts.flatten().find(|f| f.path().join("user.db").is_file()).expect("an account").path();
    let conn = carrel_sqlite::open(&folder.join("user.db"), carrel_sqlite::Options::default())
        .expect("the file opens");
    carrel_sqlite::integrity_check(&conn).expect("the file is intact");
    let all = RowType::ALL.iter().flat_map(|t| rows::all(&conn, Owner::Client, *t).expect("rows"));
    all.map(|r| (r.key(), r)).collect()
}

/// Returns true if the rows contain the change that the line reports.
fn is_stored(rows: &Rows, line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let progress = |item: &str| match rows.get(&RowKey::of(RowType::Progress, &["section", item])) {
        Some(Row::Progress(p)) => Some(p.clone()),
        _ => None,
    };
    match words[..] {
        ["stored", "done", item] => progress(item).is_some_and(|p| p.done_ms.is_some()),
        ["stored", "percent", item, percent] => {
            progress(item).is_some_and(|p| p.percent >= percent.parse().unwrap_or(u16::MAX))
        }
        ["stored", "word", word] => {
            rows.values().any(|r| matches!(r, Row::Review(r) if r.word.as_str() == word))
        }
        ["stored", "answer", attempt, question, seq] => {
            match rows.get(&RowKey::of(RowType::Answer, &[attempt, question])) {
                Some(Row::Answer(a)) => a.seq >= seq.parse().unwrap_or(u32::MAX),
                _ => false,
            }
        }
        ["stored", "submit", attempt] => {
            let key = RowKey { row_type: RowType::Attempt, key: attempt.to_owned() };
            matches!(rows.get(&key), Some(Row::Attempt(a)) if a.submitted_ms.is_some())
        }
        ["stored", "time", item, ms] => {
            let sessions: Vec<_> = rows
                .values()
                .filter_map(|r| if let Row::Session(s) = r { Some(s) } else { None })
                .filter(|s| s.item.as_str() == item)
                .collect();
            time_studied(sessions) >= ms.parse().unwrap_or(i64::MAX)
        }
        _ => false,
    }
}

/// Returns true if the line is complete; the kill may truncate the last line.
fn is_complete(line: &str) -> bool {
    let words = line.split(' ').count();
    let expected = match line.split(' ').nth(1) {
        Some("done" | "word" | "submit") => 3,
        Some("percent" | "time") => 4,
        Some("answer") => 5,
        _ => return false,
    };
    words == expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_no_acknowledged_change() {
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(KILLS);
    // The processes use the machine's clock. The server's clock is an hour ahead, so that it refuses no stamp.
    let clock = FakeClock::new(
        carrel_system::Clock::now_ms(&carrel_system::SystemClock::new()) + 3_600_000,
    );
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let url = server.url();
    let path = dir.path().to_owned();
    let reported = tokio::task::spawn_blocking(move || {
        let rng = SeededRng::new(1);
        let mut all = run_process(&path, Some(&url), 12);
        assert!(!all.is_empty());
        for kill in 1..kills {
            // Some processes are killed while they open the account, some after a few lines, some later.
            let lines = match rng.below(10) {
                0 => rng.below(2) as usize,
                1..=6 => 2 + rng.below(12) as usize,
                _ => 2 + rng.below(60) as usize,
            };
            let reported = run_process(&path, None, lines);
            let rows = read_rows(&path);
            for line in reported.iter().filter(|l| is_complete(l)) {
                assert!(
                    is_stored(&rows, line),
                    "kill {kill}: {line:?} was reported and is not stored"
                );
            }
            all.extend(reported.into_iter().filter(|l| is_complete(l)));
        }
        all
    })
    .await
    .expect("the processes");

    // All reported changes are stored in the end, and the server receives them.
    let client = client::open(dir.path(), client::live_http(), &clock, 7, false).await;
    let account = client.account().expect("the account opens");
    assert!(account.store.opened().unclean, "the last process did not close the file");
    let status = sync(&account).await;
    assert_eq!((status.waiting, status.refused), (0, 0), "{status:?}");
    let rows = client::rows(&account).await;
    for line in reported.iter().filter(|l| is_complete(l)) {
        assert!(is_stored(&rows, line), "{line:?} was reported and is not stored in the end");
    }
    let user = client.account_info().expect("the account").user.id;
    compare(("server", &server.rows(user).await), ("device", &rows)).expect("both agree");
    print_summary(kills, reported.len(), rows.len());
}

#[expect(clippy::print_stdout, reason = "the log of a run contains its statistics")]
fn print_summary(kills: u64, reported: usize, rows: usize) {
    println!("{kills} kills, {reported} acknowledged writes, {rows} rows");
}
