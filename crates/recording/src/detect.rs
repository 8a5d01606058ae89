//! Detects the container of a recording or video by content. Tags in front of it are skipped.

use std::io::{self, Read, Seek};

use crate::{
    Container, Unsupported,
    frames::{self, adts, mpeg},
    input::Input,
    matroska, mp4, tags,
};

/// Number of bytes without a meaning that may precede the frames of an mp3 file without a tag.
const MAX_JUNK: u64 = 1 << 20;

/// Returns the container of a file; `None` if it is not a recording.
pub fn detect(file: &mut (impl Read + Seek)) -> io::Result<Option<Container>> {
    Ok(find(&mut Input::new(file)?)?.map(|(container, _)| container))
}

/// Returns the container and its position.
pub(crate) fn find(input: &mut Input<'_>) -> io::Result<Option<(Container, u64)>> {
    let (start, has_tag) = tags::start(input)?;
    let head = input.bytes(start, 64)?.to_vec();
    let starts = |magic: &[u8]| head.starts_with(magic);
    let at = |i: usize, magic: &[u8]| head.get(i..).is_some_and(|h| h.starts_with(magic));
    let found = if starts(b"fLaC") {
        Container::Flac
    } else if (starts(b"RIFF") || starts(b"RF64")) && at(8, b"WAVE") {
        Container::Wav
    } else if starts(b"OggS") {
        Container::Ogg
    } else if starts(b"\x1a\x45\xdf\xa3") {
        matroska::container(input, start)?
    } else if mp4::is_picture(&head) {
        return Ok(None);
    } else if let Some(container) = mp4::container(&head) {
        container
    } else if let Some(format) = other_format(&head) {
        Container::Unsupported(format)
    } else if is_transport_stream(input, start)? {
        Container::Unsupported(Unsupported::film("an MPEG transport stream (ts)"))
    } else {
        return framed(input, start, has_tag);
    };
    Ok(Some((found, start)))
}

/// Returns the format of sound or film that is recognised, but not published.
fn other_format(head: &[u8]) -> Option<Unsupported> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let at = |i: usize, magic: &[u8]| head.get(i..).is_some_and(|h| h.starts_with(magic));
    Some(if starts(b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        Unsupported::sound("an AIFF recording")
    } else if starts(b"caff") {
        Unsupported::sound("a Core Audio recording (CAF)")
    } else if starts(b"#!AMR") {
        Unsupported::sound("an AMR recording")
    } else if starts(b"MThd") || starts(b"RIFF") && at(8, b"RMID") {
        Unsupported::closed("a MIDI file")
    } else if starts(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11") {
        Unsupported::either("a Windows Media file (WMA, WMV)")
    } else if starts(b"RIFF") && (at(8, b"AVI ") || at(8, b"AVIX")) {
        Unsupported::film("an AVI video")
    } else if starts(b"FLV\x01") {
        Unsupported::film("a Flash video (FLV)")
    } else if starts(b"riff\x2e\x91\xcf\x11") {
        Unsupported::sound("a Wave64 recording")
    } else if starts(b".snd") {
        Unsupported::sound("an AU recording")
    } else if starts(b"MAC ") {
        Unsupported::sound("a Monkey's Audio recording (APE)")
    } else if starts(b"wvpk") {
        Unsupported::sound("a WavPack recording")
    } else if starts(b"TTA1") {
        Unsupported::sound("a True Audio recording (TTA)")
    } else if starts(b"MP+") || starts(b"MPCK") {
        Unsupported::sound("a Musepack recording")
    } else if starts(b"ADIF") {
        Unsupported::sound("an AAC recording in ADIF")
    } else if starts(b".RMF") {
        Unsupported::either("a RealMedia file")
    } else if starts(b"\x0b\x77") && head.get(5).is_some_and(|b| b >> 3 <= 16) {
        Unsupported::sound("an AC-3 recording")
    } else if starts(b"\x7f\xfe\x80\x01") {
        Unsupported::sound("a DTS recording")
    } else if starts(b"DSD ") || starts(b"FRM8") {
        Unsupported::sound("a DSD recording")
    } else if starts(b"\0\0\x01\xba") || starts(b"\0\0\x01\xb3") {
        Unsupported::film("an MPEG video (mpg)")
    } else {
        return None;
    })
}

fn is_transport_stream(input: &mut Input<'_>, start: u64) -> io::Result<bool> {
    for packet in 0..3 {
        if input.bytes(start + packet * 188, 1)? != b"\x47" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Finds frames of mp3 or ADTS, possibly after bytes without a meaning.
fn framed(
    input: &mut Input<'_>,
    start: u64,
    has_tag: bool,
) -> io::Result<Option<(Container, u64)>> {
    let end = tags::end(input, start)?;
    let within = if has_tag { u64::MAX } else { MAX_JUNK };
    let mp3 = frames::find(input, (start, within, end), mpeg, None)?.map(|(at, _)| at);
    if mp3 == Some(start) {
        return Ok(Some((Container::Mp3, start)));
    }
    if let Some((at, _)) = frames::find(input, (start, 1, end), adts, None)? {
        return Ok(Some((Container::Adts, at)));
    }
    if let Some(found) = behind_other_bytes(input)? {
        return Ok(Some(found));
    }
    // Frames that follow at once are preferred to frames inside the other format.
    let until = mp3.map_or(within, |at| at - start);
    if let Some((at, _)) = frames::find(input, (start, until, end), adts, None)? {
        return Ok(Some((Container::Adts, at)));
    }
    Ok(match mp3 {
        Some(at) => Some((Container::Mp3, at)),
        // A tag without a recording is a damaged recording.
        None if has_tag => Some((Container::Mp3, start)),
        None => None,
    })
}

/// Finds a container behind a tag with a wrong size, or behind bytes that a download put in front of it.
fn behind_other_bytes(input: &mut Input<'_>) -> io::Result<Option<(Container, u64)>> {
    let last = MAX_JUNK.min(input.len);
    if let Some(at) = input.find(0, last, b"fLaC")?
        && matches!(input.bytes(at + 4, 4)?, [0 | 0x80, 0, 0, 0x22])
    {
        return Ok(Some((Container::Flac, at)));
    }
    if let Some(at) = input.find(0, last, b"RIFF")?
        && input.bytes(at + 8, 8)? == b"WAVEfmt "
    {
        return Ok(Some((Container::Wav, at)));
    }
    Ok(input.find(0, last, b"OggS\0\x02")?.map(|at| (Container::Ogg, at)))
}
