//! Signs with a minisign key.

use std::{env, fs, io::Cursor, path::Path};

use carrel_model::BlobHash;
use carrel_update::{Channel, Feed, FeedFile, feed::file_comment};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use semver::Version;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Path of the private key: a minisign `.key` file.
pub const KEY_VARIABLE: &str = "CARREL_UPDATE_KEY";
/// Password of the private key; absent for a key without a password.
pub const PASSWORD_VARIABLE: &str = "CARREL_UPDATE_KEY_PASSWORD";

/// A private key.
pub struct SigningKey {
    secret: SecretKey,
    public: PublicKey,
}

impl SigningKey {
    /// Generates a key without a password.
    pub fn generate() -> Result<Self> {
        let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair().map_err(key_error)?;
        Ok(Self { secret: sk, public: pk })
    }
    /// Reads the key that the environment names.
    pub fn from_env() -> Result<Self> {
        let path = env::var_os(KEY_VARIABLE)
            .ok_or_else(|| Error::Key(format!("{KEY_VARIABLE} is not set")))?;
        let password = env::var(PASSWORD_VARIABLE).ok();
        let path = Path::new(&path);
        Self::parse(&fs::read_to_string(path).map_err(Error::at(path))?, password)
    }
    /// Reads the text of a minisign `.key` file.
    pub fn parse(text: &str, password: Option<String>) -> Result<Self> {
        let boxed = SecretKeyBox::from_string(text).map_err(key_error)?;
        let secret = match password.filter(|p| !p.is_empty()) {
            Some(password) => boxed.into_secret_key(Some(password)),
            None => boxed.into_unencrypted_secret_key(),
        };
        let secret = secret.map_err(key_error)?;
        let public = PublicKey::from_secret_key(&secret).map_err(key_error)?;
        Ok(Self { secret, public })
    }
    /// Returns the public key as in the second line of a `.pub` file.
    pub fn public_key(&self) -> String {
        self.public.to_base64()
    }
    /// Returns the text of a `.pub` file and of a `.key` file without a password.
    pub fn to_files(&self) -> Result<(String, String)> {
        let public = self.public.to_box().map_err(key_error)?.to_string();
        let secret = self.secret.to_box(None).map_err(key_error)?.to_string();
        Ok((public, secret))
    }

    /// Signs bytes with a comment; returns the text of the signature.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Result<String> {
        let signature = minisign::sign(
            Some(&self.public),
            &self.secret,
            Cursor::new(bytes),
            Some(comment),
            Some("signature of Carrel"),
        );
        Ok(signature.map_err(key_error)?.to_string())
    }
    /// Signs a feed; returns the JSON and the text of its signature.
    pub fn sign_feed(&self, feed: &Feed) -> Result<(Vec<u8>, String)> {
        let json = serde_json::to_vec_pretty(feed).map_err(|e| Error::Input(e.to_string()))?;
        let signature = self.sign(&json, &feed.comment())?;
        Ok((json, signature))
    }
    /// Signs a package; returns its entry in the feed.
    pub fn sign_file(
        &self,
        version: &Version,
        channel: Channel,
        target: &str,
        name: &str,
        url: String,
        bytes: &[u8],
    ) -> Result<FeedFile> {
        let blake3 = BlobHash::of(bytes);
        let comment = file_comment(name, version, channel, target, blake3);
        Ok(FeedFile {
            name: name.to_owned(),
            urls: vec![url],
            size: bytes.len() as u64,
            blake3,
            sha256: sha256(bytes),
            signature: self.sign(bytes, &comment)?,
        })
    }
}

/// Returns the SHA-256 hash in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_error(e: minisign::PError) -> Error {
    Error::Key(e.to_string())
}
