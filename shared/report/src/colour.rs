//! The colours: one accent, greys, and the tones of labels. A tone never stands alone, its label
//! always says the word.

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// Text.
pub(crate) const INK: Colour = Colour(0x1c, 0x22, 0x2b);
/// Secondary text: contrast 5.9 on white.
pub(crate) const MUTED: Colour = Colour(0x5b, 0x64, 0x70);
/// Rules.
pub(crate) const LINE: Colour = Colour(0xd9, 0xde, 0xe4);
/// Headings and bars.
pub(crate) const ACCENT: Colour = Colour(0x14, 0x4d, 0x5e);
/// Behind notes and table headers.
pub(crate) const TINT: Colour = Colour(0xf1, 0xf6, 0xf7);

/// The tone of a label or a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Allowed, clean, checked.
    Good,
    /// Held, unresolved, not checked.
    Wait,
    /// Denied, failed, overridden.
    Bad,
    /// No judgement.
    Plain,
}

impl Tone {
    /// Text colour on [`Self::ground`]: contrast above 5.
    pub(crate) const fn ink(self) -> Colour {
        match self {
            Self::Good => Colour(0x14, 0x5c, 0x3a),
            Self::Wait => Colour(0x7a, 0x4b, 0x00),
            Self::Bad => Colour(0x96, 0x16, 0x16),
            Self::Plain => Colour(0x3b, 0x46, 0x53),
        }
    }

    /// Behind a note: lighter than a label, so that a label in it still has its box.
    pub(crate) const fn wash(self) -> Colour {
        match self {
            Self::Good => Colour(0xf1, 0xf9, 0xf4),
            Self::Wait => Colour(0xfe, 0xf8, 0xea),
            Self::Bad => Colour(0xfe, 0xf3, 0xf2),
            Self::Plain => TINT,
        }
    }

    /// Behind a label.
    pub(crate) const fn ground(self) -> Colour {
        match self {
            Self::Good => Colour(0xdf, 0xf2, 0xe7),
            Self::Wait => Colour(0xfc, 0xee, 0xd0),
            Self::Bad => Colour(0xfb, 0xe1, 0xe0),
            Self::Plain => Colour(0xe8, 0xec, 0xf0),
        }
    }
}
