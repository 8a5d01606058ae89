//! Space on a device: budget, reservations, floor, eviction, killed processes, full disks, shared
//! and moved stores, usage figures.

mod blobs;
mod evict;
mod figures;
mod full;
mod kill;
mod moving;
mod responses;
mod shared;
mod support;
