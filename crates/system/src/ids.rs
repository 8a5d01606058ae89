//! Random ids behind a trait, so that tests can be reproduced.

use uuid::Uuid;

/// Generates ids and random bytes.
pub trait IdGen: Send + Sync + 'static {
    /// Returns a UUID v7 for an event at `now_ms`.
    fn uuid_v7(&self, now_ms: i64) -> Uuid;
    /// Fills the buffer with random bytes suitable for keys and tokens.
    fn fill(&self, bytes: &mut [u8]);
}

/// The random numbers of the system.
#[derive(Debug, Clone, Default)]
pub struct SystemIds;

impl IdGen for SystemIds {
    fn uuid_v7(&self, now_ms: i64) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms).unwrap_or(0), &random)
            .into_uuid()
    }
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness there are no safe tokens or ids, and the program cannot continue.
        getrandom::fill(bytes).expect("the system random number generator works");
    }
}
