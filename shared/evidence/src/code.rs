//! The closed list of refusal codes (evidence-format section 14) and the fault that carries one.
//!
//! A code is the part of a refusal that programs read. The detail is one sentence for people; it
//! names positions and fields, never the content of a part.

use std::fmt;

use thiserror::Error;

macro_rules! codes {
    ($($variant:ident = $name:literal, $meaning:literal;)+) => {
        /// Why something was refused. Closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that is printed, `E_…`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What the code means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }
    };
}

codes! {
    Limit = "E_LIMIT", "A size, a count or an archive rule is exceeded.";
    Format = "E_FORMAT", "A value does not have the shape the format demands.";
    Canon = "E_CANON", "Bytes that must be canonical are not.";
    PartSet = "E_PART_SET", "The parts given are not the parts that the header names.";
    Json = "E_JSON", "Not one well-formed JSON value in UTF-8.";
    DupKey = "E_DUP_KEY", "An object has one key twice.";
    Key = "E_KEY", "An object key does not match the pattern.";
    Float = "E_FLOAT", "A number is not an integer.";
    IntRange = "E_INT_RANGE", "An integer is out of range or is a negative zero.";
    Surrogate = "E_SURROGATE", "A string has a lone surrogate.";
    String = "E_STRING", "A string has a character that the format excludes.";
    Depth = "E_DEPTH", "Values are nested too deeply.";
    PackageFields = "E_PACKAGE_FIELDS", "The package has an unknown or ill-formed field.";
    ProofLen = "E_PROOF_LEN", "A proof is longer or shorter than its path.";
    Descriptor = "E_DESCRIPTOR", "The descriptor is ill-formed.";
    KeyNotInDescriptor = "E_KEY_NOT_IN_DESCRIPTOR", "No pinned key may seal this stream.";
    Note = "E_NOTE", "A seal is not a signed note.";
    NoteLines = "E_NOTE_LINES", "The body of a seal does not have six lines.";
    NoteSyntax = "E_NOTE_SYNTAX", "A line of a seal does not match its grammar.";
    Origin = "E_ORIGIN", "A seal is of another stream or another origin.";
    SigSyntax = "E_SIG_SYNTAX", "A signature line does not match its grammar.";
    B64 = "E_B64", "Not base64.";
    B64Noncanonical = "E_B64_NONCANONICAL", "Base64 that would be written otherwise.";
    Sig = "E_SIG", "A signature of a pinned key is not strict DER or does not verify.";
    NoTrustedSig = "E_NO_TRUSTED_SIG", "A seal has no signature of a pinned key.";
    NoSeal = "E_NO_SEAL", "The package has no seal.";
    StreamPin = "E_STREAM_PIN", "The package is of another stream than the pinned one.";
    EntryFields = "E_ENTRY_FIELDS", "An entry has unknown or missing fields.";
    HdrFields = "E_HDR_FIELDS", "A header has unknown or missing fields.";
    Version = "E_VERSION", "The version is not 1.";
    Alg = "E_ALG", "The algorithm is not sha256.";
    Kind = "E_KIND", "The kind is not in the closed list.";
    Stream = "E_STREAM", "An entry is of another stream.";
    Types = "E_TYPES", "A header field has the wrong type.";
    PartName = "E_PART_NAME", "A header names a part that does not exist in this format.";
    RunField = "E_RUN_FIELD", "The run field is missing, unwanted or ill-formed.";
    PartHash = "E_PART_HASH", "A part does not match its commitment.";
    PartMissing = "E_PART_MISSING", "A part is absent and no later entry explains it.";
    FactsProtected = "E_FACTS_PROTECTED", "Facts are absent; they can never be erased.";
    SealChain = "E_SEAL_CHAIN", "A seal does not continue the seal before it.";
    Equivocation = "E_EQUIVOCATION", "Two valid seals contradict each other.";
    Seq = "E_SEQ", "Positions are not dense or not ascending.";
    Prev = "E_PREV", "An entry does not continue the entry before it.";
    Time = "E_TIME", "An entry is older than the entry before it.";
    Genesis = "E_GENESIS", "Genesis is missing, misplaced or of another descriptor.";
    AfterClose = "E_AFTER_CLOSE", "An entry follows the close of the stream.";
    SealFirst = "E_SEAL_FIRST", "The first seal names a seal before it.";
    Truncated = "E_TRUNCATED", "A seal covers more entries than there are.";
    Root = "E_ROOT", "The root of a seal is not the root over the entries.";
    Head = "E_HEAD", "The head of a seal is not the leaf of its last entry.";
    BackdatedSeal = "E_BACKDATED_SEAL", "A seal is older than an entry it covers.";
    Backdated = "E_BACKDATED", "An entry is older than a seal that does not cover it.";
    UnsealedTail = "E_UNSEALED_TAIL", "The last entries are not covered by a seal.";
    ProofIndex = "E_PROOF_INDEX", "A proof is for a position beyond the tree.";
    HashLen = "E_HASH_LEN", "A hash is not 32 bytes long.";
    Inclusion = "E_INCLUSION", "An entry is not in the sealed tree.";
    Range = "E_RANGE", "The range or its borders do not hold.";
    Facts = "E_FACTS", "Facts miss a required field or have a wrong type.";
    RunAfterClose = "E_RUN_AFTER_CLOSE", "An entry of a run follows its close.";
    RunLink = "E_RUN_LINK", "An entry does not continue its run.";
    RunOpen = "E_RUN_OPEN", "A run does not begin with run.open, or begins twice.";
    Ref = "E_REF", "A reference names an entry that does not exist or is of the wrong kind.";
    ActionBeforeDecision = "E_ACTION_BEFORE_DECISION",
        "An action has no earlier decision about the same action in its run.";
    UnauthorizedAction = "E_UNAUTHORIZED_ACTION", "An action was not allowed, or was done twice.";
    RunCount = "E_RUN_COUNT", "The counts of a run are not those of its entries.";
    RunIncomplete = "E_RUN_INCOMPLETE", "The run package does not hold the whole run.";
    RunForeign = "E_RUN_FOREIGN", "The run package holds entries that are not of the run.";
    KeyRotate = "E_KEY_ROTATE", "A key rotation is not valid.";
    KeyRetired = "E_KEY_RETIRED", "A seal is signed only by keys that are retired or capped.";
    TombstoneAbsent = "E_TOMBSTONE_ABSENT", "The entry that explains an absent part is missing.";
    TombstoneKind = "E_TOMBSTONE_KIND", "The entry that explains an absent part is no redact.";
    TombstoneTarget = "E_TOMBSTONE_TARGET", "A redact entry names another target.";
    RedactedPresent = "E_REDACTED_PRESENT", "A part is present although it was redacted.";
    HoldState = "E_HOLD_STATE", "A legal hold is set twice or released while not active.";
    Hold = "E_HOLD", "A part was erased under a legal hold.";
    OutputHash = "E_OUTPUT_HASH", "A file is not the output that the run recorded.";
    Rollback = "E_ROLLBACK", "An anchor is newer than the package.";
    Fork = "E_FORK", "The package and an anchor are two histories.";
    Timestamp = "E_TIMESTAMP", "A time-stamp does not fit the seal it names.";
    Replay = "E_REPLAY", "Deriving findings or decisions again gives another result.";
    SealerMismatch = "E_SEALER_MISMATCH", "The stored entries do not give the stored head.";
    StateUnexplained = "E_STATE_UNEXPLAINED", "A state row is explained by no entry.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal: the code, and one sentence that says where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {detail}")]
pub struct Fault {
    /// What is wrong.
    pub code: Code,
    /// Where it is wrong.
    pub detail: String,
}

impl Fault {
    /// A refusal with this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// The same refusal, saying in front where it happened.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_begin_alike() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(names.iter().all(|name| name.starts_with("E_")));
    }
}
