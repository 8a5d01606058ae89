//! The table of contents: the navigation document of EPUB 3, or the NCX of EPUB 2.

use super::package::{Book, folder_of, read, resolve};
use crate::error::Result;
use crate::html::{Element, Syntax, parse, plain};
use crate::xml;

/// Maximum nesting of entries.
const MAX_DEPTH: usize = 16;

/// An entry with those below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub label: String,
    /// Path of the document; empty for a heading without a link.
    pub path: String,
    pub children: Vec<Entry>,
}

/// The table of contents and the path of the document that contains it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub entries: Vec<Entry>,
    pub path: String,
}

/// Reads the table of contents; a book may have none.
pub(super) fn read_contents(book: &Book) -> Result<Contents> {
    let nav = book.items.values().find(|i| i.properties.split_whitespace().any(|p| p == "nav"));
    if let Some(nav) = nav
        && let Some(text) = read(&book.source, &nav.path)?
    {
        let tree = parse(&text, Syntax::Xhtml);
        let list = tree
            .find(&|e| {
                e.name == "nav"
                    && (e.has_value("epub:type", "toc") || e.has_value("role", "doc-toc"))
            })
            .or_else(|| tree.find_named("nav"))
            .and_then(|nav| nav.find_named("ol"));
        let folder = folder_of(&nav.path);
        let entries = list.map(|list| entries_of_list(list, folder, 0)).unwrap_or_default();
        return Ok(Contents { entries, path: nav.path.clone() });
    }
    let ncx = book.ncx.as_ref().and_then(|id| book.items.get(id));
    let ncx =
        ncx.or_else(|| book.items.values().find(|i| i.media_type == "application/x-dtbncx+xml"));
    if let Some(ncx) = ncx
        && let Some(text) = read(&book.source, &ncx.path)?
        && let Ok(tree) = xml::parse(&text, "the table of contents")
        && let Some(map) = tree.find_named("navMap")
    {
        return Ok(Contents {
            entries: entries_of_ncx(map, folder_of(&ncx.path), 0),
            path: String::new(),
        });
    }
    Ok(Contents::default())
}

fn entries_of_list(list: &Element, folder: &str, depth: usize) -> Vec<Entry> {
    if depth > MAX_DEPTH {
        return Vec::new();
    }
    let items = list.elements().filter(|e| e.name == "li");
    items
        .map(|item| {
            let link = item.elements().find(|e| matches!(e.name.as_str(), "a" | "span"));
            let link = link.or_else(|| item.find_named("a"));
            let label = link.map(plain::plain).unwrap_or_default();
            let path =
                link.and_then(|a| a.attribute("href")).and_then(|href| resolve(folder, href));
            let children = item.elements().filter(|e| e.name == "ol");
            Entry {
                label,
                path: path.unwrap_or_default(),
                children: children
                    .flat_map(|list| entries_of_list(list, folder, depth + 1))
                    .collect(),
            }
        })
        .collect()
}

fn entries_of_ncx(parent: &Element, folder: &str, depth: usize) -> Vec<Entry> {
    if depth > MAX_DEPTH {
        return Vec::new();
    }
    let points = parent.elements().filter(|e| e.name == "navPoint");
    points
        .map(|point| {
            let child = |name: &str| point.elements().find(|e| e.name == name);
            let label = child("navLabel").map(Element::text).unwrap_or_default();
            let source = child("content").and_then(|e| e.attribute("src"));
            Entry {
                label: label.split_whitespace().collect::<Vec<_>>().join(" "),
                path: source.and_then(|src| resolve(folder, src)).unwrap_or_default(),
                children: entries_of_ncx(point, folder, depth + 1),
            }
        })
        .collect()
}

impl Contents {
    /// Returns the label of the first entry for a document.
    pub fn label(&self, path: &str) -> Option<&str> {
        fn find<'a>(entries: &'a [Entry], path: &str) -> Option<&'a str> {
            entries.iter().find_map(|entry| {
                let own =
                    (entry.path == path && !entry.label.is_empty()).then_some(entry.label.as_str());
                own.or_else(|| find(&entry.children, path))
            })
        }
        find(&self.entries, path)
    }

    /// Returns the index of the top entry that starts with a document.
    pub fn top_entry(&self, path: &str) -> Option<usize> {
        fn first(entry: &Entry) -> Option<&str> {
            match entry.path.as_str() {
                "" => entry.children.first().and_then(first),
                path => Some(path),
            }
        }
        self.entries.iter().position(|entry| first(entry) == Some(path))
    }

    /// Returns true if the top entries are parts of the book with chapters below them.
    pub fn has_parts(&self) -> bool {
        self.entries.iter().filter(|entry| !entry.children.is_empty()).count() > 1
    }
}
