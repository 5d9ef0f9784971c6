//! System calls on descriptors, for JavaScript.

mod address;
mod descriptor;
pub(crate) mod mode;
mod options;
mod send;
mod socket;
mod transfer;
