#![doc = include_str!("../README.md")]

mod base64;
pub mod code;
pub mod descriptor;
mod facts;
pub mod hash;
pub mod header;
pub mod json;
pub mod kind;
pub mod package;
pub mod part;
mod recorded;
mod runs;
pub mod seal;
pub mod stream;
pub mod tree;
pub mod verify;
