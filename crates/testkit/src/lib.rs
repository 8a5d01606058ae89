//! Test tools: fake clocks, a scripted network, a fake sync server, ids and random numbers from a seed. The feature
//! `integration` adds the real server in the process, devices, a simulated learner and a faulty network.
//!
//! Not here: the tests (`tests/`, docs/TESTING.md).

pub mod certificates;
pub mod clock;
pub mod disk;
pub mod fake_server;
pub mod font_package;
pub mod hostile;
pub mod ids;
pub mod network;
pub mod reply;
pub mod rng;
pub mod scratch;
pub mod servers;
pub mod small_disk;
pub mod wait;
pub mod work;

#[cfg(feature = "integration")]
pub mod content;
#[cfg(feature = "integration")]
pub mod device;
#[cfg(feature = "integration")]
pub mod fault;
#[cfg(feature = "integration")]
pub mod flaky;
#[cfg(feature = "integration")]
pub mod learner;
#[cfg(feature = "integration")]
pub mod managed_device;
#[cfg(feature = "integration")]
pub mod oracle;
#[cfg(feature = "integration")]
pub mod server;

pub use clock::FakeClock;
#[cfg(feature = "integration")]
pub use device::Device;
pub use disk::FakeDisk;
pub use fake_server::FakeServer;
#[cfg(feature = "integration")]
pub use fault::{Fault, FaultRates};
#[cfg(feature = "integration")]
pub use flaky::{FlakyHttp, Timeline};
pub use ids::SeededIds;
#[cfg(feature = "integration")]
pub use learner::SimulatedLearner;
#[cfg(feature = "integration")]
pub use managed_device::ManagedDevice;
pub use network::{Answer, Network};
#[cfg(feature = "integration")]
pub use oracle::{Oracle, Rows};
pub use rng::SeededRng;
#[cfg(feature = "integration")]
pub use server::TestServer;
pub use small_disk::SmallDisk;
pub use wait::within_a_minute;
