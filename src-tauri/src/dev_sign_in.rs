//! Signs a new profile in to the server that `cargo xtask run` started. Debug builds only.

use serde_json::json;
use tauri::{AppHandle, Runtime};

use crate::host::Open;

/// `ADDRESS LOGIN PASSWORD`, all for a server on the loopback address.
const SIGN_IN: &str = "CARREL_SIGN_IN";

/// Signs in with the values of the environment variable, unless an account is already open. A failure is logged; the
/// UI then shows First run.
pub async fn sign_in<R: Runtime>(app: &AppHandle<R>, open: &Open) {
    let Ok(line) = std::env::var(SIGN_IN) else { return };
    let mut words = line.splitn(3, ' ');
    let (Some(address), Some(login), Some(password)) = (words.next(), words.next(), words.next())
    else {
        tracing::warn!("{SIGN_IN} is not of the form ADDRESS LOGIN PASSWORD");
        return;
    };
    let state = open.call(app, "get_app_state", json!({})).await;
    if state.is_ok_and(|state| !state["account"].is_null()) {
        return;
    }
    let request = json!({ "address": address, "login": login, "password": password });
    if let Err(error) = open.call(app, "sign_in", request).await {
        tracing::warn!(error = %error, "the automatic sign-in failed");
    }
}
