//! What the pages for browsers have in common: language, direction, style and policy. They contain no scripts.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::layers::OwnBody;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-content:center;\
text-align:center;background:#faf8f4;color:#1d1b18}\
main{max-width:34rem}\
h1{font-size:1.6rem;margin:0 1rem}\
p{margin:.75rem 1rem}\
a,button{display:inline-block;padding:.7rem 1.4rem;border:0;border-radius:10px;background:#1f5f57;color:#fff;\
font:inherit;text-decoration:none}\
label{display:block}\
input{font:inherit;padding:.6rem;width:100%;max-width:20rem;box-sizing:border-box}\
code{font-size:1.6rem;letter-spacing:.05em}\
small{opacity:.75;overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){body{background:#191714;color:#f1ece4}}";

/// Languages of pages with the direction of their texts; the first one is used for browsers with another language.
pub const LANGUAGES: [(&str, &str); 3] = [("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")];

/// Returns the index in `LANGUAGES` of the first language of the browser that there is, else that of English.
pub fn language(headers: &HeaderMap) -> usize {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
    let languages = accepted.unwrap_or_default().split(',').take(20);
    let mut found = languages.filter_map(|item| {
        let tag = item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        LANGUAGES.iter().position(|(lang, _)| tag.split('-').next() == Some(lang))
    });
    found.next().unwrap_or(0)
}

/// Returns a page in a language. `head`: further elements of the head; `title` and `body`: HTML. Forms can be sent to
/// the server only.
pub fn page(language: usize, status: StatusCode, head: &str, title: &str, body: &str) -> Response {
    // The policy allows only the style element with this nonce.
    let nonce = carrel_store::new_id().simple().to_string();
    let (lang, dir) = LANGUAGES[language];
    let html = format!(
        "<!doctype html><html lang=\"{lang}\" dir=\"{dir}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">{head}<title>{title}</title>\
         <style nonce=\"{nonce}\">{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let mut reply = (status, Html(html)).into_response();
    reply.extensions_mut().insert(OwnBody);
    let form = if body.contains("<form") { "'self'" } else { "'none'" };
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; form-action {form}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
