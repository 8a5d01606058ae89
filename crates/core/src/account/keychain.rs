//! The system's keychain. It is asked in a thread of its own with a time limit: a keychain that wants to ask a person, or that hangs, is
//! as good as none.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use super::SecretStore;
use crate::{Error, Result};

#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows", target_os = "ios"))]
const SERVICE: &str = "Carrel";
/// A local call that takes longer waits for a person.
const LIMIT: Duration = Duration::from_secs(3);

/// Tokens in the keychain, one entry for each account.
pub struct Keychain {
    _probed: (),
}

impl Keychain {
    /// A keychain that answered within three seconds; else none.
    pub fn probe() -> Option<Self> {
        let works = within(|| {
            native::ready()?;
            // Whether reading works is known only by reading.
            native::get("probe").map(|_| ())
        });
        match works {
            Ok(()) => Some(Self { _probed: () }),
            Err(e) => {
                tracing::info!(error = %e, "no keychain here");
                None
            }
        }
    }
}

impl SecretStore for Keychain {
    fn get(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_owned();
        within(move || native::get(&name))
    }
    fn set(&self, name: &str, secret: &str) -> Result<()> {
        let (name, secret) = (name.to_owned(), secret.to_owned());
        within(move || native::set(&name, &secret))
    }
    fn delete(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        within(move || native::delete(&name))
    }
}

fn within<T: Send + 'static>(call: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (reply, answer) = mpsc::channel();
    std::thread::Builder::new().name("carrel-keychain".into()).spawn(move || {
        let _ = reply.send(call());
    })?;
    answer.recv_timeout(LIMIT).map_err(|e| match e {
        RecvTimeoutError::Timeout => Error::Keychain("no answer in time".into()),
        RecvTimeoutError::Disconnected => Error::Keychain("the call ended badly".into()),
    })?
}

#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows", target_os = "ios"))]
mod native {
    use super::{Error, Result, SERVICE};

    /// Whether a call can be made at all without asking a person.
    #[cfg(target_os = "linux")]
    pub(super) fn ready() -> Result<()> {
        use dbus_secret_service::{EncryptionType, SecretService};
        // Without an address the library would start a bus of its own.
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map(|d| std::path::Path::new(&d).join("bus"));
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none()
            && !runtime.is_some_and(|bus| bus.exists())
        {
            return Err(Error::Keychain("there is no session bus".into()));
        }
        let failed = |e: dbus_secret_service::Error| Error::Keychain(e.to_string());
        let service = SecretService::connect_with_max_prompt_timeout(EncryptionType::Plain, 0)
            .map_err(failed)?;
        let collection = service.get_default_collection().map_err(failed)?;
        if collection.is_locked().map_err(failed)? {
            return Err(Error::Keychain("the keychain is locked".into()));
        }
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    pub(super) fn ready() -> Result<()> {
        Ok(())
    }

    fn entry(name: &str) -> Result<keyring::Entry> {
        keyring::Entry::new(SERVICE, name).map_err(failed)
    }
    fn failed(e: keyring::Error) -> Error {
        Error::Keychain(e.to_string())
    }
    pub(super) fn get(name: &str) -> Result<Option<String>> {
        match entry(name)?.get_password() {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }
    pub(super) fn set(name: &str, secret: &str) -> Result<()> {
        ready()?;
        entry(name)?.set_password(secret).map_err(failed)
    }
    pub(super) fn delete(name: &str) -> Result<()> {
        match entry(name)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(e) => Err(failed(e)),
        }
    }
}

/// Elsewhere the file serves.
#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "windows",
    target_os = "ios"
)))]
mod native {
    use super::{Error, Result};

    pub(super) fn ready() -> Result<()> {
        Err(Error::Keychain("there is none on this system".into()))
    }
    pub(super) fn get(_: &str) -> Result<Option<String>> {
        ready().map(|()| None)
    }
    pub(super) fn set(_: &str, _: &str) -> Result<()> {
        ready()
    }
    pub(super) fn delete(_: &str) -> Result<()> {
        ready()
    }
}
