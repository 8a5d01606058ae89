//! Audio and video files: their kind, length, size and waveform, and which bytes to remove before they are published.
//!
//! | Module | Content |
//! |---|---|
//! | `container`, `detect` | the kinds, and their detection by content |
//! | `tags` | ID3, APE and Lyrics3 tags before and after the recording |
//! | `frames` | streams of frames without a container: mp3 and ADTS |
//! | `wav`, `flac`, `ogg`, `matroska`, `mp4` | one container each |
//! | `edits` | the parts of a file that are removed or replaced |
//! | `decode` | decoding to amplitudes |
//! | `waveform` | the peaks of a waveform |
//! | `sentences` | estimated times of the sentences of a narration |
//! | `input`, `error` | reading at a position, the error type |
//!
//! The length is always computed: from the header if it states one, otherwise from the packets. Not here: files of a
//! package (`carrel-package`), images.

mod container;
mod decode;
mod detect;
mod edits;
mod error;
mod flac;
mod frames;
mod input;
mod matroska;
mod mp4;
mod ogg;
mod sentences;
mod tags;
mod wav;
mod waveform;

use std::io::{Read, Seek};

pub use container::{Container, Unsupported};
pub use detect::detect;
pub use edits::Edits;
pub use error::RecordingError;
pub use sentences::{SentenceTimes, estimate_times};
pub use waveform::{PEAK_COUNT, peaks};

use input::Input;

/// Information about a recording or video.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// MIME type.
    pub media_type: &'static str,
    /// Length in milliseconds, at least 1.
    pub duration_ms: u64,
    /// The picture of a video; `None` for sound only.
    pub video: Option<Video>,
    /// Name of a codec that not every device plays.
    pub rare_codec: Option<String>,
    /// Whether the index follows the media data: playback starts only when the whole file is loaded.
    pub slow_start: bool,
    /// Removes everything that is not needed for playback, such as titles, places, dates and cover pictures.
    pub edits: Edits,
}

/// The picture of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Video {
    /// Size in pixels as displayed, after rotation; 0 if the file does not state it.
    pub width: u32,
    pub height: u32,
}

impl Recording {
    fn sound(media_type: &'static str, duration_ms: u64, edits: Edits) -> Self {
        Self {
            media_type,
            // A recording with a single packet may be shorter than a millisecond.
            duration_ms: duration_ms.max(1),
            video: None,
            rare_codec: None,
            slow_start: false,
            edits,
        }
    }
}

/// Reads a recording or video.
///
/// # Errors
///
/// Fails if the kind is not detected or not supported, and if the file has no complete recording.
pub fn inspect(file: &mut (impl Read + Seek)) -> Result<Recording, RecordingError> {
    let mut input = Input::new(file)?;
    let Some((container, start)) = detect::find(&mut input)? else {
        return Err(RecordingError::Broken("it is not a recording".to_owned()));
    };
    let end = tags::end(&mut input, start)?;
    match container {
        Container::Mp3 => frames::inspect_mp3(&mut input, start, end),
        Container::Adts => frames::inspect_adts(&mut input, start, end),
        Container::Wav => wav::inspect(&mut input, start),
        Container::Flac => flac::inspect(&mut input, start, end),
        Container::Ogg => ogg::inspect(&mut input, start),
        Container::Mp4 => mp4::inspect(&mut input, start),
        Container::Matroska => matroska::inspect(&mut input, start),
        Container::Unsupported(format) => Err(RecordingError::Unsupported(format)),
    }
}

/// Returns `units` of 1/`rate` seconds in milliseconds, rounded to the nearest.
fn milliseconds(units: u64, rate: u64) -> u64 {
    let rate = u128::from(rate.max(1));
    u64::try_from((u128::from(units) * 1000 + rate / 2) / rate).unwrap_or(u64::MAX)
}
