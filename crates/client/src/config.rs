//! The start-up configuration of a client.
//!
//! Not here: the learner's settings (`carrel_learning`).

use std::{path::PathBuf, sync::Arc};

use carrel_content::storage::Failpoints;
use carrel_net::{Http, NetworkSettings, SecretStore};
use carrel_policy::Source;
use carrel_system::{Clock, Disk, IdGen, SystemDisk};

/// The folders, the network, the clock and the identity of a client.
#[derive(Clone)]
pub struct Config {
    /// Folder for accounts, learning records and tokens, which the system never deletes.
    pub data_dir: PathBuf,
    /// Folder for content, which can be downloaded again.
    pub cache_dir: PathBuf,
    pub space: Space,
    /// Folder of the demo library; none if this build includes none.
    pub demo_dir: Option<PathBuf>,
    pub http: Arc<dyn Http>,
    /// The settings with which `http` was created: those of the organisation, without credentials.
    pub network: NetworkSettings,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
    /// None: the system's keychain, with an encrypted file as fallback.
    pub secrets: Option<Arc<dyn SecretStore>>,
    /// Display name, for example "Asha's laptop".
    pub device_name: String,
    pub app_version: String,
    /// The sources of the organisation's policies; empty: none.
    pub policies: Vec<Source>,
    /// Keeps an event stream open, so that changes from other devices are shown without delay.
    pub event_stream: bool,
}

/// Where content is stored and how much space it may use, unless a policy says something else.
#[derive(Clone)]
pub struct Space {
    /// Folder shared by all users of this machine; none: this user's own folder.
    pub content_dir: Option<PathBuf>,
    /// The organisation's limit for content, in bytes.
    pub policy_budget: Option<u64>,
    pub disk: Arc<dyn Disk>,
    /// Called at each step of a content change; tests use it to end the process there.
    pub failpoints: Option<Failpoints>,
}

impl Default for Space {
    fn default() -> Self {
        Self {
            content_dir: None,
            policy_budget: None,
            disk: Arc::new(SystemDisk),
            failpoints: None,
        }
    }
}
