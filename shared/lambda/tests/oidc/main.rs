//! Sign-ins against an issuer over HTTP.

#[cfg(test)]
mod claims;
mod clients;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod reading;
