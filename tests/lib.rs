//! Tests of client and server together. This library contains only helpers of `src/crash_target`, the program that
//! tests kill.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use carrel_client::{Client, Config, Result, Space, account::FileSecrets};
use carrel_content::storage::Failpoints;
use carrel_net::LiveHttp;
use carrel_system::{SystemClock, SystemIds};

/// Environment variable with the number of the step at which the process aborts.
pub const STEP: &str = "CARREL_TEST_STEP";

/// Returns failpoints that abort the process without unwinding at the step whose number is in `CARREL_TEST_STEP`
/// (first: 1); `None` if the variable is not set or not a number.
pub fn abort_at_failpoint() -> Option<Failpoints> {
    let last: u64 = std::env::var(STEP).ok()?.parse().ok()?;
    let passed = AtomicU64::new(0);
    Some(Arc::new(move |_| {
        if passed.fetch_add(1, Ordering::SeqCst) + 1 == last {
            std::process::abort();
        }
    }))
}

/// Opens a client in the folder `dir` with real sockets, clock and ids, without an event stream.
pub async fn open(dir: &Path, name: &str) -> Result<Arc<Client>> {
    open_with(dir, name, None).await
}

/// Like [`open`], but calls `failpoints` at each step of a change to content.
pub async fn open_with(
    dir: &Path,
    name: &str,
    failpoints: Option<Failpoints>,
) -> Result<Arc<Client>> {
    // Tests call blocking functions of the content crate on async threads.
    carrel_system::allow_blocking();
    let ids = Arc::new(SystemIds);
    Client::open(Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Space { failpoints, ..Space::default() },
        demo_dir: None,
        http: Arc::new(LiveHttp::new("Carrel/test")?),
        clock: Arc::new(SystemClock::new()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: name.into(),
        network: Default::default(),
        policies: Vec::new(),
        app_version: "0.1.0".into(),
        event_stream: false,
    })
    .await
}

/// Prints one line and flushes stdout.
pub fn report(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
