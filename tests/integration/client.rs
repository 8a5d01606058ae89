//! A complete client in its own folder, and a network whose requests tests can intercept.

use std::{
    future::Future,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use carrel_client::{Client, Config, OpenAccount, Result, account::FileSecrets};
use carrel_content::library::Filter;
use carrel_learning::Step;
use carrel_model::lattice::{ItemKind, Row, RowType};
use carrel_net::{Failure, Http, LiveHttp, Reply, Request};
use carrel_sqlite::rows::{self, Owner};
use carrel_sync::Status;
use carrel_testkit::{FakeClock, Rows, SeededIds, content};

/// Opens a client with the network `http`, the given clock, and ids from a seed.
pub async fn open(
    dir: &Path,
    http: Arc<dyn Http>,
    clock: &FakeClock,
    seed: u64,
    event_stream: bool,
) -> Arc<Client> {
    // Tests call blocking functions of the content crate on async threads.
    carrel_system::allow_blocking();
    let ids = Arc::new(SeededIds::new(seed));
    let config = Config {
        data_dir: dir.join("data"),
        cache_dir: dir.join("cache"),
        space: Default::default(),
        demo_dir: None,
        http,
        clock: Arc::new(clock.clone()),
        ids: ids.clone(),
        secrets: Some(Arc::new(FileSecrets::new(dir, ids))),
        device_name: format!("device {seed}"),
        app_version: "0.1.0".into(),
        event_stream,
    };
    Client::open(config).await.expect("the client opens")
}

/// Returns a network with real sockets.
pub fn live_http() -> Arc<dyn Http> {
    Arc::new(LiveHttp::new("Carrel/test").expect("the HTTP client"))
}

/// Returns the step that finishes the `n`th of the twelve sections.
pub fn finish_section(n: usize) -> Step {
    Step { done: true, ..Step::at(ItemKind::Section, content::sections()[n].clone()) }
}

/// Returns all rows of the open account.
pub async fn rows(account: &OpenAccount) -> Rows {
    let read = account.store.read(|conn| {
        let mut all = Rows::new();
        for row_type in RowType::ALL {
            all.extend(
                rows::all(conn, Owner::Client, *row_type)?.into_iter().map(|row| (row.key(), row)),
            );
        }
        Ok(all)
    });
    read.await.expect("the rows")
}

/// Returns the number of finished items.
pub fn finished_items(rows: &Rows) -> usize {
    let is_done = |row: &Row| matches!(row, Row::Progress(p) if p.done_ms.is_some());
    rows.values().filter(|row| is_done(row)).count()
}

/// A filter that matches the whole list.
pub const ALL: Filter = Filter {
    q: None,
    difficulty: None,
    level: None,
    category: None,
    lang: None,
    only: None,
    offset: 0,
    limit: 100,
};

/// Runs "Sync now" until the outbox is empty, at most six times: a reply may require another push or pull.
pub async fn sync(account: &OpenAccount) -> Status {
    let mut status = account.sync.sync_now().await.expect("the state of sync");
    for _ in 0..5 {
        if status.waiting == 0 {
            break;
        }
        status = account.sync.sync_now().await.expect("the state of sync");
    }
    status
}

/// Waits for `future`; panics after a minute.
pub async fn within_a_minute<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("waited a minute for {what}"))
}

/// Waits until `check` returns a value; it is called after each change event of the client.
pub async fn wait_until<T, F: Future<Output = Option<T>>>(
    client: &Client,
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let mut changes = client.changes().subscribe();
    within_a_minute(what, async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            // An error means missed events: `check` is called again.
            let _ = changes.recv().await;
        }
    })
    .await
}

type Rule = Box<dyn Fn(&Request) -> Option<Interception> + Send + Sync>;

/// What happens to an intercepted request.
pub enum Interception {
    /// Returns this reply without sending the request.
    Reply(Reply),
    Fail(Failure),
    /// Sends another request instead.
    Replace(Request),
}

/// A network whose requests tests can intercept.
pub struct InterceptedHttp {
    inner: Arc<dyn Http>,
    rule: Mutex<Option<Arc<Rule>>>,
    requests: Mutex<Vec<Request>>,
}

impl InterceptedHttp {
    pub fn new(inner: Arc<dyn Http>) -> Arc<Self> {
        Arc::new(Self { inner, rule: Mutex::default(), requests: Mutex::default() })
    }
    /// Intercepts requests for which the rule returns a result.
    pub fn intercept(
        &self,
        rule: impl Fn(&Request) -> Option<Interception> + Send + Sync + 'static,
    ) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(Box::new(rule)));
    }
    pub fn stop_intercepting(&self) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
    /// Returns all requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Http for InterceptedHttp {
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match rule.and_then(|rule| rule(&request)) {
            Some(Interception::Reply(reply)) => Ok(reply),
            Some(Interception::Fail(failure)) => Err(failure),
            Some(Interception::Replace(other)) => self.inner.send(other).await,
            None => self.inner.send(request).await,
        }
    }
}
