//! One download from manifest to last byte.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use carrel_model::{ErrorCode, Slug};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header;

use super::{PARALLEL, Wish, queue};
use crate::{
    Change, Error, Result,
    cache::{Came, INLINE, Missing},
    http::{Reply, Request},
    library::{Kind, Library, OpenManifest},
};

/// The state in the database follows the bytes at most this often.
const NOTE_EVERY_MS: i64 = 250;

/// Fetches what is missing and returns the manifest whose bytes are now all here, with the number of its version in the queue.
pub async fn fetch_all(
    library: &Library,
    kind: Kind,
    id: &Slug,
) -> Result<(Arc<OpenManifest>, i64)> {
    let found = library.manifest_of_server(kind, id).await?;
    if found.offline {
        return Err(Error::Offline("the server cannot be reached".into()));
    }
    let manifest = found.value;
    let blobs = &manifest.manifest.blobs;
    let version = queue::set_wanted(library, &Wish::whole(kind, id), &manifest, blobs)?;
    // Small ones first: text can be read while the films still come.
    let missing = library.blobs().missing(version)?;
    let done = manifest.manifest.total_bytes() - missing.iter().map(|b| b.size).sum::<u64>();
    let meter =
        Meter { library, kind, id, done: AtomicU64::new(done), noted_ms: AtomicI64::new(i64::MIN) };
    meter.tell();
    stream::iter(missing.into_iter().map(Ok))
        .try_for_each_concurrent(PARALLEL, |blob| {
            let meter = &meter;
            async move { fetch_blob(library, &blob, meter).await }
        })
        .await?;
    Ok((manifest, version))
}

async fn fetch_blob(library: &Library, blob: &Missing, meter: &Meter<'_>) -> Result<()> {
    let url = format!("{}/api/blobs/{}", library.base_url(), blob.hash);
    if blob.size <= INLINE {
        let reply = accept(&url, library.http().send(Request::get(&url)).await?)?;
        let bytes = reply.bytes(INLINE as usize).await?;
        library.blobs().put_from(blob.hash, &bytes, Came::Ahead)?;
        meter.add(bytes.len() as u64);
        return Ok(());
    }
    let mut part = library.blobs().part(blob.hash)?;
    if part.len() > blob.size {
        part.restart()?;
    }
    let resumed = part.len();
    if resumed < blob.size {
        let mut request = Request::get(&url).timeout(Duration::from_secs(30));
        if resumed > 0 {
            // The hash is the entity tag: bytes of another file cannot be joined to ours.
            request = request
                .header(header::RANGE, &format!("bytes={resumed}-"))
                .header(header::IF_RANGE, &format!("\"{}\"", blob.hash));
        }
        let mut reply = accept(&url, library.http().send(request).await?)?;
        let continues = reply.status == 206
            && reply
                .header(header::CONTENT_RANGE)
                .is_some_and(|r| r.starts_with(&format!("bytes {resumed}-")));
        if continues {
            meter.add(resumed);
        } else {
            part.restart()?;
        }
        while let Some(piece) = reply.body.next().await {
            let piece = piece?;
            if part.len() + piece.len() as u64 > blob.size {
                part.restart()?;
                return Err(Error::Corrupt(format!("{url} sends more than the manifest says")));
            }
            part.write(&piece)?;
            meter.add(piece.len() as u64);
        }
        if part.len() < blob.size {
            return Err(Error::Offline(format!(
                "{url} ended after {} of {} bytes",
                part.len(),
                blob.size
            )));
        }
    } else {
        meter.add(resumed);
    }
    tokio::task::spawn_blocking(move || part.finish())
        .await
        .map_err(|e| Error::Internal(e.to_string()))?
}

/// A reply that carries bytes, or what it says instead.
fn accept(url: &str, reply: Reply) -> Result<Reply> {
    match reply.status {
        200 | 206 => Ok(reply),
        401 => Err(Error::Unauthenticated),
        404 | 410 => Err(Error::Server {
            status: reply.status,
            code: ErrorCode::NotFound,
            detail: format!("{url} is gone"),
            retry_after_ms: None,
        }),
        // Busy or broken: the queue tries again.
        408 | 425 | 429 | 500.. => Err(Error::Offline(format!("{url} answered {}", reply.status))),
        status => Err(Error::BadReply { url: url.to_owned(), problem: format!("status {status}") }),
    }
}

/// Counts bytes and lets others know, not too often.
struct Meter<'a> {
    library: &'a Library,
    kind: Kind,
    id: &'a Slug,
    done: AtomicU64,
    noted_ms: AtomicI64,
}

impl Meter<'_> {
    fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = self.library.clock().monotonic_ms();
        let last = self.noted_ms.load(Ordering::Relaxed);
        if now >= last.saturating_add(NOTE_EVERY_MS)
            && self
                .noted_ms
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.tell();
        }
    }
    fn tell(&self) {
        if let Err(e) = queue::set_done(
            self.library,
            &Wish::whole(self.kind, self.id),
            self.done.load(Ordering::Relaxed),
        ) {
            tracing::warn!(download.id = %self.id, error = %e, "progress of a download was not noted");
        }
        self.library.changes().tell_one(Change::DownloadMoved(self.id.clone()));
    }
}
