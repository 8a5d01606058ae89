use super::*;
use crate::source::encoding;

/// Line, start and end of each cue.
type Times = Vec<(u32, u64, u64)>;

/// Returns the times of the cues, and the problems.
fn read(text: &str) -> (Option<Times>, Vec<String>) {
    let problems = Problems::default();
    let text = encoding::decode(text.as_bytes().to_vec()).unwrap();
    let cues = parse(&text, "a.vtt", 0, &problems);
    let cues = cues.map(|c| c.iter().map(|c| (c.line, c.start_ms, c.end_ms)).collect());
    (cues, problems.into_sorted().iter().map(ToString::to_string).collect())
}

const TWO: &str = "\n00:00.000 --> 00:01.000\nOne.\n\n00:01.000 --> 00:02.000\nTwo.\n";

#[test]
fn captions_in_srt_are_converted() {
    let text = "1\n00:00:00,000 --> 00:00:01,5\n<font color=\"red\">Red</font> <I>a</I> {\\an8}b\n\n\
                2\n0:0:2 --> 00:00:03.250 X1:10 X2:20\n{c} < d\n";
    let problems = Problems::default();
    let captions = super::read(text.to_owned(), "a.SRT", &problems).unwrap();
    assert_eq!(
        captions.text,
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.500\nRed <i>a</i> b\n\n\
         2\n00:00:02.000 --> 00:00:03.250\n{c} < d\n\n"
    );
    let times: Vec<_> = captions.cues.iter().map(|c| (c.line, c.start_ms, c.end_ms)).collect();
    assert_eq!(times, [(2, 0, 1_500), (6, 2_000, 3_250)]);
    // The lines of problems are those of the file.
    let text = "1\n00:00:02,000 --> 00:00:01,000\nx\n\n2\n00:00:0x,000 --> 00:00:03,000\ny\n";
    assert_eq!(super::read(text.to_owned(), "a.srt", &problems), None);
    let lines: Vec<_> = problems.into_sorted().iter().map(|p| (p.line, p.code)).collect();
    assert_eq!(lines, [(2, "captions"), (6, "captions")]);
}

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
        (
            format!("WEBVTT\n{TWO}").replace(".000\n", ".000 line:0 position:20% align:start\n"),
            (3, 6),
        ),
        (format!("WEBVTT\n{TWO}").replace("00:0", "000:00:0"), (3, 6)),
        (format!("WEBVTT\n{TWO}").replace("00:0", "0:00:0"), (3, 6)),
        (
            "WEBVTT\n\n1\n00:00.000 --> 00:01.000\nOne.\n\n2 - Zoe\n00:01.000 --> 00:02.000\nTwo."
                .into(),
            (4, 8),
        ),
        (
            "WEBVTT\n\n00:00.000 --> 00:01.000\nOne.\n\u{a0}\n00:01.000 --> 00:02.000\nTwo.\n"
                .into(),
            (3, 6),
        ),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\nOne.\n00:01.000 --> 00:02.000\nTwo.\n".into(), (3, 5)),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\n\n00:01.000 --> 00:02.000\nTwo.\n".into(), (3, 5)),
        (
            "WEBVTT\n\n00:00.000 --> 00:01.000\nOne\u{2028}.\n \ntext\n\n00:01.000 --> 00:02.000\n"
                .into(),
            (3, 8),
        ),
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
