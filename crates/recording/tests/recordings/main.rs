//! Tests of lengths, kinds and published bytes, on recordings that are written byte by byte.

mod kinds;
mod lengths;
mod privacy;
mod support;
