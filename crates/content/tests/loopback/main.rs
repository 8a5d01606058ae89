//! What the window gets from the loopback server: pictures in every width and from every kind of file, recordings in every range, and
//! recordings that are still on their way.

mod desk;
mod files;
mod pictures;
mod playing;
mod ranges;
