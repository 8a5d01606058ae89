//! Decodes the names of the entries of a zip.
//!
//! A name is UTF-8 if the zip says so or if it is valid UTF-8: macOS and many programs write UTF-8 without the flag. An
//! Info-ZIP Unicode Path takes precedence. Any other name is in the code page of the computer that packed the zip,
//! which the zip does not state. Only the accented Latin letters that the code pages 437 and 850 share are read; other
//! names are refused, because a wrong guess would look like a missing file.
//!
//! Not here: which names are allowed (`paths`).

use super::zip_directory::DirectoryEntry;

/// Code page 437 from 0x80, for display.
const CP437: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// How a name was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameEncoding {
    Utf8,
    /// Code page 437 or 850, with plausible letters.
    CodePage,
    /// Unknown: the name is readable, but wrong.
    Unknown,
}

/// Returns the name of an entry, with `/` between its parts and as directory mark, and its encoding.
pub(super) fn decode(entry: &DirectoryEntry) -> (String, NameEncoding) {
    let (name, encoding) = match (&entry.unicode_path, std::str::from_utf8(&entry.name)) {
        (Some(path), _) => (path.clone(), NameEncoding::Utf8),
        (None, Ok(name)) => (name.to_owned(), NameEncoding::Utf8),
        (None, Err(_)) => {
            let encoding = match entry.name.split(|b| *b == b'/').all(is_plausible) {
                true => NameEncoding::CodePage,
                false => NameEncoding::Unknown,
            };
            (entry.name.iter().map(|b| cp437(*b)).collect(), encoding)
        }
    };
    // Some programs for Windows write backslashes.
    (name.replace('\\', "/"), encoding)
}

fn cp437(byte: u8) -> char {
    match byte {
        0..0x80 => char::from(byte),
        _ => CP437.chars().nth(usize::from(byte - 0x80)).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// Returns the letter that a byte is in both code page 437 and 850.
fn latin_letter(byte: u8) -> Option<char> {
    matches!(byte, 0x80..=0x9a | 0xa0..=0xa5 | 0xe1).then(|| cp437(byte))
}

/// Returns true for a file or folder name that reads like words in a Latin script: in other code pages, the same bytes
/// are whole words in another script, or the first halves of two-byte letters.
fn is_plausible(name: &[u8]) -> bool {
    let is_letter = |b: &u8| b.is_ascii_alphabetic() || !b.is_ascii();
    if !name.iter().filter(|b| !b.is_ascii()).all(|b| latin_letter(*b).is_some()) {
        return false;
    }
    // The second half of a two-byte letter can be one of these.
    let is_half = |pair: &[u8]| !pair[0].is_ascii() && b"@[\\]^`{|}~".contains(&pair[1]);
    if name.windows(2).any(is_half) {
        return false;
    }
    name.split(|b| !is_letter(b)).filter(|word| !word.is_ascii()).all(|word| {
        let ascii = word.iter().filter(|b| b.is_ascii()).count();
        let longest_run = word.split(u8::is_ascii).map(<[u8]>::len).max().unwrap_or_default();
        let letters: Vec<char> = word.iter().map(|b| cp437(*b)).collect();
        let capital_follows =
            letters.windows(2).any(|w| w[0].is_lowercase() && w[1].is_uppercase());
        longest_run <= 2 && (ascii > 0 || word.len() == 1) && !capital_follows
    })
}

#[cfg(test)]
mod tests;
