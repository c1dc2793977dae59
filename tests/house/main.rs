//! The house keeps its shape: who may depend on whom, and which function may touch what.
//! ARCHITECTURE.md promises what is tested here.

#[cfg(test)]
mod asvs;
#[cfg(test)]
mod cloud;
#[cfg(test)]
mod data_keys;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod inventory;
#[cfg(test)]
mod problems;
#[cfg(test)]
#[path = "../rights.rs"]
mod rights;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod security;
#[cfg(test)]
mod template;
#[cfg(test)]
mod text;
