//! The parts of a book: container, package document, manifest, spine, and whether it is protected.

use std::{collections::BTreeMap, fs, path::Path};

use carrel_package::{Limits, Source};
use unicode_normalization::UnicodeNormalization;

use crate::error::{Refusal, Result};
use crate::html::Element;
use crate::text::encoding::{MAX_TEXT_BYTES, declared_encoding, decode};
use crate::{text, xml};

/// Maximum number of documents of the spine.
const MAX_SPINE: usize = 5_000;
/// Maximum size of one document in bytes.
const MAX_DOCUMENT: u64 = 16 << 20;

/// An entry of the manifest.
#[derive(Debug, Clone, Default)]
pub(super) struct ManifestItem {
    /// Path in the archive, in NFC; empty for an address outside of the book.
    pub path: String,
    pub media_type: String,
    pub properties: String,
    /// Id of the media overlay.
    pub overlay: Option<String>,
    pub fallback: Option<String>,
}

/// An opened book.
pub(super) struct Book {
    pub source: Source,
    pub version: String,
    pub title: String,
    pub language: String,
    pub identifier: String,
    pub creators: Vec<String>,
    pub rights: String,
    pub publisher: String,
    pub description: String,
    pub is_fixed: bool,
    pub items: BTreeMap<String, ManifestItem>,
    /// The ids of the documents in reading order.
    pub spine: Vec<String>,
    /// Id of the table of contents of EPUB 2.
    pub ncx: Option<String>,
    /// Path of the image of the cover.
    pub cover: Option<String>,
}

/// Opens a book within the limits of zips.
pub(super) fn open(path: &Path) -> Result<Book> {
    let source = Source::open(path, &Limits::default()).map_err(Refusal::of_archive)?;
    let Some(container) = read(&source, "META-INF/container.xml")? else {
        return Err(Refusal::broken("the file is no EPUB: it has no META-INF/container.xml"));
    };
    refuse_protected(&source)?;
    let container = xml::parse(&container, "container.xml")?;
    let root_file = container
        .find(&|e| e.name == "rootfile" && e.attribute("full-path").is_some())
        .and_then(|e| e.attribute("full-path"))
        .map(|path| path.nfc().collect::<String>())
        .ok_or_else(|| Refusal::broken("container.xml names no package document"))?;
    let root_file = resolve("", &root_file).unwrap_or_default();
    let Some(package) = read(&source, &root_file)? else {
        return Err(Refusal::broken(format!("the package document {root_file:?} is missing")));
    };
    let package = xml::parse(&package, "the package document")?;
    let folder = root_file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    parts(source, &package, &folder)
}

fn parts(source: Source, package: &Element, folder: &str) -> Result<Book> {
    let empty = Element::default();
    let child = |name: &str| package.elements().find(|e| e.name == name);
    let metadata = child("metadata").unwrap_or(&empty);
    let texts = |name: &str| {
        let mut list = Vec::new();
        metadata.visit(&mut |e| {
            if e.name == name {
                let text = e.text().split_whitespace().collect::<Vec<_>>().join(" ");
                if !text.is_empty() {
                    list.push(text);
                }
            }
        });
        list
    };
    let first = |name: &str| texts(name).into_iter().next().unwrap_or_default();
    let mut items = BTreeMap::new();
    let manifest = child("manifest").ok_or_else(|| Refusal::broken("the book has no manifest"))?;
    for item in manifest.elements().filter(|e| e.name == "item") {
        let text = |name: &str| item.attribute(name).unwrap_or_default().to_owned();
        let entry = ManifestItem {
            path: resolve(folder, &text("href")).unwrap_or_default(),
            media_type: text("media-type"),
            properties: text("properties"),
            overlay: item.attribute("media-overlay").map(str::to_owned),
            fallback: item.attribute("fallback").map(str::to_owned),
        };
        items.insert(text("id"), entry);
    }
    let spine =
        child("spine").ok_or_else(|| Refusal::broken("the book has no reading order (spine)"))?;
    let ids: Vec<String> = spine
        .elements()
        .filter(|e| e.name == "itemref")
        .map(|e| e.attribute("idref").unwrap_or_default().to_owned())
        .collect();
    if ids.len() > MAX_SPINE {
        return Err(Refusal::limit(format!("the book has more than {MAX_SPINE} documents")));
    }
    let unique = package.attribute("unique-identifier").and_then(|id| {
        metadata
            .find(&|e| e.name == "identifier" && e.attribute("id") == Some(id))
            .map(Element::text)
    });
    let meta = |test: &dyn Fn(&Element) -> bool| metadata.find(&|e| e.name == "meta" && test(e));
    let is_fixed = meta(&|e| e.attribute("property") == Some("rendition:layout"))
        .is_some_and(|e| e.text().trim() == "pre-paginated");
    let cover_id = meta(&|e| e.attribute("name") == Some("cover"))
        .and_then(|e| e.attribute("content"))
        .map(str::to_owned);
    let cover = items
        .iter()
        .find(|(id, item)| {
            item.properties.split_whitespace().any(|p| p == "cover-image")
                || Some(*id) == cover_id.as_ref()
        })
        .filter(|(_, item)| item.media_type.starts_with("image/"))
        .map(|(_, item)| item.path.clone());
    Ok(Book {
        version: package.attribute("version").unwrap_or_default().to_owned(),
        title: first("title"),
        language: first("language"),
        identifier: unique.map(|id| id.trim().to_owned()).unwrap_or_else(|| first("identifier")),
        creators: texts("creator"),
        rights: first("rights"),
        publisher: first("publisher"),
        description: crate::html::plain::to_plain(&first("description")),
        is_fixed,
        ncx: spine.attribute("toc").map(str::to_owned),
        items,
        spine: ids,
        cover,
        source,
    })
}

/// Refuses a book whose texts are encrypted. Fonts that are only obfuscated are not used anyway.
fn refuse_protected(source: &Source) -> Result<()> {
    let protected = |what: &str| {
        Err(Refusal::new(
            "import-protected",
            format!("the book is protected ({what}) and cannot be read"),
            "use a copy without protection",
        ))
    };
    if source.file("META-INF/license.lcpl").is_some() {
        return protected("Readium LCP");
    }
    let Some(text) = read(source, "META-INF/encryption.xml")? else { return Ok(()) };
    let encryption = xml::parse(&text, "encryption.xml")?;
    let mut is_protected = false;
    encryption.visit(&mut |e| {
        if e.name == "EncryptedData" {
            let algorithm = e.find_named("EncryptionMethod").and_then(|m| m.attribute("Algorithm"));
            let is_font = matches!(
                algorithm,
                Some("http://www.idpf.org/2008/embedding" | "http://ns.adobe.com/pdf/enc#RC")
            );
            is_protected |= !is_font;
        }
    });
    if is_protected { protected("DRM") } else { Ok(()) }
}

/// Reads a text file of the book; `None` if there is none.
pub(super) fn read(source: &Source, path: &str) -> Result<Option<String>> {
    let Some((file, size)) = source.file(path) else { return Ok(None) };
    if size > MAX_DOCUMENT.min(MAX_TEXT_BYTES) {
        return Err(Refusal::limit(format!(
            "{path:?} has {size} bytes; {MAX_DOCUMENT} are allowed"
        )));
    }
    let bytes = fs::read(file)?;
    Ok(Some(decode(&bytes, declared_encoding(&bytes).as_deref())?.text))
}

/// Returns the path in the archive for an address in a file of `folder`; `None` if it is outside of the book.
pub(super) fn resolve(folder: &str, address: &str) -> Option<String> {
    let path = address.split(['#', '?']).next().unwrap_or_default().trim();
    if path.contains("://") || path.starts_with("data:") || path.starts_with("//") {
        return None;
    }
    let decoded: String = text::percent_decoded(path).nfc().collect();
    let mut parts: Vec<&str> = match decoded.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns the folder of a path.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_resolved_inside_of_the_book() {
        for (folder, address, path) in [
            ("OEBPS/text", "../images/a%20b.png#x", Some("OEBPS/images/a b.png")),
            ("OEBPS", "./c1.xhtml?x=1", Some("OEBPS/c1.xhtml")),
            ("", "e\u{301}.html", Some("é.html")),
            ("a", "/b.html", Some("b.html")),
            ("a", "../../b", None),
            ("a", "https://x.org/b", None),
            ("a", "data:image/png;base64,AA", None),
        ] {
            assert_eq!(resolve(folder, address).as_deref(), path, "{address}");
        }
    }
}
