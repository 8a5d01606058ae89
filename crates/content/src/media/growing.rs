//! Playing what is still being fetched: bytes that are in the unfinished file are read from there, those a little ahead are waited for,
//! those far ahead are asked of the server directly.
//!
//! None of it is proved when it is heard. So only sound and film are answered like this, never a picture or text; nothing of it may be
//! kept by the window; and the moment the whole turns out to be wrong, every player of it hears an error. docs/adr/0006.

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
    blobs::{End, Follower, Place, Reach, read_part},
    library::Library,
    media::{
        answer,
        answer::{CHUNK, Part, UNPROVED},
    },
    media_type::{media_type, plays},
};

/// A player that is this far ahead of what was fetched does not wait for it.
pub const AHEAD: u64 = 2 * 1024 * 1024;
/// Read at once while it comes.
const PIECE: u64 = 64 * 1024;
/// The last bytes are given out only when the whole is proved: nobody gets a complete file that is not.
const HELD_BACK: u64 = 1024;
/// Enough to know what it is.
const HEAD: u64 = 512;

/// What became of a blob that was not here.
pub enum Found {
    /// It is here now, proved.
    Here(Arc<Place>),
    /// It still comes, and can be played meanwhile.
    Playing(Response),
}

/// Finds a blob that is not here (yet), or plays it while it comes.
pub async fn find(
    library: &Library,
    hash: BlobHash,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Found> {
    let follower = match begin(library, hash).await? {
        Begun::Here(place) => return Ok(Found::Here(place)),
        Begun::Coming(follower) => follower,
    };
    let (kind, total) = match first_bytes(follower.clone()).await? {
        Some((kind, total)) if plays(kind) => (kind, total),
        // A picture or a text is shown when it is proved.
        _ => return library.blob(hash).await.map(|place| Found::Here(Arc::new(place))),
    };
    let (status, out, part) = match answer::head(hash, total, kind, UNPROVED, (method, headers)) {
        Ok(found) => found,
        Err(answer) => return Ok(Found::Playing(answer)),
    };
    let far = part.start > follower.now().len.saturating_add(AHEAD);
    let body = match if far { beyond(library, hash, part).await.ok() } else { None } {
        Some(body) => body,
        None => behind(library.clone(), hash, follower, part, total).await,
    };
    Ok(Found::Playing((status, out, body).into_response()))
}

enum Begun {
    Here(Arc<Place>),
    Coming(Follower),
}

/// Follows who fetches it, or sees to it that somebody does.
async fn begin(library: &Library, hash: BlobHash) -> Result<Begun> {
    let mut begun = library.blobs().growing().begun();
    begun.mark_unchanged();
    if let Some(follower) = library.blobs().growing().follow(hash) {
        return Ok(Begun::Coming(follower));
    }
    let fetch = library.clone();
    // It goes on when the player has gone: what was begun is wanted.
    let mut fetched = tokio::spawn(async move { fetch.blob(hash).await });
    loop {
        tokio::select! {
            done = &mut fetched => {
                let place = done.map_err(|e| Error::Internal(e.to_string()))??;
                return Ok(Begun::Here(Arc::new(place)));
            }
            changed = begun.changed() => {
                changed.map_err(|_| Error::Cancelled)?;
                if let Some(follower) = library.blobs().growing().follow(hash) {
                    return Ok(Begun::Coming(follower));
                }
            }
        }
    }
}

/// Waits until the kind and the size are known. `None`: it ended before.
async fn first_bytes(mut follower: Follower) -> Result<Option<(&'static str, u64)>> {
    let known = |reach: &Reach| {
        let enough = reach.total.is_some_and(|total| reach.len >= HEAD.min(total));
        enough || reach.end.is_some()
    };
    let Ok(reach) = follower.reach.wait_for(known).await.map(|r| *r) else { return Ok(None) };
    let Some(total) = reach.total.filter(|_| reach.end.is_none()) else { return Ok(None) };
    let head =
        blocking(move || -> Result<Bytes> { read_part(&mut follower.open()?, 0, HEAD as usize) });
    // The file may have been finished and moved between the two: then it is a blob.
    Ok(head.await.ok().map(|head| (media_type(&head), total)))
}

/// Bytes from the unfinished file, as they come.
async fn behind(
    library: Library,
    hash: BlobHash,
    follower: Follower,
    part: Part,
    total: u64,
) -> Body {
    let free = move |reach: &Reach| reach.len.min(total.saturating_sub(HELD_BACK));
    // It may have been finished and moved just now: then its end is known in a moment.
    let opened = follower.clone();
    let file = blocking(move || opened.open()).await.ok();
    let state = (follower, file, part.start);
    let body = stream::try_unfold(state, move |(mut follower, file, at)| {
        let library = library.clone();
        async move {
            if at >= part.end {
                return Ok(None);
            }
            let readable = file.is_some();
            let there = |reach: &Reach| readable && free(reach) > at || reach.end.is_some();
            let reach = follower.reach.wait_for(there).await.map(|r| *r);
            let reach = reach.map_err(|_| io::Error::other("its writer is gone"))?;
            let bytes = match (reach.end, file) {
                (Some(End::Wrong), _) => {
                    return Err(io::Error::other("other bytes than the hash says"));
                }
                (None, Some(mut file)) => {
                    let len = (free(&reach).min(part.end) - at).min(PIECE) as usize;
                    let read =
                        blocking(move || read_part(&mut file, at, len).map(|bytes| (bytes, file)));
                    let (bytes, file) = read.await.map_err(io::Error::other)?;
                    let next = at + bytes.len() as u64;
                    // Thrown away and begun anew between the two: what came is waited for again.
                    return Ok(Some((bytes, (follower, Some(file), next))));
                }
                // Whole, and so a blob now; or left by its writer, and then fetched to its end here.
                (_, _) => {
                    let place = library.blob(hash).await.map_err(io::Error::other)?;
                    let len = (part.end - at).min(CHUNK) as usize;
                    answer::read(Arc::new(place), at, len).await?
                }
            };
            if bytes.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, (follower, None, next))))
        }
    });
    Body::from_stream(body)
}

/// Bytes far ahead, straight from the server: they pass by and are not kept.
async fn beyond(library: &Library, hash: BlobHash, part: Part) -> Result<Body> {
    let reply = library.fetch_range(hash, part.start, part.end).await?;
    let wanted = part.end - part.start;
    let body = reply.body.scan(0u64, move |sent, piece| {
        let piece = piece.map_err(io::Error::other).and_then(|piece| {
            *sent += piece.len() as u64;
            if *sent > wanted {
                Err(io::Error::other("more than was asked for"))
            } else {
                Ok(piece)
            }
        });
        futures_util::future::ready(Some(piece))
    });
    Ok(Body::from_stream(body))
}
