//! What the plots of all verbs share.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Colours that differ for colour-blind eyes too (Okabe and Ito).
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn<'a> = Result<(), Box<dyn std::error::Error + 'a>>;

/// What `draw` draws on white, as SVG of `size` pixels.
///
/// # Errors
/// Whatever the plotting library finds wrong.
pub(super) fn svg(
    size: (u32, u32),
    draw: impl for<'a> Fn(&Area<'a>) -> Drawn<'a>,
) -> anyhow::Result<String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
    let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&area));
    drawn.map_err(|error| anyhow!("cannot draw the plot: {error}"))?;
    area.present().map_err(|error| anyhow!("cannot draw the plot: {error}"))?;
    drop(area);
    Ok(text)
}
