//! Kinds are detected by content; covers and chapter pictures are no film.

use std::io::Cursor;

use carrel_recording::{Container, RecordingError, detect};

use crate::support::*;

fn kind(bytes: &[u8]) -> Option<Container> {
    detect(&mut Cursor::new(bytes)).unwrap()
}

#[test]
fn kinds_are_detected_behind_tags() {
    let tag = id3v2(&[0; 20], 20);
    let adts: Vec<u8> = (0..5).flat_map(|_| adts_frame()).collect();
    let sound = || [Track::new(1, b"soun", b"mp4a", Some(32))];
    for (bytes, expected) in [
        (mp3(3), Container::Mp3),
        (adts, Container::Adts),
        (wav(None, b"", b""), Container::Wav),
        (flac(0, &[]), Container::Flac),
        (opus(960, 1920), Container::Ogg),
        (mp4(&sound(), 2000, &[0; 36], b"", b""), Container::Mp4),
        (webm(&[0], true, false, b""), Container::Matroska),
    ] {
        assert_eq!(kind(&bytes), Some(expected));
        assert_eq!(kind(&[tag.clone(), bytes].concat()), Some(expected), "behind a tag");
    }
    for (bytes, expected) in [
        (wav(None, b"", b""), Container::Wav),
        (flac(0, &[]), Container::Flac),
        (opus(960, 1920), Container::Ogg),
    ] {
        let junk = [b"\r\n\r\n".to_vec(), bytes.clone()].concat();
        assert_eq!(kind(&junk), Some(expected), "behind other bytes");
        assert_eq!(published("junk", &junk).2, published("plain", &bytes).2);
    }
    // A recording in a tag is not the recording.
    let attached = wav(None, b"", b"");
    let tagged = [id3v2(&attached, attached.len()), mp3(40)].concat();
    assert_eq!(kind(&tagged), Some(Container::Mp3));
    for none in [
        &b""[..],
        b"plain text",
        b"<html><body>Not found</body></html>",
        b"\x89PNG\r\n\x1a\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
        b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        b"\xff\xfe<\0x\0m\0l\0",
        &[0xff; 5000],
        &[0; 5000],
    ] {
        assert_eq!(kind(none), None, "{none:?}");
    }
}

#[test]
fn formats_that_are_not_published_have_a_name() {
    let matroska = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"matroska"));
    let mut stream = vec![0; 188 * 4];
    stream.iter_mut().step_by(188).for_each(|b| *b = 0x47);
    for (bytes, name) in [
        (b"FORM....AIFFCOMM".to_vec(), "AIFF"),
        (b"caff\0\x01".to_vec(), "CAF"),
        (b"#!AMR\n".to_vec(), "AMR"),
        (b"MThd\0\0\0\x06".to_vec(), "MIDI"),
        (b"\x0b\x77\x7b\x7e\x1e\x40\x43\xe1".to_vec(), "AC-3"),
        (b"\x7f\xfe\x80\x01\xfc\x3c".to_vec(), "DTS"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec(), "WMA"),
        (b"RIFF....AVI LIST".to_vec(), "AVI"),
        (b"\0\0\0\x14ftypqt  ".to_vec(), "MOV"),
        (b"\0\0\0\x08wide\0\0\0\0mdat".to_vec(), "MOV"),
        (b"\0\0\0\x18ftyp3gp5".to_vec(), "3GP"),
        (matroska, "mkv"),
        (stream, "transport stream"),
        (ogg_page(2, 0, 0, &[b"\x80theora\x03\x02\x01"]), "Theora"),
        (
            [0xff, 0xfd, 0x80, 0xc4].iter().copied().chain([0; 413]).collect::<Vec<u8>>().repeat(4),
            "mp2",
        ),
    ] {
        match read(&bytes) {
            Err(RecordingError::Unsupported(format)) => {
                assert!(format.name.contains(name), "{format:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn pictures_in_an_m4a_are_no_film() {
    let sound = || Track::new(1, b"soun", b"mp4a", Some(32));
    let jpeg = |codec| Track::new(2, b"vide", codec, Some(68));
    // The object type of JPEG in the descriptor of an mp4v entry.
    let mut described = jpeg(b"mp4v");
    let esds = b"\0\0\0\0\x03\x19\0\x02\0\x04\x11\x6c\0";
    let entry = [vec![0; 78], mp4_box(b"esds", esds)].concat();
    described.entry = [vec![0, 0, 0, 0, 0, 0, 0, 1], mp4_box(b"mp4v", &entry)].concat();
    let mut chapters = sound();
    chapters.extra = mp4_box(b"tref", &mp4_box(b"chap", &[0, 0, 0, 2]));
    for (name, tracks) in [
        ("jpeg", [sound(), jpeg(b"jpeg")]),
        ("png", [sound(), jpeg(b"png ")]),
        ("mp4v", [sound(), described]),
        ("the pictures of chapters", [chapters, jpeg(b"avc1")]),
    ] {
        let media = [&[1; 36][..], PLACE.as_bytes(), PLACE.as_bytes()].concat();
        let bytes = mp4(&tracks, 2000, &media, b"", b"");
        assert_eq!(read(&bytes).unwrap().video, None, "{name}");
        let (ms, media_type, out) = published(name, &bytes);
        assert_eq!((ms, media_type, out.len()), (2000, "audio/mp4", bytes.len()), "{name}");
        assert!(!contains(&out, PLACE), "{name}: the pictures are removed");
    }
    let film = mp4(&[sound(), jpeg(b"avc1")], 2000, &[1; 72], b"", b"");
    assert!(read(&film).unwrap().video.is_some());
    // Pictures that follow each other quickly are a film: Motion JPEG of a camera.
    let moving = Track { samples: (20, 100), ..jpeg(b"jpeg") };
    let film = read(&mp4(&[sound(), moving], 2000, &[1; 396], b"", b"")).unwrap();
    assert!(film.video.is_some());
    assert_eq!(film.rare_codec.as_deref(), Some("mjpeg"));
}

#[test]
fn films_are_shown_upright_and_rare_codecs_reported() {
    let film = |codec, is_rotated| {
        let track = Track { is_rotated, ..Track::new(1, b"vide", codec, Some(32)) };
        read(&mp4(&[track], 2500, &[1; 36], b"", b"")).unwrap()
    };
    let size = |r: &carrel_recording::Recording| r.video.map(|v| (v.width, v.height));
    let upright = film(b"avc1", false);
    assert_eq!((size(&upright), upright.duration_ms), (Some((640, 360)), 2500));
    assert_eq!((upright.slow_start, upright.rare_codec.as_deref()), (true, None));
    assert_eq!(size(&film(b"avc1", true)), Some((360, 640)));
    assert_eq!(film(b"hvc1", false).rare_codec.as_deref(), Some("hvc1"));
    for (profile, codec) in [(66, None), (100, None), (110, Some("10 bits")), (244, Some("4:4:4"))]
    {
        let mut track = Track::new(1, b"vide", b"avc1", Some(32));
        let configuration = mp4_box(b"avcC", &[1, profile, 0, 31]);
        let entry = [vec![0; 78], configuration].concat();
        track.entry = [vec![0, 0, 0, 0, 0, 0, 0, 1], mp4_box(b"avc1", &entry)].concat();
        let found = read(&mp4(&[track], 2500, &[1; 36], b"", b"")).unwrap().rare_codec;
        assert_eq!(found.is_some(), codec.is_some(), "{profile}");
        assert!(found.unwrap_or_default().contains(codec.unwrap_or_default()), "{profile}");
    }
}

#[test]
fn damaged_files_are_errors() {
    let track = || [Track::new(1, b"soun", b"mp4a", Some(32))];
    let whole = mp4(&track(), 2000, &[1; 36], b"", b"");
    assert!(read(&whole[..whole.len() - 1]).unwrap_err().to_string().contains("truncated"));
    assert!(read(&whole[..68]).unwrap_err().to_string().contains("moov"));
    let samples = [
        whole,
        webm(&[0, 20], false, true, b""),
        opus(960, 1920),
        flac(40_960, &[(4, comments(false))]),
        wav(None, b"", b""),
        [id3v2(&[0; 20], 20), mp3(4), ape_tag(), id3v1()].concat(),
    ];
    for bytes in samples {
        for n in 0..bytes.len().min(1200) {
            for bit in [0x01, 0xff] {
                let mut bad = bytes.clone();
                bad[n] ^= bit;
                if let Ok(recording) = read(&bad) {
                    recording.edits.apply(&mut Cursor::new(&bad), &mut Vec::new()).unwrap();
                }
            }
            let _ = read(&bytes[..n]);
        }
    }
}
