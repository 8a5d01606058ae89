//! Judges the rules of alerts each minute, logs the alerts that begin and end, and sends them.
//!
//! Not here: rules and messages (`carrel_monitoring`), SMTP (`carrel-mail`).

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use carrel_mail::OutgoingMail;
use carrel_monitoring::{
    AlertError, AlertSettings, Change, Context, Notice, ProcessUse, Reading, Sender, cpu_share,
    mail_text, read_process, rfc3339,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::stopwatch,
    data_dir::DataDir,
    http::{App, health},
};

/// Interval of the readings.
const INTERVAL: Duration = Duration::from_secs(60);
/// Mails that wait for a mail server that cannot be reached; the oldest are dropped.
const MAX_MAILS: usize = 100;

/// Watches a server: the readings of a process, and the receivers of its alerts.
pub struct Watch {
    app: App,
    sender: Sender,
    settings: AlertSettings,
    mails: VecDeque<OutgoingMail>,
    /// Alerts of which mails were sent, so that their end is sent as well.
    told: BTreeSet<&'static str>,
    before: Option<(ProcessUse, Instant)>,
}

impl Watch {
    /// # Errors
    /// The setting that cannot be used.
    pub fn new(app: App) -> Result<Self, AlertError> {
        let settings = app.settings.alerts.clone();
        let context = Context {
            service: app.settings.name.clone(),
            host: host_name(),
            runbook: settings.runbook.clone(),
        };
        let sender = Sender::open(&settings, context)?;
        let (mails, told) = (VecDeque::new(), BTreeSet::new());
        Ok(Self { app, sender, settings, mails, told, before: None })
    }

    /// Judges and sends until the server stops.
    pub async fn serve(mut self, stopping: CancellationToken) {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = tick.tick() => drop(self.step().await),
            }
        }
    }

    /// Takes a reading, judges it, and sends what there is to send. Returns the messages of this reading.
    pub async fn step(&mut self) -> Vec<Notice> {
        let now_ms = self.app.clock.now_ms();
        let reading = self.read().await;
        let notices = self.app.data.config.alerts.judge(&reading, now_ms);
        for notice in &notices {
            self.log(notice);
            self.sender.add(notice, &rfc3339(notice.at_ms));
            self.add_mail(notice);
        }
        self.sender.send(now_ms).await;
        self.send_mails().await;
        notices
    }

    async fn read(&mut self) -> Reading {
        let (app, metrics) = (&self.app, &self.app.data.config.metrics);
        let state = health::jobs_and_disk(app).await;
        let process = read_process();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = self.before.as_ref().zip(process).and_then(|((before, since), after)| {
            cpu_share(*before, after, since.elapsed().as_secs_f64(), cores)
        });
        self.before = process.map(|process| (process, stopwatch()));
        Reading {
            load: metrics.load(app.clock.now_ms()),
            cpu_share: cpu,
            pool_share: app.store.pool().map(|pool| pool.active as f64 / pool.max.max(1) as f64),
            mean_query_ms: metrics.take_mean_transaction_ms(),
            failing_jobs: state.failing_jobs.len(),
            late_jobs: state.late_jobs.len(),
            is_disk_low: !state.disk_ok,
            is_database_down: !state.database_ok,
        }
    }

    fn log(&self, notice: &Notice) {
        let Notice { alert, change, .. } = notice;
        let severity = alert.severity.as_str();
        let runbook = self.sender.context().runbook_of(alert);
        match change {
            Change::Ends => tracing::info!(alert.metric = alert.metric, "alert ended"),
            _ => tracing::warn!(
                alert.metric = alert.metric,
                alert.severity = severity,
                alert.value = alert.value,
                alert.threshold = alert.threshold,
                alert.runbook = runbook,
                "alert"
            ),
        }
    }

    fn add_mail(&mut self, notice: &Notice) {
        let metric = notice.alert.metric;
        let wants = match notice.change {
            Change::Ends => self.told.remove(metric),
            _ => notice.alert.severity >= self.settings.mail_from || self.told.contains(metric),
        };
        if !wants || self.app.data.mailer.is_none() {
            return;
        }
        if notice.change != Change::Ends {
            self.told.insert(metric);
        }
        let time = rfc3339(notice.at_ms);
        let (subject, body) = mail_text(notice, self.sender.context(), &time);
        for address in &self.settings.mail {
            self.mails.push_back(OutgoingMail {
                id: carrel_store::new_id(),
                address: address.clone(),
                name: String::new(),
                lang: "en",
                subject: subject.clone(),
                body: body.clone(),
                created_ms: notice.at_ms,
            });
        }
        while self.mails.len() > MAX_MAILS {
            self.mails.pop_front();
        }
    }

    /// Sends the mails that wait. Those that cannot be sent now wait until the next reading.
    async fn send_mails(&mut self) {
        let Some(mailer) = self.app.data.mailer.clone().filter(|_| !self.mails.is_empty()) else {
            return;
        };
        let mut session = match mailer.connect().await {
            Ok(session) => session,
            Err(failure) => {
                return tracing::warn!(mail.error = failure.text, "an alert was not sent by mail");
            }
        };
        while let Some(mail) = self.mails.front() {
            match session.send(mail).await {
                Ok(()) => drop(self.mails.pop_front()),
                Err(failure) => {
                    tracing::warn!(mail.error = failure.text, "an alert was not sent by mail");
                    if failure.is_permanent {
                        self.mails.pop_front();
                    }
                    return;
                }
            }
        }
        session.close().await;
    }
}

/// Checks the settings without sending anything, so that a wrong one is an error at the start.
///
/// # Errors
/// The setting that cannot be used.
pub(crate) fn check(data: &DataDir) -> Result<(), crate::error::Error> {
    let settings = &data.config.settings;
    if !settings.alerts.mail.is_empty() && data.mailer.is_none() {
        let problem = "alerts.mail needs a mail server; hint: add the table [mail]";
        return Err(crate::error::Error::Refused(problem.to_owned()));
    }
    Ok(())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "this computer".to_owned() } else { name.to_owned() }
}
