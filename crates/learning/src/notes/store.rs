//! The learner's notes, from their rows: a set of revisions and a time of deletion.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    Hlc, ItemId, RevisionId,
    lattice::{NoteAnchor, NoteLife, NoteRevision, Row, RowKey, RowType},
};
use rusqlite::Connection;

use crate::{
    Error, Learning, Result, UNDER,
    store::{Tx, checked, outbox},
};

/// A note, highlight or bookmark that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Id of the note.
    pub note: RevisionId,
    /// The section or story that it is about.
    pub item: ItemId,
    /// The current revisions, which the next one replaces. Several if devices edited the note at the same time.
    pub revisions: Vec<RevisionId>,
    /// The different contents of the current revisions, newest first. At least one.
    pub versions: Vec<NoteVersion>,
    /// Time of the first revision, in UTC milliseconds.
    pub created_ms: i64,
    /// A current revision has not been sent.
    pub waiting: bool,
}

/// One content of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVersion {
    /// Text of the note; empty for a highlight or a bookmark.
    pub body: String,
    /// The passage; `None` for a note on the whole item, or if another release wrote it in another format.
    pub anchor: Option<NoteAnchor>,
    /// Time of the write, in UTC milliseconds.
    pub changed_ms: i64,
}

/// A note to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteDraft {
    /// The note that is edited; `None` for a new one.
    pub note: Option<RevisionId>,
    /// The revisions that the learner has seen and that this one replaces.
    pub base: Vec<RevisionId>,
    /// The section or story.
    pub item: ItemId,
    /// Text of the note, at most 65,536 bytes.
    pub body: String,
    /// The passage; `None` for a note on the whole item.
    pub anchor: Option<NoteAnchor>,
}

/// Maximum number of revisions that one revision replaces (`NoteRevision::validate`).
const MAX_BASE: usize = 16;

impl Learning {
    /// Returns the notes of an item and of all items below it, oldest first.
    pub async fn notes(&self, item: &ItemId) -> Result<Vec<Note>> {
        let item = item.clone();
        self.store.read(move |conn| notes(conn, &item)).await
    }
    /// Returns all notes, oldest first.
    pub async fn all_notes(&self) -> Result<Vec<Note>> {
        self.store.read(|conn| of_revisions(conn, checked::query(conn, "", [])?)).await
    }

    /// Returns the newest revision of a note, deleted or not.
    pub async fn note_revision(&self, note: RevisionId) -> Result<Option<NoteRevision>> {
        self.store
            .read(move |conn| Ok(revisions(conn, note)?.into_iter().max_by_key(|r| (r.hlc, r.rev))))
            .await
    }

    /// Saves a new note or a new revision of one. A revision that `base` does not name stays current beside it. Returns
    /// the id of the note.
    ///
    /// # Errors
    ///
    /// `NotFound` if the note to be edited does not exist or belongs to another item, `Invalid` if a text is too long.
    pub async fn save_note(&self, draft: NoteDraft) -> Result<RevisionId> {
        let rev = self.revision_id();
        self.store
            .write("save_note", move |tx| {
                let note = draft.note.unwrap_or(rev);
                let known = revisions(tx.conn(), note)?;
                if draft.note.is_some() && !known.iter().any(|r| r.item == draft.item) {
                    return Err(Error::NotFound(format!("note {note} of {}", draft.item)));
                }
                let mut base = draft.base.clone();
                base.retain(|rev| known.iter().any(|r| r.rev == *rev));
                base.truncate(MAX_BASE);
                let anchor = draft.anchor.as_ref().map(NoteAnchor::to_text).unwrap_or_default();
                let (item, body) = (draft.item.clone(), draft.body.clone());
                let hlc = tx.hlc();
                let extra = Default::default();
                tx.join(NoteRevision { rev, note, base, hlc, item, body, anchor, extra })?;
                Ok(note)
            })
            .await
    }

    /// Deletes a note. An edit that another device makes later keeps it.
    pub async fn delete_note(&self, note: RevisionId) -> Result<()> {
        self.store
            .write("delete_note", move |tx| {
                if revisions(tx.conn(), note)?.is_empty() {
                    return Err(Error::NotFound(format!("note {note}")));
                }
                let deleted = tx.hlc();
                tx.join(NoteLife { note, deleted, extra: Default::default() })?;
                Ok(())
            })
            .await
    }

    /// Restores a deleted note with all its current contents. Does nothing if it is not deleted.
    pub async fn restore_note(&self, note: RevisionId) -> Result<()> {
        let ids: Vec<RevisionId> = (0..MAX_BASE).map(|_| self.revision_id()).collect();
        self.store
            .write("restore_note", move |tx| {
                let all = revisions(tx.conn(), note)?;
                if all.is_empty() {
                    return Err(Error::NotFound(format!("note {note}")));
                }
                if !is_deleted(&all, life(tx, note)?) {
                    return Ok(());
                }
                // Each current revision is written again, so that two versions stay two.
                for (head, rev) in current(&all).into_iter().zip(ids.iter().copied()) {
                    let (base, hlc) = (vec![head.rev], tx.hlc());
                    tx.join(NoteRevision { rev, base, hlc, ..head.clone() })?;
                }
                Ok(())
            })
            .await
    }

    fn revision_id(&self) -> RevisionId {
        RevisionId(self.ids.uuid_v7(self.store.clock().now_ms()))
    }
}

fn life(tx: &Tx<'_>, note: RevisionId) -> Result<Hlc> {
    let key = RowKey::of(RowType::NoteLife, &[note.to_string()]);
    Ok(match checked::get(tx.conn(), &key)? {
        Some(Row::NoteLife(life)) => life.deleted,
        _ => Hlc::ZERO,
    })
}

fn revisions(conn: &Connection, note: RevisionId) -> Result<Vec<NoteRevision>> {
    checked::query(conn, "WHERE note = ?1", [note.0.as_bytes().as_slice()])
}

/// The revisions that are not the base of another one, newest first.
fn current(all: &[NoteRevision]) -> Vec<&NoteRevision> {
    let replaced: BTreeSet<RevisionId> = all.iter().flat_map(|r| r.base.iter().copied()).collect();
    let mut heads: Vec<&NoteRevision> = all.iter().filter(|r| !replaced.contains(&r.rev)).collect();
    heads.sort_by_key(|r| std::cmp::Reverse((r.hlc, r.rev)));
    heads
}

fn is_deleted(all: &[NoteRevision], deleted: Hlc) -> bool {
    all.iter().all(|r| r.hlc < deleted)
}

fn notes(conn: &Connection, item: &ItemId) -> Result<Vec<Note>> {
    of_revisions(conn, checked::query(conn, &format!("WHERE {UNDER}"), [item.as_str()])?)
}

fn of_revisions(conn: &Connection, revisions: Vec<NoteRevision>) -> Result<Vec<Note>> {
    let lives: BTreeMap<RevisionId, Hlc> = checked::query::<NoteLife>(conn, "", [])?
        .into_iter()
        .map(|life| (life.note, life.deleted))
        .collect();
    let mut by_note: BTreeMap<RevisionId, Vec<NoteRevision>> = BTreeMap::new();
    for revision in revisions {
        by_note.entry(revision.note).or_default().push(revision);
    }
    let mut notes = Vec::new();
    for (note, all) in by_note {
        if is_deleted(&all, lives.get(&note).copied().unwrap_or(Hlc::ZERO)) {
            continue;
        }
        let heads = current(&all);
        let Some(first) = heads.first() else { continue };
        let mut versions: Vec<NoteVersion> = Vec::new();
        let mut waiting = false;
        for head in &heads {
            let key = RowKey::of(RowType::NoteRevision, &[head.rev.to_string()]);
            waiting |= outbox::is_waiting(conn, &key)?;
            let anchor = NoteAnchor::parse(&head.anchor);
            if !versions.iter().any(|v| v.body == head.body && v.anchor == anchor) {
                let changed_ms = head.hlc.ms();
                versions.push(NoteVersion { body: head.body.clone(), anchor, changed_ms });
            }
        }
        notes.push(Note {
            note,
            item: first.item.clone(),
            revisions: heads.iter().map(|r| r.rev).collect(),
            versions,
            created_ms: all.iter().map(|r| r.hlc.ms()).min().unwrap_or(0),
            waiting,
        });
    }
    notes.sort_by_key(|note| (note.created_ms, note.note));
    Ok(notes)
}
