//! The key that signs manifests. It is behind a trait, so that a key service can store it. Clients pin its public key.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey};

/// Signs with the server's key, and derives other secrets from it.
pub trait Signer: Send + Sync + 'static {
    fn public_key(&self) -> [u8; 32];
    /// Returns an ed25519 signature.
    fn sign(&self, message: &[u8]) -> [u8; 64];
    /// Returns a secret derived from the key, `context` (the purpose) and `salt`.
    fn derive_key(&self, context: &'static str, salt: &[u8]) -> [u8; 32];
}

/// A key in the memory of this process.
#[derive(Clone)]
pub struct LocalKey(SigningKey);

impl LocalKey {
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }
}

impl Signer for LocalKey {
    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
    fn derive_key(&self, context: &'static str, salt: &[u8]) -> [u8; 32] {
        let mut material = self.0.to_bytes().to_vec();
        material.extend_from_slice(salt);
        blake3::derive_key(context, &material)
    }
}

/// Returns lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
