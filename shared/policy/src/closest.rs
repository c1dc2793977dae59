//! What somebody may have meant.

/// Letters of a name that is compared with others, at most.
const LONGEST: usize = 64;

/// The known name that is closest to `name` (at most a third of its letters differ), if one is close.
pub fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().take(LONGEST.saturating_add(1)).count();
    if length > LONGEST {
        return None;
    }
    let limit = length.div_ceil(3);
    known
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance without regard to case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, ours) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = index;
        let mut left_cell = index + 1;
        let mut next = vec![left_cell];
        for (theirs, above) in right.iter().zip(row.iter().skip(1)) {
            let cell = (diagonal + usize::from(ours != *theirs))
                .min(above + 1)
                .min(left_cell + 1);
            next.push(cell);
            diagonal = *above;
            left_cell = cell;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
