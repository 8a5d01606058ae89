//! Encodings: UTF-8 and UTF-16 with and without a byte order mark, and the encodings of spreadsheets on other systems.
//!
//! A text that is no Unicode is read in the encoding in which most headings are known, else as windows-1252; the
//! guess is reported.

use std::io::{self, Read};

use encoding_rs::{
    BIG5, EUC_KR, Encoding as Coding, GBK, MACINTOSH, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255,
    WINDOWS_1256,
};

use crate::problem::FileError;

/// Number of bytes from which the form of a table is learnt.
pub(super) const SAMPLE_BYTES: usize = 64 << 10;

const CHUNK_BYTES: usize = 32 << 10;

/// Encodings of a file that is no Unicode, in the order of a guess.
const OTHERS: [&Coding; 12] = [
    WINDOWS_1252,
    WINDOWS_1256,
    WINDOWS_1251,
    WINDOWS_1250,
    WINDOWS_1254,
    WINDOWS_1253,
    WINDOWS_1255,
    MACINTOSH,
    GBK,
    SHIFT_JIS,
    EUC_KR,
    BIG5,
];

/// An encoding that the person who imports a file states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static Coding);

impl Encoding {
    /// Returns the encoding with this name, such as `utf-8`, `windows-1256` or `latin1`.
    pub fn of_name(name: &str) -> Option<Self> {
        let coding = Coding::for_label_no_replacement(name.trim().as_bytes())?;
        Some(Self(coding))
    }
}

pub(super) fn name(coding: &'static Coding) -> &'static str {
    coding.name()
}

/// What the bytes of a file show.
pub(super) struct Scan {
    /// Possible encodings; the first is the most likely one.
    pub candidates: Vec<&'static Coding>,
    pub is_guess: bool,
    /// Start of the file.
    pub sample: Vec<u8>,
}

impl Scan {
    pub fn of(input: &mut dyn Read, stated: Option<Encoding>) -> Result<Self, FileError> {
        let mut sample = Vec::new();
        (&mut *input).take(SAMPLE_BYTES as u64).read_to_end(&mut sample)?;
        check_kind(&sample)?;
        let of = |candidates: &[&'static Coding], is_guess, sample| {
            Ok(Self { candidates: candidates.to_vec(), is_guess, sample })
        };
        if let Some((coding, _)) = Coding::for_bom(&sample) {
            return of(&[coding], false, sample);
        }
        if let Some(Encoding(coding)) = stated {
            return of(&[coding], false, sample);
        }
        if let Some(coding) = unmarked_utf16(&sample) {
            return of(&[coding], false, sample);
        }
        if sample.contains(&0) {
            return Err(FileError::Binary("it contains NUL bytes"));
        }
        let mut check = Utf8Check::default();
        check.add(&sample);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => check.add(&chunk[..read]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        if check.is_utf8() {
            return of(&[UTF_8], false, sample);
        }
        let mut candidates = OTHERS;
        if sample.contains(&b'\r') && !sample.contains(&b'\n') {
            // "CSV (Macintosh)" of Excel.
            candidates.sort_by_key(|coding| *coding != MACINTOSH);
        }
        of(&candidates, true, sample)
    }
}

/// Refuses files of other kinds by their first bytes.
fn check_kind(sample: &[u8]) -> Result<(), FileError> {
    let start: Vec<u8> = sample.iter().take(64).map(u8::to_ascii_lowercase).collect();
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    match sample {
        [] => return Err(FileError::Empty),
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            return Err(FileError::Spreadsheet);
        }
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(FileError::Binary("it is UTF-32"));
        }
        _ => {}
    }
    for (mark, what) in [
        (b"%pdf".as_slice(), "it is a PDF document"),
        (b"{\\rtf", "it is an RTF document"),
        (b"<!doctype", "it is a web page"),
        (b"<html", "it is a web page"),
        (b"<?xml", "it is an XML document"),
        (b"{\"", "it is a JSON document"),
        (b"[{", "it is a JSON document"),
    ] {
        if text.starts_with(mark) {
            return Err(FileError::Binary(what));
        }
    }
    Ok(())
}

/// Returns UTF-16 if NUL bytes are mostly at even positions, or mostly at odd positions, as in Latin letters,
/// separators and line ends of a table.
fn unmarked_utf16(sample: &[u8]) -> Option<&'static Coding> {
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
    match (zeros(0), zeros(1)) {
        (even, odd) if odd > 1 && even * 8 <= odd => Some(UTF_16LE),
        (even, odd) if even > 1 && odd * 8 <= even => Some(UTF_16BE),
        _ => None,
    }
}

/// Counts sequences of UTF-8 in chunks.
#[derive(Default)]
struct Utf8Check {
    /// Start of a sequence at the end of the last chunk.
    rest: Vec<u8>,
    /// Characters of several bytes.
    wide: u64,
    wrong: u64,
}

impl Utf8Check {
    fn add(&mut self, chunk: &[u8]) {
        let joined;
        let mut bytes = chunk;
        if !self.rest.is_empty() {
            joined = [self.rest.as_slice(), chunk].concat();
            self.rest.clear();
            bytes = &joined;
        }
        loop {
            match std::str::from_utf8(bytes) {
                Ok(text) => return self.count(text),
                Err(e) => {
                    let (good, bad) = bytes.split_at(e.valid_up_to());
                    self.count(std::str::from_utf8(good).unwrap_or_default());
                    let Some(length) = e.error_len() else {
                        self.rest = bad.to_vec();
                        return;
                    };
                    self.wrong += 1;
                    bytes = &bad[length..];
                }
            }
        }
    }

    fn count(&mut self, text: &str) {
        if !text.is_ascii() {
            self.wide += text.bytes().filter(|byte| *byte >= 0xc0).count() as u64;
        }
    }

    /// Returns true if the text is UTF-8, also if a few places are damaged: reading those as another encoding would
    /// change all other letters.
    fn is_utf8(&self) -> bool {
        let wrong = self.wrong + u64::from(!self.rest.is_empty());
        wrong == 0 || self.wide > wrong.saturating_mul(4)
    }
}

/// Decodes an input to UTF-8 in chunks. Damaged places become U+FFFD.
pub(super) struct Decoder<R> {
    input: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    /// Range of `raw` that is not decoded yet.
    pending: (usize, usize),
    is_at_end: bool,
    is_finished: bool,
    is_damaged: bool,
}

impl<R: Read> Decoder<R> {
    pub fn new(input: R, coding: &'static Coding) -> Self {
        Self {
            input,
            decoder: coding.new_decoder_with_bom_removal(),
            raw: vec![0; CHUNK_BYTES],
            pending: (0, 0),
            is_at_end: false,
            is_finished: false,
            is_damaged: false,
        }
    }

    /// Returns true if U+FFFD was written for bytes without a meaning.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Writes the next part of the text to `out`. Returns false at the end.
    pub fn next_chunk(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        out.resize(CHUNK_BYTES, 0);
        while !self.is_finished {
            if self.pending.0 == self.pending.1 && !self.is_at_end {
                let read = match self.input.read(&mut self.raw) {
                    Ok(read) => read,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => return Err(e),
                };
                self.pending = (0, read);
                self.is_at_end = read == 0;
            }
            let source = &self.raw[self.pending.0..self.pending.1];
            let (result, read, written, is_damaged) =
                self.decoder.decode_to_utf8(source, out, self.is_at_end);
            self.is_damaged |= is_damaged;
            self.pending.0 += read;
            if self.is_at_end && result == encoding_rs::CoderResult::InputEmpty {
                self.is_finished = true;
            }
            if written > 0 {
                out.truncate(written);
                return Ok(true);
            }
        }
        out.clear();
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns at most three bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(3).min(buf.len());
            buf[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn decoded(bytes: &[u8]) -> (String, bool) {
        let scan = Scan::of(&mut Slow(bytes), None).unwrap();
        let mut decoder = Decoder::new(Slow(bytes), scan.candidates[0]);
        let (mut text, mut chunk) = (Vec::new(), Vec::new());
        while decoder.next_chunk(&mut chunk).unwrap() {
            text.extend_from_slice(&chunk);
        }
        (String::from_utf8(text).unwrap(), scan.is_guess)
    }

    #[test]
    fn all_encodings_of_schools_are_read() {
        let text = "login,name\nzoë,Zoë 😀\n";
        let utf16 =
            |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let with_bom = |bom: &[u8], bytes: &[u8]| [bom, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            with_bom(b"\xef\xbb\xbf", text.as_bytes()),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            with_bom(b"\xff\xfe", &utf16(u16::to_le_bytes)),
            with_bom(b"\xfe\xff", &utf16(u16::to_be_bytes)),
        ] {
            assert_eq!(decoded(&bytes), (text.to_owned(), false), "{bytes:?}");
        }
        assert_eq!(
            decoded(b"login,name\nzo\xeb,Zo\xeb\n"),
            ("login,name\nzoë,Zoë\n".to_owned(), true)
        );
        // One damaged place in a Unicode text.
        let damaged = [b"a\n".as_slice(), "ééééé".as_bytes(), b"\xff\n"].concat();
        assert_eq!(decoded(&damaged), ("a\nééééé\u{fffd}\n".to_owned(), false));
    }

    #[test]
    fn files_that_are_no_text_are_refused() {
        for (bytes, part) in [
            (b"".as_slice(), "is empty"),
            (b"PK\x03\x04xx", "spreadsheet"),
            (b"\xd0\xcf\x11\xe0xx", "spreadsheet"),
            (b"%PDF-1.7", "PDF"),
            (b"\n<!DOCTYPE html><html>", "web page"),
            (b"{\"people\":[]}", "JSON"),
            (b"abc\0\0\0def\0", "NUL"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        ] {
            let error =
                Scan::of(&mut Slow(bytes), None).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{bytes:?}: {error}");
        }
    }
}
