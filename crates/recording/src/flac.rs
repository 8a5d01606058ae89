//! FLAC files (RFC 9639). If the header does not state the number of samples, the last frame does.

use crate::{
    Edits, Recording,
    error::{RecordingError, broken},
    input::Input,
    milliseconds,
};

/// The last frame is searched in this many bytes at the end.
const TAIL: u64 = 4 << 20;

pub(crate) fn inspect(
    input: &mut Input<'_>,
    start: u64,
    end: u64,
) -> Result<Recording, RecordingError> {
    let truncated = || broken("it is truncated");
    let mut edits = Edits::default();
    edits.remove(0, start);
    let mut at = start + 4;
    let mut info = None;
    // Position of the header of the last block that is kept.
    let mut last_kept = at;
    loop {
        let head = input.array::<4>(at)?.ok_or_else(truncated)?;
        let size = u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        let next = at + 4 + size;
        if next > end {
            return Err(truncated());
        }
        let is_kept = match head[0] & 0x7f {
            0 => {
                info = input.array::<34>(at + 4)?;
                true
            }
            1 => input.is_zero(at + 4, next)?,
            3 => true,
            // Tags, pictures, cue sheets and data of programs.
            _ => false,
        };
        if is_kept {
            last_kept = at;
        } else {
            edits.remove(at, next);
        }
        at = next;
        if head[0] & 0x80 != 0 {
            if last_kept != at && !is_kept {
                let kind = input.array::<1>(last_kept)?.ok_or_else(truncated)?[0];
                edits.overwrite(last_kept, vec![kind | 0x80]);
            }
            break;
        }
    }
    edits.remove(end, input.len);
    let info = Info::read(&info.ok_or_else(|| broken("it does not state its format"))?)?;
    let present = samples(input, at, end, &info)?;
    let samples = match (info.samples, present) {
        (_, None) => return Err(broken("the audio track is empty")),
        (0, Some(present)) => present,
        (stated, Some(present)) if present * 100 < stated * 95 => {
            let (ms, all) = (milliseconds(present, info.rate), milliseconds(stated, info.rate));
            return Err(broken(format!("it is truncated: {ms} of {all} ms")));
        }
        (stated, _) => stated,
    };
    Ok(Recording::sound("audio/flac", milliseconds(samples, info.rate), edits))
}

struct Info {
    /// Samples per frame; 0 if the frames differ.
    block: u64,
    rate: u64,
    /// 0 if unknown.
    samples: u64,
}

impl Info {
    fn read(b: &[u8; 34]) -> Result<Self, RecordingError> {
        let (min, max) = (u16::from_be_bytes([b[0], b[1]]), u16::from_be_bytes([b[2], b[3]]));
        let rate = u64::from(b[10]) << 12 | u64::from(b[11]) << 4 | u64::from(b[12] >> 4);
        let samples = u64::from(b[13] & 15) << 32
            | u64::from(u32::from_be_bytes([b[14], b[15], b[16], b[17]]));
        if rate == 0 {
            return Err(broken("it does not state its sample rate"));
        }
        Ok(Self { block: if min == max { u64::from(max) } else { 0 }, rate, samples })
    }
}

/// Returns the number of samples before the end of the last frame; `None` if there is no frame.
fn samples(
    input: &mut Input<'_>,
    start: u64,
    end: u64,
    info: &Info,
) -> Result<Option<u64>, RecordingError> {
    let from = end.saturating_sub(TAIL).max(start);
    let tail = input.vec(from, end - from, TAIL)?;
    let frames: Vec<(u64, u64)> = (0..tail.len())
        .filter(|at| tail[*at] == 0xff)
        .filter_map(|at| frame(&tail[at..], info))
        .collect();
    // Samples may look like a header: the last frame continues an earlier one.
    let continues = |n: usize| {
        let (first, _) = frames[n];
        first == 0 || frames[..n].iter().any(|(earlier, len)| earlier + len == first)
    };
    let last = (0..frames.len()).rev().find(|n| continues(*n));
    Ok(last.or(frames.len().checked_sub(1)).map(|n| frames[n].0 + frames[n].1))
}

/// Returns number of the first sample and number of samples of the frame at the start of `bytes` (RFC 9639, 9.1).
fn frame(bytes: &[u8], info: &Info) -> Option<(u64, u64)> {
    let &[0xff, sync, sizes, format, ..] = bytes else { return None };
    if sync & 0xfe != 0xf8 || sizes >> 4 == 0 || sizes & 15 == 15 || format >> 4 > 10 {
        return None;
    }
    if format & 1 != 0 || format >> 1 & 7 == 3 {
        return None;
    }
    let is_variable = sync & 1 == 1;
    let (number, mut at) = coded_number(bytes.get(4..)?)?;
    at += 4;
    let samples = match sizes >> 4 {
        1 => 192,
        n @ 2..=5 => 576 << (n - 2),
        6 => {
            at += 1;
            u64::from(*bytes.get(at - 1)?) + 1
        }
        7 => {
            at += 2;
            u64::from(u16::from_be_bytes([*bytes.get(at - 2)?, *bytes.get(at - 1)?])) + 1
        }
        n => 256 << (n - 8),
    };
    at += match sizes & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    if crc8(bytes.get(..at)?) != *bytes.get(at)? {
        return None;
    }
    let first = if is_variable { number } else { number.checked_mul(info.block.max(samples))? };
    Some((first, samples))
}

/// Reads a number in the extended UTF-8 of FLAC. Returns it with its length in bytes.
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = match first.leading_ones() as usize {
        0 => return Some((u64::from(first), 1)),
        n @ 2..=7 => n,
        _ => return None,
    };
    let mut number = u64::from(first) & (0x7f >> len);
    for byte in bytes.get(1..len)? {
        if byte & 0xc0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3f);
    }
    Some((number, len))
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |c, _| if c & 0x80 != 0 { c << 1 ^ 7 } else { c << 1 })
    })
}
