//! People, invitations and keys of a workspace, and its end.

pub(crate) mod bench;
mod evidence;
mod invitations;
mod keys;
mod lists;
mod members;
