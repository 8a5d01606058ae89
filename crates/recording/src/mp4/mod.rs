//! MP4 and M4A files (ISO/IEC 14496-12): length, size, and the boxes that are not needed for playback.
//!
//! Such boxes are overwritten by `free` boxes in place, so that no position in the file changes. `boxes` reads boxes,
//! `track` a track, `fragments` files that were written while they grew. Not here: decoding.

mod boxes;
mod fragments;
mod track;

use std::collections::HashMap;

use crate::{
    Container, Edits, Recording, Unsupported, Video,
    error::{RecordingError, broken},
    input::{Input, u32_at, u64_at},
    milliseconds,
};
use boxes::{Mp4Box, boxes, header};
use fragments::Fragments;
use track::{Kind, Track};

/// Largest size of the index in bytes.
const MAX_MOOV: u64 = 64 << 20;

/// Codecs of pictures that every device plays, or most devices.
const COMMON_VIDEO: [&str; 5] = ["avc1", "avc3", "vp08", "vp09", "av01"];
const COMMON_AUDIO: [&str; 4] = ["mp4a", "Opus", "fLaC", ".mp3"];

/// Returns the container if the first bytes are those of a file with boxes.
pub(crate) fn container(head: &[u8]) -> Option<Container> {
    let name = head.get(4..8)?;
    if name != b"ftyp" {
        // Files of QuickTime have no brand in old versions.
        let is_old = matches!(name, b"moov" | b"mdat" | b"wide" | b"pnot");
        return is_old
            .then_some(Container::Unsupported(Unsupported::film("a QuickTime file (MOV)")));
    }
    let brand = head.get(8..12).unwrap_or_default();
    Some(match brand {
        b"qt  " => Container::Unsupported(Unsupported::film("a QuickTime file (MOV)")),
        [b'3', b'g', ..] => Container::Unsupported(Unsupported::either("a 3GP file")),
        b"aax " | b"aaxc" | b"M4P " | b"M4VP" => {
            Container::Unsupported(Unsupported::closed("a protected file of a shop"))
        }
        _ => Container::Mp4,
    })
}

/// Returns whether the first bytes are those of a picture, which has the same boxes.
pub(crate) fn is_picture(head: &[u8]) -> bool {
    const PICTURES: [&[u8; 4]; 17] = [
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2",
        b"msf1", b"avif", b"avis", b"crx ", b"jxl ", b"jp2 ", b"jpx ",
    ];
    head.get(4..8) == Some(b"ftyp") && PICTURES.iter().any(|p| head.get(8..12) == Some(&p[..]))
}

pub(crate) fn inspect(input: &mut Input<'_>, start: u64) -> Result<Recording, RecordingError> {
    let mut file = File::default();
    file.edits.remove(0, start);
    file.read(input, start)?;
    let Some(movie) = file.movie else {
        let what = if file.fragments.is_empty() {
            "it has no index (moov)"
        } else {
            "its start is missing"
        };
        return Err(broken(what));
    };
    if let Some(name) =
        movie.tracks.iter().find(|t| matches!(&t.codec[..], "encv" | "enca" | "drms"))
    {
        return Err(broken(format!("it is encrypted ({})", name.codec)));
    }
    let mut video = None;
    let mut has_audio = false;
    let mut rare_codec = None;
    for track in &movie.tracks {
        match track.kind {
            Kind::Sound => {
                has_audio = true;
                if !COMMON_AUDIO.contains(&track.codec.as_str()) {
                    rare_codec = rare_codec.or(Some(track.codec.clone()));
                }
            }
            Kind::Film => {
                if video.is_none() {
                    video = Some(Video { width: track.size.0, height: track.size.1 });
                }
                if !COMMON_VIDEO.contains(&track.codec.as_str()) {
                    rare_codec = Some(track.codec.clone());
                }
            }
            Kind::Other => {}
        }
    }
    if video.is_none() && !has_audio {
        return Err(broken("it has neither an audio nor a video track"));
    }
    for track in movie.tracks.iter().filter(|t| t.kind == Kind::Other) {
        track.remove(&file.media, &mut file.edits);
    }
    let kept: HashMap<u32, u64> =
        movie.tracks.iter().filter(|t| t.kind != Kind::Other).map(|t| (t.id, t.scale)).collect();
    let from_start = movie.duration_ms == 0;
    let fragments_ms = file.fragments.finish(&kept, &file.media, &mut file.edits, from_start);
    let tracks_ms =
        movie.tracks.iter().filter(|t| t.kind != Kind::Other).map(|t| t.duration_ms).max();
    let stated = if movie.duration_ms > 0 { movie.duration_ms } else { tracks_ms.unwrap_or(0) };
    let duration_ms = stated.max(fragments_ms);
    if duration_ms == 0 {
        return Err(broken("it has no sound and no picture"));
    }
    let media_type = if video.is_some() { "video/mp4" } else { "audio/mp4" };
    let mut recording = Recording::sound(media_type, duration_ms, file.edits);
    recording.video = video;
    recording.rare_codec = rare_codec;
    recording.slow_start = file.slow_start;
    Ok(recording)
}

#[derive(Default)]
struct File {
    edits: Edits,
    /// Positions of the media data.
    media: Vec<(u64, u64)>,
    movie: Option<Movie>,
    fragments: Fragments,
    slow_start: bool,
}

impl File {
    fn read(&mut self, input: &mut Input<'_>, start: u64) -> Result<(), RecordingError> {
        let mut at = start;
        while at + 8 <= input.len {
            let available = input.len - at;
            let Some(found) = header(input.bytes(at, 16)?, at, available) else {
                return self.rest(input, at, "a box has an invalid size");
            };
            if found.end > input.len {
                let message = format!("it is truncated: {} of {} bytes", input.len, found.end);
                return self.rest(input, at, &message);
            }
            match &found.name {
                b"mdat" => self.media.push((found.body, found.end)),
                b"moov" => {
                    let bytes = input.vec(found.body, found.end - found.body, MAX_MOOV)?;
                    self.slow_start = !self.media.is_empty();
                    self.movie = Some(Movie::read(&bytes, found.body, &mut self.edits));
                }
                b"moof" => {
                    let bytes = input.vec(found.body, found.end - found.body, MAX_MOOV)?;
                    let none = HashMap::new();
                    let defaults = self.movie.as_ref().map_or(&none, |m| &m.defaults);
                    self.fragments.add(&bytes, &found, defaults);
                }
                b"free" | b"skip" | b"wide" => {
                    // Programs turn old metadata into a free box and leave its bytes.
                    if !input.is_zero(found.body, found.end)? {
                        self.edits.clear(found.body, found.end, b"");
                    }
                }
                b"ftyp" | b"styp" | b"sidx" | b"ssix" | b"mfra" | b"pdin" | b"prft" => {}
                // Metadata, XMP (uuid), and data of programs.
                _ => found.free(&mut self.edits),
            }
            at = found.end;
        }
        self.edits.remove(at.min(input.len), input.len);
        Ok(())
    }

    /// Handles bytes that are no box: they may follow a complete file, or a recording that was interrupted.
    fn rest(
        &mut self,
        input: &mut Input<'_>,
        at: u64,
        message: &str,
    ) -> Result<(), RecordingError> {
        let is_complete = self.movie.is_some() && !self.media.is_empty();
        let is_interrupted = !self.fragments.is_empty();
        let name = input.bytes(at + 4, 4)?;
        let is_known = matches!(name, b"moov" | b"mdat" | b"moof" | b"free" | b"ftyp");
        if is_interrupted || is_complete && !is_known {
            self.edits.remove(at, input.len);
            return Ok(());
        }
        Err(broken(message))
    }
}

/// The index of a file.
struct Movie {
    /// 0 if the header does not state it.
    duration_ms: u64,
    tracks: Vec<Track>,
    /// Duration and size of the samples in fragments, by the id of the track.
    defaults: HashMap<u32, (u64, u64)>,
}

impl Movie {
    fn read(bytes: &[u8], base: u64, edits: &mut Edits) -> Self {
        let mut movie = Self { duration_ms: 0, tracks: Vec::new(), defaults: HashMap::new() };
        for (found, body) in boxes(bytes, base) {
            match &found.name {
                b"mvhd" => {
                    clear_dates(&found, body, edits);
                    movie.duration_ms = duration_ms(body);
                }
                b"trak" => movie.tracks.push(Track::read(&found, body, edits)),
                b"mvex" => {
                    for (_, trex) in boxes(body, 0).filter(|(b, _)| b.name == *b"trex") {
                        let [id, duration, size] = [4, 12, 16].map(|at| u32_at(trex, at));
                        movie.defaults.insert(id, (duration.into(), size.into()));
                    }
                }
                b"iods" => {}
                _ => found.discard(body, edits),
            }
        }
        // A track that contains the pictures or names of chapters is not played.
        let chapters: Vec<u32> = movie.tracks.iter().flat_map(|t| t.chapters.clone()).collect();
        for track in movie.tracks.iter_mut().filter(|t| chapters.contains(&t.id)) {
            track.kind = Kind::Other;
        }
        movie
    }
}

/// Overwrites the time of creation and of the last change in mvhd, tkhd or mdhd.
fn clear_dates(found: &Mp4Box, body: &[u8], edits: &mut Edits) {
    let len = if body.first() == Some(&1) { 16 } else { 8 };
    if body.get(4..4 + len).is_some_and(|dates| dates.iter().any(|b| *b != 0)) {
        edits.clear(found.body + 4, found.body + 4 + len as u64, b"");
    }
}

/// Returns the duration in mvhd or mdhd in milliseconds; 0 if it is not stated.
fn duration_ms(header: &[u8]) -> u64 {
    let (scale, units) = match header.first() {
        Some(1) => (u32_at(header, 20), u64_at(header, 24)),
        _ => (u32_at(header, 12), u64::from(u32_at(header, 16))),
    };
    if scale == 0 || units == u64::MAX || units == u64::from(u32::MAX) {
        return 0;
    }
    milliseconds(units, scale.into())
}
