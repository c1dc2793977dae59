//! The type scale.

use crate::colour::{self, Colour, Tone};
use crate::font::Face;
use crate::length::{Length, pt};
use crate::wrap::Span;

/// Height of the box of a label.
pub(crate) const LABEL_HEIGHT: Length = 12_400;

/// A style of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Above the title.
    Eyebrow,
    Title,
    /// Below the title.
    Subtitle,
    /// Heading of a section.
    Section,
    /// Heading inside a section.
    Heading,
    /// The first words of the summary.
    Lead,
    Body,
    /// Cells, remarks.
    Small,
    /// Names of fields.
    Field,
    /// Ids, digests.
    Mono,
    /// Commands.
    Command,
}

impl Style {
    pub(crate) const fn face(self) -> Face {
        match self {
            Self::Eyebrow | Self::Title | Self::Section | Self::Heading => Face::Bold,
            Self::Subtitle | Self::Lead | Self::Body | Self::Small | Self::Field => Face::Regular,
            Self::Mono | Self::Command => Face::Mono,
        }
    }

    pub(crate) const fn size(self) -> Length {
        match self {
            Self::Eyebrow => 9_000,
            Self::Title => pt(25),
            Self::Section => 15_500,
            Self::Subtitle | Self::Heading => 11_500,
            Self::Lead => 12_500,
            Self::Body => 10_500,
            Self::Small | Self::Field => 9_500,
            Self::Mono => 7_600,
            Self::Command => 8_200,
        }
    }

    pub(crate) const fn leading(self) -> Length {
        match self {
            Self::Title => pt(30),
            Self::Section => pt(20),
            Self::Subtitle | Self::Heading => pt(16),
            Self::Lead => 17_500,
            Self::Body => pt(15),
            Self::Small | Self::Field | Self::Mono => 13_500,
            Self::Eyebrow | Self::Command => pt(13),
        }
    }

    pub(crate) const fn colour(self) -> Colour {
        match self {
            Self::Eyebrow | Self::Section => colour::ACCENT,
            Self::Subtitle | Self::Field => colour::MUTED,
            _ => colour::INK,
        }
    }

    /// A piece of text in this style.
    pub(crate) fn span(self, text: impl Into<String>) -> Span {
        Span {
            text: text.into(),
            face: self.face(),
            size: self.size(),
            colour: self.colour(),
            label: None,
        }
    }

    /// The same in bold.
    pub(crate) fn strong(self, text: impl Into<String>) -> Span {
        Span {
            face: Face::Bold,
            ..self.span(text)
        }
    }

    /// An id or a digest inside text of this style.
    pub(crate) fn id(self, text: impl Into<String>) -> Span {
        Span {
            face: Face::Mono,
            size: self.size() * 4 / 5,
            ..self.span(text)
        }
    }
}

/// A label: a word in a coloured box.
pub(crate) fn label(tone: Tone, word: impl Into<String>) -> Span {
    Span {
        text: word.into(),
        face: Face::Bold,
        size: 7_600,
        colour: tone.ink(),
        label: Some(tone),
    }
}
