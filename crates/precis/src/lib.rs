//! Comparison of logins and passwords: the PRECIS profiles UsernameCaseMapped and OpaqueString (RFC 8264, RFC 8265),
//! and the skeletons of UTS 39, which are equal for look-alike logins.
//!
//! The derived property of a character is computed from its general category in a current Unicode version (RFC 8264,
//! section 8). Crates with fixed tables implement Unicode 6.3, so they refuse newer scripts such as Adlam.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Why a login, name or password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrecisError {
    #[error("is empty")]
    Empty,
    #[error("contains the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    #[error("contains the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
    #[error("contains the unassigned character U+{:04X}", u32::from(*.0))]
    Unassigned(char),
    #[error("contains {:?} (U+{:04X}), which is not allowed", .0, u32::from(*.0))]
    NotAllowed(char),
    #[error("mixes right-to-left and left-to-right letters")]
    MixedDirections,
    #[error("must have 1 to {MAX_NAME} characters")]
    Length,
}

/// Maximum length of logins and names in characters.
pub const MAX_NAME: usize = 100;

/// Returns a new login as it is displayed. It is compared by its key ([`username`]).
///
/// # Errors
/// A login that [`username`] refuses, or with more than [`MAX_NAME`] characters.
pub fn new_login(login: &str) -> Result<String, PrecisError> {
    of_allowed_length(username(login)?)?;
    new_name(login)
}

/// Returns a new name of a person as it is displayed.
///
/// # Errors
/// A name that [`display_name`] refuses, or with more than [`MAX_NAME`] characters.
pub fn new_name(name: &str) -> Result<String, PrecisError> {
    of_allowed_length(display_name(name)?)
}

fn of_allowed_length(text: String) -> Result<String, PrecisError> {
    if (1..=MAX_NAME).contains(&text.chars().count()) { Ok(text) } else { Err(PrecisError::Length) }
}

/// Returns the key that is equal for equal logins: width and case mapped, NFC, words separated by single spaces.
///
/// # Errors
/// A character outside the IdentifierClass of RFC 8264, or letters of both directions in one word.
pub fn username(login: &str) -> Result<String, PrecisError> {
    let words: Vec<String> = login.split_whitespace().map(userpart).collect::<Result<_, _>>()?;
    if words.is_empty() { Err(PrecisError::Empty) } else { Ok(words.join(" ")) }
}

/// Returns the key of a login that was typed or pasted to sign in. Invisible and control characters, which no key
/// contains, are ignored: they are often pasted with a text.
///
/// # Errors
/// As [`username`], for the remaining characters.
pub fn typed_username(login: &str) -> Result<String, PrecisError> {
    username(login).or_else(|_| username(&visible(login)))
}

/// Returns the text without invisible and control characters.
pub fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        let category = c.general_category();
        is_ignorable(c)
            || matches!(c, '\u{200C}' | '\u{200D}')
            || matches!(category, GeneralCategory::Format | GeneralCategory::Control)
    };
    text.chars().filter(|c| c.is_whitespace() || !is_hidden(*c)).collect()
}

/// Returns the form of a password to hash: NFC, with each space as U+0020. Case and width are kept.
pub fn opaque(password: &str) -> Result<String, PrecisError> {
    let is_space = |c: char| c.general_category() == GeneralCategory::SpaceSeparator;
    let mapped: String =
        password.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect();
    if mapped.is_empty() {
        return Err(PrecisError::Empty);
    }
    let chars: Vec<char> = mapped.chars().collect();
    for at in 0..chars.len() {
        check(&chars, at, Class::Freeform)?;
    }
    Ok(mapped)
}

/// Returns a display name in its normal form: characters of the FreeformClass, NFC, words separated by single spaces.
pub fn display_name(name: &str) -> Result<String, PrecisError> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    opaque(&name)
}

/// Returns the key for a login of an older release that PRECIS refuses or whose PRECIS key another account has. It
/// starts with a space, which no PRECIS key does.
pub fn legacy_key(login: &str) -> String {
    format!(" {}", login.trim().to_lowercase())
}

/// Returns the skeleton of a login key (UTS 39, section 4), which is equal for keys that look alike.
pub fn skeleton(key: &str) -> String {
    unicode_security::skeleton(key).collect::<String>().nfc().collect()
}

fn userpart(word: &str) -> Result<String, PrecisError> {
    let narrow: String = word.chars().flat_map(width_mapped).collect();
    // Case mapping can produce text that is not in NFC, and NFC can produce upper case, so both are repeated until the
    // text is stable.
    let mut mapped = case_mapped(&narrow);
    for _ in 0..3 {
        let next = case_mapped(&mapped);
        if next == mapped {
            break;
        }
        mapped = next;
    }
    let chars: Vec<char> = mapped.chars().collect();
    for at in 0..chars.len() {
        check(&chars, at, Class::Identifier)?;
    }
    check_direction(&chars)?;
    Ok(mapped)
}

/// Maps to lower case and NFC. The four letters i of Turkish are one, with or without a dot in either case: which of
/// them is the other case of which depends on the language of the keyboard.
fn case_mapped(text: &str) -> String {
    let composed: String = text.nfc().collect();
    let lower = composed.to_lowercase().replace('\u{131}', "i").replace("i\u{307}", "i");
    lower.nfc().collect()
}

/// Maps a full-width or half-width form to the ordinary character.
fn width_mapped(c: char) -> impl Iterator<Item = char> {
    let is_form = matches!(c, '\u{3000}' | '\u{FF01}'..='\u{FFDC}' | '\u{FFE0}'..='\u{FFEE}');
    let mapped: Vec<char> = if is_form { [c].into_iter().nfkc().collect() } else { vec![c] };
    mapped.into_iter()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Identifier,
    Freeform,
}

/// Checks a character by RFC 8264, section 8, in the order given there.
fn check(chars: &[char], at: usize, class: Class) -> Result<(), PrecisError> {
    let c = chars[at];
    if let Some(allowed) = exception(chars, at) {
        return if allowed { Ok(()) } else { Err(PrecisError::NotAllowed(c)) };
    }
    let category = c.general_category();
    let is_noncharacter = u32::from(c) & 0xFFFE == 0xFFFE || ('\u{FDD0}'..='\u{FDEF}').contains(&c);
    if category == GeneralCategory::Unassigned && !is_noncharacter {
        return Err(PrecisError::Unassigned(c));
    }
    if ('!'..='~').contains(&c) {
        return Ok(());
    }
    if matches!(c, '\u{200C}' | '\u{200D}') {
        return if joins(chars, at, class) { Ok(()) } else { Err(PrecisError::Invisible(c)) };
    }
    if is_old_hangul_jamo(c) {
        return Err(PrecisError::NotAllowed(c));
    }
    if is_noncharacter || is_ignorable(c) {
        return Err(PrecisError::Invisible(c));
    }
    if c.general_category_group() == GeneralCategoryGroup::Other {
        return Err(match category {
            GeneralCategory::Format => PrecisError::Invisible(c),
            GeneralCategory::Control => PrecisError::Control(c),
            _ => PrecisError::NotAllowed(c),
        });
    }
    let has_compatibility_form = !std::iter::once(c).nfkc().eq(std::iter::once(c));
    let is_letter_or_digit = matches!(
        category,
        GeneralCategory::LowercaseLetter
            | GeneralCategory::UppercaseLetter
            | GeneralCategory::OtherLetter
            | GeneralCategory::DecimalNumber
            | GeneralCategory::ModifierLetter
            | GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
    );
    let is_allowed = match class {
        Class::Identifier => is_letter_or_digit && !has_compatibility_form,
        Class::Freeform => !matches!(
            category,
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator
        ),
    };
    if is_allowed { Ok(()) } else { Err(PrecisError::NotAllowed(c)) }
}

/// Applies the exceptions of RFC 5892, section 2.6, with the context rules of its appendix A. Returns `None` if the
/// general rules apply.
fn exception(chars: &[char], at: usize) -> Option<bool> {
    let before = at.checked_sub(1).map(|i| chars[i]);
    let after = chars.get(at + 1).copied();
    let is_hebrew =
        |c: Option<char>| matches!(c, Some('\u{0590}'..='\u{05FF}' | '\u{FB1D}'..='\u{FB4F}'));
    Some(match chars[at] {
        '\u{00DF}' | '\u{03C2}' | '\u{06FD}' | '\u{06FE}' | '\u{0F0B}' | '\u{3007}' => true,
        '\u{0640}' | '\u{07FA}' | '\u{302E}' | '\u{302F}' | '\u{3031}'..='\u{3035}' | '\u{303B}' => false,
        '\u{00B7}' => before == Some('l') && after == Some('l'),
        '\u{0375}' => matches!(after, Some('\u{0370}'..='\u{03FF}' | '\u{1F00}'..='\u{1FFF}')),
        '\u{05F3}' | '\u{05F4}' => is_hebrew(before),
        '\u{30FB}' => chars.iter().any(|c| {
            matches!(c, '\u{3041}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}')
        }),
        '\u{0660}'..='\u{0669}' => !chars.iter().any(|c| ('\u{06F0}'..='\u{06F9}').contains(c)),
        '\u{06F0}'..='\u{06F9}' => !chars.iter().any(|c| ('\u{0660}'..='\u{0669}').contains(c)),
        _ => return None,
    })
}

/// Returns true if the joiner at `at` is allowed: after a virama or, for a non-joiner in free text, between two
/// letters.
fn joins(chars: &[char], at: usize, class: Class) -> bool {
    let is_letter = |c: &char| c.general_category() == GeneralCategory::OtherLetter;
    let before = at.checked_sub(1).map(|i| chars[i]);
    let after_virama = before.is_some_and(|c| canonical_combining_class(c) == 9);
    let between_letters = class == Class::Freeform
        && chars[at] == '\u{200C}'
        && before.as_ref().is_some_and(is_letter)
        && chars.get(at + 1).is_some_and(is_letter);
    after_virama || between_letters
}

fn is_old_hangul_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97C}' | '\u{D7B0}'..='\u{D7FB}')
}

/// Default_Ignorable_Code_Point (Unicode 16), without the two joiners, and other characters that are not displayed.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'
            | '\u{200E}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            // The empty Braille pattern, which is a symbol but is displayed as nothing.
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Checks a part of the Bidi Rule (RFC 5893): a word with a right-to-left letter must start with one and contain no
/// left-to-right letters.
fn check_direction(chars: &[char]) -> Result<(), PrecisError> {
    let is_letter = |c: &char| c.general_category_group() == GeneralCategoryGroup::Letter;
    if !chars.iter().any(is_right_to_left) {
        return Ok(());
    }
    let mixes = chars.iter().any(|c| is_letter(c) && !is_right_to_left(c));
    if mixes || !chars.first().is_some_and(is_right_to_left) {
        return Err(PrecisError::MixedDirections);
    }
    Ok(())
}

/// Returns true for letters of the blocks whose default direction is right to left.
fn is_right_to_left(c: &char) -> bool {
    let in_block = matches!(
        c,
        '\u{0590}'..='\u{08FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFC}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
    );
    in_block && c.general_category_group() == GeneralCategoryGroup::Letter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logins_have_equal_keys() {
        for (a, b) in [
            ("jos\u{e9}", "jose\u{301}"),
            ("NOOR", "noor"),
            ("\u{ff2e}\u{ff4f}\u{ff4f}\u{ff52}", "noor"),
            (" Noor  Khan ", "noor khan"),
            ("\u{3a3}\u{391}\u{3a3}", "\u{3c3}\u{3b1}\u{3c2}"),
            // A Hangul syllable as a sequence of jamo (NFD).
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("I", "i"),
        ] {
            assert_eq!(username(a).unwrap(), username(b).unwrap());
        }
        // The letters i of Turkish, composed, decomposed, and as other programs map the case of the dotted capital.
        for login in
            ["\u{130}LK", "I\u{307}lk", "ILK", "\u{131}lk", "i\u{307}lk", "\u{131}\u{307}LK"]
        {
            assert_eq!(username(login).as_deref(), Ok("ilk"), "{login:?}");
        }
        // Other dots and accents are kept.
        assert_eq!(username("\u{17b}").as_deref(), Ok("\u{17c}"));
        assert_eq!(username("i\u{307}\u{301}"), username("\u{cd}"));
        for login in [
            "asha",
            "pw3",
            "noor.khan@school",
            "\u{986}\u{9b6}\u{9be}",
            "\u{5d3}\u{5e0}\u{5d9}7",
            "\u{1e900}\u{1e901}",
            "a+b_c-d!",
        ] {
            assert!(username(login).is_ok(), "{login:?}: {:?}", username(login));
        }
    }

    #[test]
    fn invisible_characters_are_refused() {
        for (text, error) in [
            ("pw3\u{200b}", PrecisError::Invisible('\u{200b}')),
            ("no\u{202e}or", PrecisError::Invisible('\u{202e}')),
            ("no\u{2066}or", PrecisError::Invisible('\u{2066}')),
            ("no\u{ad}or", PrecisError::Invisible('\u{ad}')),
            ("\u{feff}noor", PrecisError::Invisible('\u{feff}')),
            ("noor\u{fe0f}", PrecisError::Invisible('\u{fe0f}')),
            ("noor\u{200d}", PrecisError::Invisible('\u{200d}')),
            ("noor\u{e0041}", PrecisError::Invisible('\u{e0041}')),
            ("no\u{7}or", PrecisError::Control('\u{7}')),
            ("noor\u{378}", PrecisError::Unassigned('\u{378}')),
            ("noor\u{fffe}", PrecisError::Invisible('\u{fffe}')),
            ("noor\u{2800}", PrecisError::Invisible('\u{2800}')),
            ("noor\u{3164}", PrecisError::Invisible('\u{3164}')),
            ("no\u{fff9}or", PrecisError::Invisible('\u{fff9}')),
        ] {
            assert_eq!(username(text), Err(error), "{text:?}");
            assert_eq!(opaque(text), Err(error), "{text:?}");
        }
        for mixed in ["noor\u{5d0}", "\u{5d0}noor", "\u{627}a\u{627}", "7\u{5d0}"] {
            assert_eq!(username(mixed), Err(PrecisError::MixedDirections), "{mixed:?}");
        }
        assert_eq!(username("\u{2460}"), Err(PrecisError::NotAllowed('\u{2460}')));
        assert_eq!(username("  "), Err(PrecisError::Empty));
    }

    #[test]
    fn invisible_characters_of_a_typed_login_are_ignored() {
        for typed in [
            "\u{feff}noor",
            "noor\u{200b}",
            "\u{202a}noor\u{202c}",
            "no\u{ad}or",
            "noor\u{200f}",
            "noor\u{0}\r\n",
        ] {
            assert_eq!(typed_username(typed).as_deref(), Ok("noor"), "{typed:?}");
        }
        assert_eq!(typed_username("noor\u{a0}\u{200e} khan").as_deref(), Ok("noor khan"));
        assert_eq!(typed_username("\u{200b}"), Err(PrecisError::Empty));
        assert_eq!(typed_username("\u{2460}\u{200b}"), Err(PrecisError::NotAllowed('\u{2460}')));
    }

    #[test]
    fn new_logins_and_names_have_a_maximum_length() {
        assert_eq!(new_login(" Noor  Khan ").as_deref(), Ok("Noor Khan"));
        assert_eq!(new_login(&"n".repeat(MAX_NAME)).map(|login| login.len()), Ok(MAX_NAME));
        assert_eq!(new_login(&"n".repeat(MAX_NAME + 1)), Err(PrecisError::Length));
        assert_eq!(new_name(&"n".repeat(MAX_NAME + 1)), Err(PrecisError::Length));
        // A name may contain letters that no login may contain.
        assert_eq!(new_name("Noor \u{2460}").as_deref(), Ok("Noor \u{2460}"));
        assert_eq!(new_login("Noor \u{2460}"), Err(PrecisError::NotAllowed('\u{2460}')));
    }

    #[test]
    fn passwords_keep_case_and_width() {
        assert_eq!(opaque("Jose\u{301}\u{a0}x").as_deref(), Ok("Jos\u{e9} x"));
        assert_eq!(opaque("\u{ff2e}").as_deref(), Ok("\u{ff2e}"));
        assert_eq!(opaque("\u{1f600} A b").as_deref(), Ok("\u{1f600} A b"));
        // Persian words contain the non-joiner, Devanagari both joiners after a virama.
        assert!(opaque("\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}").is_ok());
        assert!(opaque("\u{915}\u{94d}\u{200d}\u{937}").is_ok());
    }

    #[test]
    fn look_alike_logins_have_equal_skeletons() {
        let of = |login: &str| skeleton(&username(login).unwrap());
        assert_eq!(of("noor"), of("n\u{43e}\u{43e}r"));
        assert_eq!(of("paypal"), of("\u{440}\u{430}\u{443}\u{440}\u{430}l"));
        assert_eq!(of("pupil1"), of("pupill"));
        assert_ne!(of("noor"), of("nour"));
    }
}
