//! Prints the table of the budgets: each row contains a measured figure, its baseline and the budget.
//!
//! Also compiled into `xtask`, which depends on no crate of the workspace; therefore it uses only `std`.

use std::time::Duration;

/// A table that is printed row by row and counts the rows over budget.
#[derive(Default)]
pub struct Table {
    over_budget: u32,
}

impl Table {
    /// Prints the header of the table.
    pub fn new() -> Self {
        println!(
            "{:<44} {:>22} {:>28} {:>9}    budget",
            "measurement", "figure", "baseline", "value"
        );
        Self::default()
    }

    /// Prints a row. `figure` and `baseline` include their units; `value` is the ratio or count with the budget `max`.
    pub fn row(
        &mut self,
        name: &str,
        figure: String,
        baseline: String,
        value: f64,
        max: f64,
        unit: &str,
    ) {
        let within = value <= max;
        self.over_budget += u32::from(!within);
        let mark = if within { "" } else { "  OVER" };
        println!("{name:<44} {figure:>22} {baseline:>28} {value:>9.2} <= {max:<6} {unit}{mark}");
    }

    /// Returns the number of rows over budget.
    pub fn over_budget(&self) -> u32 {
        self.over_budget
    }
}

/// Returns the median and the 99th percentile.
pub fn median_and_p99(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
