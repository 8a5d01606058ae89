//! A network scripted by a test: a queue of answers and a rule answer the requests, which are recorded.
//!
//! Not here: the replies (`reply`, `hostile`), faults from a seed (`flaky`).

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_net::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};
use carrel_system::Clock;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::{FakeClock, reply};

/// What happens to a request.
pub enum Answer {
    Reply(Reply),
    Fail(Failure),
    /// The request fails after its timeout, in the time of this clock.
    TimeOut(FakeClock),
    /// The request is sent to the network behind this one.
    Forward,
    /// Another request is sent to the network behind this one.
    Replace(Request),
    /// The answer becomes known later.
    Later(BoxFuture<'static, Answer>),
}

impl Answer {
    /// The connection is refused.
    pub fn refused() -> Self {
        Self::Fail(Failure::new(FailureKind::Connect, "connection refused"))
    }
    /// The answer is the result of `future`.
    pub fn when<A: Into<Self>>(future: impl Future<Output = A> + Send + 'static) -> Self {
        Self::Later(Box::pin(async move { future.await.into() }))
    }
    /// Delays the answer, in the time of this clock.
    #[must_use]
    pub fn after(self, clock: &FakeClock, delay: Duration) -> Self {
        let clock = clock.clone();
        Self::when(async move {
            clock.sleep(delay).await;
            self
        })
    }
    /// Holds the answer until `gate` has a permit, which it uses up.
    #[must_use]
    pub fn held(self, gate: &Arc<Semaphore>) -> Self {
        let gate = gate.clone();
        Self::when(async move {
            gate.acquire().await.expect("the gate is open").forget();
            self
        })
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}
impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}
/// A reply of a status and a body, without header fields.
impl<B: Into<Bytes>> From<(u16, B)> for Answer {
    fn from((status, body): (u16, B)) -> Self {
        reply::with_headers(status, [], body).into()
    }
}
impl<A: Into<Answer>> From<Result<A, Failure>> for Answer {
    fn from(result: Result<A, Failure>) -> Self {
        result.map_or_else(Self::Fail, Into::into)
    }
}
/// `None` forwards the request.
impl<A: Into<Answer>> From<Option<A>> for Answer {
    fn from(answer: Option<A>) -> Self {
        answer.map_or(Self::Forward, Into::into)
    }
}

type Rule = dyn Fn(&Request) -> Answer + Send + Sync;

/// A scripted network. The next queued answer is used, otherwise the rule, otherwise the request is forwarded.
pub struct Network {
    /// The network behind this one. Without it, forwarded requests are refused.
    inner: Option<Arc<dyn Http>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Answer>,
    rule: Option<Arc<Rule>>,
    requests: Vec<Request>,
}

impl Network {
    /// Creates a network whose requests `rule` answers.
    pub fn new<A: Into<Answer>>(rule: impl Fn(&Request) -> A + Send + Sync + 'static) -> Arc<Self> {
        let network = Arc::new(Self { inner: None, state: Mutex::default() });
        network.intercept(rule);
        network
    }
    /// Creates a network that forwards all requests to `inner`, until it is told to `intercept` some.
    pub fn over(inner: Arc<dyn Http>) -> Arc<Self> {
        Arc::new(Self { inner: Some(inner), state: Mutex::default() })
    }
    /// Replaces the rule.
    pub fn intercept<A: Into<Answer>>(&self, rule: impl Fn(&Request) -> A + Send + Sync + 'static) {
        self.state().rule = Some(Arc::new(move |request| rule(request).into()));
    }
    pub fn stop_intercepting(&self) {
        self.state().rule = None;
    }
    /// Sets the answers of the next requests, after those that are queued already.
    pub fn enqueue(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().queue.extend(answers);
    }
    pub fn clear_queue(&self) {
        self.state().queue.clear();
    }
    /// Returns the number of requests.
    pub fn request_count(&self) -> usize {
        self.state().requests.len()
    }
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }
    /// Returns the requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Http for Network {
    fn set_network(&self, settings: &NetworkSettings) -> carrel_net::Result<()> {
        self.inner.as_ref().map_or(Ok(()), |inner| inner.set_network(settings))
    }
    fn network_changed(&self) {
        if let Some(inner) = &self.inner {
            inner.network_changed();
        }
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let (queued, rule) = {
            let mut state = self.state();
            state.requests.push(request.clone());
            (state.queue.pop_front(), state.rule.clone())
        };
        let mut answer =
            queued.unwrap_or_else(|| rule.map_or(Answer::Forward, |rule| rule(&request)));
        let mut has_waited = false;
        let request = loop {
            match answer {
                Answer::Reply(reply) => {
                    // Other tasks run before the reply is received, as on a real connection.
                    if !has_waited {
                        tokio::task::yield_now().await;
                    }
                    return Ok(reply);
                }
                Answer::Fail(failure) => return Err(failure),
                Answer::TimeOut(clock) => {
                    clock.sleep(request.timeout).await;
                    return Err(Failure::new(FailureKind::Timeout, "no response"));
                }
                Answer::Forward => break request,
                Answer::Replace(other) => break other,
                Answer::Later(next) => {
                    answer = next.await;
                    has_waited = true;
                }
            }
        };
        match &self.inner {
            Some(inner) => inner.send(request).await,
            None => Err(Failure::new(FailureKind::Connect, "connection refused")),
        }
    }
}
