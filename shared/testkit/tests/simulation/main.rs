//! Writers and sealers on one stream in simulated time: every call takes its time, fails, happens
//! anyway, happens minutes later; processes die in the middle; clocks differ. What a seed does it
//! does again.

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod time;
