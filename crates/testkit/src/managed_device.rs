//! A device of an organisation: a whole client with a policy file, over real connections.
//!
//! Not here: commands of the UI on it, which tests of the integration dispatch.

use std::{fs, path::Path, sync::Arc};

use carrel_client::{Client, Config, account::FileSecrets, carrel_policy::Source};
use carrel_net::LiveHttp;
use serde_json::Value;
use tempfile::TempDir;

use crate::{FakeClock, SeededIds, scratch::scratch};

/// A client in a folder of its own, whose policies a test changes.
pub struct ManagedDevice {
    dir: TempDir,
    pub client: Arc<Client>,
}

impl ManagedDevice {
    /// Opens the client with a policy file; `seed` is that of its ids.
    pub async fn new(clock: &FakeClock, seed: u64, policies: &Value) -> Self {
        carrel_system::allow_blocking();
        let dir = scratch();
        let path = dir.path().join("policies.json");
        fs::write(&path, policies.to_string()).expect("a policy file");
        let ids = Arc::new(SeededIds::new(seed));
        let client = Client::open(Config {
            data_dir: dir.path().join("data"),
            cache_dir: dir.path().join("cache"),
            space: Default::default(),
            demo_dir: None,
            http: Arc::new(LiveHttp::new("Carrel/test").expect("the HTTP client")),
            clock: Arc::new(clock.clone()),
            ids: ids.clone(),
            secrets: Some(Arc::new(FileSecrets::new(dir.path(), ids))),
            device_name: "laptop".into(),
            app_version: "0.1.0".into(),
            network: Default::default(),
            policies: vec![Source::File { path, of_machine: false }],
            event_stream: false,
        })
        .await
        .expect("the client opens");
        Self { dir, client }
    }

    /// Replaces the policies while the client runs.
    pub async fn set_policies(&self, policies: &Value) {
        fs::write(self.dir.path().join("policies.json"), policies.to_string())
            .expect("a policy file");
        self.client.reload_policies().await;
    }

    /// Returns true if a file of the client contains the text. The policy file is not one of them.
    pub fn contains(&self, text: &str) -> bool {
        ["data", "cache"].iter().any(|name| contains(&self.dir.path().join(name), text))
    }
}

fn contains(path: &Path, text: &str) -> bool {
    if path.is_dir() {
        let mut entries = fs::read_dir(path).expect("a folder");
        return entries.any(|entry| contains(&entry.expect("an entry").path(), text));
    }
    fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes()))
}
