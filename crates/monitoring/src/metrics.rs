//! Metrics in the text format of OpenMetrics, which Prometheus reads.

use std::{fmt, sync::atomic::AtomicU64};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Metric, Registry, Unit},
};

use crate::{
    load::{Load, LoadWindow},
    process::read_process,
    query_kind::QueryKind,
    slow::{SlowTransaction, SlowTransactions},
};

/// Media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Transactions that take longer are logged as operations of a request that a person notices, in ms.
const VERY_SLOW_MS: f64 = 2_000.0;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabels {
    flow: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: String,
    result: &'static str,
}

/// How the response cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheResult {
    Memory,
    Shared,
    Miss,
    Bypass,
}

impl CacheResult {
    /// Returns the value of the label `result`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Shared => "shared",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Direction and result of rows of learners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFlow {
    /// Rows that devices sent and that were joined.
    Accepted,
    /// Rows that devices sent and that were refused.
    Refused,
    /// Rows that were sent to devices.
    Pulled,
}

impl RowFlow {
    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Pulled => "pulled",
        }
    }
}

/// How an action of a client or a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
        }
    }
}

/// Values that are read when the metrics are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections to the database of this process by their state; `None` for SQLite.
    pub pool: Option<[(&'static str, u64); 4]>,
    pub failing_jobs: u64,
    pub late_jobs: u64,
    pub due_jobs: u64,
    /// Free bytes on the disk of the data folder, if known.
    pub free_bytes: Option<u64>,
}

/// A metric, its labels, and what it is; the table in docs/OPERATIONS.md is compared with this list.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("carrel_build", "version", "Release of this process"),
    ("carrel_http_requests", "method, route, status", "Requests by route and status"),
    (
        "carrel_http_request_seconds",
        "method, route",
        "Time from a request to its reply, without sending it",
    ),
    ("carrel_transaction_seconds", "kind", "Duration of transactions"),
    ("carrel_slow_transactions", "kind", "Transactions above slow_query_ms"),
    ("carrel_very_slow_transactions", "kind", "Transactions above two seconds"),
    ("carrel_cache_requests", "kind, result", "Requests of the response cache"),
    ("carrel_job_runs", "job, result", "Runs of jobs in this process"),
    ("carrel_jobs", "state", "Jobs that are due, late, or failed at their last run"),
    ("carrel_database_connections", "state", "Connections of this process to PostgreSQL"),
    ("carrel_event_streams", "", "Devices that wait for events at this process"),
    ("carrel_events", "", "Events that were sent to devices"),
    ("carrel_sync_rows", "flow", "Rows of learners by direction and result"),
    ("carrel_client_action_seconds", "action, result", "Duration of actions that clients reported"),
    ("carrel_free_bytes", "", "Free space on the disk of the data folder"),
    ("carrel_process_cpu_seconds", "", "CPU time of this process"),
    ("carrel_process_resident_bytes", "", "Resident memory of this process"),
    ("carrel_process_open_files", "", "Open files of this process"),
];

fn help(name: &str) -> &'static str {
    METRICS.iter().find(|(known, ..)| *known == name).map_or("", |(.., help)| *help)
}

/// Registers a metric under its documented name; the unit at the end of a name is added by the registry.
fn add(registry: &mut Registry, name: &'static str, metric: impl Metric) {
    if let Some(base) = name.strip_suffix("_seconds") {
        registry.register_with_unit(base, help(name), Unit::Seconds, metric);
    } else if let Some(base) = name.strip_suffix("_bytes") {
        registry.register_with_unit(base, help(name), Unit::Bytes, metric);
    } else {
        registry.register(name, help(name), metric);
    }
}

/// From 1 ms to 16 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of a process. Methods can be called from any thread.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histograms<RouteLabels>,
    transaction_seconds: Histograms<KindLabels>,
    slow_transactions: Family<KindLabels, Counter>,
    very_slow_transactions: Family<KindLabels, Counter>,
    cache_requests: Family<CacheLabels, Counter>,
    jobs_run: Family<JobLabels, Counter>,
    jobs: Family<StateLabels, Gauge>,
    pool: Family<StateLabels, Gauge>,
    event_streams: Gauge,
    events: Counter,
    rows: Family<FlowLabels, Counter>,
    client_actions: Histograms<ActionLabels>,
    free_bytes: Gauge,
    cpu_seconds: Seconds,
    resident_bytes: Gauge,
    open_files: Gauge,
    load: Mutex<LoadWindow>,
    slow: Mutex<SlowTransactions>,
    /// Number and total ms of the transactions since the last `take_mean_transaction_ms`.
    recent: Mutex<(u64, f64)>,
}

/// An open event stream; it is counted until it is dropped.
#[derive(Debug)]
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// `version`: release of this process.
    pub fn new(version: &str) -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::default()),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            transaction_seconds: Family::new_with_constructor(histogram),
            slow_transactions: Family::default(),
            very_slow_transactions: Family::default(),
            cache_requests: Family::default(),
            jobs_run: Family::default(),
            jobs: Family::default(),
            pool: Family::default(),
            event_streams: Gauge::default(),
            events: Counter::default(),
            rows: Family::default(),
            client_actions: Family::new_with_constructor(histogram),
            free_bytes: Gauge::default(),
            cpu_seconds: Seconds::default(),
            resident_bytes: Gauge::default(),
            open_files: Gauge::default(),
            load: Mutex::default(),
            slow: Mutex::default(),
            recent: Mutex::default(),
        };
        metrics.register(version);
        metrics
    }

    fn register(&self, version: &str) {
        let mut registry = self.registry.lock();
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("carrel_build", help("carrel_build"), build);
        add(&mut registry, "carrel_http_requests", self.requests.clone());
        add(&mut registry, "carrel_http_request_seconds", self.request_seconds.clone());
        add(&mut registry, "carrel_transaction_seconds", self.transaction_seconds.clone());
        add(&mut registry, "carrel_slow_transactions", self.slow_transactions.clone());
        add(&mut registry, "carrel_very_slow_transactions", self.very_slow_transactions.clone());
        add(&mut registry, "carrel_cache_requests", self.cache_requests.clone());
        add(&mut registry, "carrel_job_runs", self.jobs_run.clone());
        add(&mut registry, "carrel_jobs", self.jobs.clone());
        add(&mut registry, "carrel_database_connections", self.pool.clone());
        add(&mut registry, "carrel_event_streams", self.event_streams.clone());
        add(&mut registry, "carrel_events", self.events.clone());
        add(&mut registry, "carrel_sync_rows", self.rows.clone());
        add(&mut registry, "carrel_client_action_seconds", self.client_actions.clone());
        add(&mut registry, "carrel_free_bytes", self.free_bytes.clone());
        add(&mut registry, "carrel_process_cpu_seconds", self.cpu_seconds.clone());
        add(&mut registry, "carrel_process_resident_bytes", self.resident_bytes.clone());
        add(&mut registry, "carrel_process_open_files", self.open_files.clone());
    }

    /// Counts a request. `route`: the pattern of its path, not the path, which contains ids. `is_deferred`: the server asked
    /// the device to come back later, which is no error.
    pub fn request(
        &self,
        method: &str,
        route: &str,
        status: u16,
        seconds: f64,
        is_deferred: bool,
        now_ms: i64,
    ) {
        let (method, route) = (method.to_owned(), route.to_owned());
        let labels = RouteLabels { method: method.clone(), route: route.clone() };
        self.request_seconds.get_or_create(&labels).observe(seconds);
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
        let is_error = status >= 500 && !is_deferred;
        self.load.lock().add(seconds * 1000.0, is_error, now_ms);
    }

    /// Returns the figures of the requests of the last five minutes.
    pub fn load(&self, now_ms: i64) -> Load {
        self.load.lock().load(now_ms)
    }

    /// Counts a transaction by its name.
    pub fn transaction(&self, name: &'static str, ms: f64, is_slow: bool) {
        let labels = KindLabels { kind: QueryKind::of(name).as_str() };
        self.transaction_seconds.get_or_create(&labels).observe(ms / 1000.0);
        if is_slow {
            self.slow_transactions.get_or_create(&labels).inc();
        }
        if ms >= VERY_SLOW_MS {
            self.very_slow_transactions.get_or_create(&labels).inc();
        }
        self.slow.lock().add(name, ms, is_slow);
        let mut recent = self.recent.lock();
        *recent = (recent.0 + 1, recent.1 + ms);
    }

    /// Returns the mean duration of the transactions since the last call; `None` if there was none.
    pub fn take_mean_transaction_ms(&self) -> Option<f64> {
        let (count, ms) = std::mem::take(&mut *self.recent.lock());
        (count > 0).then(|| ms / count as f64)
    }

    /// Counts an event stream until the result is dropped.
    pub fn open_stream(&self) -> OpenStream {
        self.event_streams.inc();
        OpenStream(self.event_streams.clone())
    }

    /// Returns the transactions that were slow, the largest total time first.
    pub fn slow_transactions(&self) -> Vec<SlowTransaction> {
        self.slow.lock().report()
    }

    /// Counts a request of the response cache.
    pub fn cache(&self, kind: &'static str, result: CacheResult) {
        self.cache_requests.get_or_create(&CacheLabels { kind, result: result.as_str() }).inc();
    }

    /// Counts a run of a job.
    pub fn job(&self, job: &'static str, outcome: Outcome) {
        self.jobs_run.get_or_create(&JobLabels { job, result: outcome.as_str() }).inc();
    }

    /// Counts rows of learners.
    pub fn rows(&self, flow: RowFlow, count: usize) {
        self.rows.get_or_create(&FlowLabels { flow: flow.as_str() }).inc_by(count as u64);
    }

    /// Counts events that were sent to devices.
    pub fn events(&self, count: usize) {
        self.events.inc_by(count as u64);
    }

    /// Counts an action that a client reported. The caller accepts known names only, because each is a label.
    pub fn client_action(&self, action: &str, outcome: Outcome, ms: f64) {
        let labels = ActionLabels { action: action.to_owned(), result: outcome.as_str() };
        self.client_actions.get_or_create(&labels).observe(ms / 1000.0);
    }

    /// Returns all metrics as text, with these present values.
    pub fn text(&self, gauges: &Gauges) -> String {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for (state, value) in gauges.pool.iter().flatten() {
            self.pool.get_or_create(&StateLabels { state }).set(gauge(*value));
        }
        for (state, value) in
            [("failing", gauges.failing_jobs), ("late", gauges.late_jobs), ("due", gauges.due_jobs)]
        {
            self.jobs.get_or_create(&StateLabels { state }).set(gauge(value));
        }
        self.free_bytes.set(gauges.free_bytes.map_or(-1, gauge));
        if let Some(process) = read_process() {
            self.cpu_seconds.set(process.cpu_s);
            self.resident_bytes.set(gauge(process.resident_bytes));
            self.open_files.set(gauge(process.open_files));
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry.lock());
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn filled() -> Metrics {
        let metrics = Metrics::new("1.2.3");
        metrics.request("GET", "/api/courses/{id}", 200, 0.003, false, 0);
        metrics.request("GET", "/api/courses/{id}", 500, 0.003, false, 0);
        metrics.request("POST", "/api/sync/push", 503, 0.001, true, 0);
        metrics.transaction("push", 2_500.0, true);
        metrics.cache("course", CacheResult::Memory);
        metrics.job("purge", Outcome::Failed);
        metrics.rows(RowFlow::Accepted, 7);
        metrics.events(2);
        metrics.client_action("course", Outcome::Ok, 120.0);
        metrics
    }

    #[test]
    fn the_text_has_every_metric_with_its_labels_and_help() {
        let gauges = Gauges {
            pool: Some([("active", 1), ("idle", 2), ("total", 3), ("waiting", 0)]),
            late_jobs: 1,
            free_bytes: Some(5),
            ..Gauges::default()
        };
        let metrics = filled();
        let open = [metrics.open_stream(), metrics.open_stream()];
        let text = metrics.text(&gauges);
        for (name, labels, help) in METRICS {
            assert!(text.contains(&format!("# HELP {name} {help}.\n")), "{name} in\n{text}");
            let line = text
                .lines()
                .find(|line| {
                    let suffixes = ["{", " ", "_total", "_bucket", "_info"];
                    line.strip_prefix(name)
                        .is_some_and(|rest| suffixes.iter().any(|s| rest.starts_with(s)))
                })
                .unwrap_or_else(|| panic!("{name}: no value in\n{text}"));
            let present: BTreeSet<&str> = line
                .split_once('{')
                .and_then(|(_, rest)| rest.rsplit_once('}'))
                .map_or_else(BTreeSet::new, |(labels, _)| {
                    labels
                        .split(',')
                        .filter_map(|l| l.split('=').next())
                        .filter(|l| *l != "le")
                        .collect()
                });
            let documented: BTreeSet<&str> = labels.split(", ").filter(|l| !l.is_empty()).collect();
            assert_eq!(present, documented, "{line}");
        }
        for line in [
            "carrel_http_requests_total{method=\"GET\",route=\"/api/courses/{id}\",status=\"200\"} 1",
            "carrel_sync_rows_total{flow=\"accepted\"} 7",
            "carrel_database_connections{state=\"idle\"} 2",
            "carrel_very_slow_transactions_total{kind=\"educational\"} 1",
            "carrel_event_streams 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        drop(open);
        assert!(metrics.text(&gauges).contains("carrel_event_streams 0\n"));
        assert_eq!(metrics.take_mean_transaction_ms(), Some(2_500.0));
        assert_eq!(metrics.take_mean_transaction_ms(), None);
    }

    #[test]
    fn a_deferred_request_is_no_error() {
        let load = filled().load(1_000);
        assert_eq!((load.requests, load.errors), (3, 1));
    }
}
