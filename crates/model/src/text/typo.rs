//! Compares a typed answer that is not equal to an accepted one: by accents alone, or by one typing error.
//!
//! Both texts are folded before (`fold`).

use unicode_normalization::UnicodeNormalization;

use super::chars::ascii_digit;

/// Shortest text, in letters, of which one typing error is recognised: shorter words are too close to others.
const MIN_LETTERS: usize = 5;

/// Returns true if the texts differ, but only in accents and similar marks of letters: `cafe` and `café`.
pub fn differs_by_accents(accepted: &str, typed: &str) -> bool {
    accepted != typed && without_accents(accepted) == without_accents(typed)
}

/// Returns true if one letter was typed too much, too little, instead of another one, or before the one it follows, in
/// a text of at least five letters. Digits must be equal.
pub fn differs_by_typo(accepted: &str, typed: &str) -> bool {
    let digits = |text: &str| text.chars().filter_map(ascii_digit).collect::<String>();
    let letters = accepted.chars().filter(|c| c.is_alphabetic()).count();
    letters >= MIN_LETTERS && digits(accepted) == digits(typed) && is_one_edit(accepted, typed)
}

fn is_one_edit(a: &str, b: &str) -> bool {
    let (mut a, mut b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    while a.last().is_some() && a.last() == b.last() {
        a.pop();
        b.pop();
    }
    let common = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    match (&a[common..], &b[common..]) {
        ([_], []) | ([], [_]) | ([_], [_]) => true,
        ([first, second], [third, fourth]) => first == fourth && second == third,
        _ => false,
    }
}

/// Removes the accents of Latin, Greek and Cyrillic letters and the hamza and madda of Arabic ones. The marks of other
/// scripts are vowels or make another letter.
fn without_accents(text: &str) -> String {
    let is_accent = |c: &char| matches!(u32::from(*c), 0x300..=0x36F | 0x653..=0x655);
    let mut out = String::with_capacity(text.len());
    for c in text.nfd().filter(|c| !is_accent(c)) {
        match c {
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ħ' => out.push('h'),
            'ı' => out.push('i'),
            'Ø' => out.push('O'),
            'Ł' => out.push('L'),
            'Đ' => out.push('D'),
            'İ' => out.push('I'),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            c => out.push(c),
        }
    }
    // Letters that are composed of other parts than accents, such as Korean ones.
    out.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_recognised() {
        for (accepted, typed) in [
            ("café", "cafe"),
            ("cafe", "café"),
            ("élève", "eleve"),
            ("señor", "senor"),
            ("łódź", "lodz"),
            ("cœur", "coeur"),
            ("việt", "viet"),
            ("ёлка", "елка"),
            ("λόγος", "λογος"),
            ("أب", "اب"),
            ("über", "uber"),
        ] {
            assert!(differs_by_accents(accepted, typed), "{accepted} {typed}");
        }
        for (accepted, typed) in [
            ("café", "café"),
            ("café", "cafes"),
            ("か", "が"),
            ("की", "का"),
            ("אב", "אג"),
            ("a", ""),
        ] {
            assert!(!differs_by_accents(accepted, typed), "{accepted} {typed}");
        }
    }

    #[test]
    fn one_typing_error_is_recognised_in_five_letters() {
        for (accepted, typed) in [
            ("meander", "meader"),
            ("meander", "meanderr"),
            ("meander", "meandar"),
            ("meander", "maender"),
            ("receive", "recieve"),
            ("river", "rivr"),
            ("oxbow lake", "oxbowlake"),
            ("river", "rivet"),
            ("книга", "кинга"),
        ] {
            assert!(differs_by_typo(accepted, typed), "{accepted} {typed}");
        }
        for (accepted, typed) in [
            ("lake", "lage"),
            ("meander", "meander"),
            ("meander", "meadnre"),
            ("meander", "mander s"),
            ("meander", ""),
            ("apollo 11", "apollo 12"),
            ("apollo 11", "apollo 1"),
            ("route 66 a", "route 6 a"),
            ("ab 1234", "ac 1234"),
            ("aaaaa", "aaa"),
        ] {
            assert!(!differs_by_typo(accepted, typed), "{accepted} {typed}");
        }
    }
}
