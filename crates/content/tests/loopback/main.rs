//! Responses of the loopback server: images of all kinds in every width, audio in every range, and
//! audio during its download.

mod client;
mod image_files;
mod images;
mod playback;
mod ranges;
