//! Titles, places, dates and pictures are not published; the sound is, unchanged.

use crate::support::*;

#[test]
fn tags_of_every_kind_are_removed() {
    let place = PLACE.as_bytes();
    let xmp = format!("<x:xmpmeta exif:GPSLatitude=\"{PLACE}\"/>").into_bytes();
    let sound = mp3(20);
    let id3 = id3v2(place, place.len());
    let adts: Vec<u8> = (0..9).flat_map(|_| adts_frame()).collect();
    let list = chunk(b"LIST", &[b"INFO".to_vec(), chunk(b"ICMT", place)].concat());
    let pcm = wav(None, b"", b"");
    let frames = flac(40_960, &[]);
    let times = [0, 20, 40];
    for (name, bytes, expected) in [
        ("ID3v2 and ID3v1", [id3.clone(), sound.clone(), id3v1()].concat(), sound.clone()),
        ("APE", [sound.clone(), ape_tag()].concat(), sound.clone()),
        ("ID3 in the middle", [mp3(10), id3.clone(), mp3(10)].concat(), sound),
        ("ADTS", [id3.clone(), adts.clone()].concat(), adts),
        ("LIST", wav(None, &list, b""), pcm.clone()),
        ("LIST at the end", wav(None, b"", &list), pcm.clone()),
        ("ID3 in WAV", wav(None, &chunk(b"id3 ", &id3), b""), pcm.clone()),
        ("XMP in WAV", wav(None, b"", &chunk(b"_PMX", &xmp)), pcm.clone()),
        ("broadcast WAV", wav(None, &chunk(b"bext", place), b""), pcm.clone()),
        ("behind WAV", [pcm.clone(), place.to_vec()].concat(), pcm),
        ("FLAC comments", flac(40_960, &[(4, comments(false))]), frames.clone()),
        ("FLAC picture", flac(40_960, &[(6, place.to_vec())]), frames.clone()),
        ("FLAC application", flac(40_960, &[(2, place.to_vec()), (1, place.to_vec())]), frames),
    ] {
        assert!(contains(&bytes, PLACE), "{name}");
        assert_eq!(published(name, &bytes).2, expected, "{name}");
    }
    for (name, bytes) in [
        ("Opus comments", opus(1920, 48_312)),
        ("WebM title", webm(&times, false, false, b"")),
        ("WebM tags", webm(&times, true, false, &element(&[0x12, 0x54, 0xc3, 0x67], place))),
        ("WebM attachment", webm(&times, true, true, &element(&[0x19, 0x41, 0xa4, 0x69], place))),
        ("WebM void", webm(&times, false, true, &element(&[0xec], place))),
    ] {
        assert!(contains(&bytes, PLACE), "{name}");
        let (_, _, out) = published(name, &bytes);
        assert!(!contains(&out, PLACE), "{name}");
        assert_eq!(out.len(), bytes.len(), "{name}: positions in the file do not change");
    }
}

#[test]
fn pages_of_ogg_keep_a_valid_checksum() {
    let vorbis = [
        ogg_page(
            2,
            0,
            0,
            &[b"\x01vorbis\0\0\0\0\x01\x44\xac\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01"],
        ),
        ogg_page(
            0,
            0,
            1,
            &[&[b"\x03vorbis".to_vec(), comments(true)].concat(), b"\x05vorbis setup"],
        ),
        ogg_page(4, 44_100, 2, &[&[0; 40]]),
    ]
    .concat();
    let flac = [
        ogg_page(2, 0, 0, &[b"\x7fFLAC\x01\0\0\x02fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"]),
        ogg_page(0, 0, 1, &[&[vec![4, 0, 0, 55], comments(false)].concat(), &[b"\x86\0\0\x12", PLACE.as_bytes()].concat()]),
        ogg_page(4, 44_100, 2, &[&[0xff; 40]]),
    ]
    .concat();
    for (name, bytes) in [("vorbis", vorbis), ("flac", flac), ("opus", opus(1920, 48_312))] {
        assert!(contains(&bytes, PLACE), "{name}");
        let (ms, media_type, out) = published(name, &bytes);
        assert_eq!((ms, media_type), (1000, "audio/ogg"), "{name}");
        assert!(!contains(&out, PLACE), "{name}");
        let mut at = 0;
        while at < out.len() {
            let segments = usize::from(out[at + 26]);
            let body: usize =
                out[at + 27..at + 27 + segments].iter().map(|n| usize::from(*n)).sum();
            let end = at + 27 + segments + body;
            let mut page = out[at..end].to_vec();
            let stated = u32::from_le_bytes(page[22..26].try_into().unwrap());
            page[22..26].fill(0);
            assert_eq!(ogg_checksum(&page), stated, "{name}, page at {at}");
            at = end;
        }
    }
}

#[test]
fn a_cover_in_the_comments_of_ogg_is_removed_from_all_its_pages() {
    let cover = format!("METADATA_BLOCK_PICTURE={}", PLACE.repeat(6_000));
    let mut tags = b"\x03vorbis\0\0\0\0\x01\0\0\0".to_vec();
    tags.extend((cover.len() as u32).to_le_bytes());
    tags.extend(cover.as_bytes());
    tags.push(1);
    let page = |flags: u8, end: u64, number: u32, segments: &[u8], body: &[u8]| {
        let mut out = ogg_page(flags, end, number, &[]);
        out[26] = segments.len() as u8;
        out.extend(segments);
        out.extend(body);
        out[22..26].fill(0);
        let sum = ogg_checksum(&out);
        out[22..26].copy_from_slice(&sum.to_le_bytes());
        out
    };
    let setup = b"\x05vorbis setup";
    let (first, rest) = tags.split_at(255 * 255);
    let mut segments = vec![255; rest.len() / 255];
    segments.extend([(rest.len() % 255) as u8, setup.len() as u8]);
    let bytes = [
        ogg_page(
            2,
            0,
            0,
            &[b"\x01vorbis\0\0\0\0\x01\x44\xac\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01"],
        ),
        page(0, u64::MAX, 1, &[255; 255], first),
        page(1, 0, 2, &segments, &[rest, setup].concat()),
        ogg_page(4, 44_100, 3, &[&[0; 40]]),
    ]
    .concat();
    let (ms, _, out) = published("cover", &bytes);
    assert_eq!((ms, out.len()), (1000, bytes.len()));
    assert!(!contains(&out, PLACE) && contains(&out, "vorbis setup"));
}

#[test]
fn boxes_with_metadata_are_overwritten_in_place() {
    let place = PLACE.as_bytes();
    let sound = || Track::new(1, b"soun", b"mp4a", Some(32));
    let media: Vec<u8> = (1..=36).collect();
    let xyz = mp4_box(b"udta", &mp4_box(b"\xa9xyz", place));
    let keys = mp4_box(b"meta", &[mp4_box(b"keys", place), mp4_box(b"ilst", place)].concat());
    let uuid = mp4_box(
        b"uuid",
        &[&b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac"[..], place].concat(),
    );
    let mut in_track = sound();
    in_track.extra = [xyz.clone(), keys.clone()].concat();
    let large = [&[0, 0, 0, 1][..], b"uuid", &34u64.to_be_bytes(), place].concat();
    for (name, bytes) in [
        ("a place", mp4(&[sound()], 2000, &media, &xyz, b"")),
        (
            "3GPP place",
            mp4(&[sound()], 2000, &media, &mp4_box(b"udta", &mp4_box(b"loci", place)), b""),
        ),
        ("keys", mp4(&[sound()], 2000, &media, &keys, b"")),
        ("in a track", mp4(&[in_track], 2000, &media, b"", b"")),
        ("XMP", mp4(&[sound()], 2000, &media, &uuid, &uuid)),
        ("a large box", mp4(&[sound()], 2000, &media, b"", &large)),
        ("metadata of the file", mp4(&[sound()], 2000, &media, b"", &keys)),
        (
            "free space",
            mp4(&[sound()], 2000, &media, &mp4_box(b"free", place), &mp4_box(b"skip", place)),
        ),
    ] {
        assert!(contains(&bytes, PLACE), "{name}");
        let (_, _, out) = published(name, &bytes);
        assert!(!contains(&out, PLACE), "{name}");
        // Offsets of samples stay valid: nothing is moved.
        assert_eq!((out.len(), &out[32..68]), (bytes.len(), media.as_slice()), "{name}");
        assert!(
            !contains(&out, "A Name") && !out.windows(4).any(|w| w == [0xd1, 0x23, 0x45, 0x67]),
            "{name}"
        );
    }
    let behind =
        [mp4(&[sound()], 2000, &media, b"", b""), b"TAG".to_vec(), place.to_vec()].concat();
    assert!(!contains(&published("behind", &behind).2, PLACE));
    // Subtitles and the data of a camera may contain places.
    for handler in [b"meta", b"text", b"sbtl", b"tmcd"] {
        let media = [&media[..], place, place].concat();
        let data = Track::new(2, handler, b"gpmd", Some(68));
        let bytes = mp4(&[sound(), data], 2000, &media, b"", b"");
        let (_, _, out) = published("data", &bytes);
        assert!(!contains(&out, PLACE) && !contains(&out, "gpmd"));
        assert_eq!(out[32..68], media[..36]);
    }
}
