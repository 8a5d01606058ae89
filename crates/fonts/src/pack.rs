//! Packs as folders: the npm packages of Fontsource, and their copies in the data folder of a server, which have the same
//! files as far as they are used.

use std::{
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use carrel_model::content::unicode_ranges;
use serde::Deserialize;

use crate::scripts::Script;

const METADATA: &str = "metadata.json";
const SUBSETS: &str = "unicode.json";
const LICENSE: &str = "LICENSE";
const FILES: &str = "files";
/// The only licence that is accepted.
const LICENSE_ID: &str = "OFL-1.1";
const WOFF2: &[u8] = b"wOF2";
/// How deep packages may be below a given folder: `node_modules/@fontsource-variable/noto-sans-thai`.
const MAX_DEPTH: u32 = 4;

/// Why a folder is not a usable pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file or folder cannot be read or written.
    #[error("{action} {path:?}: {source}")]
    Io {
        /// What failed, such as `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content of the package is unusable.
    #[error("{path:?}: {problem}; hint: install the package again with `npm ci`")]
    Unusable {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The folders contain no known package.
    #[error(
        "{0:?} contains no font package; hint: run `npm ci` in assets/fonts/packs and name its node_modules folder"
    )]
    NotFound(Vec<PathBuf>),
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_owned();
    move |source| PackError::Io { action, path, source }
}

/// A font with the files of one script.
#[derive(Debug, Clone)]
pub struct Pack {
    /// What the pack is for.
    pub script: &'static Script,
    /// Name of the family.
    pub family: String,
    /// Value of CSS `font-weight`.
    pub weight: String,
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<PackFile>,
}

#[derive(Debug, Clone)]
pub(crate) struct PackFile {
    pub name: String,
    pub ranges: String,
    pub parsed: Vec<RangeInclusive<u32>>,
    pub size: u64,
}

/// `metadata.json` of Fontsource.
#[derive(Deserialize)]
struct Metadata {
    id: String,
    family: String,
    license: LicenseName,
    #[serde(default)]
    variable: Variable,
}
#[derive(Deserialize)]
struct LicenseName {
    #[serde(rename = "type")]
    id: String,
}
#[derive(Deserialize, Default)]
#[serde(default)]
struct Variable {
    wght: Option<Axis>,
}
#[derive(Deserialize)]
struct Axis {
    min: String,
    max: String,
}

impl Pack {
    /// Reads the package in a folder. Returns `None` if the folder contains no package, or one of another font.
    fn read(folder: &Path) -> Result<Option<Self>, PackError> {
        let unusable = |problem: String| PackError::Unusable { path: folder.to_owned(), problem };
        let path = folder.join(METADATA);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(io_error("read", &path)(e)),
        };
        // Other software has files of this name too.
        let Ok(metadata) = serde_json::from_slice::<Metadata>(&text) else { return Ok(None) };
        let Some(script) = Script::of_font(&metadata.id) else { return Ok(None) };
        if metadata.license.id != LICENSE_ID {
            let found = &metadata.license.id;
            return Err(unusable(format!("the licence is {found:?}, expected {LICENSE_ID:?}")));
        }
        let axis = metadata.variable.wght.ok_or_else(|| {
            unusable(format!("not a variable font; expected @fontsource-variable/{}", metadata.id))
        })?;
        let is_weight = |text: &str| text.parse::<u16>().is_ok_and(|n| (1..=1000).contains(&n));
        if !is_weight(&axis.min) || !is_weight(&axis.max) {
            return Err(unusable(format!("invalid weights {:?} and {:?}", axis.min, axis.max)));
        }
        let path = folder.join(LICENSE);
        if !path.is_file() {
            return Err(unusable("the licence text is missing".to_owned()));
        }
        let path = folder.join(SUBSETS);
        let text = fs::read(&path).map_err(io_error("read", &path))?;
        let subsets: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&text).map_err(|e| unusable(format!("{SUBSETS}: {e}")))?;
        let mut files = Vec::new();
        for (subset, ranges) in subsets.iter().filter(|(subset, _)| script.has_subset(subset)) {
            let ranges = ranges.as_str().unwrap_or_default().to_owned();
            let parsed = unicode_ranges(&ranges)
                .ok_or_else(|| unusable(format!("{SUBSETS}: invalid ranges of {subset:?}")))?;
            let part = subset.trim_matches(['[', ']']);
            let name = format!("{}-{part}-wght-normal.woff2", metadata.id);
            let path = folder.join(FILES).join(&name);
            let size = fs::metadata(&path).map_err(io_error("read", &path))?.len();
            files.push(PackFile { name, ranges, parsed, size });
        }
        if files.is_empty() {
            return Err(unusable(format!("{SUBSETS} lists no subset {:?}", script.subset)));
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let weight = format!("{} {}", axis.min, axis.max);
        let folder = folder.to_owned();
        Ok(Some(Self { script, family: metadata.family, weight, folder, files }))
    }
    /// Returns the number of files and their size in bytes.
    pub fn size(&self) -> (usize, u64) {
        (self.files.len(), self.files.iter().map(|f| f.size).sum())
    }
    /// Reads a font file.
    pub(crate) fn font(&self, file: &PackFile) -> Result<Vec<u8>, PackError> {
        let path = self.folder.join(FILES).join(&file.name);
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        if !bytes.starts_with(WOFF2) {
            let problem = format!("{} is not a WOFF2 file", file.name);
            return Err(PackError::Unusable { path: self.folder.clone(), problem });
        }
        Ok(bytes)
    }
    /// Reads the licence.
    pub(crate) fn license(&self) -> Result<Vec<u8>, PackError> {
        let path = self.folder.join(LICENSE);
        fs::read(&path).map_err(io_error("read", &path))
    }

    /// Copies the used files to a folder. A copy that is interrupted leaves only a folder `*.part`, which is not read.
    fn copy_to(&self, to: &Path) -> Result<(), PackError> {
        let part = to.with_extension("part");
        if part.exists() {
            fs::remove_dir_all(&part).map_err(io_error("remove", &part))?;
        }
        let files = part.join(FILES);
        fs::create_dir_all(&files).map_err(io_error("create", &files))?;
        for name in [METADATA, SUBSETS, LICENSE] {
            let from = self.folder.join(name);
            fs::copy(&from, part.join(name)).map_err(io_error("copy", &from))?;
        }
        for file in &self.files {
            let path = files.join(&file.name);
            fs::write(&path, self.font(file)?).map_err(io_error("write", &path))?;
        }
        if to.exists() {
            fs::remove_dir_all(to).map_err(io_error("remove", to))?;
        }
        fs::rename(&part, to).map_err(io_error("rename", &part))
    }
}

/// The packs of a folder.
#[derive(Debug, Clone, Default)]
pub struct Packs(Vec<Pack>);

impl Packs {
    /// Reads the installed packs. A folder that does not exist contains none.
    ///
    /// # Errors
    /// A pack cannot be read or is unusable.
    pub fn installed(folder: &Path) -> Result<Self, PackError> {
        let mut packs = Vec::new();
        for path in folders_in(folder)? {
            if path.extension().is_none() {
                packs.extend(Pack::read(&path)?);
            }
        }
        packs.sort_by_key(|pack| pack.script.font);
        Ok(Self(packs))
    }
    /// Copies the packages below `sources` to the folder `installed`, replacing older ones. Returns the copied ones.
    ///
    /// # Errors
    /// There is no known package, one is unusable, or a file cannot be read or written.
    pub fn install(sources: &[PathBuf], installed: &Path) -> Result<Self, PackError> {
        let mut found: Vec<Pack> = Vec::new();
        for source in sources {
            find(source, MAX_DEPTH, &mut found)?;
        }
        if found.is_empty() {
            return Err(PackError::NotFound(sources.to_vec()));
        }
        found.sort_by_key(|pack| pack.script.font);
        found.dedup_by_key(|pack| pack.script.font);
        for pack in &found {
            pack.copy_to(&installed.join(pack.script.font))?;
        }
        Ok(Self(found))
    }
    /// Returns the packs, by font.
    pub fn iter(&self) -> impl Iterator<Item = &Pack> {
        self.0.iter()
    }
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Returns the pack of a font.
    pub fn get(&self, font: &str) -> Option<&Pack> {
        self.0.iter().find(|pack| pack.script.font == font)
    }
}

/// Adds the package in a folder, or else those in the folders below.
fn find(folder: &Path, depth: u32, found: &mut Vec<Pack>) -> Result<(), PackError> {
    if let Some(pack) = Pack::read(folder)? {
        found.push(pack);
    } else if depth > 0 {
        for path in folders_in(folder)? {
            find(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Returns the folders in a folder, sorted; none if it does not exist.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, PackError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_error("read", folder)(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error("read", folder))?.path();
        if path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
