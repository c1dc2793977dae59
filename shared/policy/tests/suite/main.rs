//! The engine on the baseline, on a workspace's layer, and on what goes wrong.

mod failures;
mod ladder;
mod scenarios;
mod world;
