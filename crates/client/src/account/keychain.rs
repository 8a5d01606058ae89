//! The operating system's keychain, called on a separate thread with a time limit. A keychain that prompts the user or
//! hangs counts as unavailable.
//!
//! Not here: the encrypted file used when there is no keychain (`secrets`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use carrel_net::{Error, Result, SecretStore};
use carrel_system::assert_may_block;

#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows", target_os = "ios"))]
const SERVICE: &str = "Carrel";
/// Time limit of a call. A call that takes longer has probably opened a prompt.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Result of `Keychain::probe`.
pub enum ProbeResult {
    Works(Arc<dyn SecretStore>),
    /// This system has no keychain.
    Absent,
    /// The keychain exists but does not respond now: it is locked, hanging or not started.
    Unavailable(Error),
}

/// Stores tokens in the keychain, one entry per account.
pub struct Keychain {
    _private: (),
}

impl Keychain {
    /// Checks whether the keychain works. Blocks for at most `CALL_TIMEOUT`.
    pub fn probe() -> ProbeResult {
        // A test read, because a keychain that exists may be unreadable.
        match call_with_timeout(|| Ok(native::exists()? && native::get("probe").map(|_| true)?)) {
            Ok(true) => ProbeResult::Works(Arc::new(Self { _private: () })),
            Ok(false) => {
                tracing::info!("no keychain on this system");
                ProbeResult::Absent
            }
            Err(e) => {
                tracing::info!(error = %e, "the keychain is unavailable");
                ProbeResult::Unavailable(e)
            }
        }
    }
}

impl SecretStore for Keychain {
    fn get(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_owned();
        call_with_timeout(move || native::get(&name))
    }
    fn set(&self, name: &str, secret: &str) -> Result<()> {
        let (name, secret) = (name.to_owned(), secret.to_owned());
        call_with_timeout(move || native::set(&name, &secret))
    }
    fn delete(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        call_with_timeout(move || native::delete(&name))
    }
}

/// Number of calls that have not returned. While it is not 0, other calls fail at once, because they would wait for the
/// same prompt.
static PENDING_CALLS: AtomicUsize = AtomicUsize::new(0);

/// Counts a call in `PENDING_CALLS` until it returns or panics.
struct PendingCall;
impl PendingCall {
    fn new() -> Self {
        PENDING_CALLS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}
impl Drop for PendingCall {
    fn drop(&mut self) {
        PENDING_CALLS.fetch_sub(1, Ordering::SeqCst);
    }
}

fn call_with_timeout<T: Send + 'static>(
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    assert_may_block();
    if PENDING_CALLS.load(Ordering::SeqCst) > 0 {
        return Err(Error::Secrets("an earlier call to the keychain is still running".into()));
    }
    let pending = PendingCall::new();
    let (reply, result) = mpsc::channel();
    std::thread::Builder::new().name("carrel-keychain".into()).spawn(move || {
        let outcome = call();
        drop(pending);
        let _ = reply.send(outcome);
    })?;
    result.recv_timeout(CALL_TIMEOUT).map_err(|e| match e {
        RecvTimeoutError::Timeout => Error::Secrets("the keychain did not respond in time".into()),
        RecvTimeoutError::Disconnected => {
            Error::Secrets("the call to the keychain panicked".into())
        }
    })?
}

#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows", target_os = "ios"))]
mod native {
    use super::{Error, Result, SERVICE};

    /// Returns false if this system has no keychain: no session bus, no secret service, or no default collection.
    #[cfg(target_os = "linux")]
    pub(super) fn exists() -> Result<bool> {
        use dbus_secret_service::{EncryptionType, Error as Service, SecretService};
        // Without an address, `connect` would start a new bus.
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map(|d| std::path::Path::new(&d).join("bus"));
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none()
            && !runtime.is_some_and(|bus| bus.exists())
        {
            return Ok(false);
        }
        let connected = SecretService::connect_with_max_prompt_timeout(EncryptionType::Plain, 0);
        let found = connected.and_then(|service| service.get_default_collection().map(|_| true));
        match found {
            Err(Service::Unavailable | Service::NoResult) => Ok(false),
            Err(Service::Dbus(e))
                if e.name() == Some("org.freedesktop.DBus.Error.ServiceUnknown") =>
            {
                Ok(false)
            }
            found => found.map_err(|e| Error::Secrets(e.to_string())),
        }
    }
    #[cfg(not(target_os = "linux"))]
    pub(super) fn exists() -> Result<bool> {
        Ok(true)
    }

    /// Returns an error if a call would prompt the user.
    #[cfg(target_os = "linux")]
    fn check_unlocked() -> Result<()> {
        use dbus_secret_service::{EncryptionType, SecretService};
        let failed = |e: dbus_secret_service::Error| Error::Secrets(e.to_string());
        let service = SecretService::connect_with_max_prompt_timeout(EncryptionType::Plain, 0)
            .map_err(failed)?;
        let collection = service.get_default_collection().map_err(failed)?;
        if collection.is_locked().map_err(failed)? {
            return Err(Error::Secrets("the keychain is locked".into()));
        }
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    fn check_unlocked() -> Result<()> {
        Ok(())
    }

    fn entry(name: &str) -> Result<keyring::Entry> {
        keyring::Entry::new(SERVICE, name).map_err(failed)
    }
    fn failed(e: keyring::Error) -> Error {
        Error::Secrets(e.to_string())
    }
    pub(super) fn get(name: &str) -> Result<Option<String>> {
        check_unlocked()?;
        match entry(name)?.get_password() {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }
    pub(super) fn set(name: &str, secret: &str) -> Result<()> {
        check_unlocked()?;
        entry(name)?.set_password(secret).map_err(failed)
    }
    pub(super) fn delete(name: &str) -> Result<()> {
        check_unlocked()?;
        match entry(name)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(e) => Err(failed(e)),
        }
    }
}

/// Other systems: there is no keychain, and tokens are stored in the file.
#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "windows",
    target_os = "ios"
)))]
mod native {
    use super::{Error, Result};

    pub(super) fn exists() -> Result<bool> {
        Ok(false)
    }
    fn check_unlocked() -> Result<()> {
        Err(Error::Secrets("this system has no keychain".into()))
    }
    pub(super) fn get(_: &str) -> Result<Option<String>> {
        check_unlocked().map(|()| None)
    }
    pub(super) fn set(_: &str, _: &str) -> Result<()> {
        check_unlocked()
    }
    pub(super) fn delete(_: &str) -> Result<()> {
        check_unlocked()
    }
}
