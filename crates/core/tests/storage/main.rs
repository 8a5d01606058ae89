//! Space on a device: budget, promises, eviction, what a kill leaves behind, full disks, shared and moved stores, figures.

mod evict;
mod figures;
mod full;
mod kill;
mod moving;
mod shared;
mod world;
