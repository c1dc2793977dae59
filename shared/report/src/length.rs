//! Lengths on the page: integers in thousandths of a point, so that layout is exact and the same
//! everywhere. Floating point begins where a value is handed to the PDF writer, and only here.

/// A length, 1/1000 pt.
pub(crate) type Length = i32;

/// Whole points.
pub(crate) const fn pt(points: i32) -> Length {
    points.saturating_mul(1_000)
}

/// A length as the PDF writer takes it.
pub(crate) fn points(length: Length) -> f32 {
    ratio(length, 1_000)
}

/// A fraction as the PDF writer takes it.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "the PDF writer takes f32; page lengths and glyph advances are far below 2^24"
)]
pub(crate) fn ratio(numerator: i32, denominator: u16) -> f32 {
    numerator as f32 / f32::from(denominator)
}

/// `units` of a font with `per_em` units, set at `size`.
pub(crate) fn scaled(units: i32, size: Length, per_em: u16) -> Length {
    let wide = i64::from(units) * i64::from(size) / i64::from(per_em.max(1));
    i32::try_from(wide).unwrap_or(i32::MAX)
}
