//! Adds fonts to a manifest.

use std::collections::BTreeSet;

use carrel_model::{
    BlobHash,
    content::{FontFile, FontPack, ForeignLetters, Manifest, ManifestBlob, ManifestContent},
};
use serde::Deserialize;

use crate::{
    choice::wanted,
    pack::{Pack, PackError, Packs},
};

const FONT_TYPE: &str = "font/woff2";
const LICENSE_TYPE: &str = "text/plain; charset=utf-8";

/// A blob that a font adds to a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlob {
    /// Entry of the manifest.
    pub entry: ManifestBlob,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A manifest with its fonts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithFonts {
    /// The manifest. It lists `blobs`.
    pub manifest: Manifest,
    /// The files and licences of the fonts that were added.
    pub blobs: Vec<NewBlob>,
}

/// Returns language and characters of each text of a manifest: titles, compiled bodies, captions. `read` returns a blob.
pub fn texts_of<E>(
    manifest: &Manifest,
    mut read: impl FnMut(BlobHash) -> Result<Vec<u8>, E>,
) -> Result<Vec<(String, ForeignLetters)>, E> {
    #[derive(Deserialize)]
    struct Body {
        lang: String,
    }
    let lang = match &manifest.content {
        ManifestContent::Course { meta, .. } => &meta.lang,
        ManifestContent::Story { meta, .. } => &meta.lang,
    };
    let mut titles = ForeignLetters::default();
    titles.add(&serde_json::to_string(&manifest.content).unwrap_or_default());
    let mut texts = vec![(lang.clone(), titles)];
    for blob in &manifest.blobs {
        let is_body = blob.media_type.starts_with("application/json");
        if !is_body && !blob.media_type.starts_with("text/vtt") {
            continue;
        }
        let bytes = read(blob.hash)?;
        let mut letters = ForeignLetters::default();
        // Compiled bodies contain characters unescaped.
        letters.add(&String::from_utf8_lossy(&bytes));
        if letters.is_empty() {
            continue;
        }
        // Sections and stories name their language; quizzes, vocabulary and captions have that of the content.
        let own = serde_json::from_slice::<Body>(&bytes).ok().filter(|body| !body.lang.is_empty());
        texts.push((own.map_or_else(|| lang.clone(), |body| body.lang), letters));
    }
    Ok(texts)
}

/// Returns the manifest with the fonts that its texts need and that are in `packs`. Fonts that it lists already are
/// replaced if their family is in `packs`; otherwise they are kept. `read` returns a blob of the manifest.
pub fn with_fonts<E: From<PackError>>(
    manifest: &Manifest,
    packs: &Packs,
    read: impl FnMut(BlobHash) -> Result<Vec<u8>, E>,
) -> Result<WithFonts, E> {
    let mut out = WithFonts { manifest: manifest.clone(), blobs: Vec::new() };
    if packs.is_empty() {
        return Ok(out);
    }
    let is_installed = |font: &FontPack| packs.iter().any(|pack| pack.family == font.family);
    let removed: BTreeSet<BlobHash> =
        manifest.fonts.iter().filter(|f| is_installed(f)).flat_map(FontPack::blobs).collect();
    out.manifest.fonts.retain(|font| !is_installed(font));
    let kept: BTreeSet<BlobHash> = out.manifest.fonts.iter().flat_map(FontPack::blobs).collect();
    out.manifest.blobs.retain(|b| !removed.contains(&b.hash) || kept.contains(&b.hash));
    for (font, letters) in wanted(&texts_of(&out.manifest, read)?) {
        if let Some(pack) = packs.get(font) {
            add(&mut out, pack, &letters)?;
        }
    }
    if out.blobs.is_empty() && removed.is_empty() {
        return Ok(out);
    }
    out.manifest.fonts.sort_by(|a, b| a.family.cmp(&b.family));
    let listed: BTreeSet<BlobHash> = out.manifest.blobs.iter().map(|b| b.hash).collect();
    let added = out.blobs.iter().map(|b| b.entry.clone());
    out.manifest.blobs.extend(added.filter(|b| !listed.contains(&b.hash)));
    out.manifest.blobs.sort();
    out.manifest.blobs.dedup_by_key(|b| b.hash);
    let total = out.manifest.total_bytes();
    match &mut out.manifest.content {
        ManifestContent::Course { meta, .. } => meta.total_bytes = total,
        ManifestContent::Story { meta, .. } => meta.total_bytes = total,
    }
    Ok(out)
}

fn add(out: &mut WithFonts, pack: &Pack, letters: &ForeignLetters) -> Result<(), PackError> {
    let mut put = |bytes: Vec<u8>, media_type: &str| {
        let hash = BlobHash::of(&bytes);
        let entry =
            ManifestBlob { hash, size: bytes.len() as u64, media_type: media_type.to_owned() };
        out.blobs.push(NewBlob { entry, bytes });
        hash
    };
    let mut files = Vec::new();
    for file in pack.files.iter().filter(|file| letters.are_in(&file.parsed)) {
        let hash = put(pack.font(file)?, FONT_TYPE);
        files.push(FontFile { hash, ranges: file.ranges.clone() });
    }
    if files.is_empty() {
        return Ok(());
    }
    let license = put(pack.license()?, LICENSE_TYPE);
    out.manifest.fonts.push(FontPack {
        family: pack.family.clone(),
        weight: pack.weight.clone(),
        lang: pack.script.lang.to_owned(),
        license,
        files,
    });
    Ok(())
}
