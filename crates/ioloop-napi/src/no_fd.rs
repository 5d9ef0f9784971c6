//! Descriptor numbers of JavaScript, where there are no descriptors.

/// A descriptor number: there are none.
pub(crate) enum JsFd {}
