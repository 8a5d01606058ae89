//! Media overlays (SMIL): which part of a recording belongs to which element of a document, and the times of sentences
//! that follow from it.

use std::collections::BTreeMap;

use carrel_package::sentences;

use super::package::{folder_of, resolve};
use crate::error::Result;
use crate::html::{Element, HIDDEN, Node, is_block};
use crate::xml;

/// A clip of a recording for an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clip {
    /// Path of the document, and id of the element.
    pub document: String,
    pub id: String,
    /// Path of the recording.
    pub audio: String,
    pub begin_ms: u64,
    /// `None` for the end of the recording.
    pub end_ms: Option<u64>,
}

/// Reads a SMIL file.
pub(super) fn read(text: &str, path: &str) -> Result<Vec<Clip>> {
    let tree = xml::parse(text, "the media overlay")?;
    let folder = folder_of(path);
    let mut clips = Vec::new();
    tree.visit(&mut |par| {
        if par.name != "par" {
            return;
        }
        let child = |name: &str| par.elements().find(|e| e.name == name);
        let (Some(text), Some(audio)) = (child("text"), child("audio")) else { return };
        let (Some(target), Some(source)) = (text.attribute("src"), audio.attribute("src")) else {
            return;
        };
        let (Some(document), Some(audio_path)) = (resolve(folder, target), resolve(folder, source))
        else {
            return;
        };
        let time = |name: &str| audio.attribute(name).and_then(clock_ms);
        let clip = Clip {
            document,
            id: target
                .split_once('#')
                .map(|(_, id)| crate::text::percent_decoded(id))
                .unwrap_or_default(),
            audio: audio_path,
            begin_ms: time("clipBegin").unwrap_or(0),
            end_ms: time("clipEnd"),
        };
        if clip.end_ms.is_none_or(|end| end > clip.begin_ms) {
            clips.push(clip);
        }
    });
    Ok(clips)
}

/// Reads a clock value: `0:01:02.5`, `01:02`, `3.5s`, `500ms`, `2min`, `1h`, `12`.
pub(super) fn clock_ms(text: &str) -> Option<u64> {
    let text = text.trim().trim_start_matches("npt=");
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let seconds = if text.contains(':') {
        let mut seconds = 0.0;
        for part in text.split(':') {
            seconds = seconds * 60.0 + number(part)?;
        }
        seconds
    } else if let Some(ms) = text.strip_suffix("ms") {
        number(ms)? / 1_000.0
    } else if let Some(minutes) = text.strip_suffix("min") {
        number(minutes)? * 60.0
    } else if let Some(hours) = text.strip_suffix('h') {
        number(hours)? * 3_600.0
    } else {
        number(text.strip_suffix('s').unwrap_or(text))?
    };
    let ms = (seconds * 1_000.0).round();
    (ms < 1e12).then_some(ms as u64)
}

/// The paragraphs of a narration with the times of their sentences.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Narration {
    pub paragraphs: Vec<String>,
    pub cues: Vec<(u64, u64)>,
    /// Number of sentences whose start or end lies inside of a clip.
    pub estimated: usize,
}

/// A paragraph with the byte ranges of its elements.
#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    ranges: Vec<(usize, usize, String)>,
    /// Ids of the blocks around the paragraph, the innermost last.
    around: Vec<String>,
}

/// Returns the text of a document and the times of its sentences. Clips are those of one recording.
pub(super) fn narration(body: &Element, clips: &[Clip]) -> Narration {
    let times: BTreeMap<&str, (u64, Option<u64>)> =
        clips.iter().map(|clip| (clip.id.as_str(), (clip.begin_ms, clip.end_ms))).collect();
    let mut paragraphs = Vec::new();
    collect(body, &mut Vec::new(), &mut paragraphs);
    let mut blocks = Blocks::new(&paragraphs, &times);
    let mut out = Narration::default();
    let mut last = clips.first().map_or(0, |clip| clip.begin_ms);
    for paragraph in paragraphs {
        // Spans of text with their times, in order; an inner element is more exact than one around it.
        let mut spans: Vec<(usize, usize, u64, u64)> = paragraph
            .ranges
            .iter()
            .filter_map(|(start, end, id)| {
                let (begin, stop) = times.get(id.as_str())?;
                Some((*start, *end, *begin, stop.unwrap_or(*begin + 1_000)))
            })
            .filter(|(start, end, ..)| start < end)
            .collect();
        spans.sort_by_key(|(start, end, ..)| (*start, *end));
        if spans.is_empty() {
            let Some((begin, stop, is_part)) = blocks.span(&paragraph, &times) else { continue };
            spans.push((0, paragraph.text.len(), begin, stop));
            out.estimated += usize::from(is_part);
        }
        let mut at = 0;
        for sentence in sentences(&paragraph.text) {
            let start = paragraph.text[at..].find(&sentence).map_or(at, |n| at + n);
            let end = (start + sentence.len()).min(paragraph.text.len());
            at = end;
            let begin = time_at(&spans, start, true);
            let stop = time_at(&spans, end, false);
            let is_estimated = begin.is_none_or(|t| t.1) || stop.is_none_or(|t| t.1);
            out.estimated += usize::from(is_estimated);
            let begin = begin.map_or(last, |t| t.0).max(last);
            let stop = stop.map_or(begin + 1, |t| t.0).max(begin + 1);
            out.cues.push((begin, stop));
            last = stop;
        }
        out.paragraphs.push(paragraph.text);
    }
    out.estimated = out.estimated.min(out.cues.len());
    out
}

/// Clips of blocks that contain several paragraphs: each paragraph gets its share of the time by its letters.
struct Blocks {
    /// Number of bytes of the paragraphs of each block, and of those that were read.
    lengths: BTreeMap<String, (usize, usize)>,
}

impl Blocks {
    fn new(paragraphs: &[Paragraph], times: &BTreeMap<&str, (u64, Option<u64>)>) -> Self {
        let mut lengths: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for paragraph in paragraphs {
            if let Some(id) = block_of(paragraph, times) {
                lengths.entry(id.to_owned()).or_default().0 += paragraph.text.len();
            }
        }
        Self { lengths }
    }

    /// Returns start and end of the next paragraph of its block, and whether it is a part of the clip only.
    fn span(
        &mut self,
        paragraph: &Paragraph,
        times: &BTreeMap<&str, (u64, Option<u64>)>,
    ) -> Option<(u64, u64, bool)> {
        let id = block_of(paragraph, times)?;
        let (begin, stop) = *times.get(id)?;
        let duration = stop.unwrap_or(begin + 1_000).saturating_sub(begin);
        let (total, read) = self.lengths.get_mut(id)?;
        let at = |bytes: usize| begin + duration * bytes as u64 / (*total).max(1) as u64;
        let span = (at(*read), at(*read + paragraph.text.len()), *total > paragraph.text.len());
        *read += paragraph.text.len();
        Some(span)
    }
}

/// Returns the id of the innermost block around a paragraph that has a clip.
fn block_of<'p>(
    paragraph: &'p Paragraph,
    times: &BTreeMap<&str, (u64, Option<u64>)>,
) -> Option<&'p str> {
    paragraph.around.iter().rev().map(String::as_str).find(|id| times.contains_key(id))
}

/// Returns the time at a place of the text, and whether it was estimated by the share of letters.
fn time_at(spans: &[(usize, usize, u64, u64)], at: usize, is_start: bool) -> Option<(u64, bool)> {
    let inside = |(start, end, ..): &&(usize, usize, u64, u64)| match is_start {
        true => *start <= at && at < *end,
        false => *start < at && at <= *end,
    };
    if let Some((start, end, begin, stop)) = spans.iter().rfind(inside) {
        let share = (at - start) as f64 / (end - start) as f64;
        let time = *begin as f64 + share * (stop.saturating_sub(*begin)) as f64;
        return Some((time.round() as u64, at != *start && at != *end));
    }
    // Spaces and marks between two elements.
    match is_start {
        true => spans.iter().find(|(start, ..)| *start >= at).map(|span| (span.2, false)),
        false => spans.iter().rfind(|(_, end, ..)| *end <= at).map(|span| (span.3, false)),
    }
}

/// Collects the paragraphs of an element. `around`: the ids of the elements around it.
fn collect(element: &Element, around: &mut Vec<String>, out: &mut Vec<Paragraph>) {
    let has_blocks = element.elements().any(|child| is_block(&child.name));
    if !has_blocks && (is_block(&element.name) || !element.children.is_empty()) {
        let mut paragraph = Paragraph { around: around.clone(), ..Paragraph::default() };
        push(element, &mut paragraph);
        paragraph.text.truncate(paragraph.text.trim_end().len());
        let length = paragraph.text.len();
        for (start, end, _) in &mut paragraph.ranges {
            (*start, *end) = ((*start).min(length), (*end).min(length));
        }
        if !paragraph.text.is_empty() {
            out.push(paragraph);
        }
        return;
    }
    let id = element.attribute("id").map(str::to_owned);
    let depth = around.len();
    around.extend(id);
    for child in element.elements().filter(|e| !HIDDEN.contains(&e.name.as_str())) {
        collect(child, around, out);
    }
    around.truncate(depth);
}

fn push(element: &Element, paragraph: &mut Paragraph) {
    let start = paragraph.text.len();
    for node in &element.children {
        match node {
            Node::Text(text) => push_text(text, &mut paragraph.text),
            Node::Element(child) if HIDDEN.contains(&child.name.as_str()) || child.name == "rt" => {
            }
            Node::Element(child) if child.name == "br" => push_text(" ", &mut paragraph.text),
            Node::Element(child) => push(child, paragraph),
        }
    }
    if let Some(id) = element.attribute("id") {
        let text = &paragraph.text[start..];
        let from = start + (text.len() - text.trim_start().len());
        let to = start + text.trim_end().len();
        paragraph.ranges.push((from.min(to), to, id.to_owned()));
    }
}

fn push_text(text: &str, out: &mut String) {
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::{Syntax, parse};

    #[test]
    fn clock_values_of_all_forms_are_read() {
        for (text, ms) in [
            ("0:01:02.5", 62_500),
            ("01:02", 62_000),
            ("3.5s", 3_500),
            ("500ms", 500),
            ("2min", 120_000),
            ("1h", 3_600_000),
            ("12", 12_000),
            ("npt=1.5", 1_500),
        ] {
            assert_eq!(clock_ms(text), Some(ms), "{text}");
        }
        for text in ["", "x", "-1", "1:x", "NaN", "1e99"] {
            assert_eq!(clock_ms(text), None, "{text}");
        }
    }

    fn clip(id: &str, begin_ms: u64, end_ms: u64) -> Clip {
        let (document, audio) = ("c.xhtml".to_owned(), "a.mp3".to_owned());
        Clip { document, id: id.to_owned(), audio, begin_ms, end_ms: Some(end_ms) }
    }

    #[test]
    fn clips_of_sentences_give_exact_times() {
        let html = "<h1 id=h>Title</h1><p><span id=a>One is here.</span> <span id=b>Two is  there.</span></p>";
        let body = parse(html, Syntax::Html);
        let read = narration(
            &body,
            &[clip("h", 0, 900), clip("a", 1_000, 2_000), clip("b", 2_500, 4_000)],
        );
        assert_eq!(read.paragraphs, ["Title", "One is here. Two is there."]);
        assert_eq!(read.cues, [(0, 900), (1_000, 2_000), (2_500, 4_000)]);
        assert_eq!(read.estimated, 0);
    }

    #[test]
    fn clips_of_paragraphs_and_words_give_estimated_and_joined_times() {
        let body = parse("<p id=a>One is. Two is.</p>", Syntax::Html);
        let read = narration(&body, &[clip("a", 1_000, 2_500)]);
        assert_eq!((read.cues.len(), read.estimated), (2, 2));
        assert_eq!((read.cues[0].0, read.cues[1].1), (1_000, 2_500));
        let block = parse("<div id=a><p>One.</p><p>Two.</p></div><p>Not read.</p>", Syntax::Html);
        let read = narration(&block, &[clip("a", 1_000, 2_000)]);
        assert_eq!((&read.cues[..], read.estimated), (&[(1_000, 1_500), (1_500, 2_000)][..], 2));
        let words = "<p><i id=a>One</i> <i id=b>is</i> <i id=c>here.</i></p>";
        let clips = [clip("a", 0, 100), clip("b", 200, 300), clip("c", 400, 500)];
        let read = narration(&parse(words, Syntax::Html), &clips);
        assert_eq!((&read.cues[..], read.estimated), (&[(0, 500)][..], 0));
    }
}
