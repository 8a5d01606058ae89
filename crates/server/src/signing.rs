//! The key that signs manifests: made at the first start, readable by its owner alone, never changed by itself. Clients pin it.

use std::{io::Write, path::Path};

use ed25519_dalek::SigningKey;

use crate::{
    error::{Error, io},
    password::random,
};

/// The name of the file in the data folder: 64 hex digits.
pub const FILE: &str = "signing.key";

/// Reads the key of a data folder or a backup.
pub fn read(data_dir: &Path) -> Result<SigningKey, Error> {
    let path = data_dir.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
    let bytes = text.trim().parse::<carrel_model::BlobHash>();
    let bytes = bytes.map_err(|_| Error::SigningKey(path))?;
    Ok(SigningKey::from_bytes(&bytes.0))
}

/// Reads the key of a data folder, or makes it if there is no server yet. A server whose key is missing is refused: with a new key its
/// clients would trust neither its manifests nor its tokens.
pub fn open(data_dir: &Path, has_server: bool) -> Result<SigningKey, Error> {
    let path = data_dir.join(FILE);
    match read(data_dir) {
        Err(Error::Io { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound && !has_server => {}
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoSigningKey(path));
        }
        // Cut off while it was written at the first start.
        Err(Error::SigningKey(_)) if !has_server && path.metadata().is_ok_and(|m| m.len() < 65) => {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
        }
        other => return other,
    }
    let secret =
        random::<32>().map_err(|e| io("make", &path)(std::io::Error::other(e.to_string())))?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let mut file = file.open(&path).map_err(io("create", &path))?;
    writeln!(file, "{}", hex(&secret))
        .and_then(|()| file.sync_all())
        .map_err(io("write", &path))?;
    Ok(SigningKey::from_bytes(&secret))
}

/// The public half, as clients see it.
pub fn public_hex(key: &SigningKey) -> String {
    hex(key.verifying_key().as_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
