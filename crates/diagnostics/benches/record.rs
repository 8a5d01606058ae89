//! Measures the cost of one span and of one sample: `cargo bench -p carrel-diagnostics`.

#![allow(clippy::disallowed_methods, reason = "the bench measures real time")]
#![allow(clippy::print_stdout, reason = "a bench prints its results")]

use std::{sync::Arc, time::Instant};

use carrel_diagnostics::{
    Diagnostics,
    actions::{SpanLayer, TARGET, command_span},
    metrics::Metric,
};
use carrel_system::SystemClock;
use tracing_subscriber::{Layer, layer::SubscriberExt};

const TIMES: u32 = 200_000;

fn measure(name: &str, mut work: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..TIMES {
        work();
    }
    println!("{name}: {} ns", start.elapsed().as_nanos() / u128::from(TIMES));
}

fn main() {
    let span = || tracing::info_span!(target: TARGET, "db.read", label = "read", failed = tracing::field::Empty);
    measure("span without a subscriber", || drop(span()));
    let diagnostics = Arc::new(Diagnostics::new(Arc::new(SystemClock::new())));
    measure("sample", || diagnostics.metrics.record(Metric::RequestTime, 1.0, "get"));
    let layer = SpanLayer::new(diagnostics.clone()).with_filter(SpanLayer::filter());
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        measure("span", || drop(span()));
        measure("other span", || drop(tracing::info_span!("other")));
        measure("action with two spans", || {
            command_span("record_progress", "a-1").in_scope(|| {
                drop(span());
                drop(span());
            });
        });
    });
    measure("report", {
        let mut calls = 0;
        move || {
            calls += 1;
            if calls % 1_000 == 0 {
                drop(diagnostics.metrics.report());
            }
        }
    });
}
