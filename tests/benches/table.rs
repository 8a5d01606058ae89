//! Prints the table of the budgets: each row contains a measured figure, its baseline and the budget.
//!
//! Also included by `xtask`, which measures the window and depends on no crate of the workspace: uses only `std`.

use std::time::Duration;

/// A table that is printed row by row and counts the rows over budget.
#[derive(Default)]
pub struct Table {
    over: u32,
}

impl Table {
    /// Prints the names of the columns.
    pub fn begin() -> Self {
        println!("{:<44} {:>22} {:>28} {:>9}    budget", "measurement", "figure", "baseline", "value");
        Self::default()
    }

    /// Prints a row. `figure` and `floor` include their units; `held` is the ratio or count with the budget `most`.
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

    /// Returns the number of rows over budget.
    pub fn over(&self) -> u32 {
        self.over
    }
}

/// Returns the median and the 99th percentile.
pub fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
