//! The proxies in the settings of the operating system: a script, fixed proxies, changes, and the priority of environment
//! variables.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use carrel_net::{Http, LiveHttp, NetworkCause, NetworkSettings, SystemProxies, SystemSettings};
use carrel_testkit::servers::{Proxy, closed_port, http};
use url::Url;

use crate::causes::{client, fetch};

/// Settings of a system, which a test changes.
#[derive(Clone, Default)]
struct FakeSystem(Arc<Mutex<SystemSettings>>);

impl SystemProxies for FakeSystem {
    fn read(&self) -> SystemSettings {
        self.0.lock().unwrap().clone()
    }
}

impl FakeSystem {
    fn set(&self, settings: SystemSettings) {
        *self.0.lock().unwrap() = settings;
    }
    fn client(&self) -> LiveHttp {
        client(NetworkSettings { system: Some(Arc::new(self.clone())), ..Default::default() })
    }
}

/// Writes a script that returns `result` and returns its address.
fn script(path: &Path, result: &str) -> Url {
    fs::write(path, format!("function FindProxyForURL() {{ return '{result}'; }}")).unwrap();
    Url::from_file_path(path).unwrap()
}

fn with_script(script: Result<Url, String>) -> SystemSettings {
    SystemSettings { script: Some(script), ..Default::default() }
}

fn fixed(proxy: &Proxy) -> SystemSettings {
    SystemSettings { http: Some(proxy.url()), ..Default::default() }
}

/// A name for which each direct connection fails without a name server.
fn unknown_host(domain: &str) -> String {
    format!("http://{}{domain}/", "a".repeat(70))
}

#[tokio::test]
async fn the_script_of_the_system_is_used_until_its_settings_change() {
    let (first, second) = (Proxy::start(http().await).await, Proxy::start(http().await).await);
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = [(&first, "one"), (&second, "two")].map(|(proxy, name)| {
        script(&dir.path().join(name), &format!("PROXY 127.0.0.1:{}", proxy.port))
    });
    let system = FakeSystem::default();
    // The script has priority over the fixed proxies.
    system.set(SystemSettings { script: Some(Ok(one)), ..fixed(&second) });
    let live = system.client();
    assert_eq!(fetch(&live, "http://school.example/").await.unwrap().0, 200);
    assert_eq!((first.requests(), second.requests()), (1, 0));
    // The address of the script changes: read after the network changed.
    system.set(with_script(Ok(two)));
    live.network_changed();
    // Another host, because the connection to the first one is still open.
    assert_eq!(fetch(&live, "http://other.example/").await.unwrap().0, 200);
    assert_eq!((first.requests(), second.requests()), (1, 1));
    system.set(SystemSettings::default());
    live.network_changed();
    let failure = fetch(&live, &unknown_host(".example")).await.expect_err("no proxy");
    assert_eq!(failure.cause, Some(NetworkCause::Dns), "{failure}");
}

#[tokio::test]
async fn without_its_script_the_fixed_proxies_or_a_direct_connection_are_used() {
    let proxy = Proxy::start(http().await).await;
    let missing = format!("http://asha:secret@127.0.0.1:{}/proxy.pac", closed_port().await);
    let system = FakeSystem::default();
    for (script, message) in [
        (Ok(Url::parse(&missing).unwrap()), "/proxy.pac"),
        (Ok(Url::parse("file:///dev/zero").unwrap()), "dev/zero"),
        (Err("the address is wrong".to_owned()), "the address is wrong"),
    ] {
        system.set(SystemSettings { script: Some(script.clone()), ..fixed(&proxy) });
        let before = proxy.requests();
        assert_eq!(fetch(&system.client(), "http://school.example/").await.unwrap().0, 200);
        assert_eq!(proxy.requests(), before + 1, "{message}");
        system.set(with_script(script));
        let failure = fetch(&system.client(), &unknown_host(".example")).await.expect_err(message);
        assert_eq!(failure.cause, Some(NetworkCause::ProxyScript), "{failure}");
        let text = &failure.message;
        assert!(text.contains(message) && !text.contains("secret"), "{text}");
    }
}

// The fixed proxies of macOS are read by the HTTP library, not from these settings.
#[cfg(not(target_os = "macos"))]
#[tokio::test]
async fn fixed_proxies_of_the_system_and_their_exceptions_are_used() {
    let proxy = Proxy::start(http().await).await;
    let system = FakeSystem::default();
    system.set(SystemSettings {
        bypass: vec!["inside.example".to_owned()],
        bypass_plain_names: true,
        ..fixed(&proxy)
    });
    let live = system.client();
    assert_eq!(fetch(&live, "http://outside.example/").await.unwrap().0, 200);
    assert_eq!(proxy.requests(), 1);
    for host in [unknown_host(".inside.example"), unknown_host("")] {
        let failure = fetch(&live, &host).await.expect_err("reached directly");
        assert_eq!(failure.cause, Some(NetworkCause::Dns), "{host}: {failure}");
    }
    // Only for `http`.
    let secure = unknown_host(".example").replace("http:", "https:");
    fetch(&live, &secure).await.expect_err("reached directly");
    assert_eq!(proxy.requests(), 1);
}

/// Runs a test of this module again in a process with other variables. Returns true in that process.
fn is_child(name: &str, variables: &[(&str, &str)]) -> bool {
    const CHILD: &str = "CARREL_TEST_PROXY_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("system_proxies::{name}")]).env(CHILD, "1");
    let child = command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(child.status.success(), "{}{}", text(&child.stdout), text(&child.stderr));
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_variables_have_priority_over_the_system() {
    const PORTS: &str = "CARREL_TEST_PORTS";
    let Ok(ports) = std::env::var(PORTS) else {
        let (of_variable, of_system) =
            (Proxy::start(http().await).await, Proxy::start(http().await).await);
        let variables = [
            ("HTTP_PROXY", of_variable.url()),
            ("NO_PROXY", "inside.example".to_owned()),
            (PORTS, format!("{} {}", of_variable.port, of_system.port)),
        ];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let name = "environment_variables_have_priority_over_the_system";
        assert!(!tokio::task::block_in_place(|| is_child(name, &variables)));
        assert_eq!((of_variable.requests(), of_system.requests()), (1, 0));
        return;
    };
    let of_system = ports.split_once(' ').unwrap().1;
    let dir = tempfile::tempdir().unwrap();
    let system = FakeSystem::default();
    let address = script(&dir.path().join("p"), &format!("PROXY 127.0.0.1:{of_system}"));
    system.set(with_script(Ok(address)));
    let live = system.client();
    assert_eq!(fetch(&live, "http://school.example/").await.unwrap().0, 200);
    // Also for a script of the system.
    let failure = fetch(&live, &unknown_host(".inside.example")).await.expect_err("direct");
    assert_eq!(failure.cause, Some(NetworkCause::Dns), "{failure}");
}

/// With the real program and settings in a folder of their own. Skipped where GNOME's settings are not installed.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a skipped test prints the reason")]
async fn the_script_in_the_settings_of_gnome_is_used() {
    const NAME: &str = "the_script_in_the_settings_of_gnome_is_used";
    const FOLDER: &str = "CARREL_TEST_GNOME";
    if std::env::var_os(FOLDER).is_some() {
        let live = client(NetworkSettings::default());
        assert_eq!(fetch(&live, "http://school.example/").await.unwrap().0, 200);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let variables = [
        ("XDG_CONFIG_HOME", folder.as_str()),
        ("GSETTINGS_BACKEND", "keyfile"),
        ("XDG_CURRENT_DESKTOP", "ubuntu:GNOME"),
        (FOLDER, "1"),
    ];
    let proxy = Proxy::start(http().await).await;
    let address = script(&dir.path().join("proxy.pac"), &format!("PROXY 127.0.0.1:{}", proxy.port));
    for (key, value) in [("mode", "auto"), ("autoconfig-url", address.as_str())] {
        let mut command = Command::new("gsettings");
        command.args(["set", "org.gnome.system.proxy", key, value]).envs(variables);
        if !command.output().is_ok_and(|output| output.status.success()) {
            return eprintln!("skipped: gsettings or org.gnome.system.proxy is not installed");
        }
    }
    assert!(!tokio::task::block_in_place(|| is_child(NAME, &variables)));
    assert_eq!(proxy.requests(), 1);
}
