//! The text of cells: what spreadsheets make of values, and what they must not make of exported ones.
//!
//! A spreadsheet evaluates a cell that starts with `=`, `+`, `-`, `@`, a tab or a line end, so an exported cell gets an
//! apostrophe before it (OWASP, "CSV injection"), which the import removes.

use crate::problem::Reason;

/// Returns true if a spreadsheet may evaluate a text that starts with this character. Includes the wide forms.
fn starts_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}

/// Returns true if an apostrophe before this character is no part of the value.
fn is_protected(c: char) -> bool {
    starts_formula(c) || matches!(c, '\'' | '#') || c.is_ascii_digit()
}

/// Returns the text of an exported cell: no spreadsheet evaluates it, and [`restored`] returns the value.
pub(crate) fn neutralised(value: &str) -> String {
    let mut chars = value.chars();
    let is_marked = match (chars.next(), chars.next()) {
        (Some('\''), Some(second)) => is_protected(second),
        (Some(first), _) => starts_formula(first) || first == '#' || check_number(value).is_err(),
        (None, _) => false,
    };
    if is_marked { format!("'{value}") } else { value.to_owned() }
}

/// Returns true if the cell states that it is a text, whatever it looks like.
pub(crate) fn is_marked_text(cell: &str) -> bool {
    trimmed(cell).starts_with(['\'', '=', '＝'])
}

/// Returns the value of a cell. `="0012"`, by which programs protect leading zeros, is the text in it.
///
/// # Errors
/// A formula, or an error of a spreadsheet.
pub(crate) fn restored(cell: &str) -> Result<&str, Reason> {
    let cell = trimmed(cell);
    if let Some(rest) = cell.strip_prefix('\'') {
        return Ok(if rest.chars().next().is_some_and(is_protected) { rest } else { cell });
    }
    if let Some(rest) = cell.strip_prefix(['=', '＝']) {
        let text = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        return match text {
            Some(text) if !text.contains('"') => Ok(trimmed(text)),
            _ => Err(Reason::Formula),
        };
    }
    let is_hashes = cell.len() >= 3 && cell.bytes().all(|byte| byte == b'#');
    let is_error = cell.starts_with('#')
        && matches!(
            cell.trim_end_matches(['!', '?']).to_ascii_uppercase().as_str(),
            "#REF"
                | "#N/A"
                | "#NV"
                | "#NAME"
                | "#VALUE"
                | "#WERT"
                | "#DIV/0"
                | "#NUM"
                | "#NULL"
                | "#SPILL"
                | "#BEZUG"
                | "#VALEUR"
                | "#NOM"
                | "#NOMBRE"
                | "#VALOR"
        );
    if is_hashes || is_error { Err(Reason::SpreadsheetError) } else { Ok(cell) }
}

/// Returns the text without spaces of any kind and invisible marks at its ends.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\0')
    })
}

/// Checks that an id or a login is not what a spreadsheet made of a number.
pub(crate) fn check_number(value: &str) -> Result<(), Reason> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match value.split_once(['E', 'e']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (value, None),
    };
    let (whole, fraction) = match mantissa.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_decimal = digits(whole) && fraction.is_none_or(digits);
    match exponent {
        // 1E5 may be the name of a class or an id; a spreadsheet writes at least two digits and a sign.
        Some(exponent) if is_decimal => {
            let signed = exponent.strip_prefix(['+', '-']);
            let is_scientific = match signed {
                Some(rest) => digits(rest),
                None => digits(exponent) && fraction.is_some(),
            };
            if is_scientific { Err(Reason::Scientific) } else { Ok(()) }
        }
        None if is_decimal && fraction.is_some_and(|f| f.bytes().all(|b| b == b'0')) => {
            Err(Reason::Decimal)
        }
        _ => Ok(()),
    }
}

/// Returns true for a text such as `5-Jan`, `Jan-05`, `05/01/2026` or `2026-01-05`, which a spreadsheet makes of `5-1`.
pub(crate) fn looks_like_date(value: &str) -> bool {
    const MONTHS: [&str; 30] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "janv",
        "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "déc", "mär", "okt", "dez",
        "ene", "abr", "ago", "dic", "dés",
    ];
    let parts: Vec<&str> =
        value.split(['-', '/', '.', ' ']).filter(|part| !part.is_empty()).collect();
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() <= 4);
    let is_month = |text: &str| MONTHS.contains(&text.to_lowercase().as_str());
    match parts.as_slice() {
        [a, b] => {
            let day = |text: &str| number(text).is_some_and(|n| (1..=99).contains(&n));
            !value.contains(' ') && (is_month(a) && day(b) || day(a) && is_month(b))
        }
        [a, b, c] => match (number(a), number(b), number(c)) {
            (Some(year), Some(month), Some(day)) if year >= 1000 => month <= 12 && day <= 31,
            (Some(day), Some(month), Some(year)) if year >= 1000 => day <= 31 && month <= 31,
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_exported_cell_is_a_formula_and_all_are_read_back() {
        for value in [
            "=1+1",
            "+1",
            "-1",
            "@A1",
            "'",
            "''",
            "'=1",
            "''=1",
            "'Abd",
            "a=1",
            "",
            "＝1",
            "-",
            "=",
            "'''",
            "Anne-Marie",
            "'\u{2019}",
            "-Noor",
            "=\"x\"",
            "#REF!",
            "#",
            "'#x",
            "'1",
            "1001.0",
            "1.5E+3",
            "0012",
        ] {
            let cell = neutralised(value);
            assert!(!cell.chars().next().is_some_and(starts_formula), "{cell:?}");
            assert_eq!(restored(&cell), Ok(value), "{cell:?}");
        }
    }

    #[test]
    fn formulas_and_errors_are_refused_and_protected_zeros_are_read() {
        assert_eq!(restored("=\"0012\""), Ok("0012"));
        assert_eq!(restored(" \u{a0}Noor\u{200f} "), Ok("Noor"));
        for formula in ["=A1", "=HYPERLINK(\"http://x\",\"y\")", "=\"a\"&\"b\"", "＝A1"] {
            assert_eq!(restored(formula), Err(Reason::Formula), "{formula}");
        }
        for error in ["#REF!", "#N/A", "#NAME?", "#VALEUR!", "#####"] {
            assert_eq!(restored(error), Err(Reason::SpreadsheetError), "{error}");
        }
    }

    #[test]
    fn rounded_numbers_are_recognised() {
        for bad in ["1.23E+10", "1,23E+10", "1E+15", "1.5e-3", "1.23E10"] {
            assert_eq!(check_number(bad), Err(Reason::Scientific), "{bad}");
        }
        for bad in ["1001.0", "1001,00"] {
            assert_eq!(check_number(bad), Err(Reason::Decimal), "{bad}");
        }
        for good in ["0012", "1001", "5E2", "1.5", "E10", "a.0", "1e", "", "12.34.0", "noor.0"] {
            assert_eq!(check_number(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn names_of_classes_that_became_dates_are_recognised() {
        for date in ["5-Jan", "Jan-05", "05/01/2026", "2026-01-05", "5. Mai", "1-févr"] {
            assert_eq!(looks_like_date(date), date != "5. Mai", "{date}");
        }
        for name in ["5B", "5-1", "Grade 5", "Mars", "5 1", "2026", "Physics 2026-2027", "1.2.3"] {
            assert!(!looks_like_date(name), "{name}");
        }
    }
}
