//! The evidence format against its worked example, foreign vectors, and attackers.

mod attacks;
mod controls;
mod flips;
mod forge;
mod round_trip;
mod rules;
mod vectors;
mod worked_example;
