//! Messages between the processes of one database, by LISTEN and NOTIFY, or by a table that is read at intervals, for
//! databases and poolers without LISTEN.
//!
//! A message is sent after the commit of its transaction, and those that are waiting are sent together: a NOTIFY inside
//! the transaction would make all commits wait for one lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carrel_store::{Messages, Receive, Received};
use deadpool_postgres::Pool;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    sync::mpsc,
};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use crate::{
    cluster::Cluster,
    pool,
    settings::{DatabaseUrl, PoolSettings},
    transactions::{Running, Started},
};

const CHANNEL: &str = "carrel_message";
/// Maximum size of a notification in bytes; PostgreSQL allows 7,999.
const MAX_PAYLOAD: usize = 7_000;
/// Number of messages that are sent together.
const BATCH: usize = 512;
/// Number of readings of the table of messages between two deletions of old ones.
const CLEANED_AFTER: u64 = 60;
/// Time between two attempts to connect, which doubles after each one.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A message that was not sent yet. The database is not closed before.
struct Waiting {
    message: String,
    _started: Started,
}

/// The messages of all tenants of a process: one connection receives them.
pub(crate) struct MessageHub {
    /// Identifies this process, which also gets its own notifications.
    process: String,
    queue: mpsc::UnboundedSender<Waiting>,
    handle: Handle,
    pool: Pool,
    address: Mutex<Option<(DatabaseUrl, PoolSettings)>>,
    receivers: Arc<Receivers>,
}

/// What is called for the messages of each tenant.
#[derive(Default)]
struct Receivers(Mutex<BTreeMap<i32, Receive>>);

impl Receivers {
    fn add(&self, tenant: i32, receive: Receive) {
        // What was sent until now is unknown.
        receive(Received::Gap);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, receive);
    }
    fn gap(&self) {
        for receive in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            receive(Received::Gap);
        }
    }
    /// Passes on a line: the tenant, a space, and the message.
    fn deliver(&self, line: &str) {
        let Some((tenant, message)) = line.split_once(' ') else { return };
        let Ok(tenant) = tenant.parse::<i32>() else { return };
        if let Some(receive) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant) {
            receive(Received::Message(message.to_owned()));
        }
    }
}

impl MessageHub {
    pub(crate) fn new(
        handle: Handle,
        pool: Pool,
        url: DatabaseUrl,
        settings: PoolSettings,
    ) -> Self {
        let process = carrel_store::new_id().simple().to_string();
        let (queue, waiting) = mpsc::unbounded_channel();
        let is_polled = settings.poll.is_some();
        drop(handle.spawn(send_all(pool.clone(), is_polled, process.clone(), waiting)));
        let (address, receivers) = (Mutex::new(Some((url, settings))), Arc::default());
        Self { process, queue, handle, pool, address, receivers }
    }
    /// Begins to receive, if that has not happened yet.
    fn receive(&self, tenant: i32, receive: Receive) {
        self.receivers.add(tenant, receive);
        let address = self.address.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((url, settings)) = address {
            let (process, receivers) = (self.process.clone(), Arc::clone(&self.receivers));
            drop(match settings.poll {
                Some(interval) => {
                    self.handle.spawn(poll_all(self.pool.clone(), interval, process, receivers))
                }
                None => self.handle.spawn(receive_all(url, settings, process, receivers)),
            });
        }
    }
}

/// The messages of a tenant.
pub(crate) struct PgMessages {
    cluster: Arc<Cluster>,
    tenant: i32,
    writes: Arc<Running>,
}

impl PgMessages {
    pub(crate) fn new(cluster: Arc<Cluster>, tenant: i32, writes: Arc<Running>) -> Self {
        Self { cluster, tenant, writes }
    }
}

impl Messages for PgMessages {
    fn send(&self, message: String) {
        let message = format!("{} {message}", self.tenant);
        let waiting = Waiting { message, _started: self.writes.start() };
        // Fails if the database is being closed.
        let _ = self.cluster.messages.queue.send(waiting);
    }
    fn receive(&self, receive: Receive) {
        self.cluster.messages.receive(self.tenant, receive);
    }
}

async fn send_all(
    pool: Pool,
    is_polled: bool,
    process: String,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
) {
    let sql = if is_polled {
        "INSERT INTO message (payload) VALUES ($1)".to_owned()
    } else {
        format!("SELECT pg_notify('{CHANNEL}', $1)")
    };
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let payloads = payloads(&process, batch.iter().map(|waiting| &*waiting.message));
        if let Err(e) = send(&pool, &sql, &payloads).await {
            tracing::warn!(
                error = %e,
                messages = batch.len(),
                "other servers of the database were not notified: their devices learn of the changes later"
            );
        }
        batch.clear();
    }
}

async fn send(pool: &Pool, sql: &str, payloads: &[String]) -> carrel_store::Result<()> {
    let client = pool::connection(pool).await?;
    for payload in payloads {
        client.execute(sql, &[payload]).await.map_err(|e| crate::error::of(&e))?;
    }
    Ok(())
}

/// Position of a reader of the table of messages.
struct Position {
    /// All transactions before this one had ended at the last reading, so their messages were read.
    xmin: String,
    /// The messages of later transactions that were read.
    seen: BTreeSet<i64>,
}

/// Reads the table of messages at intervals. After an error, `Gap` is reported: messages may have been deleted meanwhile.
async fn poll_all(pool: Pool, interval: Duration, process: String, receivers: Arc<Receivers>) {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut position = None;
    let mut count = 0_u64;
    loop {
        tick.tick().await;
        match poll(&pool, position.as_ref(), count.is_multiple_of(CLEANED_AFTER)).await {
            Ok((next, payloads)) => {
                if position.is_none() {
                    receivers.gap();
                }
                payloads.iter().for_each(|payload| deliver(&process, payload, &receivers));
                position = Some(next);
            }
            Err(e) => {
                if position.take().is_some() {
                    tracing::warn!(error = %e, "messages of other servers cannot be read");
                }
            }
        }
        count += 1;
    }
}

/// Reads what was committed since the last reading, and deletes old messages if `is_cleaned`.
async fn poll(
    pool: &Pool,
    last: Option<&Position>,
    is_cleaned: bool,
) -> carrel_store::Result<(Position, Vec<String>)> {
    let failed = |e: tokio_postgres::Error| crate::error::of(&e);
    let client = pool::connection(pool).await?;
    if is_cleaned {
        let clean = "DELETE FROM message WHERE sent < now() - interval '10 minutes'";
        client.execute(clean, &[]).await.map_err(failed)?;
    }
    // One statement, so that the rows are those of the snapshot whose first open transaction is returned.
    let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, m.id, m.payload
        FROM (VALUES (1)) AS one LEFT JOIN message m ON m.xid >= $1::text::xid8 ORDER BY m.id";
    let since = last.map(|last| &*last.xmin);
    let rows = client.query(sql, &[&since]).await.map_err(failed)?;
    let mut next = Position { xmin: String::new(), seen: BTreeSet::new() };
    let mut payloads = Vec::new();
    for row in rows {
        next.xmin = row.try_get(0).map_err(failed)?;
        let Some(id) = row.try_get::<_, Option<i64>>(1).map_err(failed)? else { continue };
        if last.is_none_or(|last| !last.seen.contains(&id)) {
            payloads.push(row.try_get(2).map_err(failed)?);
        }
        next.seen.insert(id);
    }
    Ok((next, payloads))
}

/// Returns notifications: the process in the first line, then messages. A message over the maximum size is left out.
fn payloads<'a>(process: &str, messages: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for message in messages {
        if process.len() + 1 + message.len() > MAX_PAYLOAD || message.contains('\n') {
            tracing::error!(message.bytes = message.len(), "a message cannot be sent");
            continue;
        }
        match payloads.last_mut() {
            Some(last) if last.len() + 1 + message.len() <= MAX_PAYLOAD => {
                last.push('\n');
                last.push_str(message);
            }
            _ => payloads.push(format!("{process}\n{message}")),
        }
    }
    payloads
}

/// Keeps a connection of its own that listens. Each time it begins to listen, `Gap` is reported: what was sent before is
/// unknown.
async fn receive_all(
    url: DatabaseUrl,
    settings: PoolSettings,
    process: String,
    receivers: Arc<Receivers>,
) {
    let mut wait = RETRY.0;
    loop {
        match listen(&url, &settings).await {
            Ok((_client, mut notifications)) => {
                receivers.gap();
                wait = RETRY.0;
                while let Some(payload) = notifications.recv().await {
                    deliver(&process, &payload, &receivers);
                }
                tracing::warn!("the connection for messages of other servers was closed");
            }
            Err(e) => tracing::warn!(error = %e, "messages of other servers cannot be received"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

fn deliver(process: &str, payload: &str, receivers: &Receivers) {
    let mut lines = payload.split('\n');
    if lines.next() != Some(process) {
        lines.for_each(|line| receivers.deliver(line));
    }
}

type Notifications = mpsc::UnboundedReceiver<String>;

/// Connects and listens. The connection is closed when the client is dropped; the notifications end when it is closed.
async fn listen(
    url: &DatabaseUrl,
    settings: &PoolSettings,
) -> carrel_store::Result<(Client, Notifications)> {
    let config = pool::config(url, settings);
    let failed = |e: tokio_postgres::Error| crate::error::of(&e);
    let (client, notifications) = if url.uses_tls() {
        let tls = pool::tls(settings)?;
        let (client, connection) = config
            .connect(tokio_postgres_rustls::MakeRustlsConnect::new(tls))
            .await
            .map_err(failed)?;
        (client, forward(connection))
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        (client, forward(connection))
    };
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await.map_err(failed)?;
    Ok((client, notifications))
}

/// Runs a connection and returns its notifications.
fn forward<S, T>(mut connection: Connection<S, T>) -> Notifications
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    if sender.send(notification.payload().to_owned()).is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sent_together_up_to_the_maximum_size() {
        let messages: Vec<String> = (0..200).map(|n| format!("7 {n} {}", "x".repeat(90))).collect();
        let payloads = payloads("p", messages.iter().map(|message| &**message));
        assert_eq!(payloads.len(), 3);
        assert!(
            payloads
                .iter()
                .all(|payload| payload.len() <= MAX_PAYLOAD && payload.starts_with("p\n"))
        );
        let received = [Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new()))];
        let receivers = Receivers::default();
        for (tenant, kept) in [7, 8].into_iter().zip(&received) {
            let kept = Arc::clone(kept);
            receivers.add(tenant, Box::new(move |message| kept.lock().unwrap().push(message)));
        }
        for payload in &payloads {
            deliver("another", payload, &receivers);
            // The sender gets its own notifications.
            deliver("p", payload, &receivers);
        }
        let texts = messages.iter().map(|message| message[2..].to_owned());
        let mut expected = vec![Received::Gap];
        expected.extend(texts.map(Received::Message));
        assert_eq!(*received[0].lock().unwrap(), expected);
        // The other tenant gets none of them.
        assert_eq!(*received[1].lock().unwrap(), [Received::Gap]);
    }

    #[test]
    fn a_message_that_cannot_be_sent_does_not_stop_the_others() {
        let long = "x".repeat(MAX_PAYLOAD);
        assert_eq!(payloads("p", ["a", &long, "b\nc", "d"].into_iter()), ["p\na\nd"]);
    }
}
