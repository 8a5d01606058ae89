//! Reads duration and size of an MP4 or M4A file from its boxes (ISO/IEC 14496-12).
//!
//! Not here: decoding. A truncated file is detected, because its boxes declare more bytes than it has.

use std::io::{self, Read, Seek, SeekFrom};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mp4 {
    pub duration_ms: u64,
    /// Size in pixels as displayed, after rotation; `None` if there is no video track.
    pub video: Option<(u32, u32)>,
    /// Four-character code of the video's sample entry, such as `avc1`.
    pub codec: String,
    pub audio: bool,
    /// True if the `moov` box follows the media data: playback then starts only when the whole file is loaded.
    pub slow_start: bool,
}

/// Reads size, codec and duration. The error states what is invalid.
pub(crate) fn read(file: &mut (impl Read + Seek)) -> Result<Mp4, String> {
    let text = |e: io::Error| e.to_string();
    let length = file.seek(SeekFrom::End(0)).map_err(text)?;
    let mut offset = 0;
    let mut mdat_offset = None;
    let mut found = None;
    while offset + 8 <= length {
        file.seek(SeekFrom::Start(offset)).map_err(text)?;
        let mut head = [0; 16];
        file.read_exact(&mut head[..8]).map_err(text)?;
        let mut size = u64::from(u32_at(&head, 0));
        let mut body = offset + 8;
        if size == 1 {
            file.read_exact(&mut head[8..]).map_err(text)?;
            size = u64::from(u32_at(&head, 8)) << 32 | u64::from(u32_at(&head, 12));
            body += 8;
        } else if size == 0 {
            size = length - offset;
        }
        let end = offset
            .checked_add(size)
            .filter(|end| *end >= body)
            .ok_or("a box has an invalid size")?;
        if end > length {
            return Err(format!("it is truncated: {} of {end} bytes", length));
        }
        match &head[4..8] {
            b"mdat" => mdat_offset = mdat_offset.or(Some(offset)),
            b"moov" => {
                if end - body > 64 << 20 {
                    return Err("its index (moov) is too large".to_owned());
                }
                let mut moov = vec![0; usize::try_from(end - body).unwrap_or_default()];
                file.seek(SeekFrom::Start(body)).map_err(text)?;
                file.read_exact(&mut moov).map_err(text)?;
                let mut metadata = movie(&moov);
                metadata.slow_start = mdat_offset.is_some();
                found = Some(metadata);
            }
            _ => {}
        }
        offset = end;
    }
    let metadata = found.ok_or("it has no index (moov)")?;
    if metadata.video.is_none() && !metadata.audio {
        return Err("it has neither an audio nor a video track".to_owned());
    }
    Ok(metadata)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(b) => u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
        None => 0,
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}

/// Returns name and body of each box directly inside a box.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let size = u32_at(rest, 0) as usize;
        let size = if size == 0 { rest.len() } else { size };
        let body = rest.get(8..size)?;
        let name = rest.get(4..8)?;
        rest = &rest[size..];
        Some((name, body))
    })
}

fn child<'a>(bytes: &'a [u8], name: &[u8]) -> &'a [u8] {
    boxes(bytes).find(|(n, _)| *n == name).map_or(&[], |(_, body)| body)
}

/// Returns the duration of mvhd or mdhd in milliseconds.
fn duration(header: &[u8]) -> u64 {
    let (scale, units) = match header.first() {
        Some(1) => (u32_at(header, 20), u64_at(header, 24)),
        _ => (u32_at(header, 12), u64::from(u32_at(header, 16))),
    };
    if scale == 0 || units == u64::MAX || units == u64::from(u32::MAX) {
        return 0;
    }
    u64::try_from(u128::from(units) * 1000 / u128::from(scale)).unwrap_or_default()
}

fn movie(moov: &[u8]) -> Mp4 {
    let mut metadata = Mp4 { duration_ms: duration(child(moov, b"mvhd")), ..Mp4::default() };
    for (_, track) in boxes(moov).filter(|(name, _)| *name == b"trak") {
        let media = child(track, b"mdia");
        metadata.duration_ms = metadata.duration_ms.max(if metadata.duration_ms == 0 {
            duration(child(media, b"mdhd"))
        } else {
            0
        });
        match child(media, b"hdlr").get(8..12) {
            Some(b"soun") => metadata.audio = true,
            Some(b"vide") if metadata.video.is_none() => {
                let header = child(track, b"tkhd");
                let matrix = if header.first() == Some(&1) { 52 } else { 40 };
                // Sizes are 16.16 fixed-point numbers. For a rotation by 90 degrees the diagonal of the matrix is zero.
                let (width, height) =
                    (u32_at(header, matrix + 36) >> 16, u32_at(header, matrix + 40) >> 16);
                let is_rotated = u32_at(header, matrix) == 0
                    && u32_at(header, matrix + 16) == 0
                    && !header.is_empty();
                metadata.video = Some(if is_rotated { (height, width) } else { (width, height) });
                let entry = child(child(child(media, b"minf"), b"stbl"), b"stsd");
                metadata.codec = entry
                    .get(12..16)
                    .map(|c| String::from_utf8_lossy(c).into_owned())
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    metadata
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn make_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
        out.extend(name);
        out.extend(body);
        out
    }

    /// Builds an MP4 file without any frames, sufficient for reading size and duration.
    pub(crate) fn sample(width: u32, height: u32, is_rotated: bool) -> Vec<u8> {
        let mut mvhd = vec![0; 12];
        mvhd.extend(1000u32.to_be_bytes());
        mvhd.extend(2500u32.to_be_bytes());
        mvhd.extend([0; 80]);
        let mut tkhd = vec![0; 40];
        let one = 0x1_0000u32;
        let matrix = if is_rotated {
            [0, one, 0, one, 0, 0, 0, 0, 0x4000_0000]
        } else {
            [one, 0, 0, 0, one, 0, 0, 0, 0x4000_0000]
        };
        tkhd.extend(matrix.iter().flat_map(|n: &u32| n.to_be_bytes()));
        tkhd.extend((width << 16).to_be_bytes());
        tkhd.extend((height << 16).to_be_bytes());
        let mut hdlr = vec![0; 8];
        hdlr.extend(b"vide");
        hdlr.extend([0; 12]);
        let mut stsd = vec![0, 0, 0, 0, 0, 0, 0, 1];
        stsd.extend(make_box(b"avc1", &[0; 70]));
        let minf = make_box(b"minf", &make_box(b"stbl", &make_box(b"stsd", &stsd)));
        let mdia = make_box(b"mdia", &[make_box(b"hdlr", &hdlr), minf].concat());
        let moov = make_box(
            b"moov",
            &[
                make_box(b"mvhd", &mvhd),
                make_box(b"trak", &[make_box(b"tkhd", &tkhd), mdia].concat()),
            ]
            .concat(),
        );
        [make_box(b"ftyp", b"isom\0\0\0\0mp42"), moov, make_box(b"mdat", &[0; 64])].concat()
    }

    fn metadata(bytes: &[u8]) -> Result<Mp4, String> {
        read(&mut io::Cursor::new(bytes))
    }

    #[test]
    fn metadata_is_read_and_truncation_detected() {
        let good = sample(640, 360, false);
        let expected = Mp4 {
            duration_ms: 2500,
            video: Some((640, 360)),
            codec: "avc1".into(),
            audio: false,
            slow_start: false,
        };
        assert_eq!(metadata(&good), Ok(expected));
        assert_eq!(metadata(&sample(640, 360, true)).unwrap().video, Some((360, 640)));
        assert!(metadata(&good[..good.len() - 1]).unwrap_err().contains("truncated"));
        assert!(metadata(&make_box(b"ftyp", b"isom")).unwrap_err().contains("moov"));
        assert!(metadata(&make_box(b"moov", &[])).unwrap_err().contains("neither"));
        for n in 0..good.len() {
            let mut bad = good.clone();
            bad[n] ^= 0xff;
            let _ = metadata(&bad);
        }
    }
}
