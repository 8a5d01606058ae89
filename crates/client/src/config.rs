//! What a client is started with.

use std::{path::PathBuf, sync::Arc};

use carrel_content::storage::Steps;
use carrel_net::{Http, SecretStore};
use carrel_system::{Clock, Disk, IdGen, SystemDisk};

/// The folders, the network, the clock and the identity of a client.
#[derive(Clone)]
pub struct Config {
    /// Accounts, learners' work, tokens: never deleted by the system.
    pub data_dir: PathBuf,
    /// Content: can be fetched again.
    pub cache_dir: PathBuf,
    pub space: Space,
    /// The library that came with this build.
    pub demo_dir: Option<PathBuf>,
    pub http: Arc<dyn Http>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
    /// None: the system's keychain, with an encrypted file to fall back to.
    pub secrets: Option<Arc<dyn SecretStore>>,
    /// For people: "Asha's laptop".
    pub device_name: String,
    pub app_version: String,
    /// Keep an event stream open, so that the work of other devices is shown at once.
    pub listens: bool,
}

/// Where content lies and how much space it may take.
#[derive(Clone)]
pub struct Space {
    /// A folder for all users of this machine; none: `cache_dir`.
    pub content_dir: Option<PathBuf>,
    /// The most that the organisation allows, in bytes.
    pub policy_budget: Option<u64>,
    pub disk: Arc<dyn Disk>,
    /// Called at each step of a change of content; tests end the process there.
    pub steps: Option<Steps>,
}

impl Default for Space {
    fn default() -> Self {
        Self { content_dir: None, policy_budget: None, disk: Arc::new(SystemDisk), steps: None }
    }
}
