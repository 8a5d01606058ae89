//! A learner's PIN on this device: its hash, and the delay after wrong attempts.
//!
//! A PIN protects a learner's work from other users of the app. It does not encrypt anything: whoever can read the files
//! of the app needs no PIN.
//!
//! Not here: where the hash is stored (`registry`).

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use carrel_system::{IdGen, assert_may_block};
use serde::{Deserialize, Serialize};

use crate::{Error, PinError, Result};

/// Minimum and maximum number of digits of a PIN.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=12;
/// Number of wrong attempts without a delay.
const FREE_ATTEMPTS: u32 = 3;
const FIRST_DELAY_MS: i64 = 5_000;
const MAX_DELAY_MS: i64 = 5 * 60_000;

/// Zero of each script whose digits are accepted, as keyboards of these scripts produce them.
const ZEROS: [char; 12] = [
    '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{be6}', '\u{e50}', '\u{ed0}',
    '\u{1040}', '\u{17e0}', '\u{ff10}',
];

/// The stored form of a PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// PHC string (argon2id).
    hash: String,
    /// Number of attempts since the last correct one.
    #[serde(default)]
    attempts: u32,
    /// Time of the last attempt (UTC, ms).
    #[serde(default)]
    last_ms: i64,
}

impl Pin {
    /// Hashes a PIN. Blocks for about 20 ms.
    ///
    /// # Errors
    ///
    /// `PinError::Invalid` if the text does not consist of 4 to 12 digits.
    pub fn new(text: &str, ids: &dyn IdGen) -> Result<Self> {
        assert_may_block();
        let digits = digits(text).ok_or(PinError::Invalid)?;
        let mut salt = [0; 16];
        ids.fill(&mut salt);
        let failed = |e: argon2::password_hash::Error| Error::Internal(format!("PIN hash: {e}"));
        let salt = SaltString::encode_b64(&salt).map_err(failed)?;
        let hash = Argon2::default().hash_password(digits.as_bytes(), &salt).map_err(failed)?;
        Ok(Self { hash: hash.to_string(), attempts: 0, last_ms: 0 })
    }

    /// Returns true if the text is the PIN. Blocks for about 20 ms.
    pub(super) fn is_correct(&self, text: &str) -> bool {
        assert_may_block();
        let Some(digits) = digits(text) else { return false };
        match PasswordHash::new(&self.hash) {
            Ok(hash) => Argon2::default().verify_password(digits.as_bytes(), &hash).is_ok(),
            Err(e) => {
                tracing::error!(error = %e, "the stored hash of a PIN is invalid; hint: sign in with the password");
                false
            }
        }
    }
    /// Counts an attempt, before it is checked. Returns the time to wait, in milliseconds, if it comes too early; it
    /// then does not count.
    pub(super) fn begin_attempt(&mut self, now_ms: i64) -> Option<i64> {
        if now_ms < self.last_ms {
            // The clock was set back: the delay starts again, instead of lasting until the clock has caught up.
            self.last_ms = now_ms;
        }
        let wait_ms = self.last_ms.saturating_add(self.delay_ms()).saturating_sub(now_ms);
        if self.attempts > 0 && wait_ms > 0 {
            return Some(wait_ms);
        }
        self.attempts = self.attempts.saturating_add(1);
        self.last_ms = now_ms;
        None
    }
    pub(super) fn accept(&mut self) {
        (self.attempts, self.last_ms) = (0, 0);
    }
    /// Returns the delay before the next attempt, in milliseconds.
    pub(super) fn delay_ms(&self) -> i64 {
        match self.attempts.checked_sub(FREE_ATTEMPTS) {
            None => 0,
            Some(n) => FIRST_DELAY_MS.saturating_mul(1 << n.min(16)).min(MAX_DELAY_MS),
        }
    }
}

/// Returns the ASCII digits of a PIN; none if it is not one.
fn digits(text: &str) -> Option<String> {
    let digit = |c: char| {
        ZEROS.iter().find_map(|zero| {
            let value = u32::from(c).checked_sub(u32::from(*zero))?;
            char::from_digit(value, 10)
        })
    };
    let digits: String = text.trim().chars().map(digit).collect::<Option<_>>()?;
    PIN_DIGITS.contains(&digits.len()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_4_to_12_digits_of_any_script() {
        for (text, expected) in [
            ("1234", Some("1234")),
            (" 123456789012 ", Some("123456789012")),
            ("\u{661}\u{662}\u{663}\u{664}", Some("1234")),
            ("\u{6f0}\u{966}\u{9e7}\u{ff19}", Some("0019")),
            ("123", None),
            ("1234567890123", None),
            ("12a4", None),
            ("12 34", None),
            ("-123", None),
            ("", None),
        ] {
            assert_eq!(digits(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_delay_grows_from_the_third_attempt_to_five_minutes() {
        let mut pin = Pin { hash: String::new(), attempts: 0, last_ms: 0 };
        let (mut now, mut delays) = (1_000_000, Vec::new());
        for _ in 0..12 {
            assert_eq!(pin.begin_attempt(now), None);
            delays.push(pin.delay_ms() / 1_000);
            if pin.delay_ms() > 0 {
                assert_eq!(pin.begin_attempt(now + 1), Some(pin.delay_ms() - 1));
            }
            now += pin.delay_ms();
        }
        assert_eq!(delays, [0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        pin.accept();
        assert_eq!(pin.begin_attempt(now), None);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_delay() {
        let mut pin = Pin { hash: String::new(), attempts: 3, last_ms: 50_000_000 };
        assert_eq!(pin.begin_attempt(1_000), Some(5_000));
        assert_eq!(pin.begin_attempt(6_000), None);
    }
}
