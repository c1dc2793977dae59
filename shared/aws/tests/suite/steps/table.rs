//! Every request of an append, everything that can happen to it, and what must come of it.

use counterfoil_testkit::http_faults::Effect::{self, Later, Never, Now};

/// A request of an append, in the order in which they are sent. A writer reads back only after the
/// answer to its write was lost, so those rows say what had become of the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Reads the stream's head.
    Head,
    /// Reads the run's counter.
    Run,
    /// Sends the transaction.
    Write,
    /// Reads the head back after a write that took effect.
    HeadAfterWrite,
    /// Reads the entry back after a write that took effect.
    EntryAfterWrite,
    /// Reads the head back after a write that the server never saw.
    HeadAfterNothing,
    /// Reads the entry back after a write that the server never saw.
    EntryAfterNothing,
}

/// How it goes on after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The writer goes on, and everything after the fault works.
    Progress,
    /// The writer goes on, but this step fails from now on.
    Stuck,
    /// The process ends here.
    Fatal,
}

/// What the caller learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learns {
    Written,
    Nothing,
    Unknown,
    /// The process has ended.
    NoAnswer,
}

/// What is left in the end, when everything has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The whole batch, once.
    Batch,
    /// Nothing of it.
    Nothing,
    /// The whole batch if the late request arrives before another writer goes on, else nothing.
    IfInTime,
}

/// Step, when its request takes effect, how it goes on; what the caller learns, and what is left.
pub(super) type Row = (Step, Effect, Then, Learns, Left);

use Learns::{NoAnswer, Nothing as Not, Unknown, Written};
use Left::{Batch, IfInTime, Nothing};
use Step::{
    EntryAfterNothing, EntryAfterWrite, Head, HeadAfterNothing, HeadAfterWrite, Run, Write,
};
use Then::{Fatal, Progress, Stuck};

pub(super) const TABLE: [Row; 63] = [
    // A read that fails proves nothing and costs nothing.
    (Head, Never, Progress, Written, Batch),
    (Head, Never, Stuck, Not, Nothing),
    (Head, Never, Fatal, NoAnswer, Nothing),
    (Head, Now, Progress, Written, Batch),
    (Head, Now, Stuck, Not, Nothing),
    (Head, Now, Fatal, NoAnswer, Nothing),
    (Head, Later, Progress, Written, Batch),
    (Head, Later, Stuck, Not, Nothing),
    (Head, Later, Fatal, NoAnswer, Nothing),
    (Run, Never, Progress, Written, Batch),
    (Run, Never, Stuck, Not, Nothing),
    (Run, Never, Fatal, NoAnswer, Nothing),
    (Run, Now, Progress, Written, Batch),
    (Run, Now, Stuck, Not, Nothing),
    (Run, Now, Fatal, NoAnswer, Nothing),
    (Run, Later, Progress, Written, Batch),
    (Run, Later, Stuck, Not, Nothing),
    (Run, Later, Fatal, NoAnswer, Nothing),
    // The write is the one step that counts: failed, failed but happened, happens later.
    (Write, Never, Progress, Written, Batch),
    (Write, Never, Stuck, Unknown, Nothing),
    (Write, Never, Fatal, NoAnswer, Nothing),
    (Write, Now, Progress, Written, Batch),
    (Write, Now, Stuck, Written, Batch),
    (Write, Now, Fatal, NoAnswer, Batch),
    (Write, Later, Progress, Written, Batch),
    (Write, Later, Stuck, Unknown, IfInTime),
    (Write, Later, Fatal, NoAnswer, IfInTime),
    // It took effect; whoever cannot read that back must not say that it did not.
    (HeadAfterWrite, Never, Progress, Written, Batch),
    (HeadAfterWrite, Never, Stuck, Unknown, Batch),
    (HeadAfterWrite, Never, Fatal, NoAnswer, Batch),
    (HeadAfterWrite, Now, Progress, Written, Batch),
    (HeadAfterWrite, Now, Stuck, Unknown, Batch),
    (HeadAfterWrite, Now, Fatal, NoAnswer, Batch),
    (HeadAfterWrite, Later, Progress, Written, Batch),
    (HeadAfterWrite, Later, Stuck, Unknown, Batch),
    (HeadAfterWrite, Later, Fatal, NoAnswer, Batch),
    (EntryAfterWrite, Never, Progress, Written, Batch),
    (EntryAfterWrite, Never, Stuck, Unknown, Batch),
    (EntryAfterWrite, Never, Fatal, NoAnswer, Batch),
    (EntryAfterWrite, Now, Progress, Written, Batch),
    (EntryAfterWrite, Now, Stuck, Unknown, Batch),
    (EntryAfterWrite, Now, Fatal, NoAnswer, Batch),
    (EntryAfterWrite, Later, Progress, Written, Batch),
    (EntryAfterWrite, Later, Stuck, Unknown, Batch),
    (EntryAfterWrite, Later, Fatal, NoAnswer, Batch),
    // The server never saw it; for all the writer knows it may still arrive.
    (HeadAfterNothing, Never, Progress, Written, Batch),
    (HeadAfterNothing, Never, Stuck, Unknown, Nothing),
    (HeadAfterNothing, Never, Fatal, NoAnswer, Nothing),
    (HeadAfterNothing, Now, Progress, Written, Batch),
    (HeadAfterNothing, Now, Stuck, Unknown, Nothing),
    (HeadAfterNothing, Now, Fatal, NoAnswer, Nothing),
    (HeadAfterNothing, Later, Progress, Written, Batch),
    (HeadAfterNothing, Later, Stuck, Unknown, Nothing),
    (HeadAfterNothing, Later, Fatal, NoAnswer, Nothing),
    (EntryAfterNothing, Never, Progress, Written, Batch),
    (EntryAfterNothing, Never, Stuck, Unknown, Nothing),
    (EntryAfterNothing, Never, Fatal, NoAnswer, Nothing),
    (EntryAfterNothing, Now, Progress, Written, Batch),
    (EntryAfterNothing, Now, Stuck, Unknown, Nothing),
    (EntryAfterNothing, Now, Fatal, NoAnswer, Nothing),
    (EntryAfterNothing, Later, Progress, Written, Batch),
    (EntryAfterNothing, Later, Stuck, Unknown, Nothing),
    (EntryAfterNothing, Later, Fatal, NoAnswer, Nothing),
];
