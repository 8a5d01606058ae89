//! Passwords: argon2id, off the async threads, a few at a time. And random tokens.
//!
//! Not here: who may sign in (`http::auth`), where hashes are kept (`store`).

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::sync::Semaphore;

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins at once")]
    Busy,
    #[error("password hash: {0}")]
    Hash(String),
}

/// Hashes with OWASP's argon2id parameters (19 MiB, 2 passes), as many at once as there are cores.
pub struct Passwords {
    slots: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Compared with when there is no such login, so that both cases take as long.
    dummy: String,
}

/// How many may wait for a core before the next one is sent away.
const WAITING: usize = 256;

impl Passwords {
    pub fn new() -> Result<Self, PasswordError> {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        Ok(Self {
            slots: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            dummy: hash_now("nobody's password")?,
        })
    }
    /// The PHC string to keep.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move || hash_now(&password)).await
    }
    /// True if the password is right. Without a stored hash the answer is false, in the same time.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        let right = self
            .run(move || {
                let parsed =
                    PasswordHash::new(&stored).map_err(|e| PasswordError::Hash(e.to_string()))?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(known && right)
    }
    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        let slot =
            Arc::clone(&self.slots).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            f()
        })
        .await
        .map_err(|e| PasswordError::Hash(e.to_string()))?
    }
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let salt =
        SaltString::encode_b64(&random::<16>()?).map_err(|e| PasswordError::Hash(e.to_string()))?;
    let hash = Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map_err(|e| PasswordError::Hash(e.to_string()))?;
    Ok(hash.to_string())
}

/// The PHC string of a password, for command lines: blocks for about 20 ms.
pub fn hash_blocking(password: &str) -> Result<String, PasswordError> {
    hash_now(password)
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], PasswordError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| PasswordError::Hash(e.to_string()))?;
    Ok(bytes)
}

/// An opaque token of 256 random bits, as text, and the hash under which it is kept.
pub(crate) fn new_token() -> Result<(String, [u8; 32]), PasswordError> {
    let text = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let hash = token_hash(&text);
    Ok((text, hash))
}

/// Tokens are compared by their hash, so that the comparison tells nothing about the token.
pub(crate) fn token_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}
