//! Lines of `parts.jsonl`, read in place where they have the layout of a valid one.

use super::input::format;
use super::members::{Lines, Members, Unreadable};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::json::{Json, MAX_DEPTH, MAX_DOCUMENT_DEPTH, Tape, View};
use crate::part::PartName;

/// Longest line: a `subject` of full length, its salt, and the names around them.
const MAX_LINE: usize = 1 << 20;

/// What a line says of its part.
pub(super) enum Body {
    /// `d` from the sixth byte of the line up to here, and the salt.
    Present(usize, Hash),
    /// Erased by the entry with this `seq`.
    Erased(u64),
    /// Anything else; judged as a tree.
    Other(Json, Option<(usize, usize)>),
}

/// One line.
pub(super) struct PartLine {
    pub(super) seq: u64,
    pub(super) name: String,
    pub(super) body: Body,
    bytes: Vec<u8>,
    tape: Tape,
}

impl PartLine {
    const fn new() -> Self {
        Self {
            seq: 0,
            name: String::new(),
            body: Body::Erased(0),
            bytes: Vec::new(),
            tape: Tape::new(),
        }
    }

    /// The bytes of `d`.
    pub(super) fn content(&self) -> Option<&[u8]> {
        match self.body {
            Body::Present(to, _) => self.bytes.get(D..to),
            Body::Other(_, Some((from, to))) => self.bytes.get(from..to),
            _ => None,
        }
    }

    /// `d`, read in place.
    pub(super) fn view(&self) -> Option<View<'_>> {
        match &self.body {
            Body::Present(..) => View::Tape(self.tape.root(&self.bytes)?).get("d"),
            Body::Erased(_) => None,
            Body::Other(json, _) => json.get("d").map(View::Tree),
        }
    }

    fn read(&mut self) -> Result<(), Fault> {
        if self.read_fast().is_none() {
            self.read_slow()?;
        }
        Ok(())
    }

    /// `{"d":…,"part":…,"s":…,"seq":…}` or `{"part":…,"seq":…,"x":…}`, and nothing else. A part one
    /// level below the line may be nested up to [`MAX_DEPTH`].
    fn read_fast(&mut self) -> Option<()> {
        let line = View::Tape(self.tape.scan(&self.bytes, MAX_DEPTH.saturating_add(1))?);
        let name = line.get("part")?.as_str()?;
        let part = PartName::from_name(&name)?;
        let body = match line.members()? {
            4 => {
                let content = line.get("d")?;
                content.members()?;
                let to = D.checked_add(content.canonical().len())?;
                Body::Present(to, line.get("s")?.as_hash()?)
            }
            3 => Body::Erased(line.get("x")?.as_uint()?),
            _ => return None,
        };
        self.seq = line.get("seq")?.as_uint()?;
        self.body = body;
        self.name.clear();
        self.name.push_str(part.name());
        Some(())
    }

    fn read_slow(&mut self) -> Result<(), Fault> {
        let json = Json::parse_canonical_to(&self.bytes, MAX_DOCUMENT_DEPTH)?;
        let Json::Object(mut members) = json else {
            return Err(format("not an object"));
        };
        let (Some(Json::Str(name)), Some(seq)) = (members.remove("part"), members.remove("seq"))
        else {
            return Err(format("part or seq is missing"));
        };
        self.seq = seq
            .as_uint()
            .ok_or_else(|| format("seq is not a position"))?;
        self.name = name;
        // `d` is the first member of a canonical line that has one.
        let content = members.get("d").map(|content| {
            let length = content.canonical().len();
            (D, D.saturating_add(length))
        });
        let first = members.keys().next().is_some_and(|key| key == "d");
        self.body = Body::Other(Json::Object(members), content.filter(|_| first));
        Ok(())
    }
}

/// Where `d` begins.
const D: usize = b"{\"d\":".len();

/// The lines of `parts.jsonl`, with a look at the next one.
pub(super) struct PartLines<'a> {
    lines: Lines<'a>,
    next: PartLine,
    ended: bool,
    last: Option<(u64, String)>,
}

impl<'a> PartLines<'a> {
    pub(super) fn open(members: &'a dyn Members) -> Result<Self, Unreadable> {
        let mut lines = Self {
            lines: Lines::open(members, "parts.jsonl", MAX_LINE)?,
            next: PartLine::new(),
            ended: false,
            last: None,
        };
        lines.advance()?;
        Ok(lines)
    }

    /// The next line.
    pub(super) const fn peek(&self) -> Option<&PartLine> {
        if self.ended { None } else { Some(&self.next) }
    }

    /// Exchanges the next line for a used one, whose buffers are used again.
    pub(super) fn take(&mut self, used: &mut PartLine) -> Result<(), Unreadable> {
        std::mem::swap(&mut self.next, used);
        match &mut self.last {
            Some((seq, name)) => {
                *seq = used.seq;
                name.clone_from(&used.name);
            }
            none => *none = Some((used.seq, used.name.clone())),
        }
        self.advance()
    }

    /// An empty place for a line.
    pub(super) const fn place() -> PartLine {
        PartLine::new()
    }

    fn advance(&mut self) -> Result<(), Unreadable> {
        if !self.lines.next(&mut self.next.bytes)? {
            self.ended = true;
            return Ok(());
        }
        self.next.read().map_err(|fault| self.lines.place(fault))?;
        let key = (self.next.seq, self.next.name.as_str());
        let ascends = match &self.last {
            Some((seq, name)) => (*seq, name.as_str()) < key,
            None => true,
        };
        if ascends {
            Ok(())
        } else {
            let what = "the lines do not ascend by seq and part";
            Err(self.lines.place(Fault::new(Code::PartSet, what)).into())
        }
    }
}
