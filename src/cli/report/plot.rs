//! The plots of the report.

use crate::cli::plot::{BLUE, GREEN, VERMILION, svg};
use dynamo_models::trace::Length;
use plotters::prelude::*;

const SIZE: (u32, u32) = (1000, 380);

/// A part of a length: its name, its colour, how much it is.
type Share = (&'static str, RGBColor, fn(&Length) -> usize);

/// What a counterexample takes.
const PARTS: [Share; 3] = [
    ("client operations", BLUE, |length| length.operations),
    ("faults", VERMILION, |length| length.faults),
    ("background exchanges", GREEN, |length| length.background),
];

/// States over depth, a dot each.
///
/// # Errors
/// Whatever the plotting library finds wrong.
pub(super) fn sizes(sizes: &[(u32, u64)]) -> anyhow::Result<String> {
    svg(SIZE, |area| {
        let deepest = sizes.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
        let most = sizes.iter().map(|(_, states)| *states).max().unwrap_or(0).max(10);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(80)
            .build_cartesian_2d(0..deepest + 1, (1.0..most as f64 * 2.0).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("steps to the deepest state")
            .y_desc("states")
            .y_label_formatter(&|states| format!("{states:.0}"))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let dot = |&(depth, states): &(u32, u64)| {
            Circle::new((depth, states.max(1) as f64), 4, BLUE.mix(0.5).filled())
        };
        chart.draw_series(sizes.iter().map(dot))?;
        Ok(())
    })
}

/// What the counterexample of each bug takes, the parts on top of each other.
///
/// # Errors
/// Whatever the plotting library finds wrong.
pub(super) fn lengths(bugs: &[(String, Length)]) -> anyhow::Result<String> {
    svg(SIZE, |area| {
        let total = |length: &Length| PARTS.iter().map(|(_, _, part)| part(length)).sum();
        let most: usize = bugs.iter().map(|(_, length)| total(length)).max().unwrap_or(0);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(50)
            .y_label_area_size(50)
            .build_cartesian_2d((0..bugs.len().max(1)).into_segmented(), 0..most + 2)?;
        let name = |place: &SegmentValue<usize>| match place {
            SegmentValue::CenterOf(place) => bugs.get(*place).map_or("", |(bug, _)| bug).into(),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(bugs.len().max(1))
            .x_label_formatter(&name)
            .x_label_style(("sans-serif", 12).into_font().transform(FontTransform::Rotate90))
            .y_desc("length")
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (index, (name, colour, part)) in PARTS.into_iter().enumerate() {
            let bar = |(place, (_, length)): (usize, &(String, Length))| {
                let below = PARTS[..index].iter().map(|(_, _, part)| part(length)).sum::<usize>();
                let left = (SegmentValue::Exact(place), below);
                let right = (SegmentValue::Exact(place + 1), below + part(length));
                let mut bar = Rectangle::new([left, right], colour.filled());
                bar.set_margin(0, 0, 2, 2);
                bar
            };
            chart.draw_series(bugs.iter().enumerate().map(bar))?.label(name).legend(
                move |(x, y)| Rectangle::new([(x, y - 5), (x + 18, y + 5)], colour.filled()),
            );
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE)
            .draw()?;
        Ok(())
    })
}
