//! Causes of network failures, for messages to users: name resolution, connection, TLS, proxy.
//!
//! Not here: when a failed request is repeated (`retry`).

use std::{error::Error, io};

use rustls::CertificateError;

/// Why a connection failed, as precisely as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkCause {
    /// The name of the server is unknown, or no name server replied.
    Dns,
    /// The device has no route to the address.
    NoRoute,
    /// The computer replied that no program listens on the port.
    Refused,
    /// No reply in time.
    Timeout,
    /// The connection was closed before the reply was complete.
    Interrupted,
    /// The certificate is not signed by an authority that the device trusts.
    CertificateUntrusted,
    /// The certificate has expired, or the device's clock is ahead.
    CertificateExpired,
    /// The certificate is not valid yet, or the device's clock is behind.
    CertificateNotYetValid,
    /// The certificate is of another server.
    CertificateWrongHost,
    /// The authority has revoked the certificate.
    CertificateRevoked,
    /// The certificate is malformed or not usable for a server.
    CertificateInvalid,
    /// Server and app have no version of TLS or cipher in common.
    TlsVersion,
    /// The server does not speak TLS on this port.
    NotTls,
    /// TLS failed for another reason.
    TlsFailed,
    /// The proxy cannot be reached.
    ProxyUnreachable,
    /// The proxy requires a name and a password, or refused them.
    ProxyAuthentication,
    /// The proxy replied, but did not connect to the server.
    ProxyRefused,
    /// The proxy configuration script cannot be loaded or run.
    ProxyScript,
}

impl NetworkCause {
    /// All causes.
    pub const ALL: [Self; 18] = [
        Self::Dns,
        Self::NoRoute,
        Self::Refused,
        Self::Timeout,
        Self::Interrupted,
        Self::CertificateUntrusted,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateWrongHost,
        Self::CertificateRevoked,
        Self::CertificateInvalid,
        Self::TlsVersion,
        Self::NotTls,
        Self::TlsFailed,
        Self::ProxyUnreachable,
        Self::ProxyAuthentication,
        Self::ProxyRefused,
        Self::ProxyScript,
    ];

    /// Returns the name, for which the UI has a message (`network.NAME`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::NoRoute => "no_route",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateWrongHost => "certificate_wrong_host",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateInvalid => "certificate_invalid",
            Self::TlsVersion => "tls_version",
            Self::NotTls => "not_tls",
            Self::TlsFailed => "tls_failed",
            Self::ProxyUnreachable => "proxy_unreachable",
            Self::ProxyAuthentication => "proxy_authentication",
            Self::ProxyRefused => "proxy_refused",
            Self::ProxyScript => "proxy_script",
        }
    }

    /// Returns what the user or an administrator can do about it, in lower case.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Dns => "check the server's address and the network connection",
            Self::NoRoute => "check the network connection",
            Self::Refused => "check the server's address and port, and that the server runs",
            Self::Timeout | Self::Interrupted => {
                "retried automatically when the network is available"
            }
            Self::CertificateUntrusted => {
                "install the certificate of your organisation's authority on this device; do not sign in on an \
                 unknown network"
            }
            Self::CertificateExpired => {
                "check the date and time of this device; otherwise the server's certificate must be renewed"
            }
            Self::CertificateNotYetValid => "check the date and time of this device",
            Self::CertificateWrongHost => {
                "check the server's address: its certificate is of another name"
            }
            Self::CertificateRevoked | Self::CertificateInvalid => {
                "the server needs a new certificate"
            }
            Self::TlsVersion => "the server or a device in between must support TLS 1.2 or 1.3",
            Self::NotTls => "check the address: the port may be of an http:// address",
            Self::TlsFailed => {
                "check the server's certificate, or a device in between that inspects connections"
            }
            Self::ProxyUnreachable => "check the proxy settings of this device",
            Self::ProxyAuthentication => "enter the name and the password for the proxy",
            Self::ProxyRefused => "the proxy must allow connections to this server",
            Self::ProxyScript => "check the address of the proxy configuration script",
        }
    }

    /// Returns the cause of an error of the HTTP client; `None` if it is of another kind.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut found = None;
        let mut source = Some(error);
        while let Some(e) = source {
            // The innermost cause is the most precise one.
            found = Self::of_one(e).or(found);
            source = match e.downcast_ref::<io::Error>() {
                Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => e.source(),
            };
        }
        found
    }

    fn of_one(e: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(e) = e.downcast_ref::<rustls::Error>() {
            return Some(Self::of_tls(e));
        }
        if e.is::<crate::dns::NotResolved>() {
            return Some(Self::Dns);
        }
        if let Some(e) = e.downcast_ref::<io::Error>() {
            return match e.kind() {
                io::ErrorKind::ConnectionRefused => Some(Self::Refused),
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable => Some(Self::NoRoute),
                io::ErrorKind::TimedOut => Some(Self::Timeout),
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => Some(Self::Interrupted),
                _ => None,
            };
        }
        // The type of these errors is private to the HTTP client.
        match e.to_string().strip_prefix("tunnel error: ")? {
            "proxy authorization required" => Some(Self::ProxyAuthentication),
            "unsuccessful" | "unexpected end of file" | "proxy response headers too long" => {
                Some(Self::ProxyRefused)
            }
            _ => None,
        }
    }

    fn of_tls(e: &rustls::Error) -> Self {
        use rustls::{AlertDescription, Error as Tls};
        match e {
            Tls::InvalidCertificate(certificate) => match certificate {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::CertificateExpired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::CertificateNotYetValid
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::CertificateWrongHost,
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::CertificateUntrusted
                }
                CertificateError::Revoked => Self::CertificateRevoked,
                // The verifiers of the systems report some problems only as text.
                CertificateError::Other(other) => Self::of_certificate_text(&other.to_string()),
                _ => Self::CertificateInvalid,
            },
            Tls::InvalidMessage(_) => Self::NotTls,
            Tls::PeerIncompatible(_) => Self::TlsVersion,
            Tls::AlertReceived(
                AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
            ) => Self::TlsVersion,
            _ => Self::TlsFailed,
        }
    }

    fn of_certificate_text(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.as_str() {
            t if t.contains("issuer") || t.contains("trust") || t.contains("self-signed") => {
                Self::CertificateUntrusted
            }
            t if t.contains("expired") => Self::CertificateExpired,
            t if t.contains("revoked") => Self::CertificateRevoked,
            _ => Self::CertificateInvalid,
        }
    }
}
