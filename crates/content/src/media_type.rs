//! Detects the media type of a blob from its first bytes.

/// Returns the media type for the first bytes of a blob, at most 512 of which are needed.
pub(crate) fn media_type(prefix: &[u8]) -> &'static str {
    let is = |at: usize, magic: &[u8]| prefix.get(at..at + magic.len()) == Some(magic);
    if is(0, b"\x89PNG") {
        "image/png"
    } else if is(0, b"\xff\xd8\xff") {
        "image/jpeg"
    } else if is(0, b"GIF8") {
        "image/gif"
    } else if is(0, b"RIFF") && is(8, b"WEBP") {
        "image/webp"
    } else if is(0, b"RIFF") && is(8, b"WAVE") {
        "audio/wav"
    } else if is(0, b"ID3")
        || (is(0, b"\xff") && prefix.get(1).is_some_and(|b| b & 0xe0 == 0xe0 && b & 0x06 != 0))
    {
        "audio/mpeg"
    } else if is(0, b"\xff") && prefix.get(1).is_some_and(|b| b & 0xf6 == 0xf0) {
        "audio/aac"
    } else if is(0, b"OggS") {
        "audio/ogg"
    } else if is(0, b"fLaC") {
        "audio/flac"
    } else if is(4, b"ftypM4A") {
        "audio/mp4"
    } else if is(4, b"ftyp") {
        "video/mp4"
    } else if is(0, b"\x1aE\xdf\xa3") {
        "video/webm"
    } else if is(0, b"wOF2") {
        "font/woff2"
    } else if is(0, b"WEBVTT") || is(0, b"\xef\xbb\xbfWEBVTT") {
        "text/vtt; charset=utf-8"
    } else if carrel_imaging::is_svg(prefix) {
        "image/svg+xml"
    } else {
        "application/octet-stream"
    }
}

/// Returns whether the type is audio or video, which may be played before its hash is verified.
pub(crate) fn is_playable(media_type: &str) -> bool {
    media_type.starts_with("audio/") || media_type.starts_with("video/")
}

#[cfg(test)]
mod tests;
