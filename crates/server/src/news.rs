//! "You have news": wakes the event streams of one learner.
//!
//! Not here: other servers' learners (a PostgreSQL engine would pass these on with LISTEN / NOTIFY).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
    /// This stream ends: a newer one of the same sign-in took its place.
    Replaced(u64),
}

/// One channel for each learner with an open stream. Clones share it.
#[derive(Default, Clone)]
pub struct NewsBoard {
    channels: Arc<Mutex<HashMap<UserId, Channel>>>,
    next_stream: Arc<AtomicU64>,
}

struct Channel {
    sender: broadcast::Sender<Signal>,
    /// The open streams, the oldest first.
    streams: Vec<(u64, Uuid)>,
}

/// How many streams one learner may hold open.
pub const STREAMS: usize = 16;

/// An open stream; closed when it is dropped.
pub struct Stream {
    board: NewsBoard,
    user: UserId,
    pub id: u64,
    pub signals: broadcast::Receiver<Signal>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut channels = self.board.lock();
        if let Some(channel) = channels.get_mut(&self.user) {
            channel.streams.retain(|(id, _)| *id != self.id);
            if channel.streams.is_empty() {
                channels.remove(&self.user);
            }
        }
    }
}

impl NewsBoard {
    /// A new stream. If the learner has too many, it takes the place of the oldest one of the same sign-in: a client that comes back
    /// before the server has noticed the end of its last connection is not refused. None if there is none.
    pub fn listen(&self, user: UserId, sign_in: Uuid) -> Option<Stream> {
        let mut channels = self.lock();
        let channel = channels
            .entry(user)
            .or_insert_with(|| Channel { sender: broadcast::channel(64).0, streams: Vec::new() });
        if channel.streams.len() >= STREAMS {
            let oldest = channel.streams.iter().position(|(_, of)| *of == sign_in)?;
            let (replaced, _) = channel.streams.remove(oldest);
            let _ = channel.sender.send(Signal::Replaced(replaced));
        }
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        channel.streams.push((id, sign_in));
        let signals = channel.sender.subscribe();
        Some(Stream { board: self.clone(), user, id, signals })
    }
    pub fn publish(&self, user: UserId, usn: u64, from: Uuid) {
        self.send(user, Signal::News { usn, from });
    }
    pub fn revoke(&self, user: UserId, sign_in: Uuid) {
        self.send(user, Signal::Revoked(sign_in));
    }
    fn send(&self, user: UserId, signal: Signal) {
        if let Some(channel) = self.lock().get(&user) {
            // Without a listener nothing is lost: the rows are in the store.
            let _ = channel.sender.send(signal);
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
    fn the_newest_stream_of_a_sign_in_takes_the_place_of_its_oldest() {
        let board = NewsBoard::default();
        let user = UserId::from_u128(1);
        let (laptop, tablet) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut open: Vec<_> =
            (0..STREAMS).map(|_| board.listen(user, laptop).expect("a stream")).collect();
        assert!(board.listen(user, tablet).is_none());
        let newest = board.listen(user, laptop).expect("a stream");
        assert_eq!(open[0].signals.try_recv(), Ok(Signal::Replaced(open[0].id)));
        drop(open.remove(0));
        drop(open.remove(0));
        assert!(board.listen(user, tablet).is_some());
        drop((open, newest));
        assert!(board.lock().is_empty());
    }
}
