//! Policy files, good and bad, with what is in force and which problems are reported. The texts of the reports are in
//! `snapshots`.

use std::{fs, path::Path};

use carrel_policy::{
    Effect, Loaded, MAX_FILE_BYTES, Policies, ProblemCode, ProxyPolicy, Source, SourceStatus,
    load_from,
};

/// An input: name, bytes of the file, expected keys in force (`Key=value`), expected problems (`Code Key line:column`).
type Case = (&'static str, Vec<u8>, &'static [&'static str], &'static [&'static str]);

fn case(
    name: &'static str,
    text: &str,
    in_force: &'static [&'static str],
    problems: &'static [&'static str],
) -> Case {
    (name, text.as_bytes().to_vec(), in_force, problems)
}

/// A case of one member.
fn one(
    member: &'static str,
    in_force: &'static [&'static str],
    problems: &'static [&'static str],
) -> Case {
    case(member, &format!("{{{member}}}"), in_force, problems)
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(unit).collect()
}

fn file_cases() -> Vec<Case> {
    let kiosk = r#"{"KioskMode": true}"#;
    vec![
        case("an empty object", "{}", &[], &[]),
        case("a good file", kiosk, &["KioskMode=true"], &[]),
        case("UTF-8 with a byte order mark", &format!("\u{feff}{kiosk}"), &["KioskMode=true"], &[]),
        ("UTF-16, little endian", utf16(kiosk, u16::to_le_bytes), &["KioskMode=true"], &[]),
        ("UTF-16, big endian", utf16(kiosk, u16::to_be_bytes), &["KioskMode=true"], &[]),
        ("UTF-16 with half a character", b"\xff\xfe{\0}".to_vec(), &[], &["Encoding"]),
        (
            "UTF-16 without a byte order mark",
            utf16(kiosk, u16::to_le_bytes)[2..].to_vec(),
            &[],
            &["Syntax 1:2"],
        ),
        (
            "the code page of Windows",
            b"{\"ExtraCaFile\": \"/\xe9cole.pem\"}".to_vec(),
            &[],
            &["Encoding"],
        ),
        case(
            "line ends of Windows",
            "{\r\n  \"KioskMode\": 1\r\n}\r\n",
            &[],
            &["WrongType KioskMode 2:16"],
        ),
        case("an empty file", "", &[], &["Syntax 1:1"]),
        case("only spaces", " \n\n", &[], &["Syntax 3:1"]),
        case("no closing bracket", "{\n  \"KioskMode\": true\n", &[], &["Syntax 3:1"]),
        case("a comma too much", "{\n  \"KioskMode\": true,\n}", &[], &["Syntax 3:1"]),
        case(
            "a comma too few",
            "{\"KioskMode\": true \"LogLevel\": \"warn\"}",
            &[],
            &["Syntax 1:20"],
        ),
        case("a comment", "{\n  // on\n  \"KioskMode\": true\n}", &[], &["Syntax 2:3"]),
        case("single quotes", "{'KioskMode': true}", &[], &["Syntax 1:2"]),
        case("text after the object", "{\"KioskMode\": true} {}", &[], &["Syntax 1:21"]),
        case("a list", "[\"KioskMode\"]", &[], &["NotAnObject 1:1"]),
        case("a text", "\n \"KioskMode\"", &[], &["NotAnObject 2:2"]),
        case("null", "null", &[], &["NotAnObject 1:1"]),
        case("another format", "KioskMode=1\n", &[], &["Syntax 1:1"]),
        case(
            "a schema for the editor",
            r#"{"$schema": "policies.schema.json", "KioskMode": true}"#,
            &["KioskMode=true"],
            &[],
        ),
        case("open brackets", &"[".repeat(500_000), &[], &["Syntax 1:1"]),
        case(
            "a deep list as a value",
            &format!("{{\"AllowedServers\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000)),
            &[],
            &["WrongType AllowedServers 1:20"],
        ),
        case(
            "a deep object as a value",
            &format!(
                "{{\"KioskMode\": {}1{}, \"LogLevel\": \"warn\"}}",
                "{\"a\":".repeat(50_000),
                "}".repeat(50_000)
            ),
            &["LogLevel=warn"],
            &["WrongType KioskMode 1:15"],
        ),
        case(
            "too many keys",
            &format!("{{{}\"KioskMode\": true}}", "\"a\": 1, ".repeat(1_000)),
            &[],
            &["TooLarge"],
        ),
    ]
}

fn key_cases() -> Vec<Case> {
    vec![
        one(r#""KioskMod": true"#, &[], &["UnknownKey KioskMod 1:14"]),
        one(r#""kioskmode": true"#, &[], &["UnknownKey kioskmode 1:15"]),
        one(r#""HomepageLocation": 1"#, &[], &["UnknownKey HomepageLocation 1:22"]),
        one(r#""": 1"#, &[], &["UnknownKey  1:6"]),
        case(
            "a name with a line end and a change of direction",
            "{\"Kiosk\\nMode\\u202e\": true}",
            &[],
            &["UnknownKey Kiosk\\nMode\\u{202e} 1:23"],
        ),
        one(
            r#""KioskMode": true, "KioskMode": false"#,
            &["KioskMode=false"],
            &["DuplicateKey KioskMode 1:34"],
        ),
        one(
            r#""KioskMode": true, "KioskMode": 5"#,
            &[],
            &["DuplicateKey KioskMode 1:34", "WrongType KioskMode 1:34"],
        ),
        one(r#""KioskMode": "true""#, &[], &["WrongType KioskMode 1:15"]),
        one(r#""KioskMode": 1"#, &[], &["WrongType KioskMode 1:15"]),
        one(
            r#""KioskMode": null, "LogLevel": "warn""#,
            &["LogLevel=warn"],
            &["WrongType KioskMode 1:15"],
        ),
        one(r#""Telemetry": false"#, &["Telemetry=false"], &[]),
        one(r#""Telemetry": true"#, &[], &["BadValue Telemetry 1:15"]),
        one(r#""LogLevel": "Debug""#, &[], &["BadValue LogLevel 1:14"]),
        one(r#""LogLevel": "loud""#, &[], &["BadValue LogLevel 1:14"]),
        one(r#""LogLevel": ["debug"]"#, &[], &["WrongType LogLevel 1:14"]),
        one(r#""LogLevel": "\ud800""#, &[], &["WrongType LogLevel 1:14"]),
        one(r#""ContentQuota": 20000000000"#, &["ContentQuota=20 GB"], &[]),
        one(r#""ContentQuota": "20 GB""#, &["ContentQuota=20 GB"], &[]),
        one(r#""ContentQuota": "500mb""#, &["ContentQuota=500 MB"], &[]),
        one(r#""ContentQuota": "1 GiB""#, &["ContentQuota=1073741824 bytes"], &[]),
        one(r#""ContentQuota": 5"#, &[], &["OutOfRange ContentQuota 1:18"]),
        one(r#""ContentQuota": -1"#, &[], &["OutOfRange ContentQuota 1:18"]),
        one(r#""ContentQuota": 99999999999999999999999"#, &[], &["OutOfRange ContentQuota 1:18"]),
        one(r#""ContentQuota": "99999999999 TB""#, &[], &["OutOfRange ContentQuota 1:18"]),
        one(r#""ContentQuota": 1.5e10"#, &[], &["WrongType ContentQuota 1:18"]),
        one(r#""ContentQuota": 1e999"#, &[], &["WrongType ContentQuota 1:18"]),
        one(r#""ContentQuota": "1.5 GB""#, &[], &["BadValue ContentQuota 1:18"]),
        one(r#""ContentQuota": "twenty""#, &[], &["BadValue ContentQuota 1:18"]),
        one(r#""ContentQuota": "20 GX""#, &[], &["BadValue ContentQuota 1:18"]),
        one(r#""EnrolmentToken": "s3cr3t-9fQ2-kiosk""#, &["EnrolmentToken=(not shown)"], &[]),
        one(r#""EnrolmentToken": "short""#, &[], &["BadValue EnrolmentToken 1:20"]),
        one(r#""EnrolmentToken": "secret with spaces""#, &[], &["BadValue EnrolmentToken 1:20"]),
        one(r#""EnrolmentToken": 12345678"#, &[], &["WrongType EnrolmentToken 1:20"]),
    ]
}

fn address_cases() -> Vec<Case> {
    vec![
        one(
            r#""ServerAddress": "https://School.example:443/carrel/""#,
            &["ServerAddress=https://school.example/carrel"],
            &[],
        ),
        one(r#""ServerAddress": "school.example""#, &[], &["BadValue ServerAddress 1:19"]),
        one(r#""ServerAddress": """#, &[], &["BadValue ServerAddress 1:19"]),
        one(r#""ServerAddress": " https://school.example""#, &[], &["BadValue ServerAddress 1:19"]),
        one(r#""ServerAddress": "file:///etc/passwd""#, &[], &["BadValue ServerAddress 1:19"]),
        one(r#""ServerAddress": "javascript:alert(1)""#, &[], &["BadValue ServerAddress 1:19"]),
        one(r#""ServerAddress": "https:school.example""#, &[], &["BadValue ServerAddress 1:19"]),
        one(r#""ServerAddress": "https:///school.example""#, &[], &["BadValue ServerAddress 1:19"]),
        one(
            r#""ServerAddress": "https://school.example/../api""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://user:hunter2@school.example""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://school.example/?next=x""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://school.example\\@evil.example""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://school\u0000.example""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://school\n.example""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://elpmaxe.\u202eloohcs""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://school\u200b.example""#,
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        case(
            "an address of 5,000 characters",
            &format!("{{\"ServerAddress\": \"https://school.example/{}\"}}", "a".repeat(5_000)),
            &[],
            &["BadValue ServerAddress 1:19"],
        ),
        one(
            r#""ServerAddress": "https://school.example", "ServerAddressLocked": true"#,
            &["ServerAddress=https://school.example", "ServerAddressLocked=true"],
            &[],
        ),
        one(r#""ServerAddressLocked": true"#, &[], &["Conflict ServerAddressLocked 1:25"]),
        one(
            r#""ServerAddress": "school", "ServerAddressLocked": true"#,
            &[],
            &["BadValue ServerAddress 1:19", "Conflict ServerAddressLocked 1:52"],
        ),
        one(
            r#""ServerAddress": "https://b.example", "AllowedServers": ["a.example"], "ServerAddressLocked": true"#,
            &["AllowedServers=a.example"],
            &["Conflict ServerAddress 1:19", "Conflict ServerAddressLocked 1:96"],
        ),
        one(
            r#""AllowedServers": ["*.school.example", "https://a.example:8443/x/", "*.school.example"]"#,
            &["AllowedServers=*.school.example, https://a.example:8443/x"],
            &[],
        ),
        one(r#""AllowedServers": "school.example""#, &[], &["WrongType AllowedServers 1:20"]),
        one(r#""AllowedServers": []"#, &[], &["BadValue AllowedServers 1:20"]),
        one(r#""AllowedServers": ["a.example", 7]"#, &[], &["WrongType AllowedServers 1:20"]),
        one(r#""AllowedServers": ["a.example", "*"]"#, &[], &["BadValue AllowedServers 1:20"]),
        one(r#""AllowedServers": ["javascript:alert(1)"]"#, &[], &["BadValue AllowedServers 1:20"]),
        one(r#""SignInMethods": ["password", "telepathy"]"#, &[], &["BadValue SignInMethods 1:19"]),
        one(r#""UpdateUrl": "ftp://updates.example""#, &[], &["BadValue UpdateUrl 1:15"]),
        one(
            r#""UpdateMode": "off", "UpdateChannel": "beta""#,
            &["UpdateMode=off", "UpdateChannel=beta"],
            &["NoEffect UpdateChannel 1:40"],
        ),
    ]
}

fn network_and_path_cases() -> Vec<Case> {
    vec![
        one(r#""ProxyMode": "manual""#, &[], &["Conflict ProxyMode 1:15"]),
        one(
            r#""ProxyMode": "pac", "ProxyPacUrl": "file:///tmp/proxy.pac""#,
            &[],
            &["BadValue ProxyPacUrl 1:37", "Conflict ProxyMode 1:15"],
        ),
        one(
            r#""ProxyMode": "pac", "ProxyPacUrl": "http://wpad.example/proxy.pac?v=1""#,
            &["ProxyMode=pac", "ProxyPacUrl=http://wpad.example/proxy.pac?v=1"],
            &[],
        ),
        one(
            r#""ProxyUrl": "http://proxy.example:3128""#,
            &["ProxyUrl=http://proxy.example:3128"],
            &["NoEffect ProxyUrl 1:14"],
        ),
        one(
            r#""ProxyMode": "manual", "ProxyUrl": "http://anna:hunter2@proxy.example:3128""#,
            &[
                "ProxyMode=manual",
                "ProxyUrl=http://proxy.example:3128 (user name and password not shown)",
            ],
            &[],
        ),
        one(
            r#""ProxyUrl": "http://anna:hunter2@pro xy.example""#,
            &[],
            &["BadValue ProxyUrl 1:14"],
        ),
        one(r#""ProxyBypass": ["localhost", "http://x"]"#, &[], &["BadValue ProxyBypass 1:17"]),
        one(r#""ContentFolder": "content""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ContentFolder": "~/carrel""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ExtraCaFile": "\u0007/ca.pem""#, &[], &["BadValue ExtraCaFile 1:17"]),
    ]
}

/// Paths of Linux and macOS.
#[cfg(unix)]
fn path_cases() -> Vec<Case> {
    vec![
        one(r#""ContentFolder": "/srv/carrel""#, &["ContentFolder=/srv/carrel"], &[]),
        one(r#""ContentFolder": "/srv/../etc""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ContentFolder": "/""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ContentFolder": "C:\\Carrel""#, &[], &["BadValue ContentFolder 1:19"]),
    ]
}

#[cfg(windows)]
fn path_cases() -> Vec<Case> {
    vec![
        one(r#""ContentFolder": "D:\\Carrel""#, &["ContentFolder=D:\\Carrel"], &[]),
        one(
            r#""ContentFolder": "\\\\server\\share\\Carrel""#,
            &["ContentFolder=\\\\server\\share\\Carrel"],
            &[],
        ),
        one(r#""ContentFolder": "C:\\Carrel\\..\\Windows""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ContentFolder": "\\\\.\\PhysicalDrive0""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ContentFolder": "C:\\""#, &[], &["BadValue ContentFolder 1:19"]),
        one(r#""ContentFolder": "\\Carrel""#, &[], &["BadValue ContentFolder 1:19"]),
    ]
}

fn load_file(path: &Path) -> Loaded {
    load_from(&[Source::File { path: path.to_owned(), of_machine: false }])
}

fn in_force(loaded: &Loaded) -> Vec<String> {
    loaded.report.entries.iter().map(|entry| format!("{}={}", entry.key, entry.text)).collect()
}

fn problems(loaded: &Loaded) -> Vec<String> {
    let problems = loaded.report.problems.iter().map(|problem| {
        let mut text = format!("{:?}", problem.code);
        if let Some(key) = &problem.key {
            text += &format!(" {}", key.trim_matches('"'));
        }
        if let Some(at) = problem.position {
            text += &format!(" {}:{}", at.line, at.column);
        }
        text
    });
    problems.collect()
}

#[test]
fn each_file_has_the_expected_values_and_problems() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policies.json");
    let (mut reports, mut wrong) = (String::new(), Vec::new());
    let common = [file_cases(), key_cases(), address_cases(), network_and_path_cases()].concat();
    let count = common.len();
    assert!(count >= 40, "{count}");
    for (at, (name, bytes, expected, expected_problems)) in
        common.into_iter().chain(path_cases()).enumerate()
    {
        fs::write(&path, bytes).unwrap();
        let loaded = load_file(&path);
        let found = (in_force(&loaded), problems(&loaded));
        if found.0 != expected || found.1 != expected_problems {
            wrong.push(format!("{name}: {found:?}"));
        }
        let text = loaded.report.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("s3cr3t") && !text.contains('\u{202e}'),
            "{name}"
        );
        for problem in &loaded.report.problems {
            assert!(!problem.hint.is_empty(), "{name}");
            let nothing_in_force = problem.effect == Effect::SourceIgnored;
            assert_eq!(nothing_in_force, problem.key.is_none(), "{name}");
            if at < count {
                let source = path.display().to_string();
                reports += &format!("{name}\n  {}\n", problem.to_string().replace(&source, "FILE"));
            }
        }
        let json = serde_json::to_value(&loaded.report).unwrap();
        assert_eq!(json["problems"].as_array().unwrap().len(), loaded.report.problems.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if cfg!(unix) {
        insta::assert_snapshot!(reports);
    }
}

#[test]
fn what_is_not_a_readable_file_is_reported_and_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str| dir.path().join(name);
    let expect = |name: &str, expected: &[&str]| {
        let loaded = load_file(&of(name));
        assert_eq!(problems(&loaded), expected, "{name}");
        assert!(loaded.policies == Policies::default(), "{name}");
        let status = if expected.is_empty() { SourceStatus::Absent } else { SourceStatus::Failed };
        assert_eq!(loaded.report.sources[0].status, status, "{name}");
        assert_eq!(loaded.report.has_failed_source(), !expected.is_empty());
    };
    expect("absent", &[]);
    fs::create_dir(of("folder")).unwrap();
    expect("folder", &["NotAFile"]);
    fs::write(of("file"), "{}").unwrap();
    if cfg!(unix) {
        expect("file/policies.json", &[]);
    }
    // 100 MB that use no space on the disk, and a file that is just too large.
    fs::File::create(of("huge")).unwrap().set_len(100 * 1024 * 1024).unwrap();
    expect("huge", &["TooLarge"]);
    fs::write(of("large"), vec![b' '; usize::try_from(MAX_FILE_BYTES).unwrap() + 1]).unwrap();
    expect("large", &["TooLarge"]);
    let mut largest = b"{\"KioskMode\": true}".to_vec();
    largest.resize(usize::try_from(MAX_FILE_BYTES).unwrap(), b' ');
    fs::write(of("largest"), largest).unwrap();
    assert!(load_file(&of("largest")).policies.kiosk_mode);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_pipes_and_devices_are_refused() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str| dir.path().join(name);
    fs::write(of("target"), "{\"KioskMode\": true}").unwrap();
    symlink("target", of("link")).unwrap();
    assert!(load_file(&of("link")).policies.kiosk_mode);
    symlink("nothing", of("dangling")).unwrap();
    symlink("loop", of("loop")).unwrap();
    symlink("/dev/zero", of("zero")).unwrap();
    symlink(dir.path(), of("folder")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(of("pipe")).status().unwrap();
    assert!(made.success());
    for (name, expected) in [
        ("dangling", "Unreadable"),
        ("loop", "Unreadable"),
        ("zero", "NotAFile"),
        ("folder", "NotAFile"),
        ("pipe", "NotAFile"),
    ] {
        assert_eq!(problems(&load_file(&of(name))), [expected], "{name}");
    }
}

/// Run as a user for whom permissions hold; root can read everything.
#[cfg(unix)]
#[test]
fn a_file_without_the_permission_to_read_is_reported() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policies.json");
    fs::write(&path, "{\"KioskMode\": true}").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let loaded = load_file(&path);
    if fs::read(&path).is_ok() {
        assert!(loaded.policies.kiosk_mode, "root");
    } else {
        assert_eq!(problems(&loaded), ["Unreadable"]);
        assert!(loaded.report.problems[0].hint.contains("readable for all users"));
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_every_user_can_change_is_reported_and_in_force() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policies.json");
    fs::write(&path, "{\"KioskMode\": true}").unwrap();
    let is_root = fs::metadata(&path).unwrap().uid() == 0;
    let load_with = |file: u32, folder: u32| {
        fs::set_permissions(&path, fs::Permissions::from_mode(file)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(folder)).unwrap();
        load_from(&[Source::File { path: path.clone(), of_machine: true }])
    };
    // (mode of the file, mode of the folder, text of the problem)
    for (file, folder, message) in [
        (0o644, 0o755, None),
        (0o664, 0o755, None),
        (0o666, 0o755, Some("every user of the machine can change the file")),
        (0o644, 0o777, Some("every user of the machine can replace the file")),
        (0o644, 0o1777, None),
    ] {
        let loaded = load_with(file, folder);
        assert!(loaded.policies.kiosk_mode);
        let found: Vec<_> = loaded.report.problems.iter().map(|p| p.message.as_str()).collect();
        if is_root {
            assert_eq!(found, message.into_iter().collect::<Vec<_>>(), "{file:o} {folder:o}");
        } else {
            assert_eq!(found, ["the file does not belong to the administrator (root)"]);
        }
        assert!(loaded.report.problems.iter().all(|p| p.code == ProblemCode::InsecureFile));
        assert!(loaded.report.problems.iter().all(|p| p.effect == Effect::InForce));
    }
}

#[test]
fn the_first_source_with_a_good_value_counts() {
    let dir = tempfile::tempdir().unwrap();
    let source = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        Source::File { path, of_machine: false }
    };
    let loaded = load_from(&[
        source("a.json", r#"{"LogLevel": "error", "KioskMode": "yes"}"#),
        source("b.json", r#"{"LogLevel": "trace", "KioskMode": true, "DemoLibrary": false}"#),
        source("c.json", "not JSON"),
    ]);
    assert_eq!(in_force(&loaded), ["DemoLibrary=false", "KioskMode=true", "LogLevel=error"]);
    assert_eq!(problems(&loaded), ["WrongType KioskMode 1:36", "Syntax 1:2"]);
    let entry = &loaded.report.entries[2];
    assert!(entry.source.ends_with("a.json") && entry.overrides[0].ends_with("b.json"));
    assert!(loaded.report.entries[1].source.ends_with("b.json"));
}

#[test]
fn a_report_lists_at_most_a_hundred_problems() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policies.json");
    let members: Vec<String> = (0..250).map(|n| format!("\"Thing{n}\": 1")).collect();
    fs::write(&path, format!("{{{}}}", members.join(","))).unwrap();
    let report = load_file(&path).report;
    assert_eq!((report.problems.len(), report.more_problems), (100, 150));
    assert!(report.to_string().ends_with("and 150 more\n"));
}

#[test]
fn only_the_address_needs_a_lock_to_be_locked() {
    let load = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policies.json");
        fs::write(&path, text).unwrap();
        load_file(&path)
    };
    let address = r#""ServerAddress": "https://school.example""#;
    let open = load(&format!("{{{address}, \"LogLevel\": \"warn\", \"DemoLibrary\": true}}"));
    assert!(!open.is_locked("ServerAddress") && !open.is_locked("LogLevel"));
    assert!(open.is_locked("DemoLibrary") && !open.is_locked("ImportWork"));
    assert!(open.policies.allows_server("https://other.example"));
    let locked = load(&format!("{{{address}, \"ServerAddressLocked\": true}}"));
    assert!(locked.is_locked("ServerAddress"));
    assert!(locked.policies.allows_server("https://school.example/"));
    for other in ["https://other.example", "http://school.example", "https://school.example/x"] {
        assert!(!locked.policies.allows_server(other), "{other}");
    }
    let allowed = load(r#"{"AllowedServers": ["*.school.example"]}"#);
    assert!(allowed.policies.allows_server("https://a.school.example"));
    assert!(!allowed.policies.allows_server("https://school.example"));
}

#[test]
fn the_proxy_is_one_value_of_several_keys() {
    let proxy = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policies.json");
        fs::write(&path, text).unwrap();
        load_file(&path).policies.proxy
    };
    assert!(proxy("{}") == ProxyPolicy::System);
    assert!(proxy(r#"{"ProxyMode": "direct"}"#) == ProxyPolicy::Direct);
    let url = "http://a:b@proxy.example:3128".to_owned();
    let manual =
        format!(r#"{{"ProxyMode": "manual", "ProxyUrl": "{url}", "ProxyBypass": ["localhost"]}}"#);
    assert!(proxy(&manual) == ProxyPolicy::Manual { url, bypass: vec!["localhost".into()] });
    assert_eq!(format!("{:?}", proxy(&manual)), "Manual", "no password in a log");
}

/// The real registry, below a key of its own.
#[cfg(windows)]
#[test]
fn group_policies_are_read_from_the_registry() {
    use windows_registry::{LOCAL_MACHINE, Type};
    let path = format!(r"Software\Policies\CarrelTest{}", std::process::id());
    let source = || Source::Registry { key: path.clone() };
    assert_eq!(load_from(&[source()]).report.sources[0].status, SourceStatus::Absent);
    let key = LOCAL_MACHINE.create(&path).unwrap();
    key.set_string("ServerAddress", "https://school.example").unwrap();
    // Names are not case-sensitive in the registry.
    key.set_u32("serveraddresslocked", 1).unwrap();
    key.set_u32("DemoLibrary", 0).unwrap();
    key.set_u32("KioskMode", 2).unwrap();
    key.set_u64("ContentQuota", 20_000_000_000).unwrap();
    key.set_multi_string("ProxyBypass", &["localhost", "*.school.example"]).unwrap();
    key.set_expand_string("ContentFolder", r"%TEMP%\Carrel").unwrap();
    key.set_bytes("LogLevel", Type::Bytes, b"debug").unwrap();
    key.set_string("Unknown", "x").unwrap();
    let list = LOCAL_MACHINE.create(format!(r"{path}\SignInMethods")).unwrap();
    for (name, text) in [("2", "guest"), ("10", "registration"), ("1", "password")] {
        list.set_string(name, text).unwrap();
    }
    let loaded = load_from(&[source()]);
    LOCAL_MACHINE.remove_tree(&path).unwrap();
    assert_eq!(
        in_force(&loaded),
        [
            "ServerAddress=https://school.example",
            "ServerAddressLocked=true",
            "SignInMethods=password, guest, registration",
            "ProxyBypass=localhost, *.school.example",
            "ContentQuota=20 GB",
            "DemoLibrary=false",
        ]
    );
    let mut found = problems(&loaded);
    found.sort();
    assert_eq!(
        found,
        [
            "NoEffect ProxyBypass",
            "UnknownKey Unknown",
            "WrongType ContentFolder",
            "WrongType KioskMode",
            "WrongType LogLevel",
        ]
    );
    assert_eq!(loaded.report.sources[0].name, format!(r"HKEY_LOCAL_MACHINE\{path}"));
}

#[cfg(windows)]
#[test]
fn the_policy_file_of_windows_is_on_its_drive() {
    let folder = carrel_policy::machine_folder().unwrap();
    assert!(
        folder.ends_with(r"ProgramData\Carrel") && folder.is_absolute(),
        "{}",
        folder.display()
    );
}
