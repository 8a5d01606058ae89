//! Unpacks an untrusted zip.
//!
//! The central directory is read first, and every name and declared size is checked. The limits are checked again while
//! entries are unpacked, so that a zip bomb with false sizes is rejected when it reaches a limit.
//!
//! Not here: folders, and the meaning of the files.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use ::zip::result::ZipError;

use super::files::{Limits, SourceFile};
use super::paths;
use crate::problem::{Problem, Problems, SourceLocation, file_error};

type Unpacked = (BTreeMap<String, SourceFile>, tempfile::TempDir);

const BROKEN_HINT: &str = "pack the folder again, or copy the zip again";

/// Unpacks to a temporary folder. Each unpacked file is named by the index of its entry.
pub(crate) fn unpack(
    path: &Path,
    display_name: &str,
    limits: &Limits,
) -> Result<Unpacked, Vec<Problem>> {
    let problems = Problems::default();
    let result = unpack_into(path, display_name, limits, &problems);
    let list = problems.into_sorted();
    match result {
        Some(unpacked) if list.is_empty() => Ok(unpacked),
        _ => Err(list),
    }
}

fn unpack_into(
    path: &Path,
    display_name: &str,
    limits: &Limits,
    problems: &Problems,
) -> Option<Unpacked> {
    let archive_location = SourceLocation { file: display_name, line: 1 };
    let report_broken = |what: String| {
        problems.error(archive_location, "zip-broken", what, BROKEN_HINT);
    };
    let mut file = File::open(path)
        .map_err(|e| problems.add(file_error(display_name, "unreadable", e.to_string(), "")))
        .ok()?;
    let names = match read_names(&mut file, limits) {
        Ok(names) => names,
        Err(DirectoryError::Broken(what)) => {
            report_broken(format!("the zip is incomplete or damaged: {what}"));
            return None;
        }
        Err(DirectoryError::TooMany(count)) => {
            let message =
                format!("the zip has {count} entries; at most {} are allowed", limits.files);
            problems.error(archive_location, "too-many-files", message, "split the course");
            return None;
        }
    };
    // The `zip` crate ignores all but the last of several entries with the same name, so duplicates are reported here.
    let mut seen = std::collections::BTreeSet::new();
    for name in &names {
        if !seen.insert(name) {
            let name = String::from_utf8_lossy(name);
            problems.error(
                SourceLocation { file: &name, line: 1 },
                "path-duplicate",
                "the zip contains this file more than once",
                "pack the folder again",
            );
        }
    }
    let mut archive = match ::zip::ZipArchive::new(file) {
        Ok(archive) => archive,
        Err(e) => {
            report_broken(format!("the zip is incomplete or damaged: {e}"));
            return None;
        }
    };
    let entries = select_entries(&mut archive, limits, problems, archive_location);
    if problems.has_errors() {
        return None;
    }
    let folder = tempfile::tempdir()
        .map_err(|e| {
            problems.add(file_error(display_name, "unreadable", e.to_string(), "free some space"))
        })
        .ok()?;
    let mut files = BTreeMap::new();
    let mut total = 0u64;
    for (index, original_path) in entries {
        let at = SourceLocation { file: &original_path, line: 1 };
        let mut entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(e) => {
                let code = if matches!(
                    e,
                    ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_)
                ) {
                    "zip-method"
                } else {
                    "zip-broken"
                };
                problems.error(
                    at,
                    code,
                    format!("the entry cannot be unpacked: {e}"),
                    "pack the folder again with the usual method (deflate)",
                );
                continue;
            }
        };
        let disk = folder.path().join(index.to_string());
        let packed = entry.compressed_size();
        match extract_entry(&mut entry, &disk, packed, limits.total_bytes - total, limits) {
            Ok(size) => {
                total += size;
                files.insert(paths::nfc(&original_path), SourceFile { disk, size, original_path });
            }
            Err(ExtractError::Ratio) => {
                let message =
                    format!("the entry unpacks to more than {} times its size", limits.ratio);
                problems.error(
                    at,
                    "zip-ratio",
                    message,
                    "this looks like a zip bomb: remove the file",
                );
                return None;
            }
            Err(ExtractError::File) => {
                let message = format!("the entry unpacks to more than {} bytes", limits.file_bytes);
                problems.error(at, "file-too-large", message, "make it smaller or split it");
                return None;
            }
            Err(ExtractError::Total) => {
                let message = format!("the zip unpacks to more than {} bytes", limits.total_bytes);
                problems.error(
                    archive_location,
                    "too-large",
                    message,
                    "make the media smaller or split the course",
                );
                return None;
            }
            Err(ExtractError::Io(e)) => {
                let message = format!("the entry cannot be unpacked: {e}");
                problems.error(at, "zip-broken", message, BROKEN_HINT);
            }
        }
    }
    Some((files, folder))
}

/// Checks the entries of the central directory. Returns index and path of the entries to unpack.
fn select_entries(
    archive: &mut ::zip::ZipArchive<File>,
    limits: &Limits,
    problems: &Problems,
    archive_location: SourceLocation<'_>,
) -> Vec<(usize, String)> {
    let mut selected = Vec::new();
    let mut folded: BTreeMap<String, String> = BTreeMap::new();
    let mut declared_bytes = 0u64;
    for index in 0..archive.len() {
        let entry = match archive.by_index_raw(index) {
            Ok(entry) => entry,
            Err(e) => {
                problems.error(
                    archive_location,
                    "zip-broken",
                    format!("entry {index} cannot be read: {e}"),
                    BROKEN_HINT,
                );
                continue;
            }
        };
        let original_path = entry.name().to_owned();
        let at = SourceLocation { file: &original_path, line: 1 };
        let path = original_path.strip_suffix('/').unwrap_or(&original_path);
        if let Err(error) = paths::check(path) {
            problems.error(at, error.code, error.message, error.hint);
            continue;
        }
        if entry.is_symlink()
            || entry
                .unix_mode()
                .is_some_and(|m| !matches!(m & 0o170_000, 0 | 0o100_000 | 0o040_000))
        {
            problems.error(
                at,
                "link",
                "the entry is a link or a device",
                "replace the link with the file",
            );
            continue;
        }
        if entry.is_dir() || paths::is_os_metadata(path) {
            continue;
        }
        if entry.encrypted() {
            problems.error(
                at,
                "zip-encrypted",
                "the entry is encrypted with a password",
                "pack the folder without a password",
            );
            continue;
        }
        if let Some(first) = folded.insert(paths::case_folded(path), path.to_owned()) {
            let message = format!("this name and {first:?} are identical on Windows and macOS");
            problems.error(at, "path-duplicate", message, "rename one of them");
            continue;
        }
        if entry.size() > limits.file_bytes {
            let message =
                format!("the file has {} bytes; {} are allowed", entry.size(), limits.file_bytes);
            problems.error(at, "file-too-large", message, "make it smaller or split it");
        }
        if entry.size() > limits.ratio_min_bytes
            && entry.size() / limits.ratio > entry.compressed_size()
        {
            let message = format!("the entry unpacks to more than {} times its size", limits.ratio);
            problems.error(at, "zip-ratio", message, "this looks like a zip bomb: remove the file");
        }
        declared_bytes = declared_bytes.saturating_add(entry.size());
        selected.push((index, path.to_owned()));
    }
    if declared_bytes > limits.total_bytes {
        let message = format!(
            "the zip unpacks to {declared_bytes} bytes; {} are allowed",
            limits.total_bytes
        );
        problems.error(
            archive_location,
            "too-large",
            message,
            "make the media smaller or split the course",
        );
    }
    selected
}

enum ExtractError {
    Ratio,
    File,
    Total,
    Io(io::Error),
}

/// Unpacks one entry. Counts the bytes, because the size in the header may be wrong.
fn extract_entry(
    from: &mut dyn Read,
    disk: &Path,
    packed: u64,
    remaining: u64,
    limits: &Limits,
) -> Result<u64, ExtractError> {
    let mut out = io::BufWriter::new(File::create_new(disk).map_err(ExtractError::Io)?);
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0u64;
    loop {
        let n = from.read(&mut buffer).map_err(ExtractError::Io)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        if size > limits.file_bytes {
            return Err(ExtractError::File);
        }
        if size > remaining {
            return Err(ExtractError::Total);
        }
        if size > limits.ratio_min_bytes && size / limits.ratio > packed {
            return Err(ExtractError::Ratio);
        }
        out.write_all(&buffer[..n]).map_err(ExtractError::Io)?;
    }
    out.flush().map_err(ExtractError::Io)?;
    Ok(size)
}

enum DirectoryError {
    Broken(String),
    TooMany(u64),
}

/// Returns the raw names of the central directory, including duplicates (PKWARE APPNOTE 4.3.12, 4.3.14, 4.3.16). A zip
/// with more entries than allowed is rejected before its directory is read into memory.
fn read_names(file: &mut File, limits: &Limits) -> Result<Vec<Vec<u8>>, DirectoryError> {
    let io = |e: io::Error| DirectoryError::Broken(e.to_string());
    let length = file.seek(SeekFrom::End(0)).map_err(io)?;
    let tail_length = length.min(22 + 65_535);
    let mut tail = vec![0; usize::try_from(tail_length).unwrap_or_default()];
    file.seek(SeekFrom::Start(length - tail_length)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let end =
        (0..tail.len().saturating_sub(21)).rev().find(|i| tail[*i..].starts_with(b"PK\x05\x06"));
    let end =
        end.ok_or_else(|| DirectoryError::Broken("its central directory is missing".into()))?;
    let u16_at = |b: &[u8], i: usize| u64::from(u16::from_le_bytes([b[i], b[i + 1]]));
    let u32_at =
        |b: &[u8], i: usize| u64::from(u32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]));
    let (mut count, mut size) = (u16_at(&tail, end + 10), u32_at(&tail, end + 12));
    let mut table_end = length - tail_length + end as u64;
    let locator = end.checked_sub(20).filter(|i| tail[*i..].starts_with(b"PK\x06\x07"));
    if let Some(locator) = locator {
        let u64_at = |b: &[u8], i: usize| u32_at(b, i) | u32_at(b, i + 4) << 32;
        let at = u64_at(&tail, locator + 8);
        let mut record = [0; 56];
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        file.read_exact(&mut record).map_err(io)?;
        if record.starts_with(b"PK\x06\x06") {
            (count, size, table_end) = (u64_at(&record, 32), u64_at(&record, 40), at);
        }
    }
    if count > limits.files {
        return Err(DirectoryError::TooMany(count));
    }
    // An entry can have up to 3 * 65,535 bytes of name, extra field and comment, but the directory of a normal zip is
    // much smaller than 64 MiB.
    if size > 64 << 20 || size > table_end {
        return Err(DirectoryError::Broken("its central directory has an invalid size".into()));
    }
    let mut table = vec![0; usize::try_from(size).unwrap_or_default()];
    file.seek(SeekFrom::Start(table_end - size)).map_err(io)?;
    file.read_exact(&mut table).map_err(io)?;
    let mut names = Vec::new();
    let mut rest = table.as_slice();
    while rest.len() >= 46 && rest.starts_with(b"PK\x01\x02") {
        let (name, extra, comment) =
            (u16_at(rest, 28) as usize, u16_at(rest, 30) as usize, u16_at(rest, 32) as usize);
        let Some(text) = rest.get(46..46 + name) else { break };
        names.push(text.to_vec());
        if names.len() as u64 > limits.files {
            return Err(DirectoryError::TooMany(names.len() as u64));
        }
        rest = rest.get(46 + name + extra + comment..).unwrap_or_default();
    }
    if names.len() as u64 != count {
        return Err(DirectoryError::Broken(format!(
            "its central directory lists {} of {count} files",
            names.len()
        )));
    }
    file.rewind().map_err(io)?;
    Ok(names)
}
