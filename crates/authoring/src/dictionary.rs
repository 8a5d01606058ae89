//! The command that builds dictionary packs: from a word list of a school, or from WordNet's database files.
//!
//! Not here: the format and the rules of packs (`carrel-dictionary`).

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use carrel_dictionary::{
    BuildFault, BuildReport, Facts, build,
    source::{BadLine, Source, read_list, read_wordnet},
};
use carrel_model::{Slug, language_tag::language_tag};

/// Maximum number of bad lines that are printed.
const MAX_PRINTED: usize = 100;

/// Builds a dictionary pack, signed with the key of a server.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildDictionary {
    /// A word list (TSV or CSV, docs/BUNDLES.md), or the folder of WordNet's database files.
    pub from: PathBuf,
    /// The pack to write, `NAME.carrel`. By default `dictionaries/ID.carrel` in the data folder: the server offers the
    /// packs in this folder to its learners, also while it runs.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Data folder of the server whose key signs the pack.
    #[arg(long)]
    pub data: PathBuf,
    /// A pack replaces the installed pack with this id.
    #[arg(long)]
    pub id: Slug,
    #[arg(long)]
    pub name: String,
    /// Language tag of the words.
    #[arg(long)]
    pub lang: String,
    /// Language tag of the meanings; by default that of the words.
    #[arg(long)]
    pub gloss_lang: Option<String>,
    /// Licence, such as CC-BY-4.0.
    #[arg(long)]
    pub license: String,
    /// Where the words come from.
    #[arg(long)]
    pub source: String,
    /// Leave bad lines out instead of stopping.
    #[arg(long)]
    pub skip_bad_lines: bool,
}

impl BuildDictionary {
    /// Builds the pack. `key`: the file with the signing key in the data folder. `now_ms`: UTC, ms since 1970. Returns
    /// what was built as text, or why nothing was.
    pub fn run(&self, key: &Path, now_ms: i64) -> Result<String, String> {
        let secret = fs::read_to_string(key).map_err(|e| {
            format!("read {}: {e}; hint: start the server once, it creates its key", key.display())
        })?;
        let key = carrel_bundle::signing_key(secret.trim())
            .ok_or_else(|| format!("{} is not a signing key", key.display()))?;
        let tag = |text: &str| {
            language_tag(text)
                .map_err(|hint| format!("{text:?} is not a language tag; hint: {hint}"))
        };
        let lang = tag(&self.lang)?;
        let facts = Facts {
            id: self.id.clone(),
            name: self.name.clone(),
            gloss_lang: self.gloss_lang.as_deref().map_or(Ok(lang.clone()), tag)?,
            lang,
            license: self.license.clone(),
            source: self.source.clone(),
            made_ms: now_ms,
            skips_bad_lines: self.skip_bad_lines,
        };
        let out = self.out.clone().unwrap_or_else(|| {
            let folder = self.data.join(carrel_bundle::OFFERED_FOLDER);
            folder.join(format!("{}.carrel", self.id))
        });
        if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|e| format!("create {}: {e}", folder.display()))?;
        }
        match build(self.read()?, &facts, &key, &out) {
            Ok(report) => Ok(self.report(&out, &report)),
            Err(BuildFault::BadLines(bad)) => Err(format!(
                "{}nothing was written; hint: correct the {} lines, or pass --skip-bad-lines",
                self.lines(&bad),
                bad.len()
            )),
            Err(BuildFault::Pack(e)) => Err(format!("{e}; hint: {}", e.hint())),
            Err(e @ BuildFault::Empty) => Err(e.to_string()),
        }
    }

    fn read(&self) -> Result<Source, String> {
        let from = self.from.display();
        if self.from.is_dir() {
            return read_wordnet(&self.from).map_err(|e| format!("{e}; hint: {}", e.hint()));
        }
        let bytes = fs::read(&self.from).map_err(|e| format!("read {from}: {e}"))?;
        read_list(&bytes).map_err(|bad| format!("{from}:{}: {}", bad.line, bad.reason))
    }
    fn lines(&self, bad: &[BadLine]) -> String {
        let mut text = String::new();
        for line in bad.iter().take(MAX_PRINTED) {
            let _ = writeln!(text, "{}:{}: {}", self.from.display(), line.line, line.reason);
        }
        if bad.len() > MAX_PRINTED {
            let _ = writeln!(text, "... and {} more lines", bad.len() - MAX_PRINTED);
        }
        text
    }
    fn report(&self, out: &Path, report: &BuildReport) -> String {
        let BuildReport { entries, forms, bytes, skipped } = report;
        let left_out = if skipped.is_empty() { "" } else { ", left out lines: " };
        let count = if skipped.is_empty() { String::new() } else { skipped.len().to_string() };
        format!(
            "{}{}: {entries} entries, {forms} forms, {bytes} bytes{left_out}{count}",
            self.lines(skipped),
            out.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_list_becomes_a_signed_pack_or_a_list_of_bad_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut command = BuildDictionary {
            from: path("words.tsv"),
            out: Some(path("words.carrel")),
            data: dir.path().to_owned(),
            id: Slug::new("words").unwrap(),
            name: "Words".into(),
            lang: "sw".into(),
            gloss_lang: Some("en".into()),
            license: "CC0-1.0".into(),
            source: "the school".into(),
            skip_bad_lines: false,
        };
        let key = path("signing.key");
        fs::write(&command.from, "mto\tnomino\triver\tmito\nziwa\tnomino\n").unwrap();
        let refused = command.run(&key, 1).unwrap_err();
        assert!(refused.contains("signing.key") && refused.contains("hint:"), "{refused}");
        fs::write(&key, format!("{}\n", "07".repeat(32))).unwrap();
        let refused = command.run(&key, 1).unwrap_err();
        assert!(refused.contains("words.tsv:2: \"ziwa\" has no gloss"), "{refused}");
        assert!(!path("words.carrel").exists());
        command.skip_bad_lines = true;
        let built = command.run(&key, 1).unwrap();
        assert!(
            built.contains("1 entries, 1 forms") && built.ends_with("left out lines: 1"),
            "{built}"
        );
        command.lang = "swahili".into();
        assert!(command.run(&key, 1).unwrap_err().contains("not a language tag"));
    }
}
