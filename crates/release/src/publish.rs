//! Writes the folder of a mirror: packages, lists of components, checksums, update files, and at last the feed.
//!
//! All files are in one folder, so that any static file server can serve it. Names of packages contain the version, so
//! they never change; only the feed and its signature do.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write},
    path::Path,
};

use carrel_update::{
    Channel, Feed,
    feed::{FORMAT, SIGNATURE_SUFFIX},
    offline,
    signature::Comment,
};
use jiff::{SignedDuration, Timestamp};
use semver::Version;
use serde_json::Value;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    Error, Result,
    artefact::Artefact,
    sbom::{Described, Sources, cyclonedx},
    sign::{SigningKey, sha256},
};

/// A release.
pub struct Release<'a> {
    pub channel: Channel,
    pub version: Version,
    pub published: Timestamp,
    /// Days until the feed has to be signed again.
    pub valid_days: u32,
    pub notes: String,
    pub rollout: u8,
    pub minimum_version: Option<Version>,
    pub artefacts: Vec<Artefact>,
    /// Returns `cargo metadata` for an operating system.
    pub metadata: &'a dyn Fn(&str) -> Result<Value>,
    pub cargo_lock: String,
    pub npm_lock: Value,
}

/// Writes the release into `out`; returns the names of the written files.
pub fn publish(release: &Release<'_>, key: &SigningKey, out: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(out).map_err(Error::at(out))?;
    let mut written = Vec::new();
    let mut write = |name: &str, bytes: &[u8]| -> Result<()> {
        let path = out.join(name);
        fs::write(&path, bytes).map_err(Error::at(&path))?;
        written.push(name.to_owned());
        Ok(())
    };
    let version = release.version.to_string();
    let time = release.published.to_string();
    let mut feed = Feed {
        format: FORMAT,
        channel: release.channel,
        version: release.version.clone(),
        published: release.published,
        expires: expiry(release)?,
        notes: release.notes.clone(),
        minimum_version: release.minimum_version.clone(),
        rollout: release.rollout,
        files: BTreeMap::new(),
    };
    let mut sums = BTreeMap::new();
    let mut metadata: BTreeMap<&str, Value> = BTreeMap::new();
    for artefact in &release.artefacts {
        let name = artefact.name()?;
        let is_versioned = name.contains(&version);
        // The name of a macOS archive and of a program contains no version.
        let name = if is_versioned { name } else { format!("{version}_{name}") };
        let bytes = fs::read(&artefact.path).map_err(Error::at(&artefact.path))?;
        write(&name, &bytes)?;
        let sum = sha256(&bytes);
        let os = artefact.os.as_str();
        if !metadata.contains_key(os) {
            metadata.insert(os, (release.metadata)(os)?);
        }
        let sources = Sources {
            metadata: &metadata[os],
            cargo_lock: &release.cargo_lock,
            npm_lock: (artefact.package == "carrel").then_some(&release.npm_lock),
        };
        let of = Described { name: &name, package: artefact.package, sha256: &sum, time: &time };
        let list = serde_json::to_vec_pretty(&cyclonedx(&sources, &of)?).map_err(json_error)?;
        let list_name = format!("{name}.cdx.json");
        write(&list_name, &list)?;
        sums.insert(list_name, sha256(&list));
        if let Some(target) = &artefact.target {
            let file = key.sign_file(
                &release.version,
                release.channel,
                target,
                &name,
                name.clone(),
                &bytes,
            )?;
            if let Some(other) = feed.files.insert(target.clone(), file) {
                return Err(Error::Input(format!("{name} and {} are for {target}", other.name)));
            }
        }
        sums.insert(name, sum);
    }
    let (json, signature) = key.sign_feed(&feed)?;
    for file in feed.files.values() {
        let package = fs::read(out.join(&file.name)).map_err(Error::at(out))?;
        let name = format!("{}{}", file.name, offline::SUFFIX);
        let update = update_file(&json, &signature, &file.name, &package)?;
        write(&name, &update)?;
        sums.insert(name, sha256(&update));
    }
    let sums: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    let name = format!("SHA256SUMS-{version}");
    write(&name, sums.as_bytes())?;
    let comment =
        Comment::write(&[("file", &name), ("version", &version), ("target", "checksums")]);
    let signed = key.sign(sums.as_bytes(), &comment)?;
    write(&format!("{name}{SIGNATURE_SUFFIX}"), signed.as_bytes())?;
    // The feed comes last: until then devices see the previous release.
    let name = release.channel.feed_name();
    write(&format!("{name}{SIGNATURE_SUFFIX}"), signature.as_bytes())?;
    write(&name, &json)?;
    Ok(written)
}

fn expiry(release: &Release<'_>) -> Result<Timestamp> {
    let days = SignedDuration::from_hours(24 * i64::from(release.valid_days));
    release
        .published
        .checked_add(days)
        .map_err(|e| Error::Input(format!("{} days: {e}", release.valid_days)))
}

/// Returns an update file: a zip with the signed feed and one package.
fn update_file(feed: &[u8], signature: &str, name: &str, package: &[u8]) -> Result<Vec<u8>> {
    let zip_error = |e: &dyn std::fmt::Display| Error::Input(format!("{name}: {e}"));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let entries = [
        (offline::FEED_ENTRY, feed),
        (offline::SIGNATURE_ENTRY, signature.as_bytes()),
        (name, package),
    ];
    for (entry, bytes) in entries {
        zip.start_file(entry, options).map_err(|e| zip_error(&e))?;
        zip.write_all(bytes).map_err(|e| zip_error(&e))?;
    }
    Ok(zip.finish().map_err(|e| zip_error(&e))?.into_inner())
}

fn json_error(e: serde_json::Error) -> Error {
    Error::Input(e.to_string())
}
