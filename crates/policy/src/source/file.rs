//! Reads a policy file: what may be read at all, and its text encoding.
//!
//! Not here: the syntax (`json`, `property_list`).

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use super::Source;
use crate::problem::{Effect, Problem, ProblemCode};

/// Largest policy file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Bytes of a file.
pub struct FileBytes {
    pub bytes: Vec<u8>,
    pub warnings: Vec<Problem>,
}

/// Returns a problem because of which nothing of the source is in force.
pub fn ignored(
    source: &Source,
    code: ProblemCode,
    message: impl Into<String>,
    hint: &str,
) -> Problem {
    Problem {
        code,
        effect: Effect::SourceIgnored,
        source: source.name(),
        key: None,
        position: None,
        message: message.into(),
        expected: String::new(),
        hint: hint.into(),
    }
}

/// Reads a file. `None` if there is none.
pub fn read(source: &Source, path: &Path, of_machine: bool) -> Result<Option<FileBytes>, Problem> {
    let unreadable = |e: &io::Error| {
        let hint = match e.kind() {
            io::ErrorKind::PermissionDenied => {
                "make the file and its folders readable for all users"
            }
            _ => "check the file and its disk",
        };
        ignored(source, ProblemCode::Unreadable, format!("the file cannot be read: {e}"), hint)
    };
    // Of the target, if the path is a symbolic link. Before the file is opened: opening a pipe waits for its writer.
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_err() {
                return Ok(None);
            }
            let message = "the symbolic link points to a file that does not exist";
            let hint = "create the file or remove the link";
            return Err(ignored(source, ProblemCode::Unreadable, message, hint));
        }
        // A file in the place of the folder: there is no policy file.
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(e) => return Err(unreadable(&e)),
    };
    if !meta.is_file() {
        let what = if meta.is_dir() { "a folder" } else { "a device or a pipe" };
        let message = format!("it is {what}, not a file");
        let hint = "put a JSON file in its place";
        return Err(ignored(source, ProblemCode::NotAFile, message, hint));
    }
    let too_large = |bytes: u64| {
        let message = format!("the file has {bytes} bytes, more than {MAX_FILE_BYTES}");
        ignored(source, ProblemCode::TooLarge, message, "check that this is the policy file")
    };
    if meta.len() > MAX_FILE_BYTES {
        return Err(too_large(meta.len()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|e| unreadable(&e))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    let warnings = if of_machine { insecure(source, path, &meta) } else { Vec::new() };
    Ok(Some(FileBytes { bytes, warnings }))
}

/// Returns a warning if other users than the administrator can change the file or replace it.
#[cfg(unix)]
fn insecure(source: &Source, path: &Path, meta: &fs::Metadata) -> Vec<Problem> {
    use std::os::unix::fs::MetadataExt as _;

    /// The write permission of all users.
    const WORLD_WRITABLE: u32 = 0o002;
    /// The owner of files in a sticky folder is the only one who can replace them.
    const STICKY: u32 = 0o1000;
    let folder = path.parent().and_then(|folder| fs::metadata(folder).ok());
    let is_open_folder =
        folder.is_some_and(|folder| folder.mode() & (WORLD_WRITABLE | STICKY) == WORLD_WRITABLE);
    let what = if meta.uid() != 0 {
        "the file does not belong to the administrator (root)"
    } else if meta.mode() & WORLD_WRITABLE != 0 {
        "every user of the machine can change the file"
    } else if is_open_folder {
        "every user of the machine can replace the file"
    } else {
        return Vec::new();
    };
    let hint = format!("chown root {0} && chmod go-w {0}", path.display());
    let problem = ignored(source, ProblemCode::InsecureFile, what, &hint);
    vec![Problem { effect: Effect::InForce, ..problem }]
}

/// Windows and its management systems protect the folder.
#[cfg(not(unix))]
fn insecure(_source: &Source, _path: &Path, _meta: &fs::Metadata) -> Vec<Problem> {
    Vec::new()
}

/// Returns the text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.
pub fn decode<'a>(source: &Source, bytes: &'a [u8]) -> Result<Cow<'a, str>, Problem> {
    let wrong = |message: String| {
        let hint = "save the file as UTF-8";
        ignored(source, ProblemCode::Encoding, message, hint)
    };
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        match String::from_utf16(&units) {
            Ok(text) if odd.is_empty() => Ok(Cow::Owned(text)),
            _ => Err(wrong("the file begins as UTF-16, but is not UTF-16".into())),
        }
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest).map_err(wrong),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes).map_err(wrong),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = std::str::from_utf8(bytes);
    text.map(Cow::Borrowed).map_err(|e| format!("byte {} is not UTF-8", e.valid_up_to() + 1))
}
