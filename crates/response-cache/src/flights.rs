//! Computations that run: of several requests for the same reply, one computes it and the others wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::entry::Entry;

type Running = HashMap<[u8; 32], watch::Receiver<Option<Arc<Entry>>>>;

/// The computations that run, by key.
#[derive(Default)]
pub(crate) struct Flights(Mutex<Running>);

/// The task of computing a reply. Dropping it tells those who wait that there will be none.
pub(crate) struct Flight {
    flights: Arc<Flights>,
    key: [u8; 32],
    sender: watch::Sender<Option<Arc<Entry>>>,
}

/// What a request for a reply does.
pub(crate) enum Part {
    Computes(Flight),
    Waits(watch::Receiver<Option<Arc<Entry>>>),
}

impl Flights {
    pub(crate) fn join(self: &Arc<Self>, key: [u8; 32]) -> Part {
        let mut running = self.lock();
        if let Some(receiver) = running.get(&key) {
            return Part::Waits(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(key, receiver);
        Part::Computes(Flight { flights: Arc::clone(self), key, sender })
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Gives the reply to those who wait.
    pub(crate) fn land(self, entry: Arc<Entry>) {
        self.sender.send_replace(Some(entry));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}
