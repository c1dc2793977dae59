//! The three fonts, embedded in the program: what they cover, how wide they are.

use std::str::FromStr;

use krilla::text::Font;
use rustybuzz::{Direction, Feature, GlyphBuffer, ShapePlan, UnicodeBuffer, script};

use crate::ReportError;

static REGULAR: &[u8] = include_bytes!("../assets/LibertinusSerif-Regular.otf");
static BOLD: &[u8] = include_bytes!("../assets/LibertinusSerif-Bold.otf");
static MONO: &[u8] = include_bytes!("../assets/DejaVuSansMono.ttf");

/// Which font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// Libertinus Serif.
    Regular,
    /// Libertinus Serif Bold.
    Bold,
    /// `DejaVu` Sans Mono, for ids, digests and commands.
    Mono,
}

/// One font, for measuring and for drawing.
pub(crate) struct Typeface {
    shaper: rustybuzz::Face<'static>,
    /// For text of ASCII alone, which is nearly all of it: a plan is slow to make.
    plan: ShapePlan,
    features: Vec<Feature>,
    pub(crate) pdf: Font,
    pub(crate) per_em: u16,
}

impl Typeface {
    fn load(bytes: &'static [u8]) -> Result<Self, ReportError> {
        let shaper = rustybuzz::Face::from_slice(bytes, 0).ok_or(ReportError::Font)?;
        let pdf = Font::new(bytes.into(), 0).ok_or(ReportError::Font)?;
        let per_em = u16::try_from(shaper.units_per_em()).map_err(|_| ReportError::Font)?;
        // Ligatures would be cut where a long word is broken.
        let features: Vec<Feature> = ["-liga", "-clig", "-calt", "-dlig"]
            .iter()
            .filter_map(|name| Feature::from_str(name).ok())
            .collect();
        let left = Direction::LeftToRight;
        let plan = ShapePlan::new(&shaper, left, Some(script::LATIN), None, &features);
        Ok(Self {
            shaper,
            plan,
            features,
            pdf,
            per_em,
        })
    }

    /// The glyphs of a text, from left to right.
    pub(crate) fn shape(&self, text: &str) -> GlyphBuffer {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.set_direction(Direction::LeftToRight);
        if text.is_ascii() {
            buffer.set_script(script::LATIN);
            rustybuzz::shape_with_plan(&self.shaper, &self.plan, buffer)
        } else {
            rustybuzz::shape(&self.shaper, &self.features, buffer)
        }
    }

    /// Whether the font has a glyph for `c`.
    pub(crate) fn covers(&self, c: char) -> bool {
        self.shaper.glyph_index(c).is_some_and(|glyph| glyph.0 != 0)
    }
}

/// All fonts of a report.
pub(crate) struct Fonts {
    regular: Typeface,
    bold: Typeface,
    mono: Typeface,
}

impl Fonts {
    pub(crate) fn load() -> Result<Self, ReportError> {
        Ok(Self {
            regular: Typeface::load(REGULAR)?,
            bold: Typeface::load(BOLD)?,
            mono: Typeface::load(MONO)?,
        })
    }

    pub(crate) const fn get(&self, face: Face) -> &Typeface {
        match face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
            Face::Mono => &self.mono,
        }
    }
}
