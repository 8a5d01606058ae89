//! Settings of Windows, in the registry below `Internet Settings`: those of the user, or those of the machine if an
//! administrator has fixed them for all users.

use super::{
    SystemSettings,
    address::{proxy_address, script_address},
};

/// The values of `Internet Settings`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Values {
    /// `AutoConfigURL`.
    script: String,
    /// `ProxyEnable`.
    is_enabled: bool,
    /// `ProxyServer`: one address, or a list such as `http=a:80;https=b:81;socks=c:1080`.
    server: String,
    /// `ProxyOverride`: a list such as `*.school.example;10.*;<local>`.
    bypass: String,
}

fn settings(values: &Values) -> SystemSettings {
    let mut settings =
        SystemSettings { script: script_address(&values.script), ..SystemSettings::default() };
    if !values.is_enabled {
        return settings;
    }
    let address = |scheme: &str, host: &str| Some(proxy_address(scheme, host, None)?.to_string());
    for entry in values.server.split([';', ' ']).map(str::trim).filter(|e| !e.is_empty()) {
        match entry.split_once('=') {
            None => {
                settings.http = settings.http.or_else(|| address("http", entry));
                settings.https = settings.https.or_else(|| address("http", entry));
            }
            Some(("http", host)) => settings.http = address("http", host),
            Some(("https", host)) => settings.https = address("http", host),
            Some(("socks", host)) => settings.socks = address("socks4a", host),
            // `ftp`, `gopher`.
            Some(_) => {}
        }
    }
    for entry in values.bypass.split([';', ',']).map(str::trim).filter(|e| !e.is_empty()) {
        if entry.eq_ignore_ascii_case("<local>") {
            settings.bypass_plain_names = true;
        } else {
            let host = entry.split_once("://").map_or(entry, |(_, host)| host);
            settings.bypass.push(network(host).unwrap_or_else(|| domain(host)));
        }
    }
    settings
}

/// Returns `10.0.0.0/8` for `10.*` and `10.1.0.0/16` for `10.1.*.*`.
fn network(entry: &str) -> Option<String> {
    let numbers: Vec<&str> = entry.split('.').take_while(|part| *part != "*").collect();
    let stars = entry.split('.').skip(numbers.len());
    let is_network = (1..4).contains(&numbers.len())
        && numbers.iter().all(|part| part.parse::<u8>().is_ok())
        && entry.ends_with('*')
        && stars.clone().all(|part| part == "*")
        && stars.count() + numbers.len() <= 4;
    is_network.then(|| {
        let zeros = ".0".repeat(4 - numbers.len());
        format!("{}{zeros}/{}", numbers.join("."), numbers.len() * 8)
    })
}

/// Returns `school.example` for `*.school.example`.
fn domain(entry: &str) -> String {
    entry.strip_prefix("*.").unwrap_or(entry).to_owned()
}

/// Reads the settings of the user who runs the app.
#[cfg(windows)]
pub(super) fn read() -> SystemSettings {
    use windows_registry::{CURRENT_USER, LOCAL_MACHINE};

    const SETTINGS: &str = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings";
    const POLICY: &str = r"Software\Policies\Microsoft\Windows\CurrentVersion\Internet Settings";
    let policy = LOCAL_MACHINE.open(POLICY).ok();
    let per_user = policy.and_then(|key| key.get_u32("ProxySettingsPerUser").ok());
    let root = if per_user == Some(0) { LOCAL_MACHINE } else { CURRENT_USER };
    root.open(SETTINGS).map_or_else(|_| SystemSettings::default(), |key| settings(&values(&key)))
}

#[cfg(windows)]
fn values(key: &windows_registry::Key) -> Values {
    let text = |name: &str| key.get_string(name).unwrap_or_default();
    Values {
        script: text("AutoConfigURL"),
        is_enabled: key.get_u32("ProxyEnable").unwrap_or(0) != 0,
        server: text("ProxyServer"),
        bypass: text("ProxyOverride"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(server: &str, bypass: &str) -> SystemSettings {
        let (server, bypass) = (server.to_owned(), bypass.to_owned());
        settings(&Values { is_enabled: true, server, bypass, ..Values::default() })
    }

    #[test]
    fn the_script_is_read_with_and_without_a_fixed_proxy() {
        let script = "http://wpad.school.example/proxy.pac";
        for (is_enabled, http) in [(false, None), (true, Some("http://proxy.example:3128/"))] {
            let values = Values {
                script: script.to_owned(),
                is_enabled,
                server: "proxy.example:3128".to_owned(),
                bypass: String::new(),
            };
            let found = settings(&values);
            assert_eq!(found.script.unwrap().unwrap().as_str(), script);
            assert_eq!(found.http.as_deref(), http);
        }
        assert_eq!(settings(&Values::default()), SystemSettings::default());
        let hostile = Values { script: "file://server/p.pac".to_owned(), ..Values::default() };
        assert!(settings(&hostile).script.unwrap().is_err());
    }

    #[test]
    fn fixed_proxies_are_read_for_each_scheme() {
        let all = |server| {
            let found = fixed(server, "");
            [found.http, found.https, found.socks].map(Option::unwrap_or_default)
        };
        let proxy = "http://proxy.example:8080/";
        assert_eq!(all("proxy.example:8080"), [proxy, proxy, ""]);
        assert_eq!(all("http://proxy.example:8080"), [proxy, proxy, ""]);
        assert_eq!(
            all("http=proxy.example:8080;https=b:81;ftp=c:82; socks=d:1080"),
            [proxy, "http://b:81/", "socks4a://d:1080"]
        );
        assert_eq!(all("https=b:81"), ["", "http://b:81/", ""]);
        for invalid in ["", ";;", "http=", "a b/c", "=", "http=a/b", "proxy:99999"] {
            let found = all(invalid);
            assert!(
                found.iter().all(|p| !p.contains('/') || p == "http://a/"),
                "{invalid:?} {found:?}"
            );
        }
    }

    #[test]
    fn the_bypass_list_is_converted() {
        let found = fixed(
            "p:1",
            "*.school.example; 10.*;192.168.*.*;<local>;http://intranet;*.1.*;1.*.2;*",
        );
        let expected =
            ["school.example", "10.0.0.0/8", "192.168.0.0/16", "intranet", "1.*", "1.*.2", "*"];
        assert_eq!(found.bypass, expected);
        assert!(found.bypass_plain_names);
        assert!(!fixed("p:1", "local").bypass_plain_names);
    }

    /// In a key of its own: the settings of the user who runs the test are not changed.
    #[cfg(windows)]
    #[test]
    fn values_are_read_from_the_registry() {
        use windows_registry::CURRENT_USER;

        let path = format!(r"Software\Carrel test {}", std::process::id());
        let key = CURRENT_USER.create(&path).unwrap();
        assert_eq!(values(&key), Values::default());
        key.set_string("AutoConfigURL", "http://wpad.school.example/proxy.pac").unwrap();
        key.set_u32("ProxyEnable", 1).unwrap();
        key.set_string("ProxyServer", "proxy.example:3128").unwrap();
        key.set_string("ProxyOverride", "<local>").unwrap();
        let found = values(&key);
        // Of the wrong type.
        key.set_u32("AutoConfigURL", 7).unwrap();
        let wrong = values(&key);
        drop(key);
        CURRENT_USER.remove_tree(&path).unwrap();
        let expected = Values {
            script: "http://wpad.school.example/proxy.pac".to_owned(),
            is_enabled: true,
            server: "proxy.example:3128".to_owned(),
            bypass: "<local>".to_owned(),
        };
        assert_eq!(found, expected);
        assert_eq!(wrong, Values { script: String::new(), ..expected });
    }
}
