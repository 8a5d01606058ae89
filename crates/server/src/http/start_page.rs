//! The page at `/`: name and version of the server, and its address as text and QR code for the app. Contains no
//! scripts.

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, Uri, header, uri::Authority},
    response::{Html, IntoResponse, Response},
};
use qrcode::{QrCode, render::svg};

use super::{App, tenants::BasePath};

/// Width and height of the QR code with its margin, in pixels.
const QR_CODE_SIZE: u32 = 240;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-content:center;\
text-align:center;background:#faf8f4;color:#1d1b18}\
h1{font-size:1.6rem;margin:0 1rem}\
p{margin:.5rem 1rem}\
svg{background:#fff;border-radius:12px;margin:1rem auto;display:block}\
code{font-size:1.25rem;overflow-wrap:anywhere}\
small{opacity:.7}\
@media(prefers-color-scheme:dark){body{background:#191714;color:#f1ece4}}";

/// Returns the start page.
#[utoipa::path(get, path = "/", tag = "server",
    responses((status = 200, description = "name, version, address and QR code", content_type = "text/html")))]
pub async fn start_page(
    State(app): State<App>,
    base: Option<Extension<BasePath>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let address = address(&app, base.as_deref(), &uri, &headers);
    // The policy allows only the style element with this nonce.
    let nonce = carrel_store::new_id().simple().to_string();
    let base = base.as_ref().map_or("", |base| base.0.0.as_str());
    let reset = app.data.mailer.is_some().then(|| format!("{base}/password"));
    let staff = app.settings.staff_folder().map(|_| format!("{base}/staff/"));
    let links = [(reset, "New password"), (staff, "Teachers and administrators")];
    let links =
        links.into_iter().filter_map(|(path, text)| Some((path?, text))).collect::<Vec<_>>();
    let page = page(&app.settings.name, address.as_deref(), &links, &nonce);
    let mut reply = Html(page).into_response();
    let policy = format!("default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'");
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// Returns the configured address. If none is configured, returns the `Host` of the request, which is a part of the URI
/// in HTTP/2, with the path of the tenant.
pub(super) fn address(
    app: &App,
    base: Option<&BasePath>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<String> {
    if !app.settings.address.is_empty() {
        return Some(app.settings.address.clone());
    }
    let host: Authority = match (headers.get(header::HOST), uri.authority()) {
        (Some(host), _) => host.to_str().ok()?.parse().ok()?,
        (None, authority) => authority?.clone(),
    };
    // The address must not contain a user name or password.
    let scheme = if app.settings.behind_tls { "https" } else { "http" };
    let base = base.map_or("", |base| base.0.as_str());
    (!host.as_str().contains('@')).then(|| format!("{scheme}://{host}{base}"))
}

fn page(name: &str, address: Option<&str>, links: &[(String, &str)], nonce: &str) -> String {
    let (name, version) = (escaped(name), env!("CARGO_PKG_VERSION"));
    let instructions = match address {
        Some(address) => format!(
            "<p>Scan this code with the Carrel app, or type the address:</p>{}<p><code>{}</code></p>",
            qr_code(address),
            escaped(address)
        ),
        None => "<p>Type the address of this page into the Carrel app.</p>".to_owned(),
    };
    let link =
        |(path, text): &(String, &str)| format!("<p><a href=\"{}\">{text}</a></p>", escaped(path));
    let links: String = links.iter().map(link).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{name}</title>\
         <style nonce=\"{nonce}\">{STYLE}</style></head>\
         <body><main><h1>{name}</h1>{instructions}{links}<p><small>Carrel server {version}</small></p></main></body></html>"
    )
}

/// Returns the QR code as an SVG element; empty if the text is too long for one.
pub fn qr_code(text: &str) -> String {
    let Ok(qr_code) = QrCode::new(text) else { return String::new() };
    let image =
        qr_code.render::<svg::Color<'_>>().min_dimensions(QR_CODE_SIZE, QR_CODE_SIZE).build();
    // Removes the XML declaration, which is not allowed in HTML.
    let element = image.find("<svg").map_or("", |start| &image[start..]);
    element.replacen("<svg", "<svg role=\"img\" aria-label=\"QR code\"", 1)
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
