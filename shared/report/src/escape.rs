//! What of a text can be drawn, and how the rest is shown.
//!
//! The archival standard refuses a character that the font lacks, and a reader must not be misled by
//! one that draws nothing, turns the line around or piles up on its neighbour. Each such character
//! is shown as its code point, `U+202E`. The attached JSON keeps the raw text.

use std::fmt::Write as _;

use crate::font::Typeface;

/// How many combining marks may follow one letter.
const MARKS: usize = 2;

/// `text` as it is drawn in this font. Every string on a page, in the outline and in the metadata
/// goes through here.
pub(crate) fn visible(font: &Typeface, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = MARKS;
    for c in text.chars() {
        let mark = is_mark(c);
        if mark {
            marks += 1;
        } else {
            marks = 0;
        }
        if !is_hidden(c) && font.covers(c) && (!mark || marks <= MARKS) {
            out.push(c);
        } else {
            marks = MARKS;
            // Writing to a string cannot fail.
            let _ = write!(out, "U+{:04X}", u32::from(c));
        }
    }
    out
}

/// Combining marks, which are drawn onto the letter before them.
const fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that draw nothing, control the direction of the line, have no fixed meaning, or belong
/// to a script that is written from right to left, which this layout cannot set.
fn is_hidden(c: char) -> bool {
    c.is_control() || (c.is_whitespace() && c != ' ') || is_format(c) || is_right_to_left(c)
}

/// Format characters, fillers, variation selectors, private use and the replacement character's
/// neighbours.
const fn is_format(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}')
}

const fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::visible;
    use crate::font::{Face, Fonts};

    fn shown(face: Face, text: &str) -> String {
        visible(Fonts::load().unwrap().get(face), text)
    }

    #[test]
    fn what_the_font_covers_stays() {
        for face in [Face::Regular, Face::Bold] {
            let text = "Zoë Ünal Ωμέγα Иван, 4 × 5 – “x”";
            assert_eq!(shown(face, text), text);
        }
        assert_eq!(shown(Face::Mono, "sha256:00ff"), "sha256:00ff");
    }

    #[test]
    fn what_the_font_lacks_is_a_code_point() {
        assert_eq!(shown(Face::Regular, "a🚀b"), "aU+1F680b");
        assert_eq!(shown(Face::Mono, "日本"), "U+65E5U+672C");
    }

    #[test]
    fn what_draws_nothing_or_misleads_is_a_code_point() {
        assert_eq!(shown(Face::Regular, "a\0b"), "aU+0000b");
        assert_eq!(shown(Face::Regular, "a\nb\tc"), "aU+000AbU+0009c");
        assert_eq!(shown(Face::Mono, "evil\u{202e}fdp"), "evilU+202Efdp");
        assert_eq!(shown(Face::Regular, "no\u{200b}w"), "noU+200Bw");
        assert_eq!(shown(Face::Regular, "\u{a0}"), "U+00A0");
        assert_eq!(shown(Face::Regular, "\u{5d0}"), "U+05D0");
        assert_eq!(shown(Face::Regular, "\u{e000}\u{feff}"), "U+E000U+FEFF");
    }

    #[test]
    fn marks_stay_on_a_letter_and_do_not_pile_up() {
        assert_eq!(shown(Face::Regular, "e\u{301}"), "e\u{301}");
        assert_eq!(shown(Face::Regular, "\u{301}e"), "U+0301e");
        let tower = format!("e{}", "\u{301}".repeat(4));
        assert_eq!(shown(Face::Regular, &tower), "e\u{301}\u{301}U+0301U+0301");
        assert_eq!(shown(Face::Regular, "🚀\u{301}"), "U+1F680U+0301");
    }
}
