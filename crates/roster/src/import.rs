//! Imports a file of any format that this crate reads.

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

use crate::{
    Result,
    directory::Directory,
    oneroster, people_file,
    problem::FileError,
    reconcile::{Options, Reconciler, Sink, Summary, check_full},
    records::Record,
    table::Source,
};

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A list of people or of classes.
    Table,
    /// A OneRoster CSV bundle (zip).
    OneRoster,
}

struct Whole<'i, R>(&'i mut R);

impl<R: Read + Seek> Source for Whole<'_, R> {
    fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        self.0.seek(SeekFrom::Start(0))?;
        Ok(Box::new(&mut *self.0))
    }
}

/// Compares a file with the stored people. Passes differences and problems to the sink; nothing is stored.
///
/// Which of the entries are applied follows from the summary ([`Summary::verdict`]), so they are kept until the end.
///
/// # Errors
/// The file cannot be read as a whole, or the directory or the sink fails. Then no entry may be applied.
pub fn import<R: Read + Seek>(
    input: &mut R,
    directory: &dyn Directory,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<(Format, Summary)> {
    let mut start = [0; 4];
    input.seek(SeekFrom::Start(0)).map_err(FileError::from)?;
    let length = read_start(input, &mut start).map_err(FileError::from)?;
    let mut reconciler = Reconciler::new(directory, options, sink)?;
    if start[..length] == *b"PK\x03\x04" {
        let archive = ZipArchive::new(&mut *input).map_err(|e| FileError::Zip(e.to_string()))?;
        let mut bundle = oneroster::Bundle::open(archive)?;
        check_full(options, bundle.is_delta())?;
        let is_course = |course: &carrel_model::Slug| directory.has_course(course).unwrap_or(false);
        let has_enrolments = bundle.has_enrolments();
        bundle.read(&options.today, options.encoding, &is_course, &mut |record| {
            reconciler.record(record)
        })?;
        return Ok((Format::OneRoster, reconciler.finish(has_enrolments)?));
    }
    let mut names_classes = false;
    people_file::read(&mut Whole(input), options.encoding, &mut |record| {
        names_classes |= matches!(&record, Record::Person(person) if !person.classes.is_empty());
        reconciler.record(record)
    })?;
    Ok((Format::Table, reconciler.finish(names_classes)?))
}

fn read_start(input: &mut dyn Read, start: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < start.len() {
        match input.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}

/// Returns the day of a time in ms since 1970, in UTC, for [`Options::today`].
pub fn utc_day(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(at).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_in_rosters() {
        assert_eq!(utc_day(0), "1970-01-01");
        assert_eq!(utc_day(1_790_000_000_000), "2026-09-21");
        assert_eq!(utc_day(-1), "1969-12-31");
    }
}
