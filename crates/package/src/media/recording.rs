//! Prepares recordings and videos: reads their length and removes their metadata.
//!
//! Not here: the containers (`carrel_recording`), captions and transcripts (`compile::media_block`).

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use carrel_recording::{Container, RecordingError, Video};

use super::{
    error::{MediaError, media_error},
    formats::OtherFormat,
    guard::guarded,
    spill::Spill,
};
use crate::sink::Blob;

/// A recording or video that can be published.
#[derive(Debug, Clone)]
pub(crate) struct PreparedRecording {
    pub blob: Blob,
    /// The file without metadata.
    pub disk: PathBuf,
    pub duration_ms: u64,
    /// `None` for sound only.
    pub video: Option<Video>,
    pub warnings: Vec<MediaError>,
}

/// Why a file cannot be published.
#[derive(Debug, Clone)]
pub(crate) enum RecordingFault {
    Broken(MediaError),
    /// Its codec is not supported.
    Format(OtherFormat),
}

pub(crate) type RecordingResult = Result<PreparedRecording, RecordingFault>;

/// Reads a recording. If it has metadata, a copy without them is written.
pub(crate) fn prepare(disk: &Path, container: Container, spill: &mut Spill) -> RecordingResult {
    let code = match container {
        Container::Mp4 | Container::Matroska => "video-broken",
        _ => "audio-broken",
    };
    guarded(code, || read(disk, code, spill)).unwrap_or_else(|e| Err(RecordingFault::Broken(e)))
}

fn read(disk: &Path, code: &'static str, spill: &mut Spill) -> RecordingResult {
    let (what, formats) = match code {
        "video-broken" => ("video or audio", "mp4 or webm"),
        _ => ("audio", "mp3, ogg, wav, m4a or flac"),
    };
    let broken = |e: RecordingError| match e {
        RecordingError::Unsupported(format) => RecordingFault::Format(format.into()),
        e => RecordingFault::Broken(media_error(
            code,
            format!("the {what} cannot be read: {e}"),
            format!("export it again as {formats}"),
        )),
    };
    let io_error = |e: std::io::Error| {
        let message = format!("the file cannot be copied: {e}");
        RecordingFault::Broken(media_error("not-written", message, "free some space"))
    };
    let mut file = File::open(disk).map_err(|e| broken(e.into()))?;
    let recording = carrel_recording::inspect(&mut file).map_err(broken)?;
    let (blob, disk) = if recording.edits.is_empty() {
        (Blob::from_file(disk, recording.media_type).map_err(io_error)?, disk.to_owned())
    } else {
        let apply = |out: File| {
            let mut out = BufWriter::new(out);
            recording.edits.apply(&mut file, &mut out)?;
            out.into_inner().map(drop).map_err(|e| e.into_error())
        };
        spill.write_with(recording.media_type, apply).map_err(io_error)?
    };
    Ok(PreparedRecording {
        blob,
        disk,
        duration_ms: recording.duration_ms,
        video: recording.video,
        warnings: warnings(&recording),
    })
}

fn warnings(recording: &carrel_recording::Recording) -> Vec<MediaError> {
    let mut warnings = Vec::new();
    let is_video = recording.video.is_some();
    if is_video && recording.slow_start {
        let message = "playback starts only after the whole file is loaded";
        let hint = "export it for the web (\"fast start\")";
        warnings.push(media_error("video-slow-start", message, hint));
    }
    if let Some(codec) = &recording.rare_codec {
        let message = format!("not every device can play {codec:?}");
        warnings.push(if is_video {
            let hint = "use H.264 (avc1) with AAC, which every device can play: \
                        ffmpeg -i OLD -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart NEW.mp4";
            media_error("video-codec", message, hint)
        } else {
            media_error("audio-codec", message, "use mp3, or AAC in m4a")
        });
    }
    warnings
}

/// The functions that decode recordings. They are options because the decoders would make the app, which compiles only
/// the learner's own files, 1 MB larger: code that no option names is not linked.
#[derive(Debug, Clone, Copy)]
pub struct RecordingDecoder {
    /// Returns the peaks of a recording of this length in milliseconds, for drawing a waveform.
    pub peaks: fn(&Path, u64) -> Vec<u8>,
}

impl Default for RecordingDecoder {
    fn default() -> Self {
        Self { peaks: carrel_recording::peaks }
    }
}

/// Returns the peaks of a recording for drawing a waveform; empty if it cannot be decoded.
pub(crate) fn peaks(decoder: RecordingDecoder, disk: &Path, duration_ms: u64) -> Vec<u8> {
    guarded("audio-broken", || (decoder.peaks)(disk, duration_ms)).unwrap_or_else(|e| {
        // The file is played by another decoder, which may accept it.
        tracing::warn!(error = %e.message, "no waveform is drawn for a recording");
        Vec::new()
    })
}
