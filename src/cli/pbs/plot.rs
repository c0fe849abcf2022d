//! The picture of `dynamo pbs`.

use crate::cli::plot::{self, Area, BLUE, Drawn};
use dynamo::analysis::pbs::Outcome;
use plotters::prelude::*;

const SIZE: (u32, u32) = (800, 500);

/// P(consistent) over t as SVG, up to the last of `times` or to the moment at which 99.9 % are
/// consistent, whichever is later. Circles stand at `times`.
///
/// # Errors
/// Whatever the plotting library finds wrong.
pub(super) fn svg(title: &str, times: &[f64], outcome: &Outcome) -> anyhow::Result<String> {
    plot::svg(SIZE, |area| draw(area, title, times, outcome))
}

fn draw<'a>(area: &Area<'a>, title: &str, times: &[f64], outcome: &Outcome) -> Drawn<'a> {
    let visible = outcome.visibility.quantile(super::SHARE).ms;
    let end = times.iter().copied().fold(visible, f64::max).max(1e-3);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("P(consistent) over t, {title}"), ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..end, 0.0..1.0)?;
    chart
        .configure_mesh()
        .y_label_formatter(&|p| format!("{p:.1}"))
        .x_desc("t, milliseconds from the write's acknowledgement to the read")
        .y_desc("share of reads that are consistent")
        .light_line_style(TRANSPARENT)
        .draw()?;
    chart.draw_series(LineSeries::new(curve(outcome, end), BLUE.stroke_width(2)))?;
    let asked = outcome.consistent().map(|(t, p)| Circle::new((t, p.p), 4, BLUE.filled()));
    chart.draw_series(asked)?;
    Ok(())
}

/// The curve up to `end`, in steps that can be told from each other.
pub(in crate::cli) fn curve(outcome: &Outcome, end: f64) -> Vec<(f64, f64)> {
    let mut points = vec![];
    for (t, p) in outcome.visibility.cumulative().take_while(|(t, _)| *t <= end) {
        if points.last().is_none_or(|(last, _)| t - last > end / 1000.0) {
            points.push((t, p));
        }
    }
    points
}
