//! Texts that people type: one folding for answers, one for search; language tags.
//!
//! All functions are pure and use only built-in data, so that client and server get the same result.

mod chars;
mod fold;
pub mod language;
mod language_data;
mod number;
mod query;
mod script;
mod snippet;
mod terms;
mod typo;
mod units;

pub use fold::{fold_answer, fold_exact, fold_word, is_same_answer};
pub use number::{DecimalSign, NumberReading, TypedNumber, read_number};
pub use query::{Phrase, SearchQuery};
pub use script::is_unspaced;
pub use snippet::{Excerpt, excerpt};
pub use terms::{index_terms, single_term};
pub use typo::{differs_by_accents, differs_by_typo};
pub use units::{Unit, parse_unit};
