//! The origin of a response and its `Cache-Status` (RFC 9211).

use std::fmt;

use bytes::Bytes;

/// Where the body of a response came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Read from memory.
    Memory,
    /// Read from `cache.db`.
    Disk,
    /// Received from the server.
    Network,
    /// Stored, and confirmed by the server with a 304.
    Revalidated,
}

impl Origin {
    fn detail(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Revalidated => "revalidated",
        }
    }
}

/// Why a request was sent to the server (RFC 9211, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The route is network-only.
    Bypass,
    /// There is no stored response for this path.
    UriMiss,
    /// The stored responses for this path have other request fields (`Vary`).
    VaryMiss,
    /// The stored response is not fresh.
    Stale,
    /// The stored response is fresh, but a refresh was requested.
    Request,
}

/// Why a stored response is used instead of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The server could not be reached.
    Offline,
    /// The reply was an error (429, 5xx) or not from a Carrel server.
    Fault,
}

/// Fields of a `Cache-Status` member for one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// No request was sent.
    pub hit: bool,
    /// Why a request was sent; `None` for a hit.
    pub forward: Option<Forward>,
    /// Status of the reply to the forwarded request, if it is not the response that was used.
    pub forward_status: Option<u16>,
    /// Remaining lifetime in seconds; negative if stale.
    pub ttl_s: Option<i64>,
    /// The response is in `cache.db`.
    pub stored: bool,
    /// The request of another caller was shared.
    pub collapsed: bool,
    /// Where the body came from.
    pub origin: Origin,
    /// Why a stored response was used after the request; `None` if the server's response was used.
    pub fallback: Option<Fallback>,
}

impl CacheStatus {
    pub(super) fn hit(origin: Origin) -> Self {
        Self {
            hit: true,
            forward: None,
            forward_status: None,
            ttl_s: None,
            stored: false,
            collapsed: false,
            origin,
            fallback: None,
        }
    }
}

/// Written as a field value: `carrel; hit; ttl=540; detail=memory`.
impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("carrel")?;
        if self.hit {
            f.write_str("; hit")?;
        }
        if let Some(why) = self.forward {
            let why = match why {
                Forward::Bypass => "bypass",
                Forward::UriMiss => "uri-miss",
                Forward::VaryMiss => "vary-miss",
                Forward::Stale => "stale",
                Forward::Request => "request",
            };
            write!(f, "; fwd={why}")?;
        }
        if let Some(status) = self.forward_status {
            write!(f, "; fwd-status={status}")?;
        }
        if let Some(ttl) = self.ttl_s {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        let detail = match self.fallback {
            Some(Fallback::Offline) => "offline",
            Some(Fallback::Fault) => "fault",
            None => self.origin.detail(),
        };
        write!(f, "; detail={detail}")
    }
}

/// A response with its origin.
#[derive(Debug, Clone)]
pub struct Cached {
    /// The JSON document.
    pub body: Bytes,
    /// When the server last sent or confirmed it (UTC, ms).
    pub as_of_ms: i64,
    /// The lifetime has ended (RFC 9111, 4.2), or the age is unknown.
    pub stale: bool,
    /// The server could not be reached.
    pub offline: bool,
    /// Where the body came from.
    pub origin: Origin,
    /// `Cache-Status` of the response.
    pub status: CacheStatus,
}

impl Cached {
    /// Returns why a stored response was used although a request was sent.
    pub fn fallback(&self) -> Option<Fallback> {
        self.status.fallback
    }
    /// Returns true if it is stale or a fallback, and so is to be displayed with "as of ...".
    pub fn is_dated(&self) -> bool {
        self.stale || self.status.fallback.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_formatted_as_in_rfc_9211() {
        let hit = CacheStatus { ttl_s: Some(540), ..CacheStatus::hit(Origin::Memory) };
        assert_eq!(hit.to_string(), "carrel; hit; ttl=540; detail=memory");
        let fault = CacheStatus {
            hit: false,
            forward: Some(Forward::Stale),
            forward_status: Some(503),
            ttl_s: Some(-60),
            collapsed: true,
            fallback: Some(Fallback::Fault),
            ..hit
        };
        assert_eq!(
            fault.to_string(),
            "carrel; fwd=stale; fwd-status=503; ttl=-60; collapsed; detail=fault"
        );
    }
}
