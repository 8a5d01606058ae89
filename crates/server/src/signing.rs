//! The key that signs manifests: made at the first start, readable by its owner alone, never changed by itself. Clients pin it.

use std::{
    io::{self, Write},
    path::Path,
};

use ed25519_dalek::SigningKey;

use crate::{error::Error, password::random};

/// The name of the file in the data folder: 64 hex digits.
pub const FILE: &str = "signing.key";

/// Reads the key of a data folder, or makes it.
pub fn open(data_dir: &Path) -> Result<SigningKey, Error> {
    let path = data_dir.join(FILE);
    let io = |action| {
        let path = path.clone();
        move |source| Error::Io { action, path, source }
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let bytes: [u8; 32] = text
                .trim()
                .parse::<carrel_model::BlobHash>()
                .map(|h| h.0)
                .map_err(|_| Error::SigningKey(path.clone()))?;
            Ok(SigningKey::from_bytes(&bytes))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let secret = random::<32>().map_err(|e| io("make")(io::Error::other(e.to_string())))?;
            let mut file = std::fs::OpenOptions::new();
            file.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
            let mut file = file.open(&path).map_err(io("create"))?;
            writeln!(file, "{}", hex(&secret))
                .and_then(|()| file.sync_all())
                .map_err(io("write"))?;
            Ok(SigningKey::from_bytes(&secret))
        }
        Err(e) => Err(io("read")(e)),
    }
}

/// The public half, as clients see it.
pub fn public_hex(key: &SigningKey) -> String {
    hex(key.verifying_key().as_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
