//! Drives the real window: screen, WebDriver client, pictures.

pub mod bench;
pub mod driver;
pub mod listen;
pub mod screen;
pub mod walk;
