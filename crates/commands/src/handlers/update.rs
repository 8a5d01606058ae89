//! Commands for updates of the app.
//!
//! Not here: how updates are found and installed (`carrel_update`).

use std::sync::Arc;

use carrel_client::{
    system::blocking,
    update::{
        Error, Mode, Problem,
        journal::{Outcome, Report},
        updater::{UpdatePhase, Updater},
    },
};

use super::Result;
use crate::{
    api::{
        app::Empty,
        update::{
            InstallTime, InstallUpdate, ReleaseView, UpdateModeView, UpdateOutcomeView,
            UpdatePhaseView, UpdateProblemView, UpdateReportView, UpdateView,
        },
    },
    host::Host,
};

pub async fn get_update_state(host: &dyn Host, _: Empty) -> Result<UpdateView> {
    view(host).await
}

pub async fn check_for_updates(host: &dyn Host, _: Empty) -> Result<UpdateView> {
    if let Some(updater) = updater(host) {
        updater.check().await;
    }
    view(host).await
}

pub async fn download_update(host: &dyn Host, _: Empty) -> Result<UpdateView> {
    if let Some(updater) = updater(host) {
        updater.download().await;
    }
    view(host).await
}

pub async fn install_update(host: &dyn Host, request: InstallUpdate) -> Result<UpdateView> {
    if let Some(updater) = updater(host) {
        match request.when {
            InstallTime::OnQuit => drop(updater.install_on_quit(true)),
            InstallTime::NotYet => drop(updater.install_on_quit(false)),
            InstallTime::Now => {
                if updater.install().await.phase == UpdatePhase::Installed {
                    host.restart()?;
                }
            }
        }
    }
    view(host).await
}

pub async fn forget_update_report(host: &dyn Host, _: Empty) -> Result<UpdateView> {
    if let Some(updater) = updater(host) {
        let forgotten = blocking(move || updater.forget_report()).await;
        if let Err(error) = forgotten {
            tracing::warn!(error = %error, "the result of the update could not be forgotten");
        }
    }
    view(host).await
}

fn updater(host: &dyn Host) -> Option<Arc<Updater>> {
    host.client().updates().cloned()
}

async fn view(host: &dyn Host) -> Result<UpdateView> {
    let Some(updater) = updater(host) else {
        return Ok(UpdateView {
            version: host.client().config().app_version.clone(),
            channel: String::new(),
            mode: UpdateModeView::Off,
            disabled: Some(Problem::NotSetUp),
            phase: UpdatePhaseView::Idle,
            release: None,
            received: 0,
            problem: None,
            checked_ms: None,
            report: None,
        });
    };
    let facts = updater.clone();
    let (disabled, report) = blocking(move || Ok::<_, Error>((facts.disabled(), facts.report())))
        .await
        .unwrap_or((None, None));
    let state = updater.state();
    Ok(UpdateView {
        version: updater.version().to_string(),
        channel: updater.policy().channel.to_string(),
        mode: match updater.policy().mode {
            Mode::Automatic => UpdateModeView::Automatic,
            Mode::Notify => UpdateModeView::Notify,
            Mode::Off => UpdateModeView::Off,
        },
        disabled: disabled.map(|error| error.problem()),
        phase: phase(state.phase),
        release: state.release.map(|release| ReleaseView {
            version: release.version.to_string(),
            notes: release.notes,
            size: release.size,
        }),
        received: state.received,
        problem: state.problem.map(|problem| UpdateProblemView {
            kind: problem.kind,
            network: problem.cause.map(|cause| cause.name().to_owned()),
            message: problem.message,
        }),
        checked_ms: state.checked_ms,
        report: report.map(report_view),
    })
}

fn report_view(report: Report) -> UpdateReportView {
    let outcome = match report.outcome {
        Outcome::Updated => UpdateOutcomeView::Updated,
        Outcome::RolledBack => UpdateOutcomeView::RolledBack,
        Outcome::NotRolledBack => UpdateOutcomeView::NotRolledBack,
        Outcome::Interrupted => UpdateOutcomeView::Interrupted,
    };
    UpdateReportView { outcome, version: report.version.to_string() }
}

fn phase(phase: UpdatePhase) -> UpdatePhaseView {
    match phase {
        UpdatePhase::Idle => UpdatePhaseView::Idle,
        UpdatePhase::Checking => UpdatePhaseView::Checking,
        UpdatePhase::UpToDate => UpdatePhaseView::UpToDate,
        UpdatePhase::NotYet => UpdatePhaseView::NotYet,
        UpdatePhase::Available => UpdatePhaseView::Available,
        UpdatePhase::Downloading => UpdatePhaseView::Downloading,
        UpdatePhase::Downloaded => UpdatePhaseView::Downloaded,
        UpdatePhase::InstallsOnQuit => UpdatePhaseView::InstallsOnQuit,
        UpdatePhase::Installing => UpdatePhaseView::Installing,
        UpdatePhase::Installed => UpdatePhaseView::Installed,
    }
}
