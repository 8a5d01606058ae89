//! Shared test tools: fake clocks, ids and random decisions from a seed. The feature `world` adds a
//! real server in the process, devices, a simulated learner, and a faulty network.
//!
//! Not here: the properties under test (`tests/`, docs/TESTING.md).

pub mod rng;
pub mod clock;
pub mod disk;
pub mod ids;
pub mod fake_server;
pub mod small_disk;
pub mod work;

#[cfg(feature = "world")]
pub mod content;
#[cfg(feature = "world")]
pub mod device;
#[cfg(feature = "world")]
pub mod fault;
#[cfg(feature = "world")]
pub mod flaky;
#[cfg(feature = "world")]
pub mod hostile;
#[cfg(feature = "world")]
pub mod learner;
#[cfg(feature = "world")]
pub mod oracle;
#[cfg(feature = "world")]
pub mod scratch;
#[cfg(feature = "world")]
pub mod server;

pub use rng::SeededRng;
pub use clock::FakeClock;
#[cfg(feature = "world")]
pub use device::Device;
pub use disk::FakeDisk;
#[cfg(feature = "world")]
pub use fault::{Fault, Faults};
#[cfg(feature = "world")]
pub use flaky::{FlakyHttp, Timeline};
pub use ids::SeededIds;
#[cfg(feature = "world")]
pub use learner::Learner;
#[cfg(feature = "world")]
pub use oracle::{Oracle, Rows};
pub use fake_server::FakeServer;
#[cfg(feature = "world")]
pub use server::TestServer;
pub use small_disk::SmallDisk;
