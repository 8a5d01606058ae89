//! Tests of the server's API: every route through the router or a real socket, with a fake clock.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "one test measures real time; skipped tests print the reason, and some their figures"
)]

#[macro_use]
mod support;

mod access;
mod accounts;
mod assessments;
mod auth;
mod blobs;
mod catalogue;
#[cfg(unix)]
mod cluster;
mod courses;
mod data_dir;
#[cfg(unix)]
mod databases;
mod enrolment_tokens;
mod erasure;
#[cfg(unix)]
mod failover;
mod fake_provider;
mod foreign;
mod fuzz;
mod isolation;
mod jobs;
mod learner;
mod limits;
mod mail;
mod maintenance;
mod malformed;
mod me;
mod monitoring;
mod object_store;
mod oidc;
mod oidc_refusals;
mod openapi;
mod people;
mod permissions;
mod plans;
mod postgres;
#[cfg(unix)]
mod processes;
mod refusals;
#[cfg(unix)]
mod replicas;
mod reply_cache;
mod reports;
mod restored;
#[cfg(unix)]
mod rolling_upgrade;
mod rosters;
#[path = "../../../mail/tests/support/mod.rs"]
mod smtp_server;
mod sockets;
mod sqlite;
mod staff_courses;
mod staff_pages;
mod start_page;
mod sync;
mod tenants;
mod tls;
mod updates;
mod uploads;
mod vocabulary;
