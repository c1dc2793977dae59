//! Skipped values by their bytes: the same plans, prices and settings come again and again.
//!
//! A text that begins with the bytes of a whole object ends that object at the same place, so what
//! is known needs no look for its end. It changes the time that reading takes, never its outcome.

/// Places for values.
const PLACES: usize = 64;
/// Longer than the plans and prices that Stripe sends.
const LONGEST: usize = 1_024;

/// The values skipped last.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    values: Vec<Vec<u8>>,
}

impl Memo {
    /// The length of the value that these bytes begin with, if it was skipped before.
    pub(super) fn known(&self, bytes: &[u8]) -> Option<usize> {
        let value = self.values.get(place(bytes)?)?;
        (!value.is_empty() && bytes.starts_with(value)).then_some(value.len())
    }

    /// Takes the whole object or list that these bytes begin with.
    pub(super) fn learn(&mut self, value: &[u8], bytes: &[u8]) {
        if value.len() > LONGEST || value.len() < 56 {
            return;
        }
        let Some(place) = place(bytes) else { return };
        self.values.resize(PLACES, Vec::new());
        if let Some(memory) = self.values.get_mut(place) {
            memory.clear();
            memory.extend_from_slice(value);
        }
    }
}

/// The place of a value, by bytes in which plans differ from each other, and from prices.
fn place(bytes: &[u8]) -> Option<usize> {
    let words = bytes.first_chunk::<56>()?.as_chunks::<8>().0;
    let word = |place: usize| words.get(place).map(|word| u64::from_le_bytes(*word));
    let mixed = word(1)? ^ word(2)?.rotate_left(23) ^ word(6)?.rotate_left(47);
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
    usize::try_from(mixed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_known_whatever_follows_and_nothing_else_is() {
        let value =
            |id: &str| format!(r#"{{"id":"price_{id:_<24}","object":"plan","amount":4900}}"#);
        let mut memo = Memo::default();
        for id in ["one", "two"] {
            let bytes = format!("{},\"quantity\":1", value(id));
            assert_eq!(memo.known(bytes.as_bytes()), None);
            memo.learn(value(id).as_bytes(), bytes.as_bytes());
            let other = format!("{}}}]", value(id));
            assert_eq!(memo.known(other.as_bytes()), Some(value(id).len()));
        }
        let cut = value("two");
        assert_eq!(
            memo.known(cut.get(..cut.len() - 1).unwrap().as_bytes()),
            None
        );
        memo.learn(b"[]", b"[],");
        assert_eq!(memo.known(b"[],"), None);
    }
}
