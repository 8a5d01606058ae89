use super::*;

#[test]
fn only_origins_of_the_app_are_accepted() {
    let is_own = |origin: &'static str, development| {
        is_own_origin(&HeaderValue::from_static(origin), development)
    };
    for own in ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"] {
        assert!(is_own(own, false) && is_own(own, true), "{own}");
    }
    // Any local program may serve such an origin.
    for local in ["http://127.0.0.1:4711", "http://localhost:5173", "http://localhost:80"] {
        assert!(is_own(local, true), "{local}");
        assert!(!is_own(local, false), "{local} is refused in a release build");
    }
    for other in [
        "null",
        "",
        "https://example.org",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1:80.example.org",
        "http://127.0.0.1:",
        "http://127.0.0.1:99999",
        "http://localhost.example.org",
        "https://tauri.localhost.example.org",
        "file://",
    ] {
        assert!(!is_own(other, false) && !is_own(other, true), "{other}");
    }
}
