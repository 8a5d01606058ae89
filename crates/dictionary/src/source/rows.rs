//! Splits a table of text into rows and cells: separated by tabs, or by commas or semicolons with quotes (RFC 4180).

/// A row with the line on which it starts, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub line: u64,
    /// Trimmed; or why the row cannot be read.
    pub cells: Result<Vec<String>, String>,
}

/// Returns the separator of a table by its first line.
pub(super) fn separator(text: &str) -> char {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |c| first.matches(c).count();
    match (count('\t'), count(';'), count(',')) {
        (tabs, ..) if tabs > 0 => '\t',
        // As many of both: commas are more frequent inside of cells.
        (_, semicolons, commas) if semicolons > 0 && semicolons >= commas => ';',
        _ => ',',
    }
}

/// Splits a table. Empty lines are left out. With tabs, quotes have no meaning, because word lists contain them.
pub(super) fn rows(text: &str, separator: char) -> Vec<Row> {
    if separator == '\t' {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        return lines
            .map(|(line, text)| Row { line, cells: Ok(text.split('\t').map(clean).collect()) })
            .collect();
    }
    let mut rows = Vec::new();
    let (mut line, mut start_line) = (1, 1);
    let mut cells: Vec<String> = Vec::new();
    let mut cell = String::new();
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut problem = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.trim().is_empty() && !was_quoted => {
                cell.clear();
                (is_quoted, was_quoted) = (true, true);
            }
            '\n' => {
                line += 1;
                if is_quoted {
                    cell.push(' ');
                    continue;
                }
                cells.push(clean(&std::mem::take(&mut cell)));
                push(&mut rows, start_line, std::mem::take(&mut cells), problem.take());
                (start_line, was_quoted) = (line, false);
            }
            '\r' => {}
            c if c == separator && !is_quoted => {
                cells.push(clean(&std::mem::take(&mut cell)));
                was_quoted = false;
            }
            c => {
                if was_quoted && !is_quoted && !c.is_whitespace() {
                    problem = Some(
                        "text follows a closing quote; write a quote inside a cell twice"
                            .to_owned(),
                    );
                }
                cell.push(c);
            }
        }
    }
    if is_quoted {
        problem = Some("the quote is not closed; write a quote inside a cell twice".to_owned());
    }
    cells.push(clean(&cell));
    push(&mut rows, start_line, cells, problem);
    rows
}

fn push(rows: &mut Vec<Row>, line: u64, cells: Vec<String>, problem: Option<String>) {
    if problem.is_some() || cells.iter().any(|cell| !cell.is_empty()) {
        rows.push(Row { line, cells: problem.map_or(Ok(cells), Err) });
    }
}

/// Returns the cell without outer white space; inner white space becomes single spaces.
fn clean(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_split_into_cells() {
        let read = |text: &str| -> Vec<(u64, Result<Vec<String>, bool>)> {
            let rows = rows(text, separator(text)).into_iter();
            rows.map(|row| (row.line, row.cells.map_err(|_| true))).collect()
        };
        let cells = |cells: &[&str]| Ok(cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            read("a\tb \"c\"\r\n\r\n d\t\te"),
            [(1, cells(&["a", "b \"c\""])), (3, cells(&["d", "", "e"]))]
        );
        assert_eq!(
            read("a,\"b, \"\"c\"\"\nd\"\ne, f"),
            [(1, cells(&["a", "b, \"c\" d"])), (3, cells(&["e", "f"]))]
        );
        assert_eq!(read("a;b,c\n"), [(1, cells(&["a", "b,c"]))]);
        assert_eq!(read("a,\"b\"c\nd,\"e"), [(1, Err(true)), (2, Err(true))]);
        assert_eq!(read("\n \n"), []);
    }
}
