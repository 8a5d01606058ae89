//! Signs a new profile in to the server that `cargo xtask run` started. Debug builds only.

use serde_json::json;
use tauri::{AppHandle, Manager, Runtime};

use crate::host::ClientState;

/// Environment variable with `ADDRESS LOGIN PASSWORD` for a server on the loopback address.
const SIGN_IN: &str = "CARREL_SIGN_IN";

/// Signs in with the values of the environment variable, unless an account is already open. A failure is logged; the
/// UI then shows the Welcome screen.
pub async fn sign_in<R: Runtime>(app: &AppHandle<R>) {
    let Ok(line) = std::env::var(SIGN_IN) else { return };
    let client = app.state::<ClientState>();
    let mut fields = line.splitn(3, ' ');
    let (Some(address), Some(login), Some(password)) =
        (fields.next(), fields.next(), fields.next())
    else {
        tracing::warn!("{SIGN_IN} is not of the form ADDRESS LOGIN PASSWORD");
        return;
    };
    let state = client.call(app, "get_app_state", json!({}), "").await;
    if state.is_ok_and(|state| !state["account"].is_null()) {
        return;
    }
    let request = json!({ "address": address, "login": login, "password": password });
    if let Err(error) = client.call(app, "sign_in", request, "").await {
        tracing::warn!(error = %error, "the automatic sign-in failed");
    }
}
