//! WebM files (Matroska, RFC 9559). A recording of a browser states no length, because it is written while it grows;
//! its length is that of the blocks.
//!
//! Metadata is overwritten by `Void` elements in place, so that no position in the file changes.

use std::{collections::BTreeMap, io};

use crate::{
    Container, Edits, Recording, Unsupported, Video,
    error::{RecordingError, broken},
    input::Input,
};

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
const CUES: u32 = 0x1C53_BB6B;
const CHAPTERS: u32 = 0x1043_A770;
const TAGS: u32 = 0x1254_C367;
const ATTACHMENTS: u32 = 0x1941_A469;
const VOID: u32 = 0xEC;
const CRC: u32 = 0xBF;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const SIMPLE_BLOCK: u32 = 0xA3;
const TIMESTAMP: u32 = 0xE7;

/// Titles, file names and the date, in `Info`.
const PERSONAL_INFO: [u32; 5] = [0x7BA9, 0x7384, 0x3C_83AB, 0x3E_83BB, 0x4461];

#[derive(Debug, Clone, Copy)]
struct Element {
    at: u64,
    id: u32,
    /// Size of the body; `None` if unknown.
    size: Option<u64>,
    body: u64,
}

impl Element {
    fn end(&self) -> Option<u64> {
        self.body.checked_add(self.size?)
    }
}

fn element(input: &mut Input<'_>, at: u64) -> io::Result<Option<Element>> {
    let head = input.bytes(at, 12)?;
    Ok(parse(head).map(|(id, size, len)| Element { at, id, size, body: at + len as u64 }))
}

/// Returns id, size and length of the header of an element.
fn parse(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_len = bytes.first()?.leading_zeros() as usize + 1;
    if id_len > 4 {
        return None;
    }
    let id = bytes.get(..id_len)?.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
    let (size, size_len) = number(&bytes[id_len..])?;
    Some((id, size, id_len + size_len))
}

/// Reads a number of variable length; `None` inside if all its bits are set.
fn number(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let raw = bytes.get(..len)?;
    let mask = 0xffu64 >> len;
    let value = raw[1..].iter().fold(u64::from(raw[0]) & mask, |n, b| n << 8 | u64::from(*b));
    let unknown = (1u64 << (7 * len)) - 1;
    Some(((value != unknown).then_some(value), len))
}

/// Returns id, body and position of the elements in `bytes`, which start at `base`.
fn children(bytes: &[u8], base: u64) -> impl Iterator<Item = (u32, &[u8], Element)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let (id, size, len) = parse(rest)?;
        let body = rest.get(len..len.checked_add(usize::try_from(size?).ok()?)?)?;
        let start = base + at as u64;
        at += len + body.len();
        Some((id, body, Element { at: start, id, size, body: start + len as u64 }))
    })
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Returns the container for the document type in the header.
pub(crate) fn container(input: &mut Input<'_>, at: u64) -> io::Result<Container> {
    let head = input.bytes(at, 1024)?;
    let body = parse(head).and_then(|(_, size, len)| {
        let end = len.saturating_add(usize::try_from(size?).ok()?).min(head.len());
        head.get(len..end)
    });
    let document_type =
        children(body.unwrap_or_default(), 0).find(|(id, ..)| *id == 0x4282).map(|(_, b, _)| b);
    Ok(match document_type {
        Some(b"matroska") => Container::Unsupported(Unsupported::either("a Matroska file (mkv)")),
        _ => Container::Matroska,
    })
}

/// A track of sound or film.
#[derive(Debug, Default)]
struct MatroskaTrack {
    is_kept: bool,
    /// Time of the first, the last but one, and the last block, and the end of a block that states its duration.
    first: Option<i64>,
    previous: i64,
    last: i64,
    end: i64,
    /// Length of a block in nanoseconds; 0 if not stated.
    default_ns: u64,
}

impl MatroskaTrack {
    fn add(&mut self, time: i64) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        if time > self.last {
            self.previous = self.last;
            self.last = time;
        }
    }
}

#[derive(Debug, Default)]
struct Reader {
    edits: Edits,
    scale: u64,
    /// In units of `scale`; 0 if not stated.
    duration: f64,
    tracks: BTreeMap<u64, MatroskaTrack>,
    video: Option<Video>,
    has_audio: bool,
    has_tracks: bool,
}

pub(crate) fn inspect(input: &mut Input<'_>, start: u64) -> Result<Recording, RecordingError> {
    let mut reader = Reader { scale: 1_000_000, ..Reader::default() };
    reader.edits.remove(0, start);
    reader.read(input, start)?;
    if !reader.has_tracks || reader.video.is_none() && !reader.has_audio {
        return Err(broken("it has neither an audio nor a video track"));
    }
    let stated = reader.duration * reader.scale as f64 / 1e6;
    let is_stated = stated.is_finite() && (0.5..1e12).contains(&stated);
    let duration_ms = match (is_stated, reader.length_ms()) {
        (true, _) => stated.round() as u64,
        (false, Some(ms)) => ms,
        (false, None) => return Err(broken("it has no sound and no picture")),
    };
    let media_type = if reader.video.is_some() { "video/webm" } else { "audio/webm" };
    let mut recording = Recording::sound(media_type, duration_ms, reader.edits);
    recording.video = reader.video;
    Ok(recording)
}

impl Reader {
    fn read(&mut self, input: &mut Input<'_>, start: u64) -> Result<(), RecordingError> {
        let mut at = start;
        let mut cluster_time = 0i64;
        let mut segment_end = input.len;
        while at < segment_end {
            let Some(element) = element(input, at)? else { break };
            let end = element.end();
            match element.id {
                SEGMENT => {
                    if let Some(end) = end.filter(|end| *end > input.len) {
                        return Err(broken(format!(
                            "it is truncated: {} of {end} bytes",
                            input.len
                        )));
                    }
                    segment_end = end.unwrap_or(segment_end);
                    at = element.body;
                    continue;
                }
                CLUSTER | BLOCK_GROUP => {
                    at = element.body;
                    continue;
                }
                _ => {}
            }
            let Some(size) = element.size else { break };
            let end = end.ok_or_else(|| broken("an element has an invalid size"))?;
            if end > input.len {
                // The end of a recording that was interrupted.
                break;
            }
            match element.id {
                INFO | TRACKS => {
                    let bytes = input.vec(element.body, size, 16 << 20)?;
                    if element.id == INFO {
                        self.info(&bytes, element.body);
                    } else {
                        self.tracks(&bytes, element.body);
                    }
                }
                TIMESTAMP => cluster_time = int(&input.vec(element.body, size, 8)?),
                SIMPLE_BLOCK | BLOCK => self.block(input, &element, end, cluster_time)?,
                // The duration of the block before it.
                0x9B => {
                    let duration = int(&input.vec(element.body, size, 8)?);
                    for track in self.tracks.values_mut() {
                        track.end = track.end.max(track.last.saturating_add(duration));
                    }
                }
                TAGS | ATTACHMENTS | CHAPTERS => self.void(element.at, end),
                VOID if !input.is_zero(element.body, end)? => self.void(element.at, end),
                EBML | SEEK_HEAD | CUES => {}
                _ => {}
            }
            at = end;
        }
        self.edits.remove(segment_end, input.len);
        Ok(())
    }

    /// Replaces an element by an empty one of the same size.
    fn void(&mut self, from: u64, to: u64) {
        let len = to - from;
        if len >= 9 {
            let size = (len - 9).to_be_bytes();
            let head = [&[VOID as u8, 0x01][..], &size[1..]].concat();
            self.edits.clear(from, to, &head);
        } else if len >= 2 {
            self.edits.clear(from, to, &[VOID as u8, 0x80 | (len - 2) as u8]);
        }
    }

    fn info(&mut self, bytes: &[u8], base: u64) {
        let mut is_changed = false;
        for (id, body, element) in children(bytes, base) {
            match (id, body.len()) {
                (0x2A_D7B1, _) => self.scale = unsigned(body).max(1),
                (0x4489, 4) => self.duration = f64::from(f32::from_bits(unsigned(body) as u32)),
                (0x4489, 8) => self.duration = f64::from_bits(unsigned(body)),
                _ if PERSONAL_INFO.contains(&id) => {
                    is_changed = true;
                    self.void(element.at, element.body + body.len() as u64);
                }
                _ => {}
            }
        }
        self.void_checksum(bytes, base, is_changed);
    }

    /// The checksum of an element that was changed would be wrong.
    fn void_checksum(&mut self, bytes: &[u8], base: u64, is_changed: bool) {
        for (id, body, element) in children(bytes, base).take(1) {
            if id == CRC && is_changed {
                self.void(element.at, element.body + body.len() as u64);
            }
        }
    }

    fn tracks(&mut self, bytes: &[u8], base: u64) {
        self.has_tracks = true;
        let mut is_changed = false;
        for (_, entry, element) in children(bytes, base).filter(|(id, ..)| *id == 0xAE) {
            let field = |wanted: u32| {
                children(entry, 0).find(|(id, ..)| *id == wanted).map(|(_, body, _)| body)
            };
            let value = |wanted: u32| field(wanted).map_or(0, unsigned);
            let codec = field(0x86).unwrap_or_default();
            // Pictures of a cover are no film.
            let is_still = codec.starts_with(b"V_MJPEG") || codec.starts_with(b"V_UNCOMPRESSED");
            let kind = value(0x83);
            let is_kept = kind == 2 || kind == 1 && !is_still;
            if kind == 2 {
                self.has_audio = true;
            } else if is_kept && self.video.is_none() {
                let video = field(0xE0).unwrap_or_default();
                let number = |wanted: u32| {
                    children(video, 0)
                        .find(|(id, ..)| *id == wanted)
                        .map(|(_, body, _)| unsigned(body) as u32)
                };
                // The display size takes precedence if present, because pixels may not be square.
                let width = number(0x54B0).or(number(0xB0)).unwrap_or_default();
                let height = number(0x54BA).or(number(0xBA)).unwrap_or_default();
                self.video = Some(Video { width, height });
            }
            let track =
                MatroskaTrack { is_kept, default_ns: value(0x23_E383), ..MatroskaTrack::default() };
            self.tracks.insert(value(0xD7), track);
            if !is_kept {
                is_changed = true;
                self.void(element.at, element.body + entry.len() as u64);
                continue;
            }
            // The name of a track.
            for (_, body, name) in children(entry, element.body).filter(|(id, ..)| *id == 0x536E) {
                is_changed = true;
                self.void(name.at, name.body + body.len() as u64);
            }
        }
        self.void_checksum(bytes, base, is_changed);
    }

    fn block(
        &mut self,
        input: &mut Input<'_>,
        element: &Element,
        end: u64,
        cluster_time: i64,
    ) -> io::Result<()> {
        let head = input.bytes(element.body, 12)?;
        let Some((Some(number), len)) = number(head) else { return Ok(()) };
        let Some([high, low]) = head.get(len..len + 2) else { return Ok(()) };
        let time = cluster_time.saturating_add(i16::from_be_bytes([*high, *low]).into());
        match self.tracks.get_mut(&number) {
            Some(track) if track.is_kept => track.add(time),
            // Subtitles and data, such as the places of a camera.
            Some(_) => self.void(element.at, end),
            None => {}
        }
        Ok(())
    }

    /// Returns the time from the first block to the end of the last one, in milliseconds; `None` without blocks.
    fn length_ms(&self) -> Option<u64> {
        let units = |n: i64| u128::from(n.unsigned_abs()) * u128::from(self.scale);
        let played = self.tracks.values().filter(|t| t.is_kept && t.first.is_some());
        let start = played.clone().filter_map(|t| t.first).min()?;
        let end = played
            .map(|track| {
                // The last block is as long as the one before it, if nothing states its duration.
                let last = match track.default_ns {
                    0 if track.previous > 0 => units(track.last - track.previous),
                    ns => u128::from(ns),
                };
                (units(track.last) + last).max(units(track.end))
            })
            .max()?;
        // Streams do not start at 0, but a short delay of the first block is part of the recording.
        let start = units(start.max(0));
        let start = if start > 10_000_000_000 { start } else { 0 };
        u64::try_from((end - start.min(end) + 500_000) / 1_000_000).ok()
    }
}

fn int(bytes: &[u8]) -> i64 {
    i64::try_from(unsigned(bytes)).unwrap_or(i64::MAX / 4)
}
