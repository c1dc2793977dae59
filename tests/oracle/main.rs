//! The engine against a naive reading of the decision table, on 100,000 random worlds.
//!
//! The oracle shares no code with the engine: it has its own list of prices, its own knobs (from
//! which the mapping is written), and compares every customer with every row. What both use are the
//! forms of the input and of findings. A disagreement is cut down to the smallest world that shows
//! it; whoever is right by docs/decision-table.md stays, and the world becomes a golden case.

#[cfg(test)]
mod differ;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod money;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod random;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod subject;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
