//! Requests for blobs, and checks of the heads of replies.

use std::time::Duration;

use carrel_model::{BlobHash, ErrorCode};
use carrel_net::{Error as Net, Reply, Request, reply::ClassifiedReply};
use http::header;

use super::BlobRequest;
use crate::{Error, Result};

/// Timeout for the head of a reply and for each piece of the body.
const TIMEOUT: Duration = Duration::from_secs(30);
const HTML_PAGE: &str = "received an HTML page, possibly from a captive portal";

/// Why an attempt failed.
pub(super) enum TransferError {
    /// Failed before the end; received bytes are kept, and the request is repeated.
    Interrupted(Error),
    /// The server or a proxy handles ranges incorrectly: the whole blob is requested, and stored bytes
    /// are compared and skipped.
    Range(Error),
    /// The reply differs from the stored bytes; either may be wrong.
    Differs(Error),
    /// Not retried.
    Final(Error),
}

impl From<Error> for TransferError {
    fn from(e: Error) -> Self {
        Self::Final(e)
    }
}

/// Builds a request for the bytes from `from` up to `end` (exclusive), or to the end of the blob.
/// `If-Range` contains the hash, so that bytes of another file are not appended.
pub(super) fn request(
    url: &str,
    hash: BlobHash,
    media_type: &str,
    from: u64,
    end: Option<u64>,
) -> Request {
    let request = Request::get(url).timeout(TIMEOUT);
    let range = match end {
        Some(end) => format!("bytes={from}-{}", end.saturating_sub(1)),
        None if from > 0 => format!("bytes={from}-"),
        None if is_compressed(media_type) => return request,
        None => return request.header(header::ACCEPT_ENCODING, "identity"),
    };
    request
        .header(header::RANGE, &range)
        .header(header::IF_RANGE, &format!("\"{hash}\""))
        // Compressed bytes cannot be appended to the stored bytes.
        .header(header::ACCEPT_ENCODING, "identity")
}

/// Returns whether this type may be compressed in transfer; also true for an unknown type.
fn is_compressed(media_type: &str) -> bool {
    media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type.contains("json")
        || media_type.contains("svg")
}

/// Checks by the head that the reply is this blob, either whole or from byte `from`. Returns the reply
/// and the length of the whole blob, if the head contains it.
pub(super) async fn check(
    reply: Reply,
    url: &str,
    blob: &BlobRequest<'_>,
    size: Option<u64>,
    from: u64,
    now_ms: i64,
) -> Result<(Reply, Option<u64>), TransferError> {
    match reply.status {
        200 | 206 => {}
        416 => return Err(TransferError::Range(protocol_error(url, "range not satisfiable"))),
        _ => return Err(TransferError::Final(refused(url, reply, now_ms).await)),
    }
    let tag = tag(&reply);
    if is_html(&reply) && !blob.media_type.starts_with("text/html") && tag != Some(blob.hash) {
        return Err(TransferError::Final(bad_reply(url, HTML_PAGE)));
    }
    if tag.is_some_and(|other| other != blob.hash) {
        let problem = Error::Corrupt(format!("{url}: entity tag of another file"));
        // A proxy may have stored the reply to the request for another range.
        return Err(if from > 0 {
            TransferError::Range(problem)
        } else {
            TransferError::Final(problem)
        });
    }
    if reply.status == 206 {
        let range = content_range(&reply);
        let total = range.and_then(|(_, total)| total);
        let fits = from > 0
            && range.is_some_and(|(first, _)| first == from)
            && (total.is_none() || size.is_none() || total == size);
        return match fits {
            true => Ok((reply, total)),
            false => Err(TransferError::Range(protocol_error(url, "unrequested range"))),
        };
    }
    // The length of a compressed body is not that of the blob.
    let is_plain = reply.header(header::CONTENT_ENCODING).is_none_or(|e| e.trim().is_empty());
    let length = length(&reply).filter(|_| is_plain);
    if let (Some(length), Some(size)) = (length, size)
        && length != size
    {
        let problem = protocol_error(url, "length differs from the manifest");
        // For example, a proxy sends the range with status 200.
        return Err(if from > 0 {
            TransferError::Range(problem)
        } else {
            TransferError::Interrupted(problem)
        });
    }
    Ok((reply, length))
}

/// Checks the reply to a request for a range that starts at `start`.
pub(super) async fn check_range(
    reply: Reply,
    url: &str,
    hash: BlobHash,
    start: u64,
    now_ms: i64,
) -> Result<Reply> {
    if !matches!(reply.status, 200 | 206) {
        return Err(super::for_readers(refused(url, reply, now_ms).await));
    }
    match tag(&reply) {
        Some(other) if other != hash => return Err(bad_reply(url, "entity tag of another file")),
        None if is_html(&reply) => return Err(bad_reply(url, HTML_PAGE)),
        _ => {}
    }
    match content_range(&reply) {
        Some((first, _)) if first == start && reply.status == 206 => Ok(reply),
        _ => Err(bad_reply(url, &format!("range does not start at {start}"))),
    }
}

/// Returns whether the reply is identified as this blob by its entity tag or its length.
pub(super) fn is_identified(reply: &Reply, hash: BlobHash, size: Option<u64>) -> bool {
    tag(reply) == Some(hash) || (size.is_some() && length(reply) == size)
}

/// Returns the entity tag, if it is a blob hash.
fn tag(reply: &Reply) -> Option<BlobHash> {
    let text = reply.header(header::ETAG)?.trim();
    text.trim_start_matches("W/").trim_matches('"').parse().ok()
}

fn length(reply: &Reply) -> Option<u64> {
    reply.header(header::CONTENT_LENGTH)?.trim().parse().ok()
}

fn is_html(reply: &Reply) -> bool {
    carrel_net::reply::is_html(&reply.headers)
}

/// Parses `Content-Range: bytes FIRST-LAST/TOTAL`. Returns the first byte, and the total if known.
fn content_range(reply: &Reply) -> Option<(u64, Option<u64>)> {
    let text = reply.header(header::CONTENT_RANGE)?;
    let (unit, range) = text.trim().split_once(' ')?;
    let (part, total) = range.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let (first, last) = part.trim().split_once('-')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse::<u64>().ok()?),
    };
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}

/// Returns the error for a reply with a status other than 200 and 206.
async fn refused(url: &str, reply: Reply, now_ms: i64) -> Error {
    ClassifiedReply::read(reply, Some(now_ms)).await.into_file_error(url).into()
}

/// Returns the error for a reply that is not from a Carrel server.
pub(super) fn bad_reply(url: &str, problem: &str) -> Error {
    Net::BadReply { url: url.to_owned(), problem: problem.to_owned() }.into()
}
/// Returns the error for a Carrel server, or a proxy, that violates the protocol.
pub(super) fn protocol_error(url: &str, problem: &str) -> Error {
    Net::Server {
        status: 200,
        code: ErrorCode::BadReply,
        detail: format!("{url}: {problem}"),
        retry_after_ms: None,
    }
    .into()
}
pub(super) fn corrupt(hash: BlobHash) -> Error {
    Error::Corrupt(format!("blob {hash:?}: bytes do not match the hash"))
}
pub(super) fn truncated(url: &str, received: u64, size: u64) -> Error {
    Net::offline(format!("{url} ended after {received} of {size} bytes")).into()
}
