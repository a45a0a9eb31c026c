//! Edge: why a GPU is not used, or a TV is dark, and what to do about it.
//!
//! Data goes one way: the [`Machine`] (files below a root, and what was [`Told`]) → [`checks`], pure and one
//! question each → [`chain`], which tells causes from what follows from them → the [`Report`].

mod account;
pub mod ask;
mod chain;
mod checks;
mod container;
mod finding;
mod machine;
mod report;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod told;

pub use checks::Subject;
pub use finding::{Finding, Fix, Place, Verdict};
pub use machine::Machine;
pub use report::{Entry, Report, ids};
pub use told::{Page, Service, Space, Told, Tv, Unit, Wanted};
