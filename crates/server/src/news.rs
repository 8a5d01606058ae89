//! "You have news": wakes the event streams of one learner.
//!
//! Not here: other servers' learners (a PostgreSQL engine would pass these on with LISTEN / NOTIFY).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use carrel_model::UserId;
use tokio::sync::broadcast;
use uuid::Uuid;

/// What a learner's streams are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// There are rows up to `usn`; `from` is the sign-in that wrote them.
    News { usn: u64, from: Uuid },
    /// This sign-in is over: its streams end.
    Revoked(Uuid),
}

/// One channel for each learner with an open stream.
#[derive(Default)]
pub struct NewsBoard {
    channels: Mutex<HashMap<UserId, broadcast::Sender<Signal>>>,
}

/// How many streams one learner may hold open.
pub const STREAMS: usize = 16;

impl NewsBoard {
    /// A new stream, or none if the learner has too many.
    pub fn listen(&self, user: UserId) -> Option<broadcast::Receiver<Signal>> {
        let mut channels = self.lock();
        channels.retain(|_, sender| sender.receiver_count() > 0);
        let sender = channels.entry(user).or_insert_with(|| broadcast::channel(64).0);
        (sender.receiver_count() < STREAMS).then(|| sender.subscribe())
    }
    pub fn publish(&self, user: UserId, usn: u64, from: Uuid) {
        self.send(user, Signal::News { usn, from });
    }
    pub fn revoke(&self, user: UserId, sign_in: Uuid) {
        self.send(user, Signal::Revoked(sign_in));
    }
    fn send(&self, user: UserId, signal: Signal) {
        if let Some(sender) = self.lock().get(&user) {
            // Nobody listens any more: nothing is lost, the rows are in the store.
            let _ = sender.send(signal);
        }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, broadcast::Sender<Signal>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
