//! A document of the spine: its body, footnotes, images and links.

use std::collections::{BTreeMap, BTreeSet};

use super::package::{folder_of, resolve};
use crate::html::markdown::{MediaFile, Resolver, is_web_link};
use crate::html::{Element, Syntax, parse};

/// A parsed document.
pub(super) struct Document {
    /// Path in the archive.
    pub path: String,
    pub tree: Element,
}

impl Document {
    pub fn new(path: &str, text: &str) -> Self {
        let is_xhtml =
            text.trim_start().starts_with("<?xml") || text.contains("http://www.w3.org/1999/xhtml");
        let syntax = if is_xhtml { Syntax::Xhtml } else { Syntax::Html };
        Self { path: path.to_owned(), tree: parse(text, syntax) }
    }
    /// Returns what is shown: the body, or everything if there is none.
    pub fn body(&self) -> &Element {
        self.tree.find_named("body").unwrap_or(&self.tree)
    }
    /// Returns the language that the document states.
    pub fn language(&self) -> Option<&str> {
        let html = self.tree.find_named("html")?;
        html.attribute("xml:lang").or(html.attribute("lang")).filter(|lang| !lang.is_empty())
    }
    /// Returns the text of the first heading, or the title.
    pub fn heading(&self) -> Option<String> {
        let is_heading = |e: &Element| matches!(e.name.as_str(), "h1" | "h2" | "h3");
        let found = self.body().find(&is_heading).map(crate::html::plain::plain);
        let found = found.filter(|text| !text.is_empty());
        let title = || self.tree.find_named("title").map(|e| e.text().trim().to_owned());
        found.or_else(title).filter(|text| !text.is_empty())
    }
}

/// Returns true for the text of a footnote.
pub(super) fn is_note(element: &Element) -> bool {
    ["footnote", "endnote", "rearnote"].iter().any(|kind| element.has_value("epub:type", kind))
        || element.has_value("role", "doc-footnote")
        || element.has_value("role", "doc-endnote")
}

fn is_reference(element: &Element) -> bool {
    element.has_value("epub:type", "noteref") || element.has_value("role", "doc-noteref")
}

/// Returns true for a list of footnotes, whose entries need not say what they are.
fn is_list_of_notes(element: &Element) -> bool {
    ["footnotes", "endnotes", "rearnotes"].iter().any(|kind| element.has_value("epub:type", kind))
        || element.has_value("role", "doc-endnotes")
}

/// Collects the footnotes of a document by path and id.
pub(super) fn collect_notes(document: &Document, notes: &mut BTreeMap<String, Element>) {
    collect(document.body(), &document.path, false, notes);
}

fn collect(element: &Element, path: &str, is_in_list: bool, notes: &mut BTreeMap<String, Element>) {
    for child in element.elements() {
        let is_entry = is_in_list && matches!(child.name.as_str(), "li" | "aside" | "div" | "p");
        match child.attribute("id").filter(|_| is_note(child) || is_entry) {
            Some(id) => drop(notes.insert(format!("{path}#{id}"), child.clone())),
            None => collect(child, path, is_in_list || is_list_of_notes(child), notes),
        }
    }
}

/// Finds media, links and footnotes of one document.
pub(super) struct Finder<'a> {
    pub path: &'a str,
    /// Returns the file of the package for a path in the archive.
    pub media: &'a mut dyn FnMut(&str) -> Option<MediaFile>,
    /// Section of each document, as `lesson/section`.
    pub sections: &'a BTreeMap<String, String>,
    pub notes: &'a BTreeMap<String, Element>,
    /// The footnotes to which the document refers, in order.
    pub used: Vec<String>,
    /// The footnotes that any document refers to: their texts are shown there.
    pub referred: &'a BTreeSet<String>,
}

impl Finder<'_> {
    fn target(&self, address: &str) -> Option<String> {
        let fragment = address.split_once('#').map(|(_, fragment)| fragment)?;
        let path = match address.starts_with('#') {
            true => self.path.to_owned(),
            false => resolve(folder_of(self.path), address)?,
        };
        Some(format!("{path}#{}", crate::text::percent_decoded(fragment)))
    }
}

/// Returns the footnotes that a document refers to.
pub(super) fn references(document: &Document, notes: &BTreeMap<String, Element>) -> Vec<String> {
    let mut found = Vec::new();
    let folder = folder_of(&document.path);
    document.body().visit(&mut |element| {
        let Some(address) = element.attribute("href").filter(|_| is_reference(element)) else {
            return;
        };
        let Some((file, fragment)) = address.split_once('#') else { return };
        let path = match file {
            "" => Some(document.path.clone()),
            file => resolve(folder, file),
        };
        let key =
            format!("{}#{}", path.unwrap_or_default(), crate::text::percent_decoded(fragment));
        if notes.contains_key(&key) {
            found.push(key);
        }
    });
    found
}

impl Resolver for Finder<'_> {
    fn media(&mut self, address: &str) -> Option<MediaFile> {
        let path = resolve(folder_of(self.path), address)?;
        (self.media)(&path)
    }

    fn link(&mut self, address: &str) -> Option<String> {
        if is_web_link(address) {
            return Some(address.to_owned());
        }
        let path = resolve(folder_of(self.path), address)?;
        let section =
            self.sections.get(&path).filter(|_| path != self.path && !address.starts_with('#'));
        section.map(|section| format!("section:{section}"))
    }

    fn footnote(&mut self, link: &Element) -> Option<String> {
        let address = link.attribute("href").filter(|_| link.name == "a" && is_reference(link))?;
        let key = self.target(address).filter(|key| self.notes.contains_key(key))?;
        let number = match self.used.iter().position(|used| *used == key) {
            Some(number) => number,
            None => {
                self.used.push(key);
                self.used.len() - 1
            }
        };
        Some(format!("n{}", number + 1))
    }

    fn is_elsewhere(&mut self, element: &Element) -> bool {
        let is_shown_note = element
            .attribute("id")
            .is_some_and(|id| self.referred.contains(&format!("{}#{id}", self.path)));
        // Numbers of printed pages are no text; links back from notes have no target.
        is_shown_note
            || element.has_value("epub:type", "pagebreak")
            || element.has_value("role", "doc-pagebreak")
            || element.has_value("role", "doc-backlink")
            || element.has_value("epub:type", "backlink")
            || element.attribute("hidden").is_some()
    }
}
