//! The foot of every page.

use super::Package;
use crate::colour;
use crate::flow::Flow;
use crate::font::Face;
use crate::length::{Length, pt};
use crate::page::{HEIGHT, MEASURE, Placed, SIDE, Shape};
use crate::shape::Shaped;
use crate::wrap::Run;

/// Writes the foot of every page, now that their number is known.
pub(crate) fn feet(flow: &mut Flow<'_>, package: &Package<'_>) {
    let total = flow.pages.len();
    let stream = format!("stream {}", package.accepted.stream);
    let seal = format!("seal   {}", package.accepted.seal_hash);
    let entries = format!("entries {}", package.span());
    for index in 0..total {
        let page = format!("page {} of {total}", index + 1);
        let top = HEIGHT - pt(58);
        let rows = [(&stream, page), (&seal, entries.clone())];
        let mut runs = Vec::new();
        for (row, (left, right)) in rows.into_iter().enumerate() {
            let y = top + i32::try_from(row).unwrap_or_default() * pt(10);
            runs.push((foot(flow, Face::Mono, 6_200, left), SIDE, y));
            let right = foot(flow, Face::Regular, 8_200, &right);
            let x = SIDE + MEASURE - right.width;
            runs.push((right, x, y));
        }
        if let Some(page) = flow.pages.get_mut(index) {
            page.shapes.push(Shape {
                x: SIDE,
                y: top - pt(14),
                width: MEASURE,
                height: 500,
                radius: 0,
                colour: colour::LINE,
            });
            for (run, x, y) in runs {
                page.text.push(Placed {
                    run,
                    x,
                    y,
                    node: None,
                });
            }
        }
    }
}

fn foot(flow: &Flow<'_>, face: Face, size: Length, text: &str) -> Run {
    let shaped = Shaped::new(flow.fonts, face, size, text);
    Run {
        x: 0,
        width: shaped.width(0, shaped.glyphs.len()),
        shaped,
        colour: colour::MUTED,
        label: None,
    }
}
