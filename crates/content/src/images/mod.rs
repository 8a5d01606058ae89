//! Image variants for the width of a screen, created on this device. They are decoded within a memory
//! budget, rotated upright, never enlarged, and stored as blobs that may be evicted.
//!
//! Not here: requests (`media`), storing blobs (`blobs`), the variants of a course
//! (`carrel-package`).

use std::{fs::File, sync::Arc};

use bytes::Bytes;
use carrel_http_cache::{ByteLru, InFlight};
pub use carrel_imaging::{
    DEFAULT_QUALITY, Fit, Format, ImageError, ImageInfo, ImageRequest, MAX_PIXELS, MEMORY_BUDGET,
    WIDTHS, encode, probe, render, scale,
};
use carrel_imaging::{MAX_FILE_SIZE, check_bytes, check_file};
use carrel_model::BlobHash;
use carrel_system::{Panicked, blocking};
use tokio::sync::Semaphore;

use crate::{Error, blobs::BlobLocation, library::Library, media_type::media_type};

const MIB: u64 = 1024 * 1024;

impl From<Error> for ImageError {
    fn from(e: Error) -> Self {
        Self::Storage(e.to_string())
    }
}

/// The blob to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variant {
    /// The source blob: an animation, an SVG, or already as requested.
    Original,
    /// A variant of the source.
    Created(BlobHash),
}

type VariantResult = Result<Variant, ImageError>;

/// Memory for results of `check_original`, in bytes, about 100 for each.
const CHECKED_BYTES: usize = 512 * 1024;

/// Creates variants. Concurrent requests for one variant share its creation. The number of threads and
/// the memory are limited.
#[derive(Clone)]
pub struct Images {
    in_flight: Arc<InFlight<(BlobHash, String), VariantResult>>,
    /// Limits the number of threads.
    workers: Arc<Semaphore>,
    /// Memory for decoding, in MiB.
    memory: Arc<Semaphore>,
    /// Results of `check_original`.
    checked: Arc<ByteLru<BlobHash, Result<(), ImageError>>>,
}

impl Default for Images {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            in_flight: Arc::new(InFlight::new()),
            workers: Arc::new(Semaphore::new((cores / 2).max(1))),
            memory: Arc::new(Semaphore::new((MEMORY_BUDGET / MIB) as usize)),
            checked: Arc::new(ByteLru::new(CHECKED_BYTES)),
        }
    }
}

impl Images {
    /// Returns the blob to show for `hash`. Creates the variant if it is not stored. `source`: location
    /// of the original.
    pub async fn variant(
        &self,
        library: &Library,
        hash: BlobHash,
        source: Arc<BlobLocation>,
        request: ImageRequest,
    ) -> VariantResult {
        let key = request.key();
        let form = key.clone();
        let checked = library.blocking(move |library| library.blobs().derived(hash, &form)).await?;
        if let Some(created) = checked {
            let variant = created.map_or(Variant::Original, Variant::Created);
            return Ok(variant);
        }
        let (this, library) = (self.clone(), library.clone());
        let flight = self.in_flight.join((hash, key), move || {
            Box::pin(async move { this.create(library, hash, source, request).await })
        });
        flight.await.unwrap_or_else(|| Err(ImageError::Decode("the decoder panicked".to_owned())))
    }

    /// Checks whether the original may be shown as an image. Reads only its header, and caches the
    /// result. Returns the error that creating a variant would return for this header;
    /// `ImageError::UnsupportedFormat` if the blob is not an image.
    pub async fn check_original(
        &self,
        hash: BlobHash,
        location: &Arc<BlobLocation>,
    ) -> Result<(), ImageError> {
        if let Some(checked) = self.checked.get(&hash) {
            return checked;
        }
        let location = location.clone();
        let found = on_thread(move || check_header(&location)).await;
        // Errors of the disk may be temporary and are not cached.
        if !matches!(found, Err(ImageError::Storage(_))) {
            let text = if let Err(ImageError::Decode(reason)) = &found { reason.len() } else { 0 };
            self.checked.put(hash, found.clone(), 100 + text);
        }
        found
    }

    async fn create(
        &self,
        library: Library,
        hash: BlobHash,
        source: Arc<BlobLocation>,
        request: ImageRequest,
    ) -> VariantResult {
        let size = source.size();
        if size > MAX_FILE_SIZE {
            return Err(ImageError::Decode(format!("file too large: {size} bytes")));
        }
        let _worker =
            self.workers.acquire().await.map_err(|_| ImageError::from(Error::Cancelled))?;
        let (bytes, info) = on_thread(move || {
            let bytes = source.read_at(0, usize::try_from(size).unwrap_or(usize::MAX))?;
            // Checked before parsing: a recording may contain "<svg".
            if !media_type(bytes.get(..512).unwrap_or(&bytes)).starts_with("image/") {
                return Err(ImageError::UnsupportedFormat);
            }
            let info = probe(&bytes)?;
            Ok((bytes, info))
        })
        .await?;
        let variant = if info.satisfies(&request) {
            Variant::Original
        } else {
            let mib = u32::try_from(info.cost.div_ceil(MIB)).unwrap_or(u32::MAX);
            let memory = self.memory.clone().acquire_many_owned(mib).await;
            let memory = memory.map_err(|_| ImageError::from(Error::Cancelled))?;
            let store = library.blobs().clone();
            on_thread(move || {
                let created = Bytes::from(render(&bytes, &info, &request)?);
                drop(memory);
                let hash = BlobHash::of(&created);
                store.put(hash, &created)?;
                Ok(Variant::Created(hash))
            })
            .await?
        };
        let created = match &variant {
            Variant::Original => None,
            Variant::Created(hash) => Some(*hash),
        };
        let recorded = library
            .blocking(move |library| library.blobs().set_derived(hash, &request.key(), created));
        recorded.await?;
        Ok(variant)
    }
}

/// Checks the header of a blob; see `Images::check_original`. The UI decodes originals without the memory limit
/// of `carrel_imaging`. Therefore an original is refused if its variants would be refused.
fn check_header(location: &BlobLocation) -> Result<(), ImageError> {
    let kind = media_type(&location.read_at(0, 512)?);
    match location {
        _ if kind == "image/svg+xml" => Ok(()),
        _ if !kind.starts_with("image/") => Err(ImageError::UnsupportedFormat),
        BlobLocation::Memory(bytes) => check_bytes(bytes),
        BlobLocation::File { path, .. } => check_file(File::open(path)?, kind == "image/jpeg"),
    }
}

/// Runs `work` on a thread for blocking calls. A panic of a decoder becomes `ImageError::Decode`.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let done = blocking(move || Ok::<_, Panicked>(work())).await;
    done.unwrap_or_else(|e| Err(ImageError::Decode(e.to_string())))
}
