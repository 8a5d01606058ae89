//! Checks of the operating system: keychain, web view, codecs, fonts, time zone, proxies, policies.

use std::path::{Path, PathBuf};

use carrel_net::{RealSystem, SystemProxies as _, SystemSettings};

use super::{Check, Outcome};

/// State of the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keychain {
    Works,
    /// Tokens are stored in an encrypted file.
    Absent,
    /// Why it does not respond.
    Unavailable(String),
    /// Not probed, because a file is used by configuration.
    NotUsed,
}

/// What the host knows about the operating system.
#[derive(Debug, Clone)]
pub struct SystemFacts {
    pub keychain: Keychain,
    /// Version of the web view, or why it cannot be used; none if the host has no window.
    pub webview: Option<Result<String, String>>,
    /// Folders with GStreamer plugins, on systems whose web view uses them.
    pub codec_folders: Option<Vec<PathBuf>>,
    /// Folders with fonts, on systems where they may be missing.
    pub font_folders: Option<Vec<PathBuf>>,
    /// Name of the time zone; none if it is unknown.
    pub time_zone: Option<String>,
    /// Environment variables of a proxy that are set, with their values.
    pub proxy_variables: Vec<(String, String)>,
    /// Proxies in the settings of the operating system.
    pub proxy_settings: SystemSettings,
    /// Problems of the policies, in words.
    pub policy_problems: Vec<String>,
}

impl Default for SystemFacts {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            keychain: Keychain::NotUsed,
            webview: None,
            codec_folders: None,
            font_folders: None,
            time_zone: None,
            proxy_variables: Vec::new(),
            proxy_settings: SystemSettings::default(),
            policy_problems: Vec::new(),
        }
    }
}

impl SystemFacts {
    /// Reads what can be read without a window: codecs, fonts, time zone, proxies.
    pub fn of_this_system() -> Self {
        let linux = |folders: &[&str]| {
            let folders = folders.iter().map(PathBuf::from).collect();
            cfg!(target_os = "linux").then_some(folders)
        };
        let mut codecs: Option<Vec<PathBuf>> =
            linux(&["/usr/lib/gstreamer-1.0", "/usr/lib64/gstreamer-1.0"]);
        if let Some(codecs) = &mut codecs {
            codecs.push(
                format!("/usr/lib/{}-linux-gnu/gstreamer-1.0", std::env::consts::ARCH).into(),
            );
            let own = ["GST_PLUGIN_SYSTEM_PATH_1_0", "GST_PLUGIN_SYSTEM_PATH", "GST_PLUGIN_PATH"];
            for variable in own {
                codecs.extend(std::env::var_os(variable).iter().flat_map(std::env::split_paths));
            }
        }
        let mut fonts = linux(&["/usr/share/fonts", "/usr/local/share/fonts"]);
        if let (Some(fonts), Some(home)) = (&mut fonts, std::env::var_os("HOME")) {
            fonts.push(Path::new(&home).join(".local/share/fonts"));
            fonts.push(Path::new(&home).join(".fonts"));
        }
        let names =
            ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
        let variable = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
        let zone = jiff::tz::TimeZone::try_system().ok();
        Self {
            codec_folders: codecs,
            font_folders: fonts,
            time_zone: zone.map(|zone| zone.iana_name().unwrap_or("fixed offset").to_owned()),
            proxy_variables: names
                .iter()
                .filter_map(variable)
                .filter(|v| !v.1.is_empty())
                .collect(),
            proxy_settings: RealSystem.read(),
            ..Self::default()
        }
    }
}

pub(super) fn check(facts: &SystemFacts) -> Vec<Check> {
    let mut checks = vec![keychain(&facts.keychain)];
    checks.push(match &facts.webview {
        None => Check::skipped("system.webview", "not checked without a window"),
        Some(Ok(version)) => Check::ok("system.webview", format!("web view {version}")),
        Some(Err(e)) => Check::problem(
            "system.webview",
            "webview_missing",
            format!("the web view cannot be used: {e}"),
            "install the system's web view (WebKitGTK 4.1, WebView2)",
        ),
    });
    checks.push(codecs(facts.codec_folders.as_deref()));
    checks.push(fonts(facts.font_folders.as_deref()));
    checks.push(match &facts.time_zone {
        Some(zone) => Check::ok("system.time_zone", format!("time zone {zone}")),
        None => Check::warning(
            "system.time_zone",
            "time_zone_unknown",
            "the time zone is unknown; days begin at midnight UTC",
            "set the time zone of this device",
        ),
    });
    checks.push(proxy(&facts.proxy_variables, &facts.proxy_settings));
    checks.push(match facts.policy_problems.as_slice() {
        [] => Check::ok("policy", "no problem with policies"),
        problems => Check::warning(
            "policy",
            "policy_problem",
            problems.join("; "),
            "correct the policy; `carrel --policy-report` lists all of them",
        ),
    });
    checks
}

fn keychain(state: &Keychain) -> Check {
    let id = "system.keychain";
    match state {
        Keychain::Works => Check::ok(id, "the keychain works"),
        Keychain::NotUsed => Check::skipped(id, "not used here"),
        Keychain::Absent => Check::warning(
            id,
            "keychain_missing",
            "this system has no keychain; tokens are stored in an encrypted file",
            "install and start a keychain (Secret Service), or accept the file",
        ),
        Keychain::Unavailable(why) => Check::warning(
            id,
            "keychain_unavailable",
            format!("the keychain does not respond: {why}"),
            "unlock the keychain, or sign out of the desktop and in again",
        ),
    }
}

/// Formats of recordings, and the plugins of which one of each group decodes them.
const FORMATS: &[(&str, &[&[&str]])] = &[
    ("mp3", &[&["mpg123", "libav", "mad"]]),
    ("mp4", &[&["isomp4"], &["libav", "openh264", "va", "vaapi", "fdkaac", "faad"]]),
    ("ogg", &[&["ogg"], &["vorbis", "opus", "libav"]]),
];

fn codecs(folders: Option<&[PathBuf]>) -> Check {
    let id = "system.codecs";
    let Some(folders) = folders else {
        return Check::skipped(id, "the system's web view contains the codecs");
    };
    let has = |plugin: &str| folders.iter().any(|f| f.join(format!("libgst{plugin}.so")).exists());
    let plays = |groups: &[&[&str]]| groups.iter().all(|group| group.iter().any(|p| has(p)));
    let missing: Vec<&str> =
        FORMATS.iter().filter(|(_, groups)| !plays(groups)).map(|(format, _)| *format).collect();
    if missing.is_empty() {
        return Check::ok(id, "mp3, mp4 and ogg can be played");
    }
    Check::new(
        id,
        Outcome::Warning,
        "codecs_missing",
        format!("recordings of these formats cannot be played: {}", missing.join(", ")),
        "install gstreamer1.0-plugins-good and gstreamer1.0-libav",
    )
}

fn fonts(folders: Option<&[PathBuf]>) -> Check {
    let id = "system.fonts";
    let Some(folders) = folders else { return Check::skipped(id, "part of the system") };
    let is_font = |path: &Path| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        ["ttf", "otf", "ttc", "pfb"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    };
    let mut left: Vec<PathBuf> = folders.to_vec();
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_font(&path) {
                return Check::ok(id, "fonts are installed");
            }
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                left.push(path);
            }
        }
    }
    Check::warning(
        id,
        "fonts_missing",
        "no font is installed: scripts without a font in Carrel are not displayed",
        "install fonts-noto-core",
    )
}

fn proxy(variables: &[(String, String)], settings: &SystemSettings) -> Check {
    let id = "system.proxy";
    let mut shown = Vec::new();
    for (name, value) in variables {
        let address = if value.contains("://") { value.clone() } else { format!("http://{value}") };
        let Some(proxy) = public_address(&address) else {
            let found = format!("{name} is not an address");
            let action = "set it to an address such as http://proxy.example:3128";
            return Check::problem(id, "proxy_invalid", found, action);
        };
        shown.push(format!("{name}: {proxy}"));
    }
    match &settings.script {
        // Environment variables have priority.
        _ if !shown.is_empty() => {}
        Some(Err(why)) => {
            let action =
                "correct the address in the settings of the system, or set the policy ProxyMode";
            return Check::problem(id, "proxy_script_invalid", why.clone(), action);
        }
        Some(Ok(script)) => {
            let host = script.host_str().unwrap_or("this device");
            let path = script.path();
            shown.push(format!("script of the system's settings: {path} on {host}"));
        }
        None => {}
    }
    if shown.is_empty() {
        for (scheme, proxy) in
            [("http", &settings.http), ("https", &settings.https), ("SOCKS", &settings.socks)]
        {
            let proxy = proxy.as_deref().and_then(public_address);
            shown.extend(proxy.map(|p| format!("system's settings for {scheme}: {p}")));
        }
    }
    match shown.is_empty() {
        // The fixed proxies of macOS are read by the HTTP library.
        true if cfg!(target_os = "macos") => {
            Check::ok(id, "no proxy in the environment; the system's settings are used")
        }
        true => Check::ok(id, "no proxy in the environment or in the system's settings"),
        false => Check::ok(id, shown.join("; ")),
    }
}

/// Returns host and port of a proxy, and whether there is a login; `None` if it is no address.
fn public_address(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let login = if url.username().is_empty() { "" } else { ", with a name and password" };
    Some(format!("{host}:{port}{login}"))
}
