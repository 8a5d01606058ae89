//! Messages between the processes of one database, by LISTEN and NOTIFY.
//!
//! A message is sent after the commit of its transaction, and those that are waiting are sent together: a NOTIFY inside
//! the transaction would make all commits wait for one lock.

use std::{
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
    pool,
    settings::{DatabaseUrl, PoolSettings},
    transactions::{Running, Started},
};

const CHANNEL: &str = "carrel_message";
/// Maximum size of a notification in bytes; PostgreSQL allows 7,999.
const MAX_PAYLOAD: usize = 7_000;
/// Number of messages that are sent together.
const BATCH: usize = 512;
/// Time between two attempts to connect, which doubles after each one.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A message that was not sent yet. The database is not closed before.
struct Waiting {
    message: String,
    _started: Started,
}

pub(crate) struct PgMessages {
    /// Identifies this process, which also gets its own notifications.
    process: String,
    queue: mpsc::UnboundedSender<Waiting>,
    writes: Arc<Running>,
    handle: Handle,
    address: Mutex<Option<(DatabaseUrl, PoolSettings)>>,
}

impl PgMessages {
    pub(crate) fn new(
        handle: Handle,
        pool: Pool,
        writes: Arc<Running>,
        url: DatabaseUrl,
        settings: PoolSettings,
    ) -> Self {
        let process = carrel_store::new_id().simple().to_string();
        let (queue, waiting) = mpsc::unbounded_channel();
        drop(handle.spawn(send_all(pool, process.clone(), waiting)));
        Self { process, queue, writes, handle, address: Mutex::new(Some((url, settings))) }
    }
}

impl Messages for PgMessages {
    fn send(&self, message: String) {
        // Fails if the database is being closed.
        let _ = self.queue.send(Waiting { message, _started: self.writes.start() });
    }
    fn receive(&self, receive: Receive) {
        let address = self.address.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((url, settings)) = address {
            drop(self.handle.spawn(receive_all(url, settings, self.process.clone(), receive)));
        }
    }
}

async fn send_all(pool: Pool, process: String, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let payloads = payloads(&process, batch.iter().map(|waiting| &*waiting.message));
        if let Err(e) = notify(&pool, &payloads).await {
            tracing::warn!(
                error = %e,
                messages = batch.len(),
                "other servers of the database were not notified: their devices learn of the changes later"
            );
        }
        batch.clear();
    }
}

async fn notify(pool: &Pool, payloads: &[String]) -> carrel_store::Result<()> {
    let client = pool::connection(pool).await?;
    for payload in payloads {
        let sql = "SELECT pg_notify($1, $2)";
        client.execute(sql, &[&CHANNEL, payload]).await.map_err(|e| crate::error::of(&e))?;
    }
    Ok(())
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
async fn receive_all(url: DatabaseUrl, settings: PoolSettings, process: String, receive: Receive) {
    let mut wait = RETRY.0;
    loop {
        match listen(&url, &settings).await {
            Ok((_client, mut notifications)) => {
                receive(Received::Gap);
                wait = RETRY.0;
                while let Some(payload) = notifications.recv().await {
                    deliver(&process, &payload, &receive);
                }
                tracing::warn!("the connection for messages of other servers was closed");
            }
            Err(e) => tracing::warn!(error = %e, "messages of other servers cannot be received"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

fn deliver(process: &str, payload: &str, receive: &Receive) {
    let mut lines = payload.split('\n');
    if lines.next() != Some(process) {
        lines.for_each(|line| receive(Received::Message(line.to_owned())));
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
        let messages: Vec<String> = (0..200).map(|n| format!("{n} {}", "x".repeat(90))).collect();
        let payloads = payloads("p", messages.iter().map(|message| &**message));
        assert_eq!(payloads.len(), 3);
        assert!(
            payloads
                .iter()
                .all(|payload| payload.len() <= MAX_PAYLOAD && payload.starts_with("p\n"))
        );
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let receive: Receive = Box::new(move |message| kept.lock().unwrap().push(message));
        for payload in &payloads {
            deliver("another", payload, &receive);
            // The sender gets its own notifications.
            deliver("p", payload, &receive);
        }
        let expected: Vec<Received> = messages.into_iter().map(Received::Message).collect();
        assert_eq!(*received.lock().unwrap(), expected);
    }

    #[test]
    fn a_message_that_cannot_be_sent_does_not_stop_the_others() {
        let long = "x".repeat(MAX_PAYLOAD);
        assert_eq!(payloads("p", ["a", &long, "b\nc", "d"].into_iter()), ["p\na\nd"]);
    }
}
