//! How much content there may be, for the whole client: an import beside somebody who wants the same space.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_core::{
    Changes, Clock, Error,
    account::FileSecrets,
    cable::{Found, Refusal},
    core::{Config, Core, Space},
    download::Phase,
    library::Kind,
    storage::{Disk, Storage, StorageOptions},
};
use carrel_testkit::{FakeClock, FakeDisk, SeededIds, device::PASSWORD, scratch::scratch};

use crate::{
    cable::{Alarm, both, opens_offline, phase, refused, school},
    desk,
};

const GIB: u64 = 1024 * 1024 * 1024;

/// A client whose content lies on a disk of a chosen size.
async fn open_on(dir: &Path, disk: impl Disk, clock: Arc<dyn Clock>, seed: u64) -> Arc<Core> {
    let ids = Arc::new(SeededIds::new(seed));
    let config = Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Space { disk: Arc::new(disk), ..Space::default() },
        demo_dir: None,
        http: desk::live(),
        clock,
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: format!("device {seed}"),
        app_version: "0.1.0".into(),
        listens: false,
    };
    Core::open(config).await.expect("the core opens")
}

/// The same content in another process.
fn another_process(dir: &Path, disk: impl Disk, clock: &FakeClock) -> Storage {
    let options = StorageOptions {
        dir: dir.to_owned(),
        policy_budget: None,
        disk: Arc::new(disk),
        clock: Arc::new(clock.clone()),
        changes: Changes::new(),
        steps: None,
        below: None,
    };
    Storage::open(options).expect("the content opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_imports_at_once_do_not_believe_in_the_same_space() {
    let s = school().await;
    let sent = s.core.export_courses(&both(), s.stick.path()).await.expect("a file");
    let (dir, disk) = (scratch(), FakeDisk::new(100 * GIB));
    let alarm = Arc::new(Alarm { clock: s.clock.clone(), ring: Mutex::default() });
    let core = open_on(dir.path(), disk.clone(), alarm.clone(), 2).await;
    let there = core.sign_in(&s.server.url(), "asha", PASSWORD).await.expect("a sign-in");
    let Found::Courses(found) = core.look_at(&sent.path).await.expect("a look") else {
        panic!("courses")
    };
    // There is space for one and a half of it.
    let (storage, need) = (there.content.library.storage().clone(), found.new_bytes);
    let free = storage.measure().expect("figures").free;
    storage.set_limits(None, Some(free - need * 3 / 2)).expect("a floor");
    let other = another_process(storage.dir(), disk, &s.clock);

    // The other one was promised as much: there is a word for that, and nothing was begun.
    let theirs = other.reserve(need).expect("a promise");
    let no = refused(core.import_courses(&sent.path, None).await.expect_err("half a course"));
    let Refusal::NoSpace { need: wanted, free } = no else { panic!("{no:?}") };
    assert!(wanted == need && free < need, "{wanted} and {free}");
    for kind in [Kind::Course, Kind::Story] {
        assert_eq!(phase(&there, kind), Phase::Absent);
    }
    assert_eq!(promises(&storage), 1, "theirs");
    drop(theirs);

    // The other way round: while the file comes its space is nobody else's.
    let asked = Arc::new(AtomicBool::new(false));
    *alarm.ring.lock().expect("the alarm") = Some(Arc::new({
        let (core, asked) = (Arc::downgrade(&core), asked.clone());
        move || {
            let travelled = core.upgrade().and_then(|c| c.cable().travelled());
            if travelled.is_some_and(|t| t.bytes_done > 0) && !asked.swap(true, Ordering::SeqCst) {
                assert!(
                    matches!(other.reserve(need), Err(Error::NoSpace { .. })),
                    "it is promised"
                );
            }
        }
    }));
    core.import_courses(&sent.path, None).await.expect("taken in");
    assert!(asked.load(Ordering::SeqCst));
    *alarm.ring.lock().expect("the alarm") = None;
    assert_eq!(promises(&storage), 0, "and given back");
    opens_offline(&there).await;
}

fn promises(storage: &Storage) -> i64 {
    let count = "SELECT count(*) FROM reservation";
    storage.db().with(|c| Ok(c.query_row(count, [], |r| r.get(0))?)).expect("the promises")
}
