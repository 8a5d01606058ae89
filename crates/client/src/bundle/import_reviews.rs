//! Takes over the reviews of a converted Anki package, if the learner wants them, once its course is imported.
//!
//! Not here: reading them (`convert`), their rows (`carrel_learning`).

use std::{collections::BTreeMap, io, path::Path};

use carrel_content::{Kind, library::Library};
use carrel_import::ImportedReview;
use carrel_learning::PastReview;
use carrel_model::{
    CardKey, ItemId, Slug,
    content::{ManifestContent, VocabularyEntry},
};
use carrel_system::blocking;

use crate::{
    Error, Result,
    bundle::{convert::reviews_file, import_courses::ImportedCourse},
    open_account::OpenAccount,
};

/// Stores the reviews beside a course file, and their number in `courses`.
pub(crate) async fn import_reviews(
    account: &OpenAccount,
    course_file: &Path,
    courses: &mut [ImportedCourse],
) -> Result<()> {
    // A converted file is one course.
    let [course] = courses else { return Ok(()) };
    let path = reviews_file(course_file);
    let read = blocking(move || match std::fs::read(&path) {
        Ok(bytes) => Ok::<_, Error>(serde_json::from_slice::<Vec<ImportedReview>>(&bytes)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e.into()),
    });
    let reviews = read.await?;
    if reviews.is_empty() || course.kind != Kind::Course {
        return Ok(());
    }
    let cards = cards(&account.content.library, &course.id).await?;
    let past = reviews.into_iter().filter_map(|review| {
        let (item, card) = cards.get(&review.word)?.clone();
        Some(PastReview {
            card,
            at_ms: review.at_ms,
            rating: review.rating,
            item,
            duration_ms: review.duration_ms.into(),
        })
    });
    course.reviews = account.learning.import_reviews(past.collect()).await?;
    tracing::info!(course.id = %course.id, reviews = course.reviews, "took over reviews");
    Ok(())
}

/// Returns the words of a course with their cards, by id.
async fn cards(library: &Library, course: &Slug) -> Result<BTreeMap<String, (ItemId, CardKey)>> {
    let manifest = library.manifest(Kind::Course, course).await?;
    let ManifestContent::Course { meta, outline } = &manifest.value.manifest.content else {
        return Ok(BTreeMap::new());
    };
    let Some(vocabulary) = outline.vocabulary else { return Ok(BTreeMap::new()) };
    let entries: Vec<VocabularyEntry> = library.body(vocabulary).await?;
    let words = entries.iter().map(|entry| (&entry.id, entry.word.as_str()));
    let keys = CardKey::of_vocabulary(&meta.lang, words);
    let of_entry = |(entry, card): (&VocabularyEntry, CardKey)| {
        (entry.id.to_string(), (ItemId::within(course, &entry.id), card))
    };
    Ok(entries.iter().zip(keys).map(of_entry).collect())
}
