//! Tables of text (CSV): encodings, separators, quoted cells, the row of headings.
//!
//! The input is read twice: first to learn its encoding, then row by row, so that no more than a row is in memory.
//!
//! Not here: what the columns mean.

mod encoding;
mod rows;

use std::io::{self, Read};

pub use encoding::Encoding;
pub(crate) use rows::Row;

use crate::problem::FileError;
use encoding::{Decoder, SAMPLE_BYTES, Scan};
use rows::Rows;

/// Maximum length of a cell in bytes of UTF-8.
pub const MAX_CELL: usize = 10_000;

/// Maximum number of columns.
pub const MAX_COLUMNS: usize = 500;

/// Maximum number of rows of a file.
pub(crate) const MAX_ROWS: u64 = 5_000_000;

/// Number of rows among which the headings are searched: programs write titles and dates above them.
const HEAD_ROWS: usize = 20;

/// An input that is read several times.
pub(crate) trait Source {
    /// Returns the input from its start.
    fn reader(&mut self) -> io::Result<Box<dyn Read + '_>>;
}

/// A table whose headings were read.
pub(crate) struct Table<'a> {
    /// Headings by column, without outer spaces.
    pub headings: Vec<String>,
    /// Name of the encoding, if it was guessed.
    pub guessed: Option<&'static str>,
    rows: Rows<Box<dyn Read + 'a>>,
    count: u64,
}

/// The form of a table: what its first rows show.
struct Form {
    encoding: &'static encoding_rs::Encoding,
    separator: u8,
    /// Index of the row of headings among the rows that are not blank.
    headings_at: usize,
    score: usize,
    columns: usize,
}

impl<'a> Table<'a> {
    /// Opens a table. `score` returns how many headings a row contains; the row with the most of them is that of the
    /// headings. `encoding`: stated by the person who imports; otherwise it is detected.
    ///
    /// # Errors
    /// The input is empty, no text, or has no headings.
    pub fn open(
        source: &'a mut dyn Source,
        encoding: Option<Encoding>,
        score: &dyn Fn(&[&str]) -> usize,
    ) -> Result<Self, FileError> {
        let scan = Scan::of(&mut source.reader()?, encoding)?;
        let mut best: Option<Form> = None;
        for encoding in scan.candidates.iter().copied() {
            for form in forms(&scan.sample, encoding, score) {
                let is_better = best
                    .as_ref()
                    .is_none_or(|best| (form.score, form.columns) > (best.score, best.columns));
                if is_better {
                    best = Some(form);
                }
            }
        }
        let form = best.filter(|form| form.score > 0);
        let Some(form) = form else {
            return Err(FileError::NoHeadings { first: first_row(&scan) });
        };
        let mut rows = Rows::new(Decoder::new(source.reader()?, form.encoding), form.separator);
        let mut headings = Vec::new();
        for _ in 0..=form.headings_at {
            let Some(row) = rows.next_filled()? else { break };
            headings = row.cells().map(|cell| crate::cells::trimmed(cell).to_owned()).collect();
        }
        let guessed = scan.is_guess.then(|| encoding::name(form.encoding));
        Ok(Self { headings, guessed, rows, count: 0 })
    }

    /// Returns true if bytes were read so far that are no letter of the encoding.
    pub fn is_damaged(&self) -> bool {
        self.rows.is_damaged()
    }

    /// Returns the next row that is not blank.
    pub fn next_row(&mut self) -> Result<Option<&Row>, FileError> {
        self.count += 1;
        if self.count > MAX_ROWS {
            return Err(FileError::TooManyRows { max: MAX_ROWS });
        }
        self.rows.next_filled()
    }
}

/// Returns the form with each separator.
fn forms<'s>(
    sample: &'s [u8],
    encoding: &'static encoding_rs::Encoding,
    score: &'s dyn Fn(&[&str]) -> usize,
) -> impl Iterator<Item = Form> + 's {
    b",;\t|".iter().map(move |separator| {
        let mut form =
            Form { encoding, separator: *separator, headings_at: 0, score: 0, columns: 0 };
        let mut rows = Rows::new(Decoder::new(sample, encoding), *separator);
        for at in 0..HEAD_ROWS {
            // The sample may end within a cell.
            let Ok(Some(row)) = rows.next_filled() else { break };
            let cells: Vec<&str> = row.cells().map(crate::cells::trimmed).collect();
            let found = score(&cells);
            if found > form.score {
                form.score = found;
                form.headings_at = at;
                form.columns = cells.len();
            }
        }
        form.separator = rows.separator();
        form
    })
}

fn first_row(scan: &Scan) -> String {
    let Some(encoding) = scan.candidates.first().copied() else { return String::new() };
    let mut rows = Rows::new(Decoder::new(scan.sample.as_slice(), encoding), b',');
    let row = rows.next_filled().ok().flatten();
    let text: Vec<&str> = row.map(|row| row.cells().collect()).unwrap_or_default();
    text.join(",").chars().take(100).collect()
}

const _: () = assert!(MAX_CELL < SAMPLE_BYTES);
