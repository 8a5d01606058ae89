//! One track: whether it is played, its size and length, and where its samples are.

use super::{
    boxes::{Mp4Box, boxes, child},
    clear_dates, duration_ms,
};
use crate::{
    Edits,
    input::{u32_at, u64_at},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sound,
    Film,
    /// Pictures and names of chapters, subtitles, time codes, and data such as the places of a camera.
    Other,
}

#[derive(Debug)]
pub(super) struct Track {
    found: Mp4Box,
    pub kind: Kind,
    pub id: u32,
    /// Four-character code of the sample entry, such as `avc1`.
    pub codec: String,
    /// Size in pixels as displayed, after rotation.
    pub size: (u32, u32),
    /// Units per second of the durations of samples.
    pub scale: u64,
    /// 0 if not stated.
    pub duration_ms: u64,
    /// Ids of the tracks with this track's chapters.
    pub chapters: Vec<u32>,
    /// Number of samples that the index states.
    samples: u32,
    /// Position and size of each chunk of samples.
    chunks: Vec<(u64, u64)>,
}

impl Track {
    pub fn read(found: &Mp4Box, bytes: &[u8], edits: &mut Edits) -> Self {
        let mut track = Self {
            found: *found,
            kind: Kind::Other,
            id: 0,
            codec: String::new(),
            size: (0, 0),
            scale: 1,
            duration_ms: 0,
            chapters: Vec::new(),
            samples: 0,
            chunks: Vec::new(),
        };
        for (inner, body) in boxes(bytes, found.body) {
            match &inner.name {
                b"tkhd" => {
                    clear_dates(&inner, body, edits);
                    track.header(body);
                }
                b"mdia" => track.media(&inner, body, edits),
                b"tref" => {
                    let ids = child(body, 0, b"chap").map_or(&[][..], |(_, ids)| ids);
                    track.chapters = ids.chunks_exact(4).map(|id| u32_at(id, 0)).collect();
                    // The tracks of chapters are removed.
                    inner.free(edits);
                }
                b"edts" | b"tapt" => {}
                _ => inner.discard(body, edits),
            }
        }
        track
    }

    fn header(&mut self, header: &[u8]) {
        let is_long = header.first() == Some(&1);
        self.id = u32_at(header, if is_long { 20 } else { 12 });
        let matrix = if is_long { 52 } else { 40 };
        // Sizes are 16.16 fixed-point numbers. For a rotation by 90 degrees the diagonal of the matrix is zero.
        let (width, height) =
            (u32_at(header, matrix + 36) >> 16, u32_at(header, matrix + 40) >> 16);
        let is_rotated = u32_at(header, matrix) == 0 && u32_at(header, matrix + 16) == 0;
        self.size = if is_rotated { (height, width) } else { (width, height) };
    }

    fn media(&mut self, media: &Mp4Box, bytes: &[u8], edits: &mut Edits) {
        let mut handler = [0; 4];
        for (inner, body) in boxes(bytes, media.body) {
            match &inner.name {
                b"mdhd" => {
                    clear_dates(&inner, body, edits);
                    let at = if body.first() == Some(&1) { 20 } else { 12 };
                    self.scale = u64::from(u32_at(body, at)).max(1);
                    self.duration_ms = duration_ms(body);
                }
                b"hdlr" => {
                    handler = body.get(8..12).and_then(|h| h.try_into().ok()).unwrap_or_default();
                    // The name is that of a program or of a person.
                    if body.get(24..).is_some_and(|name| name.iter().any(|b| *b != 0)) {
                        edits.clear(inner.body + 24, inner.end, b"");
                    }
                }
                b"minf" => {
                    for (part, body) in boxes(body, inner.body) {
                        match &part.name {
                            b"stbl" => self.samples(body),
                            b"vmhd" | b"smhd" | b"hmhd" | b"nmhd" | b"gmhd" | b"sthd" | b"dinf" => {
                            }
                            b"hdlr" => {}
                            _ => part.discard(body, edits),
                        }
                    }
                }
                b"elng" => {}
                _ => inner.discard(body, edits),
            }
        }
        self.kind = match &handler {
            b"soun" => Kind::Sound,
            b"vide" if !self.is_still() => Kind::Film,
            b"vide" if self.is_fast() => {
                self.codec = "mjpeg".to_owned();
                Kind::Film
            }
            _ => Kind::Other,
        };
    }

    /// Returns whether the pictures follow each other like those of a film: at least four each second.
    fn is_fast(&self) -> bool {
        self.samples >= 8 && u64::from(self.samples).saturating_mul(250) >= self.duration_ms
    }

    /// Returns whether the samples are pictures of JPEG or PNG, which are covers and not a film.
    fn is_still(&self) -> bool {
        matches!(self.codec.as_str(), "jpeg" | "mjpa" | "mjpb" | "png " | "gif " | "mp4v/still")
    }

    fn samples(&mut self, table: &[u8]) {
        let body = |name: &[u8; 4]| child(table, 0, name).map_or(&[][..], |(_, body)| body);
        let entries = body(b"stsd");
        let code = entries.get(12..16).unwrap_or_default();
        self.codec = String::from_utf8_lossy(code).into_owned();
        if self.codec == "mp4v" && still_object_type(entries) {
            self.codec.push_str("/still");
        }
        if self.codec.starts_with("avc") && has_rare_profile(entries) {
            self.codec = "H.264 with 10 bits or 4:4:4".to_owned();
        }
        self.samples = u32_at(body(b"stsz"), 8);
        if self.duration_ms == 0 {
            let times = body(b"stts");
            let units = times
                .get(8..)
                .unwrap_or_default()
                .chunks_exact(8)
                .map(|e| u64::from(u32_at(e, 0)).saturating_mul(u64::from(u32_at(e, 4))))
                .fold(0, u64::saturating_add);
            self.duration_ms = crate::milliseconds(units, self.scale);
        }
        self.chunks = chunks(body(b"stco"), body(b"co64"), body(b"stsc"), body(b"stsz"));
    }

    /// Removes the track and its samples.
    pub fn remove(&self, media: &[(u64, u64)], edits: &mut Edits) {
        self.found.free(edits);
        for (at, len) in &self.chunks {
            clear_samples(*at, *len, media, edits);
        }
    }
}

/// Overwrites samples, if they are in the media data.
pub(super) fn clear_samples(at: u64, len: u64, media: &[(u64, u64)], edits: &mut Edits) {
    let end = at.saturating_add(len);
    // The ranges of the media data are in the order of the file.
    let before = media.partition_point(|(from, _)| *from <= at);
    if before.checked_sub(1).is_some_and(|index| end <= media[index].1) {
        edits.clear(at, end, b"");
    }
}

/// Returns whether the configuration of H.264 has a profile that many decoders of devices do not have: High 10,
/// High 4:2:2, High 4:4:4 and CAVLC 4:4:4 (ITU H.264, A.2).
fn has_rare_profile(entries: &[u8]) -> bool {
    let configuration = entries.windows(4).position(|w| w == b"avcC");
    let profile = configuration.and_then(|at| entries.get(at + 5));
    matches!(profile, Some(44 | 110 | 122 | 244))
}

/// Returns whether the descriptor of an `mp4v` entry states JPEG or PNG (ISO/IEC 14496-1, table 5).
fn still_object_type(entries: &[u8]) -> bool {
    let Some(at) = entries.windows(4).position(|w| w == b"esds") else { return false };
    // Tags 3 and 4 have a size of one to four bytes; the object type is the first byte of tag 4.
    let mut rest = entries.get(at + 8..).unwrap_or_default();
    let skip_size = |bytes: &mut &[u8]| {
        while let [first, more @ ..] = *bytes {
            *bytes = more;
            if first & 0x80 == 0 {
                break;
            }
        }
    };
    if rest.first() == Some(&3) {
        rest = &rest[1..];
        skip_size(&mut rest);
        rest = rest.get(3..).unwrap_or_default();
    }
    if rest.first() != Some(&4) {
        return false;
    }
    rest = &rest[1..];
    skip_size(&mut rest);
    matches!(rest.first(), Some(0x6c..=0x6e))
}

/// Largest number of chunks whose samples are removed; a day of one chunk each second has fewer.
const MAX_CHUNKS: usize = 1 << 18;

/// Returns position and size of each chunk.
fn chunks(stco: &[u8], co64: &[u8], stsc: &[u8], stsz: &[u8]) -> Vec<(u64, u64)> {
    let positions: Vec<u64> = if co64.is_empty() {
        let table = stco.get(8..).unwrap_or_default();
        table.chunks_exact(4).take(MAX_CHUNKS).map(|e| u64::from(u32_at(e, 0))).collect()
    } else {
        let table = co64.get(8..).unwrap_or_default();
        table.chunks_exact(8).take(MAX_CHUNKS).map(|e| u64_at(e, 0)).collect()
    };
    let runs: Vec<(usize, usize)> = stsc
        .get(8..)
        .unwrap_or_default()
        .chunks_exact(12)
        .map(|e| (u32_at(e, 0) as usize, u32_at(e, 4) as usize))
        .collect();
    let equal = u64::from(u32_at(stsz, 4));
    let mut sizes = stsz.get(12..).unwrap_or_default().chunks_exact(4);
    let mut left = u32_at(stsz, 8) as usize;
    let mut run = 0;
    let mut out = Vec::new();
    for (index, at) in positions.iter().enumerate() {
        while runs.get(run + 1).is_some_and(|(first, _)| *first <= index + 1) {
            run += 1;
        }
        let count = runs.get(run).map_or(0, |(_, count)| *count).min(left);
        left -= count;
        let len = if equal > 0 {
            equal.saturating_mul(count as u64)
        } else {
            sizes.by_ref().take(count).map(|e| u64::from(u32_at(e, 0))).sum()
        };
        out.push((*at, len));
    }
    out
}
