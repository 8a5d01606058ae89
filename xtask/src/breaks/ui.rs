//! Faults of the UI.

use super::Fault;

pub(super) const FAULTS: &[Fault] = &[];
