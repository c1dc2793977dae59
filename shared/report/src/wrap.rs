//! Breaking text into lines: between words where a word fits on a line, else anywhere.

use crate::colour::{Colour, Tone};
use crate::font::{Face, Fonts};
use crate::length::{Length, pt};
use crate::shape::Shaped;

/// Space on each side of the text in a label.
pub(crate) const LABEL_PAD: Length = 4_200;

/// A piece of text in one style.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) face: Face,
    pub(crate) size: Length,
    pub(crate) colour: Colour,
    /// A label: the text in a coloured box that is never broken.
    pub(crate) label: Option<Tone>,
}

/// Part of a line in one style.
#[derive(Debug)]
pub(crate) struct Run {
    /// From the left edge of the line.
    pub(crate) x: Length,
    pub(crate) width: Length,
    pub(crate) shaped: Shaped,
    pub(crate) colour: Colour,
    pub(crate) label: Option<Tone>,
}

/// One line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) runs: Vec<Run>,
    pub(crate) width: Length,
}

/// Breaks `spans` into lines that are at most `width` wide. There is at least one line.
pub(crate) fn wrap(fonts: &Fonts, spans: &[Span], width: Length) -> Vec<Line> {
    let mut setter = Setter {
        width: width.max(pt(8)),
        lines: Vec::new(),
        line: Line::default(),
    };
    for span in spans {
        let shaped = Shaped::new(fonts, span.face, span.size, &span.text);
        if let Some(tone) = span.label {
            setter.label(shaped, span.colour, tone);
        } else {
            setter.text(&shaped, span.colour);
        }
    }
    setter.lines.push(setter.line);
    setter.lines
}

struct Setter {
    width: Length,
    lines: Vec<Line>,
    line: Line,
}

impl Setter {
    fn label(&mut self, shaped: Shaped, colour: Colour, tone: Tone) {
        let count = shaped.glyphs.len();
        let width = shaped.width(0, count) + 2 * LABEL_PAD;
        if self.line.width > 0 && self.line.width + width > self.width {
            self.end_line();
        }
        self.line.runs.push(Run {
            x: self.line.width,
            width,
            shaped,
            colour,
            label: Some(tone),
        });
        self.line.width += width;
    }

    fn text(&mut self, shaped: &Shaped, colour: Colour) {
        let count = shaped.glyphs.len();
        // Glyphs from `start` on are on this line and not in a run yet.
        let (mut start, mut at) = (0, 0);
        while at < count {
            let end = word_end(shaped, at);
            let wide = shaped.width(at, end);
            let room = self.width - self.line.width - shaped.width(start, at);
            if shaped.is_space(at) {
                // A space at the end of a line may hang over; it draws nothing.
                at = if room > 0 { end } else { at };
                if room <= 0 {
                    self.run(shaped, start, at, colour);
                    self.end_line();
                    at = end;
                    start = end;
                }
            } else if wide <= room {
                at = end;
            } else {
                // A word that fits on no line is broken: here if there is some room, else on a line
                // of its own.
                let alone = self.line.width == 0 && start == at;
                if alone || (wide > self.width && room > self.width / 3) {
                    at = fitting(shaped, at, end, room);
                }
                self.run(shaped, start, at, colour);
                self.end_line();
                start = at;
            }
        }
        self.run(shaped, start, at, colour);
    }

    fn run(&mut self, shaped: &Shaped, from: usize, to: usize, colour: Colour) {
        if from >= to {
            return;
        }
        let width = shaped.width(from, to);
        self.line.runs.push(Run {
            x: self.line.width,
            width,
            shaped: shaped.slice(from, to),
            colour,
            label: None,
        });
        self.line.width += width;
    }

    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }
}

/// Where the word, or the space, that begins at glyph `from` ends.
fn word_end(shaped: &Shaped, from: usize) -> usize {
    if shaped.is_space(from) {
        return from + 1;
    }
    (from + 1..shaped.glyphs.len())
        .find(|index| shaped.is_space(*index))
        .unwrap_or(shaped.glyphs.len())
}

/// How far the glyphs `from..to` fit into `room`: at least one character.
fn fitting(shaped: &Shaped, from: usize, to: usize, room: Length) -> usize {
    let mut last = next_character(shaped, from, to);
    while last < to {
        let next = next_character(shaped, last, to);
        if shaped.width(from, next) > room {
            break;
        }
        last = next;
    }
    last
}

fn next_character(shaped: &Shaped, from: usize, to: usize) -> usize {
    let at = shaped.glyphs.get(from).map(|glyph| glyph.at);
    (from + 1..to)
        .find(|index| shaped.glyphs.get(*index).map(|glyph| glyph.at) != at)
        .unwrap_or(to)
}
