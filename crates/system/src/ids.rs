//! Random ids come in through here, so that a failing run can be repeated.

use uuid::Uuid;

pub trait IdGen: Send + Sync + 'static {
    /// A UUID v7 for something that happened at `now_ms`.
    fn uuid_v7(&self, now_ms: i64) -> Uuid;
    /// Fills the buffer with random bytes fit for keys and tokens.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's random numbers.
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
        // Without randomness there are no safe tokens or ids: nothing sensible can go on.
        getrandom::fill(bytes).expect("the system gives random numbers");
    }
}
