//! Names of files inside a package: which are allowed, and how links are resolved.
//!
//! Not here: the file system. A path is text with `/`, in Unicode NFC, regardless of the spelling on disk or in a zip.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// Maximum length of a path in bytes of UTF-8.
pub(crate) const MAX_PATH_BYTES: usize = 240;

/// A rejected path: code, message, hint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathError {
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

fn path_error<T>(code: &'static str, message: String, hint: &'static str) -> Result<T, PathError> {
    Err(PathError { code, message, hint })
}

/// Checks the path of a zip entry or of a file in a folder, relative to the package's root.
pub(crate) fn check(path: &str) -> Result<(), PathError> {
    const RELATIVE_HINT: &str =
        "pack the folder itself, with paths relative to it and `/` between names";
    let display: String = path.chars().take(120).collect();
    if path.len() > MAX_PATH_BYTES {
        return path_error(
            "path-long",
            format!("a path is longer than {MAX_PATH_BYTES} bytes: {display:?}"),
            "use shorter names",
        );
    }
    if path.contains('\\') {
        return path_error(
            "path-unsafe",
            format!("a path has a backslash: {display:?}"),
            RELATIVE_HINT,
        );
    }
    if path.starts_with('/') {
        return path_error(
            "path-unsafe",
            format!("a path is absolute: {display:?}"),
            RELATIVE_HINT,
        );
    }
    let bytes = path.as_bytes();
    if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        return path_error(
            "path-unsafe",
            format!("a path has a drive letter: {display:?}"),
            RELATIVE_HINT,
        );
    }
    for name in path.split('/') {
        if name.is_empty() || name == "." || name == ".." {
            return path_error(
                "path-unsafe",
                format!("a path has an empty part, `.` or `..`: {display:?}"),
                RELATIVE_HINT,
            );
        }
        if name.chars().any(|c| c.is_control() || "<>:\"|?*".contains(c)) {
            let message =
                format!("a name has a control character or one of < > : \" | ? *: {display:?}");
            return path_error("path-name", message, "rename the file: Windows cannot store it");
        }
        if name.ends_with(['.', ' ']) {
            return path_error(
                "path-name",
                format!("a name ends with a dot or a space: {display:?}"),
                "rename the file: Windows cannot store it",
            );
        }
        if is_reserved(name) {
            return path_error(
                "path-reserved",
                format!("Windows reserves this name: {display:?}"),
                "rename the file",
            );
        }
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        _ => {
            let digits = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
            digits.is_some_and(|d| {
                d.chars().count() == 1 && d.chars().all(|c| c.is_ascii_digit() || "¹²³".contains(c))
            })
        }
    }
}

/// Removes `.` and empty parts, which some programs write into zips: `./a//b.md` becomes `a/b.md`. The start of an
/// absolute path is kept.
pub(crate) fn without_empty_parts(path: &str) -> String {
    let start = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("{start}{}", parts.join("/"))
}

/// Checks the path of a file below `folder` of a zip or of a collection. The names of the folders above a package are
/// not published, and need not be portable.
pub(crate) fn check_below(folder: &str, path: &str) -> Result<(), PathError> {
    let inside = path.strip_prefix(folder).map(|inside| inside.trim_start_matches('/'));
    match (check(path), inside) {
        (Err(error), Some(inside)) if error.code != "path-unsafe" => check(inside),
        (result, _) => result,
    }
}

/// Returns the NFC spelling, by which paths are looked up. macOS stores NFD, zips contain either.
pub(crate) fn nfc(path: &str) -> String {
    path.nfc().collect()
}

/// Returns the form that must be unique: Windows and macOS ignore differences of case and composition. Compatibility
/// characters, such as the 2 in `x².png`, remain different.
pub(crate) fn case_folded(path: &str) -> String {
    nfc(&UniCase::unicode(nfc(path)).to_folded_case())
}

/// Lower-case names of files and folders that operating systems and network drives create.
const OS_NAMES: [&str; 20] = [
    "__macosx",
    // Icon of a folder on macOS: its name ends with a carriage return, which other systems store in another way.
    "icon\r",
    "icon\u{f00d}",
    "icon?",
    "desktop db",
    "desktop df",
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
];

/// Returns true for files that operating systems create: hidden ones (also `._name`, `.DS_Store`), those of `OS_NAMES`,
/// lock files of office programs, origins of downloads. Such names need not be valid.
pub(crate) fn is_os_metadata(path: &str) -> bool {
    path.split('/').any(|name| {
        let lower = name.to_lowercase();
        (name.starts_with('.') && name != "." && name != "..")
            || OS_NAMES.contains(&lower.as_str())
            || name.starts_with("~$")
            || lower.ends_with(":zone.identifier")
    })
}

/// Returns the deepest folder that contains all paths, `""` if there is none.
pub(crate) fn common_folder<'a>(paths: impl IntoIterator<Item = &'a str>) -> &'a str {
    let mut paths = paths.into_iter();
    let mut folder = paths.next().map_or("", parent);
    for path in paths {
        while !folder.is_empty()
            && !path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        {
            folder = parent(folder);
        }
    }
    folder
}

/// Returns the folder of a file, `""` at the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Replaces the extension of a path: `media/rain.mp3` with `vtt` becomes `media/rain.vtt`.
pub(crate) fn with_extension(path: &str, extension: &str) -> String {
    let stem = match path.rsplit_once('.') {
        Some((stem, ext)) if !ext.contains('/') => stem,
        _ => path,
    };
    format!("{stem}.{extension}")
}

/// Returns the lower-case extension, `""` if there is none.
pub(crate) fn extension(path: &str) -> String {
    match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')) {
        Some((_, ext)) => ext.to_ascii_lowercase(),
        None => String::new(),
    }
}

/// Resolves a link from a file's folder. Returns `None` if the link leaves the package, is absolute or has a backslash.
pub(crate) fn resolve(folder: &str, link: &str) -> Option<String> {
    if link.starts_with('/') || link.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(nfc(&parts.join("/")))
}

/// Decodes percent escapes such as `%20`, which Markdown editors write for spaces. A link that is not UTF-8 after
/// decoding is returned unchanged.
pub(crate) fn percent_decoded(link: &str) -> Cow<'_, str> {
    percent_decode_str(link).decode_utf8().unwrap_or(Cow::Borrowed(link))
}

#[cfg(test)]
mod tests;
