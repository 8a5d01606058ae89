//! The writer thread, which commits all queued transactions together, up to a limit.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};

use carrel_system::StorageError;

use super::{
    commit::{BoxedJob, closed},
    shared::Shared,
};

/// Maximum number of transactions that share a commit.
const MAX_GROUP: usize = 64;
/// After this many commits the log is copied into the file once no transaction is waiting. Otherwise SQLite does it in
/// the commit that makes the log longer than 1,000 pages, and the caller waits for it.
const COMMITS_BEFORE_CHECKPOINT: u32 = 16;

pub(super) type SendJob = Box<dyn super::job::Job + Send>;

enum Message {
    Write(SendJob),
    /// Closes the database after all earlier messages, then calls the function.
    Close(Box<dyn FnOnce() + Send>),
}

/// The queue of the writer thread. The thread starts with the first message.
pub(super) struct Writer {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

enum State {
    Idle,
    Running(mpsc::Sender<Message>, JoinHandle<()>),
    Closed,
}

impl Writer {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::new(State::Idle) }
    }

    pub fn write(&self, job: SendJob) -> Result<(), StorageError> {
        self.send(Message::Write(job))
    }

    /// Closes the database after all earlier transactions, then calls `done`. If the database is already closed, drops
    /// `done` without calling it.
    pub fn close(&self, done: impl FnOnce() + Send + 'static) {
        // If the queue is closed, `done` is dropped, which the caller detects.
        let _ = self.send(Message::Close(Box::new(done)));
        *self.state() = State::Closed;
    }

    fn send(&self, message: Message) -> Result<(), StorageError> {
        let mut state = self.state();
        if matches!(*state, State::Idle) {
            let (queue, messages) = mpsc::channel();
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new()
                .name("carrel-writer".into())
                .spawn(move || serve(&shared, &messages))?;
            *state = State::Running(queue, thread);
        }
        match &*state {
            State::Running(queue, _) => queue.send(message).map_err(|_| closed()),
            State::Idle | State::Closed => Err(closed()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    /// Waits for the thread: the file is closed when this returns.
    fn drop(&mut self) {
        match std::mem::replace(&mut *self.state(), State::Closed) {
            State::Running(queue, thread) => {
                drop(queue);
                if thread.thread().id() != std::thread::current().id() {
                    let _ = thread.join();
                }
            }
            State::Idle => self.shared.close(),
            State::Closed => {}
        }
    }
}

fn serve(shared: &Shared, messages: &mpsc::Receiver<Message>) {
    let mut commits = 0;
    let mut next = messages.recv().ok();
    while next.is_some() {
        let mut group: Vec<BoxedJob<'static>> = Vec::new();
        while let Some(message) = next {
            match message {
                Message::Write(job) => group.push(job),
                Message::Close(done) => {
                    shared.commit(group);
                    shared.close();
                    done();
                    return;
                }
            }
            next = if group.len() < MAX_GROUP { messages.try_recv().ok() } else { None };
        }
        shared.commit(group);
        commits += 1;
        next = messages.try_recv().ok();
        if next.is_none() {
            if commits >= COMMITS_BEFORE_CHECKPOINT {
                commits = 0;
                shared.checkpoint();
            }
            next = messages.recv().ok();
        }
    }
    shared.close();
}
