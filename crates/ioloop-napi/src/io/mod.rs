//! System calls on descriptors, for JavaScript.

mod address;
mod descriptor;
pub(crate) mod mode;
mod options;
mod send;
mod socket;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;
mod transfer;
