//! Responses of the loopback server: images and variants, ranges of audio, and audio during its
//! download.

mod client;
mod image_files;
mod images;
mod playback;
mod ranges;
