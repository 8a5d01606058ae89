//! Responses of the loopback server: images of all kinds in every width, audio in every range, and
//! audio during its download.

mod desk;
mod files;
mod pictures;
mod playing;
mod ranges;
