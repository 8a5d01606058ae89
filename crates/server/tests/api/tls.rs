//! HTTPS of the server itself: both versions of HTTP, renewal of the certificate, wrong files, requests without TLS.

use std::{fs, path::Path};

use carrel_server::{
    config::{Config, Settings},
    server::{RunningServer, Server, tls_of},
};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::config;

/// Writes a self-signed certificate for `localhost` and its key; returns the certificate.
fn write_identity(dir: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(dir.join("cert.pem"), &certificate).unwrap();
    fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
    certificate
}

fn settings(dir: &Path) -> Settings {
    Settings {
        tls_certificate: Some(dir.join("cert.pem")),
        tls_key: Some(dir.join("key.pem")),
        ..Settings::default()
    }
}

async fn start(dir: &Path) -> RunningServer {
    let config = Config { settings: settings(dir), ..config(dir.join("data")) };
    Server::start(config).await.unwrap()
}

fn client(certificate: &str) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().pool_max_idle_per_host(0)
}

fn url(server: &RunningServer) -> String {
    format!("https://localhost:{}/", server.addr.port())
}

#[tokio::test]
async fn http_2_and_http_1_are_served_with_security_headers() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = write_identity(dir.path());
    let server = start(dir.path()).await;
    assert!(server.url().starts_with("https://"), "{}", server.url());
    for (builder, version) in [
        (client(&certificate), reqwest::Version::HTTP_2),
        (client(&certificate).http1_only(), reqwest::Version::HTTP_11),
        (
            client(&certificate).tls_version_max(reqwest::tls::Version::TLS_1_2),
            reqwest::Version::HTTP_2,
        ),
    ] {
        let reply = builder.build().unwrap().get(url(&server) + "health").send().await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.version()), (200, version));
        assert!(reply.headers().contains_key("strict-transport-security"));
    }
    let page = client(&certificate).build().unwrap().get(url(&server)).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("https://localhost:{}", server.addr.port())), "{page}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let old = write_identity(dir.path());
    let tls = tls_of(&settings(dir.path())).unwrap().unwrap();
    assert!(tls.reload_changed().is_none(), "unchanged files are not read again");
    let new = write_identity(dir.path());
    assert_eq!(tls.reload_changed().unwrap().ok(), Some(()));
    assert_ne!(old, new);
    // The key of another certificate: between two writes of a renewal.
    let key = fs::read(dir.path().join("key.pem")).unwrap();
    fs::write(dir.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = tls.reload_changed().unwrap().unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("cannot be used with"), "{error}");
    assert!(tls.reload_changed().is_none(), "not read again until the files change");
    fs::write(dir.path().join("key.pem"), key).unwrap();
    assert_eq!(tls.reload_changed().unwrap().ok(), Some(()));
    fs::remove_file(dir.path().join("cert.pem")).unwrap();
    assert!(tls.reload_changed().unwrap().is_err());
}

#[tokio::test]
async fn connections_after_a_renewal_get_the_new_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let old = write_identity(dir.path());
    let server = start(dir.path()).await;
    let get = async |certificate: &str| {
        client(certificate)
            .build()
            .unwrap()
            .get(url(&server) + "health")
            .send()
            .await
            .map(|r| r.status().as_u16())
    };
    assert_eq!(get(&old).await.unwrap(), 200);
    let new = write_identity(dir.path());
    let reloaded = server.tls().unwrap().reload_changed();
    assert!(matches!(reloaded, Some(Ok(()))));
    assert_eq!(get(&new).await.unwrap(), 200);
    assert!(get(&old).await.is_err(), "the old certificate is not used any more");
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_without_tls_gets_a_text_and_other_bytes_get_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write_identity(dir.path());
    let server = start(dir.path()).await;
    for (sent, expected) in [
        (&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], "requires https"),
        (
            b"POST /api/sync HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc",
            "requires https",
        ),
        (b"\x00\x01garbage", ""),
        (b"\x16\x03\x01\x00\x05garbage", ""),
    ] {
        let mut socket = TcpStream::connect(server.addr).await.unwrap();
        socket.write_all(sent).await.unwrap();
        let mut received = Vec::new();
        let _ = socket.read_to_end(&mut received).await;
        let received = String::from_utf8_lossy(&received);
        assert!(received.contains(expected), "{sent:?}: {received}");
        if let Some((head, body)) = received.split_once("\r\n\r\n").filter(|_| !expected.is_empty())
        {
            assert!(head.starts_with("HTTP/1.1 400"), "{head}");
            assert!(
                head.contains(&format!("content-length: {}", body.len())),
                "{head}: {}",
                body.len()
            );
        }
        assert_eq!(received.contains("HTTP/1.1"), !expected.is_empty(), "{sent:?}: {received}");
    }
    // A client that sends nothing does not delay others.
    let _silent = TcpStream::connect(server.addr).await.unwrap();
    let certificate = fs::read_to_string(dir.path().join("cert.pem")).unwrap();
    let reply =
        client(&certificate).build().unwrap().get(url(&server) + "health").send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
    server.shutdown().await;
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let of = |settings: &Settings| tls_of(settings).map(|tls| tls.is_some());
    assert!(!of(&Settings::default()).unwrap());
    let whole = settings(dir.path());
    for half in [
        Settings { tls_key: None, ..whole.clone() },
        Settings { tls_certificate: None, ..whole.clone() },
    ] {
        assert!(of(&half).unwrap_err().to_string().contains("together"));
    }
    write_identity(dir.path());
    assert!(of(&whole).unwrap());
    let good = ["cert.pem", "key.pem"].map(|name| fs::read(dir.path().join(name)).unwrap());
    for (name, contents, expected) in [
        ("cert.pem", &b""[..], "contains no certificate"),
        ("cert.pem", b"not PEM", "contains no certificate"),
        ("cert.pem", &good[1], "contains no certificate"),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "PEM"),
        ("key.pem", b"", "private key"),
        ("key.pem", &good[0], "private key"),
    ] {
        fs::write(dir.path().join(name), contents).unwrap();
        let error = of(&whole).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{name}: {error}");
        for (name, bytes) in ["cert.pem", "key.pem"].iter().zip(&good) {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
    }
    fs::remove_file(dir.path().join("key.pem")).unwrap();
    let error = of(&whole).unwrap_err().to_string();
    assert!(error.contains("key.pem"), "{error}");
}
