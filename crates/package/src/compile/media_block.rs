//! Compiles a media file of a package: checks its kind, reads its size and duration, and adds captions and a transcript
//! from the files with the same name.
//!
//! Not here: sniffing and decoding (`media`).

use std::fs::File;

use carrel_model::{
    BlobHash,
    content::{AudioRef, BlobRef, ImageRef, ImageVariant, VideoRef},
};

use crate::compile::context::CompileContext;
use crate::media::audio;
use crate::media::error::MediaError;
use crate::media::mp4;
use crate::media::probe::{Kind, kind_on_disk};
use crate::media::raster;
use crate::media::svg;
use crate::media::vtt;
use crate::media::webm;
use crate::problem::SourceLocation;
use crate::sink::Blob;
use crate::source::paths;
use crate::text::markdown::{self, Origin, Scope};

/// The compiled contents of a media paragraph.
pub(crate) enum MediaBlock {
    Image(ImageRef),
    Audio(AudioRef),
    Video(VideoRef),
}

/// The kinds of media that are allowed in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowedMedia {
    Any,
    Image,
    Audio,
}

impl CompileContext<'_> {
    /// Compiles a media file to a block. `alt` is the alternative text or the title.
    pub fn media(
        &mut self,
        at: SourceLocation<'_>,
        path: &str,
        alt: &str,
        caption: &str,
        scope: &Scope,
        allowed: AllowedMedia,
    ) -> Option<MediaBlock> {
        let disk = &self.entry(path)?.disk;
        let kind = kind_on_disk(disk);
        let wanted = match allowed {
            AllowedMedia::Any => {
                "an image (png, jpeg, webp, gif, svg), an audio file (mp3, ogg, wav, m4a, flac), a video (mp4, webm), \
                 a quiz or a story"
            }
            AllowedMedia::Image => "an image (png, jpeg, webp, gif, svg)",
            AllowedMedia::Audio => "an audio file (mp3, ogg, wav, m4a, flac)",
        };
        let report_type = |context: &Self, what: &str| {
            let message = format!("{path:?} {what}");
            context.problems.error(
                at,
                "media-type",
                message,
                format!(
                    "expected {wanted}; the kind is detected from the content, not from the name"
                ),
            );
        };
        let image = matches!(kind, Kind::Raster | Kind::Svg);
        if kind == Kind::Other {
            let empty = self.entry(path).is_some_and(|e| e.size == 0);
            report_type(self, if empty { "is empty" } else { "is not a supported media file" });
            return None;
        }
        if allowed == AllowedMedia::Image && !image {
            report_type(self, "is not an image");
            return None;
        }
        if allowed == AllowedMedia::Audio && image {
            report_type(self, "is an image");
            return None;
        }
        match kind {
            Kind::Raster | Kind::Svg => self.image(at, path, alt, caption).map(MediaBlock::Image),
            Kind::Mp4 | Kind::WebM => {
                let (video, duration_ms) = self.container(path, kind)?;
                match video {
                    Some(_) if allowed == AllowedMedia::Audio => {
                        report_type(self, "is a video");
                        None
                    }
                    Some((width, height)) => self
                        .video(at, path, kind, alt, (width, height, duration_ms), scope)
                        .map(MediaBlock::Video),
                    None => {
                        let media_type = if kind == Kind::Mp4 { "audio/mp4" } else { "audio/webm" };
                        self.audio(path, media_type, alt, duration_ms, scope, allowed)
                            .map(MediaBlock::Audio)
                    }
                }
            }
            _ => {
                let duration_ms = self.duration(path)?;
                let media_type = match kind {
                    Kind::Mp3 => "audio/mpeg",
                    Kind::Ogg => "audio/ogg",
                    Kind::Wav => "audio/wav",
                    _ => "audio/flac",
                };
                self.audio(path, media_type, alt, duration_ms, scope, allowed)
                    .map(MediaBlock::Audio)
            }
        }
    }

    /// Compiles an image with its variants; each file is compiled once.
    pub fn image(
        &mut self,
        at: SourceLocation<'_>,
        path: &str,
        alt: &str,
        caption: &str,
    ) -> Option<ImageRef> {
        if alt.is_empty() {
            self.report_missing_alt(at, path);
        }
        let disk = self.entry(path)?.disk.clone();
        let image = if kind_on_disk(&disk) == Kind::Svg {
            self.drawing(path)?
        } else {
            let bytes = self.read(path, self.options.limits.file_bytes.min(256 << 20))?;
            let key = BlobHash::of(&bytes);
            let cached = self.shared.images.get(&key).cloned();
            let result = cached.unwrap_or_else(|| {
                let result = raster::compile(
                    &bytes,
                    self.options.quality,
                    self.options.limits.pixels,
                    &mut self.shared.spill,
                );
                self.shared.images.insert(key, result.clone());
                result
            });
            match result {
                Ok(image) => image,
                Err(error) => {
                    self.report_error(path, 1, error);
                    return None;
                }
            }
        };
        if let Some(error) = image.warning {
            self.problems.warn(
                SourceLocation { file: path, line: 1 },
                error.code,
                error.message,
                error.hint,
            );
        }
        let variants = image
            .variants
            .into_iter()
            .map(|(width, blob)| ImageVariant { width, blob: self.put(blob) })
            .collect();
        Some(ImageRef {
            alt: if alt == "decorative" { String::new() } else { alt.to_owned() },
            caption: caption.to_owned(),
            width: image.width,
            height: image.height,
            thumbhash: image.thumbhash,
            variants,
        })
    }

    fn drawing(&self, path: &str) -> Option<raster::ScaledImage> {
        let text = self.read_text(path)?;
        match svg::clean(&text) {
            Ok(drawing) => {
                for (line, what) in drawing.removed {
                    let hint =
                        "save the drawing as plain SVG, without scripts, links and external files";
                    self.problems.warn(
                        SourceLocation { file: path, line },
                        "svg-removed",
                        format!("{what} was removed"),
                        hint,
                    );
                }
                let blob = Blob::from_bytes(drawing.svg.into_bytes(), "image/svg+xml");
                Some(raster::ScaledImage {
                    width: drawing.width,
                    height: drawing.height,
                    thumbhash: String::new(),
                    variants: vec![(drawing.width, blob)],
                    warning: None,
                })
            }
            Err((line, error)) => {
                self.report_error(path, line, error);
                None
            }
        }
    }

    fn report_error(&self, path: &str, line: u32, error: MediaError) {
        let at = SourceLocation { file: path, line };
        self.problems.error(at, error.code, error.message, error.hint);
    }

    /// Returns a file as a blob, unchanged.
    fn file_blob(&self, path: &str, media_type: &str) -> Option<Blob> {
        let blob = Blob::from_file(&self.entry(path)?.disk, media_type);
        blob.map_err(|e| {
            self.problems.error(
                SourceLocation { file: path, line: 1 },
                "unreadable",
                format!("the file cannot be read: {e}"),
                "check its permissions",
            );
        })
        .ok()
    }

    fn duration(&mut self, path: &str) -> Option<u64> {
        let disk = self.entry(path)?.disk.clone();
        let key = self.file_blob(path, "")?.hash;
        let cached = self.shared.durations.get(&key).cloned();
        let result = cached.unwrap_or_else(|| {
            let result = audio::duration_ms(&disk);
            self.shared.durations.insert(key, result.clone());
            result
        });
        result.map_err(|error| self.report_error(path, 1, error)).ok()
    }

    /// Returns the duration of an MP4 or WebM file, and the size of the video if it has a video track.
    #[allow(clippy::type_complexity)]
    fn container(&self, path: &str, kind: Kind) -> Option<(Option<(u32, u32)>, u64)> {
        let at = SourceLocation { file: path, line: 1 };
        let report_broken = |what: String| {
            self.problems.error(
                at,
                "video-broken",
                format!("the video or audio cannot be read: {what}"),
                "export it again as mp4 or webm",
            );
        };
        let mut file =
            File::open(&self.entry(path)?.disk).map_err(|e| report_broken(e.to_string())).ok()?;
        let (video, duration_ms) = if kind == Kind::Mp4 {
            let metadata = mp4::read(&mut file).map_err(report_broken).ok()?;
            if metadata.video.is_some() && metadata.slow_start {
                let hint = "export it for the web (\"fast start\")";
                self.problems.warn(
                    at,
                    "video-slow-start",
                    "playback starts only after the whole file is loaded",
                    hint,
                );
            }
            if metadata.video.is_some()
                && !["avc1", "avc3", "vp09", "av01"].contains(&metadata.codec.as_str())
            {
                let message = format!("not every device can play {:?}", metadata.codec);
                self.problems.warn(
                    at,
                    "video-codec",
                    message,
                    "use H.264 (avc1), which every device can play",
                );
            }
            (metadata.video, metadata.duration_ms)
        } else {
            let metadata = webm::read(&mut file).map_err(report_broken).ok()?;
            (metadata.video, metadata.duration_ms)
        };
        if duration_ms == 0 {
            self.problems.warn(
                at,
                "duration-unknown",
                "the file does not state its duration",
                "export it again",
            );
        }
        Some((video, duration_ms))
    }

    fn audio(
        &mut self,
        path: &str,
        media_type: &str,
        title: &str,
        duration_ms: u64,
        scope: &Scope,
        allowed: AllowedMedia,
    ) -> Option<AudioRef> {
        let blob = self.file_blob(path, media_type)?;
        let blob = self.put(blob);
        // Short recordings (narration, vocabulary, a question) need no transcript, because their text is displayed.
        let is_block = allowed == AllowedMedia::Any;
        let captions = if is_block { self.captions(path, duration_ms) } else { None };
        let transcript = if is_block { self.transcript(path, scope) } else { String::new() };
        // A waveform is drawn only for audio blocks.
        let peaks = if is_block { self.peaks(path, blob.hash, duration_ms) } else { Vec::new() };
        Some(AudioRef { title: title.to_owned(), blob, duration_ms, peaks, captions, transcript })
    }

    fn peaks(&mut self, path: &str, hash: BlobHash, duration_ms: u64) -> Vec<u8> {
        if let Some(cached) = self.shared.peaks.get(&hash) {
            return cached.clone();
        }
        let result = self.entry(path).map_or_else(Vec::new, |e| audio::peaks(&e.disk, duration_ms));
        self.shared.peaks.insert(hash, result.clone());
        result
    }

    fn video(
        &mut self,
        at: SourceLocation<'_>,
        path: &str,
        kind: Kind,
        title: &str,
        metadata: (u32, u32, u64),
        scope: &Scope,
    ) -> Option<VideoRef> {
        let media_type = if kind == Kind::Mp4 { "video/mp4" } else { "video/webm" };
        let blob = self.file_blob(path, media_type)?;
        let blob = self.put(blob);
        let (width, height, duration_ms) = metadata;
        let poster = ["jpg", "jpeg", "png", "webp"]
            .iter()
            .map(|e| paths::with_extension(path, e))
            .find(|p| self.entry(p).is_some());
        let poster = poster.and_then(|poster| self.image(at, &poster, "decorative", ""));
        let captions = self.captions(path, duration_ms);
        let transcript = self.transcript(path, scope);
        Some(VideoRef {
            title: title.to_owned(),
            blob,
            duration_ms,
            width,
            height,
            poster,
            captions,
            transcript,
        })
    }

    /// Compiles the `.vtt` file beside a media file.
    fn captions(&mut self, path: &str, duration_ms: u64) -> Option<BlobRef> {
        let path = paths::with_extension(path, "vtt");
        self.entry(&path)?;
        let text = self.read_text(&path)?;
        let cues = vtt::parse(&text, &path, self.problems)?;
        self.check_range(&cues, &path, duration_ms);
        Some(self.put(Blob::from_bytes(text.into_bytes(), "text/vtt")))
    }

    /// Reports a cue after the end of the recording: the cues belong to another recording.
    pub fn check_range(&self, cues: &[vtt::Cue], path: &str, duration_ms: u64) {
        if let Some(cue) = cues.iter().find(|c| duration_ms > 0 && c.start_ms >= duration_ms + 500)
        {
            let message = format!(
                "the cue starts at {} ms, the recording ends at {duration_ms} ms",
                cue.start_ms
            );
            self.problems.error(
                SourceLocation { file: path, line: cue.line },
                "captions-range",
                message,
                "write the times for this recording",
            );
        }
    }

    /// Compiles the `.md` file beside a media file to HTML.
    fn transcript(&mut self, path: &str, scope: &Scope) -> String {
        let transcript_path = paths::with_extension(path, "md");
        if self.entry(&transcript_path).is_none() {
            let message = "there is no transcript";
            let hint = format!(
                "write one in {:?} for learners who cannot hear it",
                transcript_path.rsplit('/').next().unwrap_or(&transcript_path)
            );
            self.problems.warn(
                SourceLocation { file: path, line: 1 },
                "transcript-missing",
                message,
                hint,
            );
            return String::new();
        }
        let text = self.read_text(&transcript_path).unwrap_or_default();
        markdown::to_html(&text, Origin::File(&transcript_path), scope, self.problems)
    }
}
