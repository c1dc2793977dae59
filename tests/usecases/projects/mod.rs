//! Projects that people make: empty at first, then connected, then gone.

mod connecting;
mod flows;
mod freezing;
mod lossy;
mod making;
mod mappings;
mod meanwhile;
mod office;
mod second_person;
mod unneeded;
