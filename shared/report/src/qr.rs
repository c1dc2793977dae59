//! The square code of the seal digest.

use qrcode::{Color, EcLevel, QrCode};

use crate::ReportError;

/// Dark modules of a code, row by row.
#[derive(Debug)]
pub(crate) struct Modules {
    /// Modules on one side.
    pub(crate) side: i32,
    /// Column and row of each dark module.
    pub(crate) dark: Vec<(i32, i32)>,
}

/// The code of `text`, with medium error correction.
pub(crate) fn modules(text: &str) -> Result<Modules, ReportError> {
    let code =
        QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| ReportError::Code)?;
    let side = i32::try_from(code.width()).map_err(|_| ReportError::Code)?;
    let cells = (0..side).flat_map(|row| (0..side).map(move |column| (column, row)));
    let dark = code
        .into_colors()
        .into_iter()
        .zip(cells)
        .filter_map(|(colour, cell)| (colour == Color::Dark).then_some(cell))
        .collect();
    Ok(Modules { side, dark })
}
