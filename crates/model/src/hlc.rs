//! Hybrid logical clocks (Kulkarni et al., 2014): 48 bits of milliseconds since 1970 and a 16-bit counter in one
//! integer. Used only to order last-writer-wins registers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

/// Valid times in rows: from 2000-01-01 to 2200-01-01, in milliseconds since 1970 (UTC).
pub const TIME_MS: std::ops::RangeInclusive<i64> = 946_684_800_000..=7_258_118_400_000;

/// A stamp of a hybrid logical clock. In JSON 16 hex digits, because JavaScript integers have only 53 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = String, example = "01a0b1c2d3e40000"))]
#[ts(type = "string")]
pub struct Hlc(i64);

impl Hlc {
    /// The initial value of a clock; never written to a row.
    pub const ZERO: Self = Self(0);
    /// The greatest representable time in milliseconds (year 6429). The integer remains positive in SQL, where it is
    /// signed.
    pub const MAX_MS: i64 = (1 << 47) - 1;
    /// The last plausible time (2200-01-01). A clock is not advanced to a later stamp: no correct device writes one,
    /// and a clock at the greatest value could not advance further.
    pub const MAX_PLAUSIBLE_MS: i64 = *TIME_MS.end();

    /// The least stamp of a written value: every other stamp wins.
    pub const LEAST: Self = Self(1);

    /// Creates a stamp from wall-clock milliseconds and a counter; milliseconds outside `0..=MAX_MS` are clamped.
    pub fn new(ms: i64, counter: u16) -> Self {
        Self((ms.clamp(0, Self::MAX_MS) << 16) | i64::from(counter))
    }
    /// Creates a stamp from a stored integer; `None` if it is negative.
    pub fn from_raw(raw: i64) -> Option<Self> {
        (raw >= 0).then_some(Self(raw))
    }
    /// Returns the integer that is stored and compared.
    pub fn raw(self) -> i64 {
        self.0
    }
    /// Returns the wall-clock part in milliseconds.
    pub fn ms(self) -> i64 {
        self.0 >> 16
    }
    /// Returns false for a stamp after `MAX_PLAUSIBLE_MS`.
    pub fn is_plausible(self) -> bool {
        self.ms() <= Self::MAX_PLAUSIBLE_MS
    }
    /// Returns the next local time: after `self` and not before the wall clock. A clock after `MAX_PLAUSIBLE_MS`, which
    /// results from a damaged or hostile stamp, restarts at the wall clock.
    #[must_use]
    pub fn tick(self, now_ms: i64) -> Self {
        let now = Self::new(now_ms.min(Self::MAX_PLAUSIBLE_MS), 0);
        match self.0.checked_add(1).map(Self) {
            Some(next) if next.is_plausible() => now.max(next),
            _ => now,
        }
    }
    /// Returns the stamp moved by `ms`, but not after `latest_ms`. The order of stamps that are moved together is kept
    /// up to that time.
    #[must_use]
    pub fn moved_by(self, ms: i64, latest_ms: i64) -> Self {
        let counter = (self.0 & 0xffff) as u16;
        Self::new(self.ms().saturating_add(ms).min(latest_ms), counter).max(Self::LEAST)
    }
    /// Returns this clock after receiving `other`. An implausible stamp is ignored.
    #[must_use]
    pub fn observe(self, other: Self) -> Self {
        if other.is_plausible() { self.max(other) } else { self }
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
        // Each value has exactly one text form: no sign, no upper case.
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_hex = text.len() == 16 && text.bytes().all(is_digit);
        let raw = is_hex.then(|| i64::from_str_radix(&text, 16).ok()).flatten();
        raw.and_then(Self::from_raw).ok_or_else(|| {
            let excerpt: String = text.chars().take(40).collect();
            serde::de::Error::custom(format_args!(
                "a hybrid clock is 16 hex digits in lower case: {excerpt:?}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_forward_when_the_wall_clock_jumps_back() {
        let a = Hlc::ZERO.tick(1_000);
        let b = a.tick(500);
        let c = b.tick(2_000);
        assert!(a < b && b < c);
        assert_eq!((b.ms(), c.ms()), (1_000, 2_000));
    }

    #[test]
    fn moved_stamps_keep_their_order_up_to_now() {
        let stamps = [Hlc::new(1_000, 0), Hlc::new(1_000, 1), Hlc::new(2_000, 0)];
        let moved = stamps.map(|stamp| stamp.moved_by(500, 5_000));
        assert_eq!(moved, [Hlc::new(1_500, 0), Hlc::new(1_500, 1), Hlc::new(2_500, 0)]);
        assert_eq!(stamps[2].moved_by(500, 2_100).ms(), 2_100);
        assert_eq!(stamps[0].moved_by(i64::MIN, 5_000), Hlc::LEAST);
        assert_eq!(stamps[1].moved_by(i64::MAX, i64::MAX).ms(), Hlc::MAX_MS);
    }

    #[test]
    fn round_trips_through_json() {
        let a = Hlc::new(1_790_000_000_000, 7);
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<Hlc>(&text).unwrap(), a);
        assert!(serde_json::from_str::<Hlc>("\"ffffffffffffffff\"").is_err());
        assert!(serde_json::from_str::<Hlc>("\"12\"").is_err());
    }

    #[test]
    fn each_value_has_one_text() {
        for bad in [
            "+00000000000000a",
            "-00000000000000a",
            "000000000000000A",
            "00000000000000 a",
            " 00000000000000a",
            "0x0000000000000a",
            "8000000000000000",
            "\u{661}0000000000000",
            "",
        ] {
            assert!(serde_json::from_value::<Hlc>(bad.into()).is_err(), "{bad:?}");
        }
        assert_eq!(serde_json::from_value::<Hlc>("000000000000000a".into()).unwrap().raw(), 10);
    }

    #[test]
    fn extreme_stamps_do_not_stop_the_clock() {
        let now = 1_790_000_000_000;
        let last = Hlc::new(Hlc::MAX_PLAUSIBLE_MS, u16::MAX);
        for stamp in
            [Hlc(i64::MAX), Hlc(i64::MAX - 1), Hlc::new(Hlc::MAX_PLAUSIBLE_MS + 1, 0), last]
        {
            // The stamp was received, or an earlier release stored it as the clock.
            for clock in [Hlc::ZERO.tick(now).observe(stamp), stamp] {
                let first = clock.tick(now);
                let next = first.tick(now);
                assert!(
                    first < next && next.is_plausible(),
                    "{stamp:?} {clock:?}: {first:?} {next:?}"
                );
            }
        }
        assert_eq!(Hlc::ZERO.observe(Hlc(i64::MAX)), Hlc::ZERO);
        assert!(Hlc::ZERO.tick(i64::MAX).tick(i64::MIN).is_plausible());
    }
}
