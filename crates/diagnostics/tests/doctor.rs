//! The cause of each broken environment is named.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_diagnostics::doctor::{
    Check, DatabaseFile, DoctorReport, Environment, Keychain, Outcome, SystemFacts, run,
};
use carrel_net::{LiveHttp, NetworkSettings, ProxyMode, SystemSettings};
use carrel_system::{Clock, SystemDisk};
use carrel_testkit::{
    FakeClock, FakeDisk, SmallDisk,
    certificates::{CertificateAuthority, Identity, Validity},
    scratch::scratch,
    servers::{TlsVersion, closed_port, http_with, https_with, scripted},
};

const META: &str = concat!(
    r#"{"name":"School","version":"0.2.0","epoch":"e","syncVersions":[1],"signingKey":"00","#,
    r#""registrationOpen":false,"nowMs":1795176000000}"#,
);
const TOO_NEW: &str =
    r#"{"type":"about:blank","title":"t","status":426,"detail":"d","code":"too_new"}"#;

fn json(status: &str, body: &str) -> String {
    reply(status, "application/json", body)
}
fn reply(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

async fn serving(text: String) -> String {
    format!("http://127.0.0.1:{}", http_with(&text).await)
}

async fn serving_tls(identity: &Identity) -> u16 {
    https_with(identity, TlsVersion::Tls13, &json("200 OK", META)).await
}

/// A device without a problem, as far as the files are concerned, and without an account.
fn device(dir: &Path, settings: NetworkSettings) -> Environment {
    let clock = FakeClock::noon();
    let http = LiveHttp::with_settings("Carrel/test", &settings, Arc::new(clock.clone())).unwrap();
    Environment {
        version: "0.2.0".into(),
        data_dir: dir.to_owned(),
        content_dir: dir.to_owned(),
        machine_folder: None,
        databases: Vec::new(),
        locks: Vec::new(),
        is_running: false,
        json_files: Vec::new(),
        server: None,
        http: Arc::new(http),
        clock: Arc::new(clock),
        disk: Arc::new(FakeDisk::new(1 << 40)),
        system: SystemFacts { time_zone: Some("UTC".into()), ..SystemFacts::default() },
    }
}
fn direct() -> NetworkSettings {
    NetworkSettings { proxy: ProxyMode::Direct, ..NetworkSettings::default() }
}
fn trusting(authority: &CertificateAuthority) -> NetworkSettings {
    NetworkSettings { extra_ca: vec![authority.pem().into()], ..direct() }
}

/// Returns the findings as `id cause`, and asserts that each says what was found and what to do.
fn findings(report: &DoctorReport) -> Vec<String> {
    let bad = |c: &&Check| c.outcome >= Outcome::Warning;
    let found: Vec<&Check> = report.checks.iter().filter(bad).collect();
    for check in &found {
        assert!(!check.found.is_empty() && !check.action.is_empty(), "{check:?}");
        assert!(report.to_text().contains(&check.found), "{check:?}");
    }
    found.iter().map(|c| format!("{} {}", c.id, c.cause)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_network_is_named() {
    let authority = CertificateAuthority::new("School CA");
    let tls = |validity| authority.issue(&["localhost"], validity);
    let valid = serving_tls(&tls(Validity::CURRENT)).await;
    let expired = serving_tls(&tls(Validity::EXPIRED)).await;
    let future = serving_tls(&tls(Validity::FUTURE)).await;
    let dead = closed_port().await;
    let not_tls = scripted(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let proxy_login = serving(reply("407 Proxy Authentication Required", "text/html", "")).await;
    let proxy_refuses = serving(reply("403 Forbidden", "text/html", "blocked")).await;
    let through = |url: String| NetworkSettings {
        proxy: ProxyMode::Fixed { url, bypass: Vec::new() },
        ..trusting(&authority)
    };
    let with_clock = |ms: i64| META.replace("1795176000000", &(1_795_176_000_000 + ms).to_string());
    let portal = "<html>Welcome to the hotel</html>";
    let local = "server.certificate not_encrypted";
    // Loopback is always reached directly.
    let behind_proxy = || "https://school.example".to_owned();
    let https = |port: u16| format!("https://localhost:{port}");
    // A description, the network settings, the server, and the findings.
    let cases: Vec<(&str, NetworkSettings, String, Vec<&str>)> = vec![
        ("a trusted server", trusting(&authority), https(valid), vec![]),
        ("a server without TLS", direct(), serving(json("200 OK", META)).await, vec![local]),
        (
            "an unknown name",
            direct(),
            format!("https://{}.example", "a".repeat(70)),
            vec!["server.name dns"],
        ),
        ("a closed port", direct(), https(dead), vec!["server.connection refused"]),
        (
            "an authority that is not trusted",
            direct(),
            https(valid),
            vec!["server.certificate certificate_untrusted"],
        ),
        (
            "an expired certificate",
            trusting(&authority),
            https(expired),
            vec!["server.certificate certificate_expired"],
        ),
        (
            "a certificate of the future",
            trusting(&authority),
            https(future),
            vec!["server.certificate certificate_not_yet_valid"],
        ),
        (
            "a certificate of another host",
            trusting(&authority),
            format!("https://127.0.0.1:{valid}"),
            vec!["server.certificate certificate_wrong_host"],
        ),
        ("HTTP on the port of HTTPS", direct(), https(not_tls), vec!["server.certificate not_tls"]),
        (
            "HTTPS on the port of HTTP",
            direct(),
            format!("http://localhost:{valid}"),
            vec![local, "server.reply not_http"],
        ),
        (
            "a page of the network",
            direct(),
            serving(reply("200 OK", "text/html", portal)).await,
            vec![local, "server.reply portal"],
        ),
        (
            "a redirect to a page of the network",
            direct(),
            serving(redirect("http://login.example/")).await,
            vec![local, "server.reply portal"],
        ),
        (
            "a server that moved",
            direct(),
            serving(redirect("https://new.example/api/meta")).await,
            vec![local, "server.reply moved"],
        ),
        (
            "another JSON service",
            direct(),
            serving(json("200 OK", r#"{"status":"up"}"#)).await,
            vec![local, "server.reply not_carrel"],
        ),
        (
            "another web server",
            direct(),
            serving(reply("404 Not Found", "text/html", "<h1>Not Found</h1>")).await,
            vec![local, "server.reply not_carrel"],
        ),
        (
            "a server in maintenance",
            direct(),
            serving(reply("503 Service Unavailable", "text/html", "later")).await,
            vec![local, "server.reply server_error"],
        ),
        (
            "a server that requires a newer app",
            direct(),
            serving(json("426 Upgrade Required", TOO_NEW)).await,
            vec![local, "server.reply too_old"],
        ),
        (
            "a clock that is two hours behind",
            direct(),
            serving(json("200 OK", &with_clock(7_200_000))).await,
            vec![local, "clock clock_wrong"],
        ),
        (
            "a clock that is five minutes ahead",
            direct(),
            serving(json("200 OK", &with_clock(-300_000))).await,
            vec![local, "clock clock_wrong"],
        ),
        (
            "a proxy that is switched off",
            through(format!("http://127.0.0.1:{dead}")),
            behind_proxy(),
            vec!["server.proxy proxy_unreachable"],
        ),
        (
            "a proxy that requires a password",
            through(proxy_login),
            behind_proxy(),
            vec!["server.proxy proxy_authentication"],
        ),
        (
            "a proxy that refuses the server",
            through(proxy_refuses),
            behind_proxy(),
            vec!["server.proxy proxy_refused"],
        ),
    ];
    for (what, settings, server, expected) in cases {
        let dir = scratch();
        let mut environment = device(dir.path(), settings);
        environment.server = Some(server);
        let report = run(environment).await;
        assert_eq!(findings(&report), expected, "{what}\n{}", report.to_text());
        let ids: Vec<&str> = report.checks.iter().map(|c| c.id.as_str()).collect();
        for id in [
            "server.proxy",
            "server.name",
            "server.connection",
            "server.certificate",
            "server.reply",
            "clock",
        ] {
            assert_eq!(ids.iter().filter(|i| **i == id).count(), 1, "{what}: {id} in {ids:?}");
        }
    }
}

fn database(path: PathBuf, schema: u32) -> DatabaseFile {
    DatabaseFile { name: "user.db".into(), path, schema }
}

fn write_database(path: &Path, schema: u32) {
    let conn = carrel_sqlite::open(path, carrel_sqlite::Options::default()).unwrap();
    conn.execute_batch(&format!(
        "CREATE TABLE schema_migration (number INTEGER NOT NULL PRIMARY KEY) STRICT;
         INSERT INTO schema_migration VALUES ({schema});
         CREATE TABLE t (a TEXT NOT NULL) STRICT;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO t SELECT hex(randomblob(50)) FROM n;"
    ))
    .unwrap();
    conn.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
}

/// A description, what breaks a folder, and the findings.
type FileCase = (&'static str, fn(&mut Environment), &'static [&'static str]);

#[tokio::test]
async fn each_broken_file_is_named() {
    let cases: &[FileCase] = &[
        ("nothing", |_| (), &[]),
        (
            "a valid database",
            |e| {
                write_database(&e.data_dir.join("user.db"), 3);
                e.databases = vec![database(e.data_dir.join("user.db"), 3)];
            },
            &[],
        ),
        (
            "a database with damaged pages",
            |e| {
                let path = e.data_dir.join("user.db");
                write_database(&path, 3);
                let mut bytes = fs::read(&path).unwrap();
                let half = bytes.len() / 2;
                bytes[half..half + 8192].fill(0xa5);
                fs::write(&path, bytes).unwrap();
                e.databases = vec![database(path, 3)];
            },
            &["database.user.db damaged"],
        ),
        (
            "a file that is no database",
            |e| {
                fs::write(e.data_dir.join("user.db"), "something else, longer than a header")
                    .unwrap();
                e.databases = vec![database(e.data_dir.join("user.db"), 3)];
            },
            &["database.user.db damaged"],
        ),
        (
            "a database of a newer release",
            |e| {
                write_database(&e.data_dir.join("user.db"), 9);
                e.databases = vec![database(e.data_dir.join("user.db"), 3)];
            },
            &["database.user.db newer_schema"],
        ),
        (
            "a damaged list of accounts",
            |e| {
                fs::write(e.data_dir.join("accounts.json"), "{\"accounts\": [").unwrap();
                e.json_files = vec![e.data_dir.join("accounts.json")];
            },
            &["files.list damaged"],
        ),
        (
            "a file in the place of the folder",
            |e| {
                let path = e.data_dir.join("content");
                fs::write(&path, "x").unwrap();
                e.content_dir = path;
            },
            &["files.content not_a_folder"],
        ),
        (
            "a folder that was not created yet",
            |e| e.content_dir = e.data_dir.join("new"),
            &["files.content missing"],
        ),
        (
            "a content folder of the machine that does not exist",
            |e| e.machine_folder = Some(e.data_dir.join("nowhere")),
            &["files.machine missing"],
        ),
        (
            "a file in the place of the content folder of the machine",
            |e| {
                let path = e.data_dir.join("machine");
                fs::write(&path, "x").unwrap();
                e.machine_folder = Some(path);
            },
            &["files.machine not_a_folder"],
        ),
        (
            "another instance",
            |e| {
                let path = e.data_dir.join("lock");
                let file = fs::File::create(&path).unwrap();
                file.lock().unwrap();
                // Kept open for the rest of the test.
                std::mem::forget(file);
                e.locks = vec![path];
            },
            &["files.instances in_use"],
        ),
        (
            "little space",
            |e| e.disk = Arc::new(FakeDisk::new(100 << 20)),
            &["files.space low_space"],
        ),
        ("no space", |e| e.disk = Arc::new(FakeDisk::new(1 << 20)), &["files.space disk_full"]),
        (
            "no keychain",
            |e| e.system.keychain = Keychain::Absent,
            &["system.keychain keychain_missing"],
        ),
        (
            "a locked keychain",
            |e| e.system.keychain = Keychain::Unavailable("locked".into()),
            &["system.keychain keychain_unavailable"],
        ),
        (
            "no web view",
            |e| e.system.webview = Some(Err("not found".into())),
            &["system.webview webview_missing"],
        ),
        (
            "no codecs",
            |e| e.system.codec_folders = Some(vec![e.data_dir.clone()]),
            &["system.codecs codecs_missing"],
        ),
        (
            "no fonts",
            |e| e.system.font_folders = Some(vec![e.data_dir.join("fonts")]),
            &["system.fonts fonts_missing"],
        ),
        ("no time zone", |e| e.system.time_zone = None, &["system.time_zone time_zone_unknown"]),
        (
            "a proxy variable that is no address",
            |e| e.system.proxy_variables = vec![("HTTPS_PROXY".into(), "http://".into())],
            &["system.proxy proxy_invalid"],
        ),
        (
            "an address of a proxy script that is not supported",
            |e| e.system.proxy_settings.script = Some(Err("a file on another machine".into())),
            &["system.proxy proxy_script_invalid"],
        ),
        (
            "a wrong policy",
            |e| e.system.policy_problems = vec!["unknown key \"colour\"".into()],
            &["policy policy_problem"],
        ),
    ];
    for (what, break_it, expected) in cases {
        let dir = scratch();
        let mut environment = device(dir.path(), direct());
        break_it(&mut environment);
        let report = run(environment).await;
        assert_eq!(findings(&report), *expected, "{what}\n{}", report.to_text());
    }
}

#[tokio::test]
async fn a_full_disk_and_a_read_only_file_system_are_named() {
    let Some(disk) = SmallDisk::new(1 << 20) else { return };
    let path = disk.path().to_owned();
    write_database(&path.join("user.db"), 3);
    let check = || {
        let mut environment = device(&path, direct());
        environment.disk = Arc::new(SystemDisk);
        environment.databases = vec![database(path.join("user.db"), 3)];
        run(environment)
    };
    disk.fill(0);
    let full = findings(&check().await);
    assert!(full.contains(&"files.data disk_full".into()), "{full:?}");
    assert!(full.contains(&"files.space disk_full".into()), "{full:?}");
    disk.set_read_only(true);
    let report = check().await;
    let read_only = findings(&report);
    assert!(read_only.contains(&"files.data read_only_file_system".into()), "{read_only:?}");
    let user = report.checks.iter().find(|c| c.id == "database.user.db").unwrap();
    assert_eq!(user.outcome, Outcome::Ok, "a database is readable on such a disk: {user:?}");
}

#[test]
fn exit_codes_are_those_of_the_documentation() {
    let with = |outcomes: &[Outcome]| DoctorReport {
        version: String::new(),
        system: String::new(),
        checked_ms: FakeClock::noon().now_ms(),
        checks: outcomes
            .iter()
            .map(|outcome| Check {
                id: String::new(),
                outcome: *outcome,
                cause: String::new(),
                found: String::new(),
                action: String::new(),
            })
            .collect(),
    };
    use Outcome::{Ok, Problem, Skipped, Warning};
    for (outcomes, code) in [
        (&[][..], 0),
        (&[Ok, Skipped], 0),
        (&[Ok, Warning, Skipped], 1),
        (&[Problem, Warning, Ok], 3),
    ] {
        assert_eq!(with(outcomes).exit_code(), code, "{outcomes:?}");
    }
    let guide = include_str!("../../../docs/SUPPORT.md");
    for row in ["| 0 |", "| 1 |", "| 2 |", "| 3 |"] {
        assert!(guide.contains(row), "{row}");
    }
}

#[tokio::test]
async fn names_and_passwords_of_proxies_are_not_in_the_report() {
    let dir = scratch();
    let mut environment = device(dir.path(), direct());
    let value = "http://amina:geheim@proxy.example:3128";
    environment.system.proxy_variables = vec![("HTTPS_PROXY".into(), value.into())];
    let text = run(environment).await.to_text();
    assert!(text.contains("HTTPS_PROXY: proxy.example:3128, with a name and password"), "{text}");
    assert!(!text.contains("amina") && !text.contains("geheim"), "{text}");
    let script = "http://amina:geheim@wpad.example/proxy.pac".parse().unwrap();
    for (settings, expected) in [
        (
            SystemSettings { script: Some(Ok(script)), ..SystemSettings::default() },
            "script of the system's settings: /proxy.pac on wpad.example",
        ),
        (
            SystemSettings { https: Some(value.into()), ..SystemSettings::default() },
            "system's settings for https: proxy.example:3128, with a name and password",
        ),
    ] {
        let mut environment = device(dir.path(), direct());
        environment.system.proxy_settings = settings;
        let text = run(environment).await.to_text();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("amina") && !text.contains("geheim"), "{text}");
    }
}
