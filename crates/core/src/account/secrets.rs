//! Where tokens are kept: the system's keychain, or, where there is none, a file encrypted with a key beside it.
//!
//! The file keeps tokens out of backups of single files, logs and curious eyes; whoever can read the whole folder can read them. That is
//! why the app says so when it is in use.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit},
};

use super::keychain::Keychain;
use crate::{Error, IdGen, Result, files::write_whole};

/// Small secrets by name. Calls may block for a few seconds: not on the threads that serve everybody.
pub trait SecretStore: Send + Sync + 'static {
    fn get(&self, name: &str) -> Result<Option<String>>;
    fn set(&self, name: &str, secret: &str) -> Result<()>;
    fn delete(&self, name: &str) -> Result<()>;
    /// True if secrets lie in a file because the keychain does not work: people are told.
    fn fallback_in_use(&self) -> bool {
        false
    }
}

const MAGIC: &[u8] = b"carrel-secrets-1";
const NONCE: usize = 24;

/// `secrets.bin` (XChaCha20-Poly1305 over a JSON map), and its random key in `secrets.key`.
pub struct FileSecrets {
    file: PathBuf,
    key: PathBuf,
    ids: Arc<dyn IdGen>,
    /// One change at a time.
    lock: Mutex<()>,
}

impl FileSecrets {
    pub fn new(dir: &Path, ids: Arc<dyn IdGen>) -> Self {
        Self {
            file: dir.join("secrets.bin"),
            key: dir.join("secrets.key"),
            ids,
            lock: Mutex::new(()),
        }
    }

    /// A file that cannot be read is put aside, and there are no secrets: the learner signs in again, nothing else is lost.
    fn load(&self) -> Result<BTreeMap<String, String>> {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(e) => return Err(e.into()),
        };
        if let Some(secrets) = self.open(&bytes) {
            return Ok(secrets);
        }
        tracing::error!(
            "the file of tokens is damaged or its key is gone: it is put aside, sign in again"
        );
        fs::rename(&self.file, self.file.with_extension("damaged"))?;
        Ok(BTreeMap::new())
    }
    fn open(&self, bytes: &[u8]) -> Option<BTreeMap<String, String>> {
        let key = fs::read(&self.key).ok()?;
        let (nonce, sealed) = bytes.strip_prefix(MAGIC)?.split_at_checked(NONCE)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&key).ok()?;
        let plain = cipher.decrypt(XNonce::from_slice(nonce), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
    fn save(&self, secrets: &BTreeMap<String, String>) -> Result<()> {
        let mut key = fs::read(&self.key).unwrap_or_default();
        if key.len() != 32 {
            key = vec![0; 32];
            self.ids.fill(&mut key);
            write_whole(&self.key, &key)?;
        }
        let mut nonce = [0; NONCE];
        self.ids.fill(&mut nonce);
        let broken = |_| Error::Keychain("the tokens could not be encrypted".into());
        let cipher =
            XChaCha20Poly1305::new_from_slice(&key).map_err(|e| Error::Keychain(e.to_string()))?;
        let sealed = cipher
            .encrypt(XNonce::from_slice(&nonce), serde_json::to_vec(secrets)?.as_slice())
            .map_err(broken)?;
        write_whole(&self.file, &[MAGIC, nonce.as_slice(), &sealed].concat())
    }
    fn change(&self, f: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        let _one = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.load()?;
        let mut after = before.clone();
        f(&mut after);
        if after == before { Ok(()) } else { self.save(&after) }
    }
}

impl SecretStore for FileSecrets {
    fn get(&self, name: &str) -> Result<Option<String>> {
        let _one = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.load()?.remove(name))
    }
    fn set(&self, name: &str, secret: &str) -> Result<()> {
        self.change(|s| {
            s.insert(name.to_owned(), secret.to_owned());
        })
    }
    fn delete(&self, name: &str) -> Result<()> {
        self.change(|s| {
            s.remove(name);
        })
    }
    fn fallback_in_use(&self) -> bool {
        true
    }
}

/// The keychain if it works, else the file. A keychain that fails on the way is not asked again in this run.
pub struct Secrets {
    keychain: Mutex<Probe>,
    file: FileSecrets,
}

enum Probe {
    /// Not asked yet: starting the app must not wait for it.
    Unknown(Box<dyn FnOnce() -> Option<Arc<dyn SecretStore>> + Send>),
    Works(Arc<dyn SecretStore>),
    None,
}

impl Secrets {
    /// The system's keychain, with a file in `dir` to fall back to.
    pub fn system(dir: &Path, ids: Arc<dyn IdGen>) -> Self {
        let probe = || Keychain::probe().map(|k| Arc::new(k) as Arc<dyn SecretStore>);
        Self {
            keychain: Mutex::new(Probe::Unknown(Box::new(probe))),
            file: FileSecrets::new(dir, ids),
        }
    }
    /// The same with another keychain.
    pub fn with(keychain: Option<Arc<dyn SecretStore>>, dir: &Path, ids: Arc<dyn IdGen>) -> Self {
        let keychain = keychain.map_or(Probe::None, Probe::Works);
        Self { keychain: Mutex::new(keychain), file: FileSecrets::new(dir, ids) }
    }

    fn keychain(&self) -> Option<Arc<dyn SecretStore>> {
        let mut probe = self.keychain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Probe::Unknown(_) = &*probe
            && let Probe::Unknown(ask) = std::mem::replace(&mut *probe, Probe::None)
            && let Some(works) = ask()
        {
            *probe = Probe::Works(works);
        }
        match &*probe {
            Probe::Works(keychain) => Some(keychain.clone()),
            _ => None,
        }
    }
    fn give_up(&self, e: &Error) {
        tracing::warn!(error = %e, "the keychain does not work: tokens go to an encrypted file");
        *self.keychain.lock().unwrap_or_else(PoisonError::into_inner) = Probe::None;
    }
}

impl SecretStore for Secrets {
    fn get(&self, name: &str) -> Result<Option<String>> {
        if let Some(keychain) = self.keychain() {
            match keychain.get(name) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(e) => self.give_up(&e),
            }
        }
        self.file.get(name)
    }
    fn set(&self, name: &str, secret: &str) -> Result<()> {
        if let Some(keychain) = self.keychain() {
            match keychain.set(name, secret) {
                // An older one in the file would be taken for good once the keychain fails.
                Ok(()) => return self.file.delete(name),
                Err(e) => self.give_up(&e),
            }
        }
        self.file.set(name, secret)
    }
    fn delete(&self, name: &str) -> Result<()> {
        if let Some(keychain) = self.keychain()
            && let Err(e) = keychain.delete(name)
        {
            self.give_up(&e);
        }
        self.file.delete(name)
    }
    fn fallback_in_use(&self) -> bool {
        self.keychain().is_none()
    }
}
