//! Checks WebVTT captions and reads their times (W3C WebVTT, section 6.1: the rules by which browsers read a file).
//!
//! Not here: decoding (`source::encoding`, after which lines end with LF) and styling. The text is published as it is;
//! only its cues are parsed. What a browser would silently ignore is reported.

use crate::problem::{Problems, SourceLocation};

/// A cue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cue {
    pub line: u32,
    pub start_ms: u64,
    pub end_ms: u64,
}

/// Maximum number of cues per file; ten hours of speech have fewer.
const MAX_CUES: usize = 50_000;

const ARROW: &str = "-->";
const TIMES_HINT: &str = "write mm:ss.ttt --> mm:ss.ttt or hh:mm:ss.ttt --> hh:mm:ss.ttt";
const CUE_HINT: &str = "a cue starts with a line such as 00:01.000 --> 00:03.500";

/// Captions in the form that is published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Captions {
    /// WebVTT.
    pub text: String,
    pub cues: Vec<Cue>,
}

/// Reads the captions of a file; those in a file `.srt` are converted. Returns `None` after reporting the errors.
pub(crate) fn read(text: String, file: &str, problems: &Problems) -> Option<Captions> {
    let (text, added_lines) = match file.to_lowercase().ends_with(".srt") {
        true => (srt::to_web_vtt(&text), srt::ADDED_LINES),
        false => (text, 0),
    };
    let cues = parse(&text, file, added_lines, problems)?;
    Some(Captions { text, cues })
}

/// Returns the cues, or `None` after reporting the errors of the file. `added_lines` at the start are not in the file.
fn parse(text: &str, file: &str, added_lines: u32, problems: &Problems) -> Option<Vec<Cue>> {
    let mut reader = Reader { file, added_lines, problems, is_valid: true, cues: Vec::new() };
    let lines: Vec<&str> = text.split('\n').collect();
    if let Err((message, hint)) = check_header(&lines) {
        reader.error(0, message, hint);
        return None;
    }
    // Header lines follow until the first empty line or the first cue.
    let mut i = 1;
    while i < lines.len() && !lines[i].is_empty() && !lines[i].contains(ARROW) {
        i += 1;
    }
    while i < lines.len() && reader.cues.len() <= MAX_CUES {
        if lines[i].trim().is_empty() {
            i += 1;
        } else {
            i = reader.block(&lines, i);
        }
    }
    if reader.cues.is_empty() && reader.is_valid {
        reader.error(0, "there is no cue".to_owned(), CUE_HINT);
    }
    reader.is_valid.then_some(reader.cues)
}

/// Checks the first line. An error is a message and a hint.
fn check_header(lines: &[&str]) -> Result<(), (String, &'static str)> {
    let first = lines.first().copied().unwrap_or_default();
    if let Some(rest) = first.strip_prefix("WEBVTT")
        && (rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return Ok(());
    }
    let is_srt = |line: &&str| line.split_once(ARROW).is_some_and(|(start, _)| start.contains(','));
    if lines.iter().any(is_srt) {
        let message = "the first line is not WEBVTT; these are SRT captions".to_owned();
        let hint = "rename the file to .srt, or write WEBVTT and an empty line at the top, and a point instead of the \
                    comma in each time";
        return Err((message, hint));
    }
    let found = first.trim();
    let message = if first.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("WEBVTT"))
        || found.starts_with("WEBVTT")
    {
        format!("the first line is {:?}, not WEBVTT", shortened(first))
    } else if found.is_empty() && lines.iter().any(|line| line.starts_with("WEBVTT")) {
        "the first line is empty; WEBVTT must be the first line".to_owned()
    } else {
        "the first line is not WEBVTT".to_owned()
    };
    Err((
        message,
        "write WEBVTT in the first line, in capitals and without other signs before or after it",
    ))
}

struct Reader<'a> {
    file: &'a str,
    added_lines: u32,
    problems: &'a Problems,
    is_valid: bool,
    cues: Vec<Cue>,
}

impl Reader<'_> {
    /// Returns the number of a line in the file; `index` counts from 0.
    fn line(&self, index: usize) -> u32 {
        (index as u32 + 1).saturating_sub(self.added_lines).max(1)
    }
    /// Reports an error; `index` is that of the line, from 0.
    fn error(&mut self, index: usize, message: String, hint: &str) {
        let at = SourceLocation { file: self.file, line: self.line(index) };
        self.problems.error(at, "captions", message, hint);
        self.is_valid = false;
    }

    /// Reads the block that starts at line `start`, and returns the index of the line after it.
    fn block(&mut self, lines: &[&str], start: usize) -> usize {
        let block_end = (start..lines.len()).find(|n| lines[*n].is_empty()).unwrap_or(lines.len());
        let first = lines[start];
        if first == "NOTE" || first.starts_with("NOTE ") || first.starts_with("NOTE\t") {
            return block_end;
        }
        // An identifier may precede the times.
        let Some(timing) = (start..block_end.min(start + 2)).find(|n| lines[*n].contains(ARROW))
        else {
            let is_definition = ["STYLE", "REGION"].contains(&first.trim_end());
            if !is_definition {
                let message = format!("{:?} is not part of a cue", shortened(first));
                self.error(start, message, CUE_HINT);
            }
            let times = (start..block_end).find(|n| is_timing(lines[*n]));
            return times.filter(|_| !is_definition).unwrap_or(block_end);
        };
        self.cue(timing, lines[timing]);
        // The text ends at an empty line, or at a line with an arrow, with which a browser starts the next cue.
        let mut i = timing + 1;
        while i < block_end {
            if is_timing(lines[i]) {
                return i;
            }
            if lines[i].contains(ARROW) {
                let at = SourceLocation { file: self.file, line: self.line(i) };
                let message = format!("players do not show the text {:?}", shortened(lines[i]));
                self.problems.warn(at, "captions-text", message, "write --&gt; instead of -->");
            }
            i += 1;
        }
        block_end
    }

    fn cue(&mut self, index: usize, text: &str) {
        if self.cues.len() >= MAX_CUES {
            let message = format!("there are more than {MAX_CUES} cues");
            self.error(index, message, "split the recording");
        }
        let (start_ms, end_ms) = match parse_times(text) {
            Ok(times) => times,
            Err(hint) => {
                let message = format!("the times {:?} cannot be read", shortened(text));
                return self.error(index, message, hint);
            }
        };
        if end_ms == start_ms {
            self.error(index, "the cue ends when it starts".to_owned(), "correct the times");
        } else if end_ms < start_ms {
            self.error(index, "the cue ends before it starts".to_owned(), "correct the times");
        } else if self.cues.last().is_some_and(|c: &Cue| start_ms < c.start_ms) {
            let message = "the cue starts before the previous one".to_owned();
            self.error(index, message, "sort the cues by time");
        }
        self.cues.push(Cue { line: self.line(index), start_ms, end_ms });
    }
}

/// Returns true for a line that is meant to be the times of a cue, right or wrong.
fn is_timing(line: &str) -> bool {
    line.split_once(ARROW).is_some_and(|(start, _)| {
        let start = start.trim();
        start.contains(':') && start.chars().all(|c| c.is_ascii_digit() || ":.,".contains(c))
    })
}

/// Parses `start --> end settings` to milliseconds. An error is a hint.
fn parse_times(text: &str) -> Result<(u64, u64), &'static str> {
    let (start, rest) = text.split_once(ARROW).unwrap_or_default();
    let (start, end) = (start.trim(), rest.split_whitespace().next().unwrap_or_default());
    match (parse_time(start), parse_time(end)) {
        (Some(start_ms), Some(end_ms)) => Ok((start_ms, end_ms)),
        _ if start.contains(',') || end.contains(',') => {
            Err("write a point instead of the comma, such as 00:01.000 --> 00:03.500")
        }
        _ => Err(TIMES_HINT),
    }
}

/// Parses `[hh+:]mm:ss.ttt` to milliseconds, with the number of digits that browsers require.
fn parse_time(text: &str) -> Option<u64> {
    let number = |t: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_number = digits.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| t.parse::<u64>().ok()).flatten()
    };
    let (clock, millis) = text.split_once('.')?;
    let millis = number(millis, 3..=3)?;
    let parts: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match parts[..] {
        [m, s] => (0, m, s),
        [h, m, s] => (number(h, 1..=6)?, m, s),
        _ => return None,
    };
    let (minutes, seconds) = (number(minutes, 2..=2)?, number(seconds, 2..=2)?);
    (minutes < 60 && seconds < 60)
        .then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

fn shortened(line: &str) -> String {
    line.chars().take(80).collect()
}

mod srt;
#[cfg(test)]
mod tests;
