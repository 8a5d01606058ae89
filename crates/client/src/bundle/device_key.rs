//! The key with which this device signs work files, and courses that it converted from other programs. It is created at the first use, stored with the other secrets, and
//! never displayed.
//!
//! Not here: the keys of libraries (`key_trust`).

use std::sync::Arc;

use carrel_bundle::signing_key;
use carrel_net::SecretStore;
use carrel_system::{IdGen, blocking};
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;

use crate::{Error, Result};

const NAME: &str = "device-key";

/// Returns the public key (64 hex digits); none if no key was created yet.
pub(super) async fn public_key(secrets: &Arc<dyn SecretStore>) -> Result<Option<String>> {
    let secrets = secrets.clone();
    blocking(move || {
        let key = secrets.get(NAME)?.and_then(|text| signing_key(&text));
        Ok::<_, Error>(key.map(|key| HEXLOWER.encode(key.verifying_key().as_bytes())))
    })
    .await
}

/// Returns the key; creates it if there is none.
pub(super) async fn device_key(
    secrets: &Arc<dyn SecretStore>,
    ids: &Arc<dyn IdGen>,
) -> Result<SigningKey> {
    let (secrets, ids) = (secrets.clone(), ids.clone());
    blocking(move || {
        if let Some(key) = secrets.get(NAME)?.and_then(|text| signing_key(&text)) {
            return Ok(key);
        }
        let mut secret = [0; 32];
        ids.fill(&mut secret);
        secrets.set(NAME, &HEXLOWER.encode(&secret))?;
        Ok::<_, Error>(SigningKey::from_bytes(&secret))
    })
    .await
}
