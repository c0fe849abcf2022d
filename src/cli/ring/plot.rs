//! The picture of `dynamo ring --balance`.

use super::balance::{Point, Study};
use crate::cli::plot::{self, Area, BLUE, Drawn, GREEN, VERMILION};
use plotters::prelude::*;

const SIZE: (u32, u32) = (800, 500);

/// Names and colours of the strategies.
const STRATEGIES: [(&str, RGBColor); 3] = [
    ("strategy 1: T random tokens a node", BLUE),
    ("strategy 2: the same over equal partitions", VERMILION),
    ("strategy 3: Q/S equal partitions a node", GREEN),
];

/// Efficiency over metadata as SVG: lines are measured, circles the paper's Figure 8.
///
/// # Errors
/// Whatever the plotting library finds wrong.
pub(super) fn svg(study: &Study, points: &[Point]) -> anyhow::Result<String> {
    plot::svg(SIZE, |area| draw(area, study, points))
}

fn draw<'a>(area: &Area<'a>, study: &Study, points: &[Point]) -> Drawn<'a> {
    let last = points.len() as f64 - 1.0;
    let shown = points
        .iter()
        .flat_map(|point| point.efficiency.into_iter().chain(point.paper.into_iter().flatten()));
    let lowest = (shown.fold(0.9, f64::min) * 10.0).floor() / 10.0;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Load balancing efficiency, {study}"), ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(-0.2..last + 0.2, lowest..1.0)?;
    // Each point doubles the metadata, so even steps to the right are a logarithmic axis.
    let metadata = |x: &f64| {
        let point = points.get(x.round() as usize).filter(|_| (x - x.round()).abs() < 1e-9);
        point.map_or(String::new(), |point| point.metadata.to_string())
    };
    chart
        .configure_mesh()
        .x_labels(points.len())
        .x_label_formatter(&metadata)
        .y_label_formatter(&|y| format!("{y:.2}"))
        .x_desc("size of the membership metadata, S*T (each step doubles it)")
        .y_desc("mean load / load of the hottest node")
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (index, (name, colour)) in STRATEGIES.into_iter().enumerate() {
        let measured = (0..).zip(points).map(|(x, point)| (f64::from(x), point.efficiency[index]));
        chart
            .draw_series(LineSeries::new(measured, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        let paper =
            (0..).zip(points).filter_map(|(x, point)| Some((f64::from(x), point.paper?[index])));
        chart.draw_series(paper.map(|at| Circle::new(at, 4, colour)))?;
    }
    if points.iter().any(|point| point.paper.is_some()) {
        let legend = |(x, y)| Circle::new((x + 9, y), 4, BLACK);
        chart
            .draw_series(std::iter::empty::<Circle<(f64, f64), i32>>())?
            .label("circles: the paper's Figure 8")
            .legend(legend);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
