//! Callbacks of the writer of `user.db`: append local changes to the journal before they are acknowledged, release the
//! reserve on a full disk, and record how the run ended.

use std::{fs::File, path::PathBuf, sync::Arc};

use carrel_sqlite::{Hooks, StorageError};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::store::{Options, RESERVE, journal::Journal, lifecycle, tx::Effects};

pub(super) struct UserHooks {
    pub lock: File,
    pub journal: Arc<Mutex<Journal>>,
    /// Effects of the transactions in the current commit.
    pub effects: Arc<Mutex<Effects>>,
    /// Damage was reported; the next start checks the file.
    pub was_damaged: bool,
    pub dir: PathBuf,
    pub options: Arc<Options>,
    pub page_limit: Option<u32>,
}

impl Hooks for UserHooks {
    fn committed(&mut self) {
        let Effects { changes, recorded } = std::mem::take(&mut *self.effects.lock());
        if !recorded.is_empty() {
            self.journal.lock().append(self.options.clock.now_ms(), &recorded);
        }
        self.options.changes.publish(changes);
    }

    fn free_space(&mut self, conn: &Connection) -> bool {
        if RESERVE.release_piece(&self.dir) {
            tracing::warn!("the disk is full: released a piece of the reserve to save work");
            if let Some(pages) = &mut self.page_limit {
                *pages += (RESERVE.piece / 4096) as u32;
                let _ = lifecycle::limit_pages(conn, *pages);
            }
            return true;
        }
        false
    }

    /// `user.db` is not repaired while it is open.
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        self.was_damaged = true;
        Ok(conn)
    }

    fn close(&mut self, conn: Connection, is_suspect: bool) {
        lifecycle::close(conn, &mut self.lock, &self.dir, is_suspect || self.was_damaged);
    }
}
