//! Places notes in edited editions of real texts. Each sentence has an id that survives edits, so that the right place
//! of every note is known.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use carrel_learning::notes::{BodyText, Passage, Placement};
use carrel_model::{BlobHash, lattice::NoteAnchor};

/// Random numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

#[derive(Clone)]
struct Sentence {
    id: usize,
    text: String,
    changed: bool,
    /// The sentence of which it is a copy. If that one is deleted, it was moved.
    copy_of: Option<usize>,
}

/// Blocks of sentences.
#[derive(Clone)]
struct Edition(Vec<Vec<Sentence>>);

impl Edition {
    fn texts(&self) -> Vec<String> {
        let block = |block: &Vec<Sentence>| {
            block.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ")
        };
        self.0.iter().map(block).collect()
    }
    fn body(&self) -> (BlobHash, BodyText) {
        let texts = self.texts();
        let hash = BlobHash::of(texts.join("\n").as_bytes());
        (hash, BodyText::new(&hash, texts))
    }
    /// Returns each sentence with its block and its characters.
    fn sentences(&self) -> Vec<(&Sentence, Passage)> {
        let mut all = Vec::new();
        for (number, block) in self.0.iter().enumerate() {
            let mut start = 0;
            for sentence in block {
                let end = start + sentence.text.chars().count();
                all.push((sentence, Passage { block: number, start, end }));
                start = end + 1;
            }
        }
        all
    }
    fn any(&self, random: &mut Random) -> (usize, usize) {
        let block = random.below(self.0.len());
        (block, random.below(self.0[block].len()))
    }
    /// Adds a similar sentence elsewhere, as in exercises.
    fn add_twin(
        &mut self,
        (block, at): (usize, usize),
        (to_block, to): (usize, usize),
        random: &mut Random,
        other: &[String],
        next_id: &mut usize,
    ) {
        *next_id += 1;
        let first = self.0[block][at].clone();
        let copy_of = first.copy_of.or(Some(first.id));
        let mut twin = Sentence { id: *next_id, copy_of, ..first };
        if random.below(3) > 0 {
            change(&mut twin, random, other);
        }
        self.0[to_block].insert(to, twin);
    }
    /// Makes one edit. `other`: sentences of other texts.
    fn edit(&mut self, random: &mut Random, other: &[String], next_id: &mut usize) {
        let (block, at) = self.any(random);
        let (to_block, to) = self.any(random);
        match random.below(10) {
            0 | 1 => {
                if self.0[block].len() > 1 {
                    self.0[block].remove(at);
                }
            }
            2 => {
                let text = other[random.below(other.len())].clone();
                *next_id += 1;
                self.0[block]
                    .insert(at, Sentence { id: *next_id, text, changed: true, copy_of: None });
            }
            3 | 4 => change(&mut self.0[block][at], random, other),
            5 => {
                if self.0[block].len() > 1 {
                    let sentence = self.0[block].remove(at);
                    let to = to.min(self.0[to_block].len());
                    self.0[to_block].insert(to, sentence);
                }
            }
            6 => self.add_twin((block, at), (to_block, to), random, other, next_id),
            7 => {
                if block + 1 < self.0.len() {
                    let merged = self.0.remove(block + 1);
                    self.0[block].extend(merged);
                }
            }
            8 => {
                let tail = self.0[block].split_off(at);
                if self.0[block].is_empty() {
                    self.0[block] = tail;
                } else if !tail.is_empty() {
                    self.0.insert(block + 1, tail);
                }
            }
            _ => self.0.swap(block, to_block),
        }
    }
}

/// Replaces, removes or adds one to three words, in scripts without spaces characters.
fn change(sentence: &mut Sentence, random: &mut Random, other: &[String]) {
    let has_spaces = sentence.text.contains(' ');
    let separator = if has_spaces { " " } else { "" };
    let split = |text: &str| -> Vec<String> {
        match has_spaces {
            true => text.split(' ').map(str::to_owned).collect(),
            false => text.chars().map(String::from).collect(),
        }
    };
    let mut words = split(&sentence.text);
    for _ in 0..=random.below(3) {
        let at = random.below(words.len());
        let from = split(&other[random.below(other.len())]);
        let word = from[random.below(from.len())].clone();
        match random.below(3) {
            0 => words[at] = word,
            1 => words.insert(at, word),
            _ if words.len() > 2 => drop(words.remove(at)),
            _ => {}
        }
    }
    sentence.text = NoteAnchor::fold(&words.join(separator));
    sentence.changed = true;
}

/// Returns the sentences of a Markdown text or of a story, in paragraphs.
fn paragraphs(text: &str) -> Vec<Vec<String>> {
    let mut paragraphs = Vec::new();
    for paragraph in text.split("\n\n") {
        if paragraph.starts_with("```") || paragraph.starts_with(['{', '|']) {
            continue;
        }
        let plain: String = paragraph.chars().filter(|c| !"*_`#[]>".contains(*c)).collect();
        let mut sentences = vec![String::new()];
        for word in plain.split_whitespace() {
            let sentence = sentences.last_mut().unwrap();
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
            if word.ends_with(['.', '?', '!', ':', '។', '።', '؟', '।', '。']) {
                sentences.push(String::new());
            }
        }
        sentences.retain(|s| s.chars().count() > 3);
        if !sentences.is_empty() {
            paragraphs.push(sentences.iter().map(|s| NoteAnchor::fold(s)).collect());
        }
    }
    paragraphs
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

fn texts(folder: &Path) -> Vec<Vec<Vec<String>>> {
    let mut found = Vec::new();
    files(folder, &mut found);
    found.sort();
    let texts = found.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.map(|text| paragraphs(&text)).filter(|t| t.iter().flatten().count() >= 8).collect()
}

#[derive(Default, Debug)]
struct Counts {
    editions: usize,
    notes: usize,
    exact: usize,
    moved: usize,
    orphans: usize,
    /// Orphans whose passage is unchanged.
    lost: usize,
    wrong: Vec<String>,
}

/// A note: its passage in the first edition, and the ids of its first and last sentence.
struct Note {
    anchor: NoteAnchor,
    passage: Passage,
    text: String,
    first: usize,
    last: usize,
    /// First character within the sentence, of a part of one.
    offset: usize,
    is_part: bool,
}

/// Marks every sentence, a part of every sentence, and passages of several sentences.
fn notes(edition: &Edition, random: &mut Random) -> Vec<Note> {
    let (hash, body) = edition.body();
    let all = edition.sentences();
    let mut notes = Vec::new();
    for (number, (sentence, whole)) in all.iter().enumerate() {
        let mut add = |passage: Passage, last: usize, is_part: bool| {
            let anchor = body.anchor(&hash, passage).unwrap();
            let text = body.passage_text(passage).unwrap();
            let offset = passage.start - whole.start;
            notes.push(Note { text, anchor, passage, first: sentence.id, last, offset, is_part });
        };
        add(*whole, sentence.id, false);
        let spaces: Vec<usize> =
            sentence.text.chars().enumerate().filter(|(_, c)| *c == ' ').map(|(i, _)| i).collect();
        if spaces.len() > 2 {
            let from = random.below(spaces.len() - 1);
            let to = (from + 1 + random.below(3)).min(spaces.len() - 1);
            let (start, end) = (whole.start + spaces[from] + 1, whole.start + spaces[to]);
            add(Passage { start, end, ..*whole }, sentence.id, true);
        }
        let span = 1 + random.below(4);
        if let Some((last, to)) = all.get(number + span)
            && to.block == whole.block
        {
            add(Passage { end: to.end, ..*whole }, last.id, false);
        }
    }
    notes
}

fn check(note: &Note, edition: &Edition, counts: &mut Counts, name: &str) {
    let (_, body) = edition.body();
    let sentences = edition.sentences();
    let of = |id: usize| sentences.iter().find(|(s, _)| s.id == id);
    counts.notes += 1;
    let placement = body.place(&note.anchor);
    let placed = match placement {
        Placement::Exact(passage) => {
            counts.exact += 1;
            assert_eq!(passage, note.passage);
            return;
        }
        Placement::Moved(passage) => passage,
        Placement::Orphan => {
            counts.orphans += 1;
            let unchanged = |id| of(id).is_some_and(|(s, _)| !s.changed);
            counts.lost += usize::from(unchanged(note.first) && unchanged(note.last));
            return;
        }
    };
    counts.moved += 1;
    let at = |position: usize| {
        let found = sentences
            .iter()
            .find(|(_, p)| p.block == placed.block && (p.start..p.end).contains(&position));
        found.map(|(s, p)| (*s, *p))
    };
    let (first, last) = (at(placed.start), at(placed.end - 1));
    // A copy that the edits added is as good if the marked text is the same, or if the sentence itself was changed too.
    let text = body.passage_text(placed).unwrap_or_default();
    let is = |sentence: &Sentence, id: usize| {
        let is_kept = of(id).is_some_and(|(s, _)| !s.changed);
        sentence.id == id || sentence.copy_of == Some(id) && (text == note.text || !is_kept)
    };
    // Words that a sentence contains twice are not told apart here.
    let is_repeated = |sentence: &Sentence| sentence.text.matches(&note.text).count() > 1;
    let right = match (first, last) {
        (Some((first, begin)), Some((last, _))) => {
            // The marked text word for word, from or to the right sentence: the other one has a double that is equal.
            let is_repeated_exactly =
                text == note.text && (first.id == note.first || last.id == note.last);
            (is(first, note.first) && is(last, note.last) || is_repeated_exactly)
                && (!note.is_part
                    || first.changed
                    || is_repeated(first)
                    || placed.start - begin.start == note.offset)
        }
        _ => false,
    };
    if !right {
        counts.wrong.push(format!("{name}: {:?} placed at {text:?}", note.anchor));
    }
}

/// The first and the last twelve characters of a sentence.
fn edges(sentence: &str) -> [String; 2] {
    let first = sentence.chars().take(12).collect();
    let last = sentence.chars().rev().take(12).collect::<Vec<char>>();
    [first, last.into_iter().rev().collect()]
}

#[expect(clippy::print_stderr, reason = "the figures are read by people")]
fn run(texts: &[Vec<Vec<String>>], rounds: u64, name: &str) -> Counts {
    let mut counts = Counts::default();
    for (number, text) in texts.iter().enumerate() {
        // Texts that share sentences, such as lines of credits, have no right place for them.
        let own: BTreeSet<String> = text.iter().flatten().flat_map(|s| edges(s)).collect();
        let other: Vec<String> = texts
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != number && n.abs_diff(number) < 40)
            .flat_map(|(_, t)| t.iter().flatten().cloned())
            .filter(|sentence| edges(sentence).iter().all(|edge| !own.contains(edge)))
            .collect();
        for seed in 0..rounds {
            let random = &mut Random(seed * 1_000 + number as u64);
            let mut next_id = 0;
            // One to three paragraphs in each block.
            let mut blocks: Vec<Vec<Sentence>> = Vec::new();
            for paragraph in text {
                let sentences = paragraph.iter().map(|text| {
                    next_id += 1;
                    Sentence { id: next_id, text: text.clone(), changed: false, copy_of: None }
                });
                let sentences: Vec<Sentence> = sentences.collect();
                match blocks.last_mut() {
                    Some(block) if random.below(3) > 0 => block.extend(sentences),
                    _ => blocks.push(sentences),
                }
            }
            let mut first = Edition(blocks);
            // Similar sentences of the first edition are different ones.
            for _ in 0..random.below(4) {
                let (from, to) = (first.any(random), first.any(random));
                first.add_twin(from, to, random, &other, &mut next_id);
            }
            for sentence in first.0.iter_mut().flatten() {
                (sentence.changed, sentence.copy_of) = (false, None);
            }
            let notes = notes(&first, random);
            let mut edited = first.clone();
            for _ in 0..random.below(12) {
                edited.edit(random, &other, &mut next_id);
            }
            counts.editions += 1;
            for note in &notes {
                check(note, &edited, &mut counts, &format!("{name} {number} seed {seed}"));
            }
        }
    }
    let share = |n: usize| 100.0 * n as f64 / counts.notes.max(1) as f64;
    // Shown with `--no-capture`.
    eprintln!(
        "{name}: {} editions, {} notes: {} exact, {} found ({:.1} % placed), {} orphans, {} of them with \
        unchanged ends, {} wrong",
        counts.editions,
        counts.notes,
        counts.exact,
        counts.moved,
        share(counts.exact + counts.moved),
        counts.orphans,
        counts.lost,
        counts.wrong.len()
    );
    counts
}

#[test]
fn in_edited_editions_no_note_is_on_a_wrong_sentence() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/courses");
    let texts = texts(&folder);
    assert!(texts.len() >= 10, "the demo courses have {} texts", texts.len());
    let counts = run(&texts, 10, "demo courses");
    assert!(counts.editions >= 200, "{} editions", counts.editions);
    assert!(counts.wrong.is_empty(), "{:#?}", &counts.wrong[..counts.wrong.len().min(8)]);
    let found = (counts.exact + counts.moved) as f64 / counts.notes as f64;
    assert!(found >= 0.6, "only {found} of the notes were found");
    assert!(counts.orphans > 0 && counts.exact > 0 && counts.moved > 0);
}

/// `CARREL_TEXTS`: a folder with more texts (`*.md`), in any language.
#[test]
#[expect(clippy::print_stderr, reason = "says that nothing was tested")]
fn in_edited_editions_of_other_texts_no_note_is_on_a_wrong_sentence() {
    let Some(folder) = std::env::var_os("CARREL_TEXTS") else {
        eprintln!("skipped: CARREL_TEXTS does not name a folder with texts");
        return;
    };
    let texts = texts(Path::new(&folder));
    assert!(!texts.is_empty(), "no texts of eight sentences in {folder:?}");
    let counts = run(&texts, 4, "other texts");
    assert!(counts.wrong.is_empty(), "{:#?}", &counts.wrong[..counts.wrong.len().min(8)]);
}

#[test]
fn notes_in_the_same_edition_are_exact_and_repeated_passages_are_not_guessed() {
    let refrain = "Row, row, row your boat.";
    let edition = |blocks: &[&[&str]]| {
        let sentence = |text: &&str| Sentence {
            id: 0,
            text: (*text).to_owned(),
            changed: false,
            copy_of: None,
        };
        Edition(blocks.iter().map(|b| b.iter().map(sentence).collect()).collect())
    };
    let first = edition(&[&[refrain, "Gently.", refrain, "Merrily."], &[refrain]]);
    let (hash, body) = first.body();
    let places: BTreeSet<Passage> = first.sentences().iter().map(|(_, p)| *p).collect();
    for passage in &places {
        let anchor = body.anchor(&hash, *passage).unwrap();
        assert_eq!(body.place(&anchor), Placement::Exact(*passage));
    }
    // The first refrain is deleted: the others must not take its notes.
    let anchor = body.anchor(&hash, Passage { block: 0, start: 0, end: 24 }).unwrap();
    assert!(anchor.r.is_some_and(|rival| rival >= 50), "{anchor:?}");
    let (_, later) = edition(&[&["Gently.", refrain, "Merrily."], &[refrain]]).body();
    assert_eq!(later.place(&anchor), Placement::Orphan);
}
