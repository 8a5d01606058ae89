//! A network whose only way out is a real proxy (squid) that requires a password and decrypts TLS with an authority that
//! only the system trusts: sign-in, download, sync and the update of the app work, and each missing part is named. Skipped
//! where squid with TLS is not installed.
//!
//! `SSL_CERT_FILE` replaces the system's certificates. It is read once per process, so the clients run in processes of
//! their own.

#![expect(clippy::print_stderr, reason = "a skipped test prints the reason")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use carrel_client::{
    content::{Kind, download::Phase},
    update::{
        Channel, Feed, Keys, Mode, PackageKind, Problem, Target, UpdatePolicy,
        updater::{Services, Setup, UpdatePhase, UpdateState, Updater},
    },
};
use carrel_net::{Http, LiveHttp, NetworkCause, NetworkSettings, ProxyCredentials, ProxyMode};
use carrel_release::sign::SigningKey;
use carrel_server::Settings;
use carrel_system::SystemClock;
use carrel_testkit::{
    FakeClock, FakeDisk, SeededIds, TestServer,
    certificates::{CertificateAuthority, Validity},
    clock::NoWait,
    content,
    device::PASSWORD,
    scratch::scratch,
    servers::closed_port,
};

use crate::client;

const SQUID: &str = "/usr/sbin/squid";
const CERTGEN: &str = "/usr/lib/squid/security_file_certgen";
const PASSWORD_CHECK: &str = "/usr/lib/squid/basic_ncsa_auth";
/// Name and password for the proxy, as in the file of `PASSWORD_CHECK` (crypt with MD5), and as typed.
const PROXY_USER: &str = "asha:$1$carrel$FfNY68gDeiJQtuf89c6xw.\n";
const PROXY_LOGIN: [&str; 2] = ["asha", "river stone"];
/// Name of the server, which only the proxy can resolve.
const HOST: &str = "carrel.school.test";
/// Folder of the network; set in the child processes.
const NETWORK: &str = "CARREL_TEST_NETWORK";
/// What a child process has and expects.
const CASE: &str = "CARREL_TEST_CASE";

/// A running proxy. Dropping it stops it.
struct Squid {
    process: Child,
}

impl Drop for Squid {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes the configuration and starts squid on `port`.
fn start_squid(
    dir: &Path,
    port: u16,
    inner: &CertificateAuthority,
    outer: &CertificateAuthority,
) -> Squid {
    let path = |name: &str| dir.join(name).display().to_string();
    let write =
        |name: &str, text: &str| fs::write(dir.join(name), text).expect("a file of the proxy");
    write("passwords", PROXY_USER);
    write("hosts", &format!("127.0.0.1 {HOST}\n"));
    write("inspecting.pem", &format!("{}{}", outer.pem(), outer.key_pem()));
    write("inner.pem", inner.pem());
    write(
        "squid.conf",
        &format!(
            "http_port 127.0.0.1:{port} ssl-bump cert={} generate-host-certificates=on\n\
             sslcrtd_program {CERTGEN} -s {} -M 4MB\n\
             sslcrtd_children 1\n\
             auth_param basic program {PASSWORD_CHECK} {}\n\
             auth_param basic children 1\n\
             acl known proxy_auth REQUIRED\n\
             http_access allow known\n\
             http_access deny all\n\
             ssl_bump bump all\n\
             tls_outgoing_options cafile={}\n\
             hosts_file {}\n\
             cache deny all\n\
             cache_log {}\n\
             access_log none\n\
             pid_filename none\n\
             coredump_dir {}\n\
             shutdown_lifetime 0 seconds\n\
             visible_hostname proxy.school.test\n\
             pinger_enable off\n",
            path("inspecting.pem"),
            path("certificates"),
            path("passwords"),
            path("inner.pem"),
            path("hosts"),
            path("cache.log"),
            dir.display(),
        ),
    );
    let created =
        Command::new(CERTGEN).args(["-c", "-s", &path("certificates"), "-M", "4MB"]).output();
    assert!(created.is_ok_and(|o| o.status.success()), "the proxy's certificates");
    // Squid changes its user if it is started by root.
    let _ = Command::new("chown").args(["-R", "proxy", &dir.display().to_string()]).status();
    let process = Command::new(SQUID)
        .args(["-N", "-f", &path("squid.conf")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("squid starts");
    Squid { process }
}

/// Returns the program of a version, a script that is longer than one chunk of a reply.
fn program(version: &str) -> Vec<u8> {
    format!("#!/bin/sh\necho program {version}\nexit 0\n{}", "# Carrel\n".repeat(40_000)).into()
}

/// Writes the folder of updates of a server, with version 1.2.0, and the public key of its publisher.
fn publish_update(dir: &Path) {
    let key = SigningKey::generate().expect("a key");
    let target = Target::of_this_program(PackageKind::Program).to_string();
    let version = "1.2.0".parse().expect("a version");
    let name = "carrel_1.2.0";
    let file =
        key.sign_file(&version, Channel::Stable, &target, name, name.into(), &program("1.2.0"));
    let feed = Feed {
        format: 1,
        channel: Channel::Stable,
        version,
        published: "2026-01-01T00:00:00Z".parse().expect("a time"),
        expires: "2030-01-01T00:00:00Z".parse().expect("a time"),
        notes: String::new(),
        minimum_version: None,
        rollout: 100,
        files: [(target, file.expect("a signed package"))].into(),
    };
    let (json, signature) = key.sign_feed(&feed).expect("a signed feed");
    let updates = dir.join("updates");
    fs::create_dir(&updates).expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(updates.join(name), bytes).expect("a file");
    write(name, &program("1.2.0"));
    write("stable.json", &json);
    write("stable.json.minisig", signature.as_bytes());
    fs::write(dir.join("update.key"), key.public_key()).expect("a file");
}

/// Updates a program of version 1.1.0 from the server, as an app does in the background and when it ends. Returns the
/// state after the check and the program at the end.
async fn update(dir: &Path, http: Arc<dyn Http>, address: &str) -> (UpdateState, Vec<u8>) {
    let home = scratch();
    let installed = home.path().join("program");
    fs::write(&installed, program("1.1.0")).expect("a file");
    fs::set_permissions(&installed, PermissionsExt::from_mode(0o755)).expect("executable");
    let key = fs::read_to_string(dir.join("update.key")).expect("the key");
    let setup = Setup {
        version: "1.1.0".parse().expect("a version"),
        package: Some(PackageKind::Program),
        program: installed.clone(),
        keys: Keys::parse([key.as_str()]).expect("a key"),
        urls: vec![format!("{address}/updates")],
        policy: UpdatePolicy { mode: Mode::Automatic, ..UpdatePolicy::default() },
        installer: None,
    };
    let services = Services {
        dir: home.path().join("updates"),
        http,
        clock: Arc::new(NoWait(FakeClock::noon())),
        disk: Arc::new(FakeDisk::new(1 << 40)),
        ids: Arc::new(SeededIds::new(1)),
        changed: Arc::new(|| ()),
    };
    let updater = Updater::new(setup, services);
    let state = updater.check().await;
    updater.quit().await;
    (state, fs::read(installed).expect("the program"))
}

/// Runs this test again in a process that trusts the authorities in `trusted`. Panics with its output if it fails.
async fn run_client(dir: &Path, case: &str, trusted: &str) {
    let certificates = dir.join(format!("{case}.pem"));
    fs::write(&certificates, trusted).expect("the certificates");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "--nocapture", "networks::a_client_works_behind_an_inspecting_proxy"]);
    command
        .env("SSL_CERT_FILE", certificates)
        .env_remove("SSL_CERT_DIR")
        .env(NETWORK, dir)
        .env(CASE, case);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("joined")
        .expect("started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{case}: {}{}", text(&output.stdout), text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_works_behind_an_inspecting_proxy() {
    if let (Some(dir), Ok(case)) = (std::env::var_os(NETWORK), std::env::var(CASE)) {
        return be_client(&PathBuf::from(dir), &case).await;
    }
    let is_installed = [SQUID, CERTGEN, PASSWORD_CHECK].iter().all(|path| Path::new(path).exists());
    if !is_installed {
        eprintln!("skipped: squid with TLS is not installed (Debian: squid-openssl)");
        return;
    }
    let dir = scratch();
    let [inner, outer, other] =
        ["Server CA", "Inspecting CA", "Other CA"].map(CertificateAuthority::new);
    let identity = inner.issue(&[HOST], Validity::CURRENT);
    let [certificate, key] = ["server.pem", "server.key"].map(|name| dir.path().join(name));
    fs::write(&certificate, &identity.certificate).expect("a file");
    fs::write(&key, &identity.key).expect("a file");
    publish_update(dir.path());
    let settings = Settings {
        tls_certificate: Some(certificate),
        tls_key: Some(key),
        updates_dir: Some(dir.path().join("updates")),
        ..Settings::default()
    };
    let server = TestServer::with_library_and(&FakeClock::noon(), settings).await;
    let proxy_port = closed_port().await;
    let proxy_dir = dir.path().join("proxy");
    fs::create_dir(&proxy_dir).expect("a folder");
    let _squid = start_squid(&proxy_dir, proxy_port, &inner, &outer);
    client::within_a_minute("the proxy to accept connections", async {
        while tokio::net::TcpStream::connect(("127.0.0.1", proxy_port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    fs::write(dir.path().join("ports"), format!("{} {proxy_port}", server.running().addr.port()))
        .expect("a file");
    run_client(dir.path(), "study", outer.pem()).await;
    run_client(dir.path(), "script", outer.pem()).await;
    run_client(dir.path(), "no password", outer.pem()).await;
    run_client(dir.path(), "wrong password", outer.pem()).await;
    run_client(dir.path(), "untrusted", other.pem()).await;
    // The system does not trust it, but the organisation's settings do.
    fs::write(dir.path().join("extra.pem"), outer.pem()).expect("a file");
    run_client(dir.path(), "extra authority", other.pem()).await;
}

/// Uses the network in `dir` as a device does.
async fn be_client(dir: &Path, case: &str) {
    let ports = fs::read_to_string(dir.join("ports")).expect("the ports");
    let (server_port, proxy_port) = ports.split_once(' ').expect("two ports");
    let credentials = |login: &str, password: &str| {
        Some(ProxyCredentials { login: login.to_owned(), password: password.to_owned() })
    };
    let script = dir.join("proxy.pac");
    let proxy = if case == "script" {
        let text = format!(
            "function FindProxyForURL(url, host) {{
               return dnsDomainIs(host, '.school.test') ? 'PROXY 127.0.0.1:{proxy_port}' : 'DIRECT';
             }}"
        );
        fs::write(&script, text).expect("the script");
        ProxyMode::Script { url: format!("file://{}", script.display()) }
    } else {
        ProxyMode::Fixed { url: format!("http://127.0.0.1:{proxy_port}"), bypass: Vec::new() }
    };
    let settings = NetworkSettings {
        proxy,
        credentials: match case {
            "no password" => None,
            "wrong password" => credentials(PROXY_LOGIN[0], "river stones"),
            _ => credentials(PROXY_LOGIN[0], PROXY_LOGIN[1]),
        },
        extra_ca: match case {
            "extra authority" => vec![fs::read(dir.join("extra.pem")).expect("a file")],
            _ => Vec::new(),
        },
        ..NetworkSettings::default()
    };
    let http = LiveHttp::with_settings("Carrel/test", &settings, Arc::new(SystemClock::new()));
    let http = Arc::new(http.expect("the settings are valid"));
    let address = format!("https://{HOST}:{server_port}");
    let expected = match case {
        "no password" | "wrong password" => Some(NetworkCause::ProxyAuthentication),
        "untrusted" => Some(NetworkCause::CertificateUntrusted),
        _ => None,
    };
    let (state, program_at_end) = update(dir, http.clone(), &address).await;
    let problem = state.problem.as_ref().map(|problem| (problem.kind, problem.cause));
    let (phase, version) = match expected {
        None => (UpdatePhase::InstallsOnQuit, "1.2.0"),
        Some(_) => (UpdatePhase::Idle, "1.1.0"),
    };
    assert_eq!(problem, expected.map(|cause| (Problem::Offline, Some(cause))), "{case}: {state:?}");
    assert_eq!(state.phase, phase, "{case}: {state:?}");
    assert!(program_at_end == program(version), "{case}: the program is not version {version}");
    let folder = scratch();
    let device = client::open(folder.path(), http, &FakeClock::noon(), 1, true).await;
    let login = case.replace(' ', "-");
    let account = match (expected, device.register(&address, &login, "Asha", PASSWORD).await) {
        (Some(_), Err(e)) => return assert_eq!(cause(&e), expected, "{case}: {e}"),
        (_, account) => account.unwrap_or_else(|e| panic!("{case}: {e}")),
    };
    assert_eq!(expected, None, "{case}");
    let downloads = &account.content.downloads;
    downloads.start(Kind::Course, &content::course()).expect("a download");
    client::within_a_minute("the download", async {
        while downloads.state(Kind::Course, &content::course()).expect("its state").phase
            != Phase::Ready
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    account.learning.record(client::finish_section(0)).await.expect("recorded");
    let status = client::sync(&account).await;
    assert_eq!((status.waiting, status.refused), (0, 0), "{case}: {status:?}");
}

fn cause(error: &carrel_client::Error) -> Option<NetworkCause> {
    match error {
        carrel_client::Error::Net(e) => e.network_cause(),
        _ => None,
    }
}
