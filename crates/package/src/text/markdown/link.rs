//! Parses the targets of links in a text.
//!
//! Not here: links to media files.

use super::Scope;
use crate::problem::{Problems, SourceLocation};
use crate::text::html;

/// The target of a link.
pub(crate) enum LinkTarget {
    Word(String),
    Section(String),
    Web(String),
}

/// Parses the address of a link. Reports a problem and returns `None` if the target is invalid.
pub(crate) fn link_target(
    dest: &str,
    scope: &Scope,
    at: SourceLocation<'_>,
    problems: &Problems,
) -> Option<LinkTarget> {
    if let Some(word) = dest.strip_prefix("word:") {
        if scope.words.contains(word) {
            return Some(LinkTarget::Word(word.to_owned()));
        }
        let hint = "add it to the vocabulary, or correct the id";
        problems.error(
            at,
            "word-unknown",
            format!("the vocabulary has no word with the id {word:?}"),
            hint,
        );
    } else if let Some(section) = dest.strip_prefix("section:") {
        if scope.sections.contains(section) {
            return Some(LinkTarget::Section(section.to_owned()));
        }
        problems.error(
            at,
            "section-unknown",
            format!("the course has no section {section:?}"),
            "write section:LESSON/SECTION with the ids of course.json",
        );
    } else if html::is_web_link(dest) {
        return Some(LinkTarget::Web(dest.to_owned()));
    } else if let Some(email) = dest
        .strip_prefix("mailto:")
        .or_else(|| dest.contains('@').then_some(dest))
        .filter(|e| !e.contains(':'))
    {
        return Some(LinkTarget::Web(format!("mailto:{email}")));
    } else if dest.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':')) {
        let message = format!("a link to {dest:?} is not allowed");
        problems.error(
            at,
            "link-scheme",
            message,
            "use a link that starts with https:, http:, mailto:, word: or section:",
        );
    } else {
        let message = format!("the link {dest:?} has no target in the app");
        problems.error(
            at,
            "link-broken",
            message,
            "link a section with section:LESSON/SECTION, or a page with its https: address",
        );
    }
    None
}
