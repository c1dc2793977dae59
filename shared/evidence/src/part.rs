//! Parts and their commitments (evidence-format section 7).

use std::fmt;

use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::json::Json;

/// The two parts that an entry can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartName {
    /// What stays: no personal data, no text of people.
    Facts,
    /// What can be erased: personal and row values, text of people.
    Subject,
}

impl PartName {
    /// The name in headers and packages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Subject => "subject",
        }
    }

    /// The part with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "facts" => Some(Self::Facts),
            "subject" => Some(Self::Subject),
            _ => None,
        }
    }

    /// Longest canonical form, in bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Facts => 65_536,
            Self::Subject => 262_144,
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A part that was written: what goes to the parts store. `Debug` shows no content and no salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// Which part.
    pub name: PartName,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// Salt of the commitment; destroyed together with the bytes of a `subject`.
    pub salt: [u8; 32],
    /// What the header holds.
    pub commitment: Hash,
}

impl Part {
    /// Commits to a part under a new salt.
    ///
    /// # Errors
    /// When the part is no object, breaks a rule of the JSON subset, or is too long.
    pub fn new(name: PartName, content: &Json, salt: [u8; 32]) -> Result<Self, Fault> {
        if content.as_object().is_none() {
            return Err(Fault::new(Code::Format, format!("{name} is not an object")));
        }
        content
            .check(crate::json::MAX_DEPTH)
            .map_err(|fault| fault.at(name))?;
        let bytes = content.canonical();
        check_length(name, bytes.len())?;
        let commitment = hash::commitment(&salt, &bytes);
        Ok(Self {
            name,
            bytes,
            salt,
            commitment,
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .field("len", &self.bytes.len())
            .field("commitment", &self.commitment)
            .finish_non_exhaustive()
    }
}

pub(crate) fn check_length(name: PartName, len: usize) -> Result<(), Fault> {
    let most = name.max_bytes();
    if len > most {
        let what = format!("{name} has {len} bytes, at most {most}; refer to it by digest");
        return Err(Fault::new(Code::Limit, what));
    }
    Ok(())
}
