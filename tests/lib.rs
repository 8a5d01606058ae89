//! Client and server together. Here: what the parts of the program share that tests start in order to kill it (`src/mortal`).

use std::{
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use carrel_core::{
    Result, SystemClock, SystemIds,
    account::FileSecrets,
    core::{Config, Core},
    http::LiveHttp,
};

/// A client on the folder `dir`, with real sockets, clock and ids. It keeps no event stream open.
pub async fn open(dir: &Path, name: &str) -> Result<Arc<Core>> {
    let ids = Arc::new(SystemIds);
    Core::open(Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Default::default(),
        demo_dir: None,
        http: Arc::new(LiveHttp::new("Carrel/test")?),
        clock: Arc::new(SystemClock::new()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: name.into(),
        app_version: "0.1.0".into(),
        listens: false,
    })
    .await
}

/// One line for the test that listens, on its way before this returns.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
