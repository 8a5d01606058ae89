//! Playback during download. Bytes in the partial file are read from it, bytes slightly ahead are
//! waited for, bytes far ahead are requested from the server.
//!
//! The bytes are not verified when they are played. Therefore only audio and video are served in
//! this way, never images or text; the UI may not store them; and if the whole turns out to be
//! wrong, every player gets an error. See docs/adr/0006.

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
    blobs::{PartEnd, PartReader, BlobLocation, PartProgress, read_part},
    library::Library,
    media::{
        answer,
        answer::{CHUNK, Part, NO_STORE},
    },
    media_type::{media_type, plays},
};

/// Distance, in bytes, beyond which a player does not wait for the partial file.
pub const AHEAD: u64 = 2 * 1024 * 1024;
/// Largest read from a partial file, in bytes.
const PIECE: u64 = 64 * 1024;
/// Bytes held back until the whole is verified, so that no complete file is served unverified.
const HELD_BACK: u64 = 1024;
/// Bytes needed to detect the media type.
const HEAD: u64 = 512;

/// The result for a blob that was not stored.
pub enum Found {
    /// Stored and verified in the meantime.
    Here(Arc<BlobLocation>),
    /// Being fetched; the response plays it meanwhile.
    Playing(Response),
}

/// Waits for a blob that is not stored, or plays it while it arrives.
pub async fn find(
    library: &Library,
    hash: BlobHash,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Found> {
    let reader = match begin(library, hash).await? {
        Begun::Here(location) => return Ok(Found::Here(location)),
        Begun::Coming(reader) => reader,
    };
    let (kind, total) = match first_bytes(reader.clone()).await? {
        Some((kind, total)) if plays(kind) => (kind, total),
        // Images and text are shown only after verification.
        _ => return library.blob(hash).await.map(|location| Found::Here(Arc::new(location))),
    };
    let (status, out, part) = match answer::head(hash, total, kind, NO_STORE, (method, headers)) {
        Ok(found) => found,
        Err(answer) => return Ok(Found::Playing(answer)),
    };
    let far = part.start > reader.current().len.saturating_add(AHEAD);
    let body = match if far { beyond(library, hash, part).await.ok() } else { None } {
        Some(body) => body,
        None => behind(library.clone(), hash, reader, part, total).await,
    };
    Ok(Found::Playing((status, out, body).into_response()))
}

enum Begun {
    Here(Arc<BlobLocation>),
    Coming(PartReader),
}

/// Follows the current writer, or starts a fetch.
async fn begin(library: &Library, hash: BlobHash) -> Result<Begun> {
    let mut begun = library.blobs().partial_blobs().registrations();
    begun.mark_unchanged();
    if let Some(reader) = library.blobs().partial_blobs().reader(hash) {
        return Ok(Begun::Coming(reader));
    }
    let fetch = library.clone();
    // The fetch continues without the player, because the blob was requested.
    let mut fetched = tokio::spawn(async move { fetch.blob(hash).await });
    loop {
        tokio::select! {
            done = &mut fetched => {
                let location = done.map_err(|e| Error::Internal(e.to_string()))??;
                return Ok(Begun::Here(Arc::new(location)));
            }
            changed = begun.changed() => {
                changed.map_err(|_| Error::Cancelled)?;
                if let Some(reader) = library.blobs().partial_blobs().reader(hash) {
                    return Ok(Begun::Coming(reader));
                }
            }
        }
    }
}

/// Waits until the type and the size are known. Returns `None` if writing ended before.
async fn first_bytes(mut reader: PartReader) -> Result<Option<(&'static str, u64)>> {
    let known = |progress: &PartProgress| {
        let enough = progress.total.is_some_and(|total| progress.len >= HEAD.min(total));
        enough || progress.end.is_some()
    };
    let Ok(progress) = reader.progress.wait_for(known).await.map(|r| *r) else { return Ok(None) };
    let Some(total) = progress.total.filter(|_| progress.end.is_none()) else { return Ok(None) };
    let head =
        blocking(move || -> Result<Bytes> { read_part(&mut reader.open()?, 0, HEAD as usize) });
    // If the file got its final name in the meantime, it is a blob now.
    Ok(head.await.ok().map(|head| (media_type(&head), total)))
}

/// Reads bytes from the partial file as they arrive.
async fn behind(
    library: Library,
    hash: BlobHash,
    reader: PartReader,
    part: Part,
    total: u64,
) -> Body {
    let free = move |progress: &PartProgress| progress.len.min(total.saturating_sub(HELD_BACK));
    // It may have been finished in the meantime; its end is then reported shortly.
    let opened = reader.clone();
    let file = blocking(move || opened.open()).await.ok();
    let state = (reader, file, part.start);
    let body = stream::try_unfold(state, move |(mut reader, file, at)| {
        let library = library.clone();
        async move {
            if at >= part.end {
                return Ok(None);
            }
            let readable = file.is_some();
            let there = |progress: &PartProgress| readable && free(progress) > at || progress.end.is_some();
            let progress = reader.progress.wait_for(there).await.map(|r| *r);
            let progress = progress.map_err(|_| io::Error::other("the writer was dropped"))?;
            let bytes = match (progress.end, file) {
                (Some(PartEnd::Corrupt), _) => {
                    return Err(io::Error::other("bytes do not match the hash"));
                }
                (None, Some(mut file)) => {
                    let len = (free(&progress).min(part.end) - at).min(PIECE) as usize;
                    let read =
                        blocking(move || read_part(&mut file, at, len).map(|bytes| (bytes, file)));
                    let (bytes, file) = read.await.map_err(io::Error::other)?;
                    let next = at + bytes.len() as u64;
                    // If the file was restarted in the meantime, the read is empty and repeated.
                    return Ok(Some((bytes, (reader, Some(file), next))));
                }
                // Complete, and a blob now; or the writer gave up, and the rest is fetched here.
                (_, _) => {
                    let location = library.blob(hash).await.map_err(io::Error::other)?;
                    let len = (part.end - at).min(CHUNK) as usize;
                    answer::read(Arc::new(location), at, len).await?
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

/// Passes bytes far ahead on from the server without storing them.
async fn beyond(library: &Library, hash: BlobHash, part: Part) -> Result<Body> {
    let reply = library.fetch_range(hash, part.start, part.end).await?;
    let wanted = part.end - part.start;
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
