//! Hybrid logical clocks (Kulkarni et al., 2014): 48 bits of milliseconds since 1970 and a 16-bit counter in one integer that
//! orders last-writer-wins registers, and nothing else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

/// A hybrid logical time. `Hlc::ZERO` means "never written". In JSON 16 hex digits, because JavaScript's numbers are too short.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = String, example = "01a0b1c2d3e40000"))]
#[ts(type = "string")]
pub struct Hlc(i64);

impl Hlc {
    pub const ZERO: Self = Self(0);
    /// The last moment that fits: in the year 6429, so that the integer stays positive in SQL.
    pub const MAX_MS: i64 = (1 << 47) - 1;

    /// From wall-clock milliseconds and a counter; milliseconds outside `0..=MAX_MS` are clamped.
    pub fn new(ms: i64, counter: u16) -> Self {
        Self((ms.clamp(0, Self::MAX_MS) << 16) | i64::from(counter))
    }
    pub fn from_raw(raw: i64) -> Option<Self> {
        (raw >= 0).then_some(Self(raw))
    }
    /// The integer that is stored and compared.
    pub fn raw(self) -> i64 {
        self.0
    }
    /// The wall-clock part, in milliseconds.
    pub fn ms(self) -> i64 {
        self.0 >> 16
    }
    /// The next local time: never at or before `self`, not behind the wall clock unless `self` is ahead.
    #[must_use]
    pub fn tick(self, now_ms: i64) -> Self {
        Self::new(now_ms, 0).max(Self(self.0.saturating_add(1)))
    }
    /// What this clock becomes after it has seen `other`.
    #[must_use]
    pub fn observe(self, other: Self) -> Self {
        self.max(other)
    }
}
impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hlc({}+{})", self.ms(), self.0 & 0xffff)
    }
}
impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
impl Serialize for Hlc {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Hlc {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let raw = (text.len() == 16).then(|| i64::from_str_radix(&text, 16).ok()).flatten();
        raw.and_then(Self::from_raw).ok_or_else(|| {
            serde::de::Error::custom(format_args!("a hybrid clock is 16 hex digits: {text:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_only_forward_when_the_wall_clock_jumps_back() {
        let a = Hlc::ZERO.tick(1_000);
        let b = a.tick(500);
        let c = b.tick(2_000);
        assert!(a < b && b < c);
        assert_eq!((b.ms(), c.ms()), (1_000, 2_000));
    }

    #[test]
    fn survives_json() {
        let a = Hlc::new(1_790_000_000_000, 7);
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<Hlc>(&text).unwrap(), a);
        assert!(serde_json::from_str::<Hlc>("\"ffffffffffffffff\"").is_err());
        assert!(serde_json::from_str::<Hlc>("\"12\"").is_err());
    }
}
