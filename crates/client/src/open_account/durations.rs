//! Sends durations of actions to the school's server.
//!
//! Not here: whether the learner allows it (`carrel_commands`), measuring (`carrel_diagnostics`).

use carrel_net::Request;
use serde_json::json;

use super::OpenAccount;

/// Maximum number of durations of a request.
const MAX_DURATIONS: usize = 100;

impl OpenAccount {
    /// Sends the newest of these durations: a name and milliseconds each. Returns at once. What cannot be sent is dropped;
    /// for an account without a server everything is.
    pub fn send_durations(&self, durations: &[(&'static str, u32)]) {
        if self.is_demo() || durations.is_empty() {
            return;
        }
        let newest = &durations[durations.len().saturating_sub(MAX_DURATIONS)..];
        let transactions: Vec<_> = newest
            .iter()
            .map(|(name, ms)| json!({ "name": name, "durationMs": ms, "ok": true }))
            .collect();
        let url = format!("{}/api/monitoring/transactions", self.base_url);
        let Ok(request) = Request::post_json(url, &json!({ "transactions": transactions })) else {
            return;
        };
        let http = self.http.clone();
        self.spawn(async move {
            match http.send(request).await {
                Ok(reply) if reply.status >= 300 => {
                    tracing::info!(http.status = reply.status, "durations were not accepted");
                }
                Ok(_) => {}
                Err(e) => tracing::info!(error = %e, "durations could not be sent"),
            }
        });
    }
}
