//! Imports files of other programs: GIFT, Aiken and Moodle XML questions, Anki packages, EPUB books.
//!
//! A file is converted to a course package (docs/PACKAGE.md) in a temporary folder, which the compiler of
//! `carrel-package` compiles like any other, so that its limits, checks and sanitisers apply (docs/adr/0026). The
//! package contains a report that accounts for every item of the file. Each module uses only those before it: `error`,
//! `remark`, `report`, `ids`, `text`, `html`, `xml`, `course`, `question`, the formats, `detect`, `import`.
//!
//! Not here: publishing and storing reports (the server).

mod aiken;
mod anki;
mod course;
mod detect;
mod epub;
mod error;
mod gift;
mod html;
mod ids;
mod import;
mod moodle;
mod question;
mod remark;
mod report;
mod text;
mod xml;

pub use anki::ImportedReview;
pub use detect::{Format, detect};
pub use error::PROBLEM_CODES;
pub use import::{Failure, Imported, Options, import};
pub use remark::{Remark, RemarkCode};
pub use report::{Item, Level, Report, SOURCE_FORMAT};

/// The parsed questions of a text file, for comparisons with other readers of the formats.
pub mod questions {
    pub use crate::aiken::parse as parse_aiken;
    pub use crate::gift::parse as parse_gift;
    pub use crate::question::{
        Answer, Bank, ClozeGap, EmbeddedFile, Kind, Number, NumericAnswer, Pair, Question,
        Rejected, Text, TextFormat,
    };
}

/// Licence of a course whose file states none; the server does not publish it without another one.
pub use course::write::UNKNOWN_LICENSE;
