//! Imports one file: converts it, compiles the package, and replaces what the compiler refuses.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use carrel_model::language_tag::language_tag;
use carrel_package::{Limits, Package, Problem, Severity, catch_panic, find_as};

use crate::course::{Course, Draft, media::MediaFolder, repair, write};
use crate::detect::Format;
use crate::error::{Refusal, Result};
use crate::ids::id_of;
use crate::remark::RemarkCode;
use crate::report::{Report, SOURCE_FORMAT};
use crate::text::encoding::{MAX_TEXT_BYTES, declared_encoding, decode};
use crate::{
    aiken,
    anki::{self, ImportedReview},
    epub, gift, moodle,
    question::bank,
};

/// What the person who imports decides.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// BCP 47 tag of a file that does not state its language.
    pub lang: Option<String>,
    /// Licence of the course, instead of what the file states.
    pub license: Option<String>,
    /// Title instead of the file's.
    pub title: Option<String>,
    /// Also reads the reviews of an Anki package, which are personal.
    pub reviews: bool,
    /// Start of the id of the course, to keep it apart from that of another import of the file: at most 8 bytes of a
    /// slug.
    pub id_prefix: &'static str,
}

/// A compiled import.
#[derive(Debug)]
pub struct Imported<T> {
    /// What the compile function returned.
    pub compiled: T,
    pub report: Report,
    /// Reviews of the words, if they were asked for.
    pub reviews: Vec<ImportedReview>,
    /// Number of reviews in the file, also if they were not asked for.
    pub review_count: usize,
}

/// Why a file was not imported.
#[derive(Debug)]
pub struct Failure {
    pub problems: Vec<Problem>,
    /// The report, if the file could be converted.
    pub report: Option<Box<Report>>,
}

/// Language of a file that does not state one.
const DEFAULT_LANG: &str = "en";
/// Number of times that refused parts are replaced.
const MAX_REPAIRS: usize = 8;

/// Imports a file. `compile` compiles the package; it is called again after parts that it refused were replaced.
///
/// # Errors
///
/// The problems of the file: it is damaged, hostile, empty or protected, or it exceeds a limit.
pub fn import<T>(
    path: &Path,
    format: Format,
    options: &Options,
    compile: &mut dyn FnMut(&Package) -> std::result::Result<T, Vec<Problem>>,
) -> std::result::Result<Imported<T>, Failure> {
    let name = path.display().to_string();
    let fail =
        |refusal: Refusal| Failure { problems: vec![refusal.into_problem(&name)], report: None };
    let folder = tempfile::tempdir().map_err(|e| fail(e.into()))?;
    // A fault of a parser must not end the import of other files.
    let converted = catch_panic(&name, || {
        convert(path, format, options, folder.path()).map_err(|e| vec![e.into_problem(&name)])
    });
    let ConvertedFile { mut draft, media, reviews, review_count } =
        converted.map_err(|problems| Failure { problems, report: None })?;
    let mut broken = BTreeSet::new();
    for _ in 0..=MAX_REPAIRS {
        write::write(folder.path(), &draft.course, &draft.report, &broken).map_err(&fail)?;
        let found = find_as(folder.path(), &name, &Limits::default())
            .map_err(|problems| Failure { problems, report: None })?;
        let Some(package) = found.packages.first() else { break };
        let problems = match compile(package) {
            Ok(compiled) => {
                return Ok(Imported { compiled, report: draft.report, reviews, review_count });
            }
            Err(problems) => problems,
        };
        let errors: Vec<Problem> =
            problems.iter().filter(|p| p.severity == Severity::Error).cloned().collect();
        let is_repaired = repair::repair(&mut draft, &media, &mut broken, &errors);
        if !is_repaired || draft.course.lessons.iter().all(|lesson| lesson.sections.is_empty()) {
            return Err(Failure { problems, report: Some(Box::new(draft.report)) });
        }
    }
    let refusal = Refusal::new(
        "internal",
        "the converted package cannot be compiled",
        "report this error with the file",
    );
    Err(Failure {
        problems: vec![refusal.into_problem(&name)],
        report: Some(Box::new(draft.report)),
    })
}

/// A converted file: the course, its media, which are in the folder already, and reviews.
struct ConvertedFile {
    draft: Draft,
    media: MediaFolder,
    reviews: Vec<ImportedReview>,
    review_count: usize,
}

fn convert(path: &Path, format: Format, options: &Options, root: &Path) -> Result<ConvertedFile> {
    let mut source = SourceFile::open(path, format)?;
    let lang = match &options.lang {
        Some(lang) => Some(language_tag(lang).map_err(|hint| {
            let message = format!("{lang:?} is not a language tag: {hint}");
            Refusal::new("bad-lang", message, "write en, fr or pt-BR")
        })?),
        None => None,
    };
    let mut media = MediaFolder::new(root)?;
    let mut course = Course {
        title: source.stem.clone(),
        lang: lang.clone().unwrap_or_else(|| DEFAULT_LANG.to_owned()),
        ..Course::default()
    };
    if let Some(title) = &options.title {
        course.title.clone_from(title);
    }
    course.id = id_of(&source.stem, &format!("{}:{}", format.as_str(), source.stem));
    let (mut reviews, mut review_count) = (Vec::new(), 0);
    match format {
        Format::Gift => {
            let bank = gift::parse(&source.text()?);
            bank::add(bank, &mut course, &mut source.report, &mut media)?;
        }
        Format::Aiken => {
            let bank = aiken::parse(&source.text()?);
            bank::add(bank, &mut course, &mut source.report, &mut media)?;
        }
        Format::MoodleXml => {
            let bank = moodle::parse(&source.text()?, &course.lang)?;
            bank::add(bank, &mut course, &mut source.report, &mut media)?;
        }
        Format::Anki => {
            let archive = anki::archive::open(path)?;
            let collection = anki::collection::read(&archive.database, options.reviews)?;
            let words = anki::words::add(
                &archive,
                &collection,
                &mut course,
                &mut source.report,
                &mut media,
            )?;
            reviews = anki::read_reviews(&collection, &words);
            review_count = collection.review_count;
        }
        Format::Epub => {
            epub::book::add(path, lang.as_deref(), &mut course, &mut source.report, &mut media)?;
        }
    }
    if lang.is_none() && !format.states_language() {
        source.report.note(RemarkCode::NoLanguage.with("lang", DEFAULT_LANG));
    }
    if let Some(license) = &options.license {
        course.license.clone_from(license);
    }
    course.id.insert_str(0, options.id_prefix);
    let draft = Draft { course, report: source.report };
    Ok(ConvertedFile { draft, media, reviews, review_count })
}

/// The file that is imported.
struct SourceFile {
    path: PathBuf,
    /// Name without the extension.
    stem: String,
    report: Report,
}

impl SourceFile {
    fn open(path: &Path, format: Format) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        std::io::copy(&mut fs::File::open(path)?, &mut hasher)?;
        let name = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let report = Report {
            format: SOURCE_FORMAT.to_owned(),
            source_format: format.as_str().to_owned(),
            source_version: String::new(),
            file: name(path.file_name()),
            hash: hasher.finalize().to_hex().to_string(),
            notes: Vec::new(),
            remarks: Vec::new(),
            items: Vec::new(),
        };
        Ok(Self { path: path.to_owned(), stem: name(path.file_stem()), report })
    }

    /// Returns the text of the file, and notes a guessed encoding.
    fn text(&mut self) -> Result<String> {
        let size = fs::metadata(&self.path)?.len();
        if size > MAX_TEXT_BYTES {
            return Err(Refusal::limit(format!(
                "the file has {size} bytes; {MAX_TEXT_BYTES} are allowed for a text"
            )));
        }
        let bytes = fs::read(&self.path)?;
        if bytes.is_empty() {
            return Err(Refusal::empty("the file is empty"));
        }
        let decoded = decode(&bytes, declared_encoding(&bytes).as_deref())?;
        if let Some(note) = decoded.note {
            self.report.note(note);
        }
        Ok(decoded.text)
    }
}
