//! Requests over proxies: fixed ones and those of configuration scripts, with and without a password.

use std::fs;

use carrel_net::{
    Failure, Http, LiveHttp, NetworkCause, NetworkSettings, ProxyCredentials, ProxyMode,
};
use carrel_testkit::{
    certificates::{CertificateAuthority, Validity},
    servers::{Proxy, TlsVersion, closed_port, http, https, scripted},
};

use crate::causes::{client, fetch, unknown_authority};

/// `asha:p@ss word`, encoded.
const BASIC: &str = "Basic YXNoYTpwQHNzIHdvcmQ=";

fn fixed(url: &str, bypass: &[&str]) -> ProxyMode {
    ProxyMode::Fixed {
        url: url.to_owned(),
        bypass: bypass.iter().map(|b| (*b).to_owned()).collect(),
    }
}

fn with_proxy(proxy: ProxyMode) -> LiveHttp {
    client(NetworkSettings { proxy, ..Default::default() })
}

fn credentials() -> Option<ProxyCredentials> {
    Some(ProxyCredentials { login: "asha".into(), password: "p@ss word".into() })
}

async fn cause(http: &LiveHttp, url: &str) -> Option<NetworkCause> {
    fetch(http, url).await.expect_err(url).cause
}

#[tokio::test]
async fn requests_use_the_proxy_with_and_without_tls() {
    let authority = CertificateAuthority::new("School CA");
    let secure =
        https(&authority.issue(&["school.example"], Validity::CURRENT), TlsVersion::Tls13).await;
    for (scheme, to) in [("http", http().await), ("https", secure)] {
        let proxy = Proxy::start(to).await;
        let live = client(NetworkSettings {
            proxy: fixed(&proxy.url(), &[]),
            extra_ca: vec![authority.pem().into()],
            ..Default::default()
        });
        let reply = fetch(&live, &format!("{scheme}://school.example/a?b=c")).await;
        assert_eq!(reply.unwrap(), (200, b"hello".to_vec()), "{scheme}");
        let port = if scheme == "https" { ":443" } else { "" };
        assert_eq!(proxy.hosts(), [format!("school.example{port}")]);
        // Loopback addresses are reached directly.
        let (local, before) = (http().await, proxy.requests());
        for host in ["localhost", "127.0.0.1", "app.localhost"] {
            assert_eq!(
                fetch(&live, &format!("http://{host}:{local}/")).await.unwrap().0,
                200,
                "{host}"
            );
        }
        assert_eq!(proxy.requests(), before);
    }
}

#[tokio::test]
async fn hosts_in_the_bypass_list_are_reached_directly() {
    let proxy = Proxy::start(http().await).await;
    let live = with_proxy(fixed(&proxy.url(), &["inside.example", "192.0.2.0/24"]));
    for host in ["outside.example", "notinside.example", "192.0.3.1"] {
        assert_eq!(fetch(&live, &format!("http://{host}/")).await.unwrap().0, 200, "{host}");
    }
    let before = proxy.requests();
    // The long label makes the direct connection fail without a name server.
    let long = format!("http://{}.inside.example/", "a".repeat(70));
    assert_eq!(cause(&live, &long).await, Some(NetworkCause::Dns));
    assert_eq!(proxy.requests(), before);
}

#[tokio::test]
async fn a_password_is_sent_and_a_missing_or_wrong_one_is_reported() {
    let authority = CertificateAuthority::new("School CA");
    let secure =
        https(&authority.issue(&["school.example"], Validity::CURRENT), TlsVersion::Tls13).await;
    for (scheme, to) in [("http", http().await), ("https", secure)] {
        let proxy = Proxy::with(to, Some(BASIC), None).await;
        let url = format!("{scheme}://school.example/");
        let settings = |mode, credentials| NetworkSettings {
            proxy: mode,
            credentials,
            extra_ca: vec![authority.pem().into()],
            ..Default::default()
        };
        let live = client(settings(fixed(&proxy.url(), &[]), None));
        assert_eq!(
            cause(&live, &url).await,
            Some(NetworkCause::ProxyAuthentication),
            "{scheme}: none"
        );
        let wrong = ProxyCredentials { login: "asha".into(), password: "wrong".into() };
        live.set_network(&settings(fixed(&proxy.url(), &[]), Some(wrong))).unwrap();
        assert_eq!(
            cause(&live, &url).await,
            Some(NetworkCause::ProxyAuthentication),
            "{scheme}: wrong"
        );
        live.set_network(&settings(fixed(&proxy.url(), &[]), credentials())).unwrap();
        assert_eq!(fetch(&live, &url).await.unwrap().0, 200, "{scheme}: entered");
        let in_url = format!("http://asha:p%40ss%20word@127.0.0.1:{}", proxy.port);
        let wrong = ProxyCredentials { login: "other".into(), password: "x".into() };
        live.set_network(&settings(fixed(&in_url, &[]), Some(wrong))).unwrap();
        assert_eq!(fetch(&live, &url).await.unwrap().0, 200, "{scheme}: in the address");
        // Also for the proxies of a script.
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("proxy.pac");
        let port = proxy.port;
        fs::write(
            &script,
            format!("function FindProxyForURL() {{ return 'PROXY 127.0.0.1:{port}'; }}"),
        )
        .unwrap();
        let mode =
            ProxyMode::Script { url: url::Url::from_file_path(&script).unwrap().to_string() };
        live.set_network(&settings(mode, credentials())).unwrap();
        assert_eq!(fetch(&live, &url).await.unwrap().0, 200, "{scheme}: script");
    }
}

#[tokio::test]
async fn failures_of_the_proxy_are_told_from_those_of_the_server() {
    let down = format!("http://127.0.0.1:{}", closed_port().await);
    let forbidden = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let refusing = Proxy::with(0, None, Some(forbidden)).await;
    let garbage = format!("http://127.0.0.1:{}", scripted(b"garbage\r\n\r\n").await);
    let unknown = format!("http://{}.example:3128", "a".repeat(70));
    for (what, proxy, url, expected) in [
        ("down", &down, "http://school.example/", NetworkCause::ProxyUnreachable),
        ("down, TLS", &down, "https://school.example/", NetworkCause::ProxyUnreachable),
        ("unknown name", &unknown, "https://school.example/", NetworkCause::ProxyUnreachable),
        ("refuses", &refusing.url(), "https://school.example/", NetworkCause::ProxyRefused),
        ("garbage", &garbage, "https://school.example/", NetworkCause::ProxyRefused),
    ] {
        let failure: Failure = fetch(&with_proxy(fixed(proxy, &[])), url).await.expect_err(what);
        assert_eq!(failure.cause, Some(expected), "{what}: {failure}");
    }
    // The certificate of the server behind the proxy.
    let authority = CertificateAuthority::new("School CA");
    let secure =
        https(&authority.issue(&["school.example"], Validity::CURRENT), TlsVersion::Tls13).await;
    let proxy = Proxy::start(secure).await;
    let live = with_proxy(fixed(&proxy.url(), &[]));
    assert_eq!(cause(&live, "https://school.example/").await, Some(unknown_authority()));
}

#[tokio::test]
async fn a_script_chooses_by_host_and_its_next_proxy_replaces_one_that_is_down() {
    let (first, second) = (Proxy::start(http().await).await, Proxy::start(http().await).await);
    let down = closed_port().await;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("proxy.pac");
    let text = format!(
        "function FindProxyForURL(url, host) {{
           if (dnsDomainIs(host, '.first.example')) return 'PROXY 127.0.0.1:{}';
           if (host === 'list.example') return 'PROXY 127.0.0.1:{down}; PROXY 127.0.0.1:{}; DIRECT';
           if (host === 'down.example') return 'PROXY 127.0.0.1:{down}';
           return 'DIRECT';
         }}",
        first.port, second.port
    );
    fs::write(&script, text).unwrap();
    let live = with_proxy(ProxyMode::Script {
        url: url::Url::from_file_path(&script).unwrap().to_string(),
    });
    assert_eq!(fetch(&live, "http://www.first.example/").await.unwrap().0, 200);
    assert_eq!((first.requests(), second.requests()), (1, 0));
    for n in 1..=3 {
        assert_eq!(fetch(&live, "http://list.example/").await.unwrap().0, 200);
        assert!(second.requests() >= 1, "request {n}");
    }
    assert_eq!(first.requests(), 1);
    assert_eq!(cause(&live, "http://down.example/").await, Some(NetworkCause::ProxyUnreachable));
    // Changed while the client is used: applied after the network changed.
    fs::write(
        &script,
        format!("function FindProxyForURL() {{ return 'PROXY 127.0.0.1:{}'; }}", second.port),
    )
    .unwrap();
    live.network_changed();
    assert_eq!(fetch(&live, "http://down.example/").await.unwrap().0, 200);
}

#[tokio::test]
async fn without_its_script_a_direct_connection_is_tried() {
    let missing = format!("http://127.0.0.1:{}/proxy.pac", closed_port().await);
    let html = format!("http://127.0.0.1:{}/", http().await);
    for script in [missing, html, "file:///does/not/exist.pac".to_owned()] {
        let live = with_proxy(ProxyMode::Script { url: script.clone() });
        let failure = fetch(&live, &format!("http://{}.example/", "a".repeat(70)))
            .await
            .expect_err("no such host");
        assert_eq!(failure.cause, Some(NetworkCause::ProxyScript), "{script}: {failure}");
        assert!(failure.message.contains(&script), "{script}: {failure}");
    }
}

#[tokio::test]
async fn invalid_addresses_of_proxies_are_refused() {
    use std::sync::Arc;
    for address in [
        "",
        "proxy.example:8080",
        "ftp://proxy.example",
        "http://",
        "javascript:alert(1)",
        "http://a b/",
    ] {
        for mode in [fixed(address, &[]), ProxyMode::Script { url: address.to_owned() }] {
            let settings = NetworkSettings { proxy: mode, ..Default::default() };
            let clock = Arc::new(carrel_system::SystemClock::new());
            let created = LiveHttp::with_settings("Carrel/test", &settings, clock);
            let error =
                created.err().unwrap_or_else(|| panic!("{address:?}: accepted")).to_string();
            assert!(error.contains("proxy address"), "{address:?}: {error}");
        }
    }
}
