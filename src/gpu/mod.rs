//! Adapter: the GPUs of this machine, and what can be encoded with on them.
//!
//! Data goes one way: files of the kernel ([`survey`]) → what is worth a trial ([`choice`]) → proofs by
//! workers ([`judge`]) → what sessions encode with, and what people are told. It opens no device itself.

mod bus;
mod choice;
mod drivers;
mod explain;
mod gpus;
mod intel;
mod judge;
mod nodes;
mod survey;
mod trials;
mod view;
mod watch;

pub use bus::{Card, cards};
#[cfg(test)]
pub(crate) use gpus::judged;
pub use gpus::{Best, Gpus, examine, plan};
pub use nodes::{Node, intel_name, nodes};
pub use view::{EncoderView, GpuView};
