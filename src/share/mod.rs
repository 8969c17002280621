//! What all workers share and no reload replaces.

pub mod addresses;
