//! Fetches one blob from the server, for readers and downloads: resumes a partial file, hashes the
//! bytes as they are received, and verifies the hash at the end.
//!
//! The head of a reply is checked before its body is written. If it shows another file (a captive
//! portal, a redirect, another entity tag, another length, a range that was not requested), the
//! partial file is not changed. Wrong bytes are removed. Bytes of an earlier attempt are discarded
//! only when a verified file replaces them.
//!
//! Not here: which blob is fetched and where it is stored (`library`, `download`).

mod reply;
mod slots;
mod writer;

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_net::{Error as Net, FailureKind, Http, Reply};
use carrel_system::{Clock, blocking};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};

use self::{reply::TransferError, writer::BufferedWriter};
use crate::{
    Error, Result,
    blobs::{BlobOrigin, BlobStore, MAX_INLINE, PartPosition},
    sql::signed,
};

pub use slots::{MAX_PER_HOST, Slot, Slots};

/// Largest blob that is accepted from a server, in bytes: the largest file of a package.
const MAX_BLOB: u64 = 1 << 30;
/// Largest blob that is held in memory if the disk has no space, in bytes.
pub(crate) const MAX_IN_MEMORY: u64 = 64 * 1024 * 1024;
/// Bytes after which a transfer checks whether another download needs its slot.
const CHECK_SLOT_EVERY: u64 = 1024 * 1024;
/// Consecutive requests for the rest of a blob without a byte, after which the whole blob is requested.
const MAX_EMPTY_RANGES: u32 = 2;
/// An attempt that received fewer bytes counts as one without progress.
const MIN_PROGRESS: u64 = 64 * 1024;
/// How long a mirror that cannot be reached is not used, in milliseconds.
const MIRROR_PAUSE_MS: i64 = 5 * 60_000;

/// Fetches blobs from one server.
#[derive(Clone)]
pub struct BlobFetcher {
    http: Arc<dyn Http>,
    base_url: String,
    /// Address of a mirror, without a trailing slash.
    mirror_url: Option<String>,
    /// Until when the mirror is not used (monotonic, ms).
    mirror_paused_until: Arc<AtomicI64>,
    blobs: BlobStore,
    clock: Arc<dyn Clock>,
}

/// A blob to be fetched.
#[derive(Debug, Clone, Copy)]
pub struct BlobRequest<'a> {
    /// Hash of the blob.
    pub hash: BlobHash,
    /// Size in bytes; `None` if no stored manifest lists the blob.
    pub size: Option<u64>,
    /// Media type; empty if unknown.
    pub media_type: &'a str,
    /// Origin that is stored with the blob.
    pub origin: BlobOrigin,
}

/// Where the bytes may be stored.
pub enum Admission {
    /// On the disk. The value, such as a reservation, is held until the fetch ends.
    Disk(Option<Box<dyn Any + Send>>),
    /// In memory only, because the disk has no space.
    Memory,
}

/// Decides where a blob is stored. Called once, with the size of the blob and the number of bytes
/// stored already, before the first byte is written.
pub type Admit<'a> = dyn Fn(u64, u64) -> BoxFuture<'a, Result<Admission>> + Send + Sync + 'a;

/// How a blob is fetched.
pub struct FetchOptions<'a> {
    /// Consecutive attempts without progress after which the fetch fails.
    pub attempts: u32,
    /// Limits concurrent transfers; with the number of the download that owns the transfer.
    pub slots: Option<(&'a Slots, u64)>,
    /// Decides where the blob is stored.
    pub admit: &'a Admit<'a>,
    /// Called with the number of bytes received.
    pub received: &'a (dyn Fn(usize) + Send + Sync),
    /// Called with other changes of the number of stored bytes.
    pub corrected: &'a (dyn Fn(i64) + Send + Sync),
}

/// A complete and verified blob.
pub enum Fetched {
    /// The bytes in memory, not stored yet.
    Bytes(Bytes),
    /// A partial file, not renamed to its final name yet.
    File(Box<CompleteFile>),
}

/// A complete and verified partial file.
pub struct CompleteFile {
    part: BufferedWriter,
    /// The partial file of an earlier attempt, replaced by this one.
    previous: Option<BufferedWriter>,
}

impl CompleteFile {
    /// Syncs the file and renames it to its final name. Blocking.
    pub fn finish(self) -> Result<()> {
        self.part.into_part()?.finish()?;
        self.previous.map_or(Ok(()), |previous| previous.into_part()?.discard())
    }
}

/// One fetch, with all its attempts.
struct Transfer<'f, 'o> {
    fetcher: &'f BlobFetcher,
    blob: BlobRequest<'f>,
    options: &'f FetchOptions<'o>,
    total: Option<u64>,
    part: Option<BufferedWriter>,
    previous: Option<BufferedWriter>,
    admission: Option<Admission>,
    /// End of the partial file before the last attempt.
    position: Option<PartPosition>,
    /// The next request is for the whole blob; bytes that are stored are compared and skipped.
    whole: bool,
    /// Consecutive interrupted requests for the rest of the blob that brought no byte.
    empty_ranges: u32,
    mismatches: u32,
    /// The next request is sent to the mirror. After any problem with it, the server is used.
    from_mirror: bool,
}

impl BlobFetcher {
    /// Creates a fetcher for the server at `base_url`, without a trailing slash.
    pub fn new(
        http: Arc<dyn Http>,
        base_url: String,
        blobs: BlobStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mirror_paused_until = Arc::default();
        Self { http, base_url, mirror_url: None, mirror_paused_until, blobs, clock }
    }

    /// Sets the address of a mirror, from which blobs are fetched first. It needs no trust, because the hash of each blob
    /// is verified, and receives no token.
    #[must_use]
    pub fn with_mirror(mut self, url: Option<&str>) -> Self {
        self.mirror_url = url.map(|url| url.trim_end_matches('/').to_owned());
        self
    }

    /// Fetches the missing bytes of a blob. `counted`: bytes of the partial file that the caller has
    /// counted as stored.
    ///
    /// # Errors
    ///
    /// `Net` for the network and the server, `Corrupt` for wrong bytes, `NoSpace` and `Storage` for
    /// the disk.
    pub async fn fetch(
        &self,
        blob: BlobRequest<'_>,
        counted: u64,
        options: &FetchOptions<'_>,
    ) -> Result<Fetched> {
        let mut transfer = Transfer {
            fetcher: self,
            blob,
            options,
            total: blob.size,
            part: None,
            previous: None,
            admission: None,
            position: None,
            whole: false,
            empty_ranges: 0,
            mismatches: 0,
            from_mirror: self.uses_mirror(),
        };
        let in_memory = blob.size.is_some_and(|size| size <= MAX_INLINE);
        let blobs = self.blobs.clone();
        let is_absent = || blocking(move || Ok::<_, Error>(blobs.partial_len(blob.hash) == 0));
        if in_memory || blob.size.is_none() && is_absent().await? {
            (options.corrected)(-signed(counted));
        } else {
            transfer.open(counted).await?;
        }
        let mut tries = 0;
        loop {
            if let Some(fetched) = transfer.verified().await? {
                return Ok(fetched);
            }
            let mut slot = match options.slots {
                Some((slots, owner)) => Some(slots.acquire(owner).await),
                None => None,
            };
            let (before, is_resumed) = (transfer.len(), !transfer.whole && transfer.len() > 0);
            let problem = match transfer.attempt(slot.as_mut()).await {
                Ok(None) => continue,
                Ok(Some(bytes)) => return Ok(Fetched::Bytes(bytes)),
                Err(problem) => problem,
            };
            drop(slot);
            if std::mem::take(&mut transfer.from_mirror) {
                continue;
            }
            tries = if transfer.len() >= before + MIN_PROGRESS { 0 } else { tries + 1 };
            match problem {
                TransferError::Final(e) => return Err(e),
                TransferError::Range(e) if tries >= options.attempts.max(2) => return Err(e),
                TransferError::Differs(e) if transfer.previous.is_some() => return Err(e),
                TransferError::Differs(_) => {
                    transfer.restart_in_new_file().await?;
                    tries = 0;
                }
                TransferError::Range(_) => transfer.whole = true,
                TransferError::Interrupted(e) => {
                    let is_empty_range = is_resumed && transfer.len() == before;
                    transfer.empty_ranges =
                        if is_empty_range { transfer.empty_ranges + 1 } else { 0 };
                    // The proxy may break each reply to a request for a range.
                    transfer.whole =
                        transfer.empty_ranges >= options.attempts.min(MAX_EMPTY_RANGES);
                    if tries >= options.attempts && !transfer.whole {
                        return Err(e);
                    }
                }
            }
        }
    }

    /// Requests bytes `start..end` of a blob and returns the reply. The bytes are neither verified nor
    /// stored.
    pub async fn range(&self, hash: BlobHash, start: u64, end: u64) -> Result<Reply> {
        let url = self.url(hash);
        let reply = self.http.send(reply::request(&url, hash, "", start, Some(end))).await?;
        reply::check_range(reply, &url, hash, start, self.clock.now_ms()).await
    }

    fn url(&self, hash: BlobHash) -> String {
        format!("{}/api/blobs/{hash}", self.base_url)
    }

    fn uses_mirror(&self) -> bool {
        self.mirror_url.is_some()
            && self.mirror_paused_until.load(Ordering::Relaxed) <= self.clock.monotonic_ms()
    }
    fn pause_mirror(&self) {
        let until = self.clock.monotonic_ms() + MIRROR_PAUSE_MS;
        self.mirror_paused_until.store(until, Ordering::Relaxed);
    }
}

impl Transfer<'_, '_> {
    fn len(&self) -> u64 {
        self.part.as_ref().map_or(0, BufferedWriter::len)
    }

    /// Opens the partial file and corrects the number of stored bytes.
    async fn open(&mut self, counted: u64) -> Result<()> {
        let part =
            BufferedWriter::open(&self.fetcher.blobs, self.blob.hash, self.blob.origin).await?;
        (self.options.corrected)(signed(part.len()) - signed(counted));
        if let Some(total) = self.total {
            part.set_total(total);
        }
        self.part = Some(part);
        Ok(())
    }

    /// Starts again with a second file. Only the hash of a complete file shows whether the stored bytes
    /// or those of the server are correct.
    async fn restart_in_new_file(&mut self) -> Result<()> {
        let counted = self.len();
        self.previous = self.part.take();
        self.open(counted).await?;
        (self.whole, self.position) = (false, None);
        Ok(())
    }

    /// Returns the file if it is complete and its hash is correct. If the hash is wrong, removes the
    /// bytes of the last attempt; those of earlier attempts are compared with the next reply.
    async fn verified(&mut self) -> Result<Option<Fetched>> {
        let Some(total) = self.total else { return Ok(None) };
        let Some(part) = self.part.take() else { return Ok(None) };
        if part.len() == total && part.is_verified() {
            return Ok(Some(Fetched::File(Box::new(CompleteFile {
                part,
                previous: self.previous.take(),
            }))));
        }
        let part = self.part.insert(part);
        if part.len() < total {
            return Ok(None);
        }
        let all = part.len();
        let resumed = self.position.is_some();
        part.rewind(self.position.take()).await?;
        (self.options.corrected)(-signed(all - part.len()));
        self.whole = !part.is_empty();
        // The length may be from a wrong reply.
        self.total = self.blob.size;
        if std::mem::take(&mut self.from_mirror) {
            tracing::warn!(blob.hash = %self.blob.hash, "the mirror sent wrong bytes");
            return Ok(None);
        }
        self.mismatches += 1;
        if self.mismatches >= self.options.attempts.max(1 + u32::from(resumed)) {
            return Err(reply::corrupt(self.blob.hash));
        }
        Ok(None)
    }

    /// Sends one request and reads the reply. Returns the blob if it is not written to a partial file.
    /// Otherwise returns `None` at the end of the blob, or earlier if another download needs the slot.
    async fn attempt(&mut self, slot: Option<&mut Slot>) -> Result<Option<Bytes>, TransferError> {
        let stored_len = self.len();
        self.position = self.part.as_ref().and_then(BufferedWriter::position);
        let from = if self.whole { 0 } else { stored_len };
        let url = match &self.fetcher.mirror_url {
            Some(mirror) if self.from_mirror => format!("{mirror}/api/blobs/{}", self.blob.hash),
            _ => self.fetcher.url(self.blob.hash),
        };
        let request = reply::request(&url, self.blob.hash, self.blob.media_type, from, None);
        let reply = self.fetcher.http.send(request).await.inspect_err(|_| {
            if self.from_mirror {
                self.fetcher.pause_mirror();
            }
        });
        let reply = reply.map_err(|f| match f.kind {
            FailureKind::Connect | FailureKind::Timeout => TransferError::Final(f.into()),
            FailureKind::Decode if from > 0 => {
                TransferError::Range(reply::protocol_error(&url, &f.message))
            }
            _ => TransferError::Interrupted(f.into()),
        })?;
        let now_ms = self.fetcher.clock.now_ms();
        let (reply, length) =
            reply::check(reply, &url, &self.blob, self.total, from, now_ms).await?;
        if self.total.is_none() {
            if length.is_some_and(|length| length > MAX_BLOB) {
                return Err(TransferError::Final(reply::bad_reply(
                    &url,
                    "body exceeds the maximum blob size",
                )));
            }
            self.total = length;
        }
        self.admit().await?;
        let in_memory = matches!(self.admission, Some(Admission::Memory));
        if self.part.is_none() {
            if in_memory || self.total.is_some_and(|total| total <= MAX_INLINE) {
                return self.read(reply, &url).await.map(Some);
            }
            self.open(0).await?;
        }
        self.stream(reply, &url, from, slot).await.map(|()| None)
    }

    async fn admit(&mut self) -> Result<()> {
        if let (None, Some(total)) = (&self.admission, self.total) {
            self.admission = Some((self.options.admit)(total, self.len()).await?);
        }
        if matches!(self.admission, Some(Admission::Memory)) {
            // The partial file is kept for a later fetch.
            self.part = None;
        }
        Ok(())
    }

    /// Reads a whole body into memory.
    async fn read(&mut self, reply: Reply, url: &str) -> Result<Bytes, TransferError> {
        let total = self.total.unwrap_or(MAX_IN_MEMORY);
        let limit = usize::try_from(total).unwrap_or(usize::MAX);
        if reply.status != 200 {
            return Err(TransferError::Range(reply::protocol_error(url, "unrequested range")));
        }
        let bytes = reply.bytes(limit).await.map_err(|f| match f.kind {
            FailureKind::TooLarge => TransferError::Interrupted(reply::corrupt(self.blob.hash)),
            _ => TransferError::Interrupted(f.into()),
        })?;
        if (bytes.len() as u64) < total {
            return Err(TransferError::Interrupted(reply::truncated(
                url,
                bytes.len() as u64,
                total,
            )));
        }
        if BlobHash::of(&bytes) != self.blob.hash {
            return Err(TransferError::Interrupted(reply::corrupt(self.blob.hash)));
        }
        (self.options.received)(bytes.len());
        Ok(bytes)
    }

    async fn stream(
        &mut self,
        mut reply: Reply,
        url: &str,
        from: u64,
        mut slot: Option<&mut Slot>,
    ) -> Result<(), TransferError> {
        let is_identified = reply::is_identified(&reply, self.blob.hash, self.total);
        let (clock, total) = (&self.fetcher.clock, self.total);
        let Some(part) = self.part.as_mut() else { return Ok(()) };
        // With status 200 the reply is the whole blob: stored bytes are compared and skipped.
        let skip = if reply.status == 206 { 0 } else { part.len() };
        let mut skipped = 0;
        let start_len = part.len();
        let (mut checked, mut is_endless) = (start_len, false);
        loop {
            let piece = match reply.body.next().now_or_never() {
                Some(piece) => piece,
                None => {
                    part.pause(clock.monotonic_ms()).await?;
                    reply.body.next().await
                }
            };
            let Some(piece) = piece else { break };
            let mut piece = piece.map_err(|f| match f.kind {
                FailureKind::Decode if from > 0 => {
                    TransferError::Range(reply::protocol_error(url, &f.message))
                }
                FailureKind::Decode => {
                    TransferError::Interrupted(reply::protocol_error(url, &f.message))
                }
                _ => TransferError::Interrupted(f.into()),
            })?;
            let overlap = usize::try_from(skip - skipped).unwrap_or(usize::MAX).min(piece.len());
            let overlap = piece.split_to(overlap);
            let count = overlap.len() as u64;
            if count > 0 && !part.matches(skipped, overlap).await? {
                let differs = "bytes differ from those of an earlier reply";
                // Stored bytes beyond the total are wrong.
                let is_too_long = total.is_some_and(|total| total < part.len());
                return Err(if is_identified || is_too_long {
                    TransferError::Differs(reply::protocol_error(url, differs))
                } else if from > 0 {
                    // For example, a proxy sends the range with status 200 and without a length.
                    TransferError::Range(reply::bad_reply(url, differs))
                } else {
                    // A reply that is not identified as this blob is not retried.
                    TransferError::Final(reply::bad_reply(url, differs))
                });
            }
            skipped += count;
            if total.is_none() && part.len() + piece.len() as u64 > MAX_BLOB {
                is_endless = true;
                break;
            }
            // Bytes beyond the end are ignored.
            let rest = total.unwrap_or(MAX_BLOB).saturating_sub(part.len());
            piece.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
            if piece.is_empty() {
                continue;
            }
            let count = piece.len();
            part.write(piece, clock.monotonic_ms()).await?;
            (self.options.received)(count);
            if Some(part.len()) == total {
                break;
            }
            if part.len() >= checked + CHECK_SLOT_EVERY {
                checked = part.len();
                if slot.as_mut().is_some_and(|slot| slot.should_yield()) {
                    return Ok(part.flush().await?);
                }
            }
        }
        part.flush().await?;
        let stored_len = part.len();
        if is_endless {
            part.rewind(self.position.take()).await?;
            return Err(TransferError::Final(reply::bad_reply(
                url,
                "body exceeds the maximum blob size",
            )));
        }
        let Some(total) = total else {
            // Without a known length the blob ends with the body; the hash is checked next.
            self.total = Some(stored_len);
            return Ok(());
        };
        if stored_len == start_len && from > 0 {
            // The reply is complete and empty; a broken connection would be an error.
            return Err(TransferError::Range(reply::truncated(url, stored_len, total)));
        }
        if stored_len < total {
            return Err(TransferError::Interrupted(reply::truncated(url, stored_len, total)));
        }
        Ok(())
    }
}

/// Converts an error of a fetch for readers: a temporary error of the server counts as offline.
pub(crate) fn for_readers(e: Error) -> Error {
    match e {
        Error::Net(Net::Server { status: 404 | 410, detail, .. }) => Error::NotFound(detail),
        Error::Net(Net::Server { status: 200..=299, detail, .. }) => {
            Net::BadReply { url: String::new(), problem: detail }.into()
        }
        Error::Net(Net::Server { status: 403, .. }) => e,
        Error::Net(Net::Server { detail, .. }) => Net::offline(detail).into(),
        e => e,
    }
}
