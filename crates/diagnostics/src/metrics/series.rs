//! The samples of one metric: a ring of limited size.

use std::collections::VecDeque;

/// Maximum number of samples of a metric. Memory: 24 bytes each, so 720 KiB for all metrics together.
pub const MAX_SAMPLES: usize = 2_048;
/// Age at which samples are no longer reported.
pub const WINDOW_MS: i64 = 3_600_000;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Monotonic time.
    pub at_ms: i64,
    pub value: f64,
    /// Index in the list of labels.
    pub label: u16,
}

/// The newest samples of a metric, and the counters of its limits.
#[derive(Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
    /// Number of samples since the start.
    pub recorded: u64,
    /// The UI reported that this system cannot measure it.
    pub is_unsupported: bool,
    /// Monotonic time of the last comparison with limits of the hour.
    pub compared_ms: Option<i64>,
    /// Number of the last sample that `take_new` returned.
    pub taken: u64,
    /// By limit: number of the last sample that breaks it.
    pub last_broken: [u64; 2],
}

impl Series {
    /// Adds a sample. The oldest is dropped if the ring is full.
    pub fn push(&mut self, sample: Sample) {
        self.recorded += 1;
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Returns the samples of the last hour, oldest first.
    pub fn window(&self, now_ms: i64) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |s| s.at_ms > now_ms - WINDOW_MS)
    }

    /// Returns the number of samples that `take_new` has not returned yet and that are still kept.
    pub fn count_new(&self) -> usize {
        let new = usize::try_from(self.recorded - self.taken).unwrap_or(usize::MAX);
        new.min(self.samples.len())
    }

    /// Returns the values of the samples since the last call, oldest first, as far as they are still kept.
    pub fn take_new(&mut self) -> Vec<f64> {
        let first = self.samples.len() - self.count_new();
        self.taken = self.recorded;
        self.samples.range(first..).map(|sample| sample.value).collect()
    }

    /// Returns true if samples of the last hour were dropped.
    pub fn is_cut(&self, now_ms: i64) -> bool {
        self.recorded > self.samples.len() as u64
            && self.samples.front().is_some_and(|s| s.at_ms > now_ms - WINDOW_MS)
    }
}
