//! The file of the signing key: created at the first start, never replaced, and on Unix readable only by its owner.

use std::{io::Write, path::Path};

use data_encoding::HEXLOWER;

use crate::{
    error::{Error, io},
    password::random,
    signing::{LocalKey, hex},
};

/// Name of the file in the data folder. It contains 64 hex digits.
pub const FILE: &str = "signing.key";

/// Reads the key of a data folder or a backup.
pub fn read(folder: &Path) -> Result<LocalKey, Error> {
    let path = folder.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
    let secret = HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|b| b.try_into().ok());
    secret.map(|secret| LocalKey::from_bytes(&secret)).ok_or(Error::SigningKey(path))
}

/// Reads the key of a data folder, or creates it if there is no server yet. Returns `NoSigningKey` if a server exists
/// without its key: with a new key, its clients would reject its manifests, and its tokens would be invalid.
pub fn open(data_dir: &Path, has_server: bool) -> Result<LocalKey, Error> {
    let path = data_dir.join(FILE);
    match read(data_dir) {
        Err(Error::Io { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound && !has_server => {}
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoSigningKey(path));
        }
        // The first start was interrupted while the file was written.
        Err(Error::SigningKey(_)) if !has_server && path.metadata().is_ok_and(|m| m.len() < 65) => {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
        }
        other => return other,
    }
    let secret =
        random::<32>().map_err(|e| io("create", &path)(std::io::Error::other(e.to_string())))?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let mut file = file.open(&path).map_err(io("create", &path))?;
    writeln!(file, "{}", hex(&secret))
        .and_then(|()| file.sync_all())
        .map_err(io("write", &path))?;
    Ok(LocalKey::from_bytes(&secret))
}
