//! An update as one file, for devices without a network: a zip with the signed feed and one package.
//!
//! The person who opens the file decides, so the end of validity and a staged release do not count. Everything else is
//! checked as for a download: signatures, version, target, policy.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    Error, Keys, Refusal, Result, UpdatePolicy, VerifiedFeed,
    decision::{Installation, installable, may_update},
    download::{self, Package},
    feed::{MAX_FEED_BYTES, MAX_SIGNATURE_BYTES},
};

/// Ending of the names of update files.
pub const SUFFIX: &str = ".carrel-update";
/// Names in the zip; the third is the name of the package in the feed.
pub const FEED_ENTRY: &str = "feed.json";
pub const SIGNATURE_ENTRY: &str = "feed.json.minisig";

/// A verified update file whose package is in a folder.
#[derive(Debug)]
pub struct UpdateFile {
    /// Verified feed.
    pub feed: VerifiedFeed,
    /// Extracted package.
    pub package: Package,
}

/// Reads and verifies an update file, and extracts its package for this installation into `dir`. Blocking.
pub fn read(
    keys: &Keys,
    path: &Path,
    installation: &Installation,
    policy: &UpdatePolicy,
    dir: &Path,
) -> Result<UpdateFile> {
    may_update(installation, policy)?;
    let name = path.display().to_string();
    let malformed = |problem: String| Error::Malformed { file: name.clone(), problem };
    let in_zip = |e: ZipError| match e {
        ZipError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof => e.into(),
        e => malformed(e.to_string()),
    };
    let mut archive = ZipArchive::new(File::open(path)?).map_err(in_zip)?;
    let mut small = |entry: &str, limit: usize| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = archive.by_name(entry).map_err(in_zip)?;
        file.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| malformed(e.to_string()))?;
        if bytes.len() > limit {
            return Err(malformed(format!("{entry} has more than {limit} bytes")));
        }
        Ok(bytes)
    };
    let json = small(FEED_ENTRY, MAX_FEED_BYTES)?;
    let signature = small(SIGNATURE_ENTRY, MAX_SIGNATURE_BYTES)?;
    let feed = VerifiedFeed::read_any(keys, &json, &String::from_utf8_lossy(&signature))?;
    let file =
        installable(installation, &feed)?.ok_or(Error::NotNow("this version is installed"))?;
    let entry = archive.by_name(&file.name).map_err(|_| Refusal::NoPackage {
        version: feed.version.clone(),
        target: installation.target,
    })?;
    fs::create_dir_all(dir)?;
    let package: PathBuf = dir.join(&file.name);
    // The size is known from the feed, so that a hostile zip cannot fill the disk.
    let copied =
        io::copy(&mut entry.take(file.size.saturating_add(1)), &mut File::create(&package)?);
    let target = installation.target.to_string();
    let verified = copied
        .map_err(|e| {
            if carrel_system::files::is_full(&e) { e.into() } else { malformed(e.to_string()) }
        })
        .and_then(|_| download::verify(keys, &feed, &target, package.clone()));
    match verified {
        Ok(package) => Ok(UpdateFile { feed, package }),
        Err(error) => {
            let _ = fs::remove_file(&package);
            Err(error)
        }
    }
}
