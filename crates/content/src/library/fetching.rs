//! One blob from the server: written as it comes, resumed where an earlier try ended, proved at its end.
//!
//! Not here: one request for many askers (`Library::fetch_blob`), whole courses (`download`).

use bytes::Bytes;
use carrel_model::{BlobHash, ErrorCode};
use carrel_net::{Error as Net, FailureKind, Reply, Request};
use futures_util::StreamExt;
use http::header;

use crate::{
    Error, Result,
    blobs::{BlobStore, Came, End, INLINE, PartFile},
    library::Library,
};

/// The largest file that a package may hold.
const LARGEST: u64 = 1 << 30;
/// The longest that is held in memory when the disk has no room.
const HELD: u64 = 64 * 1024 * 1024;

/// How the next request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From the end of what is here on.
    Resume,
    /// For the whole; what is here is compared and skipped in it.
    Whole,
    /// For the whole, into a file of its own: what is here or what the server sends is wrong, and only a whole file can be proved.
    Aside,
}

/// Why a request did not bring the blob.
enum Snag {
    /// Another way of asking may.
    Ask(Way),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Snag {
    fn from(e: E) -> Self {
        Self::Failed(e.into())
    }
}

impl Library {
    /// Fetches a blob into the store. Somebody else who is writing it already is waited for. What comes ahead of any wish is not held in
    /// memory alone: if there is no room, it does not come.
    ///
    /// Bytes that an earlier try left are given up only for a whole file that was proved: a reply that is not this blob leaves them.
    pub(super) async fn stream_blob(&self, hash: BlobHash, came: Came) -> Result<()> {
        if self.blobs().written_by_another(hash).await? {
            return Ok(());
        }
        let known = self.blobs().needed_size(hash)?;
        let mut way = Way::Resume;
        loop {
            match self.stream_once(hash, came, known, way).await {
                Ok(()) => return Ok(()),
                Err(Snag::Ask(next)) => {
                    tracing::info!(blob.hash = ?hash, blob.way = ?next, "asked for in another way");
                    way = next;
                }
                Err(Snag::Failed(e)) => return Err(e),
            }
        }
    }

    /// One request. Each way leads only to a later one, so that three requests are the most.
    async fn stream_once(
        &self,
        hash: BlobHash,
        came: Came,
        known: Option<u64>,
        way: Way,
    ) -> Result<(), Snag> {
        let blobs = self.blobs();
        let url = format!("{}/api/blobs/{hash}", self.base_url());
        let mut old = None;
        if blobs.held(hash) > 0 {
            old = Some(open(blobs, hash, came).await?);
        }
        let held = old.as_ref().map_or(0, PartFile::len);
        let asked = if way == Way::Resume { held } else { 0 };
        // A part that cannot be used, or no part at all.
        let otherwise = |problem: String| match asked {
            0 => Snag::Failed(bad(&url, problem)),
            _ => Snag::Ask(Way::Whole),
        };
        let mut reply = match self.http().send(asking(hash, &url, asked, None)).await {
            Err(f) if f.kind == FailureKind::Decode => return Err(otherwise(f.message)),
            reply => reply?,
        };
        if reply.status == 416 {
            // What is held is more than there is, or the server does no ranges.
            return Err(otherwise("416".to_owned()));
        }
        let (from, length) = span(&reply, &url)?;
        may_be(&reply, hash, &url)?;
        let wrong_length = length.zip(known).is_some_and(|(told, size)| told != size);
        if wrong_length || (reply.status == 206 && (asked == 0 || from != asked)) {
            // Among others: a proxy that sends the part and calls it the whole.
            return Err(otherwise("another part or length than was asked for".to_owned()));
        }
        let total = length.or(known);
        if total.is_some_and(|t| t > LARGEST) {
            let problem = format!("it would have {} bytes", total.unwrap_or_default());
            return Err(bad(&url, problem).into());
        }
        let in_file = if way == Way::Aside { 0 } else { held };
        let ahead = match (came, total) {
            (Came::Ahead, Some(total)) => {
                Some(self.storage().reserve(total.saturating_sub(in_file))?)
            }
            _ => None,
        };
        if held == 0 && total.is_some_and(|t| t <= INLINE) {
            let bytes = reply.bytes(INLINE as usize).await?;
            match came {
                Came::Ahead => blobs.put_from(hash, &bytes, came)?,
                _ => self.keep_or_hold(hash, &bytes)?,
            }
            return Ok(());
        }
        let _promise = match (blobs.room(), total) {
            _ if ahead.is_some() => None,
            (Some(room), Some(total)) => match room.before(total.saturating_sub(in_file)) {
                // What does not fit on the disk is shown from memory, if it is not too long for that.
                Err(Error::NoSpace { .. }) if from == 0 && total <= HELD => {
                    let bytes = reply.bytes(HELD as usize).await?;
                    return Ok(self.keep_or_hold(hash, &bytes)?);
                }
                promise => Some(promise?),
            },
            _ => None,
        };
        let (mut part, old) = match old {
            Some(part) if way != Way::Aside => (part, None),
            // While the old file is open, a second one has another name.
            old => (open(blobs, hash, came).await?, old),
        };
        if let Some(total) = total {
            part.expect(total);
        }
        let mark = part.mark();
        let marked = is_marked(&reply, hash, known);
        let (mut skipped, skip) = (0, if from == 0 { part.len() } else { 0 });
        while let Some(piece) = reply.body.next().await {
            let mut piece = match piece {
                Err(f) if f.kind == FailureKind::Decode => return Err(otherwise(f.message)),
                piece => piece?,
            };
            let seen = piece.len().min(usize::try_from(skip - skipped).unwrap_or(usize::MAX));
            let seen = piece.split_to(seen);
            if !seen.is_empty() && !part.agrees(skipped, &seen)? {
                // A part that is longer than the whole is wrong for sure; a file of its own shows whether the reply is right.
                let is_over_long = total.is_some_and(|total| total < part.len());
                return Err(match marked || is_over_long {
                    true => Snag::Ask(Way::Aside),
                    false => bad(&url, "other bytes than those that came before".to_owned()).into(),
                });
            }
            skipped += seen.len() as u64;
            if part.len() + piece.len() as u64 > total.unwrap_or(LARGEST) {
                part.rewind(mark)?;
                return Err(bad(&url, "it sends more than it said".to_owned()).into());
            }
            part.write(&piece)?;
        }
        if let Some(total) = total.filter(|total| part.len() < *total) {
            if asked > 0 && part.len() == held {
                // Whole and empty, for a connection that broke would have said so.
                return Err(Snag::Ask(Way::Whole));
            }
            let ended = format!("{url} ended after {} of {total} bytes", part.len());
            return Err(Error::from(Net::Offline(ended)).into());
        }
        if !part.is_proved() {
            let corrupt = Error::Corrupt(format!("blob {hash:?} came with other bytes"));
            if held == 0 || way == Way::Aside {
                part.restart()?;
                return Err(corrupt.into());
            }
            part.rewind(mark)?;
            // What was skipped was compared: then it is the server that has other bytes.
            return Err(if asked > 0 { Snag::Ask(Way::Whole) } else { corrupt.into() });
        }
        let finished = tokio::task::spawn_blocking(move || {
            part.finish()?;
            old.map_or(Ok(()), PartFile::discard)
        });
        finished.await.map_err(|e| Error::Internal(e.to_string()))??;
        Ok(())
    }

    fn keep_or_hold(&self, hash: BlobHash, bytes: &Bytes) -> Result<()> {
        match self.blobs().put(hash, bytes) {
            Err(e) if e.code() == ErrorCode::DiskFull && self.blobs().hold(hash, bytes) => Ok(()),
            other => other,
        }
    }

    /// Bytes `start..end` of a blob straight from the server, as they come: neither proved nor kept.
    pub async fn fetch_range(&self, hash: BlobHash, start: u64, end: u64) -> Result<Reply> {
        let url = format!("{}/api/blobs/{hash}", self.base_url());
        let reply = self.http().send(asking(hash, &url, start, Some(end))).await?;
        may_be(&reply, hash, &url)?;
        match span(&reply, &url)? {
            (from, _) if from == start && reply.status == 206 => Ok(reply),
            (from, _) => Err(bad(&url, format!("it begins at {from}, not at {start}"))),
        }
    }
}

impl BlobStore {
    /// Waits while somebody else writes this blob. True: it is whole now. False: nobody writes it, or they gave it up.
    pub async fn written_by_another(&self, hash: BlobHash) -> Result<bool> {
        while let Some(mut writer) = self.growing().follow(hash) {
            let ended = writer.reach.wait_for(|reach| reach.end.is_some()).await.map(|r| r.end);
            match ended {
                Ok(Some(End::Whole)) => return Ok(true),
                _ if self.growing().follow(hash).is_none() => break,
                // A writer that ended is struck off the list in the next moment.
                _ => tokio::task::yield_now().await,
            }
        }
        self.has(hash)
    }
}

/// What is here already is hashed again, away from those who wait for the network.
async fn open(blobs: &BlobStore, hash: BlobHash, came: Came) -> Result<PartFile> {
    let blobs = blobs.clone();
    tokio::task::spawn_blocking(move || blobs.part_from(hash, came))
        .await
        .map_err(|e| Error::Internal(e.to_string()))?
}

/// `held` bytes are here; `end`: only up to there. The hash is the entity tag: bytes of another file cannot be joined to ours.
fn asking(hash: BlobHash, url: &str, held: u64, end: Option<u64>) -> Request {
    let request = Request::get(url);
    let range = match end {
        Some(end) => format!("bytes={held}-{}", end.saturating_sub(1)),
        None if held > 0 => format!("bytes={held}-"),
        None => return request,
    };
    request
        .header(header::RANGE, &range)
        .header(header::IF_RANGE, &format!("\"{hash}\""))
        // A packed part cannot be joined to what is here.
        .header(header::ACCEPT_ENCODING, "identity")
}

/// The entity tag, if it is one of ours.
fn tag(reply: &Reply) -> Option<BlobHash> {
    let text = reply.header(header::ETAG)?.trim();
    text.trim_start_matches("W/").trim_matches('"').parse().ok()
}

/// `Error::BadReply` for a reply that is something else: a page (this network's sign-in page, a proxy's error), another file.
fn may_be(reply: &Reply, hash: BlobHash, url: &str) -> Result<()> {
    let is_page =
        reply.header(header::CONTENT_TYPE).is_some_and(|t| t.trim().starts_with("text/html"));
    match tag(reply) {
        Some(other) if other != hash => Err(bad(url, "another file".to_owned())),
        None if is_page => {
            Err(bad(url, "a page: is this network's sign-in page in between?".to_owned()))
        }
        _ => Ok(()),
    }
}

/// The reply says that it is this blob: by its tag, or at least by its length.
fn is_marked(reply: &Reply, hash: BlobHash, known: Option<u64>) -> bool {
    let length = reply.header(header::CONTENT_LENGTH).and_then(|n| n.parse::<u64>().ok());
    tag(reply) == Some(hash) || (known.is_some() && length == known)
}

/// Where the answer's bytes begin, and how many the whole has.
fn span(reply: &Reply, url: &str) -> Result<(u64, Option<u64>)> {
    match reply.status {
        200 => Ok((0, reply.header(header::CONTENT_LENGTH).and_then(|n| n.parse().ok()))),
        206 => {
            let range = reply.header(header::CONTENT_RANGE).unwrap_or_default();
            let parts = range.strip_prefix("bytes ").and_then(|r| r.split_once('/'));
            let found = parts.and_then(|(part, total)| {
                Some((part.split_once('-')?.0.parse().ok()?, total.parse().ok()))
            });
            found.ok_or_else(|| bad(url, format!("content-range {range:?}")))
        }
        401 => Err(Net::Unauthenticated.into()),
        404 | 410 => Err(Error::NotFound(url.to_owned())),
        408 | 425 | 429 | 500.. => {
            Err(Net::Offline(format!("{url} answered {}", reply.status)).into())
        }
        status => Err(bad(url, format!("status {status}"))),
    }
}

fn bad(url: &str, problem: String) -> Error {
    Net::BadReply { url: url.to_owned(), problem }.into()
}
