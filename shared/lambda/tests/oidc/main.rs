//! Sign-ins against an issuer over HTTP.

#[cfg(test)]
mod tokens;
