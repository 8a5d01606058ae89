//! The cache: the fault table of `tests/faults/cases.json` over the strategies, and what a table cannot show.

mod budget;
mod desk;
mod faults;
mod figures;
mod kept;
mod waiting;
