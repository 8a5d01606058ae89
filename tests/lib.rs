//! Client and server together.
