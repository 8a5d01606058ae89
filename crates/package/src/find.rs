//! What a path holds: a package, a library of packages, or a folder in the Global Storybooks layout.
//!
//! Not here: reading what the packages say.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use crate::{
    paths,
    problem::{Problem, one},
    source::{Limits, Source},
};

/// One thing to compile.
#[derive(Debug, Clone)]
pub struct Package {
    pub(crate) source: Arc<Source>,
    /// The package's top inside the source, `""` for the source's own top.
    pub(crate) folder: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Course,
    Story,
    /// One text of a Global Storybooks folder.
    Storybook(Storybook),
}

/// `text/NNNN/LANG__NNNN_title.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storybook {
    /// Four digits.
    pub number: String,
    /// As the file name spells it: `en`, `ha-ne`, `tw-akua`.
    pub lang: String,
    /// The text, relative to the package's top.
    pub file: String,
}

impl Package {
    /// How the package is called in messages: the path that was given, and the folder or file inside it.
    pub fn name(&self) -> String {
        let inside = match &self.kind {
            Kind::Storybook(book) if self.folder.is_empty() => book.file.clone(),
            Kind::Storybook(book) => format!("{}/{}", self.folder, book.file),
            _ => self.folder.clone(),
        };
        if inside.is_empty() {
            self.source.shown.clone()
        } else {
            format!("{}/{inside}", self.source.shown)
        }
    }
    /// True for a course, false for a story.
    pub fn is_course(&self) -> bool {
        self.kind == Kind::Course
    }
}

/// Opens a path and lists its packages in the order of their names. The path may be a package, a zip, a folder of packages (at any
/// depth), or a Global Storybooks folder (`text/ images/ audio/`).
pub fn find(path: &Path, limits: &Limits) -> Result<Vec<Package>, Vec<Problem>> {
    // The file that marks a package stands for its folder.
    let is_mark =
        path.is_file() && path.file_name().is_some_and(|n| n == "course.json" || n == "story.json");
    let path = match path.parent() {
        Some(parent) if is_mark && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if is_mark => parent,
        _ => path,
    };
    let source = Arc::new(Source::open(path, limits)?);
    let packages = packages_of(&source);
    if packages.is_empty() {
        let what = if source.is_zip { "the zip" } else { "the folder" };
        let message = format!("{what} has no course.json and no story.json");
        let hint = "docs/PACKAGE.md says how a package begins; a zip of a package has course.json at its top or in one folder";
        return Err(vec![one(&source.shown, "no-package", message, hint)]);
    }
    Ok(packages)
}

fn packages_of(source: &Arc<Source>) -> Vec<Package> {
    let mut marks: Vec<(&str, Kind)> = Vec::new();
    for path in source.files.keys() {
        match path.rsplit('/').next() {
            Some("course.json") => marks.push((paths::parent(path), Kind::Course)),
            Some("story.json") => marks.push((paths::parent(path), Kind::Story)),
            _ => {}
        }
    }
    // Shallow first, so that a course takes the stories inside it; a course wins over a story of the same folder.
    marks.sort_by_key(|(folder, kind)| {
        (
            if folder.is_empty() { 0 } else { folder.split('/').count() },
            *folder,
            *kind != Kind::Course,
        )
    });
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let inside = |taken: &BTreeSet<String>, path: &str| {
        let mut at = path;
        loop {
            if taken.contains(at) {
                return true;
            }
            if at.is_empty() {
                return false;
            }
            at = paths::parent(at);
        }
    };
    let mut packages = Vec::new();
    for (folder, kind) in marks {
        if !inside(&taken, folder) {
            taken.insert(folder.to_owned());
            packages.push(Package { source: Arc::clone(source), folder: folder.to_owned(), kind });
        }
    }
    for path in source.files.keys() {
        if let Some((folder, book)) = storybook(path)
            && !inside(&taken, folder)
        {
            packages.push(Package {
                source: Arc::clone(source),
                folder: folder.to_owned(),
                kind: Kind::Storybook(book),
            });
        }
    }
    let key = |p: &Package| match &p.kind {
        Kind::Storybook(book) => {
            (p.folder.clone(), book.number.clone(), book.lang.clone(), book.file.clone())
        }
        _ => (p.folder.clone(), String::new(), String::new(), String::new()),
    };
    packages.sort_by_cached_key(key);
    packages
}

/// Reads `.../text/0001/en__0001_a-very-tall-man.md`.
fn storybook(path: &str) -> Option<(&str, Storybook)> {
    let (rest, name) = path.rsplit_once('/')?;
    let (rest, number) = rest.rsplit_once('/').unwrap_or(("", rest));
    let folder = match rest.rsplit_once('/') {
        Some((folder, "text")) => folder,
        None if rest == "text" => "",
        _ => return None,
    };
    let (lang, title) = name.strip_suffix(".md")?.split_once("__")?;
    let digits = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    let language = !lang.is_empty() && lang.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let file = path.strip_prefix(folder)?.trim_start_matches('/').to_owned();
    (digits && language && title.split('_').next() == Some(number))
        .then(|| (folder, Storybook { number: number.to_owned(), lang: lang.to_owned(), file }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storybook_names() {
        let (folder, book) = storybook("a/b/text/0001/ha-ne__0001_wani.md").unwrap();
        assert_eq!((folder, book.number.as_str(), book.lang.as_str()), ("a/b", "0001", "ha-ne"));
        assert_eq!(book.file, "text/0001/ha-ne__0001_wani.md");
        assert_eq!(storybook("text/0001/en__0001_x.md").unwrap().0, "");
        for no in [
            "text/0001/en__0002_x.md",
            "text/1/en__1_x.md",
            "images/0001/en__0001_x.md",
            "text/0001/README.md",
        ] {
            assert!(storybook(no).is_none(), "{no}");
        }
    }
}
