//! The conventions of the API through real routes: credentials, bad input, repeats, rate limits.
//! The state table is in memory; everything else is what functions run.

mod bad_input;
mod limits;
mod repeats;
mod stage;
