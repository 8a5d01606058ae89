//! Approximate search for a pattern of at most 64 characters, with the bit-parallel algorithm of Myers (1999) in the
//! form of Hyyrö (2003): one step per character of the text. Errors are inserted, deleted and replaced characters.

/// Maximum length of a pattern in characters: one bit of a word for each.
pub(super) const MAX_PATTERN: usize = 64;

/// A pattern of 1 to 64 characters.
pub(super) struct Pattern {
    len: usize,
    /// For a character, the positions where the pattern contains it. The slot of a character is its lowest byte.
    slots: [(char, u64); 256],
    /// Characters whose slot is taken by another one.
    others: Vec<(char, u64)>,
}

impl Pattern {
    /// Returns `None` for a pattern that is empty or longer than 64 characters.
    pub fn new(chars: &[char]) -> Option<Self> {
        Self::of(chars.iter().copied(), chars.len())
    }
    /// Like `new`, for the reversed pattern.
    pub fn reversed(chars: &[char]) -> Option<Self> {
        Self::of(chars.iter().rev().copied(), chars.len())
    }
    fn of(chars: impl Iterator<Item = char>, len: usize) -> Option<Self> {
        if len == 0 || len > MAX_PATTERN {
            return None;
        }
        let mut pattern = Self { len, slots: [('\0', 0); 256], others: Vec::new() };
        for (at, c) in chars.enumerate() {
            let bit = 1_u64 << at;
            let slot = &mut pattern.slots[c as usize & 0xFF];
            if slot.1 == 0 {
                *slot = (c, bit);
            } else if slot.0 == c {
                slot.1 |= bit;
            } else if let Some(other) = pattern.others.iter_mut().find(|other| other.0 == c) {
                other.1 |= bit;
            } else {
                pattern.others.push((c, bit));
            }
        }
        Some(pattern)
    }
    fn positions(&self, c: char) -> u64 {
        let slot = self.slots[c as usize & 0xFF];
        if slot.0 == c {
            return slot.1;
        }
        self.others.iter().find(|other| other.0 == c).map_or(0, |other| other.1)
    }

    /// Finds the passages of `text` with at most `max_errors` errors. Returns for each its end and its errors, in order
    /// of the text. Ends that are less than half the pattern apart belong to one passage; of equally good ends the last
    /// one is returned.
    pub fn find(&self, text: &[char], max_errors: usize) -> Vec<(usize, usize)> {
        let gap = (self.len / 2).max(1);
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut last_end = 0;
        let mut column = Column::new(self.len);
        for (at, c) in text.iter().enumerate() {
            column.step(self.positions(*c), 0);
            if column.errors > max_errors {
                continue;
            }
            let end = at + 1;
            match found.last_mut() {
                Some(passage) if end - last_end < gap => {
                    if column.errors <= passage.1 {
                        *passage = (end, column.errors);
                    }
                }
                _ => found.push((end, column.errors)),
            }
            last_end = end;
        }
        found
    }
    /// Compares the pattern with the beginnings of `text`. Returns the least number of errors and the length of the
    /// beginning that has it, the longest of several.
    pub fn compare(&self, text: impl Iterator<Item = char>) -> (usize, usize) {
        let mut column = Column::new(self.len);
        let mut best = (self.len, 0);
        for (at, c) in text.enumerate() {
            column.step(self.positions(c), 1);
            if column.errors <= best.0 {
                best = (column.errors, at + 1);
            }
        }
        best
    }
}

/// One column of the matrix of edit distances, as differences between neighbouring cells.
struct Column {
    plus: u64,
    minus: u64,
    last: u64,
    /// The last cell: errors of the whole pattern at this position of the text.
    errors: usize,
}

impl Column {
    fn new(len: usize) -> Self {
        Self { plus: !0, minus: 0, last: 1 << (len - 1), errors: len }
    }
    /// Moves to the next character of the text. `first` is the difference in the row before the pattern: 0 if a passage
    /// may begin anywhere, 1 if it begins at the start of the text.
    fn step(&mut self, positions: u64, first: u64) {
        let vertical = positions | self.minus;
        let horizontal = ((positions & self.plus).wrapping_add(self.plus) ^ self.plus) | positions;
        let more = self.minus | !(horizontal | self.plus);
        let less = self.plus & horizontal;
        if more & self.last != 0 {
            self.errors += 1;
        } else if less & self.last != 0 {
            self.errors -= 1;
        }
        let more = more << 1 | first;
        self.plus = less << 1 | !(vertical | more);
        self.minus = more & vertical;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix of edit distances, cell by cell. `first`: errors of the empty pattern per character of the text.
    fn matrix(pattern: &[char], text: &[char], first: usize) -> Vec<usize> {
        let mut column: Vec<usize> = (0..=pattern.len()).collect();
        let mut ends = vec![pattern.len()];
        for (j, c) in text.iter().enumerate() {
            let mut diagonal = column[0];
            column[0] = first * (j + 1);
            for (i, p) in pattern.iter().enumerate() {
                let replaced = diagonal + usize::from(p != c);
                diagonal = column[i + 1];
                column[i + 1] = replaced.min(diagonal + 1).min(column[i] + 1);
            }
            ends.push(column[pattern.len()]);
        }
        ends
    }

    #[test]
    fn the_errors_are_those_of_the_matrix() {
        // A linear congruential generator: few letters, so that near matches are frequent.
        let mut state = 7_u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % n
        };
        // The letters share one slot.
        let letters = ['a', '\u{161}', '\u{261}', 'b', ' '];
        let chars = |len: u64, next: &mut dyn FnMut(u64) -> u64| -> Vec<char> {
            (0..len).map(|_| letters[next(5) as usize]).collect()
        };
        for round in 0..400 {
            let len = if round % 10 == 0 { 64 } else { 1 + next(20) };
            let pattern = chars(len, &mut next);
            let count = next(150);
            let text = chars(count, &mut next);
            let searched = Pattern::new(&pattern).unwrap();
            let anywhere = matrix(&pattern, &text, 0);
            let max_errors = pattern.len() / 3;
            let found = searched.find(&text, max_errors);
            for (end, errors) in &found {
                assert_eq!(anywhere[*end], *errors, "{pattern:?} {text:?}");
            }
            let accepted: Vec<usize> =
                (1..=text.len()).filter(|end| anywhere[*end] <= max_errors).collect();
            assert_eq!(accepted.is_empty(), found.is_empty());
            let least = accepted.iter().map(|end| anywhere[*end]).min();
            assert_eq!(least, found.iter().map(|(_, errors)| *errors).min());
            let anchored = matrix(&pattern, &text, 1);
            let (errors, len) = searched.compare(text.iter().copied());
            assert_eq!(Some(&errors), anchored.iter().min());
            assert_eq!(anchored[len], errors);
            let back: Vec<char> = text.iter().rev().copied().collect();
            assert_eq!(
                Pattern::reversed(&pattern).unwrap().compare(back.iter().copied()).0,
                *matrix(&pattern.iter().rev().copied().collect::<Vec<_>>(), &back, 1)
                    .iter()
                    .min()
                    .unwrap()
            );
        }
        assert!(Pattern::new(&[]).is_none());
        assert!(Pattern::new(&['a'; 65]).is_none());
    }
}
