//! Space on a device: budget, promises, the floor, eviction, what a kill leaves behind, full disks, shared and moved stores, figures.

mod answers;
mod blobs;
mod evict;
mod figures;
mod full;
mod kill;
mod moving;
mod shared;
mod world;
