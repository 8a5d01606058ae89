use super::*;

#[test]
fn only_audio_and_video_play_unverified() {
    for (prefix, kind, unverified) in [
        (&b"ID3\x04..."[..], "audio/mpeg", true),
        (b"\xff\xfb\x90\x00", "audio/mpeg", true),
        (b"\xff\xf1\x50\x80", "audio/aac", true),
        (b"....ftypisom", "video/mp4", true),
        (b"....ftypM4A ", "audio/mp4", true),
        (b"\x1a\x45\xdf\xa3", "video/webm", true),
        (b"RIFF....WAVE", "audio/wav", true),
        (b"RIFF....WEBP", "image/webp", false),
        (b"\xff\xd8\xff\xe0", "image/jpeg", false),
        (b"<?xml?><svg>", "image/svg+xml", false),
        (b"wOF2....", "font/woff2", false),
        (b"WEBVTT\n", "text/vtt; charset=utf-8", false),
        (b"<!doctype html>", "application/octet-stream", false),
        (b"", "application/octet-stream", false),
    ] {
        assert_eq!((media_type(prefix), is_playable(media_type(prefix))), (kind, unverified));
    }
}
