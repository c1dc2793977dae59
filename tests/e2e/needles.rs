//! Secrets to look for, in every form in which something might have kept them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret and what it may look like.
pub(crate) struct Needle {
    /// What it is; said instead of the secret.
    pub(crate) kind: String,
    /// The route whose answer shows it.
    shown_by: Option<String>,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Needle {
    /// Raw, URL-encoded, hex, and base64 wherever in a longer text it began.
    pub(crate) fn new(kind: impl Into<String>, secret: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let bytes = secret.as_ref();
        assert!(bytes.len() >= 12, "too short to be told from chance");
        let mut forms = vec![("raw", bytes.to_vec())];
        let encoded: String = bytes.iter().map(|byte| percent(*byte)).collect();
        if encoded.as_bytes() != bytes {
            forms.push(("url", encoded.into_bytes()));
        }
        forms.push(("hex", hex::encode(bytes).into_bytes()));
        forms.push(("HEX", hex::encode_upper(bytes).into_bytes()));
        for shift in 0..3 {
            let padded = [&vec![0_u8; shift][..], bytes].concat();
            for (name, text) in [
                ("base64", STANDARD_NO_PAD.encode(&padded)),
                ("base64url", URL_SAFE_NO_PAD.encode(&padded)),
            ] {
                // The first and the last letters depend on what stands before and after.
                let inner = text.get(4..text.len() - 4).unwrap();
                forms.push((name, inner.as_bytes().to_vec()));
            }
        }
        Self {
            kind: kind.into(),
            shown_by: None,
            forms,
        }
    }

    /// It is shown once, by this route.
    pub(crate) fn shown_by(mut self, path: String) -> Self {
        self.shown_by = Some(path);
        self
    }

    pub(crate) fn is_shown_in(&self, place: &str) -> bool {
        let by = self.shown_by.as_deref();
        place.starts_with("answer to POST ") && by.is_some_and(|path| place.ends_with(path))
    }

    /// The form in which `hay` holds it, if it does.
    pub(crate) fn found_in(&self, hay: &[u8]) -> Option<&'static str> {
        let mut forms = self.forms.iter();
        forms
            .find(|(_, form)| memchr::memmem::find(hay, form).is_some())
            .map(|(name, _)| *name)
    }
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[test]
fn a_needle_is_found_in_every_form() {
    let needle = Needle::new("password", "s3cret/with+signs_end");
    let secret = b"s3cret/with+signs_end";
    for lead in 0..6 {
        let around = [&b"abcdef"[..lead], secret, b"and more"].concat();
        let forms = [
            around.clone(),
            STANDARD_NO_PAD.encode(&around).into_bytes(),
            URL_SAFE_NO_PAD.encode(&around).into_bytes(),
            hex::encode(&around).into_bytes(),
            hex::encode_upper(&around).into_bytes(),
            b"x=s3cret%2Fwith%2Bsigns_end".to_vec(),
        ];
        for (number, form) in forms.iter().enumerate() {
            assert!(needle.found_in(form).is_some(), "{lead} {number}");
        }
    }
    assert!(needle.found_in(b"s3cret/with+signs-end").is_none());
}
