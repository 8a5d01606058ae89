use std::{ffi::OsString, path::Path};

use super::*;

fn parsed(text: &str) -> String {
    match Link::parse(text) {
        Ok(Link::Enrol { server, token }) => format!("Enrol({server}, {token})"),
        Ok(Link::SignIn { server, code }) => format!("SignIn({server}, {code})"),
        Ok(link) => format!("{link:?}"),
        Err(error) => error.reason().to_owned(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(parsed(text), *expected, "{text:?}");
    }
}

#[test]
fn the_four_forms_are_read() {
    check(&[
        ("carrel://server?url=https://school.example", "Server(https://school.example)"),
        ("carrel://server/?url=https%3A%2F%2Fschool.example%2F", "Server(https://school.example)"),
        ("CARREL://SERVER?url=HTTPS://School.Example", "Server(https://school.example)"),
        ("carrel://server?url=school.example", "Server(school.example)"),
        ("carrel://server?url=http://192.168.1.4:7300", "Server(http://192.168.1.4:7300)"),
        ("carrel://server?url=192.168.1.4:7300", "Server(192.168.1.4:7300)"),
        ("carrel://server?url=http://[fd00::7]:7300", "Server(http://[fd00::7]:7300)"),
        ("carrel://server?url=http%3A%2F%2F%5B%3A%3A1%5D", "Server(http://[::1])"),
        (
            "carrel://server?url=https://school.example/carrel/",
            "Server(https://school.example/carrel)",
        ),
        ("carrel://server?url=https://school.example:443", "Server(https://school.example)"),
        // An internationalised name is shown in ASCII, so that letters that look alike are recognised.
        ("carrel://server?url=https://%C3%A9cole.example", "Server(https://xn--cole-9oa.example)"),
        (
            "carrel://server?url=https://p%D0%B0ypal.example",
            "Server(https://xn--pypal-4ve.example)",
        ),
        ("carrel://course/rivers", "Course(rivers, None)"),
        ("carrel://course/rivers/", "Course(rivers, None)"),
        (
            "carrel://course/how-rivers-work?server=school.example",
            "Course(how-rivers-work, Some(\"school.example\"))",
        ),
        (
            "carrel://enrol?server=https://school.example&token=Ab3_-.~9",
            "Enrol(https://school.example, Ab3_-.~9)",
        ),
        ("carrel://enrol?token=x&server=school.example", "Enrol(school.example, x)"),
        (
            "carrel://sign-in?server=https://school.example&code=2Z2Z-9ABC-DEFG",
            "SignIn(https://school.example, 2Z2Z-9ABC-DEFG)",
        ),
    ]);
}

#[test]
fn links_of_other_kinds_are_refused() {
    check(&[
        ("javascript:alert(1)", "scheme"),
        ("https://school.example", "scheme"),
        ("carrel:server?url=https://school.example", "scheme"),
        ("carrel:/server?url=https://school.example", "scheme"),
        ("xcarrel://server?url=https://school.example", "scheme"),
        ("carrels://server?url=https://school.example", "scheme"),
        ("", "scheme"),
        ("carrel://", "malformed"),
        ("carrel:///server?url=school.example", "malformed"),
        ("carrel://delete?url=school.example", "malformed"),
        ("carrel://user:pass@server?url=https://school.example", "malformed"),
        ("carrel://server:80?url=https://school.example", "malformed"),
        ("carrel://server/more?url=https://school.example", "malformed"),
        ("carrel://server?url=https://school.example#x", "malformed"),
        ("carrel://server?url=https://school.example&url=https://other.example", "malformed"),
        ("carrel://server?url=https://school.example&next=1", "malformed"),
        ("carrel://server?URL=https://school.example", "malformed"),
        ("carrel://server?url", "malformed"),
        ("carrel://server?url=a&", "malformed"),
        ("carrel://server?url=%", "malformed"),
        ("carrel://server?url=%zz", "malformed"),
        ("carrel://server?url=%ff%fe", "malformed"),
        ("carrel://enrol/x?server=school.example&token=x", "malformed"),
    ]);
}

#[test]
fn an_address_that_is_not_what_it_seems_is_refused() {
    for address in [
        "",
        "javascript:alert(1)",
        "javascript://school.example/%250aalert(1)",
        "file:///etc/passwd",
        "ftp://school.example",
        "data:text/html,x",
        "https://",
        "https:///",
        "https://.",
        "https://user@school.example",
        "https://user:secret@school.example",
        "https://school.example%40evil.example",
        "https://@school.example",
        "https://school.example?x=1",
        "https://school.example/?next=https://evil.example",
        "https://school.example%23",
        "https://school.example%2523",
        "https://school.example%5C.evil.example",
        "https://school.example%0d%0aHost:evil",
        "https://sch%00ool.example",
        "https://school.example%20evil",
        "https://school%E2%80%AE.example",
        "https://school.example%7F",
        "https://school.example:0x50",
        "https://school.example:99999",
        "https://[::1",
        "https://[::1%25eth0]",
        "http://0x7f.1",
        "http://2130706433",
        "http://127.1",
        "http://0177.0.0.1",
        "https://https://school.example",
        "%3Cscript%3E",
        "https://a%7Cb.example",
        "7300",
    ] {
        let link = format!("carrel://server?url={address}");
        assert!(
            matches!(parsed(&link).as_str(), "server" | "malformed"),
            "{link}: {}",
            parsed(&link)
        );
        let link = format!("carrel://course/rivers?server={address}");
        assert!(
            matches!(parsed(&link).as_str(), "server" | "malformed"),
            "{link}: {}",
            parsed(&link)
        );
        let link = format!("carrel://enrol?token=x&server={address}");
        assert!(
            matches!(parsed(&link).as_str(), "server" | "malformed"),
            "{link}: {}",
            parsed(&link)
        );
    }
}

#[test]
fn courses_and_tokens_have_their_own_form() {
    check(&[
        ("carrel://course", "course"),
        ("carrel://course/", "course"),
        ("carrel://course/Rivers", "course"),
        ("carrel://course/..", "course"),
        ("carrel://course/../../etc/passwd", "course"),
        ("carrel://course/a/b", "course"),
        ("carrel://course/a%2fb", "course"),
        ("carrel://course/a@b", "course"),
        ("carrel://enrol", "server"),
        ("carrel://enrol?token=abc", "server"),
        ("carrel://enrol?server=school.example", "token"),
        ("carrel://enrol?server=school.example&token=", "token"),
        ("carrel://enrol?server=school.example&token=a%20b", "token"),
        ("carrel://enrol?server=school.example&token=a%0ab", "token"),
        ("carrel://enrol?server=school.example&token=%C3%A9", "token"),
        ("carrel://enrol?server=school.example&token=a/b", "token"),
    ]);
    let link = |n: usize| format!("carrel://enrol?server=school.example&token={}", "a".repeat(n));
    assert!(Link::parse(&link(256)).is_ok());
    assert_eq!(Link::parse(&link(257)), Err(LinkError::Token));
}

#[test]
fn length_and_characters_are_limited() {
    let exact = format!("carrel://server?url={}", "a".repeat(MAX_LINK_BYTES - 20));
    assert_ne!(parsed(&exact), "too_long");
    assert_eq!(parsed(&format!("{exact}a")), "too_long");
    assert_eq!(parsed(&"x".repeat(1 << 20)), "too_long");
    for odd in [
        " ", "\t", "\n", "\r", "\0", "\u{7f}", "\u{85}", "\u{a0}", "\u{202e}", "\u{200b}", "é",
        "\\", "\"", "<", ">",
    ] {
        assert_eq!(
            parsed(&format!("carrel://server?url=https://sch{odd}ool.example")),
            "characters",
            "{odd:?}"
        );
        assert_eq!(parsed(&format!("{odd}carrel://course/rivers")), "characters", "{odd:?}");
        assert_eq!(parsed(&format!("carrel://course/rivers{odd}")), "characters", "{odd:?}");
    }
}

#[test]
fn an_argument_is_a_path_or_a_link() {
    let folder = Path::new(if cfg!(windows) { r"C:\work" } else { "/work" });
    let of = |text: &str| OpenRequest::of_argument(&OsString::from(text), folder);
    assert_eq!(of("a b.carrel"), OpenRequest::File(folder.join("a b.carrel")));
    assert_eq!(of("sub/é.carrel"), OpenRequest::File(folder.join("sub/é.carrel")));
    assert!(matches!(of("carrel://course/rivers"), OpenRequest::Link(Link::Course { .. })));
    for refused in
        ["javascript:alert(1)", "https://school.example/a.carrel", "ftp://x/a.carrel", "carrel:x"]
    {
        assert!(
            matches!(of(refused), OpenRequest::Refused { error: LinkError::Scheme, .. }),
            "{refused}: {:?}",
            of(refused)
        );
    }
    // Letters of drives are not schemes.
    assert!(matches!(of(r"C:\files\a.carrel"), OpenRequest::File(_)));
}

#[test]
#[cfg(unix)]
fn file_addresses_name_files_of_this_computer() {
    let of = |text: &str| OpenRequest::of_link(text);
    let file = |path: &str| OpenRequest::File(PathBuf::from(path));
    assert_eq!(of("file:///media/a%20b/x.carrel"), file("/media/a b/x.carrel"));
    assert_eq!(of("FILE://localhost/x.carrel"), file("/x.carrel"));
    assert_eq!(of("file:///%C3%A9.carrel"), file("/é.carrel"));
    for refused in [
        "file://server.example/share/x.carrel",
        "file:///x.carrel?a",
        "file:///x.carrel#a",
        "file:///x\n.carrel",
        "file:",
    ] {
        // `file:` names the root folder, which no import accepts.
        assert!(
            matches!(of(refused), OpenRequest::Refused { .. }) || of(refused) == file("/"),
            "{refused:?}"
        );
    }
    let path = PathBuf::from("/x/a.carrel");
    assert_eq!(
        OpenRequest::of_argument(path.as_os_str(), Path::new("/other")),
        OpenRequest::File(path)
    );
}

#[test]
fn a_refused_link_is_shown_shortened_and_escaped() {
    let OpenRequest::Refused { shown, error } = OpenRequest::of_link("carrel://x\u{202e}\n<b>")
    else {
        panic!("accepted");
    };
    assert_eq!((shown.as_str(), error), ("carrel://x\\u{202e}\\u{a}<b>", LinkError::Characters));
    let OpenRequest::Refused { shown, .. } = OpenRequest::of_link(&"a:".repeat(5000)) else {
        panic!("accepted");
    };
    assert_eq!(shown.chars().count(), 121);
}

#[test]
fn requests_wait_in_order_without_repetition_up_to_a_maximum() {
    let requests = OpenRequests::default();
    let file = |n: usize| OpenRequest::File(PathBuf::from(format!("/{n}.carrel")));
    assert!(!requests.add([]));
    assert!(requests.add([file(1), file(2), file(1)]));
    assert!(!requests.add([file(2)]));
    assert_eq!(requests.take(), [file(1), file(2)]);
    assert_eq!(requests.take(), []);
    assert!(requests.add((0..100).map(file)));
    assert_eq!(requests.take().len(), MAX_WAITING);
}

#[test]
fn the_token_is_not_in_the_debug_output() {
    let link = Link::parse("carrel://enrol?server=school.example&token=SECRET").expect("a link");
    assert!(!format!("{link:?}").contains("SECRET"));
}
