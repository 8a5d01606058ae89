//! The real window, driven as a person would: a screen, a driver, pictures.

pub mod bench;
pub mod driver;
pub mod listen;
pub mod screen;
pub mod walk;
