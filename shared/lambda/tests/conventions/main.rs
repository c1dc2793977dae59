//! The conventions of the API through real routes: credentials, bad input, repeats, rate limits.
//! The state table is in memory; everything else is what functions run.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod stage;
