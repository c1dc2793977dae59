//! Turning a string into glyphs.

use crate::escape::visible;
use crate::font::{Face, Fonts};
use crate::length::{Length, scaled};

/// One glyph of a shaped text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glyph {
    pub(crate) id: u16,
    /// Where its characters begin in the text.
    pub(crate) at: usize,
    /// Font units.
    pub(crate) advance: i32,
    /// Font units.
    pub(crate) dx: i32,
    /// Font units.
    pub(crate) dy: i32,
}

/// A text as it is drawn, and its glyphs from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shaped {
    pub(crate) text: String,
    pub(crate) glyphs: Vec<Glyph>,
    pub(crate) face: Face,
    pub(crate) size: Length,
    per_em: u16,
}

impl Shaped {
    /// Escapes and shapes `text`.
    pub(crate) fn new(fonts: &Fonts, face: Face, size: Length, text: &str) -> Self {
        let font = fonts.get(face);
        let text = visible(font, text);
        let shaped = font.shape(&text);
        let glyphs = shaped
            .glyph_infos()
            .iter()
            .zip(shaped.glyph_positions())
            .map(|(info, position)| Glyph {
                id: u16::try_from(info.glyph_id).unwrap_or_default(),
                at: usize::try_from(info.cluster).unwrap_or_default(),
                advance: position.x_advance,
                dx: position.x_offset,
                dy: position.y_offset,
            })
            .collect();
        Self {
            text,
            glyphs,
            face,
            size,
            per_em: font.per_em,
        }
    }

    /// Width of glyphs `from..to`.
    pub(crate) fn width(&self, from: usize, to: usize) -> Length {
        let glyphs = self.glyphs.get(from..to).unwrap_or_default();
        let units: i32 = glyphs.iter().map(|glyph| glyph.advance).sum();
        scaled(units, self.size, self.per_em)
    }

    /// The glyphs `from..to` as a text of their own.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        let glyphs = self.glyphs.get(from..to).unwrap_or_default();
        let start = glyphs.first().map_or(0, |glyph| glyph.at);
        let end = self.glyphs.get(to).map_or(self.text.len(), |next| next.at);
        Self {
            text: self.text.get(start..end).unwrap_or_default().to_owned(),
            glyphs: glyphs
                .iter()
                .map(|glyph| Glyph {
                    at: glyph.at.saturating_sub(start),
                    ..*glyph
                })
                .collect(),
            face: self.face,
            size: self.size,
            per_em: self.per_em,
        }
    }

    /// Whether glyph `index` is a space.
    pub(crate) fn is_space(&self, index: usize) -> bool {
        let at = self.glyphs.get(index).map(|glyph| glyph.at);
        at.and_then(|at| self.text.as_bytes().get(at)) == Some(&b' ')
    }

    /// Where the characters of glyph `index` end in the text.
    pub(crate) fn end_of(&self, index: usize) -> usize {
        let at = self.glyphs.get(index).map_or(0, |glyph| glyph.at);
        let later = self.glyphs.get(index..).unwrap_or_default();
        let next = later.iter().find(|glyph| glyph.at > at);
        next.map_or(self.text.len(), |glyph| glyph.at)
    }
}
