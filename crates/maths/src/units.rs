//! Numbers and units of the LaTeX packages siunitx and mhchem (`\SI`, `\qty`, `\unit`, `\num`, `\pu`).

use super::reader::{TexReader, Token};

const PREFIXES: &[(&str, &str)] = &[
    ("pico", "p"),
    ("nano", "n"),
    ("micro", "μ"),
    ("milli", "m"),
    ("centi", "c"),
    ("deci", "d"),
    ("deca", "da"),
    ("hecto", "h"),
    ("kilo", "k"),
    ("mega", "M"),
    ("giga", "G"),
    ("tera", "T"),
    ("femto", "f"),
    ("peta", "P"),
];

const UNITS: &[(&str, &str)] = &[
    ("metre", "m"),
    ("meter", "m"),
    ("m", "m"),
    ("gram", "g"),
    ("g", "g"),
    ("kilogram", "kg"),
    ("kg", "kg"),
    ("second", "s"),
    ("s", "s"),
    ("minute", "min"),
    ("hour", "h"),
    ("day", "d"),
    ("year", "a"),
    ("ampere", "A"),
    ("A", "A"),
    ("kelvin", "K"),
    ("K", "K"),
    ("mole", "mol"),
    ("mol", "mol"),
    ("candela", "cd"),
    ("hertz", "Hz"),
    ("Hz", "Hz"),
    ("newton", "N"),
    ("N", "N"),
    ("pascal", "Pa"),
    ("Pa", "Pa"),
    ("joule", "J"),
    ("J", "J"),
    ("watt", "W"),
    ("W", "W"),
    ("coulomb", "C"),
    ("C", "C"),
    ("volt", "V"),
    ("V", "V"),
    ("farad", "F"),
    ("ohm", "Ω"),
    ("siemens", "S"),
    ("weber", "Wb"),
    ("tesla", "T"),
    ("henry", "H"),
    ("lumen", "lm"),
    ("lux", "lx"),
    ("becquerel", "Bq"),
    ("gray", "Gy"),
    ("sievert", "Sv"),
    ("litre", "L"),
    ("liter", "L"),
    ("tonne", "t"),
    ("degreeCelsius", "°C"),
    ("celsius", "°C"),
    ("degree", "°"),
    ("percent", "%"),
    ("bar", "bar"),
    ("electronvolt", "eV"),
    ("radian", "rad"),
    ("steradian", "sr"),
    ("hectare", "ha"),
    ("byte", "B"),
    ("bit", "bit"),
    ("dalton", "Da"),
    ("angstrom", "Å"),
    ("arcminute", "′"),
    ("arcsecond", "″"),
    ("decibel", "dB"),
    ("km", "km"),
    ("cm", "cm"),
    ("mm", "mm"),
];

/// Returns LaTeX for a number such as `1.5e3`.
pub(super) fn number(text: &str) -> String {
    let text = text.trim().replace("+-", "\\pm ").replace("\\pm", "\\pm ");
    match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if exponent.trim().parse::<i32>().is_ok() => {
            let mantissa = mantissa.trim();
            let times = if mantissa.is_empty() { "" } else { "\\times " };
            format!("{mantissa}{times}10^{{{}}}", exponent.trim())
        }
        _ => text,
    }
}

/// Returns LaTeX for a number with a unit, as in `\pu{5 m/s}`.
pub(super) fn quantity(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || "+-.,eE".contains(c);
    let digits = text.len() - text.trim_start_matches(is_number).len();
    let (value, rest) =
        text.split_at(if text.starts_with(|c: char| "+-.".contains(c) || c.is_ascii_digit()) {
            digits
        } else {
            0
        });
    if value.is_empty() || rest.trim().is_empty() {
        return if value.is_empty() { unit(rest) } else { Ok(number(value)) };
    }
    Ok(format!("{}\\hspace{{0.17em}}{}", number(value), unit(rest)?))
}

/// Returns LaTeX for a unit: commands such as `\metre\per\second`, or letters such as `m/s^2`.
pub(super) fn unit(text: &str) -> Result<String, String> {
    let mut reader = TexReader::new(text.trim());
    let mut parts: Vec<String> = Vec::new();
    let (mut prefix, mut is_per, mut power) = (String::new(), false, String::new());
    let mut separator = "";
    while let Some(token) = reader.next() {
        let symbol = match token {
            Token::Command("per") => {
                is_per = true;
                continue;
            }
            Token::Command(name @ ("squared" | "cubed" | "tothe" | "raiseto")) => {
                let exponent = match name {
                    "squared" => "2",
                    "cubed" => "3",
                    _ => reader.argument().unwrap_or_default(),
                };
                if let Some(last) = parts.last_mut() {
                    let is_negative = last.ends_with("^{-1}");
                    let base = last.trim_end_matches("^{-1}").to_owned();
                    *last = format!("{base}^{{{}{exponent}}}", if is_negative { "-" } else { "" });
                }
                continue;
            }
            Token::Command("square") => {
                power = "2".to_owned();
                continue;
            }
            Token::Command("cubic") => {
                power = "3".to_owned();
                continue;
            }
            Token::Command("cdot" | "," | " " | "times") | Token::Char('.' | '~' | '*' | '·') => {
                separator = "";
                continue;
            }
            Token::Command(name) => {
                if let Some((_, short)) = PREFIXES.iter().find(|(n, _)| *n == name) {
                    prefix.push_str(short);
                    continue;
                }
                match UNITS.iter().find(|(n, _)| *n == name) {
                    Some((_, short)) => (*short).to_owned(),
                    None if matches!(name, "Omega" | "mu" | "circ" | "%") => format!("\\{name} "),
                    None => {
                        return Err(format!("the unit \\{name} is not known: write its letters"));
                    }
                }
            }
            Token::Char('/') => {
                separator = "/";
                continue;
            }
            Token::Char('^') => {
                let exponent = match reader.rest().strip_prefix('-') {
                    Some(rest) => {
                        let digits = rest.len()
                            - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                        let exponent = &reader.rest()[..digits + 1];
                        reader = TexReader::new(&rest[digits..]);
                        exponent
                    }
                    None => reader.argument().unwrap_or_default(),
                };
                if let Some(last) = parts.last_mut() {
                    last.push_str(&format!("^{{{exponent}}}"));
                }
                continue;
            }
            Token::Char(c) if c.is_whitespace() => continue,
            Token::Char(c) => {
                let rest = reader.rest();
                let letters = rest.len() - rest.trim_start_matches(char::is_alphabetic).len();
                let is_word = c.is_alphabetic() || "°%µμΩ".contains(c);
                let (word, tail) = rest.split_at(if is_word { letters } else { 0 });
                reader = TexReader::new(tail);
                format!("{c}{word}")
            }
        };
        let symbol = symbol.replace('%', "\\%");
        let exponent = match (is_per, power.as_str()) {
            (false, "") => String::new(),
            (false, power) => format!("^{{{power}}}"),
            (true, power) => format!("^{{-{}}}", if power.is_empty() { "1" } else { power }),
        };
        let joint = if parts.is_empty() {
            ""
        } else if separator == "/" {
            "/"
        } else {
            "\\hspace{0.17em}"
        };
        parts.push(format!("{joint}\\mathrm{{{prefix}{symbol}}}{exponent}"));
        (prefix, is_per, power, separator) = (String::new(), false, String::new(), "");
    }
    Ok(parts.concat())
}
