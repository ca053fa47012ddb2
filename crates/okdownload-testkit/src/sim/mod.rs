//! A simulated world: a network, a disk and a store whose every fault comes out of one seed.
//!
//! All of it goes by tokio's clock, so under a paused one a history of minutes takes milliseconds; and since chance,
//! time and order are the [`World`]'s, the same seed gives the same history, to the byte.
//!
//! - [`SimNetwork`] is a server whose resources change, and a network that delays, cuts and lies.
//! - [`SimDisk`] keeps what was synced apart from what was only written, for bytes and for names.
//! - [`SimStore`] keeps the log of what was committed over a store of the caller's.
//!
//! At an event that [`World::begin`] is given the process dies: from then on no call into the world returns. Whoever drives the
//! simulation drops its runtime, lets the disk and the store [`crash`](SimDisk::crash), and starts anew.

mod claims;
mod content;
mod disk;
mod faults;
mod inode;
mod network;
mod output;
mod response;
mod store;
mod world;

pub use claims::{Believed, believed, believed_of, check_claims};
pub use content::{Content, PERIOD};
pub use disk::{Accident, Crash, SimDisk};
pub use faults::Faults;
pub use network::{Changes, Dates, ResourceSpec, SimNetwork, Tags, Version};
pub use store::SimStore;
pub use world::World;
