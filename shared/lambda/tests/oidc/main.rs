//! Sign-ins against an issuer over HTTP.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod reading;
