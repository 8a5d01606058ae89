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

/// Returns the cues, or `None` after reporting the errors of the file.
pub(crate) fn parse(text: &str, file: &str, problems: &Problems) -> Option<Vec<Cue>> {
    let mut reader = Reader { file, problems, is_valid: true, cues: Vec::new() };
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
        let hint = "write WEBVTT and an empty line at the top, and a point instead of the comma in each time";
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
    problems: &'a Problems,
    is_valid: bool,
    cues: Vec<Cue>,
}

impl Reader<'_> {
    /// Reports an error; `index` is that of the line, from 0.
    fn error(&mut self, index: usize, message: String, hint: &str) {
        let at = SourceLocation { file: self.file, line: index as u32 + 1 };
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
                let at = SourceLocation { file: self.file, line: i as u32 + 1 };
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
        self.cues.push(Cue { line: index as u32 + 1, start_ms, end_ms });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::encoding;

    /// Line, start and end of each cue.
    type Times = Vec<(u32, u64, u64)>;

    /// Returns the times of the cues, and the problems.
    fn read(text: &str) -> (Option<Times>, Vec<String>) {
        let problems = Problems::default();
        let text = encoding::decode(text.as_bytes().to_vec()).unwrap();
        let cues = parse(&text, "a.vtt", &problems);
        let cues = cues.map(|c| c.iter().map(|c| (c.line, c.start_ms, c.end_ms)).collect());
        (cues, problems.into_sorted().iter().map(ToString::to_string).collect())
    }

    const TWO: &str = "\n00:00.000 --> 00:01.000\nOne.\n\n00:01.000 --> 00:02.000\nTwo.\n";

    #[test]
    fn cues_are_read() {
        let text = "WEBVTT - title\r\nKind: captions\r\n\r\nNOTE a\r\nb\r\n\r\n1\r\n\
            00:00.000 --> 00:01.500 align:start\r\nHello\r\n\r\n01:02:03.004 --> 01:02:04.000\r\nx\r\ny\r\n";
        assert_eq!(read(text), (Some(vec![(8, 0, 1500), (11, 3_723_004, 3_724_000)]), Vec::new()));
    }

    #[test]
    fn files_are_read_as_browsers_read_them() {
        // Each text has the cues 0 to 1 s and 1 to 2 s.
        for (text, lines) in [
            (format!("WEBVTT\n{TWO}"), (3, 6)),
            (format!("WEBVTT\n{TWO}").replace('\n', "\r"), (3, 6)),
            (format!("\u{feff}WEBVTT\n{TWO}").replace('\n', "\r\n"), (3, 6)),
            (format!("WEBVTT\t- a file\n{TWO}"), (3, 6)),
            (format!("WEBVTT \n{TWO}"), (3, 6)),
            (format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n{TWO}"), (4, 7)),
            (format!("WEBVTT\nKind: captions\nLanguage: en\n{TWO}"), (5, 8)),
            (format!("WEBVTT{TWO}"), (2, 5)),
            (format!("WEBVTT\n\nSTYLE\n::cue {{ color: red }}\n\nREGION\nid:fred\n{TWO}"), (9, 12)),
            (format!("WEBVTT\n\nNOTE by hand --> see page\n{TWO}"), (5, 8)),
            (format!("WEBVTT\n\nNOTE\nmany\nlines\n{TWO}\nNOTE end"), (7, 10)),
            (format!("WEBVTT\n{TWO}").replace(" --> ", "-->"), (3, 6)),
            (format!("WEBVTT\n{TWO}").replace(" --> ", "\t-->\t"), (3, 6)),
            (format!("WEBVTT\n{TWO}").replace(".000\n", ".000 line:0 position:20% align:start\n"), (3, 6)),
            (format!("WEBVTT\n{TWO}").replace("00:0", "000:00:0"), (3, 6)),
            (format!("WEBVTT\n{TWO}").replace("00:0", "0:00:0"), (3, 6)),
            ("WEBVTT\n\n1\n00:00.000 --> 00:01.000\nOne.\n\n2 - Zoe\n00:01.000 --> 00:02.000\nTwo.".into(), (4, 8)),
            ("WEBVTT\n\n00:00.000 --> 00:01.000\nOne.\n\u{a0}\n00:01.000 --> 00:02.000\nTwo.\n".into(), (3, 6)),
            ("WEBVTT\n\n00:00.000 --> 00:01.000\nOne.\n00:01.000 --> 00:02.000\nTwo.\n".into(), (3, 5)),
            ("WEBVTT\n\n00:00.000 --> 00:01.000\n\n00:01.000 --> 00:02.000\nTwo.\n".into(), (3, 5)),
            ("WEBVTT\n\n00:00.000 --> 00:01.000\nOne\u{2028}.\n \ntext\n\n00:01.000 --> 00:02.000\n".into(), (3, 8)),
        ] {
            let expected = vec![(lines.0, 0, 1000), (lines.1, 1000, 2000)];
            assert_eq!(read(&text), (Some(expected), Vec::new()), "{text:?}");
        }
        let same_start = "WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n00:00.000 --> 00:02.000\nb\n";
        assert_eq!(read(same_start).0.map(|c| c.len()), Some(2));
    }

    #[test]
    fn problems_have_the_right_line_and_a_hint() {
        for (text, line, part) in [
            ("", 1, "the first line is not WEBVTT"),
            ("1\n00:00.000 --> 00:01.000\nx\n", 1, "the first line is not WEBVTT"),
            ("1\n00:00:00,000 --> 00:00:01,000\nx\n", 1, "SRT captions"),
            ("webvtt\n\n00:00.000 --> 00:01.000\nx\n", 1, "in capitals"),
            (" WEBVTT\n\n00:00.000 --> 00:01.000\nx\n", 1, "without other signs"),
            ("WEBVTT: x\n\n00:00.000 --> 00:01.000\nx\n", 1, "the first line is \"WEBVTT: x\""),
            ("\nWEBVTT\n\n00:00.000 --> 00:01.000\nx\n", 1, "the first line is empty"),
            ("WEBVTT\n\n00:00,000 --> 00:01,000\nx\n", 3, "a point instead of the comma"),
            ("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", 3, "ends before it starts"),
            ("WEBVTT\n\n00:02.000 --> 00:02.000\nx\n", 3, "ends when it starts"),
            (
                "WEBVTT\r\r00:02.000 --> 00:03.000\rx\r\r00:01.000 --> 00:04.000\ry\r",
                6,
                "before the previous",
            ),
            ("WEBVTT\n\n00:61.000 --> 01:03.000\nx\n", 3, "cannot be read"),
            ("WEBVTT\n\n0:01.000 --> 0:02.000\nx\n", 3, "write mm:ss.ttt"),
            ("WEBVTT\n\n00:1.000 --> 00:2.000\nx\n", 3, "write mm:ss.ttt"),
            ("WEBVTT\n\n00:01 --> 00:02\nx\n", 3, "write mm:ss.ttt"),
            ("WEBVTT\n\n00:01.00 --> 00:02.00\nx\n", 3, "write mm:ss.ttt"),
            ("WEBVTT\n\n00:01.000 --> 00:02.000\nx\n2\n00:02,000 --> 00:03,000\ny\n", 6, "a point"),
            ("WEBVTT\n\nx\n", 3, "not part of a cue"),
            ("WEBVTT\n\nNOTE x\n", 1, "there is no cue"),
            ("WEBVTT\n\n\n\nx\ny\nz\n", 5, "not part of a cue"),
            ("WEBVTT\n\nx\ny\n00:01.000 --> 00:02.000\nz\n", 3, "not part of a cue"),
        ] {
            let (cues, list) = read(text);
            assert_eq!((cues, list.len()), (None, 1), "{text:?}: {list:?}");
            assert!(
                list[0].starts_with(&format!("a.vtt:{line}: error[captions]")),
                "{text:?}: {list:?}"
            );
            assert!(list[0].contains(part), "{text:?}: {list:?}");
        }
    }

    #[test]
    fn text_that_players_do_not_show_is_reported() {
        let (cues, list) =
            read("WEBVTT\n\n00:00.000 --> 00:01.000\nA --> B\n\n00:01.000 --> 00:02.000\nTwo.\n");
        assert_eq!(cues.map(|c| c.len()), Some(2));
        assert_eq!(
            list,
            [
                "a.vtt:4: warning[captions-text]: players do not show the text \"A --> B\"; write --&gt; instead of -->"
            ]
        );
    }
}
