//! Texts of alerts: for a chat, for a pager, and as a mail.

use serde_json::{Value, json};

use crate::alerts::{Alert, Change, Notice, Severity};

/// Returns a time as text in RFC 3339, UTC; a time that no calendar has as its number.
pub fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// What all messages of a server contain.
#[derive(Debug, Clone)]
pub struct Context {
    /// Name of the school or library.
    pub service: String,
    /// Name of the computer, to tell several processes apart.
    pub host: String,
    /// Address of the page with what to do; the name of the metric is its anchor.
    pub runbook: String,
}

impl Context {
    /// Returns the link to what to do about an alert.
    pub fn runbook_of(&self, alert: &Alert) -> String {
        format!("{}#{}", self.runbook, alert.metric.replace('_', "-"))
    }
}

/// Returns one line about an alert.
fn summary(notice: &Notice, context: &Context) -> String {
    let Notice { alert, change, .. } = notice;
    let state = match change {
        Change::Begins => alert.severity.as_str().to_uppercase(),
        Change::Changes => format!("{} (changed)", alert.severity.as_str().to_uppercase()),
        Change::Stays => format!("{} (still)", alert.severity.as_str().to_uppercase()),
        Change::Ends => "RESOLVED".to_owned(),
    };
    format!(
        "{state}: {} on {} ({}): {}",
        alert.metric,
        context.service,
        context.host,
        figures(alert)
    )
}

fn figures(alert: &Alert) -> String {
    let unit = match alert.unit {
        "" => String::new(),
        "%" => " %".to_owned(),
        unit => format!(" {unit}"),
    };
    format!("{:.1}{unit}, limit {:.1}{unit}", alert.value, alert.threshold)
}

/// Returns the body of a chat webhook: an object with `text`, which Slack, Mattermost, Rocket.Chat and Google Chat accept,
/// and the fields of the alert for other programs.
pub fn chat_message(notice: &Notice, context: &Context) -> Value {
    let Notice { alert, at_ms, .. } = notice;
    json!({
        "text": format!("{}\n{}", summary(notice, context), context.runbook_of(alert)),
        "severity": alert.severity.as_str(),
        "state": if notice.change == Change::Ends { "resolved" } else { "firing" },
        "service": context.service,
        "host": context.host,
        "metric": alert.metric,
        "value": alert.value,
        "threshold": alert.threshold,
        "unit": alert.unit,
        "atMs": at_ms,
        "sinceMs": alert.since_ms,
        "runbook": context.runbook_of(alert),
    })
}

/// Returns an event of the Events API v2 of PagerDuty, which other pagers accept as well. One alert has one `dedup_key`, so
/// a pager opens one incident and closes it. `time`: the time of the notice in RFC 3339.
pub fn pager_event(notice: &Notice, context: &Context, routing_key: &str, time: &str) -> Value {
    let alert = &notice.alert;
    let severity = match alert.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    json!({
        "routing_key": routing_key,
        "event_action": if notice.change == Change::Ends { "resolve" } else { "trigger" },
        "dedup_key": format!("carrel/{}/{}/{}", context.service, context.host, alert.metric),
        "payload": {
            "summary": summary(notice, context),
            "source": context.host,
            "severity": severity,
            "timestamp": time,
            "component": context.service,
            "custom_details": { "metric": alert.metric, "value": alert.value, "threshold": alert.threshold },
        },
        "links": [{ "href": context.runbook_of(alert), "text": "Runbook" }],
    })
}

/// Returns subject and text of a mail. `time`: the time of the notice, for reading.
pub fn mail_text(notice: &Notice, context: &Context, time: &str) -> (String, String) {
    let alert = &notice.alert;
    let text = format!(
        "Service: {}\nComputer: {}\nMetric: {}\nSeverity: {}\nValue and limit: {}\nTime: {time}\nWhat to do: {}\n",
        context.service,
        context.host,
        alert.metric,
        alert.severity.as_str(),
        figures(alert),
        context.runbook_of(alert),
    );
    (summary(notice, context), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(change: Change) -> Notice {
        let alert = Alert {
            metric: "latency_p99",
            severity: Severity::Critical,
            value: 2_345.6,
            threshold: 2_000.0,
            unit: "ms",
            since_ms: 1,
        };
        Notice { alert, change, at_ms: 2 }
    }

    fn context() -> Context {
        Context {
            service: "Rivers".into(),
            host: "node1".into(),
            runbook: "https://docs.example/RUNBOOKS.md".into(),
        }
    }

    #[test]
    fn a_chat_message_has_a_text_and_all_fields() {
        let message = chat_message(&notice(Change::Begins), &context());
        assert_eq!(
            message["text"],
            "CRITICAL: latency_p99 on Rivers (node1): 2345.6 ms, limit 2000.0 ms\n\
             https://docs.example/RUNBOOKS.md#latency-p99"
        );
        for field in ["severity", "service", "metric", "value", "threshold", "atMs", "runbook"] {
            assert!(!message[field].is_null(), "{field}");
        }
        assert_eq!(chat_message(&notice(Change::Ends), &context())["state"], "resolved");
    }

    #[test]
    fn a_pager_gets_one_key_per_alert() {
        let event =
            |change| pager_event(&notice(change), &context(), "key", "2026-12-01T00:00:00Z");
        let (begins, ends) = (event(Change::Begins), event(Change::Ends));
        assert_eq!(
            (&begins["event_action"], &ends["event_action"]),
            (&json!("trigger"), &json!("resolve"))
        );
        assert_eq!(begins["dedup_key"], ends["dedup_key"]);
        assert_eq!(begins["payload"]["severity"], "critical");
        assert_eq!(begins["routing_key"], "key");
    }

    #[test]
    fn a_mail_names_value_limit_and_what_to_do() {
        let (subject, text) =
            mail_text(&notice(Change::Stays), &context(), "1 Dec 2026, 10:00 UTC");
        assert!(subject.starts_with("CRITICAL (still): latency_p99"), "{subject}");
        assert!(
            text.contains("2345.6 ms, limit 2000.0 ms") && text.contains("#latency-p99"),
            "{text}"
        );
        assert!(!subject.contains('\n'));
    }
}
