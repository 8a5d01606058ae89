//! Rows of cells: quoted cells with separators and line ends, all line ends, and lenient quotes.

use std::io::Read;

use super::{MAX_CELL, MAX_COLUMNS, encoding::Decoder};
use crate::problem::{FileError, Reason};

/// A row. Its buffers are used again for the next row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Line at which the row starts.
    pub line: u64,
    text: String,
    ends: Vec<usize>,
    /// Problem of a cell, by its column.
    pub problems: Vec<(usize, Reason)>,
}

impl Row {
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.cell(at))
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the cell of a column; empty after the last one.
    pub fn cell(&self, column: usize) -> &str {
        let Some(end) = self.ends.get(column) else { return "" };
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..*end]
    }

    fn is_blank(&self) -> bool {
        self.problems.is_empty() && crate::cells::trimmed(&self.text).is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first character of a cell.
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted cell, and this number of spaces.
    Quote(usize),
}

pub(super) struct Rows<R> {
    decoder: Decoder<R>,
    separator: u8,
    chunk: Vec<u8>,
    position: usize,
    line: u64,
    /// The last byte was CR.
    after_cr: bool,
    is_first: bool,
    row: Row,
    /// Bytes of the row; UTF-8.
    bytes: Vec<u8>,
    /// The rest of the cell is dropped.
    is_cut: bool,
}

impl<R: Read> Rows<R> {
    pub fn new(decoder: Decoder<R>, separator: u8) -> Self {
        Self {
            decoder,
            separator,
            chunk: Vec::new(),
            position: 0,
            line: 1,
            after_cr: false,
            is_first: true,
            row: Row::default(),
            bytes: Vec::new(),
            is_cut: false,
        }
    }

    /// Returns the separator: that of the constructor, or of a line `sep=;`.
    pub fn separator(&self) -> u8 {
        self.separator
    }

    pub fn is_damaged(&self) -> bool {
        self.decoder.is_damaged()
    }

    /// Returns the next row with a cell that is not blank. A first line `sep=;` states the separator.
    pub fn next_filled(&mut self) -> Result<Option<&Row>, FileError> {
        loop {
            let is_first = std::mem::take(&mut self.is_first);
            if !self.read_row()? {
                return Ok(None);
            }
            if is_first && let Some(separator) = stated_separator(&self.row.text, self.separator) {
                self.separator = separator;
                continue;
            }
            if !self.row.is_blank() {
                return Ok(Some(&self.row));
            }
        }
    }

    fn next_byte(&mut self) -> Result<Option<u8>, FileError> {
        loop {
            if let Some(byte) = self.chunk.get(self.position) {
                self.position += 1;
                return Ok(Some(*byte));
            }
            self.position = 0;
            if !self.decoder.next_chunk(&mut self.chunk)? {
                return Ok(None);
            }
        }
    }

    /// Reads a row. Returns false at the end of the input.
    fn read_row(&mut self) -> Result<bool, FileError> {
        self.bytes.clear();
        self.row.ends.clear();
        self.row.problems.clear();
        self.row.line = self.line;
        let mut at = At::Start;
        let (mut cell_start, mut cell_line) = (0, self.line);
        let mut is_started = false;
        loop {
            let Some(byte) = self.next_byte()? else {
                if matches!(at, At::Quoted) {
                    return Err(FileError::OpenQuote { line: cell_line });
                }
                if !is_started {
                    return Ok(false);
                }
                break;
            };
            let is_second = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            if is_second {
                // The second byte of CRLF.
                if !is_started {
                    self.row.line = self.line;
                }
                continue;
            }
            is_started = true;
            let is_line_end = matches!(byte, b'\n' | b'\r');
            self.line += u64::from(is_line_end);
            let is_end = is_line_end || byte == self.separator;
            match at {
                At::Start if byte == b'"' => at = At::Quoted,
                At::Start if byte == b' ' => {}
                At::Start | At::Plain if !is_end => {
                    self.push(byte, cell_start);
                    at = At::Plain;
                }
                At::Quoted if byte == b'"' => at = At::Quote(0),
                At::Quoted => self.push(if byte == b'\r' { b'\n' } else { byte }, cell_start),
                At::Quote(0) if byte == b'"' => {
                    self.push(b'"', cell_start);
                    at = At::Quoted;
                }
                At::Quote(spaces) if byte == b' ' => at = At::Quote(spaces + 1),
                At::Quote(spaces) if !is_end => {
                    self.push(b'"', cell_start);
                    for _ in 0..spaces.min(MAX_CELL) {
                        self.push(b' ', cell_start);
                    }
                    self.problem(Reason::TextAfterQuote);
                    if byte == b'"' {
                        at = At::Quote(0);
                    } else {
                        self.push(byte, cell_start);
                        at = At::Quoted;
                    }
                }
                At::Start | At::Plain | At::Quote(_) => {
                    self.end_cell(&mut cell_start);
                    at = At::Start;
                    cell_line = self.line;
                    if is_line_end {
                        self.finish();
                        return Ok(true);
                    }
                }
            }
        }
        self.end_cell(&mut cell_start);
        self.finish();
        Ok(true)
    }

    /// Adds a byte to a cell, unless the cell is too long or has no column.
    fn push(&mut self, byte: u8, cell_start: usize) {
        if self.row.ends.len() >= MAX_COLUMNS {
            return;
        }
        // Not within a character.
        self.is_cut |= self.bytes.len() - cell_start >= MAX_CELL && byte & 0xc0 != 0x80;
        if self.is_cut {
            self.problem(Reason::TooLong { max: MAX_CELL });
            return;
        }
        self.bytes.push(byte);
    }

    fn problem(&mut self, reason: Reason) {
        let column = self.row.ends.len();
        if self.row.problems.last() != Some(&(column, reason.clone()))
            && self.row.problems.len() < 10
        {
            self.row.problems.push((column, reason));
        }
    }

    fn end_cell(&mut self, cell_start: &mut usize) {
        self.is_cut = false;
        if self.row.ends.len() >= MAX_COLUMNS {
            let max = MAX_COLUMNS;
            if !self.row.problems.iter().any(|(_, r)| *r == Reason::TooManyColumns { max }) {
                self.row.problems.push((MAX_COLUMNS, Reason::TooManyColumns { max }));
            }
            return;
        }
        let cell = &self.bytes[*cell_start..];
        let is_open = cell.contains(&b'\n')
            && self.row.problems.contains(&(self.row.ends.len(), Reason::TextAfterQuote));
        if is_open {
            self.row.problems.push((self.row.ends.len(), Reason::UnclosedQuote));
        }
        *cell_start = self.bytes.len();
        self.row.ends.push(*cell_start);
    }

    /// Makes the bytes the text of the row.
    fn finish(&mut self) {
        self.row.text.clear();
        // The decoder writes UTF-8, and cells are cut between characters.
        self.row.text.push_str(std::str::from_utf8(&self.bytes).unwrap_or_default());
        if self.row.text.len() != self.bytes.len() {
            self.row.ends.clear();
        }
    }
}

/// Returns the separator of a line `sep=;`, which spreadsheets read. If the line was split at it, the rest is empty.
fn stated_separator(line: &str, current: u8) -> Option<u8> {
    match crate::cells::trimmed(line).to_ascii_lowercase().strip_prefix("sep=")?.as_bytes() {
        [] => Some(current),
        [separator @ (b',' | b';' | b'\t' | b'|')] => Some(*separator),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::UTF_8;

    use super::*;

    type Parsed = Vec<(u64, Vec<String>)>;

    fn rows(text: &str) -> Result<(Parsed, Vec<Reason>), FileError> {
        let mut rows = Rows::new(Decoder::new(text.as_bytes(), UTF_8), b',');
        let (mut out, mut problems) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next_filled()? {
            out.push((row.line, row.cells().map(str::to_owned).collect()));
            problems.extend(row.problems.iter().map(|(_, reason)| reason.clone()));
        }
        Ok((out, problems))
    }

    #[test]
    fn cells_and_lines_of_all_forms_are_read() {
        for (text, expected) in [
            ("a,b\nc,d", vec![(1, vec!["a", "b"]), (2, vec!["c", "d"])]),
            ("a,b\r\n\r\nc,d\r\n", vec![(1, vec!["a", "b"]), (3, vec!["c", "d"])]),
            ("a\rb\r", vec![(1, vec!["a"]), (2, vec!["b"])]),
            ("\"a\r\nb\",c\nd", vec![(1, vec!["a\nb", "c"]), (3, vec!["d"])]),
            ("\"a\"\"b\",\"\",\n", vec![(1, vec!["a\"b", "", ""])]),
            (" \"a, b\" , c\n", vec![(1, vec!["a, b", "c"])]),
            ("5\" nail,x\n", vec![(1, vec!["5\" nail", "x"])]),
            (",,,\n  ,\na\n", vec![(3, vec!["a"])]),
            ("sep=;\na;b,c\n", vec![(2, vec!["a", "b,c"])]),
            ("\u{feff}a\n", vec![(1, vec!["a"])]),
        ] {
            let expected: Vec<(u64, Vec<String>)> = expected
                .into_iter()
                .map(|(line, cells)| (line, cells.into_iter().map(str::to_owned).collect()))
                .collect();
            assert_eq!(rows(text).unwrap(), (expected, vec![]), "{text:?}");
        }
    }

    #[test]
    fn wrong_quotes_are_reported() {
        let (found, problems) = rows("\"Ali \"Bob\" Khan\",x\n").unwrap();
        assert_eq!(found[0].1, ["Ali \"Bob\" Khan", "x"]);
        assert_eq!(problems, [Reason::TextAfterQuote]);
        // The quote of line 1 is closed by that of line 2: two people are in one cell.
        let (_, problems) = rows("1,\"Ali,x\n2,\"Bea\",y\n").unwrap();
        assert!(problems.contains(&Reason::UnclosedQuote), "{problems:?}");
        let error = rows("a\nb,\"c\nd\n").unwrap_err();
        assert!(error.to_string().starts_with("line 2: a double quote"), "{error}");
    }

    #[test]
    fn long_cells_and_rows_take_bounded_memory() {
        let long = format!("a,{}é,b\n", "é".repeat(MAX_CELL));
        let (found, problems) = rows(&long).unwrap();
        assert!(found[0].1[1].len() <= MAX_CELL + 4);
        assert_eq!(found[0].1[2], "b");
        assert_eq!(problems, [Reason::TooLong { max: MAX_CELL }]);
        let (found, problems) = rows(&"x,".repeat(MAX_COLUMNS + 9)).unwrap();
        assert_eq!(found[0].1.len(), MAX_COLUMNS);
        assert_eq!(problems, [Reason::TooManyColumns { max: MAX_COLUMNS }]);
    }
}
