//! One blob from the server: resumed where it was cut, hashed while it comes, believed only by its hash.
//!
//! A reply is looked at before its first byte is written: what is not this blob (a Wi-Fi's sign-in page, a redirect, another tag, another
//! length, a range that was not asked for) leaves the unfinished file as it is. So does a reply whose bytes turn out to be others: what was
//! appended is taken back. Bytes that an earlier try brought are given up only for a file that was proved.
//!
//! Not here: which blob is next (`work`), putting it in its place (`keep`).

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use carrel_model::{BlobHash, ErrorCode, content::ManifestBlob};
use carrel_net::{
    Error as Net, Failure, FailureKind, Http, Reply, Request, reply::ClassifiedReply,
};
use carrel_system::Clock;
use futures_util::StreamExt;
use http::header;

use crate::{
    Error, Result,
    blobs::{BlobStore, INLINE, PartFile},
    download::slots::{Slot, Slots},
};

/// Until the head of an answer, and between two pieces of a body.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pieces are written together until they are this long, or this old.
const GATHER: usize = 64 * 1024;
const GATHER_MS: i64 = 1_000;
/// A transfer looks this often whether it is to make room.
const LOOK_EVERY: u64 = 1024 * 1024;
/// A try that brought less than this is one without success ...
const PROGRESS: u64 = 64 * 1024;
/// ... and after so many of them in a row the download waits.
const TRIES: u32 = 3;

/// What transfers of one download share.
pub struct Line<'a> {
    pub http: &'a Arc<dyn Http>,
    pub base_url: &'a str,
    pub blobs: &'a BlobStore,
    pub clock: &'a Arc<dyn Clock>,
    pub slots: &'a Slots,
    /// The download, for `slots`.
    pub owner: u64,
    /// Bytes came.
    pub came: &'a (dyn Fn(usize) + Sync),
    /// Bytes turned out to be here, or to be wrong.
    pub correct: &'a (dyn Fn(i64) + Sync),
}

/// A blob whose bytes are all here and proved.
pub enum Got {
    Small(Bytes),
    Large(Box<PartFile>),
}

/// Why one try ended.
enum Snag {
    /// The network; what came is kept.
    Cut(Error),
    /// The server or a proxy does not do ranges as it should: the whole is asked for, and what is here is skipped in it.
    Range(Error),
    /// It has other bytes than those that are here: one of the two is wrong.
    Differs(Error),
    /// Nothing that another try would change now.
    Stop(Error),
}

impl From<Error> for Snag {
    fn from(e: Error) -> Self {
        Self::Stop(e)
    }
}

impl Line<'_> {
    /// Fetches what is missing of the blob. `begun`: bytes of an unfinished file that were counted already.
    pub async fn fetch(&self, blob: &ManifestBlob, begun: u64) -> Result<Got> {
        if blob.size <= INLINE {
            (self.correct)(-signed(begun));
            self.small(blob).await.map(Got::Small)
        } else {
            self.large(blob, begun).await.map(|part| Got::Large(Box::new(part)))
        }
    }

    async fn small(&self, blob: &ManifestBlob) -> Result<Bytes> {
        let mut tries = 0;
        loop {
            tries += 1;
            let slot = self.slots.take(self.owner).await;
            let snag = match self.small_once(blob).await {
                Ok(bytes) => return Ok(bytes),
                Err(snag) => snag,
            };
            drop(slot);
            match snag {
                Snag::Stop(e) => return Err(e),
                Snag::Cut(e) | Snag::Range(e) | Snag::Differs(e) if tries >= TRIES => {
                    return Err(e);
                }
                _ => {}
            }
        }
    }

    async fn small_once(&self, blob: &ManifestBlob) -> Result<Bytes, Snag> {
        let reply = self.ask(blob, 0).await?;
        if reply.status != 200 {
            return Err(Snag::Range(lies(&self.url(blob), "a part that was not asked for")));
        }
        let limit = usize::try_from(blob.size).unwrap_or(usize::MAX);
        let bytes = reply.bytes(limit).await.map_err(|f| match f.kind {
            FailureKind::TooLarge => Snag::Cut(corrupt(blob)),
            _ => Snag::Cut(f.into()),
        })?;
        if bytes.len() < limit {
            return Err(Snag::Cut(cut(&self.url(blob), bytes.len() as u64, blob.size)));
        }
        if BlobHash::of(&bytes) != blob.hash {
            return Err(Snag::Cut(corrupt(blob)));
        }
        (self.came)(bytes.len());
        Ok(bytes)
    }

    async fn large(&self, blob: &ManifestBlob, begun: u64) -> Result<PartFile> {
        let mut part = self.open(blob, begun).await?;
        // What an earlier try left, while the whole is fetched beside it.
        let mut old: Option<PartFile> = None;
        let (mut tries, mut wrong, mut whole) = (0, 0, false);
        let mut mark = None;
        loop {
            if part.len() == blob.size && part.is_proved() {
                if let Some(old) = old {
                    old.discard()?;
                }
                return Ok(part);
            }
            if part.len() >= blob.size {
                // Wrong bytes are thrown away, never joined. Which try they came with is not known: the last one's go first.
                let all = part.len();
                match mark.take() {
                    Some(mark) => part.rewind(mark)?,
                    None => part.restart()?,
                }
                (self.correct)(-signed(all - part.len()));
                whole = !part.is_empty();
                wrong += 1;
                if wrong >= TRIES {
                    return Err(corrupt(blob));
                }
            }
            let mut slot = self.slots.take(self.owner).await;
            let before = part.len();
            mark = (before > 0).then(|| part.mark());
            let snag = match self.stream(blob, &mut part, whole, &mut slot).await {
                Ok(()) => continue,
                Err(snag) => snag,
            };
            drop(slot);
            tries = if part.len() >= before + PROGRESS { 0 } else { tries + 1 };
            match snag {
                Snag::Stop(e) => return Err(e),
                Snag::Cut(e) | Snag::Range(e) if tries >= TRIES => return Err(e),
                Snag::Differs(e) if old.is_some() => return Err(e),
                Snag::Differs(_) => {
                    // Only the hash of a whole file can tell which of the two is right.
                    let aside = self.open(blob, part.len()).await?;
                    old = Some(std::mem::replace(&mut part, aside));
                    (tries, whole, mark) = (0, false, None);
                }
                Snag::Range(_) => whole = true,
                Snag::Cut(_) => whole = false,
            }
        }
    }

    /// What is here already is hashed again, away from those who wait for the network.
    async fn open(&self, blob: &ManifestBlob, begun: u64) -> Result<PartFile> {
        let (blobs, hash) = (self.blobs.clone(), blob.hash);
        let part = tokio::task::spawn_blocking(move || blobs.part(hash))
            .await
            .map_err(|e| Error::Internal(e.to_string()))??;
        (self.correct)(signed(part.len()) - signed(begun));
        // Now it can be played while it comes.
        part.expect(blob.size);
        Ok(part)
    }

    /// One request. `Ok`: the file grew, to its end or until another download needed the slot.
    async fn stream(
        &self,
        blob: &ManifestBlob,
        part: &mut PartFile,
        whole: bool,
        slot: &mut Slot,
    ) -> Result<(), Snag> {
        let from = if whole { 0 } else { part.len() };
        let mut reply = self.ask(blob, from).await?;
        let url = self.url(blob);
        let mut skip = match reply.status {
            206 if from > 0 && range_fits(&reply, from, blob.size) => 0,
            206 => return Err(Snag::Range(lies(&url, "a part that was not asked for"))),
            // The whole, because the server does no ranges: what is here is passed over.
            _ => part.len(),
        };
        let mut passed_over = 0;
        let mut sink =
            Sink { part, gathered: BytesMut::new(), since_ms: self.clock.monotonic_ms() };
        let looked_from = sink.len();
        let mut looked = looked_from;
        while let Some(piece) = reply.body.next().await {
            let mut piece = piece.map_err(|f| match f.kind {
                FailureKind::Decode if from > 0 => Snag::Range(lies(&url, &f.message)),
                FailureKind::Decode => Snag::Cut(lies(&url, &f.message)),
                _ => Snag::Cut(f.into()),
            })?;
            let passed = skip.min(piece.len() as u64);
            let seen = piece.split_to(usize::try_from(passed).unwrap_or(0));
            if !seen.is_empty() && !sink.part.agrees(passed_over, &seen)? {
                let problem = "other bytes than those that came before";
                // A reply that does not say that it is this blob is not worth another one.
                return Err(match is_marked(&reply, blob) {
                    true => Snag::Differs(lies(&url, problem)),
                    false => Snag::Stop(bad(&url, problem)),
                });
            }
            skip -= passed;
            passed_over += passed;
            // What is sent beyond the end is not looked at.
            piece.truncate(usize::try_from(blob.size - sink.len()).unwrap_or(usize::MAX));
            if piece.is_empty() {
                continue;
            }
            let count = piece.len();
            sink.take(&piece, self.clock.monotonic_ms())?;
            (self.came)(count);
            if sink.len() == blob.size {
                break;
            }
            if sink.len() >= looked + LOOK_EVERY {
                looked = sink.len();
                if slot.yields() {
                    return Ok(sink.flush()?);
                }
            }
        }
        sink.flush()?;
        if sink.len() == looked_from && from > 0 {
            // A reply that broke would have said so: this one is whole and empty.
            return Err(Snag::Range(cut(&url, sink.len(), blob.size)));
        }
        if sink.len() < blob.size {
            return Err(Snag::Cut(cut(&url, sink.len(), blob.size)));
        }
        Ok(())
    }

    /// A reply that carries bytes of this blob as far as its head tells, from byte `from` on or whole.
    async fn ask(&self, blob: &ManifestBlob, from: u64) -> Result<Reply, Snag> {
        let url = self.url(blob);
        let mut request = Request::get(&url).timeout(PATIENCE);
        if from > 0 {
            // The hash is the entity tag: bytes of another file cannot be joined to ours.
            request = request
                .header(header::RANGE, &format!("bytes={from}-"))
                .header(header::IF_RANGE, &format!("\"{}\"", blob.hash))
                .header(header::ACCEPT_ENCODING, "identity");
        } else if !packs(&blob.media_type) {
            request = request.header(header::ACCEPT_ENCODING, "identity");
        }
        let reply = self.http.send(request).await.map_err(|f: Failure| match f.kind {
            // Nothing came at all: there is no network, or no server.
            FailureKind::Connect | FailureKind::Timeout => Snag::Stop(f.into()),
            FailureKind::Decode if from > 0 => Snag::Range(lies(&url, &f.message)),
            _ => Snag::Cut(f.into()),
        })?;
        match reply.status {
            200 | 206 => {}
            416 => return Err(Snag::Range(lies(&url, "no such part"))),
            _ => return Err(Snag::Stop(refused(&url, reply, self.clock.now_ms()).await)),
        }
        let text = |name| reply.header(name).unwrap_or_default().trim();
        let page = text(header::CONTENT_TYPE).starts_with("text/html");
        if page && !blob.media_type.starts_with("text/html") {
            return Err(Snag::Stop(bad(
                &url,
                "a page: is this network's sign-in page in between?",
            )));
        }
        let tag = text(header::ETAG).trim_start_matches("W/").trim_matches('"');
        if tag.parse::<BlobHash>().is_ok_and(|other| other != blob.hash) {
            return Err(Snag::Stop(Error::Corrupt(format!("{url} has another file now"))));
        }
        // Of a body that was unpacked on the way the length says nothing; its header is gone then.
        let length = text(header::CONTENT_LENGTH).parse::<u64>().ok();
        if reply.status == 200
            && text(header::CONTENT_ENCODING).is_empty()
            && length.is_some_and(|n| n != blob.size)
        {
            let lie = lies(&url, "another length than the manifest says");
            // A proxy that sends the part and calls it the whole.
            return Err(if from > 0 { Snag::Range(lie) } else { Snag::Cut(lie) });
        }
        Ok(reply)
    }

    fn url(&self, blob: &ManifestBlob) -> String {
        format!("{}/api/blobs/{}", self.base_url, blob.hash)
    }
}

/// Bytes on their way to the file. What is gathered is written also when the transfer is dropped.
struct Sink<'a> {
    part: &'a mut PartFile,
    gathered: BytesMut,
    since_ms: i64,
}

impl Sink<'_> {
    fn len(&self) -> u64 {
        self.part.len() + self.gathered.len() as u64
    }
    fn take(&mut self, piece: &Bytes, now_ms: i64) -> Result<()> {
        if self.gathered.is_empty() && piece.len() >= GATHER {
            self.since_ms = now_ms;
            return self.part.write(piece);
        }
        self.gathered.extend_from_slice(piece);
        if self.gathered.len() >= GATHER || now_ms - self.since_ms >= GATHER_MS {
            self.since_ms = now_ms;
            self.flush()?;
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        // Taken first: what could not be written is not written again when this is dropped.
        let gathered = self.gathered.split();
        if gathered.is_empty() { Ok(()) } else { self.part.write(&gathered) }
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.flush() {
            tracing::debug!(error = %e, "the last bytes of a transfer were not kept");
        }
    }
}

/// `Content-Range: bytes FIRST-LAST/SIZE` begins where it was asked to and belongs to a file of this size.
fn range_fits(reply: &Reply, from: u64, size: u64) -> bool {
    let parse = |text: &str| {
        let (part, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = part.trim().split_once('-')?;
        let fits = whole.trim() == "*" || whole.trim().parse::<u64>().ok()? == size;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        Some(fits && first == from && (first..size).contains(&last))
    };
    reply.header(header::CONTENT_RANGE).and_then(parse).unwrap_or(false)
}

/// The reply says that it is this blob: by its tag, or at least by its length.
fn is_marked(reply: &Reply, blob: &ManifestBlob) -> bool {
    let text = |name| reply.header(name).unwrap_or_default().trim();
    let tag = text(header::ETAG).trim_start_matches("W/").trim_matches('"');
    tag.parse::<BlobHash>().is_ok_and(|hash| hash == blob.hash)
        || text(header::CONTENT_LENGTH).parse::<u64>().is_ok_and(|n| n == blob.size)
}

/// The error for a reply without bytes of the blob.
async fn refused(url: &str, reply: Reply, now_ms: i64) -> Error {
    ClassifiedReply::read(reply, Some(now_ms)).await.into_file_error(url).into()
}

/// True for what a server packs on the way.
fn packs(media_type: &str) -> bool {
    media_type.starts_with("text/") || media_type.contains("json") || media_type.contains("svg")
}

fn bad(url: &str, problem: &str) -> Error {
    Net::BadReply { url: url.to_owned(), problem: problem.to_owned() }.into()
}
/// A server of ours that does not do what it should.
fn lies(url: &str, problem: &str) -> Error {
    Net::Server {
        status: 200,
        code: ErrorCode::BadReply,
        detail: format!("{url}: {problem}"),
        retry_after_ms: None,
    }
    .into()
}
fn corrupt(blob: &ManifestBlob) -> Error {
    Error::Corrupt(format!("blob {:?} came with other bytes", blob.hash))
}
fn cut(url: &str, here: u64, size: u64) -> Error {
    Net::Offline(format!("{url} ended after {here} of {size} bytes")).into()
}
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
