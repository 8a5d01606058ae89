//! Settings of GNOME and of the desktops that use its settings, as printed by `gsettings`: the program instead of its
//! library, which would be linked into each program.

use std::collections::HashMap;
#[cfg(target_os = "linux")]
use std::{
    io::{self, Read},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use super::{
    SystemSettings,
    address::{proxy_address, script_address},
};

const SCHEMA: &str = "org.gnome.system.proxy";
/// Desktops (`XDG_CURRENT_DESKTOP`) that use the settings of GNOME.
#[cfg(target_os = "linux")]
const DESKTOPS: &[&str] =
    &["GNOME", "Unity", "Cinnamon", "X-Cinnamon", "Pantheon", "Budgie", "MATE", "Deepin", "UKUI"];
/// Maximum time for the program.
#[cfg(target_os = "linux")]
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of its output in bytes.
#[cfg(target_os = "linux")]
const MAX_OUTPUT_BYTES: u64 = 256 * 1024;

/// Converts the output of `gsettings list-recursively`: lines of a schema, a key and a value in the text format of
/// GVariant.
fn settings(output: &str) -> SystemSettings {
    let mut values: HashMap<(&str, &str), &str> = HashMap::new();
    for line in output.lines() {
        let mut parts = line.splitn(3, ' ');
        if let (Some(schema), Some(key), Some(value)) = (parts.next(), parts.next(), parts.next())
            && let Some(group) = schema.strip_prefix(SCHEMA)
        {
            values.insert((group.trim_start_matches('.'), key), value);
        }
    }
    let value = |group, key| values.get(&(group, key)).copied().unwrap_or_default();
    let text = |group, key| strings(value(group, key)).into_iter().next().unwrap_or_default();
    let address = |scheme, group| {
        // Port 0 means that none is set.
        let port = value(group, "port").parse().ok().filter(|port| *port != 0);
        proxy_address(scheme, &text(group, "host"), port)
    };
    match text("", "mode").as_str() {
        "auto" => SystemSettings {
            script: script_address(&text("", "autoconfig-url")),
            ..SystemSettings::default()
        },
        "manual" => {
            let mut http = address("http", "http");
            if let Some(url) =
                http.as_mut().filter(|_| value("http", "use-authentication") == "true")
            {
                // Fails only for addresses without a host.
                let _ = url.set_username(&text("http", "authentication-user"));
                let _ = url.set_password(Some(&text("http", "authentication-password")));
            }
            let hosts = strings(value("", "ignore-hosts"));
            SystemSettings {
                http: http.map(String::from),
                https: address("http", "https").map(String::from),
                socks: address("socks5h", "socks").map(String::from),
                bypass: hosts
                    .iter()
                    .map(|host| host.strip_prefix("*.").unwrap_or(host).to_owned())
                    .filter(|host| !host.contains(','))
                    .collect(),
                ..SystemSettings::default()
            }
        }
        _ => SystemSettings::default(),
    }
}

/// Returns the texts of a value such as `'a'`, `"it's"` or `['a', 'b']`. A text without an end is left out.
fn strings(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = value.chars();
    while let Some(quote) = chars.by_ref().find(|c| matches!(c, '\'' | '"')) {
        let mut text = String::new();
        loop {
            match chars.next() {
                None => return found,
                Some(c) if c == quote => break,
                Some('\\') => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('u') => {
                        let code: String = chars.by_ref().take(4).collect();
                        text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                    }
                    Some(c) => text.push(c),
                    None => return found,
                },
                Some(c) => text.push(c),
            }
        }
        found.push(text);
    }
    found
}

/// Reads the settings of the user who runs the app. Empty on other desktops.
#[cfg(target_os = "linux")]
pub(super) fn read() -> SystemSettings {
    let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
    let is_known = |name: &str| DESKTOPS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !desktop.split(':').any(is_known) {
        return SystemSettings::default();
    }
    match output(Command::new("gsettings").args(["list-recursively", SCHEMA])) {
        Ok(text) => settings(&text),
        Err(error) => {
            tracing::warn!(%error, "the proxies in the settings of the desktop cannot be read");
            SystemSettings::default()
        }
    }
}

/// Returns the output of a program; an error if it cannot be started or takes too long.
#[cfg(target_os = "linux")]
fn output(command: &mut Command) -> io::Result<String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
            // Nobody receives it after the timeout.
            let _ = sender.send(read.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
        });
    }
    let text = receiver.recv_timeout(TIMEOUT);
    let _ = child.kill();
    child.wait()?;
    text.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `gsettings` 2.74 without settings, with some lines replaced or added at the end.
    fn with(lines: &[&str]) -> SystemSettings {
        let defaults = "\
            org.gnome.system.proxy autoconfig-url ''\n\
            org.gnome.system.proxy ignore-hosts ['localhost', '127.0.0.0/8', '::1']\n\
            org.gnome.system.proxy mode 'none'\n\
            org.gnome.system.proxy use-same-proxy true\n\
            org.gnome.system.proxy.http authentication-password ''\n\
            org.gnome.system.proxy.http authentication-user ''\n\
            org.gnome.system.proxy.http enabled false\n\
            org.gnome.system.proxy.http host ''\n\
            org.gnome.system.proxy.http port 8080\n\
            org.gnome.system.proxy.http use-authentication false\n\
            org.gnome.system.proxy.https host ''\n\
            org.gnome.system.proxy.https port 0\n\
            org.gnome.system.proxy.socks host ''\n\
            org.gnome.system.proxy.socks port 0\n";
        let added: Vec<String> = lines.iter().map(|line| format!("{SCHEMA}{line}")).collect();
        settings(&format!("{defaults}{}", added.join("\n")))
    }

    #[test]
    fn the_script_is_used_in_the_mode_auto_only() {
        let script = " autoconfig-url 'http://wpad.school.example/proxy.pac'";
        let found = with(&[" mode 'auto'", script]);
        assert_eq!(found.script.unwrap().unwrap().as_str(), "http://wpad.school.example/proxy.pac");
        for mode in ["none", "manual", "", "AUTO"] {
            assert_eq!(with(&[&format!(" mode '{mode}'"), script]).script, None, "{mode}");
        }
        // Automatic discovery, which is not supported.
        assert_eq!(with(&[" mode 'auto'"]), SystemSettings::default());
        for hostile in ["file://server/p.pac", "javascript:x", "\\u0000", "no address"] {
            let found = with(&[" mode 'auto'", &format!(" autoconfig-url '{hostile}'")]);
            assert!(found.script.is_none_or(|s| s.is_err()), "{hostile}");
        }
        for output in ["", "\n", "org.gnome.system.proxy", "No such schema", &"'".repeat(5_000)] {
            assert_eq!(settings(output), SystemSettings::default(), "{output:?}");
        }
    }

    #[test]
    fn fixed_proxies_are_used_in_the_mode_manual() {
        let found = with(&[
            " mode 'manual'",
            " ignore-hosts ['localhost', '*.school.example', '10.0.0.0/8', 'a,b']",
            ".http host 'proxy.example'",
            ".http use-authentication true",
            ".http authentication-user 'asha'",
            r#".http authentication-password "it's p@ss""#,
            ".https host 'secure.example'",
            ".https port 8443",
            ".socks host 'socks.example'",
            ".socks port 1080",
        ]);
        assert_eq!(found.http.as_deref(), Some("http://asha:it's%20p%40ss@proxy.example:8080/"));
        assert_eq!(found.https.as_deref(), Some("http://secure.example:8443/"));
        assert_eq!(found.socks.as_deref(), Some("socks5h://socks.example:1080"));
        assert_eq!(found.bypass, ["localhost", "school.example", "10.0.0.0/8"]);
        let empty = with(&[" mode 'manual'", " ignore-hosts @as []"]);
        assert_eq!(empty, SystemSettings::default());
    }

    #[test]
    fn texts_of_values_are_decoded() {
        for (value, expected) in [
            ("'a'", &["a"][..]),
            (r#""it's""#, &["it's"]),
            (r"'a\'b\\c\u00e9'", &["a'b\\cé"]),
            ("['a', 'b']", &["a", "b"]),
            ("@as []", &[]),
            ("8080", &[]),
            ("'no end", &[]),
            (r"'\", &[]),
        ] {
            assert_eq!(strings(value), expected, "{value}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_is_missing_or_hangs_is_an_error() {
        let missing = output(&mut Command::new("no-such-program-of-carrel"));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
        let hanging = output(Command::new("tail").args(["-f", "/dev/null"]));
        assert_eq!(hanging.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(output(Command::new("echo").arg("text")).unwrap(), "text\n");
    }
}
