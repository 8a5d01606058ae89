//! Unpacks an untrusted zip.
//!
//! The central directory is read first, and every name and declared size is checked. The limits are checked again while
//! entries are unpacked, so that a zip bomb with false sizes is rejected when it reaches a limit.
//!
//! Not here: folders, and the meaning of the files.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use ::zip::result::ZipError;

use super::files::{Limits, SourceFile};
use super::zip_directory::{self, DirectoryEntry, DirectoryError, MaskedFile};
use super::zip_names::{self, NameEncoding};
use super::{archives, paths};
use crate::problem::{Problem, Problems, SourceLocation, file_error};

/// An unpacked zip.
pub(super) struct Unpacked {
    /// The files by NFC path.
    pub files: BTreeMap<String, SourceFile>,
    /// True if a name is in a code page that the zip does not state.
    pub has_guessed_names: bool,
    pub folder: tempfile::TempDir,
}

const BROKEN_HINT: &str = "pack the folder again, or copy the zip again";
pub(crate) const PACK_HINT: &str = "pack the folder again with names in UTF-8 (7-Zip: format zip, parameter cu=on; \
     macOS: Compress; Linux: zip -r), or give the files names of the letters a-z and digits";

/// Unpacks to a temporary folder. Each unpacked file is named by the index of its entry.
pub(super) fn unpack(
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
    let directory = match zip_directory::read(&mut file, limits) {
        Ok(directory) => directory,
        Err(DirectoryError::Broken(what)) => {
            match archives::other_archive(&mut file) {
                Some(kind) => problems.error(
                    archive_location,
                    "zip-broken",
                    format!("the file is no zip, but {}", kind.name),
                    kind.hint,
                ),
                None => report_broken(format!("the zip is incomplete or damaged: {what}")),
            }
            return None;
        }
        Err(DirectoryError::TooMany(count)) => {
            let message =
                format!("the zip has {count} entries; at most {} are allowed", limits.files);
            problems.error(archive_location, "too-many-files", message, "split the course");
            return None;
        }
    };
    let names = decode_names(&directory.entries, problems, archive_location);
    let mut archive = match ::zip::ZipArchive::new(directory.without_unicode_fields(file)) {
        Ok(archive) => archive,
        Err(e) => {
            report_broken(format!("the zip is incomplete or damaged: {e}"));
            return None;
        }
    };
    let entries = select_entries(&mut archive, &names, limits, problems, archive_location);
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
                let message = match &e {
                    ZipError::CompressionMethodNotSupported(method) => {
                        let method = archives::compression_method(*method);
                        format!("the entry is compressed with {method}")
                    }
                    e => format!("the entry cannot be unpacked: {e}"),
                };
                let hint = "pack the folder again with the usual method (deflate)";
                problems.error(at, code, message, hint);
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
    let has_guessed_names = names.values().any(|n| n.1 == NameEncoding::CodePage);
    Some(Unpacked { files, has_guessed_names, folder })
}

/// The name of each entry by its stored name.
type Names = HashMap<Vec<u8>, (String, NameEncoding)>;

/// Decodes all names. Reports names that occur twice, because the `zip` crate returns only the last of these entries,
/// and names whose encoding is unknown. Files of operating systems are not reported.
fn decode_names(
    entries: &[DirectoryEntry],
    problems: &Problems,
    archive_location: SourceLocation<'_>,
) -> Names {
    let mut names = Names::new();
    let mut unknown = BTreeSet::new();
    for entry in entries {
        let (stored, encoding) = zip_names::decode(entry);
        let is_folder = stored.ends_with('/');
        let mut name = paths::without_empty_parts(&stored);
        if is_folder {
            name.push('/');
        }
        if paths::is_os_metadata(&name) {
            names.insert(entry.name.clone(), (name, NameEncoding::Utf8));
            continue;
        }
        if encoding == NameEncoding::Unknown {
            unknown.insert(name.clone());
        }
        let at = SourceLocation { file: &name, line: 1 };
        if names.insert(entry.name.clone(), (name.clone(), encoding)).is_some() {
            let message = "the zip contains this file more than once";
            problems.error(at, "path-duplicate", message, "pack the folder again");
        }
    }
    if let Some(example) = unknown.first() {
        let message = match unknown.len() {
            1 => format!("the name {example:?} in the zip is not UTF-8 and cannot be read"),
            n => format!(
                "{n} names in the zip are not UTF-8 and cannot be read, such as {example:?}"
            ),
        };
        problems.error(archive_location, "zip-names", message, PACK_HINT);
    }
    names
}

/// Checks the entries of the central directory. Returns index and path of the entries to unpack.
fn select_entries(
    archive: &mut ::zip::ZipArchive<MaskedFile>,
    names: &Names,
    limits: &Limits,
    problems: &Problems,
    archive_location: SourceLocation<'_>,
) -> Vec<(usize, String)> {
    let mut selected = Vec::new();
    let mut folded: BTreeMap<String, String> = BTreeMap::new();
    let mut declared_bytes = 0u64;
    let files = names.values().filter(|(name, encoding)| {
        let is_listed = *encoding != NameEncoding::Unknown && !paths::is_os_metadata(name);
        is_listed && !name.ends_with('/')
    });
    let top = paths::common_folder(files.map(|(name, _)| name.as_str()));
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
        let Some((original_path, encoding)) = names.get(entry.name_raw()) else {
            let message = format!("entry {index} is not in the central directory");
            problems.error(archive_location, "zip-broken", message, BROKEN_HINT);
            continue;
        };
        // A name in an unknown encoding was reported with all others.
        if paths::is_os_metadata(original_path) || *encoding == NameEncoding::Unknown {
            continue;
        }
        let at = SourceLocation { file: original_path, line: 1 };
        let path = original_path.strip_suffix('/').unwrap_or(original_path);
        // An entry for the top folder, or for the folder `./`.
        if original_path.ends_with('/') && (path.is_empty() || path == top) {
            continue;
        }
        if let Err(error) = paths::check_below(top, path) {
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
        if original_path.ends_with('/') {
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
