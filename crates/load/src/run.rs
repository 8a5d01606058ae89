//! Runs a scenario: one task for each person, and one task that reads CPU time and memory of the server each second.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use crate::{
    Result,
    client::Connection,
    plan::{Pace, Plan},
    prepare::People,
    usage::{Usage, usage},
    work::{Action, Sender},
};

/// A finished request.
struct Done {
    action: Action,
    /// Time from the start of the run to the planned time.
    at: Duration,
    took: Duration,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// The server asked to come back later.
    Deferred,
    Failed(u16),
}

/// Figures of one second.
#[derive(Debug, Clone, Default)]
pub struct Second {
    pub requests: u64,
    pub errors: u64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub usage: Usage,
}

/// Figures of one action.
#[derive(Debug, Clone)]
pub struct ByAction {
    pub name: &'static str,
    pub requests: u64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// The result of a scenario.
#[derive(Debug, Clone)]
pub struct Measured {
    pub plan: Plan,
    pub requests: u64,
    /// Requests for which the server asked to come back later.
    pub deferred: u64,
    /// Failed requests by their status; 0: no reply.
    pub errors: BTreeMap<u16, u64>,
    pub elapsed_s: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub actions: Vec<ByAction>,
    pub seconds: Vec<Second>,
    /// Event streams that were open at the end.
    pub streams: usize,
}

/// Judgement of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Green,
    /// Within the targets, with less than a fifth to spare.
    Yellow,
    Red,
}

impl Measured {
    pub fn error_share(&self) -> f64 {
        let failed: u64 = self.errors.values().sum();
        failed as f64 / self.requests.max(1) as f64
    }
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed_s.max(f64::EPSILON)
    }
    pub fn verdict(&self) -> Verdict {
        let targets = self.plan.targets;
        let within = |factor: f64| {
            self.p95_ms <= targets.p95_ms * factor
                && self.p99_ms <= targets.p99_ms * factor
                && self.error_share() <= targets.errors * factor
        };
        // A run without a request shows nothing.
        match (self.requests > 0 && within(1.0), within(0.8)) {
            (false, _) => Verdict::Red,
            (true, false) => Verdict::Yellow,
            (true, true) => Verdict::Green,
        }
    }
    /// Returns the largest memory of the server, in MiB.
    pub fn max_resident_mib(&self) -> f64 {
        self.seconds.iter().map(|s| s.usage.resident_mib).fold(0.0, f64::max)
    }
    /// Returns the number of cores that the server used on average.
    pub fn cores(&self) -> f64 {
        let of = |second: Option<&Second>| second.map_or(0.0, |s| s.usage.cpu_s);
        (of(self.seconds.last()) - of(self.seconds.first())) / self.elapsed_s.max(1.0)
    }
    /// Returns one line for the terminal.
    pub fn line(&self) -> String {
        format!(
            "{:<12} {:>6} requests, {:>6.0}/s, p50 {:>6.1} ms, p95 {:>6.1}, p99 {:>6.1}, max {:>7.1}, errors {}, \
             deferred {}, server {:.0} MiB, {:.2} cores, {:?}",
            self.plan.name,
            self.requests,
            self.rate(),
            self.p50_ms,
            self.p95_ms,
            self.p99_ms,
            self.max_ms,
            self.errors.values().sum::<u64>(),
            self.deferred,
            self.max_resident_mib(),
            self.cores(),
            self.verdict(),
        )
    }
}

/// Runs a scenario.
pub async fn run(
    url: &str,
    people: &Arc<People>,
    plan: &Plan,
    pid: Option<u32>,
) -> Result<Measured> {
    let (results, mut received) = mpsc::unbounded_channel();
    let (start, stopping) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let streams = Arc::new(Mutex::new(0_usize));
    let mut tasks = Vec::new();
    for number in 0..plan.people {
        let connection = Connection::new(url)?;
        let person = Person {
            number,
            people: Arc::clone(people),
            plan: plan.clone(),
            connection,
            results: results.clone(),
            start,
            usn: 0,
            streams: Arc::clone(&streams),
        };
        tasks.push(tokio::spawn(person.work()));
    }
    drop(results);
    let samples = tokio::spawn(sample(pid, Arc::clone(&stopping)));
    let mut done = Vec::new();
    let end = start + Duration::from_secs(plan.seconds);
    if plan.pace == Pace::Streams {
        tokio::time::sleep_until(end).await;
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
    while let Some(one) = received.recv().await {
        done.push(one);
    }
    for task in tasks {
        match task.await {
            Ok(result) => result?,
            Err(e) if e.is_cancelled() => {}
            Err(e) => return Err(e.into()),
        }
    }
    stopping.store(true, Ordering::Relaxed);
    let open = *streams.lock().await;
    Ok(measured(plan, &done, start.elapsed(), samples.await?, open))
}

async fn sample(pid: Option<u32>, stopping: Arc<AtomicBool>) -> Vec<Usage> {
    let mut samples = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    while !stopping.load(Ordering::Relaxed) {
        tick.tick().await;
        samples.push(pid.and_then(usage).unwrap_or_default());
    }
    samples
}

/// One person with a connection.
struct Person {
    number: usize,
    people: Arc<People>,
    plan: Plan,
    connection: Connection,
    results: mpsc::UnboundedSender<Done>,
    start: Instant,
    /// The last change number that was pulled.
    usn: u64,
    streams: Arc<Mutex<usize>>,
}

impl Person {
    async fn work(mut self) -> Result {
        let end = Duration::from_secs(self.plan.seconds);
        match self.plan.pace {
            Pace::Streams => {
                let streams = Arc::clone(&self.streams);
                let token = self.token(Sender::Student);
                // Connections are opened over ten seconds.
                let share = self.number as f64 / self.plan.people as f64;
                tokio::time::sleep(Duration::from_secs_f64(10.0 * share)).await;
                let (start, at) = (self.start, self.start.elapsed());
                let results = self.results.clone();
                let opened = |status: hyper::StatusCode| {
                    let outcome = outcome(status);
                    let took = start.elapsed() - at;
                    let _ = results.send(Done { action: Action::Pull, at, took, outcome });
                };
                *streams.lock().await += 1;
                // Ends with the run, or if the server ends it.
                let result = self.connection.stream(&token, opened).await;
                *streams.lock().await -= 1;
                result
            }
            Pace::Once => {
                self.act(self.plan.action(0), Duration::ZERO).await;
                Ok(())
            }
            Pace::Closed => {
                while self.start.elapsed() < end {
                    let at = self.start.elapsed();
                    self.act(self.plan.action(fastrand::u32(..)), at).await;
                }
                Ok(())
            }
            Pace::Rate(_) | Pace::Ramp(..) | Pace::Spike(..) => {
                let mut at = self.next(Duration::ZERO);
                while at < end {
                    // A person who is late sends at once; the duration counts from the planned time.
                    tokio::time::sleep_until(self.start + at).await;
                    self.act(self.plan.action(fastrand::u32(..)), at).await;
                    at = self.next(at);
                }
                Ok(())
            }
        }
    }

    /// Returns the next planned time: the gaps of independent people are exponentially distributed.
    fn next(&self, at: Duration) -> Duration {
        let part = at.as_secs_f64() / self.plan.seconds.max(1) as f64;
        let rate = self.plan.rate(part).unwrap_or(1.0) / self.plan.people as f64;
        // At least two plannings in a run, so that a change of the rate is noticed.
        let gap = -(1.0 - fastrand::f64()).ln() / rate;
        at + Duration::from_secs_f64(gap.min(self.plan.seconds as f64))
    }

    fn token(&self, sender: Sender) -> String {
        match sender {
            Sender::Student => {
                self.people.students[self.number % self.people.students.len()].clone()
            }
            Sender::Instructor => self.people.instructor.clone(),
            Sender::Administrator => self.people.administrator.clone(),
        }
    }

    async fn act(&mut self, action: Action, at: Duration) {
        let now_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let requests = action.requests(&self.people, self.number, self.usn, now_ms);
        let mut at = at;
        for sent in requests {
            let token = self.token(sent.sender);
            let mut reply = self.connection.send(&sent, &token).await;
            // A device waits as it is asked to, and sends the request again.
            while let (Pace::Once, Ok(read)) = (self.plan.pace, &reply)
                && read.status == hyper::StatusCode::SERVICE_UNAVAILABLE
            {
                let took = self.start.elapsed().saturating_sub(at);
                let _ = self.results.send(Done { action, at, took, outcome: Outcome::Deferred });
                tokio::time::sleep(Duration::from_millis(500 + fastrand::u64(..1_500))).await;
                at = self.start.elapsed();
                reply = self.connection.send(&sent, &token).await;
            }
            let took = self.start.elapsed().saturating_sub(at);
            let outcome = match &reply {
                Ok(read) => outcome(read.status),
                Err(_) => Outcome::Failed(0),
            };
            if let (Action::Pull, Ok(read)) = (action, &reply) {
                self.usn = next_usn(&read.body).unwrap_or(self.usn);
            }
            let _ = self.results.send(Done { action, at, took, outcome });
            at = self.start.elapsed();
        }
    }
}

fn outcome(status: hyper::StatusCode) -> Outcome {
    match status {
        hyper::StatusCode::SERVICE_UNAVAILABLE => Outcome::Deferred,
        status if status.is_success() => Outcome::Ok,
        status => Outcome::Failed(status.as_u16()),
    }
}

fn next_usn(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(body).ok()?["next"].as_u64()
}

fn histogram<'a>(done: impl Iterator<Item = &'a Done>) -> Histogram<u64> {
    // Microseconds up to ten minutes, three digits.
    let mut histogram = Histogram::new_with_max(600_000_000, 3).expect("valid bounds");
    for one in done {
        histogram.saturating_record(u64::try_from(one.took.as_micros()).unwrap_or(u64::MAX));
    }
    histogram
}

fn ms(histogram: &Histogram<u64>, share: f64) -> f64 {
    histogram.value_at_quantile(share) as f64 / 1_000.0
}

fn measured(
    plan: &Plan,
    done: &[Done],
    elapsed: Duration,
    usage: Vec<Usage>,
    streams: usize,
) -> Measured {
    // The duration of a deferred request is not that of work.
    let finished = || done.iter().filter(|one| one.outcome != Outcome::Deferred);
    let all = histogram(finished());
    let mut errors = BTreeMap::new();
    for one in done {
        if let Outcome::Failed(status) = one.outcome {
            *errors.entry(status).or_default() += 1;
        }
    }
    let mut actions: BTreeMap<Action, Vec<&Done>> = BTreeMap::new();
    let mut seconds: Vec<Vec<&Done>> = vec![Vec::new(); usage.len()];
    for one in finished() {
        actions.entry(one.action).or_default().push(one);
        if let Some(second) = seconds.get_mut(one.at.as_secs() as usize) {
            second.push(one);
        }
    }
    let actions = actions.into_iter().map(|(action, done)| {
        let histogram = histogram(done.iter().copied());
        ByAction {
            name: action.name(),
            requests: done.len() as u64,
            p50_ms: ms(&histogram, 0.5),
            p95_ms: ms(&histogram, 0.95),
            p99_ms: ms(&histogram, 0.99),
            max_ms: histogram.max() as f64 / 1_000.0,
        }
    });
    let seconds = seconds.into_iter().zip(usage).map(|(done, usage)| {
        let histogram = histogram(done.iter().copied());
        Second {
            requests: done.len() as u64,
            errors: done.iter().filter(|one| matches!(one.outcome, Outcome::Failed(_))).count()
                as u64,
            p50_ms: ms(&histogram, 0.5),
            p95_ms: ms(&histogram, 0.95),
            p99_ms: ms(&histogram, 0.99),
            usage,
        }
    });
    Measured {
        plan: plan.clone(),
        requests: finished().count() as u64,
        deferred: done.len() as u64 - finished().count() as u64,
        errors,
        elapsed_s: elapsed.as_secs_f64(),
        p50_ms: ms(&all, 0.5),
        p95_ms: ms(&all, 0.95),
        p99_ms: ms(&all, 0.99),
        max_ms: all.max() as f64 / 1_000.0,
        actions: actions.collect(),
        seconds: seconds.collect(),
        streams,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plans;

    fn done(took_ms: u64, outcome: Outcome) -> Done {
        Done {
            action: Action::Push,
            at: Duration::ZERO,
            took: Duration::from_millis(took_ms),
            outcome,
        }
    }

    fn verdict(done: &[Done]) -> Verdict {
        let plan = plans(Some("baseline"), None).unwrap().remove(0);
        measured(&plan, done, Duration::from_secs(1), vec![Usage::default(); 2], 0).verdict()
    }

    #[test]
    fn a_verdict_compares_with_the_targets() {
        let of = |took_ms| (0..100).map(|_| done(took_ms, Outcome::Ok)).collect::<Vec<_>>();
        assert_eq!(verdict(&of(600)), Verdict::Green);
        assert_eq!(verdict(&of(700)), Verdict::Yellow);
        assert_eq!(verdict(&of(900)), Verdict::Red);
        assert_eq!(verdict(&[]), Verdict::Red, "no request");
        let mut failing = of(10);
        failing.extend((0..3).map(|_| done(1, Outcome::Failed(500))));
        assert_eq!(verdict(&failing), Verdict::Red, "2.9 % errors");
        let mut deferred = of(10);
        deferred.extend((0..50).map(|_| done(30_000, Outcome::Deferred)));
        assert_eq!(verdict(&deferred), Verdict::Green, "deferred requests are counted apart");
    }
}
