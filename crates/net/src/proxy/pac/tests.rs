use carrel_system::SystemClock;

use super::*;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn proxies(script: &str, url: &str) -> Result<Vec<String>, String> {
    let found = run(script, &Url::parse(url).unwrap(), &clock())?;
    let text = |p: Option<Url>| p.map_or("direct".to_owned(), |url| url.to_string());
    Ok(found.into_iter().map(text).collect())
}

/// Evaluates an expression that uses `url` and `host` within a script.
fn is_true(expression: &str) -> bool {
    let script = format!(
        "function FindProxyForURL(url, host) {{ return ({expression}) ? 'PROXY yes:1' : 'DIRECT'; }}"
    );
    let found = proxies(&script, "https://www.school.example/private?token=1");
    found.unwrap_or_else(|e| panic!("{expression}: {e}")) == ["http://yes:1/"]
}

#[test]
fn results_are_parsed_in_their_order() {
    for (result, expected) in [
        ("DIRECT", &["direct"][..]),
        ("", &["direct"]),
        ("   ", &["direct"]),
        ("PROXY proxy.example:8080", &["http://proxy.example:8080/"]),
        ("proxy proxy.example:8080;direct", &["http://proxy.example:8080/", "direct"]),
        ("PROXY a:1; PROXY b:2; DIRECT", &["http://a:1/", "http://b:2/", "direct"]),
        ("HTTPS secure.example:443", &["https://secure.example/"]),
        ("SOCKS5 s:1080; SOCKS t:1081", &["socks5h://s:1080", "socks4a://t:1081"]),
        ("PROXY no-port.example", &["http://no-port.example/"]),
        ("SOCKS5 no-port.example", &["socks5h://no-port.example:1080"]),
        ("PROXY [2001:db8::1]:3128", &["http://[2001:db8::1]:3128/"]),
        (";; PROXY a:1 ;;", &["http://a:1/"]),
        ("QUIC a:1; PROXY b:2", &["http://b:2/"]),
        ("PROXY a:99999; PROXY b:2", &["http://b:2/"]),
        ("PROXY a:1/path; PROXY b:2", &["http://b:2/"]),
    ] {
        let script = format!("function FindProxyForURL(u, h) {{ return {result:?}; }}");
        assert_eq!(proxies(&script, "https://school.example/").unwrap(), expected, "{result:?}");
    }
    for result in ["QUIC a:1", "PROXY", "nonsense", "PROXY  ", "DIRECT now"] {
        let script = format!("function FindProxyForURL(u, h) {{ return {result:?}; }}");
        let error = proxies(&script, "https://school.example/").unwrap_err();
        assert!(error.contains("returned"), "{result:?}: {error}");
    }
}

#[test]
fn the_functions_of_scripts_give_the_documented_results() {
    for expression in [
        "isPlainHostName('www')",
        "!isPlainHostName('www.example')",
        "!isPlainHostName('::1')",
        "dnsDomainIs('www.school.example', '.school.example')",
        "dnsDomainIs('WWW.School.Example', 'school.example')",
        "!dnsDomainIs('www.badschool.example', 'school.example')",
        "localHostOrDomainIs('www', 'www.school.example')",
        "localHostOrDomainIs('www.school.example', 'www.school.example')",
        "!localHostOrDomainIs('home.school.example', 'www.school.example')",
        "!localHostOrDomainIs('ww', 'www.school.example')",
        "dnsDomainLevels('www') === 0 && dnsDomainLevels('a.b.c') === 2",
        "shExpMatch('http://a/b/c', '*/b/*')",
        "!shExpMatch('http://a/b/c', '*/d/*')",
        "shExpMatch('a.b', 'a?b') && shExpMatch('a.b', 'a.b') && !shExpMatch('axb', 'a.b')",
        "shExpMatch('(x)[1]', '(x)[1]') && shExpMatch('a\\nb', 'a*b')",
        "isInNet('192.168.1.7', '192.168.0.0', '255.255.0.0')",
        "!isInNet('192.169.1.7', '192.168.0.0', '255.255.0.0')",
        "isInNet('10.255.255.255', '10.0.0.0', '255.0.0.0')",
        "isInNet('200.1.2.3', '200.1.2.3', '255.255.255.255')",
        "!isInNet('1.2.3', '1.2.3.0', '255.255.255.0') && !isInNet('300.1.1.1', '1.1.1.1', '0.0.0.0')",
        "isInNetEx('10.1.2.3', '10.0.0.0/8') && !isInNetEx('11.1.2.3', '10.0.0.0/8')",
        "isInNetEx('2001:db8::7', '2001:db8::/32') && !isInNetEx('2001:db9::7', '2001:db8::/32')",
        "isInNetEx('10.1.2.3', '0.0.0.0/0') && !isInNetEx('10.1.2.3', '10.0.0.0/99') && !isInNetEx('10.1.2.3', 'x')",
        "dnsResolve('127.0.0.1') === '127.0.0.1' && isResolvable('127.0.0.1')",
        "dnsResolveEx('127.0.0.1') === '127.0.0.1'",
        "convert_addr('104.16.41.2') === 1745889538",
        "/^\\d+\\.\\d+\\.\\d+\\.\\d+$|:/.test(myIpAddress())",
        "url === 'https://www.school.example/' && host === 'www.school.example'",
        "alert('x') === undefined",
    ] {
        assert!(is_true(expression), "{expression}");
    }
}

/// A clock that always shows the same time.
struct At(i64);
impl Clock for At {
    fn now_ms(&self) -> i64 {
        self.0
    }
    fn monotonic_ms(&self) -> i64 {
        0
    }
    fn sleep(&self, _: std::time::Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
    fn zone_offset_min(&self, _: i64) -> i32 {
        0
    }
}

#[test]
fn ranges_of_days_dates_and_times_are_compared_with_the_clock() {
    // Wednesday, 2026-07-15, 13:45:30 UTC.
    let clock: Arc<dyn Clock> = Arc::new(At(1_784_123_130_000));
    let url = Url::parse("https://school.example/").unwrap();
    for (expression, expected) in [
        ("weekdayRange('WED', 'GMT')", true),
        ("weekdayRange('MON', 'FRI', 'GMT')", true),
        ("weekdayRange('SAT', 'SUN', 'GMT')", false),
        ("weekdayRange('FRI', 'WED', 'GMT')", true),
        ("weekdayRange('XYZ', 'GMT')", false),
        ("timeRange(13, 'GMT')", true),
        ("timeRange(12, 'GMT')", false),
        ("timeRange(8, 17, 'GMT')", true),
        ("timeRange(17, 8, 'GMT')", false),
        ("timeRange(22, 14, 'GMT')", true),
        ("timeRange(13, 45, 13, 46, 'GMT')", true),
        ("timeRange(13, 46, 14, 0, 'GMT')", false),
        ("timeRange(13, 45, 29, 13, 45, 31, 'GMT')", true),
        ("timeRange(13, 45, 31, 13, 45, 59, 'GMT')", false),
        ("timeRange(1, 2, 3, 'GMT')", false),
        ("dateRange(15, 'GMT')", true),
        ("dateRange('JUL', 'GMT')", true),
        ("dateRange(2026, 'GMT')", true),
        ("dateRange(2025, 'GMT')", false),
        ("dateRange(10, 20, 'GMT')", true),
        ("dateRange('JAN', 'JUN', 'GMT')", false),
        ("dateRange('NOV', 'JUL', 'GMT')", true),
        ("dateRange(1, 'JUL', 14, 'JUL', 'GMT')", false),
        ("dateRange(1, 'JUN', 15, 'AUG', 'GMT')", true),
        ("dateRange(2024, 2026, 'GMT')", true),
        ("dateRange('AUG', 2025, 'JUL', 2026, 'GMT')", true),
        ("dateRange(16, 'JUL', 2026, 1, 'JAN', 2027, 'GMT')", false),
    ] {
        let script = format!(
            "function FindProxyForURL() {{ return {expression} ? 'PROXY a:1' : 'DIRECT'; }}"
        );
        let found = run(&script, &url, &clock).unwrap_or_else(|e| panic!("{expression}: {e}"));
        assert_eq!(found[0].is_some(), expected, "{expression}");
    }
}

#[test]
fn invalid_and_hostile_scripts_end_with_an_error() {
    let script = |body: &str| format!("function FindProxyForURL(url, host) {{ {body} }}");
    for (script, expected) in [
        ("".to_owned(), ""),
        ("<html>Not found</html>".to_owned(), "unexpected"),
        ("function other() {}".to_owned(), ""),
        ("var FindProxyForURL = 7;".to_owned(), ""),
        (script("return {}"), ""),
        (script("return 7"), ""),
        (script("throw new Error('no network today')"), "no network today"),
        (script("throw 'text'"), "text"),
        (script("return undefinedName"), "undefinedName"),
        (script("while (true) {}"), ""),
        (script("return FindProxyForURL(url, host)"), "stack"),
        (script("let a = ['x']; while (true) a.push('y'.repeat(1 << 20) + a.length)"), ""),
        (script("return /(a+)+$/.test('a'.repeat(40) + 'b') ? 'DIRECT' : 'NONE'"), ""),
    ] {
        let error = proxies(&script, "https://school.example/").expect_err(&script);
        let is_expected = error.to_lowercase().contains(&expected.to_lowercase());
        assert!(is_expected && !error.is_empty(), "{script}: {error}");
    }
}

#[test]
fn scripts_cannot_read_files_or_load_modules() {
    for expression in [
        "typeof require",
        "typeof std",
        "typeof os",
        "typeof fetch",
        "typeof process",
        "typeof Deno",
    ] {
        assert!(is_true(&format!("{expression} === 'undefined'")), "{expression}");
    }
    let script = "import * as fs from 'fs'; function FindProxyForURL() { return 'DIRECT'; }";
    assert!(proxies(script, "https://school.example/").is_err());
}

#[test]
fn a_script_with_a_byte_order_mark_and_old_style_code_runs() {
    let script = "\u{feff}proxy = 'PROXY a:1';\nfunction FindProxyForURL(url, host) { with ({ p: proxy }) return p; }";
    assert_eq!(proxies(script, "https://school.example/").unwrap(), ["http://a:1/"]);
    let nothing = "function FindProxyForURL() {}";
    assert_eq!(proxies(nothing, "https://school.example/").unwrap(), ["direct"]);
    let null = "function FindProxyForURL() { return null }";
    assert_eq!(proxies(null, "https://school.example/").unwrap(), ["direct"]);
    let ex = "function FindProxyForURLEx(url, host) { return 'PROXY ' + host + ':1'; }";
    assert_eq!(proxies(ex, "https://school.example/").unwrap(), ["http://school.example:1/"]);
}
