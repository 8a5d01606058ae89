//! The policies in force while the client runs: reading them again, and what they allow.
//!
//! Policies are applied when a value is read. They are never stored among the accounts or settings, so that removing a
//! policy restores what the learner chose.
//!
//! Not here: the keys and their sources (`carrel_policy`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use carrel_content::download::{Metered, Rules};
use carrel_net::{NetworkSettings, ProxyMode};
use carrel_policy::{
    Loaded, MeteredDownloads, Policies, PolicyReport, ProxyPolicy, SignInMethod, Source, load_from,
};
use carrel_update::UpdatePolicy;
use parking_lot::RwLock;

use crate::{Error, Result};

/// How often the sources are read again.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// The policies in force. Clones share state.
#[derive(Clone)]
pub(crate) struct PolicyState {
    sources: Arc<[Source]>,
    loaded: Arc<RwLock<Arc<Loaded>>>,
}

impl PolicyState {
    /// Reads the sources. Blocking.
    pub fn open(sources: &[Source]) -> Self {
        let loaded = load_from(sources);
        for problem in &loaded.report.problems {
            tracing::warn!(%problem, "a policy has a problem");
        }
        Self { sources: sources.into(), loaded: Arc::new(RwLock::new(Arc::new(loaded))) }
    }

    pub fn current(&self) -> Arc<Loaded> {
        self.loaded.read().clone()
    }

    /// Reads the sources again. Returns true if anything changed. Blocking.
    ///
    /// While a source exists that cannot be used, for example a file that is just being written, the policies from
    /// before stay in force.
    pub fn reload(&self) -> bool {
        let (old, mut new) = (self.current(), load_from(&self.sources));
        if new.report.has_failed_source() {
            let report = PolicyReport { entries: old.report.entries.clone(), ..new.report };
            new = Loaded { policies: old.policies.clone(), report };
        }
        let has_changed = *old != new;
        if has_changed {
            for problem in &new.report.problems {
                tracing::warn!(%problem, "a policy has a problem");
            }
            *self.loaded.write() = Arc::new(new);
        }
        has_changed
    }

    /// Checks that learners may use the server at this address.
    pub fn check_server(&self, address: &str) -> Result<()> {
        let loaded = self.current();
        if loaded.policies.allows_server(address) {
            return Ok(());
        }
        let key = if loaded.policies.server_address_locked {
            "ServerAddressLocked"
        } else {
            "AllowedServers"
        };
        Err(refused(format!("the server {address}"), key))
    }

    /// Checks that learners may start in this way.
    pub fn check_sign_in(&self, method: SignInMethod) -> Result<()> {
        if self.current().policies.allows_sign_in(method) {
            return Ok(());
        }
        Err(refused(format!("starting with: {}", method.name()), "SignInMethods"))
    }

    /// Returns the organisation's enrolment token for the server with this address. No other server gets it.
    pub fn enrolment_token(&self, address: &str) -> Option<String> {
        let loaded = self.current();
        let policies = &loaded.policies;
        let is_theirs = policies.server_address.as_deref() == Some(address.trim_end_matches('/'));
        policies.enrolment_token.clone().filter(|_| is_theirs)
    }

    /// Checks that learners may import courses from files.
    pub fn check_course_import(&self) -> Result<()> {
        let is_allowed = self.current().policies.import_courses;
        if is_allowed { Ok(()) } else { Err(refused("importing courses", "ImportCourses")) }
    }

    /// Checks that learners may import work from files.
    pub fn check_work_import(&self) -> Result<()> {
        let is_allowed = self.current().policies.import_work;
        if is_allowed { Ok(()) } else { Err(refused("importing work", "ImportWork")) }
    }

    /// Changes the rules of downloads as far as the organisation fixes them.
    pub fn fix_rules(&self, rules: Rules) -> Rules {
        match self.current().policies.download_on_metered {
            None => rules,
            Some(fixed) => Rules { metered: metered(fixed), metered_fixed: true, ..rules },
        }
    }
}

/// Returns the error for something that a policy forbids.
pub(crate) fn refused(what: impl Into<String>, key: &'static str) -> Error {
    Error::Managed { what: what.into(), key }
}

fn metered(fixed: MeteredDownloads) -> Metered {
    match fixed {
        MeteredDownloads::Never => Metered::Never,
        MeteredDownloads::Small => Metered::Small,
        MeteredDownloads::Always => Metered::Always,
    }
}

/// Returns the settings of the network that the policies fix. Reads the file of certificate authorities, so it blocks.
/// A file that cannot be read is left out and logged: without it, the connections that need it report the cause.
pub fn network_settings(policies: &Policies) -> NetworkSettings {
    let proxy = match &policies.proxy {
        ProxyPolicy::System => ProxyMode::System,
        ProxyPolicy::Direct => ProxyMode::Direct,
        ProxyPolicy::Manual { url, bypass } => {
            ProxyMode::Fixed { url: url.clone(), bypass: bypass.clone() }
        }
        ProxyPolicy::Pac { url } => ProxyMode::Script { url: url.clone() },
    };
    let extra_ca = policies.extra_ca.as_ref().and_then(read_ca).into_iter().collect();
    let mirror = policies.mirror.clone();
    NetworkSettings { proxy, extra_ca, mirror, ..NetworkSettings::default() }
}

/// Returns the rules for updates that the policies fix. `urls`: the addresses of the feed in this build, which are used if
/// the policies name none. A mirror is asked first.
pub fn update_policy(policies: &Policies, urls: &[String]) -> UpdatePolicy {
    let mode = policies.update_mode.and_then(|mode| mode.name().parse().ok());
    let channel = policies.update_channel.and_then(|channel| channel.name().parse().ok());
    let mirror =
        policies.mirror.as_ref().map(|url| format!("{}/updates", url.trim_end_matches('/')));
    let feed = policies.update_url.as_ref().map_or(urls, std::slice::from_ref);
    UpdatePolicy {
        mode: mode.unwrap_or_default(),
        channel: channel.unwrap_or_default(),
        urls: mirror.into_iter().chain(feed.iter().cloned()).collect(),
        managed_packages: policies.self_update_managed_packages,
    }
}

fn read_ca(path: &PathBuf) -> Option<Vec<u8>> {
    match std::fs::read(path) {
        Ok(pem) => Some(pem),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the file in ExtraCaFile cannot be read");
            None
        }
    }
}
