//! The adapters against emulated AWS services, and against a network that loses what they send.

#[cfg(test)]
mod cloud;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod linear;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod moved;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod second;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod writers;
