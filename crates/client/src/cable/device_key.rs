//! The key that this device signs work with: made when it is first needed, kept with the other secrets, never shown.

use std::sync::Arc;

use carrel_cable::signing_key;
use carrel_net::SecretStore;
use carrel_system::IdGen;
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;

use crate::{Error, Result};

const NAME: &str = "device-key";

/// Reads the key or makes it. Blocking: a keychain may take seconds.
pub(super) fn open(secrets: &Arc<dyn SecretStore>, ids: &dyn IdGen) -> Result<SigningKey> {
    if let Some(key) = secrets.get(NAME)?.and_then(|text| signing_key(&text)) {
        return Ok(key);
    }
    let mut secret = [0; 32];
    ids.fill(&mut secret);
    let text = HEXLOWER.encode(&secret);
    secrets.set(NAME, &text)?;
    signing_key(&text).ok_or_else(|| Error::Internal("a key that was just made".into()))
}
