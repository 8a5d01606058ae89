//! Stores tokens in the system's keychain or, if it is absent or fails, in a file that is encrypted with a key stored
//! beside it.
//!
//! The encryption protects the tokens only if the file is copied without the key. Anyone who can read the whole folder
//! can decrypt them, so the app shows a notice while the file is in use.
//!
//! Not here: the calls of the keychain itself (`keychain`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_net::{Error, Result, SecretStore};
use carrel_system::{IdGen, assert_may_block, files::write_atomic};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit},
};
use parking_lot::{Mutex, MutexGuard};

use crate::account::keychain::{Keychain, ProbeResult};

const MAGIC: &[u8] = b"carrel-secrets-1";
const NONCE_BYTES: usize = 24;

/// `secrets.bin` (XChaCha20-Poly1305 over a JSON map), and its random key in `secrets.key`.
pub struct FileSecrets {
    file: PathBuf,
    key: PathBuf,
    ids: Arc<dyn IdGen>,
    /// Serializes changes.
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

    /// Reads the file. A file that is damaged or whose key is missing is renamed and counts as empty: the learner has
    /// to sign in again, nothing else is lost. A file that cannot be read (permissions, no free file handle) is kept,
    /// and an error is returned.
    fn load(&self) -> Result<BTreeMap<String, String>> {
        assert_may_block();
        let Some(bytes) = read_if_exists(&self.file)? else { return Ok(BTreeMap::new()) };
        let key = read_if_exists(&self.key)?;
        if let Some(secrets) = key.and_then(|key| open(&key, &bytes)) {
            return Ok(secrets);
        }
        tracing::error!(
            "the token file is corrupt or its key is missing; renaming it; hint: sign in again"
        );
        fs::rename(&self.file, self.file.with_extension("damaged"))?;
        Ok(BTreeMap::new())
    }
    fn save(&self, secrets: &BTreeMap<String, String>) -> Result<()> {
        let mut key = read_if_exists(&self.key)?.unwrap_or_default();
        if key.len() != 32 {
            key = vec![0; 32];
            self.ids.fill(&mut key);
            write_atomic(&self.key, &key)?;
        }
        let mut nonce = [0; NONCE_BYTES];
        self.ids.fill(&mut nonce);
        let failed_to_encrypt = |_| Error::Secrets("the tokens could not be encrypted".into());
        let cipher =
            XChaCha20Poly1305::new_from_slice(&key).map_err(|e| Error::Secrets(e.to_string()))?;
        let ciphertext = cipher
            .encrypt(XNonce::from_slice(&nonce), serde_json::to_vec(secrets)?.as_slice())
            .map_err(failed_to_encrypt)?;
        Ok(write_atomic(&self.file, &[MAGIC, nonce.as_slice(), &ciphertext].concat())?)
    }
    fn change(&self, f: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        let _guard = self.lock.lock();
        let before = self.load()?;
        let mut after = before.clone();
        f(&mut after);
        if after == before { Ok(()) } else { self.save(&after) }
    }
}

fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn open(key: &[u8], bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let (nonce, ciphertext) = bytes.strip_prefix(MAGIC)?.split_at_checked(NONCE_BYTES)?;
    let cipher = XChaCha20Poly1305::new_from_slice(key).ok()?;
    let plain = cipher.decrypt(XNonce::from_slice(nonce), ciphertext).ok()?;
    serde_json::from_slice(&plain).ok()
}

impl SecretStore for FileSecrets {
    fn get(&self, name: &str) -> Result<Option<String>> {
        let _guard = self.lock.lock();
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

/// Uses the keychain if it works, else the file. Either may fail at any call and is tried again at the next call.
///
/// A replaced secret must never be used again: servers treat the use of an old refresh token as theft and end the
/// session. Each value is therefore stored with a number that increases with every change. Of the values in the two
/// stores, the one with the greater number is used.
pub struct Secrets {
    keychain: Mutex<KeychainState>,
    file: FileSecrets,
    /// Greatest number issued in this run, by name. Locked during each call, which serializes the calls.
    issued: Mutex<BTreeMap<String, u64>>,
    /// The last call to the keychain failed.
    failing: AtomicBool,
    /// A call to the keychain failed in this run; its change may still take effect later.
    failed: AtomicBool,
}

type KeychainProbe = Box<dyn Fn() -> ProbeResult + Send>;

enum KeychainState {
    /// Not probed yet, because the start of the app must not wait for it; or unavailable at the last probe.
    Unknown(KeychainProbe),
    Works(Arc<dyn SecretStore>),
    Absent,
}

/// Prefix of a numbered value. Values without it were written by older releases and have number 0.
const NUMBER_PREFIX: &str = "carrel-numbered-1:";
/// Suffix of a secret's name under which its greatest issued number is stored.
const NUMBER_SUFFIX: &str = "\u{1f}number";
/// Increment of the number if one of the two stores cannot be read: the new number must exceed any number in that
/// store.
const UNREADABLE_STEP: u64 = 1 << 20;

/// A value as stored in one of the two stores.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NumberedSecret {
    number: u64,
    /// None: deleted, although an older value may remain in the other store.
    secret: Option<String>,
}

impl NumberedSecret {
    fn encode(&self) -> String {
        match &self.secret {
            Some(secret) => format!("{NUMBER_PREFIX}{}:{secret}", self.number),
            None => format!("{NUMBER_PREFIX}{}", self.number),
        }
    }
    fn parse(text: String) -> Self {
        let parse = |rest: &str| {
            let (number, secret) = match rest.split_once(':') {
                Some((number, secret)) => (number, Some(secret.to_owned())),
                None => (rest, None),
            };
            Some(Self { number: number.parse().ok()?, secret })
        };
        let numbered = text.strip_prefix(NUMBER_PREFIX).and_then(parse);
        numbered.unwrap_or(Self { number: 0, secret: Some(text) })
    }
}

impl Secrets {
    /// Uses the system's keychain, with a file in `dir` as fallback.
    pub fn system(dir: &Path, ids: Arc<dyn IdGen>) -> Self {
        Self::with_probe(Box::new(Keychain::probe), dir, ids)
    }
    /// Uses the given keychain, with a file in `dir` as fallback.
    pub fn with(keychain: Option<Arc<dyn SecretStore>>, dir: &Path, ids: Arc<dyn IdGen>) -> Self {
        let probe = move || keychain.clone().map_or(ProbeResult::Absent, ProbeResult::Works);
        Self::with_probe(Box::new(probe), dir, ids)
    }
    /// Uses the keychain that `probe_keychain` returns. The function is called at the first use, and again at each use
    /// while the keychain is unavailable.
    pub fn with_probe(probe_keychain: KeychainProbe, dir: &Path, ids: Arc<dyn IdGen>) -> Self {
        Self {
            keychain: Mutex::new(KeychainState::Unknown(probe_keychain)),
            file: FileSecrets::new(dir, ids),
            issued: Mutex::default(),
            failing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// Returns the keychain; none if this system has none.
    fn keychain(&self) -> Result<Option<Arc<dyn SecretStore>>> {
        let mut state = self.keychain.lock();
        if let KeychainState::Unknown(probe_keychain) = &*state {
            match probe_keychain() {
                ProbeResult::Works(keychain) => *state = KeychainState::Works(keychain),
                ProbeResult::Absent => *state = KeychainState::Absent,
                ProbeResult::Unavailable(e) => return Err(e),
            }
        }
        Ok(match &*state {
            KeychainState::Works(keychain) => Some(keychain.clone()),
            _ => None,
        })
    }
    /// Reads a value from the keychain. Returns an error if the keychain does not respond now.
    fn in_keychain(&self, name: &str) -> Result<Option<NumberedSecret>> {
        let found = match self.keychain() {
            Ok(Some(keychain)) => keychain.get(name),
            Ok(None) => Ok(None),
            Err(e) => Err(e),
        };
        self.record_result(&found);
        Ok(found?.map(NumberedSecret::parse))
    }
    fn in_file(&self, name: &str) -> Result<Option<NumberedSecret>> {
        Ok(self.file.get(name)?.map(NumberedSecret::parse))
    }
    /// Records whether a call to the keychain failed, and logs the first failure after a success.
    fn record_result<T>(&self, result: &Result<T>) {
        let failing = result.is_err();
        if let Err(e) = result
            && !self.failing.load(Ordering::Relaxed)
        {
            tracing::warn!(error = %e, "the keychain is unavailable");
        }
        self.failing.store(failing, Ordering::Relaxed);
        self.failed.fetch_or(failing, Ordering::Relaxed);
    }
    /// Returns a number greater than that of any value in the two stores. If the file contains or contained this
    /// secret, or a store cannot be read, the number is also stored in the file, for a start without a readable
    /// keychain.
    fn next_number(&self, issued: &mut BTreeMap<String, u64>, name: &str) -> u64 {
        let number_name = format!("{name}{NUMBER_SUFFIX}");
        let stored_number = self.file.get(&number_name);
        let in_file = self.in_file(name);
        let mut number = issued.get(name).copied().unwrap_or(0);
        let mut stores_number =
            matches!(stored_number, Ok(Some(_)) | Err(_)) || !matches!(in_file, Ok(None));
        if let Ok(Some(stored_number)) = stored_number {
            number = number.max(stored_number.parse().unwrap_or(0));
        }
        let mut step = 1;
        for found in [self.in_keychain(name), in_file] {
            match found {
                Ok(found) => number = number.max(found.map_or(0, |f| f.number)),
                Err(_) => (step, stores_number) = (UNREADABLE_STEP, true),
            }
        }
        number = number.saturating_add(step);
        issued.insert(name.to_owned(), number);
        if stores_number && let Err(e) = self.file.set(&number_name, &number.to_string()) {
            tracing::warn!(error = %e, "the number of a token could not be stored");
        }
        number
    }
    fn issued(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.issued.lock()
    }
}

impl SecretStore for Secrets {
    /// Returns `Error::Secrets`, not `None`, if the value may be in a keychain that does not respond now.
    fn get(&self, name: &str) -> Result<Option<String>> {
        let _guard = self.issued();
        let file = self.in_file(name)?;
        let keychain = match (self.in_keychain(name), &file) {
            (Ok(keychain), _) => keychain,
            // The file has a value only if a call to the keychain failed, so this value is the newer one.
            (Err(_), Some(_)) => None,
            (Err(e), None) => return Err(e),
        };
        // With equal numbers the value in the file is newer, for the same reason.
        let newest = match (file, keychain) {
            (Some(file), Some(keychain)) if keychain.number > file.number => Some(keychain),
            (file, keychain) => file.or(keychain),
        };
        Ok(newest.and_then(|n| n.secret))
    }
    fn set(&self, name: &str, secret: &str) -> Result<()> {
        let mut issued = self.issued();
        let number = self.next_number(&mut issued, name);
        let text = NumberedSecret { number, secret: Some(secret.to_owned()) }.encode();
        let keychain = match self.keychain() {
            Ok(Some(keychain)) => keychain,
            _ => return self.file.set(name, &text),
        };
        let in_file = !matches!(self.file.get(name), Ok(None));
        if in_file && let Err(e) = self.file.set(name, &text) {
            // The older value in the file has a smaller number.
            tracing::warn!(error = %e, "the token file could not be written");
        }
        let set = keychain.set(name, &text);
        self.record_result(&set);
        match set {
            Ok(()) => {
                if in_file && let Err(e) = self.file.delete(name) {
                    tracing::warn!(error = %e, "a token could not be deleted from the token file");
                }
                Ok(())
            }
            Err(_) => self.file.set(name, &text),
        }
    }
    fn delete(&self, name: &str) -> Result<()> {
        let mut issued = self.issued();
        let number = self.next_number(&mut issued, name);
        let deleted = match self.keychain() {
            Ok(Some(keychain)) => keychain.delete(name),
            Ok(None) => Ok(()),
            Err(e) => Err(e),
        };
        self.record_result(&deleted);
        match deleted {
            Ok(()) if !self.failed.load(Ordering::Relaxed) => self.file.delete(name),
            // Overrides a value that is in the keychain, or that a hanging call writes there later.
            _ => self.file.set(name, &NumberedSecret { number, secret: None }.encode()),
        }
    }
    fn fallback_in_use(&self) -> bool {
        !matches!(self.keychain(), Ok(Some(_))) || self.failing.load(Ordering::Relaxed)
    }
}
