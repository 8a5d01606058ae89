//! Tests of the cache: the fault table of `tests/faults/cases.json` over the strategies, and behaviour that the table
//! cannot express.

mod budget;
mod faults;
mod figures;
mod fixture;
mod stored;
mod waiting;
