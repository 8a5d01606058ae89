//! One blob from the server: written as it comes, resumed where an earlier try ended, proved at its end.
//!
//! Not here: one request for many askers (`Library::fetch_blob`), whole courses (`download`).

use bytes::Bytes;
use carrel_model::BlobHash;
use futures_util::StreamExt;
use http::header;

use super::Library;
use crate::{
    Error, Result,
    cache::{BlobStore, Came, End, INLINE, PartFile},
    http::{Reply, Request},
};

/// The largest file that a package may hold.
const LARGEST: u64 = 1 << 30;
/// The longest that is held in memory when the disk has no room.
const HELD: u64 = 64 * 1024 * 1024;

impl Library {
    /// Fetches a blob into the store. Somebody else who is writing it already is waited for. What comes ahead of any wish is not held in
    /// memory alone: if there is no room, it does not come.
    pub(super) async fn stream_blob(&self, hash: BlobHash, came: Came) -> Result<()> {
        let blobs = self.blobs();
        if blobs.written_by_another(hash).await? {
            return Ok(());
        }
        let url = format!("{}/api/blobs/{hash}", self.base_url());
        let mut part = None;
        if blobs.held(hash) > 0 {
            part = Some(open(blobs, hash, came).await?);
        }
        let held = part.as_ref().map_or(0, PartFile::len);
        let mut reply = self.http().send(asking(hash, &url, held, None)).await?;
        if reply.status == 416 {
            // What is held is more than there is: it cannot be of this blob.
            if let Some(part) = &mut part {
                part.restart()?;
            }
            reply = self.http().send(asking(hash, &url, 0, None)).await?;
        }
        let (from, total) = span(&reply, &url)?;
        if total.is_some_and(|t| t > LARGEST) {
            return Err(bad(&url, format!("it would have {} bytes", total.unwrap_or_default())));
        }
        let ahead = match (came, total) {
            (Came::Ahead, Some(total)) => Some(self.storage().reserve(total.saturating_sub(from))?),
            _ => None,
        };
        if from == 0 && held == 0 && total.is_some_and(|t| t <= INLINE) {
            let bytes = reply.bytes(INLINE as usize).await?;
            return match came {
                Came::Ahead => blobs.put_from(hash, &bytes, came),
                _ => self.keep_or_hold(hash, &bytes),
            };
        }
        let _promise = match (blobs.room(), total) {
            _ if ahead.is_some() => None,
            (Some(room), Some(total)) => match room.before(total.saturating_sub(from)) {
                // What does not fit on the disk is shown from memory, if it is not too long for that.
                Err(Error::NoSpace { .. }) if from == 0 && total <= HELD => {
                    let bytes = reply.bytes(HELD as usize).await?;
                    return self.keep_or_hold(hash, &bytes);
                }
                promise => Some(promise?),
            },
            _ => None,
        };
        let mut part = match part {
            Some(part) => part,
            None => open(blobs, hash, came).await?,
        };
        if from == 0 {
            part.restart()?;
        } else if part.len() != from {
            return Err(bad(&url, format!("it goes on at {from}, not at {}", part.len())));
        }
        if let Some(total) = total {
            part.expect(total);
        }
        while let Some(piece) = reply.body.next().await {
            let piece = piece?;
            if part.len() + piece.len() as u64 > total.unwrap_or(LARGEST) {
                part.restart()?;
                return Err(bad(&url, "it sends more than it said".to_owned()));
            }
            part.write(&piece)?;
        }
        if let Some(total) = total.filter(|total| part.len() < *total) {
            let ended = format!("{url} ended after {} of {total} bytes", part.len());
            return Err(Error::Offline(ended));
        }
        tokio::task::spawn_blocking(move || part.finish())
            .await
            .map_err(|e| Error::Internal(e.to_string()))?
    }

    fn keep_or_hold(&self, hash: BlobHash, bytes: &Bytes) -> Result<()> {
        match self.blobs().put(hash, bytes) {
            Err(Error::NoSpace { .. } | Error::DiskFull(_)) if self.blobs().hold(hash, bytes) => {
                Ok(())
            }
            other => other,
        }
    }

    /// Bytes `start..end` of a blob straight from the server, as they come: neither proved nor kept.
    pub(crate) async fn fetch_range(&self, hash: BlobHash, start: u64, end: u64) -> Result<Reply> {
        let url = format!("{}/api/blobs/{hash}", self.base_url());
        let reply = self.http().send(asking(hash, &url, start, Some(end))).await?;
        match span(&reply, &url)? {
            (from, _) if from == start && reply.status == 206 => Ok(reply),
            (from, _) => Err(bad(&url, format!("it begins at {from}, not at {start}"))),
        }
    }
}

impl BlobStore {
    /// Waits while somebody else writes this blob. True: it is whole now. False: nobody writes it, or they gave it up.
    pub(crate) async fn written_by_another(&self, hash: BlobHash) -> Result<bool> {
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
    request.header(header::RANGE, &range).header(header::IF_RANGE, &format!("\"{hash}\""))
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
        401 => Err(Error::Unauthenticated),
        404 | 410 => Err(Error::NotFound(url.to_owned())),
        408 | 425 | 429 | 500.. => Err(Error::Offline(format!("{url} answered {}", reply.status))),
        status => Err(bad(url, format!("status {status}"))),
    }
}

fn bad(url: &str, problem: String) -> Error {
    Error::BadReply { url: url.to_owned(), problem }
}
