//! The window's end of the command registry: one command in, one event channel out, pictures by their hash.
//!
//! Not here: what a command does. This file only carries JSON and bytes between the window and a `Desk`.

use std::{borrow::Cow, future::Future, io, path::Path, pin::Pin, sync::Arc};

use serde_json::{Value, json};
use tauri::{
    AppHandle, Emitter, Manager, Runtime, UriSchemeContext, UriSchemeResponder,
    http::{Request, Response, StatusCode, header},
};
use tokio::sync::broadcast::{self, error::RecvError};

/// The channel that carries every event to the window.
pub const EVENT: &str = "carrel://event";

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the window needs of the layers below. The registry implements it; nothing else reaches the window.
pub trait Desk: Send + Sync + 'static {
    /// Runs one command. Both results are JSON: the command's reply, or the one error shape
    /// `{code, message, hint, retryable, correlationId}`.
    fn call(&self, name: String, payload: Value) -> Boxed<'_, Result<Value, Value>>;

    /// Events from now on, each as the JSON of one `UiEvent`.
    fn events(&self) -> broadcast::Receiver<Value>;

    /// The picture with this hash and query, with its media type; `None` if it is not on this device.
    fn picture(&self, path: String, query: String) -> Boxed<'_, Option<Picture>>;
}

/// A picture as the window shows it.
pub struct Picture {
    /// Media type, such as `image/webp`.
    pub mime: &'static str,
    pub bytes: Vec<u8>,
}

/// The desk as Tauri keeps it.
pub struct Open(Arc<dyn Desk>);

impl Open {
    /// The desk itself, for what runs before there is a window.
    #[cfg(debug_assertions)]
    pub fn desk(&self) -> &dyn Desk {
        self.0.as_ref()
    }
}

/// Opens the desk of `data` and starts carrying its events to every window.
pub fn open<R: Runtime>(app: AppHandle<R>, data: &Path) -> io::Result<Open> {
    let desk = desk(data)?;
    let mut events = desk.events();
    tauri::async_runtime::spawn(async move {
        loop {
            let event = match events.recv().await {
                Ok(event) => event,
                // Too many at once: the window asks again for everything it shows.
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(events.missed = missed, "the window fell behind its events");
                    json!({ "kind": "changed", "topics": [{ "topic": "all" }] })
                }
                Err(RecvError::Closed) => break,
            };
            if let Err(error) = app.emit(EVENT, event) {
                tracing::warn!(error = %error, "an event did not reach the window");
            }
        }
    });
    Ok(Open(desk))
}

/// The one command of the app: `invoke("call", { name, payload })`.
#[tauri::command]
pub async fn call(
    open: tauri::State<'_, Open>,
    name: String,
    payload: Value,
) -> Result<Value, Value> {
    open.0.call(name, payload).await
}

/// Answers `carrel://localhost/<hash>?w=...` (`http://carrel.localhost/...` on Windows and Android).
pub fn serve_picture<R: Runtime>(
    context: UriSchemeContext<'_, R>,
    request: Request<Vec<u8>>,
    responder: UriSchemeResponder,
) {
    let desk = context.app_handle().state::<Open>().0.clone();
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    tauri::async_runtime::spawn(async move {
        responder.respond(picture_response(desk.picture(path, query).await));
    });
}

fn picture_response(picture: Option<Picture>) -> Response<Cow<'static, [u8]>> {
    let mut response = Response::new(Cow::Borrowed(&[][..]));
    let Some(picture) = picture else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(picture.mime));
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("private, max-age=31536000, immutable"),
    );
    headers.insert(
        header::HeaderName::from_static("x-content-type-options"),
        header::HeaderValue::from_static("nosniff"),
    );
    *response.body_mut() = Cow::Owned(picture.bytes);
    response
}

fn desk(_data: &Path) -> io::Result<Arc<dyn Desk>> {
    Ok(Arc::new(Unfurnished { events: broadcast::channel(16).0 }))
}

/// Stands where the registry is connected: every call says so.
struct Unfurnished {
    events: broadcast::Sender<Value>,
}

impl Desk for Unfurnished {
    fn call(&self, name: String, _payload: Value) -> Boxed<'_, Result<Value, Value>> {
        Box::pin(async move {
            Err(json!({
                "code": "internal",
                "message": format!("no command registry is connected; `{name}` was not run"),
                "hint": "this is a build of the shell alone",
                "retryable": false,
                "correlationId": "",
            }))
        })
    }

    fn events(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }

    fn picture(&self, _path: String, _query: String) -> Boxed<'_, Option<Picture>> {
        Box::pin(async { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_picture_is_404_and_a_present_one_may_be_kept_for_ever() {
        assert_eq!(picture_response(None).status(), StatusCode::NOT_FOUND);
        let found = picture_response(Some(Picture { mime: "image/webp", bytes: b"RIFF".to_vec() }));
        assert_eq!(found.status(), StatusCode::OK);
        assert_eq!(found.headers()[header::CONTENT_TYPE], "image/webp");
        assert!(found.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(found.body().as_ref(), b"RIFF");
    }
}
