//! Removes everything from an image file that is not needed to show it: EXIF, XMP, comments, texts, previews, and bytes
//! after the end. They may contain the place where a photo was taken. The pixels are not changed.
//!
//! Each format has a list of the parts that are kept. `None` means that the parts of the file cannot be separated.

/// Returns the file without metadata. `keeps_colors`: colour profiles are kept.
pub fn without_metadata(bytes: &[u8], keeps_colors: bool) -> Option<Vec<u8>> {
    match bytes {
        [0xff, 0xd8, ..] => jpeg(bytes, keeps_colors),
        [0x89, b'P', b'N', b'G', ..] => png(bytes, keeps_colors),
        [b'R', b'I', b'F', b'F', ..] => webp(bytes, keeps_colors),
        [b'G', b'I', b'F', ..] => gif(bytes),
        _ => None,
    }
}

/// Returns the EXIF data of a PNG, which may follow the pixels.
pub fn png_exif(bytes: &[u8]) -> Option<&[u8]> {
    png_chunks(bytes).find(|(name, ..)| name == b"eXIf").map(|(_, body, _)| body)
}

/// JPEG (ITU T.81, B.1).
fn jpeg(bytes: &[u8], keeps_colors: bool) -> Option<Vec<u8>> {
    let mut out = bytes.get(..2)?.to_vec();
    let mut at = 2;
    loop {
        // Fill bytes may precede a marker.
        while bytes.get(at..at + 2)? == [0xff, 0xff] {
            at += 1;
        }
        let &[0xff, marker] = bytes.get(at..at + 2)? else { return None };
        if marker == 0xd9 {
            out.extend([0xff, 0xd9]);
            return Some(out);
        }
        if matches!(marker, 0x01 | 0xd0..=0xd7) {
            at += 2;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
        let segment = bytes.get(at..at + 2 + length.max(2))?;
        let body = segment.get(4..)?;
        match marker {
            0xe0 if body.starts_with(b"JFIF\0") => {
                // Without the preview.
                let mut header = b"\xff\xe0\0\x10".to_vec();
                header.extend(body.get(..12)?);
                header.extend([0, 0]);
                out.extend(header);
            }
            0xe2 if keeps_colors && body.starts_with(b"ICC_PROFILE\0") => out.extend(segment),
            0xee if body.starts_with(b"Adobe") => out.extend(segment),
            0xe0..=0xef | 0xfe => {}
            _ => out.extend(segment),
        }
        at += segment.len();
        if marker == 0xda {
            // The pixels end at the next marker that is not part of them.
            let pixels = bytes.get(at..)?;
            let end = pixels
                .windows(2)
                .position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0xd0..=0xd7 | 0xff));
            let Some(end) = end else {
                // A file without an end marker is shown.
                out.extend(pixels);
                return Some(out);
            };
            out.extend(&pixels[..end]);
            at += end;
        }
    }
}

/// Returns name, body and all bytes of each chunk, up to the last one.
fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8], &[u8])> {
    let mut at = 8;
    let mut has_ended = false;
    std::iter::from_fn(move || {
        if has_ended {
            return None;
        }
        let length = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
        let name: [u8; 4] = *bytes.get(at + 4..)?.first_chunk()?;
        let end = at.checked_add(length)?.checked_add(12)?;
        let all = bytes.get(at..end)?;
        at = end;
        has_ended = &name == b"IEND";
        Some((name, &all[8..8 + length], all))
    })
}

/// PNG and APNG (W3C PNG, third edition).
fn png(bytes: &[u8], keeps_colors: bool) -> Option<Vec<u8>> {
    let mut out = bytes.get(..8)?.to_vec();
    let mut has_ended = false;
    for (name, _, all) in png_chunks(bytes) {
        let is_kept = match &name {
            b"IHDR" | b"PLTE" | b"IDAT" | b"IEND" | b"tRNS" | b"acTL" | b"fcTL" | b"fdAT"
            | b"sBIT" => true,
            b"iCCP" | b"cICP" | b"gAMA" | b"cHRM" | b"sRGB" => keeps_colors,
            _ => false,
        };
        if is_kept {
            out.extend(all);
        }
        has_ended = &name == b"IEND";
    }
    has_ended.then_some(out)
}

/// WebP (RFC 9649).
fn webp(bytes: &[u8], keeps_colors: bool) -> Option<Vec<u8>> {
    let size = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let chunks = bytes.get(12..size.checked_add(8)?.min(bytes.len()))?;
    let mut out = bytes.get(..12)?.to_vec();
    for (name, all) in riff_chunks(chunks) {
        match &name {
            b"VP8X" => {
                let mut header = all.to_vec();
                // Without the flags of XMP and EXIF, and of the profile.
                let flags = if keeps_colors { !0x0c } else { !0x2c };
                *header.get_mut(8)? &= flags;
                out.extend(header);
            }
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" => out.extend(all),
            b"ICCP" if keeps_colors => out.extend(all),
            b"ANMF" => {
                // The header of a frame has 16 bytes.
                let body = all.get(8..)?;
                let mut frame = body.get(..16)?.to_vec();
                for (name, inner) in riff_chunks(body.get(16..)?) {
                    if matches!(&name, b"VP8 " | b"VP8L" | b"ALPH") {
                        frame.extend(inner);
                    }
                }
                out.extend(b"ANMF");
                out.extend(u32::try_from(frame.len()).ok()?.to_le_bytes());
                out.extend(frame);
            }
            _ => {}
        }
    }
    let size = u32::try_from(out.len() - 8).ok()?;
    out.get_mut(4..8)?.copy_from_slice(&size.to_le_bytes());
    Some(out)
}

/// Returns name and all bytes, with padding, of each chunk.
fn riff_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let name: [u8; 4] = *bytes.get(at..)?.first_chunk()?;
        let size = u32::from_le_bytes(*bytes.get(at + 4..)?.first_chunk()?) as usize;
        let end = at.checked_add(8)?.checked_add(size)?;
        let padded = end + (size & 1);
        let all = bytes.get(at..padded.min(bytes.len()).max(end))?;
        at = padded;
        Some((name, all))
    })
}

/// GIF (GIF89a, 15 to 26).
fn gif(bytes: &[u8]) -> Option<Vec<u8>> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3usize << ((flags & 7) + 1) };
    let sub_blocks = |mut at: usize| {
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                return Some(at);
            }
        }
    };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut out = bytes.get(..at)?.to_vec();
    loop {
        let end = match bytes.get(at) {
            Some(0x21) => sub_blocks(at + 2)?,
            Some(0x2c) => sub_blocks(at + 11 + table(*bytes.get(at + 9)?))?,
            // Also a file without an end is shown.
            _ => {
                out.push(0x3b);
                return Some(out);
            }
        };
        let block = bytes.get(at..end)?;
        let is_kept = match block {
            [0x21, 0xf9, ..] | [0x2c, ..] => true,
            // The number of repetitions.
            [0x21, 0xff, 11, name @ ..] => {
                name.starts_with(b"NETSCAPE2.0") || name.starts_with(b"ANIMEXTS1.0")
            }
            _ => false,
        };
        if is_kept {
            out.extend(block);
        }
        at = end;
    }
}
