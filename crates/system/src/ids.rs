//! A trait for random ids, so that tests are reproducible.

use uuid::Uuid;

/// Generates ids and random bytes.
pub trait IdGen: Send + Sync + 'static {
    /// Returns a UUID v7 for an event at `now_ms`.
    fn uuid_v7(&self, now_ms: i64) -> Uuid;
    /// Fills the buffer with random bytes suitable for keys and tokens.
    fn fill(&self, bytes: &mut [u8]);
}

/// Ids from the system's random number generator.
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
        // Without random numbers tokens and ids are not safe, so the program must not continue.
        getrandom::fill(bytes).expect("the system random number generator works");
    }
}
