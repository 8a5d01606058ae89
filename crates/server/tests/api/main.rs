//! The server from outside: every route through the router or a real socket, with a clock that is turned by hand.

mod auth;
mod blobs;
mod catalogue;
mod isolation;
mod learner;
mod library;
mod malformed;
mod openapi;

mod support;
mod sync;
