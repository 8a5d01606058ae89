//! Reads and writes bundles: files that transfer courses or a learner's work without a network. See docs/BUNDLES.md.
//!
//! A file is a frame (`frame`) with a JSON header, followed by blobs or rows. Their lengths and hashes are in the
//! header. Nothing is compressed, so a file cannot expand when it is read. It contains no file names, so there is no
//! path traversal. All data is verified while it is read.
//!
//! Not here: where blobs and rows are stored, and which keys are trusted (`carrel_client::bundle`, the server's
//! commands).

mod course;
mod dictionary;
mod fault;
mod frame;
mod key;
mod offered;
mod work;

pub use course::{BundledCourse, COURSE_FORMAT, CourseBundle, CourseHeader, copy_verified};
pub use dictionary::{
    DICTIONARY_FORMAT, DictionaryBundle, DictionaryFacts, DictionaryHeader, MAX_DICTIONARY_BYTES,
};
pub use fault::{Fault, Result};
pub use frame::{MAGIC, MAX_HEADER_BYTES, PREFIX_BYTES, frame};
pub use key::{fingerprint, signing_key};
pub use offered::{MAX_OFFERED, OFFERED_FOLDER, OfferedList, OfferedPack, OfferedPacks};
pub use work::{WORK_FORMAT, WorkBundle, WorkDevice, WorkHeader, WorkLearner};

use std::io::Read;

/// The contents of a file. The blobs of a course file and the database of a dictionary file are read separately.
#[derive(Debug)]
pub enum Bundle {
    Courses(CourseBundle),
    Work(WorkBundle),
    Dictionary(DictionaryBundle),
}

/// Reads and checks a file: a work file completely, a course file except its blobs, a dictionary except its database.
/// `len` is the length of the whole file in bytes.
pub fn open(from: &mut impl Read, len: u64) -> Result<Bundle> {
    let header = frame::read(from, len)?;
    match frame::format_of(&header)? {
        frame::Format::Course => Ok(Bundle::Courses(CourseBundle::from_header(&header, len)?)),
        frame::Format::Dictionary => {
            Ok(Bundle::Dictionary(DictionaryBundle::from_header(&header, len)?))
        }
        frame::Format::Work => Ok(Bundle::Work(WorkBundle::from_header(header, from, len)?)),
    }
}
