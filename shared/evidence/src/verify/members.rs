//! Where the files of the folder form lie: the verifier reads them as streams, any number of times.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Read as _};

use thiserror::Error;

use crate::code::{Code, Fault};

/// The files of a package in folder form (evidence-format section 12.4).
pub trait Members: fmt::Debug {
    /// Every file: name and length in bytes.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn files(&self) -> io::Result<Vec<(String, u64)>>;

    /// The content of a file, from its start.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>>;
}

impl Members for BTreeMap<String, Vec<u8>> {
    fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let length = |content: &Vec<u8>| u64::try_from(content.len()).unwrap_or(u64::MAX);
        Ok(self
            .iter()
            .map(|(name, content)| (name.clone(), length(content)))
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        match self.get(name) {
            Some(content) => Ok(Box::new(content.as_slice())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Why reading a package ended.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The bytes were read and are refused.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// The bytes could not be read; nothing is said about them.
    #[error("the package cannot be read")]
    Io(#[source] io::Error),
}

impl From<io::Error> for Unreadable {
    /// A fault may travel inside an I/O error, out of a reader that watches a limit.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Fault>() {
            Ok(fault) => Self::Refused(fault),
            Err(error) => Self::Io(error),
        }
    }
}

/// Reads a file as a whole, if it has at most `most` bytes.
pub(super) fn whole(members: &dyn Members, name: &str, most: u64) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    let mut reader = members.open(name)?.take(most.saturating_add(1));
    reader.read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        let what = format!("{name} is longer than {most} bytes");
        return Err(Fault::new(Code::Limit, what).into());
    }
    Ok(bytes)
}

/// The lines of a file, one after the other, none longer than a limit.
pub(super) struct Lines<'a> {
    name: &'static str,
    most: usize,
    reader: Box<dyn BufRead + 'a>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn open(
        members: &'a dyn Members,
        name: &'static str,
        most: usize,
    ) -> Result<Self, Unreadable> {
        Ok(Self {
            name,
            most,
            reader: members.open(name)?,
            number: 0,
        })
    }

    /// Reads the next line into `line`, without its line feed; `false` at the end.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, Unreadable> {
        line.clear();
        let most = u64::try_from(self.most).unwrap_or(u64::MAX);
        let mut bounded = (&mut self.reader).take(most.saturating_add(2));
        if bounded.read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        self.number = self.number.saturating_add(1);
        let ended = line.pop_if(|byte| *byte == b'\n').is_some();
        if line.len() > self.most {
            let what = format!("a line of more than {} bytes", self.most);
            return Err(self.place(Fault::new(Code::Limit, what)).into());
        }
        if !ended {
            let what = "the file does not end in a line feed";
            return Err(self.place(Fault::new(Code::Canon, what)).into());
        }
        Ok(true)
    }

    /// Says in which line a fault is.
    pub(super) fn place(&self, fault: Fault) -> Fault {
        fault.at(format!("{}, line {}", self.name, self.number))
    }
}
