//! Requests of the screens for staff.

use carrel_client::{StaffChange, StaffReply, net};
use serde_json::Value;

use super::Result;
use crate::{
    api::staff::{StaffGet, StaffMethod, StaffResult, StaffSend},
    host::{Host, account},
};

/// Maximum size of a file that is sent. Larger packages are imported on the server.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

pub async fn staff_get(host: &dyn Host, request: StaffGet) -> Result<StaffResult> {
    view(account(host)?.staff_get(&request.path).await?)
}

pub async fn staff_send(host: &dyn Host, request: StaffSend) -> Result<StaffResult> {
    let account = account(host)?;
    let method = match request.method {
        StaffMethod::Post => "POST",
        StaffMethod::Put => "PUT",
        StaffMethod::Patch => "PATCH",
        StaffMethod::Delete => "DELETE",
    };
    let body = match &request.file {
        Some(file) => host.client().uploaded_file(file, MAX_FILE_BYTES).await?,
        None => request.body.unwrap_or_default().into_bytes(),
    };
    let change = StaffChange {
        method,
        path: request.path,
        content_type: request.content_type.unwrap_or_else(|| "application/json".to_owned()),
        body: body.into(),
    };
    let reply = account.staff_send(change).await?;
    // After a failure, the file can be sent again.
    if let Some(file) = &request.file {
        host.client().discard_upload(file).await;
    }
    view(reply)
}

fn view(reply: StaffReply) -> Result<StaffResult> {
    let StaffReply { status, is_json, body, as_of_ms, is_stored } = reply;
    let mut result = StaffResult { status, json: Value::Null, text: None, as_of_ms, is_stored };
    if is_json && !body.is_empty() {
        result.json = serde_json::from_slice(&body).map_err(|e| net::Error::BadReply {
            url: String::new(),
            problem: format!("the reply is not JSON: {e}"),
        })?;
    } else if !body.is_empty() {
        result.text = Some(String::from_utf8_lossy(&body).into_owned());
    }
    Ok(result)
}
