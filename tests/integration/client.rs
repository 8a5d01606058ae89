//! A complete client in its own folder.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_client::{Client, Config, OpenAccount, account::FileSecrets};
use carrel_commands::{Host, api::error::CommandError};
use carrel_content::library::Filter;
use carrel_learning::Step;
use carrel_model::lattice::{ItemKind, Row, RowType};
use carrel_net::{Http, LiveHttp};
use carrel_sqlite::rows::{self, Owner};
use carrel_sync::Status;
pub use carrel_testkit::within_a_minute;
use carrel_testkit::{
    FakeClock, Network, Rows, SeededIds, TestServer, content, device::PASSWORD, scratch::scratch,
};
use tempfile::TempDir;

/// Opens a client with the network `http`, the given clock, and ids from a seed.
pub async fn open(
    dir: &Path,
    http: Arc<dyn Http>,
    clock: &FakeClock,
    seed: u64,
    event_stream: bool,
) -> Arc<Client> {
    // Tests call blocking functions of the content crate on async threads.
    carrel_system::allow_blocking();
    let ids = Arc::new(SeededIds::new(seed));
    let config = Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Default::default(),
        demo_dir: None,
        http,
        clock: Arc::new(clock.clone()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: format!("device {seed}"),
        network: Default::default(),
        app_version: "0.1.0".into(),
        policies: Vec::new(),
        event_stream,
    };
    Client::open(config).await.expect("the client opens")
}

/// The commands of the UI for a client.
pub struct CommandHost {
    pub client: Arc<Client>,
}
impl Host for CommandHost {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        Ok(())
    }
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// Two devices on which `asha` is signed in.
pub struct TwoDevices {
    /// The laptop, then the tablet.
    pub hosts: [CommandHost; 2],
    /// Their networks, which forward everything at first.
    pub nets: [Arc<Network>; 2],
    _dirs: [TempDir; 2],
}

/// Registers `asha` on a laptop and signs in on a tablet.
pub async fn two_devices(server: &TestServer, clock: &FakeClock) -> TwoDevices {
    let dirs = [scratch(), scratch()];
    let nets = [Network::over(live_http()), Network::over(live_http())];
    let laptop = open(dirs[0].path(), nets[0].clone(), clock, 1, false).await;
    laptop.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let tablet = open(dirs[1].path(), nets[1].clone(), clock, 2, false).await;
    tablet.sign_in(&server.url(), "asha", PASSWORD).await.expect("signed in");
    let hosts = [CommandHost { client: laptop }, CommandHost { client: tablet }];
    TwoDevices { hosts, nets, _dirs: dirs }
}

/// Returns a network with real sockets.
pub fn live_http() -> Arc<dyn Http> {
    Arc::new(LiveHttp::new("Carrel/test").expect("the HTTP client"))
}

/// Returns the step that finishes the `n`th of the twelve sections.
pub fn finish_section(n: usize) -> Step {
    Step { done: true, ..Step::at(ItemKind::Section, content::sections()[n].clone()) }
}

/// Returns all rows of the open account.
pub async fn rows(account: &OpenAccount) -> Rows {
    let read = account.store.read(|conn| {
        let mut all = Rows::new();
        for row_type in RowType::ALL {
            all.extend(
                rows::all(conn, Owner::Client, *row_type)?.into_iter().map(|row| (row.key(), row)),
            );
        }
        Ok(all)
    });
    read.await.expect("the rows")
}

/// Returns the number of finished items.
pub fn finished_items(rows: &Rows) -> usize {
    let is_done = |row: &Row| matches!(row, Row::Progress(p) if p.done_ms.is_some());
    rows.values().filter(|row| is_done(row)).count()
}

/// A filter that matches the whole list.
pub const ALL: Filter = Filter {
    q: None,
    difficulty: None,
    level: None,
    category: None,
    lang: None,
    langs: Vec::new(),
    family: None,
    grouped: false,
    only: None,
    offset: 0,
    limit: 100,
};

/// Runs "Sync now" until the outbox is empty, at most six times: a reply may require another push or pull.
pub async fn sync(account: &OpenAccount) -> Status {
    let mut status = account.sync.sync_now().await.expect("the state of sync");
    for _ in 0..5 {
        if status.waiting == 0 {
            break;
        }
        status = account.sync.sync_now().await.expect("the state of sync");
    }
    status
}

/// Waits until `check` returns a value; it is called after each change event of the client.
pub async fn wait_until<T, F: Future<Output = Option<T>>>(
    client: &Client,
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let mut changes = client.changes().subscribe();
    within_a_minute(what, async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            // An error means missed events: `check` is called again.
            let _ = changes.recv().await;
        }
    })
    .await
}
