//! Test data for the learner's work: item ids, a finished section, options of a store.

use std::sync::Arc;

use carrel_learning::{Step, store::Options};
use carrel_model::{DeviceId, ItemId, Slug, lattice::ItemKind};
use carrel_sqlite::Changes;

use crate::FakeClock;

pub fn item(text: &str) -> ItemId {
    ItemId::new(text).unwrap()
}
pub fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}
/// Returns the step that finishes a section.
pub fn finished(text: &str) -> Step {
    Step { done: true, ..Step::at(ItemKind::Section, item(text)) }
}

pub fn options(device: u128, clock: &FakeClock) -> Options {
    Options {
        device: DeviceId::from_u128(device),
        app_version: "1.0.0".into(),
        has_server: true,
        clock: Arc::new(clock.clone()),
        changes: Changes::new(),
        page_limit: None,
    }
}
