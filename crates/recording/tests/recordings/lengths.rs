//! The length is that of the recording, whatever header and tags state.

use carrel_recording::RecordingError;

use crate::support::*;

/// Length of `frames` mp3 frames in milliseconds.
fn mp3_ms(frames: u64) -> u64 {
    (frames * 1_152_000 + 22_050) / 44_100
}

#[test]
fn mp3_frames_are_counted() {
    let mixed: Vec<u8> = (0..40).flat_map(|n| mp3_frame(n % 3 == 0)).collect();
    let junk = vec![0x55; 3000];
    for (name, bytes, frames) in [
        ("plain", mp3(40), 40),
        ("a variable bit rate without a header", mixed, 40),
        ("one frame", mp3(1), 1),
        ("an ID3 tag", [id3v2(&[0; 20], 20), mp3(40)].concat(), 40),
        ("two ID3 tags", [id3v2(&[0; 20], 20), id3v2(&[0; 9], 9), mp3(40)].concat(), 40),
        ("a tag that is longer than the file", [id3v2(&[0; 20], 99_999_999), mp3(40)].concat(), 40),
        ("a tag that is shorter than it is", [id3v2(&[7; 900], 20), mp3(40)].concat(), 40),
        ("tags at the end", [mp3(40), ape_tag(), id3v1()].concat(), 40),
        ("an APE tag at the start", [ape_tag(), mp3(40)].concat(), 40),
        ("garbage at the start", [junk.clone(), mp3(40)].concat(), 40),
        ("garbage inside", [mp3(20), junk.clone(), mp3(20)].concat(), 40),
        ("garbage at the end", [mp3(40), junk].concat(), 40),
        ("cut in a frame", mp3(41)[..40 * 417 + 100].to_vec(), 40),
        ("a frame that states the encoder", [info_frame(0, 0), mp3(39)].concat(), 39),
    ] {
        assert_eq!(published(name, &bytes).0, mp3_ms(frames), "{name}");
    }
    let trimmed = [info_frame(576, 576), mp3(10)].concat();
    assert_eq!(published("trimmed", &trimmed).0, mp3_ms(9));
    // A recording that is shorter than the delay of the encoder has the length of its frames.
    let short = [info_frame(4095, 4095), mp3(1)].concat();
    assert_eq!(published("short", &short).0, mp3_ms(1));
    let (_, _, out) = published("kept", &[id3v2(&[0; 20], 20), mp3(5), id3v1()].concat());
    assert_eq!(out, mp3(5));
    for empty in [id3v2(&[0; 20], 20), [id3v2(&[0; 20], 20), id3v1()].concat()] {
        assert!(matches!(read(&empty), Err(RecordingError::Broken(_))));
    }
}

#[test]
fn adts_frames_are_counted() {
    let frames: Vec<u8> = (0..43).flat_map(|_| adts_frame()).collect();
    for bytes in [frames.clone(), [id3v2(&[1; 30], 30), frames.clone(), id3v1()].concat()] {
        assert_eq!(published("adts", &bytes), (998, "audio/aac", frames.clone()));
    }
}

#[test]
fn sizes_of_wav_files_may_be_unknown() {
    let plain = wav(None, b"", b"");
    assert_eq!(published("plain", &plain), (1000, "audio/wav", plain.clone()));
    let list = chunk(b"LIST", b"INFOISFT\x04\0\0\0abcd");
    for (name, bytes) in [
        ("0", wav(Some((0, 0)), b"", b"")),
        ("all bits set", wav(Some((u32::MAX, u32::MAX)), b"", b"")),
        ("31 bits set", wav(Some((0x7fff_ffff, 0x7fff_ffdb)), &list, b"")),
        ("high bit set", wav(Some((0x8000_0024, 0x8000_0000)), b"", b"")),
        ("a wrong size of the file", wav(Some((12, 16_000)), b"", b"")),
        ("a tag in front", [id3v2(&[0; 20], 20), plain.clone()].concat()),
        ("bytes at the end", [plain.clone(), vec![9; 77]].concat()),
        ("chunks around the samples", wav(None, &list, &list)),
        (
            "a file of 64 bits",
            [
                b"RF64\xff\xff\xff\xff",
                &wav(Some((0, u32::MAX)), &chunk(b"ds64", &[0; 28]), b"")[8..],
            ]
            .concat(),
        ),
    ] {
        // The published file states the right sizes.
        assert_eq!(published(name, &bytes), (1000, "audio/wav", plain.clone()), "{name}");
    }
    let error = read(&plain[..8000]).unwrap_err().to_string();
    assert!(error.contains("truncated"), "{error}");
    let mut silent = plain[..44].to_vec();
    silent[40..].fill(0);
    assert!(read(&silent).unwrap_err().to_string().contains("empty"));
    let mut without_channel = plain.clone();
    without_channel[22] = 0;
    assert!(read(&without_channel).unwrap_err().to_string().contains("no channel"));
}

#[test]
fn other_formats_in_wav_files_have_a_length() {
    let file = |format: &[u8], data: &[u8]| {
        let parts = [b"WAVE".to_vec(), chunk(b"fmt ", format), chunk(b"data", data)].concat();
        chunk(b"RIFF", &parts)
    };
    let format = |tag: u16, rate: u32, bytes: u32, block: u16, extra: &[u16]| {
        let mut out = [tag, 1].map(u16::to_le_bytes).concat();
        out.extend(rate.to_le_bytes());
        out.extend(bytes.to_le_bytes());
        out.extend([&[block, 4], extra].concat().iter().flat_map(|n| n.to_le_bytes()));
        out
    };
    let mu_law = file(&format(7, 8000, 8000, 1, &[]), &[0; 4000]);
    // The stated bytes per second of ADPCM are often wrong.
    let adpcm = file(&format(2, 8000, 9999, 256, &[2, 500]), &[0; 256 * 16]);
    let mp3 = file(&format(0x55, 44_100, 16_000, 1, &[]), &mp3(10));
    let mut doubles = format(3, 8000, 64_000, 8, &[]);
    doubles[14] = 64;
    let doubles = file(&doubles, &[0; 32_000]);
    for (name, bytes, ms, is_rare) in [
        ("mu-law", mu_law, 500, false),
        ("ADPCM", adpcm, 1000, true),
        ("numbers of 64 bits", doubles, 500, true),
        ("mp3", mp3, mp3_ms(10), true),
    ] {
        let recording = read(&bytes).unwrap();
        assert_eq!(
            (recording.duration_ms, recording.rare_codec.is_some()),
            (ms, is_rare),
            "{name}"
        );
    }
}

#[test]
fn the_last_frame_of_flac_counts_if_the_header_states_no_length() {
    let all = flac(40_960, &[]);
    assert_eq!(published("stated", &all).0, 5120);
    assert_eq!(published("unknown", &flac(0, &[])).0, 5120);
    assert_eq!(published("a tag in front", &[id3v2(&[0; 20], 20), all.clone()].concat()).2, all);
    assert_eq!(published("a tag behind", &[all.clone(), id3v1()].concat()).2, all);
    let wrong = [id3v2(&[7; 900], 20), all.clone()].concat();
    assert_eq!(published("a tag with a wrong size", &wrong).2, all);
    assert!(read(&all[..900]).unwrap_err().to_string().contains("truncated"));
    assert!(read(&all[..42]).unwrap_err().to_string().contains("empty"));
}

#[test]
fn the_last_page_of_ogg_is_the_end() {
    // 312 samples at the start are not played.
    assert_eq!(published("opus", &opus(1920, 48_312)).0, 1000);
    // A part of a broadcast does not start at 0.
    assert!((990..1100).contains(&published("live", &opus(480_000_000, 480_048_000)).0));
    let (_, _, whole) = published("whole", &opus(1920, 48_312));
    let interrupted = &opus(1920, 48_312)[..whole.len() - 5];
    assert_eq!(published("interrupted", interrupted).0, 34);
    let chained = [opus(1920, 48_312), opus(1920, 96_312)].concat();
    assert_eq!(published("chained", &chained).0, 3000);
    let junk = [id3v2(&[0; 20], 20), opus(1920, 48_312), vec![1; 99]].concat();
    assert_eq!(published("junk", &junk), (1000, "audio/ogg", whole));
}

#[test]
fn blocks_of_webm_are_counted_if_the_length_is_unknown() {
    let times = [0, 20, 40, 60, 80, 100];
    assert_eq!(published("stated", &webm(&times, false, false, b"")).0, 4200);
    let live = webm(&times, true, false, b"");
    assert_eq!(published("live", &live).0, 120);
    assert_eq!(published("interrupted", &live[..live.len() - 3]).0, 100);
    let stated = webm(&times, false, true, b"");
    let error = read(&stated[..stated.len() - 1]).unwrap_err().to_string();
    assert!(error.contains("truncated"), "{error}");
    assert!(read(&webm(&[], true, false, b"")).is_err(), "no block");
    let video = read(&stated).unwrap().video.unwrap();
    assert_eq!((video.width, video.height), (640, 360));
}

#[test]
fn fragments_of_mp4_are_counted() {
    let numbers = |n: &[u32]| n.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    let fragment = |start: u32| {
        let traf = [
            mp4_box(b"tfhd", &numbers(&[0x02_0000, 1])),
            mp4_box(b"tfdt", &numbers(&[0, start])),
            mp4_box(b"trun", &numbers(&[0x301, 2, 100, 500, 10, 700, 10])),
            mp4_box(b"trun", &numbers(&[0x200, 1, 10])),
        ];
        let moof = mp4_box(b"moof", &mp4_box(b"traf", &traf.concat()));
        [moof, mp4_box(b"mdat", &[1; 30])].concat()
    };
    let trex = mp4_box(b"mvex", &mp4_box(b"trex", &numbers(&[0, 1, 1, 300, 0, 0])));
    let track = || [Track::new(1, b"soun", b"mp4a", None)];
    let file = |start: u32| {
        let after = [fragment(start), fragment(start + 1500)].concat();
        mp4(&track(), 0, b"", &trex, &after)
    };
    assert_eq!(published("fragments", &file(0)).0, 3000);
    assert_eq!(published("a part of a broadcast", &file(9_000_000)).0, 3000);
    let whole = file(0);
    assert_eq!(published("interrupted", &whole[..whole.len() - 7]).0, 3000);
    // The samples state the length if no header does.
    let mut track = Track::new(1, b"soun", b"mp4a", Some(32));
    track.extra = Vec::new();
    assert_eq!(published("no length", &mp4(&[track], 0, &[1; 36], b"", b"")).0, 2000);
}
