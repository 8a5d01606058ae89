//! The table of the budgets: a row is a figure beside its floor, and what is held of it.
//!
//! Also read by `xtask`, which measures the window and can see no crate of the workspace: only `std` here.

use std::time::Duration;

/// The table, row by row.
#[derive(Default)]
pub struct Table {
    over: u32,
}

impl Table {
    /// Begins with the names of the columns.
    pub fn begin() -> Self {
        println!("{:<44} {:>22} {:>28} {:>9}    budget", "what", "figure", "floor", "held");
        Self::default()
    }

    /// `figure` and `floor` with their unit; `held` is the ratio or count that is held, with its most.
    pub fn row(
        &mut self,
        what: &str,
        figure: String,
        floor: String,
        held: f64,
        most: f64,
        unit: &str,
    ) {
        let good = held <= most;
        self.over += u32::from(!good);
        let mark = if good { "" } else { "  OVER" };
        println!("{what:<44} {figure:>22} {floor:>28} {held:>9.2} <= {most:<6} {unit}{mark}");
    }

    /// How many rows are over their budget.
    pub fn over(&self) -> u32 {
        self.over
    }
}

/// Median and 99th percentile.
pub fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
