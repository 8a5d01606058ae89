//! Ogg files with Opus, Vorbis or FLAC (RFC 3533, 7845, 5334). Lengths are those of the last page.
//!
//! Comments are overwritten in place, so that no page changes its size.

use std::io;

use crate::{
    Edits, Recording, Unsupported,
    error::{RecordingError, broken},
    input::Input,
    milliseconds,
};

/// Largest size of the headers of a stream in bytes; they may contain a picture.
const MAX_HEADERS: usize = 64 << 20;

struct Page {
    at: u64,
    /// Length in bytes, with the header.
    len: u64,
    flags: u8,
    /// Number of samples before the end of the last packet that ends on the page; `None` if none ends.
    end: Option<u64>,
    serial: u32,
    /// Lengths of the segments; a packet ends with a segment shorter than 255.
    segments: Vec<u8>,
}

impl Page {
    fn header_len(&self) -> u64 {
        27 + self.segments.len() as u64
    }
    fn is_first_of_stream(&self) -> bool {
        self.flags & 2 != 0
    }
}

/// Reads the page at a position; `None` if there is no complete one.
fn page(input: &mut Input<'_>, at: u64) -> io::Result<Option<Page>> {
    let head = input.bytes(at, 27 + 255)?;
    if head.len() < 27 || !head.starts_with(b"OggS\0") {
        return Ok(None);
    }
    let number = |from: usize| {
        u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]])
    };
    let Some(segments) = head.get(27..27 + usize::from(head[26])) else { return Ok(None) };
    let end = u64::from(number(6)) | u64::from(number(10)) << 32;
    let len = 27 + segments.len() as u64 + segments.iter().map(|s| u64::from(*s)).sum::<u64>();
    let page = Page {
        at,
        len,
        flags: head[5],
        end: (end != u64::MAX).then_some(end),
        serial: number(14),
        segments: segments.to_vec(),
    };
    Ok((at + len <= input.len).then_some(page))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Codec {
    Opus,
    Vorbis,
    Flac,
}

/// The stream whose length is measured. Chained streams follow one another.
struct Stream {
    codec: Codec,
    serial: u32,
    rate: u64,
    /// Samples at the start that are not played.
    skip: u64,
    /// Number of the first sample, and of the sample after the last one.
    span: Option<(u64, u64)>,
    headers: Headers,
}

impl Stream {
    fn duration_ms(&self) -> u64 {
        let (start, end) = self.span.unwrap_or_default();
        let samples = end.saturating_sub(start);
        milliseconds(
            samples.checked_sub(self.skip).filter(|n| *n > 0).unwrap_or(samples),
            self.rate,
        )
    }
}

pub(crate) fn inspect(input: &mut Input<'_>, start: u64) -> Result<Recording, RecordingError> {
    let mut edits = Edits::default();
    let mut kept: Vec<(u64, u64)> = Vec::new();
    let (mut done_ms, mut stream) = (0, None::<Stream>);
    let mut unsupported = None;
    let mut at = start;
    while at < input.len {
        let Some(page) = page(input, at)? else {
            // Bytes between pages have no meaning.
            match input.find(at + 1, input.len, b"OggS\0")? {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        at += page.len;
        match kept.last_mut() {
            Some(last) if last.1 == page.at => last.1 = at,
            _ => kept.push((page.at, at)),
        }
        let body = page.at + page.header_len();
        if page.is_first_of_stream() {
            let packet = input.bytes(body, 80)?.to_vec();
            match first_packet(&packet, page.serial) {
                Ok(next) => {
                    if stream.as_ref().is_some_and(|s| s.span.is_none()) {
                        // A second track beside the first one.
                        continue;
                    }
                    done_ms += stream.take().map_or(0, |s| s.duration_ms());
                    stream = Some(next);
                }
                Err(codec) => unsupported = unsupported.or(codec),
            }
            continue;
        }
        let Some(current) = stream.as_mut().filter(|s| s.serial == page.serial) else { continue };
        if !current.headers.are_complete() {
            let bytes = input.vec(page.at, page.len, 1 << 17)?;
            current.headers.push(&page, bytes)?;
            if current.headers.are_complete() {
                current.headers.clear_comments(current.codec, &mut edits);
            }
            continue;
        }
        if let Some(end) = page.end {
            let first = match current.span {
                Some((first, _)) => first,
                // A stream that was recorded in the middle of a broadcast does not start at 0.
                None => end.saturating_sub(samples(input, &page, current)?),
            };
            let last = current.span.map_or(end, |(_, last)| last.max(end));
            current.span = Some((first, last));
        }
    }
    if let Some(format) = unsupported.filter(|codec| *codec == THEORA || stream.is_none()) {
        return Err(RecordingError::Unsupported(format));
    }
    let stream = stream.ok_or_else(|| broken("it has no audio track"))?;
    if stream.span.is_none() && done_ms == 0 {
        return Err(broken("the audio track is empty"));
    }
    edits.keep_only(&kept, input.len);
    Ok(Recording::sound("audio/ogg", done_ms + stream.duration_ms(), edits))
}

/// Returns the number of samples of the packets on a page; for other codecs than Opus, the most that are likely.
fn samples(input: &mut Input<'_>, page: &Page, stream: &Stream) -> Result<u64, RecordingError> {
    let packets = page.segments.iter().filter(|s| **s < 255).count() as u64;
    if stream.codec != Codec::Opus {
        return Ok(packets.saturating_mul(1 << 16).min(stream.rate * 2));
    }
    let bytes = input.vec(page.at, page.len, 1 << 17)?;
    let mut rest = bytes.get(27 + page.segments.len()..).unwrap_or_default();
    let (mut total, mut is_start) = (0, page.flags & 1 == 0);
    for segment in &page.segments {
        let (part, next) = rest.split_at(usize::from(*segment).min(rest.len()));
        total += if is_start { opus_samples(part) } else { 0 };
        is_start = *segment < 255;
        rest = next;
    }
    Ok(total)
}

/// Returns the number of samples of an Opus packet, at 48 kHz (RFC 6716, 3.1).
fn opus_samples(packet: &[u8]) -> u64 {
    let Some(first) = packet.first() else { return 0 };
    let frame = match first >> 3 {
        n @ 0..=11 => [480, 960, 1920, 2880][usize::from(n & 3)],
        n @ 12..=15 => [480, 960][usize::from(n & 1)],
        n => 120 << (n & 3),
    };
    frame
        * match first & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => u64::from(packet.get(1).map_or(0, |n| n & 0x3f)),
        }
}

const THEORA: Unsupported = Unsupported::film("an Ogg video (Theora)");

/// Reads the first packet of a stream. The error is a codec that is not supported, if it is known.
fn first_packet(packet: &[u8], serial: u32) -> Result<Stream, Option<Unsupported>> {
    let number = |from: usize| {
        packet.get(from..from + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let (codec, rate, skip, headers) = if packet.starts_with(b"OpusHead") {
        (Codec::Opus, 48_000, u64::from(number(8) >> 16), 1)
    } else if packet.starts_with(b"\x01vorbis") {
        (Codec::Vorbis, u64::from(number(12)), 0, 2)
    } else if packet.starts_with(b"\x7fFLAC") {
        let rate = packet
            .get(27..30)
            .map_or(0, |b| u64::from(b[0]) << 12 | u64::from(b[1]) << 4 | u64::from(b[2] >> 4));
        let count = packet.get(7..9).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        (Codec::Flac, rate, 0, count.max(1))
    } else if packet.starts_with(b"\x80theora") {
        return Err(Some(THEORA));
    } else if packet.starts_with(b"Speex   ") {
        return Err(Some(Unsupported::sound("a Speex recording")));
    } else {
        return Err(None);
    };
    let headers = Headers { missing: headers, ..Headers::default() };
    let rate = if rate == 0 { 44_100 } else { rate };
    Ok(Stream { codec, serial, rate, skip, span: None, headers })
}

/// The packets between the first one and the sound: comments, and what a decoder needs.
#[derive(Default)]
struct Headers {
    /// Number of packets that are not complete.
    missing: usize,
    /// Position and bytes of the pages with these packets.
    pages: Vec<(u64, Vec<u8>)>,
    /// Page and range in it of the parts of each packet.
    packets: Vec<Vec<(usize, usize, usize)>>,
    size: usize,
}

impl Headers {
    fn are_complete(&self) -> bool {
        self.missing == 0
    }

    fn push(&mut self, page: &Page, bytes: Vec<u8>) -> Result<(), RecordingError> {
        self.size += bytes.len();
        if self.size > MAX_HEADERS {
            return Err(broken("its header is too large"));
        }
        let number = self.pages.len();
        let mut at = 27 + page.segments.len();
        let mut continues = page.flags & 1 != 0;
        for segment in &page.segments {
            if self.missing == 0 {
                break;
            }
            if !continues || self.packets.is_empty() {
                self.packets.push(Vec::new());
            }
            let end = at + usize::from(*segment);
            if let Some(packet) = self.packets.last_mut() {
                packet.push((number, at, end));
            }
            at = end;
            continues = *segment == 255;
            if !continues {
                self.missing -= 1;
            }
        }
        self.pages.push((page.at, bytes));
        Ok(())
    }

    /// Overwrites the comments and pictures of the stream.
    fn clear_comments(&mut self, codec: Codec, edits: &mut Edits) {
        let mut changed = vec![false; self.pages.len()];
        for (index, parts) in self.packets.iter().enumerate() {
            let packet: Vec<u8> = parts
                .iter()
                .flat_map(|(page, from, to)| &self.pages[*page].1[*from..*to])
                .copied()
                .collect();
            let Some(cleared) = cleared(codec, index, &packet) else { continue };
            let mut rest = cleared.as_slice();
            for (page, from, to) in parts {
                let (part, next) = rest.split_at((to - from).min(rest.len()));
                self.pages[*page].1[*from..*from + part.len()].copy_from_slice(part);
                changed[*page] = true;
                rest = next;
            }
        }
        for ((at, mut bytes), _) in
            self.pages.drain(..).zip(changed).filter(|(_, changed)| *changed)
        {
            bytes[22..26].fill(0);
            let sum = checksum(&bytes);
            bytes[22..26].copy_from_slice(&sum.to_le_bytes());
            edits.overwrite(at, bytes);
        }
    }
}

/// Returns a packet of the same size without comments; `None` if it has none.
fn cleared(codec: Codec, index: usize, packet: &[u8]) -> Option<Vec<u8>> {
    match codec {
        Codec::Opus if packet.starts_with(b"OpusTags") => without_comments(packet, 8, false),
        Codec::Vorbis if packet.starts_with(b"\x03vorbis") => without_comments(packet, 7, true),
        Codec::Flac => {
            // Each packet is a block of metadata; the first is of comments.
            let kind = packet.first()? & 0x7f;
            if index == 0 && kind == 4 {
                return without_comments(packet, 4, false);
            }
            let is_needed = kind == 0
                || kind == 3
                || kind == 1 && packet[4.min(packet.len())..].iter().all(|b| *b == 0);
            if is_needed {
                return None;
            }
            let mut padding = vec![0; packet.len()];
            padding[0] = packet[0] & 0x80 | 1;
            padding.get_mut(1..4)?.copy_from_slice(packet.get(1..4)?);
            Some(padding)
        }
        _ => None,
    }
}

/// Replaces the comments after `prefix` bytes: the name of the encoder becomes spaces, as long as all of them.
fn without_comments(packet: &[u8], prefix: usize, has_framing_bit: bool) -> Option<Vec<u8>> {
    let long = |at: usize| {
        packet.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    };
    let framing = usize::from(has_framing_bit);
    let spaces = packet.len().checked_sub(prefix + 8 + framing)?;
    let vendor = long(prefix)?;
    if vendor == spaces && long(prefix + 4 + vendor) == Some(0) {
        return None;
    }
    let mut out = packet[..prefix].to_vec();
    out.extend(u32::try_from(spaces).ok()?.to_le_bytes());
    out.resize(out.len() + spaces, b' ');
    out.extend([0; 4]);
    out.extend(&[1][..framing]);
    Some(out)
}

/// The checksum of a page whose own checksum is 0 (RFC 3533, 6).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |s, _| {
            if s & 0x8000_0000 != 0 { s << 1 ^ 0x04c1_1db7 } else { s << 1 }
        })
    })
}
