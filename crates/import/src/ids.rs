//! Ids of the package, derived from ids of the foreign file: a slug for readers, and a hash. The same original id gives
//! the same id in every import, so that progress is kept.

use std::collections::HashMap;

use carrel_package::suggest_slug;

/// Maximum length of the slug before the hash.
const MAX_SLUG: usize = 36;
/// Number of hexadecimal digits of the hash.
const HASH_DIGITS: usize = 12;

/// Returns the id for an original id; `title` is the readable part.
pub(crate) fn id_of(title: &str, original: &str) -> String {
    let hash = blake3::hash(original.as_bytes()).to_hex();
    let hash = &hash.as_str()[..HASH_DIGITS];
    let slug = suggest_slug(title).unwrap_or_default();
    let end = slug.len().min(MAX_SLUG);
    match slug[..end].trim_end_matches('-') {
        "" => format!("x-{hash}"),
        slug => format!("{slug}-{hash}"),
    }
}

/// Makes original ids unique: the second item with the same original id is `ID#2`, and so on.
#[derive(Debug, Default)]
pub(crate) struct OriginalIds(HashMap<String, usize>);

impl OriginalIds {
    pub fn unique(&mut self, original: &str) -> String {
        let count = self.0.entry(original.to_owned()).or_default();
        *count += 1;
        match *count {
            1 => original.to_owned(),
            n => format!("{original}#{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_readable_unique_and_repeatable() {
        let id = id_of("Rivers & Lakes", "q17");
        assert_eq!(id, id_of("Rivers & Lakes", "q17"));
        assert!(id.starts_with("rivers-lakes-"), "{id}");
        assert_ne!(id, id_of("Rivers & Lakes", "q18"));
        assert!(id_of("河", "q1").starts_with("x-"));
        let long = id_of(&"long title ".repeat(20), "q");
        assert!(long.len() <= 64 && !long.contains("--"), "{long}");
        let mut ids = OriginalIds::default();
        assert_eq!(
            (ids.unique("a"), ids.unique("a"), ids.unique("b")),
            ("a".to_owned(), "a#2".to_owned(), "b".to_owned())
        );
    }
}
