//! Commands for notes, highlights and bookmarks.
//!
//! Not here: how a passage is found in another edition, and the forms of the export (`carrel_learning::notes`).

use std::{cmp::Ordering, collections::BTreeMap, path::Path};

use carrel_client::{
    Error, OpenAccount,
    content::Kind,
    learning::notes::{
        BodyText, ExportedNote, Note, NoteDraft, Passage, Placement, block_text, page_text,
        to_annotations, to_html, to_markdown,
    },
    system::blocking,
};
use carrel_model::{
    BlobHash, ItemId, RevisionId, Slug,
    content::{ManifestContent, SectionBody, Story},
    lattice::NoteAnchor,
};

use serde::Deserialize;

use super::{Result, bundle::file_view};
use crate::{
    api::{
        app::Empty,
        bundle::ExportedFile,
        error::CommandError,
        notes::{
            ExportNotes, NoteFormat, NoteList, NoteOther, NotePlace, NoteRef, NoteState, NoteView,
            PassageView, SaveNote,
        },
        reading::ItemRef,
    },
    host::{Host, account},
};

/// Maximum length of a quote in a list, in characters.
const MAX_QUOTE: usize = 1_000;

pub async fn list_notes(host: &dyn Host, request: ItemRef) -> Result<NoteList> {
    let account = account(host)?;
    let notes = account.learning.notes(&request.item).await?;
    let placed = place(&account, notes).await?;
    Ok(NoteList { notes: placed.into_iter().map(PlacedNote::view).collect() })
}

pub async fn save_note(host: &dyn Host, request: SaveNote) -> Result<NoteRef> {
    let account = account(host)?;
    let SaveNote { note, base, item, text, mark, place } = request;
    let anchor = match place {
        Some(place) => Some(anchor_of(&account, place).await?),
        // The newest of the contents that are replaced.
        None => {
            let notes = account.learning.notes(&item).await?;
            let edited = notes.into_iter().find(|n| Some(n.note) == note);
            edited.and_then(|n| n.versions.into_iter().find_map(|version| version.anchor))
        }
    };
    let anchor = anchor.map(|anchor| NoteAnchor { m: mark, ..anchor });
    let draft = NoteDraft { note, base, item, body: text, anchor };
    Ok(NoteRef { note: account.learning.save_note(draft).await? })
}

pub async fn delete_note(host: &dyn Host, request: NoteRef) -> Result<Empty> {
    account(host)?.learning.delete_note(request.note).await?;
    Ok(Empty {})
}

pub async fn restore_note(host: &dyn Host, request: NoteRef) -> Result<Empty> {
    account(host)?.learning.restore_note(request.note).await?;
    Ok(Empty {})
}

pub async fn export_notes(host: &dyn Host, request: ExportNotes) -> Result<ExportedFile> {
    let account = account(host)?;
    let notes = match &request.item {
        Some(item) => account.learning.notes(item).await?,
        None => account.learning.all_notes().await?,
    };
    let placed = place(&account, notes).await?;
    let notes: Vec<ExportedNote> = placed.into_iter().map(PlacedNote::export).collect();
    let title = match notes.first() {
        Some(first) if request.item.is_some() => first.headings.join(" \u{2013} "),
        _ => "Carrel".to_owned(),
    };
    let (content, extension) = match request.format {
        NoteFormat::Annotations => {
            // Not random: the id of the set is that of its first note.
            let id = notes.first().map_or(RevisionId::from_u128(0), |n| n.note);
            let now_ms = account.store.clock().now_ms();
            (to_annotations(&notes, &title, id, now_ms), "annotations")
        }
        NoteFormat::Markdown => (to_markdown(&notes, &title).into_bytes(), "md"),
        NoteFormat::Html => (to_html(&notes, &title).into_bytes(), "html"),
    };
    let (folder, count) = (Path::new(&request.folder), notes.len() as u64);
    let exported = host.client().export_texts("notes", folder, extension, content, count);
    Ok(file_view(exported.await?))
}

/// Returns the anchor of a passage in a body that is on this device.
async fn anchor_of(account: &OpenAccount, place: NotePlace) -> Result<NoteAnchor> {
    let body: TextBody = account.content.library.without_waiting().body(place.body).await?;
    let PassageView { block, start, end } = place.passage;
    let passage = Passage { block: block as usize, start: start as usize, end: end as usize };
    let anchor = blocking(move || {
        let text = BodyText::new(&place.body, body.texts());
        Ok::<_, Error>(text.anchor(&place.body, passage))
    });
    anchor.await?.ok_or_else(|| {
        CommandError::invalid(format!(
            "characters {start} to {end} of block {block} are not in the text"
        ))
    })
}

/// A compiled body with text: of a section or of a story, whose blocks are its pages.
#[derive(Deserialize)]
#[serde(untagged)]
enum TextBody {
    Section(SectionBody),
    Story(Story),
}

impl TextBody {
    /// Returns the text of each block.
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Section(body) => body.blocks.iter().map(block_text).collect(),
            Self::Story(story) => story.pages.iter().map(page_text).collect(),
        }
    }
}

/// A section or story, as known on this device.
struct Place {
    /// Position in its course.
    order: usize,
    /// Titles of the course and the section.
    headings: Vec<String>,
    /// The compiled body; none for a course.
    body: Option<BlobHash>,
}

/// A note with its place in the text.
struct PlacedNote {
    note: Note,
    headings: Vec<String>,
    order: usize,
    state: NoteState,
    passage: Option<Passage>,
    /// The marked text in the open text.
    text: Option<String>,
}

/// Finds the passages of notes and sorts them in order of the text. Uses no network.
async fn place(account: &OpenAccount, notes: Vec<Note>) -> Result<Vec<PlacedNote>> {
    let mut by_root: BTreeMap<String, BTreeMap<ItemId, Vec<Note>>> = BTreeMap::new();
    for note in notes {
        let items = by_root.entry(note.item.root().to_owned()).or_default();
        items.entry(note.item.clone()).or_default().push(note);
    }
    let library = account.content.library.without_waiting();
    let mut all = Vec::new();
    for (root, items) in by_root {
        let mut places = places(account, &root).await?;
        let mut of_root: Vec<PlacedNote> = Vec::new();
        for (item, notes) in items {
            let place = places.remove(&item).unwrap_or_else(|| Place {
                order: usize::MAX,
                headings: vec![item.to_string()],
                body: None,
            });
            let mut body = None;
            if let Some(hash) = place.body {
                // A body that is not on this device, or is damaged, does not hide the notes.
                body = library.body::<TextBody>(hash).await.ok().map(|body| (hash, body));
            }
            let placed = blocking(move || Ok::<_, Error>(place_in(notes, &place, body)));
            of_root.extend(placed.await?);
        }
        of_root.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.in_text(b)));
        all.extend(of_root);
    }
    Ok(all)
}

/// Returns the sections and stories of a course with their titles, and the course or story itself.
async fn places(account: &OpenAccount, root: &str) -> Result<BTreeMap<ItemId, Place>> {
    let mut places = BTreeMap::new();
    let Ok(id) = Slug::new(root) else { return Ok(places) };
    for kind in [Kind::Course, Kind::Story] {
        let Some(known) = account.content.library.known_manifest(kind, &id).await? else {
            continue;
        };
        let title = known.manifest.title().to_owned();
        let headings = vec![title.clone()];
        let body = match &known.manifest.content {
            ManifestContent::Story { body, .. } => Some(*body),
            ManifestContent::Course { .. } => None,
        };
        places.insert(ItemId::from(id.clone()), Place { order: 0, headings, body });
        let ManifestContent::Course { outline, .. } = &known.manifest.content else { continue };
        let sections = outline.lessons.iter().flat_map(|l| l.sections.iter().map(move |s| (l, s)));
        let sections = sections.map(|(lesson, section)| {
            let item = ItemId::section(&id, &lesson.id, &section.id);
            (item, section.title.clone(), Some(section.body))
        });
        let stories = outline.stories.iter();
        let stories = stories.map(|s| (ItemId::within(&id, &s.id), s.title.clone(), Some(s.body)));
        for (order, (item, of_item, body)) in sections.chain(stories).enumerate() {
            let headings = vec![title.clone(), of_item];
            places.insert(item, Place { order: order + 1, headings, body });
        }
    }
    Ok(places)
}

fn place_in(
    notes: Vec<Note>,
    place: &Place,
    body: Option<(BlobHash, TextBody)>,
) -> Vec<PlacedNote> {
    let text = body.map(|(hash, body)| BodyText::new(&hash, body.texts()));
    let placed = notes.into_iter().map(|note| {
        let anchor = note.versions.iter().find_map(|version| version.anchor.as_ref());
        let (state, passage) = match (anchor, &text) {
            (None, _) => (NoteState::Whole, None),
            (Some(_), None) => (NoteState::Unknown, None),
            (Some(anchor), Some(text)) => match text.place(anchor) {
                Placement::Exact(passage) => (NoteState::Exact, Some(passage)),
                Placement::Moved(passage) => (NoteState::Moved, Some(passage)),
                Placement::Orphan => (NoteState::Orphan, None),
            },
        };
        let quoted = text.as_ref().zip(passage).and_then(|(text, p)| text.passage_text(p));
        let headings = place.headings.clone();
        PlacedNote { note, headings, order: place.order, state, passage, text: quoted }
    });
    placed.collect()
}

impl PlacedNote {
    /// Compares places in one text; notes without a place are last.
    fn in_text(&self, other: &Self) -> Ordering {
        let key = |n: &Self| {
            (
                n.state != NoteState::Whole && n.passage.is_none(),
                n.passage,
                n.note.created_ms,
                n.note.note,
            )
        };
        key(self).cmp(&key(other))
    }
    fn anchor(&self) -> Option<&NoteAnchor> {
        self.note.versions.iter().find_map(|version| version.anchor.as_ref())
    }
    /// The marked text, or what the anchor contains of it.
    fn quote(&self) -> String {
        let Some(anchor) = self.anchor() else { return String::new() };
        self.text.clone().unwrap_or_else(|| {
            let shown = anchor.s.chars().count() + anchor.e.chars().count();
            let gap = if shown < anchor.chars() as usize { " \u{2026} " } else { "" };
            format!("{}{gap}{}", anchor.s, anchor.e)
        })
    }
    fn view(self) -> NoteView {
        let mut quote = self.quote();
        if let Some((end, _)) = quote.char_indices().nth(MAX_QUOTE) {
            quote.truncate(end);
            quote.push('\u{2026}');
        }
        let view = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let passage = self.passage.map(|p| PassageView {
            block: view(p.block),
            start: view(p.start),
            end: view(p.end),
        });
        let mut versions = self.note.versions.into_iter().map(|version| NoteOther {
            text: version.body,
            mark: version.anchor.map(|a| a.m).unwrap_or_default(),
            changed_ms: version.changed_ms,
        });
        let first = versions.next();
        NoteView {
            note: self.note.note,
            item: self.note.item,
            title: self.headings.last().cloned().unwrap_or_default(),
            revisions: self.note.revisions,
            mark: first.as_ref().map(|f| f.mark).unwrap_or_default(),
            changed_ms: first.as_ref().map_or(self.note.created_ms, |f| f.changed_ms),
            text: first.map(|f| f.text).unwrap_or_default(),
            state: self.state,
            passage,
            quote,
            created_ms: self.note.created_ms,
            waiting: self.note.waiting,
            others: versions.collect(),
        }
    }
    fn export(self) -> ExportedNote {
        let quote = self.quote();
        let anchor = self.anchor();
        let (prefix, suffix) = anchor.map(|a| (a.p.clone(), a.q.clone())).unwrap_or_default();
        let texts = self.note.versions.iter().map(|v| v.body.clone());
        ExportedNote {
            mark: anchor.map(|a| a.m).unwrap_or_default(),
            note: self.note.note,
            item: self.note.item.clone(),
            quote,
            prefix,
            suffix,
            texts: texts.filter(|text| !text.is_empty()).collect(),
            created_ms: self.note.created_ms,
            changed_ms: self.note.versions.first().map_or(0, |v| v.changed_ms),
            headings: self.headings,
        }
    }
}
