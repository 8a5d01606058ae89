//! The files that carry courses and work where there is no network (docs/CABLE.md): their exact shape, written and read.
//!
//! A file is a frame (`frame`) around a head in JSON, and bytes whose lengths and hashes the head names. Nothing is packed, so nothing
//! can unpack to more than it is; nothing has a name, so no name can lead anywhere. Everything is proved while it is read.
//!
//! Not here: where blobs and rows are kept, whom to trust, and what a learner is asked (`carrel_client::cable`, the server's commands).

mod course;
mod fault;
mod frame;
mod key;
mod work;

pub use course::{COURSE_FORMAT, CarriedCourse, CourseHead, Parcel, pour};
pub use fault::{Fault, Result};
pub use frame::{HEAD_LIMIT, MAGIC, PREFIX, frame};
pub use key::{fingerprint, hex, signing_key, unhex};
pub use work::{WORK_FORMAT, Work, WorkDevice, WorkHead, WorkLearner};

use std::io::Read;

/// What a file turned out to carry. Of a course file the blobs are still to be read.
#[derive(Debug)]
pub enum Carried {
    Courses(Parcel),
    Work(Work),
}

/// Reads a file as far as it can be judged without its blobs: the head, every signature, every length; all of a work file.
/// `len` is the length of the whole file.
pub fn open(from: &mut impl Read, len: u64) -> Result<Carried> {
    let head = frame::read(from, len)?;
    match frame::format_of(&head)? {
        frame::Format::Course => Ok(Carried::Courses(Parcel::from_head(&head, len)?)),
        frame::Format::Work => Ok(Carried::Work(Work::from_head(head, from, len)?)),
    }
}
