//! Streams of frames without a container: MPEG audio layer III (mp3) and AAC in ADTS. Every frame states its length,
//! so the duration is that of the frames that are present, whatever a header or tag states.

use std::io;

use crate::{
    Edits, Recording, Unsupported,
    error::{RecordingError, broken},
    input::Input,
    milliseconds,
};

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Length in bytes, with the header.
    pub len: u64,
    pub samples: u64,
    /// Samples per second.
    rate: u64,
    /// Equal for all frames of a stream.
    stream: u32,
    /// 1 to 3 for MPEG audio, 0 for ADTS.
    pub layer: u8,
}

pub(crate) type Parser = fn(&[u8]) -> Option<Frame>;

/// Length of the longest frame header in bytes.
const HEADER: usize = 7;
/// Number of successive frames that prove a stream.
const PROOF: usize = 3;

const RATES: [u64; 3] = [44_100, 48_000, 32_000];
const KBITS_1_1: [u64; 15] = [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const KBITS_1_2: [u64; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const KBITS_1_3: [u64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_2_1: [u64; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const KBITS_2: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Parses a header of MPEG audio (ISO/IEC 11172-3 and 13818-3). A free bit rate is not supported.
pub(crate) fn mpeg(bytes: &[u8]) -> Option<Frame> {
    let [0xff, b1, b2, b3, ..] = *bytes else { return None };
    if b1 & 0xe0 != 0xe0 || b3 & 3 == 2 {
        return None;
    }
    // 3: MPEG 1; 2: MPEG 2; 0: MPEG 2.5.
    let version = b1 >> 3 & 3;
    let layer = match b1 >> 1 & 3 {
        0 => return None,
        n => 4 - n,
    };
    let index = usize::from(b2 >> 4);
    let table = match (version, layer) {
        (1, _) => return None,
        (3, 1) => KBITS_1_1,
        (3, 2) => KBITS_1_2,
        (3, _) => KBITS_1_3,
        (_, 1) => KBITS_2_1,
        _ => KBITS_2,
    };
    let kbits = *table.get(index).filter(|n| **n > 0)?;
    let rate = RATES.get(usize::from(b2 >> 2 & 3))? >> [2, 0, 1, 0][usize::from(version)];
    let padding = u64::from(b2 >> 1 & 1);
    let samples = match (version, layer) {
        (_, 1) => 384,
        (_, 2) | (3, _) => 1152,
        _ => 576,
    };
    let len = if layer == 1 {
        (12_000 * kbits / rate + padding) * 4
    } else {
        samples / 8 * 1000 * kbits / rate + padding
    };
    let stream = u32::from(b1 & 0x1e) << 8 | u32::from(b2 & 0x0c);
    Some(Frame { len, samples, rate, stream, layer })
}

/// Parses an ADTS header (ISO/IEC 13818-7, 6.2).
pub(crate) fn adts(bytes: &[u8]) -> Option<Frame> {
    let [0xff, b1, b2, b3, b4, b5, b6, ..] = *bytes else { return None };
    if b1 & 0xf6 != 0xf0 {
        return None;
    }
    const RATES: [u64; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    let rate = *RATES.get(usize::from(b2 >> 2 & 15))?;
    let len = u64::from(b3 & 3) << 11 | u64::from(b4) << 3 | u64::from(b5 >> 5);
    let header = if b1 & 1 == 1 { 7 } else { 9 };
    let samples = 1024 * (u64::from(b6 & 3) + 1);
    let stream = u32::from(b1 & 0x0e) << 16 | u32::from(b2 & 0xfd) << 8 | u32::from(b3 & 0xc0);
    (len > header).then_some(Frame { len, samples, rate, stream, layer: 0 })
}

/// Returns the first frame at or after `from`, followed by others or by the end. `within`: how far it may be.
pub(crate) fn find(
    input: &mut Input<'_>,
    (from, within, end): (u64, u64, u64),
    parse: Parser,
    stream: Option<u32>,
) -> io::Result<Option<(u64, Frame)>> {
    let last = end.min(from.saturating_add(within));
    let mut at = from;
    while at < last {
        let Some(next) = input.find(at, last, &[0xff])? else { return Ok(None) };
        at = next;
        if let Some(frame) = parse(input.bytes(at, HEADER)?)
            && stream.is_none_or(|s| s == frame.stream)
            && proves(input, at, end, frame, parse)?
        {
            return Ok(Some((at, frame)));
        }
        at += 1;
    }
    Ok(None)
}

/// Returns whether a frame is followed by others of its stream, or by the end of the file.
fn proves(
    input: &mut Input<'_>,
    at: u64,
    end: u64,
    first: Frame,
    parse: Parser,
) -> io::Result<bool> {
    let mut next = at + first.len;
    for following in 0..PROOF - 1 {
        if next >= end {
            // The last frame may be truncated, if it is not the only one.
            return Ok(next == end || following > 0);
        }
        match parse(input.bytes(next, HEADER)?) {
            Some(frame) if frame.stream == first.stream => next += frame.len,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The frames of a stream.
#[derive(Debug)]
pub(crate) struct FrameStream {
    pub samples: u64,
    pub rate: u64,
    pub first_at: u64,
    pub first: Frame,
    pub count: u64,
    /// The positions of uninterrupted frames.
    pub kept: Vec<(u64, u64)>,
}

/// Reads all frames between two positions. Bytes that are no frames are skipped.
pub(crate) fn walk(
    input: &mut Input<'_>,
    start: u64,
    end: u64,
    parse: Parser,
) -> io::Result<Option<FrameStream>> {
    let Some((first_at, first)) = find(input, (start, u64::MAX, end), parse, None)? else {
        return Ok(None);
    };
    let rate = first.rate;
    let mut stream = FrameStream {
        samples: 0,
        rate,
        first_at,
        first,
        count: 0,
        kept: vec![(first_at, first_at)],
    };
    let mut at = first_at;
    while at < end {
        let frame = parse(input.bytes(at, HEADER)?).filter(|f| f.stream == first.stream);
        match frame {
            Some(frame) if at + frame.len <= end => {
                stream.samples += frame.samples;
                stream.count += 1;
                at += frame.len;
                if let Some(last) = stream.kept.last_mut() {
                    last.1 = at;
                }
            }
            // The last frame is truncated.
            Some(_) => break,
            _ => match find(input, (at + 1, u64::MAX, end), parse, Some(first.stream))? {
                Some((next, _)) => {
                    at = next;
                    stream.kept.push((at, at));
                }
                None => break,
            },
        }
    }
    Ok((stream.count > 0).then_some(stream))
}

pub(crate) fn inspect_mp3(
    input: &mut Input<'_>,
    start: u64,
    end: u64,
) -> Result<Recording, RecordingError> {
    let stream =
        walk(input, start, end, mpeg)?.ok_or_else(|| broken("the audio track is empty"))?;
    if stream.first.layer != 3 {
        let format = Unsupported::sound("MPEG audio of layer I or II (mp2)");
        return Err(RecordingError::Unsupported(format));
    }
    let ms = duration_ms(input, &stream)?;
    Ok(Recording::sound("audio/mpeg", ms, edits(&stream, input.len)))
}

pub(crate) fn inspect_adts(
    input: &mut Input<'_>,
    start: u64,
    end: u64,
) -> Result<Recording, RecordingError> {
    let stream =
        walk(input, start, end, adts)?.ok_or_else(|| broken("the audio track is empty"))?;
    let ms = milliseconds(stream.samples, stream.rate);
    Ok(Recording::sound("audio/aac", ms, edits(&stream, input.len)))
}

/// Keeps only frames: no tags, and no other bytes between them.
fn edits(stream: &FrameStream, len: u64) -> Edits {
    let mut edits = Edits::default();
    edits.keep_only(&stream.kept, len);
    edits
}

/// Returns the length of MPEG audio in milliseconds, without the delay of the encoder and the padding at the end, if
/// the first frame states them (Xing or Info frame with an extension of LAME).
pub(crate) fn duration_ms(input: &mut Input<'_>, stream: &FrameStream) -> io::Result<u64> {
    let frame = input.bytes(stream.first_at, usize::try_from(stream.first.len).unwrap_or(0))?;
    let info = frame
        .windows(4)
        .take(200)
        .position(|w| w == b"Xing" || w == b"Info" || w == b"VBRI")
        .filter(|_| stream.count > 1);
    let Some(info) = info.and_then(|at| frame.get(at..)) else {
        return Ok(milliseconds(stream.samples, stream.rate));
    };
    // The frame with the information contains no sound.
    let samples = stream.samples - stream.first.samples;
    let flags = info.get(7).copied().unwrap_or_default();
    let mut at = 8;
    for (flag, len) in [(1, 4), (2, 4), (4, 100), (8, 4)] {
        at += if flags & flag != 0 { len } else { 0 };
    }
    let trimmed = match info.get(at + 21..at + 24) {
        Some([a, b, c]) if !info.starts_with(b"VBRI") && info[at].is_ascii_alphabetic() => {
            let delay = u64::from(*a) << 4 | u64::from(*b >> 4);
            let padding = u64::from(*b & 15) << 8 | u64::from(*c);
            delay + padding
        }
        _ => 0,
    };
    // A recording that is shorter than the stated delay has the length of its frames.
    let samples = samples.checked_sub(trimmed).filter(|n| *n > 0).unwrap_or(samples);
    Ok(milliseconds(samples, stream.rate))
}
