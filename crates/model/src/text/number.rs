//! Reads the numbers that people type: digits of all scripts, groups of digits, decimal point or comma, powers of ten,
//! fractions, and the unit that follows.
//!
//! `1,234` is a different number for readers of English and of French. So a text may have several readings, and this
//! module returns them all; it does not choose. Not here: units (`units`), grading (`content::numeric`).

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use unicode_normalization::UnicodeNormalization;

use super::{
    chars::{ascii_digit, is_invisible},
    language,
};

/// The sign between the whole and the decimal part of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DecimalSign {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

/// One way to read a typed number.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberReading {
    /// The sign that was read as the decimal sign, or would have been.
    pub decimal: DecimalSign,
    /// The number.
    pub value: f64,
    /// The number in ASCII with a decimal point, without groups: `-1234.5`, `1.2e40`.
    pub plain: String,
}

/// A typed number with the unit after (or the currency before) it.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedNumber {
    /// The readings with different values, the first of the given languages first. Empty if the text is no number.
    pub readings: Vec<NumberReading>,
    /// The unit as typed, in compatibility form, with `^` before each exponent; empty if there is none.
    pub unit: String,
}

/// Longest text that is read as a number, in characters.
const MAX_CHARS: usize = 200;
/// Greatest power of ten.
const MAX_EXPONENT: i32 = 300;
/// Signs that separate groups of digits in every language.
const GROUPS: [char; 3] = [' ', '\'', '_'];
const ARABIC_DECIMAL: char = '\u{66B}';
const ARABIC_GROUP: char = '\u{66C}';

/// Reads a typed number in the given languages, for example those of the learner and of the content. If it is a number
/// in none of them, in any language: `3,5` is read although English has no decimal comma.
pub fn read_number(text: &str, langs: &[&str]) -> TypedNumber {
    let none = |unit: String| TypedNumber { readings: Vec::new(), unit };
    let text = plain(text);
    if text.chars().count() > MAX_CHARS {
        return none(String::new());
    }
    let Some(parts) = Parts::split(&text) else { return none(String::new()) };
    let unit = parts.unit.to_owned();
    let mut readings: Vec<NumberReading> = Vec::new();
    let mut add = |reading: Option<NumberReading>| {
        if let Some(reading) = reading
            && readings.iter().all(|r| r.value != reading.value)
        {
            readings.push(reading);
        }
    };
    for lang in langs {
        let is_comma = language::has_decimal_comma(lang);
        let has_points = is_comma && language::has_group_points(lang);
        let group = if is_comma { has_points.then_some('.') } else { Some(',') };
        add(parts.read(if is_comma { DecimalSign::Comma } else { DecimalSign::Point }, group));
    }
    if readings.is_empty() {
        for decimal in [DecimalSign::Point, DecimalSign::Comma] {
            let group = if decimal == DecimalSign::Point { ',' } else { '.' };
            let reading = parts.read(decimal, Some(group));
            if let Some(reading) = reading
                && readings.iter().all(|r| r.value != reading.value)
            {
                readings.push(reading);
            }
        }
    }
    TypedNumber { readings, unit }
}

/// Returns the unit of a text in the form of `TypedNumber::unit`.
pub(super) fn plain_unit(text: &str) -> String {
    plain(text).trim().to_owned()
}

/// Replaces digits, spaces, signs and exponents by their ASCII forms.
fn plain(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    let mut in_exponent = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        let exponent = match c {
            '\u{2070}' => Some('0'),
            '\u{B9}' => Some('1'),
            '\u{B2}' => Some('2'),
            '\u{B3}' => Some('3'),
            '\u{2074}'..='\u{2079}' => char::from_digit(u32::from(c) - 0x2070, 10),
            '\u{207A}' => Some('+'),
            '\u{207B}' => Some('-'),
            _ => None,
        };
        if let Some(c) = exponent {
            if !in_exponent {
                marked.push('^');
            }
            marked.push(c);
            in_exponent = true;
            continue;
        }
        in_exponent = false;
        // A vulgar fraction after a digit is added to it: 1½.
        let is_fraction = matches!(u32::from(c), 0xBC..=0xBE | 0x2150..=0x215E | 0x2189);
        if is_fraction && marked.ends_with(|c: char| ascii_digit(c).is_some()) {
            marked.push(' ');
        }
        marked.push(match c {
            // Ordinal sign and ring above, typed as a degree sign.
            '\u{BA}' | '\u{2DA}' => '\u{B0}',
            '\u{2019}' | '\u{2BC}' => '\'',
            c => c,
        });
    }
    let mut out = String::with_capacity(marked.len());
    for c in marked.nfkc() {
        out.push(match c {
            c if ascii_digit(c).is_some() => ascii_digit(c).unwrap_or(c),
            c if c.is_whitespace() => ' ',
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2796}' | '\u{FE63}' => '-',
            '\u{D7}' | '\u{22C5}' | '\u{2219}' | '\u{2022}' | '\u{387}' | '\u{2217}' => '\u{B7}',
            '\u{2044}' | '\u{2215}' | '\u{F7}' => '/',
            '\u{60C}' => ',',
            '\u{66A}' => '%',
            '\u{6D4}' => '.',
            c => c,
        });
    }
    out
}

/// The parts of a typed number.
struct Parts<'t> {
    is_negative: bool,
    /// Digits with separators.
    body: &'t str,
    /// The number is this over `body`: the denominator of a fraction.
    denominator: Option<&'t str>,
    exponent: i32,
    unit: &'t str,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Option<Self> {
        let text = text.trim();
        let starts_number = |c: char| c.is_ascii_digit() || "+-.,\u{66B}".contains(c);
        let start = text.find(starts_number)?;
        let (before, rest) = text.split_at(start);
        let before = before.trim();
        if !before.chars().all(is_currency) {
            return None;
        }
        let (is_negative, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix('+').unwrap_or(rest)),
        };
        let rest = rest.trim_start();
        let (mut body, mut rest) = rest.split_at(body_end(rest));
        if rest.trim().is_empty() {
            // A full stop after the number.
            let stripped = body.strip_suffix(['.', ',']).unwrap_or(body);
            (body, rest) = (stripped, "");
        }
        let mut parts = Self { is_negative, body, denominator: None, exponent: 0, unit: "" };
        if let Some(after) = rest.strip_prefix('/')
            && let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len())
            && end > 0
        {
            parts.denominator = Some(&after[..end]);
            rest = &after[end..];
        } else if let Some((exponent, after)) = exponent(body, rest) {
            if body == "10"
                && rest.trim_start().starts_with(['^', '*'])
                && !rest.trim_start().starts_with("*10")
                && !is_times_ten(rest)
            {
                parts.body = "1";
            }
            if exponent.abs() > MAX_EXPONENT {
                return None;
            }
            parts.exponent = exponent;
            rest = after;
        }
        parts.unit = rest.trim();
        if !before.is_empty() {
            if !parts.unit.is_empty() {
                return None;
            }
            parts.unit = before;
        }
        (!parts.unit.starts_with(|c: char| c.is_ascii_digit())).then_some(parts)
    }

    /// Reads the number with one decimal sign and at most one group sign besides `GROUPS`.
    fn read(&self, decimal: DecimalSign, group: Option<char>) -> Option<NumberReading> {
        let sign = if self.is_negative { "-" } else { "" };
        if let Some(denominator) = self.denominator {
            let (whole, numerator) = self.body.rsplit_once(' ').unwrap_or(("0", self.body));
            let number = |text: &str| -> Option<f64> {
                let is_short = (1..=15).contains(&text.len());
                (is_short && text.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| text.parse().ok())
                    .flatten()
            };
            let (whole, top, bottom) = (number(whole)?, number(numerator)?, number(denominator)?);
            if bottom == 0.0 {
                return None;
            }
            let value = whole + top / bottom;
            let value = if self.is_negative { -value } else { value };
            return Some(NumberReading { decimal, value, plain: value.to_string() });
        }
        let (whole, fraction) = self.digits(decimal, group)?;
        let plain = decimal_text(&whole, &fraction, self.exponent);
        let plain = if plain == "0" { plain } else { format!("{sign}{plain}") };
        let value: f64 = plain.parse().ok()?;
        value.is_finite().then_some(NumberReading { decimal, value, plain })
    }

    /// Returns the digits before and after the decimal sign.
    fn digits(&self, decimal: DecimalSign, group: Option<char>) -> Option<(String, String)> {
        let mut decimal_char = if decimal == DecimalSign::Point { '.' } else { ',' };
        let mut groups: Vec<char> = GROUPS.into_iter().chain(group).collect();
        if self.body.contains([ARABIC_DECIMAL, ARABIC_GROUP]) {
            // The Arabic signs have one meaning.
            decimal_char = ARABIC_DECIMAL;
            groups.push(ARABIC_GROUP);
        }
        let mut halves = self.body.split(decimal_char);
        let (whole, fraction) = (halves.next()?, halves.next().unwrap_or_default());
        if halves.next().is_some() {
            return None;
        }
        let whole = whole_digits(whole, &groups)?;
        let fraction = fraction_digits(fraction)?;
        (!whole.is_empty() || !fraction.is_empty()).then_some((whole, fraction))
    }
}

/// Returns the end of the digits and separators at the start of a text.
fn body_end(text: &str) -> usize {
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_before_digit = chars.peek().is_some_and(|(_, next)| next.is_ascii_digit());
        let belongs = match c {
            '0'..='9' => true,
            '.' | ',' | ARABIC_DECIMAL => true,
            // Groups stand between two digits.
            ' ' | '\'' | '_' | ARABIC_GROUP => {
                is_before_digit && text[..at].ends_with(|c: char| c.is_ascii_digit())
            }
            _ => false,
        };
        if !belongs {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

/// Reads a power of ten: `e3`, `·10^3`, `x 10^-3`, `*10**3`; after the body `10` also `^3`. Returns the exponent and
/// the text after it.
fn exponent<'t>(body: &str, rest: &'t str) -> Option<(i32, &'t str)> {
    if let Some(after) = rest.strip_prefix(['e', 'E'])
        && let Some(found) = signed_integer(after)
    {
        return Some(found);
    }
    let rest = rest.trim_start();
    let after = match after_times_ten(rest) {
        Some(after) => after,
        None if body == "10" => rest,
        None => return None,
    };
    let power = after.trim_start();
    let power = power.strip_prefix('^').or_else(|| power.strip_prefix("**"))?.trim_start();
    match power.strip_prefix('(') {
        Some(inner) => {
            let (exponent, after) = signed_integer(inner.trim_start())?;
            Some((exponent, after.trim_start().strip_prefix(')')?))
        }
        None => signed_integer(power),
    }
}

/// Returns the text after a sign of multiplication and `10`.
fn after_times_ten(rest: &str) -> Option<&str> {
    rest.strip_prefix(['\u{B7}', 'x', 'X', '*'])?.trim_start().strip_prefix("10")
}

fn is_times_ten(rest: &str) -> bool {
    after_times_ten(rest.trim_start()).is_some()
}

fn signed_integer(text: &str) -> Option<(i32, &str)> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    // A power that is too large is found by its size, not by the number of its digits.
    let value: i32 = match digits.len() {
        0 => return None,
        1..=4 => digits.parse().ok()?,
        _ => 9_999,
    };
    Some((if text.starts_with('-') { -value } else { value }, after))
}

/// Returns the digits of a whole number, if its groups have three digits each, or three and then two as in India.
fn whole_digits(text: &str, groups: &[char]) -> Option<String> {
    let Some(sign) = text.chars().find(|c| !c.is_ascii_digit()) else {
        return Some(text.to_owned());
    };
    if !groups.contains(&sign) {
        return None;
    }
    let parts: Vec<&str> = text.split(sign).collect();
    let is_digits = |part: &&str| part.bytes().all(|b| b.is_ascii_digit());
    let (first, rest) = parts.split_first()?;
    let (last, middle) = rest.split_last()?;
    let has_sizes = |size: usize, first_max: usize| {
        (1..=first_max).contains(&first.len()) && middle.iter().all(|part| part.len() == size)
    };
    let is_grouped = last.len() == 3
        && (has_sizes(3, 3) || has_sizes(2, 2))
        && !first.starts_with('0')
        && parts.iter().all(is_digits);
    is_grouped.then(|| parts.concat())
}

/// Returns the digits after the decimal sign; spaces may separate them in groups of three: `3.141 592 65`.
fn fraction_digits(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(' ').collect();
    let (last, before) = parts.split_last()?;
    let is_grouped = before.is_empty()
        || (before.iter().all(|part| part.len() == 3) && (1..=3).contains(&last.len()));
    let digits = parts.concat();
    (is_grouped && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// Writes digits and a power of ten as a decimal number without needless zeros.
fn decimal_text(whole: &str, fraction: &str, exponent: i32) -> String {
    let digits = format!("{whole}{fraction}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    // The number is 0.SIGNIFICANT times ten to the power of `point`.
    let point = whole.len() as i64 - leading as i64 + i64::from(exponent);
    let length = significant.len() as i64;
    if !(-5..=21).contains(&point) {
        let (first, rest) = significant.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{first}{dot}{rest}e{}", point - 1);
    }
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
    if point <= 0 {
        format!("0.{}{significant}", zeros(-point))
    } else if point >= length {
        format!("{significant}{}", zeros(point - length))
    } else {
        let (whole, fraction) = significant.split_at(usize::try_from(point).unwrap_or(0));
        format!("{whole}.{fraction}")
    }
}

/// Returns true for signs of currencies, which may precede a number.
fn is_currency(c: char) -> bool {
    matches!(c, '$' | '\u{A2}'..='\u{A5}' | '\u{E3F}' | '\u{20A0}'..='\u{20CF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, langs: &[&str]) -> (Vec<String>, String) {
        let read = read_number(text, langs);
        (read.readings.into_iter().map(|r| r.plain).collect(), read.unit)
    }

    #[test]
    fn numbers_are_read_in_the_languages_of_learner_and_content() {
        let table: &[(&str, &[&str], &[&str])] = &[
            // The learner's and the content's decimal sign.
            ("16,000", &["en", "en"], &["16000"]),
            ("16,000", &["fr", "fr"], &["16"]),
            ("16,000", &["fr", "en"], &["16", "16000"]),
            ("16,000", &["en", "fr"], &["16000", "16"]),
            ("16.000", &["de", "en"], &["16000", "16"]),
            ("16.000", &["de", "de"], &["16000"]),
            ("16.000", &["en", "en"], &["16"]),
            // French does not group with points: one language reads it.
            ("16.000", &["fr", "en"], &["16"]),
            ("16.000", &["fr", "fr"], &["16", "16000"]),
            ("3,5", &["en", "fr"], &["3.5"]),
            ("3.5", &["fr", "fr"], &["3.5"]),
            ("3,5", &["en", "en"], &["3.5"]),
            ("1,000.0", &["fr", "en"], &["1000"]),
            ("1.234,5", &["en", "en"], &["1234.5"]),
            ("1,234,567", &["en", "fr"], &["1234567"]),
            ("12,34,567", &["hi", "en"], &["1234567"]),
            ("0,500", &["en", "en"], &["0.5"]),
            ("0.125", &["de", "de"], &["0.125"]),
            ("1,2345", &["en", "en"], &["1.2345"]),
            ("1’234.5", &["de-CH", "de-CH"], &["1234.5"]),
            // Spaces and other groups.
            ("1 234,5", &["fr", "en"], &["1234.5"]),
            ("1\u{202F}234\u{202F}567", &["en"], &["1234567"]),
            ("1\u{2009}234.25", &["en"], &["1234.25"]),
            ("1\u{A0}234", &["en"], &["1234"]),
            ("3.141 592 65", &["en"], &["3.14159265"]),
            ("1 23", &["en"], &[]),
            ("12 34 567", &["en"], &["1234567"]),
            ("1,23,4", &["en"], &[]),
            // Powers of ten.
            ("1.2e3", &["en"], &["1200"]),
            ("1,2E-3", &["fr", "en"], &["0.0012"]),
            ("1,2·10^3", &["fr", "en"], &["1200"]),
            ("1.2 × 10³", &["en"], &["1200"]),
            ("1.2x10^-3", &["en"], &["0.0012"]),
            ("1.2*10**3", &["en"], &["1200"]),
            ("6.02⋅10²³", &["en"], &["6.02e23"]),
            ("1.6×10⁻¹⁹", &["en"], &["1.6e-19"]),
            ("10^3", &["en"], &["1000"]),
            ("10⁻⁷", &["en"], &["1e-7"]),
            ("10·10^3", &["en"], &["10000"]),
            ("5·10^(-2)", &["en"], &["0.05"]),
            ("1e999", &["en"], &[]),
            // Digits of other scripts.
            ("٣٫٥", &["ar", "en"], &["3.5"]),
            ("١٬٢٣٤٫٥", &["ar", "en"], &["1234.5"]),
            ("۴۲", &["fa"], &["42"]),
            ("३.५", &["hi"], &["3.5"]),
            ("१२,३४,५६७", &["hi"], &["1234567"]),
            ("４２．５", &["ja"], &["42.5"]),
            // Signs, fractions, full stops.
            ("−5", &["en"], &["-5"]),
            ("- 5", &["en"], &["-5"]),
            ("+5", &["en"], &["5"]),
            ("-0", &["en"], &["0"]),
            (".5", &["en"], &["0.5"]),
            (",5", &["fr"], &["0.5"]),
            ("5.", &["en"], &["5"]),
            ("007", &["en"], &["7"]),
            ("3/4", &["en"], &["0.75"]),
            ("1 3/4", &["en"], &["1.75"]),
            ("1½", &["en"], &["1.5"]),
            ("¼", &["en"], &["0.25"]),
            ("1/0", &["en"], &[]),
            ("\u{200F}42\u{200E}", &["ar"], &["42"]),
            // No numbers.
            ("", &["en"], &[]),
            ("five", &["en"], &[]),
            ("x = 5", &["en"], &[]),
            ("1.2.3", &["en"], &[]),
            ("--5", &["en"], &[]),
            (".", &["en"], &[]),
            ("-", &["en"], &[]),
        ];
        for (text, langs, expected) in table {
            assert_eq!(values(text, langs).0, *expected, "{text:?} {langs:?}");
        }
        assert_eq!(values(&"1".repeat(201), &["en"]).0, [""; 0]);
    }

    #[test]
    fn the_text_after_a_number_is_its_unit() {
        for (text, number, unit) in [
            ("5 km", "5", "km"),
            ("5km/h", "5", "km/h"),
            ("9,81 m/s²", "9.81", "m/s^2"),
            ("9.81 m·s⁻²", "9.81", "m·s^-2"),
            ("20℃", "20", "°C"),
            ("20 ºC", "20", "°C"),
            ("10 ㎞", "10", "km"),
            ("3 µm", "3", "μm"),
            ("€ 5", "5", "€"),
            ("5 €", "5", "€"),
            ("12 %", "12", "%"),
            ("3/4 h", "0.75", "h"),
            ("1.2e3 eV", "1200", "eV"),
            ("2·10^3 m", "2000", "m"),
            ("5 e", "5", "e"),
            ("3 x", "3", "x"),
            ("100/s", "100", "/s"),
        ] {
            assert_eq!(values(text, &["en"]), (vec![number.to_owned()], unit.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_reading_names_its_decimal_sign() {
        let read = read_number("1,234", &["fr", "en"]).readings;
        let signs: Vec<DecimalSign> = read.iter().map(|r| r.decimal).collect();
        assert_eq!(signs, [DecimalSign::Comma, DecimalSign::Point]);
    }
}
