//! Units of measurement: SI units with prefixes, units used with them, and common others, as factors of base units.
//!
//! Symbols are compared with their case: `mW` is not `MW`. Not here: numbers (`number`).

use super::number::plain_unit;

/// Number of base dimensions: metre, kilogram, second, ampere, kelvin, mole, candela, bit.
const DIMENSIONS: usize = 8;

/// A unit as a factor of base units, with the zero of its scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    dimensions: [i8; DIMENSIONS],
    factor: f64,
    /// Added after the multiplication; only for degrees of temperature.
    offset: f64,
}

impl Unit {
    /// Returns the value in `to`, or `None` if the two units measure different quantities.
    pub fn convert(&self, value: f64, to: &Self) -> Option<f64> {
        if self.dimensions != to.dimensions {
            return None;
        }
        if self.factor == to.factor && self.offset == to.offset {
            return Some(value);
        }
        Some((value * self.factor + self.offset - to.offset) / to.factor)
    }
}

/// Prefixes of SI and of the binary units, with their factors.
const PREFIXES: [(&str, f64); 25] = [
    ("Q", 1e30),
    ("R", 1e27),
    ("Y", 1e24),
    ("Z", 1e21),
    ("E", 1e18),
    ("P", 1e15),
    ("T", 1e12),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("h", 1e2),
    ("da", 1e1),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("μ", 1e-6),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
    ("a", 1e-18),
    ("z", 1e-21),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
];

/// Symbols (several for one unit are separated by spaces), factor, dimensions, and whether it takes prefixes.
type Row = (&'static str, f64, [i8; DIMENSIONS], bool);

const NONE: [i8; DIMENSIONS] = [0, 0, 0, 0, 0, 0, 0, 0];
const LENGTH: [i8; DIMENSIONS] = [1, 0, 0, 0, 0, 0, 0, 0];
const AREA: [i8; DIMENSIONS] = [2, 0, 0, 0, 0, 0, 0, 0];
const VOLUME: [i8; DIMENSIONS] = [3, 0, 0, 0, 0, 0, 0, 0];
const MASS: [i8; DIMENSIONS] = [0, 1, 0, 0, 0, 0, 0, 0];
const TIME: [i8; DIMENSIONS] = [0, 0, 1, 0, 0, 0, 0, 0];
const CURRENT: [i8; DIMENSIONS] = [0, 0, 0, 1, 0, 0, 0, 0];
const TEMPERATURE: [i8; DIMENSIONS] = [0, 0, 0, 0, 1, 0, 0, 0];
const FREQUENCY: [i8; DIMENSIONS] = [0, 0, -1, 0, 0, 0, 0, 0];
const SPEED: [i8; DIMENSIONS] = [1, 0, -1, 0, 0, 0, 0, 0];
const FORCE: [i8; DIMENSIONS] = [1, 1, -2, 0, 0, 0, 0, 0];
const PRESSURE: [i8; DIMENSIONS] = [-1, 1, -2, 0, 0, 0, 0, 0];
const ENERGY: [i8; DIMENSIONS] = [2, 1, -2, 0, 0, 0, 0, 0];
const POWER: [i8; DIMENSIONS] = [2, 1, -3, 0, 0, 0, 0, 0];
const CHARGE: [i8; DIMENSIONS] = [0, 0, 1, 1, 0, 0, 0, 0];
const LIGHT: [i8; DIMENSIONS] = [0, 0, 0, 0, 0, 0, 1, 0];
const DOSE: [i8; DIMENSIONS] = [2, 0, -2, 0, 0, 0, 0, 0];
const INFORMATION: [i8; DIMENSIONS] = [0, 0, 0, 0, 0, 0, 0, 1];

/// Pi, to which angles refer.
const PI: f64 = std::f64::consts::PI;

const UNITS: [Row; 72] = [
    // Base units.
    ("m", 1.0, LENGTH, true),
    ("g", 1e-3, MASS, true),
    ("s sec", 1.0, TIME, true),
    ("A", 1.0, CURRENT, true),
    ("K", 1.0, TEMPERATURE, true),
    ("mol", 1.0, [0, 0, 0, 0, 0, 1, 0, 0], true),
    ("cd", 1.0, LIGHT, true),
    // Derived units with names.
    ("rad", 1.0, NONE, true),
    ("sr", 1.0, NONE, true),
    ("Hz", 1.0, FREQUENCY, true),
    ("N", 1.0, FORCE, true),
    ("Pa", 1.0, PRESSURE, true),
    ("J", 1.0, ENERGY, true),
    ("W", 1.0, POWER, true),
    ("C", 1.0, CHARGE, true),
    ("V", 1.0, [2, 1, -3, -1, 0, 0, 0, 0], true),
    ("F", 1.0, [-2, -1, 4, 2, 0, 0, 0, 0], true),
    ("Ω ohm Ohm", 1.0, [2, 1, -3, -2, 0, 0, 0, 0], true),
    ("S", 1.0, [-2, -1, 3, 2, 0, 0, 0, 0], true),
    ("Wb", 1.0, [2, 1, -2, -1, 0, 0, 0, 0], true),
    ("T", 1.0, [0, 1, -2, -1, 0, 0, 0, 0], true),
    ("H", 1.0, [2, 1, -2, -2, 0, 0, 0, 0], true),
    ("lm", 1.0, LIGHT, true),
    ("lx", 1.0, [-2, 0, 0, 0, 0, 0, 1, 0], true),
    ("Bq", 1.0, FREQUENCY, true),
    ("Gy", 1.0, DOSE, true),
    ("Sv", 1.0, DOSE, true),
    ("kat", 1.0, [0, 0, -1, 0, 0, 1, 0, 0], true),
    // Used with SI.
    ("min", 60.0, TIME, false),
    ("h hr", 3_600.0, TIME, false),
    ("d", 86_400.0, TIME, false),
    ("a yr", 31_557_600.0, TIME, false),
    ("L l", 1e-3, VOLUME, true),
    ("t", 1e3, MASS, true),
    ("ha", 1e4, AREA, false),
    ("eV", 1.602_176_634e-19, ENERGY, true),
    ("Da", 1.660_539_068_92e-27, MASS, true),
    ("u", 1.660_539_068_92e-27, MASS, false),
    ("au AU", 149_597_870_700.0, LENGTH, false),
    ("° deg", PI / 180.0, NONE, false),
    ("' ′ arcmin", PI / 10_800.0, NONE, false),
    ("\" ″ ′′ '' arcsec", PI / 648_000.0, NONE, false),
    ("rev", 2.0 * PI, NONE, false),
    ("rpm", 1.0 / 60.0, FREQUENCY, false),
    // Pressure, energy, power.
    ("bar", 1e5, PRESSURE, true),
    ("atm", 101_325.0, PRESSURE, false),
    ("mmHg Torr", 133.322_368_421_052_6, PRESSURE, false),
    ("psi", 6_894.757_293_168_361, PRESSURE, false),
    ("cal", 4.184, ENERGY, true),
    ("Wh", 3_600.0, ENERGY, true),
    ("Ah", 3_600.0, CHARGE, true),
    ("VA", 1.0, POWER, true),
    ("hp", 745.699_871_582_270_2, POWER, false),
    ("PS", 735.498_75, POWER, false),
    ("dyn", 1e-5, FORCE, false),
    ("dpt", 1.0, [-1, 0, 0, 0, 0, 0, 0, 0], false),
    // Lengths, masses, speeds.
    ("in", 0.0254, LENGTH, false),
    ("ft", 0.3048, LENGTH, false),
    ("yd", 0.9144, LENGTH, false),
    ("mi", 1_609.344, LENGTH, false),
    ("nmi", 1_852.0, LENGTH, false),
    ("ly", 9_460_730_472_580_800.0, LENGTH, false),
    ("pc", 3.085_677_581_491_367e16, LENGTH, true),
    ("Å", 1e-10, LENGTH, false),
    ("oz", 0.028_349_523_125, MASS, false),
    ("lb lbs", 0.453_592_37, MASS, false),
    ("kn", 1_852.0 / 3_600.0, SPEED, false),
    // Shares and information.
    ("%", 1e-2, NONE, false),
    ("‰", 1e-3, NONE, false),
    ("ppm", 1e-6, NONE, false),
    ("bit", 1.0, INFORMATION, true),
    ("B byte", 8.0, INFORMATION, true),
];

/// Degrees of temperature: symbols, factor, offset in kelvin.
const DEGREES: [(&str, f64, f64); 2] = [("°C", 1.0, 273.15), ("°F", 5.0 / 9.0, 459.67 * 5.0 / 9.0)];

/// Returns a unit: symbols with prefixes and exponents, multiplied (`N·m`, `N m`, `N*m`) or divided (`km/h`,
/// `J/(kg·K)`). `None` if a symbol is unknown.
pub fn parse_unit(text: &str) -> Option<Unit> {
    let text = plain_unit(text);
    if text.is_empty() || text.chars().count() > 60 {
        return None;
    }
    if let Some((_, factor, offset)) = DEGREES.iter().find(|(symbol, ..)| *symbol == text) {
        return Some(Unit { dimensions: TEMPERATURE, factor: *factor, offset: *offset });
    }
    let mut parser = UnitParser { rest: &text };
    let unit = parser.product()?;
    parser.rest.is_empty().then_some(unit)
}

struct UnitParser<'t> {
    rest: &'t str,
}

impl UnitParser<'_> {
    fn take(&mut self, signs: &[char]) -> bool {
        match self.rest.trim_start().strip_prefix(signs) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }
    /// Parses factors up to the end or a closing parenthesis.
    fn product(&mut self) -> Option<Unit> {
        let mut unit = Unit { dimensions: NONE, factor: 1.0, offset: 0.0 };
        let mut is_first = true;
        loop {
            let is_divided = self.take(&['/']);
            if !is_divided && !is_first {
                self.take(&['\u{B7}', '*', '.']);
            }
            let factor = self.factor()?;
            let sign = if is_divided { -1 } else { 1 };
            for (to, from) in unit.dimensions.iter_mut().zip(factor.dimensions) {
                *to = to.checked_add(from.checked_mul(sign)?)?;
            }
            unit.factor =
                if is_divided { unit.factor / factor.factor } else { unit.factor * factor.factor };
            is_first = false;
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                return Some(unit);
            }
        }
    }
    /// Parses a symbol or a product in parentheses, with its exponent.
    fn factor(&mut self) -> Option<Unit> {
        self.rest = self.rest.trim_start();
        let unit = if let Some(inner) = self.rest.strip_prefix('(') {
            self.rest = inner;
            let unit = self.product()?;
            self.rest = self.rest.strip_prefix(')')?;
            unit
        } else if let Some(rest) = self.rest.strip_prefix('1').filter(|r| r.starts_with('/')) {
            self.rest = rest;
            Unit { dimensions: NONE, factor: 1.0, offset: 0.0 }
        } else {
            let is_end = |c: char| c.is_ascii_digit() || " \u{B7}*./()^+-".contains(c);
            let end = self.rest.find(is_end).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            symbol(name)?
        };
        let exponent = self.exponent()?;
        if exponent == 1 {
            return Some(unit);
        }
        let mut power = Unit { dimensions: NONE, factor: 1.0, offset: 0.0 };
        for _ in 0..exponent.unsigned_abs() {
            power.factor *= unit.factor;
        }
        if exponent < 0 {
            power.factor = 1.0 / power.factor;
        }
        for (to, from) in power.dimensions.iter_mut().zip(unit.dimensions) {
            *to = from.checked_mul(exponent)?;
        }
        Some(power)
    }
    /// Parses `^2`, `2` or `^-1` after a symbol; 1 if there is none.
    fn exponent(&mut self) -> Option<i8> {
        let (text, is_marked) = match self.rest.strip_prefix("**") {
            Some(rest) => (rest, true),
            None => match self.rest.strip_prefix('^') {
                Some(rest) => (rest, true),
                None => (self.rest, false),
            },
        };
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (digits, rest) = digits.split_at(end);
        if digits.is_empty() {
            return (!is_marked).then_some(1);
        }
        let value: i8 = digits.parse().ok().filter(|n| *n <= 9)?;
        self.rest = rest;
        Some(if text.starts_with('-') { -value } else { value })
    }
}

/// Returns the unit of a symbol, with a prefix if it takes one.
fn symbol(name: &str) -> Option<Unit> {
    let find = |name: &str| UNITS.iter().find(|row| row.0.split(' ').any(|symbol| symbol == name));
    let unit =
        |row: &Row, prefix: f64| Unit { dimensions: row.2, factor: row.1 * prefix, offset: 0.0 };
    if let Some(row) = find(name) {
        return Some(unit(row, 1.0));
    }
    if let Some((_, factor, _)) = DEGREES.iter().find(|(symbol, ..)| *symbol == name) {
        // Within a product, a degree is a difference.
        return Some(Unit { dimensions: TEMPERATURE, factor: *factor, offset: 0.0 });
    }
    PREFIXES.iter().find_map(|(prefix, factor)| {
        let row = find(name.strip_prefix(prefix)?).filter(|row| row.3)?;
        let is_binary = prefix.ends_with('i');
        (!is_binary || row.2 == INFORMATION).then(|| unit(row, *factor))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(value: f64, from: &str, to: &str) -> Option<f64> {
        parse_unit(from)?.convert(value, &parse_unit(to)?)
    }

    #[test]
    fn units_are_converted() {
        for (value, from, to, expected) in [
            (5.0, "km", "m", 5_000.0),
            (5.0, "km", "cm", 500_000.0),
            (72.0, "km/h", "m/s", 20.0),
            (72.0, "km·h⁻¹", "m s^-1", 20.0),
            (1.0, "kWh", "MJ", 3.6),
            (1.0, "kW h", "J", 3_600_000.0),
            (9.81, "m/s²", "N/kg", 9.81),
            (9.81, "m s-2", "m/s/s", 9.81),
            (4.0, "N·m", "J", 4.0),
            (4.0, "N m", "kg*m^2/s^2", 4.0),
            (4.186, "J/(g·K)", "kJ/(kg °C)", 4.186),
            (1.0, "L", "dm³", 1.0),
            (1.0, "ml", "cm3", 1.0),
            (1.0, "ha", "m²", 10_000.0),
            (25.0, "°C", "K", 298.15),
            (77.0, "°F", "°C", 25.0),
            (0.0, "K", "℃", -273.15),
            (1.0, "min", "s", 60.0),
            (3.0, "µm", "μm", 3.0),
            (3.0, "um", "nm", 3_000.0),
            (2.0, "kΩ", "Ω", 2_000.0),
            (2.0, "V/A", "\u{2126}", 2.0),
            (180.0, "°", "rad", PI),
            (1.0, "bar", "hPa", 1_000.0),
            (1.0, "kcal", "kJ", 4.184),
            (50.0, "%", "‰", 500.0),
            (8.0, "Mbit/s", "MB/s", 1.0),
            (1.0, "KiB", "B", 1_024.0),
            (1.0, "ft", "cm", 30.48),
            (50.0, "1/s", "Hz", 50.0),
            (50.0, "s⁻¹", "/s", 50.0),
            (1.0, "dam", "m", 10.0),
            (1.0, "cd", "mcd", 1_000.0),
            (1.0, "t", "kg", 1_000.0),
        ] {
            let got = convert(value, from, to).unwrap_or_else(|| panic!("{from} {to}"));
            assert!((got - expected).abs() <= 1e-12 * expected.abs(), "{value} {from}: {got} {to}");
        }
    }

    #[test]
    fn other_quantities_and_unknown_symbols_are_not_converted() {
        for (from, to) in [("m", "s"), ("m²", "m³"), ("W", "J"), ("°C", "m"), ("N", "kg")] {
            assert_eq!(convert(1.0, from, to), None, "{from} {to}");
        }
        for text in ["", "apples", "Km", "KM", "m^", "m//", "(m", "m)", "m^99", "kmin", "Kim", "-"]
        {
            assert_eq!(parse_unit(text), None, "{text}");
        }
    }

    #[test]
    fn every_symbol_is_read_as_its_own_unit() {
        let symbols: Vec<&str> = UNITS.iter().flat_map(|row| row.0.split(' ')).collect();
        let mut unique = symbols.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), symbols.len());
        for row in &UNITS {
            for symbol in row.0.split(' ') {
                let unit = parse_unit(symbol).unwrap_or_else(|| panic!("{symbol}"));
                assert_eq!((unit.dimensions, unit.factor), (row.2, row.1), "{symbol}");
            }
        }
    }
}
