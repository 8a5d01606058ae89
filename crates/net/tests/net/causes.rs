//! Each cause of a failed connection is recognised.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use carrel_net::{Error, Failure, Http, LiveHttp, NetworkCause, NetworkSettings, Request};
use carrel_system::SystemClock;
use carrel_testkit::{
    certificates::{CertificateAuthority, Validity},
    servers::{TlsVersion, closed_port, http, https, listen, read_head, scripted},
};
use tokio::io::AsyncWriteExt;

/// More than a busy machine needs for a reply.
const LIMIT: Duration = Duration::from_secs(60);

/// Fetches a URL; returns the status and the body.
pub async fn fetch(http: &LiveHttp, url: &str) -> Result<(u16, Vec<u8>), Failure> {
    fetch_within(http, url, LIMIT).await
}

async fn fetch_within(
    http: &LiveHttp,
    url: &str,
    limit: Duration,
) -> Result<(u16, Vec<u8>), Failure> {
    let request = Request::get(url).timeout(limit);
    let reply = http.send(request).await?;
    let status = reply.status;
    Ok((status, reply.bytes(1024).await?.to_vec()))
}

pub fn client(settings: NetworkSettings) -> LiveHttp {
    LiveHttp::with_settings("Carrel/test", &settings, Arc::new(SystemClock::new())).unwrap()
}

/// Returns the cause of the failure for a certificate of an unknown authority. Wine 8 reports that the revocation of the
/// certificate could not be checked, before it reports the authority.
pub fn unknown_authority() -> NetworkCause {
    if std::env::var_os("CARREL_UNDER_WINE").is_some() {
        NetworkCause::CertificateInvalid
    } else {
        NetworkCause::CertificateUntrusted
    }
}

fn trusting(authority: &CertificateAuthority) -> LiveHttp {
    client(NetworkSettings { extra_ca: vec![authority.pem().into()], ..Default::default() })
}

#[tokio::test]
async fn an_additional_authority_is_trusted_with_tls_1_2_and_1_3() {
    let authority = CertificateAuthority::new("School CA");
    let identity = authority.issue(&["localhost", "127.0.0.1"], Validity::CURRENT);
    for (version, name) in [(TlsVersion::Tls12, "1.2"), (TlsVersion::Tls13, "1.3")] {
        let port = https(&identity, version).await;
        for host in ["localhost", "127.0.0.1"] {
            let reply = fetch(&trusting(&authority), &format!("https://{host}:{port}/")).await;
            assert_eq!(reply.unwrap(), (200, b"hello".to_vec()), "TLS {name}, {host}");
        }
    }
    // Several authorities in one file, with text between them.
    let other = CertificateAuthority::new("Another CA");
    let bundle = format!("# Other\n{}\n# School\n{}\n", other.pem(), authority.pem());
    let both = client(NetworkSettings { extra_ca: vec![bundle.into()], ..Default::default() });
    let port = https(&identity, TlsVersion::Tls13).await;
    assert_eq!(fetch(&both, &format!("https://localhost:{port}/")).await.unwrap().0, 200);
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test prints the reason")]
async fn a_server_with_only_an_ipv6_address_is_reached() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        return eprintln!("skipped: this system has no IPv6");
    };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            read_head(&mut socket).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        }
    });
    let http = client(NetworkSettings::default());
    // The name has an IPv4 address too, on which nothing listens.
    for host in ["[::1]", "app.localhost"] {
        let reply = fetch(&http, &format!("http://{host}:{port}/")).await;
        assert_eq!(reply.unwrap(), (200, b"hello".to_vec()), "{host}");
    }
}

/// The system's authorities are replaced by `SSL_CERT_FILE`, which is read once per process; so this runs in a child.
#[tokio::test]
async fn without_any_authority_of_the_system_plain_connections_and_additional_ones_work() {
    const CHILD: &str = "CARREL_TEST_NO_AUTHORITY";
    if std::env::var_os(CHILD).is_none() {
        let empty = tempfile::tempdir().unwrap();
        std::fs::write(empty.path().join("none.pem"), "").unwrap();
        let name = "causes::without_any_authority_of_the_system_plain_connections_and_additional_ones_work";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, "1")
            .env("SSL_CERT_FILE", empty.path().join("none.pem"))
            .env("SSL_CERT_DIR", empty.path())
            .output()
            .unwrap();
        return assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }
    let authority = CertificateAuthority::new("School CA");
    let secure =
        https(&authority.issue(&["localhost"], Validity::CURRENT), TlsVersion::Tls13).await;
    let plain = http().await;
    let none = client(NetworkSettings::default());
    assert_eq!(fetch(&none, &format!("http://localhost:{plain}/")).await.unwrap().0, 200);
    let failure =
        fetch(&none, &format!("https://localhost:{secure}/")).await.expect_err("untrusted");
    assert_eq!(failure.cause, Some(unknown_authority()), "{failure}");
    assert_eq!(
        fetch(&trusting(&authority), &format!("https://localhost:{secure}/")).await.unwrap().0,
        200
    );
}

#[tokio::test]
async fn each_cause_is_recognised() {
    use NetworkCause as C;
    let authority = CertificateAuthority::new("School CA");
    let trusting = trusting(&authority);
    let local = ["localhost"];
    let valid = https(&authority.issue(&local, Validity::CURRENT), TlsVersion::Tls13).await;
    let untrusted = client(NetworkSettings::default());
    let silent = listen(|socket| async move {
        let _socket = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let cut = listen(|mut socket| async move {
        read_head(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await;
    })
    .await;
    let mut seen = BTreeSet::new();
    for (what, http, url, expected) in [
        // A label of more than 63 characters cannot exist, so no name server is asked.
        ("name", &untrusted, format!("http://{}.example/", "a".repeat(70)), C::Dns),
        (
            "closed port",
            &untrusted,
            format!("http://localhost:{}/", closed_port().await),
            C::Refused,
        ),
        ("no reply", &untrusted, format!("http://localhost:{silent}/"), C::Timeout),
        ("no TLS reply", &trusting, format!("https://localhost:{silent}/"), C::Timeout),
        ("a body that ends early", &untrusted, format!("http://localhost:{cut}/"), C::Interrupted),
        (
            "closed in the TLS handshake",
            &trusting,
            format!("https://localhost:{}/", scripted(b"").await),
            C::Interrupted,
        ),
        (
            "unknown authority",
            &untrusted,
            format!("https://localhost:{valid}/"),
            unknown_authority(),
        ),
        (
            "expired",
            &trusting,
            format!(
                "https://localhost:{}/",
                https(&authority.issue(&local, Validity::EXPIRED), TlsVersion::Tls13).await
            ),
            C::CertificateExpired,
        ),
        (
            "not yet valid",
            &trusting,
            format!(
                "https://localhost:{}/",
                https(&authority.issue(&local, Validity::FUTURE), TlsVersion::Tls12).await
            ),
            C::CertificateNotYetValid,
        ),
        ("another name", &trusting, format!("https://127.0.0.1:{valid}/"), C::CertificateWrongHost),
        (
            "HTTP on the port",
            &trusting,
            format!("https://localhost:{}/", scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n").await),
            C::NotTls,
        ),
        (
            "an alert: protocol version",
            &trusting,
            format!("https://localhost:{}/", scripted(b"\x15\x03\x03\x00\x02\x02\x46").await),
            C::TlsVersion,
        ),
        (
            "an alert: handshake failure",
            &trusting,
            format!("https://localhost:{}/", scripted(b"\x15\x03\x03\x00\x02\x02\x28").await),
            C::TlsVersion,
        ),
        (
            "an alert: internal error",
            &trusting,
            format!("https://localhost:{}/", scripted(b"\x15\x03\x03\x00\x02\x02\x50").await),
            C::TlsFailed,
        ),
    ] {
        let limit = if expected == C::Timeout { Duration::from_secs(1) } else { LIMIT };
        let failure = fetch_within(http, &url, limit).await.expect_err(what);
        assert_eq!(failure.cause, Some(expected), "{what}: {failure}");
        let error = Error::from(failure);
        assert_eq!(error.network_cause(), Some(expected), "{what}");
        assert_eq!(error.hint(), expected.hint(), "{what}");
        assert!(error.is_retryable(), "{what}: the app stays usable without the network");
        seen.insert(expected.name());
    }
    assert_eq!(seen.len(), 11);
    let names: BTreeSet<_> = NetworkCause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(names.len(), NetworkCause::ALL.len(), "each cause has a name of its own");
}

#[tokio::test]
async fn invalid_certificates_of_authorities_are_refused_with_a_reason() {
    for (what, pem) in [
        ("text", "not a certificate"),
        ("empty", ""),
        ("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n"),
    ] {
        let settings = NetworkSettings { extra_ca: vec![pem.into()], ..Default::default() };
        let created =
            LiveHttp::with_settings("Carrel/test", &settings, Arc::new(SystemClock::new()));
        let error = created.err().unwrap_or_else(|| panic!("{what}: accepted")).to_string();
        assert!(error.contains("certificate"), "{what}: {error}");
    }
    // Replacing valid settings by invalid ones changes nothing.
    let live = client(NetworkSettings::default());
    let invalid = NetworkSettings { extra_ca: vec![b"x".to_vec()], ..Default::default() };
    assert!(live.set_network(&invalid).is_err());
    let port = http().await;
    assert_eq!(fetch(&live, &format!("http://localhost:{port}/")).await.unwrap().0, 200);
}
