//! Playback during download. Bytes in the partial file are read from it. Bytes at most `MAX_WAIT_BYTES`
//! ahead are waited for; bytes further ahead are requested from the server.
//!
//! These bytes are played before they are verified. Therefore only audio and video are served, the
//! response is `no-store`, and readers of the partial file get an error if the hash does not match.
//! See docs/adr/0006.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_system::blocking;
use futures_util::{StreamExt, stream};

use crate::{
    Error, Result,
    blobs::{BlobLocation, PartEnd, PartProgress, PartReader, read_part},
    library::Library,
    media::{
        response,
        response::{ByteRange, CHUNK, NO_STORE},
    },
    media_type::{is_playable, media_type},
};

/// Largest distance from the end of the partial file, in bytes, for which a response waits.
pub const MAX_WAIT_BYTES: u64 = 2 * 1024 * 1024;
/// Largest read from a partial file, in bytes.
const MAX_READ: u64 = 64 * 1024;
/// Bytes at the end that are sent only after verification, so that no complete file is sent unverified.
const HELD_BACK: u64 = 1024;
/// Bytes needed to detect the media type.
const TYPE_BYTES: u64 = 512;

/// The result for a blob that was not stored.
pub enum Found {
    /// Stored and verified in the meantime.
    Stored(Arc<BlobLocation>),
    /// Being fetched; the response contains its bytes as they are received.
    Partial(Response),
}

/// Fetches a blob that is not stored. Audio and video are served while they are fetched.
pub async fn find(
    library: &Library,
    hash: BlobHash,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Found> {
    let reader = match find_source(library, hash).await? {
        Source::Stored(location) => return Ok(Found::Stored(location)),
        Source::Writing(reader) => reader,
    };
    let (kind, total) = match first_bytes(reader.clone()).await? {
        Some((kind, total)) if is_playable(kind) => (kind, total),
        // Images and text are shown only after verification.
        _ => return library.blob(hash).await.map(|location| Found::Stored(Arc::new(location))),
    };
    let (status, out, range) =
        match response::begin_response(hash, total, kind, NO_STORE, (method, headers)) {
            Ok(found) => found,
            Err(response) => return Ok(Found::Partial(response)),
        };
    let is_far = range.start > reader.current().len.saturating_add(MAX_WAIT_BYTES);
    let body = match if is_far { from_server(library, hash, range).await.ok() } else { None } {
        Some(body) => body,
        None => from_part_file(library.clone(), hash, reader, range, total).await,
    };
    Ok(Found::Partial((status, out, body).into_response()))
}

enum Source {
    Stored(Arc<BlobLocation>),
    Writing(PartReader),
}

/// Returns the current writer of the blob, or starts a fetch.
async fn find_source(library: &Library, hash: BlobHash) -> Result<Source> {
    let mut registrations = library.blobs().partial_blobs().registrations();
    registrations.mark_unchanged();
    if let Some(reader) = library.blobs().partial_blobs().reader(hash) {
        return Ok(Source::Writing(reader));
    }
    let fetch = library.clone();
    // The fetch continues if the player disconnects.
    let mut fetched = tokio::spawn(async move { fetch.blob(hash).await });
    loop {
        tokio::select! {
            done = &mut fetched => {
                let location = done.map_err(|e| Error::Internal(e.to_string()))??;
                return Ok(Source::Stored(Arc::new(location)));
            }
            changed = registrations.changed() => {
                changed.map_err(|_| Error::Cancelled)?;
                if let Some(reader) = library.blobs().partial_blobs().reader(hash) {
                    return Ok(Source::Writing(reader));
                }
            }
        }
    }
}

/// Waits for the first bytes and returns type and size; `None` if writing has ended.
async fn first_bytes(mut reader: PartReader) -> Result<Option<(&'static str, u64)>> {
    let is_known = |progress: &PartProgress| {
        let enough = progress.total.is_some_and(|total| progress.len >= TYPE_BYTES.min(total));
        enough || progress.end.is_some()
    };
    let Ok(progress) = reader.progress.wait_for(is_known).await.map(|r| *r) else {
        return Ok(None);
    };
    let Some(total) = progress.total.filter(|_| progress.end.is_none()) else { return Ok(None) };
    let first = blocking(move || -> Result<Bytes> {
        read_part(&mut reader.open()?, 0, TYPE_BYTES as usize)
    });
    // An error means that the file was renamed and is a blob now.
    Ok(first.await.ok().map(|first| (media_type(&first), total)))
}

/// Returns a body that reads the partial file while it is written, and then the stored blob.
async fn from_part_file(
    library: Library,
    hash: BlobHash,
    reader: PartReader,
    range: ByteRange,
    total: u64,
) -> Body {
    let available =
        move |progress: &PartProgress| progress.len.min(total.saturating_sub(HELD_BACK));
    // If the file was renamed in the meantime, the writer reports its end shortly.
    let opened = reader.clone();
    let file = blocking(move || opened.open()).await.ok();
    let state = (reader, file, range.start);
    let body = stream::try_unfold(state, move |(mut reader, file, at)| {
        let library = library.clone();
        async move {
            if at >= range.end {
                return Ok(None);
            }
            let readable = file.is_some();
            let is_available = |progress: &PartProgress| {
                readable && available(progress) > at || progress.end.is_some()
            };
            let progress = reader.progress.wait_for(is_available).await.map(|r| *r);
            let progress = progress.map_err(|_| io::Error::other("the writer was dropped"))?;
            let bytes = match (progress.end, file) {
                (Some(PartEnd::Corrupt), _) => {
                    return Err(io::Error::other("bytes do not match the hash"));
                }
                (None, Some(mut file)) => {
                    let len = (available(&progress).min(range.end) - at).min(MAX_READ) as usize;
                    let read =
                        blocking(move || read_part(&mut file, at, len).map(|bytes| (bytes, file)));
                    let (bytes, file) = read.await.map_err(io::Error::other)?;
                    let next = at + bytes.len() as u64;
                    // After a restart of the file the read is empty, and is repeated.
                    return Ok(Some((bytes, (reader, Some(file), next))));
                }
                // The blob is complete, or the writer was dropped and the blob is fetched here.
                (_, _) => {
                    let location = library.blob(hash).await.map_err(io::Error::other)?;
                    let len = (range.end - at).min(CHUNK) as usize;
                    response::read(Arc::new(location), at, len).await?
                }
            };
            if bytes.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, (reader, None, next))))
        }
    });
    Body::from_stream(body)
}

/// Forwards the range from the server without storing it.
async fn from_server(library: &Library, hash: BlobHash, range: ByteRange) -> Result<Body> {
    let reply = library.fetch_range(hash, range.start, range.end).await?;
    let wanted = range.end - range.start;
    let body = reply.body.scan(0u64, move |sent, piece| {
        let piece = piece.map_err(io::Error::other).and_then(|piece| {
            *sent += piece.len() as u64;
            if *sent > wanted {
                Err(io::Error::other("response exceeds the requested range"))
            } else {
                Ok(piece)
            }
        });
        futures_util::future::ready(Some(piece))
    });
    Ok(Body::from_stream(body))
}
