//! Where an answer came from: `Cache-Status`, RFC 9211.

use std::fmt;

use bytes::Bytes;

/// The tier that the bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    Memory,
    Disk,
    Network,
    /// The server said that the stored answer is still right (304).
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
    /// Nothing under this path.
    UriMiss,
    /// Something under this path, but for other request fields (`Vary`).
    VaryMiss,
    /// The stored answer is not fresh.
    Stale,
    /// The stored answer is fresh, but the server is to be asked.
    Request,
}

/// Why a stored answer is used in place of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The server cannot be reached.
    Offline,
    /// It answered with a fault (429, 5xx) or with something that no Carrel server sends.
    Fault,
}

/// One cache's member of `Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// Answered without the server.
    pub hit: bool,
    pub forward: Option<Forward>,
    /// What the server answered to the forwarded request, if that is not what was used.
    pub forward_status: Option<u16>,
    /// Seconds that the answer stays fresh; negative since it is stale.
    pub ttl_s: Option<i64>,
    pub stored: bool,
    /// The request of another caller was shared.
    pub collapsed: bool,
    pub origin: Origin,
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

/// As the field is written: `carrel; hit; ttl=540; detail=memory`.
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

/// An answer and where it came from.
#[derive(Debug, Clone)]
pub struct Cached {
    pub body: Bytes,
    /// When the server last sent or confirmed it (UTC, ms).
    pub as_of_ms: i64,
    /// Its lifetime is over (RFC 9111, 4.2), or its age is unknown.
    pub stale: bool,
    /// The server could not be reached.
    pub offline: bool,
    pub origin: Origin,
    pub status: CacheStatus,
}

impl Cached {
    /// The server was asked, and this is not its answer.
    pub fn fallback(&self) -> Option<Fallback> {
        self.status.fallback
    }
    /// To be shown with "as of ...": stale, or in place of an answer that did not come.
    pub fn is_dated(&self) -> bool {
        self.stale || self.status.fallback.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_rfc_9211_says() {
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
