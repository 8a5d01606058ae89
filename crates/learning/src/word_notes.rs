//! What a learner keeps of a word beside its card: the sentence in which it was found, its source, and the meaning of a
//! word that no course has. Also the marks of words that are not on the list.
//!
//! A note is a register of the namespace `word`, so it syncs like every other register. Releases that do not know it
//! keep it, and show such a word as one whose course is not on the device.
//!
//! Not here: the review list (`words`), the dictionaries (`carrel-dictionary`).

use std::collections::BTreeMap;

use carrel_model::{
    BlobHash, CardKey, EventId, ItemId,
    lattice::{Kv, WORD},
};
use serde::{Deserialize, Serialize};

use crate::{
    CardMarks, Learning, Result,
    reviews::{marks_of, set_marks},
    store::checked,
    words::{self, cards_among},
};

/// First part of the items of words that no course or story has: `own-words/<32 hex digits>`.
pub const OWN_WORDS: &str = "own-words";
/// Maximum length of a text of a note in bytes; longer ones are cut.
const MAX_TEXT_BYTES: usize = 2_000;

/// A word as the learner found it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WordNote {
    /// Key of the card.
    pub card: String,
    /// BCP 47 tag of the word.
    pub lang: String,
    /// The lemma.
    pub word: String,
    /// The word as it is written in the sentence.
    pub form: String,
    /// For example "noun"; may be empty.
    pub part_of_speech: String,
    /// May be empty.
    pub pronunciation: String,
    /// Definition or translation; empty for a word of a course, which has its own.
    pub meaning: String,
    /// BCP 47 tag of the meaning; may be empty.
    pub meaning_lang: String,
    /// The sentence; empty for a word that was typed.
    pub sentence: String,
    /// Section, quiz or story of the sentence; empty if none.
    pub source: String,
    /// Name of the dictionary; may be empty.
    pub dictionary: String,
}

impl WordNote {
    /// Returns the item of a word that no course or story has.
    pub fn own_item(card: &CardKey) -> Result<ItemId> {
        let item = ItemId::new(format!("{OWN_WORDS}/{}", key_of(card)));
        item.map_err(|e| crate::Error::Internal(e.to_string()))
    }
    fn cut(mut self) -> Self {
        for text in [
            &mut self.word,
            &mut self.form,
            &mut self.part_of_speech,
            &mut self.pronunciation,
            &mut self.meaning,
            &mut self.sentence,
            &mut self.dictionary,
        ] {
            let mut end = MAX_TEXT_BYTES.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        self
    }
}

/// Returns the key of the register of a card.
fn key_of(card: &CardKey) -> String {
    BlobHash::of(card.as_str().as_bytes()).to_hex()[..32].to_owned()
}

fn parse(kv: &Kv) -> Option<(CardKey, WordNote)> {
    let note: WordNote = serde_json::from_str(&kv.value).ok()?;
    let card = CardKey::new(note.card.as_str()).ok()?;
    // A note of another card under this key is none.
    (key_of(&card) == kv.key).then_some((card, note))
}

impl Learning {
    /// Keeps a word: adds its card to the list, and stores where it was found. Idempotent. `item`: the word in the
    /// vocabulary of a course or story; `None` for a word that none has. Returns the item.
    pub async fn keep_word(&self, item: Option<ItemId>, note: WordNote) -> Result<ItemId> {
        let card = CardKey::new(note.card.as_str());
        let card = card.map_err(|e| crate::Error::Invalid(e.to_string()))?;
        let item = match item {
            Some(item) => item,
            None => WordNote::own_item(&card)?,
        };
        let note = note.cut();
        let id = EventId(self.ids.uuid_v7(self.store.clock().now_ms()));
        let word = item.clone();
        self.store
            .write("keep_word", move |tx| {
                tx.set_register(WORD, &key_of(&card), &serde_json::to_value(&note)?)?;
                words::save(tx, id, &word, Some(&card), true)
            })
            .await?;
        Ok(item)
    }

    /// Returns what the learner kept of all words.
    pub async fn word_notes(&self) -> Result<BTreeMap<CardKey, WordNote>> {
        self.store
            .read(|conn| {
                let found = checked::query::<Kv>(conn, "WHERE ns = ?1", [WORD])?;
                Ok(found.iter().filter_map(parse).collect())
            })
            .await
    }

    /// Returns what the learner kept of one word.
    pub async fn word_note(&self, card: &CardKey) -> Result<Option<WordNote>> {
        Ok(self.note_at(key_of(card)).await?.map(|(_, note)| note))
    }

    /// Returns the card and the note of `own-words/...`; none for another item, or if the note is not on this device.
    pub async fn own_word(&self, item: &ItemId) -> Result<Option<(CardKey, WordNote)>> {
        match item.as_str().split_once('/') {
            Some((OWN_WORDS, key)) => self.note_at(key.to_owned()).await,
            _ => Ok(None),
        }
    }

    async fn note_at(&self, key: String) -> Result<Option<(CardKey, WordNote)>> {
        self.store
            .read(move |conn| {
                let found =
                    checked::query::<Kv>(conn, "WHERE ns = ?1 AND key = ?2", [WORD, key.as_str()])?;
                Ok(found.iter().find_map(parse))
            })
            .await
    }

    /// Returns what the learner set for a word, on the list or not.
    pub async fn word_marks(&self, card: &CardKey) -> Result<CardMarks> {
        let card = card.clone();
        self.store
            .read(move |conn| {
                let cards = cards_among(conn, std::slice::from_ref(&card))?;
                marks_of(conn, &cards, &card)
            })
            .await
    }

    /// Changes what the learner set for a word, on the list or not. Returns the new marks.
    pub async fn mark_word(
        &self,
        card: &CardKey,
        change: impl Fn(&mut CardMarks) + Send + 'static,
    ) -> Result<CardMarks> {
        let key = card.clone();
        self.store
            .write("mark_word", move |tx| {
                let cards = cards_among(tx.conn(), std::slice::from_ref(&key))?;
                let before = marks_of(tx.conn(), &cards, &key)?;
                let mut after = before;
                change(&mut after);
                set_marks(tx, &key, &before, &after)?;
                Ok(after)
            })
            .await
    }
}
