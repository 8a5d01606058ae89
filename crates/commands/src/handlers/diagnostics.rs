//! Commands for the figures of the response cache, metrics, alerts and recent actions.
//!
//! Not here: counting (`carrel_http_cache`), measuring (`carrel_diagnostics`).

use std::path::PathBuf;

use carrel_client::{
    Error,
    http_cache::{RouteCounts, Strategy},
    support::{self, Folders, SupportInput},
    system::blocking,
};
use carrel_diagnostics::{
    Diagnostics, crash,
    doctor::{self, DoctorReport, Environment, SystemFacts},
    metrics::Metric,
};

use super::{Result, percent, settings::settings_of};
use crate::{
    api::{
        app::Empty,
        diagnostics::{
            AlertRef, CacheFigures, CrashReportList, DiagnosticsReport, RouteFigures, SavedBundle,
            TierCounts, UiMeasurements,
        },
        error::CommandError,
    },
    host::{Host, account, diagnostics},
};

/// Maximum number of samples and of actions in one report of the UI.
const MAX_MEASUREMENTS: usize = 1_000;

pub async fn cache_figures(host: &dyn Host, _: Empty) -> Result<CacheFigures> {
    let account = account(host)?;
    let cache = account.content.library.cache();
    let figures = cache.figures();
    let routes = figures.routes.iter().map(|(route, of_route)| RouteFigures {
        route: route.pattern.to_owned(),
        strategy: strategy(route.strategy).to_owned(),
        counts: counts(of_route),
    });
    Ok(CacheFigures {
        routes: routes.collect(),
        total: counts(&figures.total()),
        memory_bytes: figures.memory_bytes,
        memory_budget: figures.memory_budget,
        disk_bytes: figures.disk_bytes,
        disk_budget: figures.disk_budget,
        evicted: figures.evicted,
        offline: cache.is_offline(),
    })
}

fn counts(counts: &RouteCounts) -> TierCounts {
    TierCounts {
        memory: counts.memory,
        disk: counts.disk,
        network: counts.network,
        revalidated: counts.revalidated,
        stale: counts.stale,
        coalesced: counts.coalesced,
        negative: counts.negative,
        failed: counts.failed,
        hit_rate: (counts.responses() > 0).then(|| percent(counts.hits(), counts.responses())),
    }
}

fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::CacheFirst => "cache-first",
        Strategy::StaleWhileRevalidate => "stale-while-revalidate",
        Strategy::NetworkFirst => "network-first",
        Strategy::NetworkOnly => "network-only",
    }
}

pub async fn diagnostics_report(host: &dyn Host, _: Empty) -> Result<DiagnosticsReport> {
    let diagnostics = diagnostics(host)?;
    let client = host.client();
    Ok(DiagnosticsReport {
        version: client.config().app_version.clone(),
        now_ms: client.clock().now_ms(),
        metrics: diagnostics.metrics.report(),
        alerts: diagnostics.metrics.alerts(),
        actions: diagnostics.actions.list(),
    })
}

pub async fn report_metrics(host: &dyn Host, request: UiMeasurements) -> Result<Empty> {
    let diagnostics = diagnostics(host)?;
    let UiMeasurements { samples, unsupported, actions } = request;
    let of_ui = |name: &str| {
        let metric = Metric::named(name).filter(|m| m.definition().is_of_ui);
        metric.ok_or_else(|| CommandError::invalid(format!("{name:?} is not a metric of the UI")))
    };
    for sample in samples.iter().take(MAX_MEASUREMENTS) {
        diagnostics.metrics.record(of_ui(&sample.metric)?, sample.value, &sample.context);
    }
    for name in &unsupported {
        diagnostics.metrics.set_unsupported(of_ui(name)?);
    }
    for action in actions.iter().take(MAX_MEASUREMENTS).filter(|a| a.ms.is_finite()) {
        diagnostics.actions.set_ui_time(&action.id, (action.ms * 1_000.0) as i64);
    }
    send_durations(host, diagnostics).await?;
    Ok(Empty {})
}

/// Metrics whose values the school's server gets if the learner allows it, with their names there (docs/API.md).
const SENT_METRICS: [(Metric, &str); 5] = [
    (Metric::CourseLoad, "course"),
    (Metric::LessonLoad, "lesson"),
    (Metric::AssessmentLoad, "assessment"),
    (Metric::ProgressRecord, "progress"),
    (Metric::LiveUpdate, "live"),
];
/// Values are sent when there are this many, so that a request is not made for each.
const MIN_SENT: usize = 50;

/// Sends the durations since the last call, if the learner allows it. Otherwise they are never sent: not even those from
/// before the learner allowed it.
async fn send_durations(host: &dyn Host, diagnostics: &Diagnostics) -> Result<()> {
    let metrics = &diagnostics.metrics;
    if metrics.count_new(&SENT_METRICS.map(|(metric, _)| metric)) < MIN_SENT {
        return Ok(());
    }
    let mut durations = Vec::new();
    for (metric, name) in SENT_METRICS {
        durations.extend(metrics.take_new(metric).into_iter().map(|ms| (name, ms as u32)));
    }
    let Some(account) = host.client().account() else { return Ok(()) };
    if settings_of(host.client(), &account).await?.send_durations {
        account.send_durations(&durations);
    }
    Ok(())
}

pub async fn dismiss_alert(host: &dyn Host, request: AlertRef) -> Result<DiagnosticsReport> {
    // An alert may have expired since it was shown.
    diagnostics(host)?.metrics.dismiss(&request.alert);
    diagnostics_report(host, Empty {}).await
}

fn folders(host: &dyn Host) -> Folders {
    let config = host.client().config();
    Folders { data_dir: config.data_dir.clone(), cache_dir: config.cache_dir.clone() }
}

pub async fn run_doctor(host: &dyn Host, _: Empty) -> Result<DoctorReport> {
    let (client, folders) = (host.client(), folders(host));
    let config = client.config().clone();
    let facts = host.system_facts();
    let environment = blocking(move || {
        let uses_keychain = config.secrets.is_none();
        let keychain = if uses_keychain { support::keychain() } else { doctor::Keychain::NotUsed };
        let system = SystemFacts { keychain, ..facts() };
        let (http, clock) = (config.http.clone(), config.clock.clone());
        let found = support::environment(&folders, &config.app_version, http, clock, system);
        let machine_folder = config.space.content_dir.clone();
        Ok::<_, Error>(Environment { is_running: true, machine_folder, ..found })
    });
    Ok(doctor::run(environment.await?).await)
}

pub async fn save_support_bundle(host: &dyn Host, _: Empty) -> Result<SavedBundle> {
    let downloads = host.downloads_dir();
    let target =
        downloads.ok_or_else(|| CommandError::unavailable("there is no downloads folder"))?;
    let doctor = run_doctor(host, Empty {}).await?;
    let (diagnostics, folders) = (diagnostics(host)?.clone(), folders(host));
    let policies = host.policies();
    let path = target.join(format!("carrel-support-{}.zip", host.client().clock().now_ms()));
    let written = blocking(move || {
        // Learners who signed in during this run.
        support::register_private(&folders.data_dir, &diagnostics.redactor);
        let input = SupportInput {
            folders: &folders,
            diagnostics: &diagnostics,
            doctor: &doctor,
            policies: policies(),
        };
        support::support_bundle(&input).write(&path, &diagnostics.redactor)?;
        let bytes = std::fs::metadata(&path)?.len();
        Ok::<(PathBuf, u64), Error>((path, bytes))
    });
    let (path, bytes) = written.await?;
    Ok(SavedBundle { path: path.to_string_lossy().into_owned(), bytes })
}

pub async fn crash_reports(host: &dyn Host, _: Empty) -> Result<CrashReportList> {
    let folder = folders(host).data_dir.join(crash::FOLDER);
    let read = blocking(move || Ok::<_, Error>(crash::reports(&folder)));
    Ok(CrashReportList { reports: read.await? })
}

pub async fn delete_crash_reports(host: &dyn Host, _: Empty) -> Result<CrashReportList> {
    let folder = folders(host).data_dir.join(crash::FOLDER);
    blocking(move || {
        crash::delete_reports(&folder);
        Ok::<_, Error>(())
    })
    .await?;
    crash_reports(host, Empty {}).await
}
