//! Compiles a media file of a package: checks its kind, reads its size and duration, and adds captions and a transcript
//! from the files with the same name.
//!
//! Not here: sniffing and decoding (`media`).

use carrel_recording::{Container, Video};

use carrel_model::{
    BlobHash,
    content::{AudioRef, BlobRef, ImageRef, ImageVariant, VideoRef},
};

use crate::compile::context::CompileContext;
use crate::media::error::MediaError;
use crate::media::formats::OtherFormat;
use crate::media::guard::guarded;
use crate::media::probe::{Kind, kind_on_disk};
use crate::media::raster;
use crate::media::recording::{self, PreparedRecording, RecordingFault, RecordingResult};
use crate::media::svg;
use crate::media::vtt;
use crate::problem::SourceLocation;
use crate::sink::Blob;
use crate::source::{encoding, paths};
use crate::text::markdown::{self, Origin, Scope};

/// Extensions of files with captions, published or not.
const CAPTION_EXTENSIONS: [&str; 9] =
    ["vtt", "srt", "sbv", "ass", "ssa", "ttml", "dfxp", "lrc", "sub"];

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
        let container = match kind {
            Kind::Other => {
                let empty = self.entry(path).is_some_and(|e| e.size == 0);
                report_type(self, if empty { "is empty" } else { "is not a supported media file" });
                return None;
            }
            Kind::OtherFormat(format) => {
                self.report_format(at, path, format);
                return None;
            }
            Kind::Raster | Kind::Svg if allowed == AllowedMedia::Audio => {
                report_type(self, "is an image");
                return None;
            }
            Kind::Raster | Kind::Svg => {
                return self.image(at, path, alt, caption).map(MediaBlock::Image);
            }
            Kind::Recording(_) if allowed == AllowedMedia::Image => {
                report_type(self, "is not an image");
                return None;
            }
            Kind::Recording(container) => container,
        };
        let prepared = match self.recording(path, container)? {
            Ok(prepared) => prepared,
            Err(RecordingFault::Format(format)) => {
                self.report_format(at, path, format);
                return None;
            }
            Err(RecordingFault::Broken(error)) => {
                self.report_error(path, 1, error);
                return None;
            }
        };
        for warning in prepared.warnings.clone() {
            let at = SourceLocation { file: path, line: 1 };
            self.problems.warn(at, warning.code, warning.message, warning.hint);
        }
        match prepared.video {
            Some(_) if allowed == AllowedMedia::Audio => {
                report_type(self, "is a video");
                None
            }
            Some(video) => {
                let block = self.video(at, path, alt, prepared, video, scope);
                Some(MediaBlock::Video(block))
            }
            None => Some(MediaBlock::Audio(self.audio(path, alt, prepared, scope, allowed))),
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
        let kind = kind_on_disk(&disk);
        if let Kind::OtherFormat(format) = kind {
            self.report_format(at, path, format);
            return None;
        }
        let image = if kind == Kind::Svg {
            self.drawing(path)?
        } else {
            let bytes = self.read(path, self.options.limits.file_bytes.min(256 << 20))?;
            let key = BlobHash::of(&bytes);
            let cached = self.shared.images.get(&key).cloned();
            let result = cached.unwrap_or_else(|| {
                let (quality, pixels) = (self.options.quality, self.options.limits.pixels);
                let spill = &mut self.shared.spill;
                let result =
                    guarded("image-broken", || raster::compile(&bytes, quality, pixels, spill))
                        .and_then(|result| result);
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
        for error in image.warnings {
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
        let bytes = self.read(path, self.options.limits.text_bytes)?;
        let text = svg::decode(bytes).map_err(|error| {
            let at = SourceLocation { file: path, line: error.line };
            self.problems.error(at, "not-utf8", error.message, encoding::SAVE_HINT);
        });
        let text = text.ok()?;
        let result = guarded("svg-broken", || svg::clean(&text));
        match result.unwrap_or_else(|error| Err((1, error))) {
            Ok(drawing) => {
                if !drawing.states_size {
                    let message = format!(
                        "the drawing has no size; it is shown with {} x {} pixels",
                        drawing.width, drawing.height
                    );
                    let hint =
                        "add viewBox=\"0 0 WIDTH HEIGHT\" to <svg>, or parts of it may be cut off";
                    let at = SourceLocation { file: path, line: 1 };
                    self.problems.warn(at, "svg-size", message, hint);
                }
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
                    warnings: Vec::new(),
                })
            }
            Err((line, error)) => {
                self.report_error(path, line, error);
                None
            }
        }
    }

    fn report_format(&self, at: SourceLocation<'_>, path: &str, format: OtherFormat) {
        let message = format!("{path:?} is {}, which cannot be published", format.name);
        self.problems.error(at, "media-type", message, format.hint(path));
    }

    fn report_error(&self, path: &str, line: u32, error: MediaError) {
        let at = SourceLocation { file: path, line };
        self.problems.error(at, error.code, error.message, error.hint);
    }

    /// Prepares a recording or video; each file is prepared once. Returns `None` after reporting that it cannot be
    /// read.
    fn recording(&mut self, path: &str, container: Container) -> Option<RecordingResult> {
        let disk = &self.entry(path)?.disk;
        let key = Blob::from_file(disk, "").map_err(|e| {
            self.problems.error(
                SourceLocation { file: path, line: 1 },
                "unreadable",
                format!("the file cannot be read: {e}"),
                "check its permissions",
            );
        });
        let key = key.ok()?.hash;
        if let Some(cached) = self.shared.recordings.get(&key) {
            return Some(cached.clone());
        }
        let result = recording::prepare(disk, container, &mut self.shared.spill);
        self.shared.recordings.insert(key, result.clone());
        Some(result)
    }

    fn audio(
        &mut self,
        path: &str,
        title: &str,
        prepared: PreparedRecording,
        scope: &Scope,
        allowed: AllowedMedia,
    ) -> AudioRef {
        let PreparedRecording { blob, disk, duration_ms, .. } = prepared;
        let blob = self.put(blob);
        // Short recordings (narration, vocabulary, a question) need no transcript, because their text is displayed.
        let is_block = allowed == AllowedMedia::Any;
        let captions = if is_block { self.captions(path, duration_ms) } else { None };
        let transcript = if is_block { self.transcript(path, scope) } else { String::new() };
        // A waveform is drawn only for audio blocks.
        let peaks = match self.options.decoder {
            Some(decoder) if is_block => {
                let peaks = self.shared.peaks.entry(blob.hash);
                peaks.or_insert_with(|| recording::peaks(decoder, &disk, duration_ms)).clone()
            }
            _ => Vec::new(),
        };
        AudioRef { title: title.to_owned(), blob, duration_ms, peaks, captions, transcript }
    }

    fn video(
        &mut self,
        at: SourceLocation<'_>,
        path: &str,
        title: &str,
        prepared: PreparedRecording,
        Video { width, height }: Video,
        scope: &Scope,
    ) -> VideoRef {
        let duration_ms = prepared.duration_ms;
        let blob = self.put(prepared.blob);
        let poster = ["jpg", "jpeg", "png", "webp"]
            .iter()
            .map(|e| paths::with_extension(path, e))
            .find(|p| p != path && self.entry(p).is_some());
        let poster = poster.and_then(|poster| self.image(at, &poster, "decorative", ""));
        let captions = self.captions(path, duration_ms);
        let transcript = self.transcript(path, scope);
        VideoRef {
            title: title.to_owned(),
            blob,
            duration_ms,
            width,
            height,
            poster,
            captions,
            transcript,
        }
    }

    /// Compiles the `.vtt` or `.srt` file beside a media file.
    fn captions(&mut self, path: &str, duration_ms: u64) -> Option<BlobRef> {
        let path = self.captions_file(path)?;
        let text = self.read_text(&path)?;
        let captions = vtt::read(text, &path, self.problems)?;
        self.check_range(&captions.cues, &path, duration_ms);
        Some(self.put(Blob::from_bytes(captions.text.into_bytes(), "text/vtt")))
    }

    /// Returns the path of the captions of a media file. Warns if only files with other names could be meant.
    pub fn captions_file(&self, path: &str) -> Option<String> {
        let expected = ["vtt", "srt"].map(|extension| paths::with_extension(path, extension));
        if let Some(found) = expected.iter().find(|path| self.entry(path).is_some()) {
            return Some(found.clone());
        }
        let stem = paths::with_extension(path, "");
        let other = self.with_prefix(&stem).find(|other| {
            let extension = paths::extension(other);
            CAPTION_EXTENSIONS.contains(&extension.as_str())
                && paths::parent(other) == paths::parent(path)
        });
        if let Some(other) = other {
            let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
            let message = format!("the captions {:?} are not used", name(other));
            let hint = format!("rename or convert them to {:?}", name(&expected[0]));
            let at = SourceLocation { file: other, line: 1 };
            self.problems.warn(at, "captions-unused", message, hint);
        }
        None
    }

    /// Reports a cue after the end of the recording: the cues belong to another recording.
    pub fn check_range(&self, cues: &[vtt::Cue], path: &str, duration_ms: u64) {
        if let Some(cue) = cues.iter().find(|c| c.start_ms >= duration_ms + 500) {
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
