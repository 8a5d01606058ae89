//! Events of committed writes, sent to the event streams of a learner's devices.
//!
//! `Store` publishes an event after its transaction is committed. `EventHub` serves the streams of this process.
//! `SharedEvents` also exchanges events with the other processes of the database.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use carrel_model::UserId;
use carrel_people::EndedSignIn;
use carrel_store::{Messages, Received};
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

/// A change made by a committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The learner's change number is now `usn`. `from`: the sign-in that wrote the rows.
    RowsChanged { user: UserId, usn: u64, from: Option<Uuid> },
    /// The sign-in has ended, which ends its streams.
    SignInEnded { user: UserId, sign_in: Uuid },
    /// The catalogue has this revision now. Concerns everybody.
    CatalogueChanged { revision: u64 },
}

impl Event {
    /// Returns the event as a message to another process.
    fn to_message(self) -> String {
        match self {
            Self::RowsChanged { user, usn, from } => {
                let from = from.map_or_else(|| "-".to_owned(), |id| id.to_string());
                format!("rows {user} {usn} {from}")
            }
            Self::SignInEnded { user, sign_in } => format!("end {user} {sign_in}"),
            Self::CatalogueChanged { revision } => format!("catalogue {revision}"),
        }
    }
    /// Returns the event of a message; `None` for one of a later release.
    fn of_message(message: &str) -> Option<Self> {
        let fields: Vec<&str> = message.split(' ').collect();
        match fields[..] {
            ["rows", user, usn, from] => Some(Self::RowsChanged {
                user: user.parse().ok()?,
                usn: usn.parse().ok()?,
                from: if from == "-" { None } else { Some(from.parse().ok()?) },
            }),
            ["end", user, sign_in] => {
                Some(Self::SignInEnded { user: user.parse().ok()?, sign_in: sign_in.parse().ok()? })
            }
            ["catalogue", revision] => {
                Some(Self::CatalogueChanged { revision: revision.parse().ok()? })
            }
            _ => None,
        }
    }
    /// Returns whom the event concerns; `None`: everybody.
    fn user(self) -> Option<UserId> {
        match self {
            Self::RowsChanged { user, .. } | Self::SignInEnded { user, .. } => Some(user),
            Self::CatalogueChanged { .. } => None,
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
    /// Like `publish`, only for the streams of this process: what another process reported was read from the database.
    fn publish_local(&self, event: Event);
    /// Opens a stream. If the learner has `MAX_STREAMS` open, it replaces the oldest one of the same sign-in, so that a
    /// client can reconnect before the server detects the end of its last connection. Returns `None` if the sign-in has
    /// no open stream.
    fn subscribe(&self, user: UserId, sign_in: Uuid) -> Option<Subscription>;
    /// Returns the last reported revision of the catalogue, and the later ones.
    fn catalogue(&self) -> watch::Receiver<u64>;
    /// Delivers the events of other processes, too, from now on.
    fn receive(&self) {}
}

/// Maximum number of open streams of one learner.
pub const MAX_STREAMS: usize = 16;
/// Number of events buffered for a slow stream.
const CAPACITY: usize = 64;

/// A message to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    Event(Event),
    /// Events of other processes may have been lost.
    Gap,
    /// The stream with this id ends, because a newer one of the same sign-in replaced it.
    Replaced(u64),
}

/// Event bus of one process, with one channel for each learner with an open stream. Clones share the channels.
#[derive(Default, Clone)]
pub struct EventHub {
    channels: Arc<Mutex<HashMap<UserId, Channel>>>,
    next_stream: Arc<AtomicU64>,
    /// The last reported revision of the catalogue: of several changes, a stream reports the last one.
    catalogue: watch::Sender<u64>,
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
    pub catalogue: watch::Receiver<u64>,
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
        if let Event::CatalogueChanged { revision } = event {
            self.report_revision(revision);
        }
        let Some(user) = event.user() else { return };
        if let Some(channel) = self.lock().get(&user) {
            let _ = channel.sender.send(StreamEvent::Event(event));
        }
    }
    fn publish_local(&self, event: Event) {
        self.publish(event);
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
        let catalogue = self.catalogue.subscribe();
        Some(Subscription { hub: self.clone(), user, id, events, catalogue })
    }
    fn catalogue(&self) -> watch::Receiver<u64> {
        self.catalogue.subscribe()
    }
}

/// Event bus of a process that shares the database with others.
pub struct SharedEvents {
    hub: EventHub,
    messages: Box<dyn Messages>,
}

impl SharedEvents {
    pub fn new(messages: Box<dyn Messages>) -> Self {
        Self { hub: EventHub::default(), messages }
    }
}

impl EventBus for SharedEvents {
    fn publish(&self, event: Event) {
        self.hub.publish(event);
        self.messages.send(event.to_message());
    }
    fn publish_local(&self, event: Event) {
        self.hub.publish(event);
    }
    fn subscribe(&self, user: UserId, sign_in: Uuid) -> Option<Subscription> {
        self.hub.subscribe(user, sign_in)
    }
    fn catalogue(&self) -> watch::Receiver<u64> {
        self.hub.catalogue()
    }
    fn receive(&self) {
        let hub = self.hub.clone();
        self.messages.receive(Box::new(move |received| match received {
            Received::Message(message) => {
                if let Some(event) = Event::of_message(&message) {
                    hub.publish(event);
                }
            }
            Received::Gap => hub.publish_gap(),
        }));
    }
}

impl EventHub {
    /// Reports a revision to all streams, unless a later one was reported.
    fn report_revision(&self, revision: u64) {
        self.catalogue.send_if_modified(|last| {
            let is_later = revision > *last;
            *last = revision.max(*last);
            is_later
        });
    }
    fn publish_gap(&self) {
        for channel in self.lock().values() {
            let _ = channel.sender.send(StreamEvent::Gap);
        }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_same_after_it_was_sent_as_a_message() {
        let (user, id) = (UserId::from_u128(7), Uuid::from_u128(9));
        for event in [
            Event::RowsChanged { user, usn: 12, from: Some(id) },
            Event::RowsChanged { user, usn: 0, from: None },
            Event::SignInEnded { user, sign_in: id },
            Event::CatalogueChanged { revision: 3 },
        ] {
            assert_eq!(Event::of_message(&event.to_message()), Some(event));
        }
        for unknown in ["", "rows", "rows x 1 -", "end 1", "later 1 2 3"] {
            assert_eq!(Event::of_message(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn of_several_changes_of_the_catalogue_a_stream_reports_the_last() {
        let hub = EventHub::default();
        let mut streams: Vec<_> =
            [1, 2].map(|n| hub.subscribe(UserId::from_u128(n), Uuid::from_u128(n)).unwrap()).into();
        for revision in [1, 2, 5, 4] {
            hub.publish(Event::CatalogueChanged { revision });
        }
        for stream in &mut streams {
            assert!(stream.catalogue.has_changed().unwrap());
            assert_eq!(*stream.catalogue.borrow_and_update(), 5);
            assert!(!stream.catalogue.has_changed().unwrap());
            assert!(stream.events.try_recv().is_err());
        }
    }

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
