//! WAV files (RIFF, and RF64 of EBU Tech 3306). The length of a stream that was written to a pipe is not stated.

use crate::{
    Edits, Recording,
    error::{RecordingError, broken},
    frames,
    input::Input,
    milliseconds,
};

/// Sizes from here on are placeholders of programs that do not know the length: a real file has at most 1 GiB.
const UNKNOWN_SIZE: u32 = 0x7fff_0000;

pub(crate) fn inspect(input: &mut Input<'_>, start: u64) -> Result<Recording, RecordingError> {
    let riff = input.array::<12>(start)?.ok_or_else(|| broken("it is truncated"))?;
    let mut kept: Vec<(u64, u64)> = vec![(start, start + 12)];
    let mut format = None;
    let mut fact = None;
    let mut data: Option<(u64, u64, bool)> = None;
    let mut at = start + 12;
    while let Some(head) = input.array::<8>(at)? {
        let declared = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let body = at + 8;
        let mut end = body + u64::from(declared);
        match &head[..4] {
            b"fmt " => {
                format = Some(Format::read(&input.vec(body, u64::from(declared), 1 << 16)?)?);
            }
            b"fact" => fact = input.array::<4>(body)?.map(u32::from_le_bytes),
            b"data" => {
                let is_unknown =
                    declared >= UNKNOWN_SIZE || declared == 0 && !is_chunk(input, body)?;
                if is_unknown {
                    end = input.len;
                } else if end > input.len {
                    // A missing last block is an error of the program that wrote the header.
                    let present = input.len - body;
                    if present * 100 < u64::from(declared) * 95 {
                        let message = format!("it is truncated: {present} of {declared} bytes");
                        return Err(broken(message));
                    }
                    end = input.len;
                }
                let is_wrong = end - body != u64::from(declared);
                data = Some((body, end, is_wrong));
            }
            _ => {}
        }
        let padded = end.saturating_add((end - body) & 1).min(input.len);
        if matches!(&head[..4], b"fmt " | b"fact" | b"data") && end <= input.len {
            kept.push((at, padded));
        }
        // Whatever follows the samples is not needed for playback.
        if data.is_some() {
            break;
        }
        at = padded.max(body);
    }
    let format = format.ok_or_else(|| broken("it does not state its format"))?;
    let (from, to, is_wrong) = data.ok_or_else(|| broken("it has no samples"))?;
    let duration_ms = format.duration_ms(input, from, to, fact)?;
    if to == from || duration_ms == Some(0) {
        return Err(broken("the audio track is empty"));
    }
    let duration_ms = duration_ms.ok_or_else(|| broken("it does not state its sample rate"))?;

    let mut edits = Edits::default();
    let size: u64 = kept.iter().map(|(from, to)| to - from).sum::<u64>() - 8;
    let size = u32::try_from(size).map_err(|_| broken("it is larger than 4 GiB"))?;
    if riff[..4] != *b"RIFF" || riff[4..8] != size.to_le_bytes() {
        edits.overwrite(start, [&b"RIFF"[..], &size.to_le_bytes()].concat());
    }
    if is_wrong {
        let size = u32::try_from(to - from).map_err(|_| broken("it is larger than 4 GiB"))?;
        edits.overwrite(from - 4, size.to_le_bytes().to_vec());
    }
    edits.keep_only(&kept, input.len);
    let mut recording = Recording::sound("audio/wav", duration_ms, edits);
    recording.rare_codec = format.rare_codec();
    Ok(recording)
}

/// Returns whether a position has the header of a chunk, or is the end of the file.
fn is_chunk(input: &mut Input<'_>, at: u64) -> Result<bool, RecordingError> {
    Ok(match input.array::<8>(at)? {
        Some(head) => head[..4].iter().all(|b| (0x20..0x7f).contains(b)),
        None => true,
    })
}

struct Format {
    /// Format tag of Windows, such as 1 for integer samples.
    tag: u16,
    rate: u32,
    bytes_per_second: u32,
    block: u16,
    /// Samples in a block of ADPCM; 0 if not stated.
    block_samples: u16,
    bits: u16,
}

impl Format {
    fn read(bytes: &[u8]) -> Result<Self, RecordingError> {
        let number =
            |at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
        let long = |at: usize| u32::from(number(at)) | u32::from(number(at + 2)) << 16;
        if bytes.len() < 14 {
            return Err(broken("its format is truncated"));
        }
        // An extensible format has the tag in the first bytes of a GUID.
        if number(2) == 0 {
            return Err(broken("it has no channel"));
        }
        let tag = if number(0) == 0xfffe { number(24) } else { number(0) };
        Ok(Self {
            tag,
            rate: long(4),
            bytes_per_second: long(8),
            block: number(12),
            block_samples: number(18),
            bits: number(14),
        })
    }

    fn duration_ms(
        &self,
        input: &mut Input<'_>,
        from: u64,
        to: u64,
        fact: Option<u32>,
    ) -> Result<Option<u64>, RecordingError> {
        let bytes = to - from;
        let rate = u64::from(self.rate);
        if rate == 0 {
            return Ok(None);
        }
        let by_rate = match self.bytes_per_second {
            0 => None,
            n => Some(milliseconds(bytes, u64::from(n))),
        };
        Ok(match self.tag {
            1 | 3 | 6 | 7 if self.block > 0 => {
                Some(milliseconds(bytes / u64::from(self.block), rate))
            }
            0x50 | 0x55 => match frames::walk(input, from, to, frames::mpeg)? {
                Some(stream) => Some(frames::duration_ms(input, &stream)?),
                None => by_rate,
            },
            2 | 0x11 if self.block > 0 && self.block_samples > 0 => {
                let blocks = bytes.div_ceil(u64::from(self.block));
                Some(milliseconds(blocks * u64::from(self.block_samples), rate))
            }
            // The number of samples is that of the encoder; a stream has a wrong one.
            _ => {
                let by_fact = fact.map(|n| milliseconds(u64::from(n), rate)).filter(|n| *n > 0);
                match (by_fact, by_rate) {
                    (Some(a), Some(b)) if a > b.saturating_mul(2) || a < b / 2 => Some(b),
                    (Some(a), _) => Some(a),
                    (None, b) => b,
                }
            }
        })
    }

    fn rare_codec(&self) -> Option<String> {
        let name = match self.tag {
            3 if self.bits == 64 => "floating-point numbers of 64 bits in a WAV file",
            1 | 3 | 6 | 7 => return None,
            2 | 0x11 => "ADPCM",
            0x31 => "GSM in a WAV file",
            0x50 => "mp2 in a WAV file",
            0x55 => "mp3 in a WAV file",
            0xff | 0x1600 | 0x1610 => "AAC in a WAV file",
            0x2000 => "AC-3 in a WAV file",
            tag => return Some(format!("the WAV format {tag:#06x}")),
        };
        Some(name.to_owned())
    }
}
