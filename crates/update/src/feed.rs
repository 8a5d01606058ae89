//! The feed of a channel: one JSON file that describes the newest release, and a detached minisign signature of it.
//!
//! `stable.json` is signed by `stable.json.minisig`. The signed comment of the feed names the channel; that of each
//! package names file, version, channel, target and hash, so that a valid signature cannot be used for another file.

use std::collections::BTreeMap;

use carrel_model::BlobHash;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{Channel, Error, Keys, Result, signature::Comment};

/// The newest format of a feed that this version reads.
pub const FORMAT: u32 = 1;
/// Limit in bytes for a feed.
pub const MAX_FEED_BYTES: usize = 1024 * 1024;
/// Limit in bytes for a signature.
pub const MAX_SIGNATURE_BYTES: usize = 4 * 1024;
/// Ending of the name of a signature.
pub const SIGNATURE_SUFFIX: &str = ".minisig";
/// The field `target` in the signed comment of a feed.
const FEED_TARGET: &str = "feed";

/// The newest release of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// Format of this file.
    pub format: u32,
    /// Channel.
    pub channel: Channel,
    /// Version of the release.
    pub version: Version,
    /// When the feed was made, in RFC 3339. A device does not accept an older feed than the newest one it has seen.
    pub published: Timestamp,
    /// Until when the feed is valid, in RFC 3339. Before that the publisher signs it again.
    pub expires: Timestamp,
    /// What is new, as Markdown.
    #[serde(default)]
    pub notes: String,
    /// Oldest version that can be updated to this release directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<Version>,
    /// Percentage of the devices to which the release is offered, 0 to 100.
    #[serde(default = "everyone")]
    pub rollout: u8,
    /// Packages by target, such as `linux-x86_64-appimage`.
    pub files: BTreeMap<String, FeedFile>,
}

fn everyone() -> u8 {
    100
}

/// The package of a release for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedFile {
    /// File name.
    pub name: String,
    /// Addresses, absolute or relative to the folder of the feed.
    pub urls: Vec<String>,
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 hash in hex.
    pub blake3: BlobHash,
    /// SHA-256 hash in hex, for checks by hand.
    pub sha256: String,
    /// Text of the minisign signature.
    pub signature: String,
}

/// A feed with a valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFeed {
    feed: Feed,
    bytes: Vec<u8>,
    signature: String,
}

impl VerifiedFeed {
    /// Verifies and reads the feed of a channel. Does not check whether it has expired.
    pub fn read(keys: &Keys, channel: Channel, bytes: &[u8], signature: &str) -> Result<Self> {
        let feed = Self::read_any(keys, bytes, signature)?;
        let name = channel.feed_name();
        if feed.channel != channel {
            return Err(Error::OtherFile {
                file: name,
                field: "channel",
                found: feed.channel.to_string(),
                expected: channel.to_string(),
            });
        }
        Ok(feed)
    }
    /// Verifies and reads the feed of any channel.
    pub fn read_any(keys: &Keys, bytes: &[u8], signature: &str) -> Result<Self> {
        const NAME: &str = "the feed";
        let comment = keys.verify(NAME, bytes, signature)?;
        comment.require(NAME, "target", FEED_TARGET)?;
        let malformed = |problem: String| Error::Malformed { file: NAME.into(), problem };
        let format: Format = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if format.format > FORMAT {
            return Err(malformed(format!(
                "its format {} is newer than this version of Carrel",
                format.format
            )));
        }
        let feed: Feed = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        comment.require(NAME, "channel", feed.channel.as_str())?;
        comment.require(NAME, "version", &feed.version.to_string())?;
        if let Some((_, file)) = feed.files.iter().find(|(_, file)| !is_file_name(&file.name)) {
            return Err(malformed(format!("{:?} is not a file name", file.name)));
        }
        Ok(Self { feed, bytes: bytes.to_vec(), signature: signature.to_owned() })
    }
    /// Returns the bytes that are signed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Returns the text of the signature.
    pub fn signature(&self) -> &str {
        &self.signature
    }
}
impl std::ops::Deref for VerifiedFeed {
    type Target = Feed;
    fn deref(&self) -> &Feed {
        &self.feed
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Feed {
    /// Returns the signed comment of this feed.
    pub fn comment(&self) -> String {
        Comment::write(&[
            ("file", &self.channel.feed_name()),
            ("version", &self.version.to_string()),
            ("channel", self.channel.as_str()),
            ("target", FEED_TARGET),
        ])
    }
}

/// Returns the signed comment of a package.
pub fn file_comment(
    name: &str,
    version: &Version,
    channel: Channel,
    target: &str,
    hash: BlobHash,
) -> String {
    Comment::write(&[
        ("file", name),
        ("version", &version.to_string()),
        ("channel", channel.as_str()),
        ("target", target),
        ("blake3", &hash.to_hex()),
    ])
}

impl FeedFile {
    /// Returns an error unless the signed comment of the package is that of this release and target.
    pub fn check_comment(&self, feed: &Feed, target: &str, comment: &Comment) -> Result<()> {
        comment.require(&self.name, "version", &feed.version.to_string())?;
        comment.require(&self.name, "channel", feed.channel.as_str())?;
        comment.require(&self.name, "target", target)?;
        comment.require(&self.name, "file", &self.name)?;
        comment.require(&self.name, "blake3", &self.blake3.to_hex())
    }
}

/// Returns true for a name that cannot leave its folder on any system.
fn is_file_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-+ ()~".contains(c);
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_allowed)
}
