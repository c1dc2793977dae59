//! Projects that people make: empty at first, then connected, then gone.

mod making;
mod office;
