//! The real window, driven as a person would: a screen, a driver, pictures.

#[allow(dead_code, reason = "the walk has not come to every gesture yet")]
pub mod driver;
pub mod screen;
pub mod walk;
