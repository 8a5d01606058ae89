//! Pictures in the width that a screen wants, made on this device where the course has none: decoded within a memory budget, upright,
//! never enlarged, kept as blobs that may go at any time.
//!
//! Not here: how they are asked for (`media`), where bytes lie (`cache`), the variants that a course comes with (`carrel-package`).

mod ask;
mod decode;
mod head;
mod scale;

use std::sync::Arc;

pub use ask::{Fit, Format, ImageRequest, QUALITY, WIDTHS};
use bytes::Bytes;
use carrel_http_cache::{ByteLru, Flights};
use carrel_model::BlobHash;
use carrel_system::{Panicked, blocking};
pub use decode::{BUDGET, Facts, PIXELS, probe};
pub use scale::{encode, render, scaled};
use tokio::sync::Semaphore;

use crate::{Error, blobs::Place, library::Library};

/// Files above this are not even looked at.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// Why there is no picture to show. The window puts its words in the picture's place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// Decoding it would need more memory than pictures may have.
    #[error("the picture is too large: {width} x {height} pixels")]
    TooLarge { width: u32, height: u32 },
    /// None of the kinds that are shown.
    #[error("it is no picture")]
    Unknown,
    #[error("the picture cannot be read: {0}")]
    Broken(String),
    #[error("{0}")]
    Storage(Arc<Error>),
}

impl Refusal {
    /// The status that the loopback server answers with: 413, 415, 422 or 500.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::Unknown => 415,
            Self::Broken(_) => 422,
            Self::Storage(_) => 500,
        }
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        Self::Storage(Arc::new(e))
    }
}

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The blob itself: it moves, it is drawn, or it is no wider than asked for.
    Original,
    /// Another blob, made from it.
    Made(BlobHash),
}

type Answer = Result<Shown, Refusal>;

/// What is known of whole pictures, in bytes; one takes about 100.
const KNOWN: usize = 512 * 1024;

/// Makes variants: each once however many ask, a few at a time, within one budget of memory.
#[derive(Clone)]
pub struct Images {
    flights: Arc<Flights<(BlobHash, String), Answer>>,
    /// Cores that pictures may keep busy.
    workers: Arc<Semaphore>,
    /// MiB that decoding may hold at once, over all pictures.
    memory: Arc<Semaphore>,
    /// Whether a blob may be shown as it is. Its bytes never change, and so neither does this.
    known: Arc<ByteLru<BlobHash, Result<(), Refusal>>>,
}

impl Default for Images {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            flights: Arc::new(Flights::new()),
            workers: Arc::new(Semaphore::new((cores / 2).max(1))),
            memory: Arc::new(Semaphore::new((BUDGET / MIB) as usize)),
            known: Arc::new(ByteLru::new(KNOWN)),
        }
    }
}

impl Images {
    /// The blob to show for `hash` as asked for. It is made if it is not here; `source` says where the original lies.
    pub async fn variant(
        &self,
        library: &Library,
        hash: BlobHash,
        source: Arc<Place>,
        ask: ImageRequest,
    ) -> Answer {
        let key = ask.key();
        let form = key.clone();
        let known = library.blocking(move |library| library.blobs().derived(hash, &form)).await?;
        if let Some(made) = known {
            let shown = made.map_or(Shown::Original, Shown::Made);
            return Ok(shown);
        }
        let (this, library) = (self.clone(), library.clone());
        let flight = self.flights.join((hash, key), move || {
            Box::pin(async move { this.make(library, hash, source, ask).await })
        });
        flight.await.unwrap_or_else(|| Err(Refusal::Broken("its decoder failed".to_owned())))
    }

    /// Whether the blob may be shown as it is; `Err` is what a variant of it would be refused with, as far as its header tells.
    /// `Refusal::Unknown`: it is no picture. The header is read once, and nothing else of the file.
    pub async fn whole(&self, hash: BlobHash, place: &Arc<Place>) -> Result<(), Refusal> {
        if let Some(known) = self.known.get(&hash) {
            return known;
        }
        let place = place.clone();
        let found = blocking(move || head::look(&place)).await;
        // A disk that failed may be well again.
        if !matches!(found, Err(Refusal::Storage(_))) {
            let text = if let Err(Refusal::Broken(why)) = &found { why.len() } else { 0 };
            self.known.put(hash, found.clone(), 100 + text);
        }
        found
    }

    async fn make(
        &self,
        library: Library,
        hash: BlobHash,
        source: Arc<Place>,
        ask: ImageRequest,
    ) -> Answer {
        let size = source.size();
        if size > FILE_LIMIT {
            return Err(Refusal::Broken(format!("it has {size} bytes")));
        }
        let _worker = self.workers.acquire().await.map_err(|_| Refusal::from(Error::Cancelled))?;
        let (bytes, facts) = blocking(move || -> Result<(Bytes, Facts), Refusal> {
            let bytes = source.read_at(0, usize::try_from(size).unwrap_or(usize::MAX))?;
            let facts = probe(&bytes)?;
            Ok((bytes, facts))
        })
        .await?;
        let shown = if facts.passes(&ask) {
            Shown::Original
        } else {
            let mib = u32::try_from(facts.cost.div_ceil(MIB)).unwrap_or(u32::MAX);
            let memory = self.memory.clone().acquire_many_owned(mib).await;
            let memory = memory.map_err(|_| Refusal::from(Error::Cancelled))?;
            let store = library.blobs().clone();
            blocking(move || -> Answer {
                let made = Bytes::from(render(&bytes, &facts, &ask)?);
                drop(memory);
                let hash = BlobHash::of(&made);
                store.put(hash, &made)?;
                Ok(Shown::Made(hash))
            })
            .await?
        };
        let made = match &shown {
            Shown::Original => None,
            Shown::Made(hash) => Some(*hash),
        };
        let noted =
            library.blocking(move |library| library.blobs().set_derived(hash, &ask.key(), made));
        noted.await?;
        Ok(shown)
    }
}

/// A panic of a decoder is the picture's fault.
impl From<Panicked> for Refusal {
    fn from(e: Panicked) -> Self {
        Self::Broken(e.to_string())
    }
}
