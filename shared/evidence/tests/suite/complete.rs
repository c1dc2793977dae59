//! The acceptance list of the format is complete: every row has a test that bears its number.

use std::collections::BTreeSet;

use crate::{accepted, attacks};

/// Numbers of the acceptance list. 58 (a state row that no entry explains) and 64 (a bit flip before
/// writing) are about the running product: its reconciliation and its sealer.
const LIST: &str = "
1 1r 2 3 4 5 6 7 8 9 10 10b 10c 11 11b 12 13 14 15 16 17 17b 18 19 20 21 21b 22 23 24 24r 25 26 27 28
28b 29 30 31 32 33 34 35 36 37 38 39 40 41 42 42b 43 44 45 46 47 48 49 49b 49c 49d 50 51 52 53 54 55 56
57 57b 57c 57d 57e 57f 57g 57h 57i 57j 57k 57l 57m 57n 57o 57p 59 59b 59c 60 60b 60c 60d 60e 61 61b 61c
61d 61e 62 62b 62c 62d 63 63b 65 65b 65c 65d 65e 65f 65g 65h 65i 66 66b 67 67b 67c 67d 68 69 70 70b 71
71b 72 72b 72c 72d 72e 72f 72g 72h 72i 72j 72k 72l 72m 72n 72o 72p 72q 72r 72s 72t 72u 73 73b 74 75 75b
75c 76 76b 76c 77 78 79 80 81 82 83 84 85 85b 86 87 88 89 90 90b 90c 91 92 93 93b 94 94b 94c 94d 95 95b
95c 95d 95e 96 96b 96c 96d 97 97b 97c 97d 97e 98 98b 98c 99 99b 100 100b 100c 100d 100e 100f 100g 100h
100i 100j 100k 100l 101 101b 101c 101d 101e 101f 101g 101h 101i 101j 102 102b 103 103b 103c 103d 104
105 105b 106 106b 107 107b 109 109b 110 110b 110c 110d 110e 110f 110g
";

#[test]
fn no_row_of_the_acceptance_list_is_missing() {
    let refused = attacks::TABLES.iter().flat_map(|rows| rows.iter());
    let accepted = accepted::ROWS.iter();
    let numbers: Vec<&str> = refused
        .map(|row| row.0)
        .chain(accepted.map(|row| row.0))
        .collect();
    let there: BTreeSet<&str> = numbers.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let twice: Vec<&str> = numbers
        .iter()
        .copied()
        .filter(|n| !n.is_empty() && !seen.insert(*n))
        .collect();
    assert!(twice.is_empty(), "there twice: {twice:?}");
    let missing: Vec<&str> = LIST
        .split_whitespace()
        .filter(|number| !there.contains(number))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(numbers.len() > 240, "{}", numbers.len());
}
