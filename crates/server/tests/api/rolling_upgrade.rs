//! An upgrade without a pause: processes of an older release and of this one share a PostgreSQL database under the load of
//! devices, until the last old one is replaced. `cargo xtask rolling-upgrade` names the older program.
//!
//! The older release creates the database and the accounts. The first process of this release migrates it.

use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::sync::watch;

use super::{
    postgres::{database_of, query},
    processes::{Device, Link, PATIENCE, PrintedLog, Process, Program, Rows, SETTINGS, reply_of},
    support::{PASSWORD, device, engine, fixture},
};

/// File of the older program.
const OLD_PROGRAM: &str = "CARREL_OLD_SERVER";
const LEARNERS: usize = 3;
const DEVICES: u128 = 2;
/// Number of confirmed batches in each state.
const BATCHES: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_processes_serve_the_same_devices() {
    let Some(old_file) = std::env::var_os(OLD_PROGRAM) else { return };
    assert!(engine().is_shared(), "run with CARREL_TEST_ENGINE=postgres");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let database = database_of(&folder);
    query("postgres", &format!("CREATE DATABASE {database}"));
    let settings = format!("{SETTINGS}registration_open = true\n");
    let new = Program::new(folder.clone(), fixture().variables(&folder), &settings);
    let old = Program { file: old_file.into(), ..new.clone() };
    let _log = PrintedLog(new.log.clone());
    let schema =
        || -> i64 { query(&database, "SELECT max(number) FROM schema_migration")[0].get(0) };

    let mut old_processes = vec![old.start().await, old.start().await];
    let before = schema();
    let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(10));
    let http = http.build().unwrap();
    for learner in 0..LEARNERS {
        let login = format!("learner-{learner}");
        let body =
            json!({"login": login, "name": login, "password": PASSWORD, "deviceId": device(1)});
        let url = format!("http://{}/api/auth/register", old_processes[0].address);
        let (status, reply) = reply_of(http.post(url).json(&body)).await.unwrap();
        assert!(status.is_success(), "{reply}");
    }
    let alive = |processes: &[&Process]| processes.iter().map(|p| Some(p.address)).collect();
    let (addresses, received) =
        watch::channel::<Vec<_>>(alive(&[&old_processes[0], &old_processes[1]]));
    let link = Link { http: http.clone(), addresses: received, lost: Arc::default() };
    let sent = Arc::new(Mutex::new(vec![Rows::new(); LEARNERS]));
    let (confirmed, mut count) = watch::channel(0);
    let (stop, stopped) = watch::channel(false);
    let mut devices = Vec::new();
    for learner in 0..LEARNERS {
        for number in 1..=DEVICES {
            let device = Device::sign_in(link.clone(), learner, number).await;
            let study = device.study(Arc::clone(&sent), confirmed.clone(), stopped.clone());
            devices.push(tokio::spawn(study));
        }
    }
    let mut batches = async |state: &str| {
        let from = *count.borrow_and_update();
        let begun = Instant::now();
        let wait = count.wait_for(|count| *count >= from + BATCHES);
        tokio::time::timeout(PATIENCE, wait).await.expect("the devices are served").unwrap();
        eprintln!("{state}: {BATCHES} batches in {} ms", begun.elapsed().as_millis());
    };
    batches("two old processes").await;
    // The first new process migrates the database under load.
    let begun = Instant::now();
    let first = new.start().await;
    let (after, took) = (schema(), begun.elapsed());
    batches("two old processes on the migrated database").await;
    addresses.send_replace(alive(&[&old_processes[0], &first]));
    batches("an old and a new process").await;
    // The old ones end: one is killed, one is asked to.
    addresses.send_replace(alive(&[&old_processes[1], &first]));
    old_processes.remove(0).kill();
    batches("the other old and the new process").await;
    let second = new.start().await;
    addresses.send_replace(alive(&[&first, &second]));
    old_processes.remove(0).replace().await;
    batches("two new processes").await;
    stop.send(true).unwrap();
    let mut studied = Vec::new();
    for device in devices {
        studied.push(device.await.unwrap());
    }
    // An old program says why it does not start on the new schema.
    if after > before {
        let mut command = Command::new(&old.file);
        command.arg("serve").arg("--data").arg(&folder).args(["--listen", "127.0.0.1:0"]);
        let output = command.envs(old.variables.clone()).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("of a newer release"), "{text}");
    }
    // Nothing is lost, and nothing is counted twice.
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    let mut rows = 0;
    for mut device in studied {
        device.pull().await;
        assert_eq!(device.replica, sent[device.learner], "learner {}", device.learner);
    }
    for (learner, expected) in sent.iter().enumerate() {
        let mut device = Device::sign_in(link.clone(), learner, 10).await;
        let numbers = device.pull().await;
        assert_eq!(device.replica, *expected, "learner {learner}");
        assert_eq!(numbers.len(), expected.len(), "a row was returned twice");
        rows += expected.len();
    }
    let log = std::fs::read_to_string(&new.log).unwrap();
    assert!(!log.contains("panicked"));
    let failed = log.lines().filter(|line| line.contains("job failed"));
    failed.for_each(|line| eprintln!("{line}"));
    eprintln!(
        "schema {before} to {after}, the first new process listened after {} ms; {} confirmed batches, {} lost replies, \
         {rows} rows",
        took.as_millis(),
        *confirmed.borrow(),
        *link.lost.lock().unwrap()
    );
}
