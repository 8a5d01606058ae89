//! Estimates when each sentence of a narration begins: from the lengths of the sentences and the pauses of the voice.
//!
//! Not here: times that an author wrote (`carrel-package`).

use std::path::Path;

use crate::decode;

/// Milliseconds that one level covers.
const BLOCK_MS: u64 = 10;
/// Amplitude below which the voice is silent: -38 dB of full scale.
const SILENCE: f32 = 0.012_589;
/// Length of the shortest pause, in blocks.
const MIN_PAUSE: usize = 18;
/// A longer pause is no better sign of the end of a sentence.
const MAX_GAIN: usize = 70;
/// What it costs to begin a sentence where there is no pause.
const WITHOUT_PAUSE: f64 = 0.3;
/// Letters that are spoken in the time of a comma.
const COMMA: usize = 3;
/// Number of pairs of a sentence and a place that are compared at most.
const MAX_PAIRS: usize = 4_000_000;

/// Estimated times of the sentences of a narration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceTimes {
    /// Start of each sentence in milliseconds, ascending.
    pub starts: Vec<u64>,
    /// Percentage of the sentences that begin at the first sound or after a pause, 0 to 100. The others begin where the
    /// number of their letters suggests it.
    pub confidence: u8,
}

/// Estimates the times of the sentences of a narration. `None` if the file cannot be decoded, has no sound, or is too
/// short or too long for its text.
///
/// The decoder may panic on a damaged file: callers have to expect it.
pub fn estimate_times(file: &Path, sentences: &[&str]) -> Option<SentenceTimes> {
    let mut levels: Vec<f32> = Vec::new();
    let mut samples = 0u64;
    decode::amplitudes(file, |rate, amplitude| {
        let block = usize::try_from(samples * 1000 / BLOCK_MS / u64::from(rate.max(1)));
        let block = block.unwrap_or(usize::MAX);
        if block >= levels.len() {
            levels.push(0.0);
        }
        if let Some(level) = levels.last_mut() {
            *level = level.max(amplitude);
        }
        samples += 1;
    })?;
    let blocks = starts(&levels, sentences)?;
    let before = |block: &usize| block.checked_sub(1).and_then(|before| levels.get(before));
    let follows_silence = |block: &&usize| before(block).is_none_or(|level| *level < SILENCE);
    let sure = blocks.iter().filter(follows_silence).count();
    Some(SentenceTimes {
        starts: blocks.iter().map(|block| *block as u64 * BLOCK_MS).collect(),
        confidence: u8::try_from(sure * 100 / blocks.len().max(1)).unwrap_or(100),
    })
}

/// A place where a sentence may begin.
struct Place {
    /// The block.
    at: usize,
    /// Blocks of speech before it, without pauses.
    spoken: f64,
    /// How much speaks for a new sentence.
    gain: f64,
}

/// Returns the block at which each sentence starts: the first one at the first sound; the others so that the sentences
/// are as long as their shares of the letters, and after long pauses.
fn starts(levels: &[f32], sentences: &[&str]) -> Option<Vec<usize>> {
    let first = levels.iter().position(|level| *level >= SILENCE)?;
    let last = levels.iter().rposition(|level| *level >= SILENCE)? + 1;
    let pauses = pauses(levels, first, last);
    let silent: usize = pauses.iter().map(|(from, to)| to - from).sum();
    let total = (last - first - silent) as f64;
    let weights: Vec<usize> = sentences.iter().map(|text| weight(text)).collect();
    let all = weights.iter().sum::<usize>().max(1) as f64;
    let lengths: Vec<f64> = weights.iter().map(|w| (*w as f64 * total / all).max(1.0)).collect();
    let places = places(first, &pauses, &lengths);
    let count = sentences.len();
    if count == 0 || count.saturating_mul(places.len()) > MAX_PAIRS {
        return None;
    }
    if count == 1 {
        return Some(vec![first]);
    }
    let cost = |sentence: usize, from: f64, to: f64| {
        let expected = lengths[sentence];
        (to - from - expected).abs() / (100.0 * expected).sqrt()
    };
    // The best sum for a sentence that ends at each place, and the place where it began.
    let mut best: Vec<f64> = places.iter().map(|p| cost(0, 0.0, p.spoken) - p.gain).collect();
    let mut before: Vec<Vec<usize>> = Vec::new();
    for (sentence, length) in lengths.iter().enumerate().take(count - 1).skip(1) {
        // Much longer sentences are not considered.
        let longest = 8.0 * length + 300.0;
        let (mut sums, mut from) = (vec![f64::INFINITY; places.len()], vec![0; places.len()]);
        for (to, end) in places.iter().enumerate() {
            for (start, begin) in places[..to].iter().enumerate().rev() {
                let length = end.spoken - begin.spoken;
                if length > longest {
                    break;
                }
                let sum = best[start] + cost(sentence, begin.spoken, end.spoken) - end.gain;
                if length > 0.0 && sum < sums[to] {
                    (sums[to], from[to]) = (sum, start);
                }
            }
        }
        best = sums;
        before.push(from);
    }
    let sum_at = |place: usize| best[place] + cost(count - 1, places[place].spoken, total);
    let mut place = (0..places.len()).min_by(|a, b| sum_at(*a).total_cmp(&sum_at(*b)))?;
    if !sum_at(place).is_finite() {
        return None;
    }
    let mut found = vec![places[place].at];
    for from in before.iter().rev() {
        place = from[place];
        found.push(places[place].at);
    }
    found.push(first);
    found.reverse();
    let is_inside = found.is_sorted_by(|a, b| a < b) && found.last().is_some_and(|at| *at < last);
    is_inside.then_some(found)
}

/// Returns the pauses between the first and the last sound: the first block of each and the one after it.
fn pauses(levels: &[f32], first: usize, last: usize) -> Vec<(usize, usize)> {
    let mut pauses = Vec::new();
    let mut from = None;
    for (block, level) in levels.iter().enumerate().take(last).skip(first) {
        match from {
            None if *level < SILENCE => from = Some(block),
            Some(start) if *level >= SILENCE => {
                if block - start >= MIN_PAUSE {
                    pauses.push((start, block));
                }
                from = None;
            }
            _ => {}
        }
    }
    pauses
}

/// Returns the ends of the pauses, and the ends of the sentences by their lengths alone, in order.
fn places(first: usize, pauses: &[(usize, usize)], lengths: &[f64]) -> Vec<Place> {
    let mut silent = 0;
    let mut places = Vec::new();
    for (from, to) in pauses {
        let spoken = (from - first - silent) as f64;
        silent += to - from;
        places.push(Place { at: *to, spoken, gain: (to - from).min(MAX_GAIN) as f64 / 100.0 });
    }
    let mut spoken = 0.0;
    for length in lengths.iter().take(lengths.len().saturating_sub(1)) {
        spoken += length;
        let mut at = first as f64 + spoken;
        for (from, to) in pauses {
            if (*from as f64) < at {
                at += (to - from) as f64;
            }
        }
        places.push(Place { at: at.round() as usize, spoken, gain: -WITHOUT_PAUSE });
    }
    places.sort_by(|a, b| a.spoken.total_cmp(&b.spoken).then(a.at.cmp(&b.at)));
    places
}

/// Returns the length of a sentence in letters, with the time of its commas.
fn weight(text: &str) -> usize {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let commas = text
        .chars()
        .filter(|c| matches!(c, ',' | '،' | '、' | '，' | ';' | '؛' | '；' | ':' | '：'));
    letters.max(1) + COMMA * commas.count()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Levels of speech and pauses in turn, in blocks, starting with a pause.
    fn speech(lengths: &[usize]) -> Vec<f32> {
        let level = |i: usize| if i.is_multiple_of(2) { 0.001 } else { 0.3 };
        lengths.iter().enumerate().flat_map(|(i, length)| vec![level(i); *length]).collect()
    }

    #[test]
    fn sentences_begin_after_the_pauses_that_fit_their_lengths() {
        // 20 and 40 letters; the short pause in the second sentence is that of a comma.
        let texts = ["a".repeat(20), format!("{}, {}", "b".repeat(20), "c".repeat(20))];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let levels = speech(&[12, 100, 40, 110, 20, 105, 30]);
        assert_eq!(starts(&levels, &texts), Some(vec![12, 152]));
        // Without any pause: by the shares of the letters, a comma counting as three.
        let levels = speech(&[10, 630]);
        assert_eq!(starts(&levels, &texts), Some(vec![10, 210]));
        assert_eq!(starts(&levels, &texts[..1]), Some(vec![10]));
    }

    #[test]
    fn there_is_no_estimate_without_sound_or_time() {
        assert_eq!(starts(&speech(&[500]), &["One.", "Two."]), None);
        assert_eq!(starts(&[], &["One."]), None);
        assert_eq!(starts(&speech(&[0, 100]), &[]), None);
        assert_eq!(starts(&speech(&[0, 2]), &["One."; 20]), None);
        assert_eq!(starts(&speech(&[0, 100_000]), &["One."; 10_000]), None);
        assert_eq!(estimate_times(&PathBuf::from("no such file"), &["One."]), None);
    }

    /// Reads the start of each cue of a WebVTT file, in milliseconds, with its text.
    fn cues(text: &str) -> Vec<(u64, String)> {
        let ms = |time: &str| {
            let parts = time.split([':', '.']).map(|part| part.parse::<u64>().unwrap());
            let [hours, minutes, seconds, ms] = parts.collect::<Vec<_>>().try_into().unwrap();
            ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
        };
        let blocks = text.split("\n\n").filter(|block| block.contains(" --> "));
        blocks
            .map(|block| {
                let (times, text) = block.trim().split_once('\n').unwrap();
                (ms(times.split_once(" --> ").unwrap().0), text.replace('\n', " "))
            })
            .collect()
    }

    #[test]
    fn the_demo_narration_is_estimated_within_0_3_s() {
        let stories = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/stories");
        let (mut all, mut near, mut pages) = (0, 0, 0);
        for story in std::fs::read_dir(stories).unwrap().map(|e| e.unwrap().path()) {
            let Ok(files) = std::fs::read_dir(&story) else { continue };
            for timing in files.map(|e| e.unwrap().path()) {
                if timing.extension().is_none_or(|extension| extension != "vtt") {
                    continue;
                }
                let cues = cues(&std::fs::read_to_string(&timing).unwrap());
                let texts: Vec<&str> = cues.iter().map(|(_, text)| text.as_str()).collect();
                let found = estimate_times(&timing.with_extension("mp3"), &texts).unwrap();
                let (found, confidence) = (found.starts, found.confidence);
                assert_eq!(found.len(), cues.len(), "{}", timing.display());
                assert!(confidence >= 80, "{confidence} % of {}", timing.display());
                pages += 1;
                // The first sentence begins with the recording, which says little.
                for (estimated, (start, _)) in found.iter().zip(&cues).skip(1) {
                    all += 1;
                    near += usize::from(estimated.abs_diff(*start) <= 300);
                }
            }
        }
        assert!(pages >= 60 && all >= 190, "{pages} pages, {all} sentences");
        assert!(near * 10 >= all * 9, "{near} of {all} within 0.3 s");
    }
}
