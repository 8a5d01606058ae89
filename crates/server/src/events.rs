//! Events of committed writes, sent to the event streams of a learner's devices.
//!
//! `Store` publishes an event after its transaction is committed. `EventHub` serves the streams of this process; a
//! bus for several processes also forwards events to the others (PostgreSQL: LISTEN and NOTIFY).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use carrel_model::UserId;
use carrel_people::EndedSignIn;
use tokio::sync::broadcast;
use uuid::Uuid;

/// A change made by a committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The learner's change number is now `usn`. `from`: the sign-in that wrote the rows.
    RowsChanged { user: UserId, usn: u64, from: Option<Uuid> },
    /// The sign-in has ended, which ends its streams.
    SignInEnded { user: UserId, sign_in: Uuid },
}

impl Event {
    fn user(self) -> UserId {
        match self {
            Self::RowsChanged { user, .. } | Self::SignInEnded { user, .. } => user,
        }
    }
}

impl From<EndedSignIn> for Event {
    fn from(EndedSignIn { user, sign_in }: EndedSignIn) -> Self {
        Self::SignInEnded { user, sign_in }
    }
}

/// Delivers events to the open streams.
pub trait EventBus: Send + Sync + 'static {
    /// Does not block. Without an open stream the event is discarded; the rows are in the store.
    fn publish(&self, event: Event);
    /// Opens a stream. If the learner has `MAX_STREAMS` open, it replaces the oldest one of the same sign-in, so that a
    /// client can reconnect before the server detects the end of its last connection. Returns `None` if the sign-in has
    /// no open stream.
    fn subscribe(&self, user: UserId, sign_in: Uuid) -> Option<Subscription>;
}

/// Maximum number of open streams of one learner.
pub const MAX_STREAMS: usize = 16;
/// Number of events buffered for a slow stream.
const CAPACITY: usize = 64;

/// A message to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    Event(Event),
    /// The stream with this id ends, because a newer one of the same sign-in replaced it.
    Replaced(u64),
}

/// Event bus of one process, with one channel for each learner with an open stream. Clones share the channels.
#[derive(Default, Clone)]
pub struct EventHub {
    channels: Arc<Mutex<HashMap<UserId, Channel>>>,
    next_stream: Arc<AtomicU64>,
}

struct Channel {
    sender: broadcast::Sender<StreamEvent>,
    /// Open streams, the oldest first.
    streams: Vec<(u64, Uuid)>,
}

/// An open stream; dropping it closes the stream.
pub struct Subscription {
    hub: EventHub,
    user: UserId,
    pub id: u64,
    pub events: broadcast::Receiver<StreamEvent>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut channels = self.hub.lock();
        if let Some(channel) = channels.get_mut(&self.user) {
            channel.streams.retain(|(id, _)| *id != self.id);
            if channel.streams.is_empty() {
                channels.remove(&self.user);
            }
        }
    }
}

impl EventBus for EventHub {
    fn publish(&self, event: Event) {
        if let Some(channel) = self.lock().get(&event.user()) {
            let _ = channel.sender.send(StreamEvent::Event(event));
        }
    }
    fn subscribe(&self, user: UserId, sign_in: Uuid) -> Option<Subscription> {
        let mut channels = self.lock();
        let channel = channels.entry(user).or_insert_with(|| Channel {
            sender: broadcast::channel(CAPACITY).0,
            streams: Vec::new(),
        });
        if channel.streams.len() >= MAX_STREAMS {
            let oldest = channel.streams.iter().position(|(_, owner)| *owner == sign_in)?;
            let (replaced, _) = channel.streams.remove(oldest);
            let _ = channel.sender.send(StreamEvent::Replaced(replaced));
        }
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        channel.streams.push((id, sign_in));
        let events = channel.sender.subscribe();
        Some(Subscription { hub: self.clone(), user, id, events })
    }
}

impl EventHub {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stream_of_a_sign_in_replaces_its_oldest() {
        let hub = EventHub::default();
        let user = UserId::from_u128(1);
        let (laptop, tablet) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut open: Vec<_> =
            (0..MAX_STREAMS).map(|_| hub.subscribe(user, laptop).unwrap()).collect();
        assert!(hub.subscribe(user, tablet).is_none());
        let newest = hub.subscribe(user, laptop).unwrap();
        assert_eq!(open[0].events.try_recv(), Ok(StreamEvent::Replaced(open[0].id)));
        drop(open.remove(0));
        drop(open.remove(0));
        assert!(hub.subscribe(user, tablet).is_some());
        drop((open, newest));
        assert!(hub.lock().is_empty());
    }
}
