//! Reads duration and size of a WebM file from its header (Matroska, RFC 9559).
//!
//! Not here: decoding, and Matroska features that WebM does not use.

use std::io::{self, Read, Seek, SeekFrom};

#[derive(Debug, Default, PartialEq)]
pub(crate) struct WebM {
    /// 0 if the header does not state it (a recording that was never finished).
    pub duration_ms: u64,
    /// Size in pixels; `None` if there is no video track.
    pub video: Option<(u32, u32)>,
    pub audio: bool,
}

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;

/// Reads duration and size. The error states what is invalid.
pub(crate) fn read(file: &mut (impl Read + Seek)) -> Result<WebM, String> {
    let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    let mut metadata = WebM::default();
    let mut at = 0;
    let mut has_tracks = false;
    let mut end = length;
    while at < end {
        let Some((id, size, body)) = header(file, at).map_err(|e| e.to_string())? else { break };
        match id {
            SEGMENT => {
                if let Some(size) = size {
                    end = body.checked_add(size).ok_or("an element has an invalid size")?;
                    if end > length {
                        return Err(format!("it is truncated: {length} of {end} bytes"));
                    }
                }
                at = body;
                continue;
            }
            INFO | TRACKS => {
                let size =
                    size.filter(|s| *s < 16 << 20).ok_or("its header has an invalid size")?;
                let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
                file.seek(SeekFrom::Start(body))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(|e| e.to_string())?;
                if id == INFO {
                    info(&bytes, &mut metadata)
                } else {
                    tracks(&bytes, &mut metadata)
                }
                has_tracks |= id == TRACKS;
            }
            CLUSTER => break,
            _ => {}
        }
        let Some(size) = size else { break };
        at = body.checked_add(size).ok_or("an element has an invalid size")?;
    }
    if !has_tracks || metadata.video.is_none() && !metadata.audio {
        return Err("it has neither an audio nor a video track".to_owned());
    }
    Ok(metadata)
}

/// Returns id, size (`None` if unknown) and position of the body of the element at `at`.
#[allow(clippy::type_complexity)]
fn header(file: &mut (impl Read + Seek), at: u64) -> io::Result<Option<(u32, Option<u64>, u64)>> {
    file.seek(SeekFrom::Start(at))?;
    let mut head = [0; 12];
    let mut n = 0;
    while n < head.len() {
        match file.read(&mut head[n..])? {
            0 => break,
            more => n += more,
        }
    }
    Ok(element(&head[..n]).map(|(id, size, length)| (id, size, at + length as u64)))
}

/// Returns id, size and header length of an element.
fn element(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    if id_length > 4 {
        return None;
    }
    let id = bytes.get(..id_length)?.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
    let rest = &bytes[id_length..];
    let size_length = rest.first()?.leading_zeros() as usize + 1;
    let raw = rest.get(..size_length)?;
    if size_length > 8 {
        return None;
    }
    let mask = 0xffu64 >> size_length;
    let size = raw[1..].iter().fold(u64::from(raw[0]) & mask, |n, b| n << 8 | u64::from(*b));
    let unknown = (1u64 << (7 * size_length)) - 1;
    Some((id, (size != unknown).then_some(size), id_length + size_length))
}

fn children(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (id, size, length) = element(rest)?;
        let size = usize::try_from(size?).ok()?;
        let body = rest.get(length..length.checked_add(size)?)?;
        rest = &rest[length + size..];
        Some((id, body))
    })
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

fn info(bytes: &[u8], metadata: &mut WebM) {
    let (mut scale, mut duration) = (1_000_000u64, 0.0f64);
    for (id, body) in children(bytes) {
        match (id, body.len()) {
            (0x2A_D7B1, _) => scale = unsigned(body),
            (0x4489, 4) => duration = f64::from(f32::from_bits(unsigned(body) as u32)),
            (0x4489, 8) => duration = f64::from_bits(unsigned(body)),
            _ => {}
        }
    }
    let ms = duration * scale as f64 / 1e6;
    metadata.duration_ms =
        if ms.is_finite() && (0.0..1e12).contains(&ms) { ms.round() as u64 } else { 0 };
}

fn tracks(bytes: &[u8], metadata: &mut WebM) {
    for (_, entry) in children(bytes).filter(|(id, _)| *id == 0xAE) {
        let kind = children(entry).find(|(id, _)| *id == 0x83).map_or(0, |(_, b)| unsigned(b));
        if kind == 2 {
            metadata.audio = true;
        } else if kind == 1 && metadata.video.is_none() {
            let video = children(entry).find(|(id, _)| *id == 0xE0).map_or(&[][..], |(_, b)| b);
            let number = |wanted: u32| {
                children(video).find(|(id, _)| *id == wanted).map(|(_, b)| unsigned(b) as u32)
            };
            // The display size takes precedence if present, because pixels may not be square.
            let width = number(0x54B0).or(number(0xB0)).unwrap_or_default();
            let height = number(0x54BA).or(number(0xBA)).unwrap_or_default();
            metadata.video = Some((width, height));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn el(id: &[u8], body: &[u8]) -> Vec<u8> {
        let mut out = id.to_vec();
        out.push(0x08);
        out.extend(&(body.len() as u32).to_be_bytes());
        // 0x08 starts a size field of five bytes.
        out.extend(body);
        out
    }

    #[test]
    fn metadata_is_read_and_truncation_detected() {
        let info = el(
            &[0x15, 0x49, 0xA9, 0x66],
            &[
                el(&[0x2A, 0xD7, 0xB1], &1_000_000u32.to_be_bytes()),
                el(&[0x44, 0x89], &4200f64.to_be_bytes()),
            ]
            .concat(),
        );
        let video = el(&[0xE0], &[el(&[0xB0], &[2, 128]), el(&[0xBA], &[1, 104])].concat());
        let tracks = el(
            &[0x16, 0x54, 0xAE, 0x6B],
            &[el(&[0xAE], &[el(&[0x83], &[1]), video].concat()), el(&[0xAE], &el(&[0x83], &[2]))]
                .concat(),
        );
        let cluster = el(&[0x1F, 0x43, 0xB6, 0x75], &[0; 30]);
        let head = el(&[0x1A, 0x45, 0xDF, 0xA3], &[]);
        let good =
            [head, el(&[0x18, 0x53, 0x80, 0x67], &[info, tracks, cluster].concat())].concat();
        let metadata = |bytes: &[u8]| read(&mut io::Cursor::new(bytes.to_vec()));
        assert_eq!(
            metadata(&good),
            Ok(WebM { duration_ms: 4200, video: Some((640, 360)), audio: true })
        );
        assert!(metadata(&good[..good.len() - 1]).unwrap_err().contains("truncated"));
        assert!(metadata(&good[..10]).is_err());
        for n in 0..good.len() {
            let mut bad = good.clone();
            bad[n] ^= 0xff;
            let _ = metadata(&bad);
        }
    }
}
