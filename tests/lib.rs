//! Tests that need more than one crate: the house, and the product end to end. Nothing is exported.
