//! A workspace's own rules: signed, uploaded, activated by two people, revoked, tried out.

mod activation;
mod attacks;
mod desk;
mod faults;
mod impact;
mod judged;
mod keys;
mod room;
