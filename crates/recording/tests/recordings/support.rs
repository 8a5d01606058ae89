//! Recordings written byte by byte. Also used by the tests of `carrel-package`.

#![allow(dead_code)]

use std::io::Cursor;

use carrel_recording::{Recording, RecordingError, inspect};

/// A text that stands for a place; it must not be published.
pub const PLACE: &str = "+48.8584+002.2945/";

pub fn read(bytes: &[u8]) -> Result<Recording, RecordingError> {
    inspect(&mut Cursor::new(bytes))
}

/// Returns length, media type and the published bytes. The published file must have the same length and no metadata.
pub fn published(name: &str, bytes: &[u8]) -> (u64, &'static str, Vec<u8>) {
    let recording = read(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut out = Vec::new();
    recording.edits.apply(&mut Cursor::new(bytes), &mut out).unwrap();
    let again = read(&out).unwrap_or_else(|e| panic!("{name}, published: {e}"));
    assert!(again.edits.is_empty(), "{name}: {:?}", again.edits);
    assert_eq!(again.duration_ms, recording.duration_ms, "{name}");
    (recording.duration_ms, recording.media_type, out)
}

pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// Returns a silent mp3 frame: MPEG 1, layer III, 44.1 kHz, 128 kbit/s or 64 kbit/s.
pub fn mp3_frame(is_large: bool) -> Vec<u8> {
    let (index, len) = if is_large { (9, 417) } else { (5, 208) };
    let mut out = vec![0xff, 0xfb, index << 4, 0xc4];
    out.resize(len, 0);
    out
}

pub fn mp3(frames: usize) -> Vec<u8> {
    (0..frames).flat_map(|_| mp3_frame(true)).collect()
}

/// Returns a first frame that states the delay and padding of the encoder.
pub fn info_frame(delay: u32, padding: u32) -> Vec<u8> {
    let mut out = mp3_frame(true);
    out[36..40].copy_from_slice(b"Info");
    let lame = 36 + 8;
    out[lame..lame + 4].copy_from_slice(b"LAME");
    let both = delay << 12 | padding;
    out[lame + 21..lame + 24].copy_from_slice(&both.to_be_bytes()[1..]);
    out
}

/// Returns an ADTS frame of AAC LC, 44.1 kHz, mono.
pub fn adts_frame() -> Vec<u8> {
    let len = 40u32;
    let mut out = vec![
        0xff,
        0xf1,
        0x50,
        0x40 | (len >> 11) as u8,
        (len >> 3) as u8,
        (len << 5) as u8 | 0x1f,
        0xfc,
    ];
    out.resize(len as usize, 0);
    out
}

pub fn id3v2(content: &[u8], stated: usize) -> Vec<u8> {
    let mut out = b"ID3\x04\0\0".to_vec();
    out.extend([21, 14, 7, 0].map(|shift| (stated >> shift & 0x7f) as u8));
    out.extend(content);
    out
}

pub fn id3v1() -> Vec<u8> {
    let mut out = b"TAG".to_vec();
    out.extend(PLACE.as_bytes());
    out.resize(128, 0);
    out
}

pub fn ape_tag() -> Vec<u8> {
    let item = format!("\x12\0\0\0\0\0\0\0Place\0{PLACE}");
    let fields = |flags: u32| {
        let mut out = b"APETAGEX\xd0\x07\0\0".to_vec();
        out.extend((item.len() as u32 + 32).to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(flags.to_le_bytes());
        out.extend([0; 8]);
        out
    };
    [fields(0xa000_0000), item.clone().into_bytes(), fields(0x8000_0000)].concat()
}

pub fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out.resize(out.len() + (body.len() & 1), 0);
    out
}

/// Returns a WAV file of one second: 16 bit, mono, 8 kHz. `sizes`: the stated sizes of file and samples.
pub fn wav(sizes: Option<(u32, u32)>, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut format = Vec::new();
    for field in [0x0001_0001u32, 8000, 16_000, 0x0010_0002] {
        format.extend(field.to_le_bytes());
    }
    let samples: Vec<u8> =
        (0..8000u32).flat_map(|n| ((n % 100) as i16 * 50).to_le_bytes()).collect();
    let mut data = chunk(b"data", &samples);
    let inner = [b"WAVE".to_vec(), chunk(b"fmt ", &format), before.to_vec()].concat();
    let mut size = (inner.len() + data.len() + after.len()) as u32;
    if let Some((file, stated)) = sizes {
        data[4..8].copy_from_slice(&stated.to_le_bytes());
        size = file;
    }
    [b"RIFF".to_vec(), size.to_le_bytes().to_vec(), inner, data, after.to_vec()].concat()
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |c, _| if c & 0x80 != 0 { c << 1 ^ 7 } else { c << 1 })
    })
}

pub fn flac_block(kind: u8, is_last: bool, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind | if is_last { 0x80 } else { 0 }];
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.extend(body);
    out
}

/// Returns a FLAC file of 10 frames with 4096 samples at 8 kHz; `stated`: the number of samples in the header.
pub fn flac(stated: u32, blocks: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut info = Vec::new();
    info.extend(4096u16.to_be_bytes());
    info.extend(4096u16.to_be_bytes());
    info.extend([0; 6]);
    info.extend((8000u32 << 12 | 15 << 4).to_be_bytes());
    info.extend(stated.to_be_bytes());
    info.extend([0; 16]);
    let mut out = b"fLaC".to_vec();
    out.extend(flac_block(0, blocks.is_empty(), &info));
    for (index, (kind, body)) in blocks.iter().enumerate() {
        out.extend(flac_block(*kind, index + 1 == blocks.len(), body));
    }
    for number in 0..10 {
        let mut frame = vec![0xff, 0xf8, 0xc0, 0x08, number];
        frame.push(crc8(&frame));
        frame.resize(200, 0);
        out.extend(frame);
    }
    out
}

pub fn comments(has_framing_bit: bool) -> Vec<u8> {
    let comment = format!("GEO_LOCATION={PLACE}");
    let mut out = 6u32.to_le_bytes().to_vec();
    out.extend(b"writer");
    out.extend(1u32.to_le_bytes());
    out.extend((comment.len() as u32).to_le_bytes());
    out.extend(comment.as_bytes());
    out.extend(if has_framing_bit { &[1][..] } else { &[] });
    out
}

/// Returns a page of Ogg with complete packets shorter than 255 bytes, and a valid checksum.
pub fn ogg_page(flags: u8, end: u64, number: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut out = b"OggS\0".to_vec();
    out.push(flags);
    out.extend(end.to_le_bytes());
    out.extend(7u32.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend([0; 4]);
    out.push(packets.len() as u8);
    out.extend(packets.iter().map(|p| u8::try_from(p.len()).unwrap()));
    out.extend(packets.concat());
    let sum = ogg_checksum(&out);
    out[22..26].copy_from_slice(&sum.to_le_bytes());
    out
}

pub fn ogg_checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |s, _| {
            if s & 0x8000_0000 != 0 { s << 1 ^ 0x04c1_1db7 } else { s << 1 }
        })
    })
}

/// Returns an Opus recording whose last page ends at `end` samples of 48 kHz; the first page ends at `first`.
pub fn opus(first: u64, end: u64) -> Vec<u8> {
    let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
    let tags = [b"OpusTags".to_vec(), comments(false)].concat();
    let packet = [0xfc, 0, 0];
    [
        ogg_page(2, 0, 0, &[head]),
        ogg_page(0, 0, 1, &[&tags]),
        ogg_page(0, first, 2, &[&packet, &packet]),
        ogg_page(4, end, 3, &[&packet]),
    ]
    .concat()
}

pub fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    // 0x08 starts a size field of five bytes.
    out.push(0x08);
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    out
}

/// Returns a WebM recording with a block of 20 ms at each of `times`. `is_live`: sizes and length are unknown.
pub fn webm(times: &[u8], is_live: bool, video: bool, tags: &[u8]) -> Vec<u8> {
    let head = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"webm"));
    let mut info = element(&[0x2a, 0xd7, 0xb1], &1_000_000u32.to_be_bytes());
    info.extend(element(&[0x7b, 0xa9], PLACE.as_bytes()));
    if !is_live {
        info.extend(element(&[0x44, 0x89], &4200f64.to_be_bytes()));
    }
    let mut entries = element(&[0xae], &[element(&[0xd7], &[1]), element(&[0x83], &[2])].concat());
    if video {
        let size =
            element(&[0xe0], &[element(&[0xb0], &[2, 128]), element(&[0xba], &[1, 104])].concat());
        let parts = [element(&[0xd7], &[2]), element(&[0x83], &[1]), size];
        entries.extend(element(&[0xae], &parts.concat()));
    }
    let mut cluster = element(&[0xe7], &[0]);
    for time in times {
        cluster.extend(element(&[0xa3], &[0x81, 0, *time, 0x80, 1, 2, 3]));
    }
    let parts = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info),
        element(&[0x16, 0x54, 0xae, 0x6b], &entries),
        tags.to_vec(),
    ];
    let unknown = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    if is_live {
        let segment = [&[0x18, 0x53, 0x80, 0x67], &unknown[..]].concat();
        let start = [&[0x1f, 0x43, 0xb6, 0x75], &unknown[..]].concat();
        [head, segment, parts.concat(), start, cluster].concat()
    } else {
        let cluster = element(&[0x1f, 0x43, 0xb6, 0x75], &cluster);
        [head, element(&[0x18, 0x53, 0x80, 0x67], &[parts.concat(), cluster].concat())].concat()
    }
}

pub fn mp4_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(name);
    out.extend(body);
    out
}

/// A track of an MP4 file with two samples, each of one second.
pub struct Track {
    pub id: u32,
    pub handler: &'static [u8; 4],
    pub entry: Vec<u8>,
    /// Position of the samples; `None` for a fragmented file.
    pub at: Option<u32>,
    pub size: (u32, u32),
    pub is_rotated: bool,
    /// Number of samples of 18 bytes, and the duration of each in milliseconds.
    pub samples: (u32, u32),
    pub extra: Vec<u8>,
}

impl Track {
    pub fn new(id: u32, handler: &'static [u8; 4], codec: &[u8; 4], at: Option<u32>) -> Self {
        let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1];
        entry.extend(mp4_box(codec, &[0; 70]));
        let (size, is_rotated) = ((640, 360), false);
        let samples = (2, 1000);
        Self { id, handler, entry, at, size, is_rotated, samples, extra: Vec::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers = |n: &[u32]| n.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let one = 0x1_0000u32;
        let matrix = if self.is_rotated {
            [0, one, 0, one, 0, 0, 0, 0, 0x4000_0000]
        } else {
            [one, 0, 0, 0, one, 0, 0, 0, 0x4000_0000]
        };
        let mut tkhd = numbers(&[7, 0xd123_4567, 0xd123_4567, self.id, 0, 2000, 0, 0, 0, 0]);
        tkhd.extend(numbers(&matrix));
        tkhd.extend(numbers(&[self.size.0 << 16, self.size.1 << 16]));
        let mdhd = numbers(&[0, 0xd123_4567, 0xd123_4567, 1000, 0, 0]);
        let hdlr = [&[0; 8][..], self.handler, &[0; 12], b"A Name\0"].concat();
        let (count, duration) = self.samples;
        let sizes = [vec![0, 0, count], vec![18; count as usize]].concat();
        let table = match self.at {
            Some(at) => [
                mp4_box(b"stts", &numbers(&[0, 1, count, duration])),
                mp4_box(b"stsc", &numbers(&[0, 1, 1, count, 1])),
                mp4_box(b"stsz", &numbers(&sizes)),
                mp4_box(b"stco", &numbers(&[0, 1, at])),
            ]
            .concat(),
            None => Vec::new(),
        };
        let stbl = mp4_box(b"stbl", &[mp4_box(b"stsd", &self.entry), table].concat());
        let mdia = [mp4_box(b"mdhd", &mdhd), mp4_box(b"hdlr", &hdlr), mp4_box(b"minf", &stbl)];
        let parts = [mp4_box(b"tkhd", &tkhd), mp4_box(b"mdia", &mdia.concat()), self.extra.clone()];
        mp4_box(b"trak", &parts.concat())
    }
}

/// Returns an MP4 file. `media` is the content of `mdat`, whose position is 32; `duration` is in milliseconds.
pub fn mp4(tracks: &[Track], duration: u32, media: &[u8], moov: &[u8], after: &[u8]) -> Vec<u8> {
    let mut mvhd = [0u32, 0xd123_4567, 0xd123_4567, 1000, duration].map(u32::to_be_bytes).concat();
    mvhd.extend([0; 80]);
    let tracks: Vec<u8> = tracks.iter().flat_map(Track::bytes).collect();
    let index = mp4_box(b"moov", &[mp4_box(b"mvhd", &mvhd), tracks, moov.to_vec()].concat());
    let start = mp4_box(b"ftyp", b"isom\0\0\0\0mp42isom");
    assert_eq!(start.len(), 24);
    [start, mp4_box(b"mdat", media), index, after.to_vec()].concat()
}
