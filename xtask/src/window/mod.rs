//! Drives the real window: virtual screen, WebDriver client, screenshots.

pub mod bench;
pub mod driver;
pub mod limits;
pub mod media;
pub mod programs;
pub mod scenario;
pub mod screen;
