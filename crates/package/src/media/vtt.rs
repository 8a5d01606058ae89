//! Checks WebVTT captions and reads their times (W3C WebVTT).
//!
//! Not here: styling. The file is published unchanged; only its cues are parsed.

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

/// Returns the cues, or `None` after reporting the errors of the file.
pub(crate) fn parse(text: &str, file: &str, problems: &Problems) -> Option<Vec<Cue>> {
    let is_valid = std::cell::Cell::new(true);
    let error = |line: u32, message: String, hint: &str| {
        problems.error(SourceLocation { file, line }, "captions", message, hint);
        is_valid.set(false);
    };
    let lines: Vec<&str> = text.split('\n').map(|l| l.trim_end_matches('\r')).collect();
    let first = lines.first().copied().unwrap_or_default();
    if first != "WEBVTT" && !first.starts_with("WEBVTT ") && !first.starts_with("WEBVTT\t") {
        let message = "the first line is not WEBVTT".to_owned();
        error(1, message, "write WEBVTT in the first line; an .srt file must be converted");
        return None;
    }
    let mut cues: Vec<Cue> = Vec::new();
    let mut i = 1;
    while i < lines.len() {
        if lines[i].trim().is_empty() {
            i += 1;
            continue;
        }
        let block = i;
        while i < lines.len() && !lines[i].trim().is_empty() {
            i += 1;
        }
        let first_line = lines[block];
        if ["NOTE", "STYLE", "REGION"]
            .iter()
            .any(|w| first_line == *w || first_line.starts_with(&format!("{w} ")))
        {
            continue;
        }
        // Header lines may follow WEBVTT until the first empty line; an identifier may precede the times.
        let Some(timing) = (block..i.min(block + 2)).find(|n| lines[*n].contains("-->")) else {
            if block != 1 {
                error(
                    block as u32 + 1,
                    format!("{first_line:?} is not part of a cue"),
                    "a cue starts with a line such as 00:01.000 --> 00:03.500",
                );
            }
            continue;
        };
        let line = timing as u32 + 1;
        if cues.len() >= MAX_CUES {
            error(line, format!("there are more than {MAX_CUES} cues"), "split the recording");
            break;
        }
        let (start, rest) = lines[timing].split_once("-->").unwrap_or_default();
        let end = rest.split_whitespace().next().unwrap_or_default();
        let (Some(start_ms), Some(end_ms)) = (parse_time(start.trim()), parse_time(end)) else {
            error(
                line,
                format!("the times {:?} cannot be read", lines[timing]),
                "write mm:ss.ttt --> mm:ss.ttt or hh:mm:ss.ttt --> hh:mm:ss.ttt",
            );
            continue;
        };
        if end_ms <= start_ms {
            error(line, "the cue ends before it starts".to_owned(), "correct the times");
        } else if cues.last().is_some_and(|c: &Cue| start_ms < c.start_ms) {
            error(
                line,
                "the cue starts before the previous one".to_owned(),
                "sort the cues by time",
            );
        }
        cues.push(Cue { line, start_ms, end_ms });
    }
    if cues.is_empty() && is_valid.get() {
        error(
            1,
            "there is no cue".to_owned(),
            "a cue starts with a line such as 00:01.000 --> 00:03.500",
        );
    }
    is_valid.get().then_some(cues)
}

/// Parses `[hh+:]mm:ss.ttt` to milliseconds.
fn parse_time(text: &str) -> Option<u64> {
    let (clock, millis) = text.split_once('.')?;
    let number = |t: &str| {
        (!t.is_empty() && t.len() <= 6 && t.bytes().all(|b| b.is_ascii_digit()))
            .then(|| t.parse::<u64>().ok())
            .flatten()
    };
    let parts: Vec<u64> = clock.split(':').map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [m, s] => (0, m, s),
        [h, m, s] => (h, m, s),
        _ => return None,
    };
    let millis = (millis.len() == 3).then(|| number(millis)).flatten()?;
    (minutes < 60 && seconds < 60)
        .then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_read() {
        let problems = Problems::default();
        let text = "WEBVTT - title\r\nKind: captions\r\n\r\nNOTE a\r\nb\r\n\r\n1\r\n00:00.000 --> 00:01.500 align:start\r\nHello\r\n\r\n01:02:03.004 --> 01:02:04.000\r\nx\r\ny\r\n";
        let cues = parse(text, "a.vtt", &problems).unwrap();
        assert_eq!(
            cues,
            [
                Cue { line: 8, start_ms: 0, end_ms: 1500 },
                Cue { line: 11, start_ms: 3_723_004, end_ms: 3_724_000 }
            ]
        );
        assert!(problems.into_sorted().is_empty());
    }

    #[test]
    fn problems_have_the_right_line() {
        for (text, line) in [
            ("", 1),
            ("1\n00:00.000 --> 00:01.000\nx\n", 1),
            ("WEBVTT\n\n00:00,000 --> 00:01,000\nx\n", 3),
            ("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", 3),
            ("WEBVTT\n\n00:02.000 --> 00:03.000\nx\n\n00:01.000 --> 00:04.000\ny\n", 6),
            ("WEBVTT\n\n00:61.000 --> 01:03.000\nx\n", 3),
            ("WEBVTT\n\nx\n", 3),
            ("WEBVTT\n\nNOTE x\n", 1),
            ("WEBVTT\n\n\n\nx\ny\nz\n", 5),
        ] {
            let problems = Problems::default();
            let cues = parse(text, "a.vtt", &problems);
            let list = problems.into_sorted();
            if line == 3 && text.ends_with("\n\nx\n") && cues.is_some() {
                panic!("{text:?}");
            }
            assert_eq!(
                list.first().map(|p| (p.line, p.code)),
                Some((line, "captions")),
                "{text:?}: {list:?}"
            );
            assert_eq!(cues, None, "{text:?}");
        }
    }
}
