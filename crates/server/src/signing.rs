//! The key that signs manifests, through a trait, so that it can also be kept by a key service. Clients pin it.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey};

/// Signs with the server's key, and derives other secrets from it.
pub trait Signer: Send + Sync + 'static {
    fn public_key(&self) -> [u8; 32];
    /// ed25519.
    fn sign(&self, message: &[u8]) -> [u8; 64];
    /// A secret for one purpose: the same for the same key, context and salt.
    fn derive_key(&self, context: &'static str, salt: &[u8]) -> [u8; 32];
}

/// A key in this process.
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

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
