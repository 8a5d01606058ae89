//! Measures the spans with the target [`TARGET`]: metrics of each, and the spans of each action.

use std::{
    fmt::Debug,
    sync::{Arc, Weak},
};

use carrel_system::Clock;
use parking_lot::Mutex;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::{Action, ActionSpan, MAX_SPANS, TARGET};
use crate::{
    Diagnostics,
    metrics::{Metric, is_label},
};

/// A layer for `tracing_subscriber::registry`. Use it with [`SpanLayer::filter`], so that other spans cost nothing.
pub struct SpanLayer {
    diagnostics: Arc<Diagnostics>,
    clock: Arc<dyn Clock>,
}

/// An action that has not ended.
struct Running {
    start_us: i64,
    spans: Mutex<(Vec<ActionSpan>, u32)>,
}

/// A span that has not ended.
struct OpenSpan {
    start_us: i64,
    fields: Fields,
    /// Its own action if it is a command, else that of its parent.
    action: Option<ActionRef>,
}

enum ActionRef {
    Own {
        id: String,
        started_ms: i64,
        running: Arc<Running>,
    },
    /// A span that outlives its action is measured, but not listed.
    Parent(Weak<Running>),
}

impl ActionRef {
    fn weak(&self) -> Weak<Running> {
        match self {
            Self::Own { running, .. } => Arc::downgrade(running),
            Self::Parent(running) => running.clone(),
        }
    }
}

#[derive(Default)]
struct Fields {
    label: String,
    action: String,
    failed: bool,
    /// No network: an attempt that is not counted as an error.
    offline: bool,
    /// For the event `cache`.
    hit: Option<bool>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "label" if is_label(value) => self.label = value.to_owned(),
            "action" if is_label(value) => self.action = value.to_owned(),
            _ => {}
        }
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "failed" => self.failed = value,
            "offline" => self.offline = value,
            "hit" => self.hit = Some(value),
            _ => {}
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl SpanLayer {
    /// Creates the layer, which records into `diagnostics`.
    pub fn new(diagnostics: Arc<Diagnostics>) -> Self {
        Self { clock: diagnostics.clock().clone(), diagnostics }
    }

    /// Returns the filter of this layer.
    pub fn filter<S: Subscriber>() -> impl Filter<S> {
        OnlyTarget
    }

    fn close(&self, name: &str, span: OpenSpan) {
        let end_us = self.clock.monotonic_us();
        let duration_us = (end_us - span.start_us).max(0);
        let OpenSpan { start_us, fields, action } = span;
        self.measure(name, &fields, duration_us);
        match action {
            Some(ActionRef::Own { id, started_ms, running }) => {
                let (mut spans, left_out) = std::mem::take(&mut *running.spans.lock());
                // With equal starts, the span that contains the other is first.
                spans.sort_by_key(|s| (s.start_us, -s.duration_us));
                self.diagnostics.actions.push(Action {
                    id,
                    command: fields.label,
                    started_ms,
                    duration_us,
                    ui_us: None,
                    failed: fields.failed,
                    spans,
                    left_out,
                });
            }
            Some(ActionRef::Parent(running)) => {
                let Some(running) = running.upgrade() else { return };
                let mut spans = running.spans.lock();
                if spans.0.len() == MAX_SPANS {
                    spans.1 += 1;
                    return;
                }
                spans.0.push(ActionSpan {
                    name: name.to_owned(),
                    label: fields.label,
                    start_us: (start_us - running.start_us).max(0),
                    duration_us,
                    failed: fields.failed,
                });
            }
            None => {}
        }
    }

    fn measure(&self, name: &str, fields: &Fields, duration_us: i64) {
        let (metrics, ms) = (&self.diagnostics.metrics, duration_us as f64 / 1_000.0);
        match name {
            "command" => {
                // A failed call is no measurement of a course that loads.
                if let Some(metric) = Metric::of_command(&fields.label).filter(|_| !fields.failed) {
                    metrics.record(metric, ms, &fields.label);
                }
            }
            "db.read" | "db.write" => metrics.record(Metric::DatabaseTime, ms, &fields.label),
            "http" if !fields.offline => {
                metrics.record(Metric::RequestTime, ms, &fields.label);
                let failed = if fields.failed { 100.0 } else { 0.0 };
                metrics.record(Metric::RequestErrors, failed, &fields.label);
            }
            "live" if !fields.failed => metrics.record(Metric::LiveUpdate, ms, "sync"),
            _ => {}
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let start_us = self.clock.monotonic_us();
        let action = if attributes.metadata().name() == "command" {
            let running = Arc::new(Running { start_us, spans: Mutex::default() });
            let started_ms = self.clock.now_ms();
            let id = std::mem::take(&mut fields.action);
            Some(ActionRef::Own { id, started_ms, running })
        } else {
            let of = |s: tracing_subscriber::registry::SpanRef<'_, S>| {
                Some(s.extensions().get::<OpenSpan>()?.action.as_ref()?.weak())
            };
            span.scope().skip(1).find_map(of).map(ActionRef::Parent)
        };
        span.extensions_mut().insert(OpenSpan { start_us, fields, action });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(open) = extensions.get_mut::<OpenSpan>() else { return };
        values.record(&mut open.fields);
        // An action ends with its result. Its span closes only after all spans below it, of which some may belong to
        // background work.
        if matches!(open.action, Some(ActionRef::Own { .. })) {
            let ended = extensions.remove::<OpenSpan>();
            drop(extensions);
            if let Some(open) = ended {
                self.close(span.name(), open);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(hit) = fields.hit {
            let share = if hit { 100.0 } else { 0.0 };
            self.diagnostics.metrics.record(Metric::CacheHits, share, &fields.label);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let open = span.extensions_mut().remove::<OpenSpan>();
        if let Some(open) = open {
            self.close(span.name(), open);
        }
    }
}

/// Enables the spans and events of [`TARGET`] only.
struct OnlyTarget;

impl<S> Filter<S> for OnlyTarget {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.target() == TARGET
    }
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET { Interest::always() } else { Interest::never() }
    }
}

#[cfg(test)]
mod tests {
    use carrel_testkit::FakeClock;
    use tracing::{Dispatch, dispatcher};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{
        actions::{command_span, end_command},
        metrics::MetricState,
    };

    fn collected(work: impl FnOnce(&FakeClock)) -> Arc<Diagnostics> {
        let clock = FakeClock::noon();
        let diagnostics = Arc::new(Diagnostics::new(Arc::new(clock.clone())));
        let layer = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
        let subscriber = tracing_subscriber::registry().with(layer);
        dispatcher::with_default(&Dispatch::new(subscriber), || work(&clock));
        diagnostics
    }
    fn db(op: &str) -> tracing::Span {
        tracing::info_span!(target: TARGET, "db.write", label = op, failed = tracing::field::Empty)
    }

    #[test]
    fn an_action_lists_its_spans_in_the_order_of_their_starts() {
        let diagnostics = collected(|clock| {
            let command = command_span("record_progress", "a-1");
            command.in_scope(|| {
                clock.advance(2);
                let unrelated = tracing::info_span!(target: "hyper", "connection");
                unrelated.in_scope(|| {
                    let write = db("record");
                    let http = tracing::info_span!(
                        target: TARGET,
                        "http",
                        label = "get",
                        failed = tracing::field::Empty
                    );
                    clock.advance(5);
                    http.record("failed", true);
                    drop(http);
                    clock.advance(1);
                    drop(write);
                });
            });
        });
        let actions = diagnostics.actions.list();
        let [action] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!((action.id.as_str(), action.command.as_str()), ("a-1", "record_progress"));
        assert_eq!((action.started_ms, action.duration_us), (FakeClock::NOON, 8_000));
        let spans: Vec<_> = action
            .spans
            .iter()
            .map(|s| (s.name.as_str(), s.label.as_str(), s.start_us, s.duration_us, s.failed))
            .collect();
        assert_eq!(
            spans,
            [("db.write", "record", 2_000, 6_000, false), ("http", "get", 2_000, 5_000, true)]
        );
        diagnostics.actions.set_ui_time("a-1", 11_000);
        diagnostics.actions.set_ui_time("other", 1);
        assert_eq!(diagnostics.actions.list()[0].ui_us, Some(11_000));
        let report = diagnostics.metrics.report();
        assert_eq!(report[Metric::ProgressRecord as usize].latest, Some(8.0));
        assert_eq!(report[Metric::DatabaseTime as usize].latest, Some(6.0));
        assert_eq!(report[Metric::RequestErrors as usize].latest, Some(100.0));
    }

    #[test]
    fn a_span_that_outlives_its_action_and_one_without_an_action_are_only_measured() {
        let diagnostics = collected(|clock| {
            let command = command_span("get_course", "a-1");
            let late = command.in_scope(|| db("late"));
            end_command(&command, false);
            drop(command);
            clock.advance(3);
            drop(late);
            drop(db("background"));
        });
        assert!(diagnostics.actions.list()[0].spans.is_empty());
        let database = diagnostics.metrics.report().swap_remove(Metric::DatabaseTime as usize);
        assert_eq!(database.statistics.unwrap().count, 2);
    }

    #[test]
    fn failed_commands_and_attempts_without_a_network_are_not_measured() {
        let diagnostics = collected(|_| {
            end_command(&command_span("get_course", "a-1"), true);
            tracing::info_span!(target: TARGET, "http", label = "get", failed = true, offline = true);
        });
        assert!(diagnostics.metrics.report().iter().all(|m| m.state == MetricState::Empty));
        assert!(diagnostics.actions.list()[0].failed);
    }

    #[test]
    fn actions_and_their_spans_are_limited() {
        let diagnostics = collected(|_| {
            for n in 0..200 {
                command_span("search", &format!("a-{n}")).in_scope(|| {
                    for _ in 0..100 {
                        drop(db("rows"));
                    }
                });
            }
        });
        let actions = diagnostics.actions.list();
        assert_eq!(actions.len(), super::super::MAX_ACTIONS);
        assert_eq!(actions[0].id, "a-199", "newest first");
        assert!(actions.iter().all(|a| a.spans.len() == MAX_SPANS && a.left_out == 36));
    }
}
