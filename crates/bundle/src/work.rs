//! Work files: a signed header, then the learner's rows as JSON, one per line, in the format of push and pull.
//!
//! The device signs the header, which contains the hash of the rows. Rows that only the server writes (grades,
//! decisions) are left out: a file could contain forged ones, and every device receives the real ones from the server.
//!
//! Not here: how rows are merged (`carrel_client::bundle`).

use std::io::Read;

use carrel_model::{BlobHash, DeviceId, UserId, lattice::Row};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{Fault, PREFIX_BYTES, Result, frame::frame, key::from_hex};

/// Value of `format` in the header.
pub const WORK_FORMAT: &str = "carrel-cable-work/1";
/// Prepended to the header for signing, so that the signature is valid for no other purpose.
const CONTEXT: &[u8] = b"carrel-cable-work/1\n";
const SIGNATURE_BYTES: u64 = 64;
/// Maximum size of all rows in bytes; they are read into memory. The rows of a year of daily study have about 5 MB.
const MAX_ROW_BYTES: u64 = 512 * 1024 * 1024;

/// The learner whose work the file contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkLearner {
    /// The id assigned by the server; all zeros for work without an account.
    pub id: UserId,
    pub login: String,
    pub name: String,
}

/// The device that wrote the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkDevice {
    pub id: DeviceId,
    pub name: String,
    /// ed25519 public key, 64 hex digits.
    pub key: String,
}

/// The header of a work file. `WorkBundle::write` sets `format`, `device.key`, `rows`, `row_bytes` and `row_hash`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkHeader {
    pub format: String,
    pub learner: WorkLearner,
    /// The server's address, as stored on the device. This and `server_name` are empty for work without an account.
    pub server: String,
    pub server_name: String,
    /// The key with which the server signs its manifests; empty if it is not known to the device.
    pub server_key: String,
    pub device: WorkDevice,
    /// When the file was written, by the device's clock (UTC, ms since 1970).
    pub made_ms: i64,
    pub made_by: String,
    /// The account certificate; empty if there is none. With it a server that was restored from a backup older than the
    /// account creates the account again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub certificate: String,
    /// Number of rows.
    pub rows: u64,
    /// Size of all rows in the file, in bytes.
    pub row_bytes: u64,
    /// Hash of all rows in the file.
    pub row_hash: BlobHash,
}

impl WorkHeader {
    /// Returns true if the work was done without an account.
    pub fn is_guest(&self) -> bool {
        self.learner.id == UserId::from_u128(0)
    }
}

/// A work file whose signature and hashes were verified.
#[derive(Debug, Clone)]
pub struct WorkBundle {
    pub header: WorkHeader,
    /// The rows as JSON. They are not parsed here, so that a row of an unknown type does not block the others.
    pub rows: Vec<String>,
}

impl WorkBundle {
    /// Returns the bytes of a file with these rows, signed with `key`. Grades and decisions are left out.
    pub fn write<'r>(
        mut header: WorkHeader,
        rows: impl IntoIterator<Item = &'r Row>,
        key: &SigningKey,
    ) -> Result<Vec<u8>> {
        let unserialisable = |e: serde_json::Error| Fault::HeaderUnreadable(e.to_string());
        let mut body = Vec::new();
        header.rows = 0;
        for row in rows.into_iter().filter(|r| !r.is_server_only()) {
            serde_json::to_writer(&mut body, row).map_err(unserialisable)?;
            body.push(b'\n');
            header.rows += 1;
        }
        header.format = WORK_FORMAT.to_owned();
        header.device.key = HEXLOWER.encode(key.verifying_key().as_bytes());
        header.row_bytes = body.len() as u64;
        header.row_hash = BlobHash::of(&body);
        let text = serde_json::to_vec(&header).map_err(unserialisable)?;
        let signature = key.sign(&[CONTEXT, &text].concat()).to_bytes();
        let mut file = frame(&text)?;
        file.extend_from_slice(&signature);
        file.append(&mut body);
        Ok(file)
    }

    pub(crate) fn from_header(text: Vec<u8>, from: &mut impl Read, len: u64) -> Result<Self> {
        let header: WorkHeader =
            serde_json::from_slice(&text).map_err(|e| Fault::HeaderUnreadable(e.to_string()))?;
        if header.row_bytes > MAX_ROW_BYTES {
            return Err(Fault::SizeTooLarge);
        }
        let need = PREFIX_BYTES as u64 + text.len() as u64 + SIGNATURE_BYTES + header.row_bytes;
        match len.cmp(&need) {
            std::cmp::Ordering::Less => return Err(Fault::Truncated { have: len, need }),
            std::cmp::Ordering::Greater => return Err(Fault::TooLong { extra: len - need }),
            std::cmp::Ordering::Equal => {}
        }
        let mut signature = Vec::new();
        from.by_ref().take(SIGNATURE_BYTES).read_to_end(&mut signature)?;
        let signature: [u8; 64] =
            signature.try_into().map_err(|_| Fault::Truncated { have: len, need })?;
        let key: [u8; 32] = from_hex(&header.device.key).ok_or(Fault::KeyMalformed)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| Fault::KeyMalformed)?;
        key.verify_strict(&[CONTEXT, &text].concat(), &Signature::from_bytes(&signature))
            .map_err(|_| Fault::SignatureWrong)?;
        let mut body = Vec::new();
        from.by_ref().take(header.row_bytes).read_to_end(&mut body)?;
        if (body.len() as u64) < header.row_bytes {
            return Err(Fault::Truncated {
                have: need - header.row_bytes + body.len() as u64,
                need,
            });
        }
        if BlobHash::of(&body) != header.row_hash {
            return Err(Fault::RowsDamaged);
        }
        let body = String::from_utf8(body).map_err(|_| Fault::RowsDamaged)?;
        let rows: Vec<String> = body.lines().map(str::to_owned).collect();
        if rows.len() as u64 != header.rows {
            return Err(Fault::RowsMiscounted { have: rows.len() as u64, declared: header.rows });
        }
        Ok(Self { header, rows })
    }
}
