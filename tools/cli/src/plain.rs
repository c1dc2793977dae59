//! What others wrote, for a terminal: nothing in it moves the cursor, changes colours or turns the
//! direction of reading.

use std::fmt::Write;

use serde_json::Value;

use crate::output::say;

/// Text with everything escaped that a terminal would obey or hide.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if is_obeyed(letter) => out.extend(letter.escape_unicode()),
            letter => out.push(letter),
        }
    }
    out
}

/// Prints a document. What a terminal would obey is written as JSON escapes, so that the document
/// stays the same.
pub(crate) fn say_json(document: &Value) {
    say(json_text(document));
}

fn json_text(document: &Value) -> String {
    let mut out = String::new();
    // In this text such letters stand inside strings only.
    for letter in document.to_string().chars() {
        if is_obeyed(letter) {
            let mut units = [0_u16; 2];
            for unit in letter.encode_utf16(&mut units) {
                // A string takes whatever is written to it.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(letter);
        }
    }
    out
}

/// Controls, and what Unicode has to turn, hide or break text (UAX 9, UTS 39).
fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = "Acme\u{1b}[31m\u{9b}2J\u{7}\r\n\u{202e}cba\u{e0041}";

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_what_people_write_is_not() {
        let text = shown(ODD);
        assert_eq!(
            text,
            "Acme\\u{1b}[31m\\u{9b}2J\\u{7}\\r\\n\\u{202e}cba\\u{e0041}"
        );
        assert_eq!(shown("Köln, 東京 👩‍💻"), "Köln, 東京 👩‍💻");
    }

    #[test]
    fn a_document_stays_the_same_document() {
        let document = serde_json::json!({ "name": ODD });
        let text = json_text(&document);
        assert!(!text.chars().any(is_obeyed), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }
}
