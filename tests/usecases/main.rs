//! Use cases against ports in memory: what people and machines can make the product do, and what
//! happens when a store, a database or a worker fails in the middle.

#[cfg(test)]
mod again;
#[cfg(test)]
mod bursts;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod counted;
#[cfg(test)]
mod customers;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod derived;
#[cfg(test)]
mod doubts;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod glass;
#[cfg(test)]
mod governed;
#[cfg(test)]
mod grounds;
#[cfg(test)]
mod held;
#[cfg(test)]
mod ignoring;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod newcomers;
#[cfg(test)]
mod on_behalf;
#[cfg(test)]
mod once;
#[cfg(test)]
mod overlaps;
#[cfg(test)]
#[path = "../people.rs"]
mod people;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod projects;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod repairs;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod scans;
#[cfg(test)]
mod sealing;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod world;
