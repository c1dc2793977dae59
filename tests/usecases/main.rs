//! Use cases against ports in memory: what people and machines can make the product do, and what
//! happens when a store, a database or a worker fails in the middle.

mod repairs;
mod runs;
mod sealing;
mod webhooks;
mod world;
