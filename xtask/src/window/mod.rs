//! Drives the real window: virtual screen, WebDriver client, screenshots.

pub mod accessibility;
pub mod bench;
pub mod driver;
pub mod limits;
pub mod media;
pub mod names;
pub mod programs;
pub mod scenario;
pub mod screen;
