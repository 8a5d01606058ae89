//! The screens for staff in a browser: the files of the built UI (`ui/src/staff`), at `/staff/`.
//!
//! Files in `assets` have a hash in their name and may be cached for ever; the page is read again each time. All
//! addresses in them are relative, so that they also work below the path of a tenant.
//!
//! Not here: what the screens request (`admin`, `staff_courses`).

use std::{
    path::{Path as FilePath, PathBuf},
    time::UNIX_EPOCH,
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Redirect, Response},
};
use tokio::fs::File;

use super::{
    App,
    api_error::ApiError,
    byte_ranges::{ByteRequest, ServedFile, file_body},
    extract::Path,
    pages,
};

/// Only files of this server, no text as code, and no other page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Title and text of the page of a server without these files.
const MISSING: [(&str, &str); 3] = [
    (
        "Not installed",
        "The pages for teachers and administrators are not installed on this server. Install the complete package of the \
         server, or set staff_dir in its configuration.",
    ),
    (
        "Non installé",
        "Les pages pour le personnel enseignant et l’administration ne sont pas installées sur ce serveur. Installez le \
         paquet complet du serveur, ou indiquez staff_dir dans sa configuration.",
    ),
    (
        "غير مثبّتة",
        "صفحات المعلمين والإداريين غير مثبّتة على هذا الخادم. ثبّت الحزمة الكاملة للخادم، أو حدّد staff_dir في إعداداته.",
    ),
];

/// Redirects to the address with a slash, to which relative addresses refer.
#[utoipa::path(get, path = "/staff", tag = "server", responses((status = 308)))]
pub async fn without_slash() -> Redirect {
    Redirect::permanent("/staff/")
}

/// Returns the page of the screens for staff.
#[utoipa::path(get, path = "/staff/", tag = "server",
    responses((status = 200, description = "the page", content_type = "text/html"),
        (status = 404, description = "the screens are not installed", content_type = "text/html")))]
pub async fn page(State(app): State<App>, request: ByteRequest, headers: HeaderMap) -> Response {
    let Some(folder) = app.settings.staff_folder() else { return not_installed(&headers) };
    match send(&folder.join("staff.html"), &request, "text/html; charset=utf-8", "no-cache").await {
        Ok(mut reply) => {
            let set = [(header::CONTENT_SECURITY_POLICY, POLICY), (OPENER, "same-origin")];
            for (name, value) in set {
                reply.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            reply
        }
        Err(_) => not_installed(&headers),
    }
}

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

fn not_installed(headers: &HeaderMap) -> Response {
    let language = pages::language(headers);
    let (title, text) = MISSING[language];
    pages::page(language, StatusCode::NOT_FOUND, "", title, &format!("<p>{text}</p>"))
}

/// Returns a file beside the page, such as its icon.
#[utoipa::path(get, path = "/staff/{name}", tag = "server", params(("name" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 304), (status = 404)))]
pub async fn file(
    State(app): State<App>,
    request: ByteRequest,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let folder = app.settings.staff_folder();
    find(folder.as_deref(), &name, &request, "no-cache").await
}

/// Returns a script, a style or a font. The name contains a hash of the content.
#[utoipa::path(get, path = "/staff/assets/{name}", tag = "server", params(("name" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 304), (status = 404)))]
pub async fn asset(
    State(app): State<App>,
    request: ByteRequest,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let folder = app.settings.staff_folder().map(|folder| folder.join("assets"));
    find(folder.as_deref(), &name, &request, "public, max-age=31536000, immutable").await
}

async fn find(
    folder: Option<&FilePath>,
    name: &str,
    request: &ByteRequest,
    cache: &str,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("file {name:?} not found"));
    let path = path_of(folder, name).ok_or_else(missing)?;
    let media_type = media_type(name).ok_or_else(missing)?;
    send(&path, request, media_type, cache).await.map_err(|e| e.unwrap_or_else(missing))
}

/// Returns the path of a file in the folder; `None` for a name that could leave the folder.
fn path_of(folder: Option<&FilePath>, name: &str) -> Option<PathBuf> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_name = !name.starts_with('.') && name.chars().all(is_allowed);
    folder.filter(|_| is_name).map(|folder| folder.join(name))
}

/// Returns the media type of the files of a built UI; `None`: such files are not served.
fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

/// Sends a file. The error is `None` if there is no such file.
async fn send(
    path: &FilePath,
    request: &ByteRequest,
    media_type: &str,
    cache: &str,
) -> Result<Response, Option<ApiError>> {
    let file = File::open(path).await.map_err(|_| None)?;
    let facts = file.metadata().await.map_err(|_| None)?;
    if !facts.is_file() {
        return Err(None);
    }
    let modified = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let tag = format!("\"{:x}-{:x}\"", facts.len(), modified.unwrap_or_default().as_nanos());
    let served = ServedFile { what: "file", tag: &tag, size: facts.len(), media_type, cache };
    let (mut reply, part) = request.select(&served)?;
    if let Some((first, length)) = part {
        *reply.body_mut() = file_body(file, first, length).await.map_err(|e| {
            tracing::error!(file = %path.display(), error = %e, "failed to read a file");
            ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        })?;
    }
    Ok(reply)
}
