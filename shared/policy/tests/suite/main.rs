//! The engine on the baseline, on a workspace's layer, and on what goes wrong.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod deep;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod never;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod world;
