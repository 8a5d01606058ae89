//! The storage of content: budget, reservations, free-space floor, eviction, killed processes, full
//! disks, shared and moved stores, stored responses, usage figures.

mod blobs;
mod evict;
mod figures;
mod full;
mod kill;
mod moving;
mod responses;
mod shared;
mod support;
