//! The plots of the figures: lines, circles and bars over one axis.

use crate::cli::plot::{self, Area, BLUE, Drawn, GREEN, VERMILION};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 400);

/// Of it, for the legend at the right.
const LEGEND_WIDTH: u32 = 200;

/// Of bars, so that one behind another is seen.
const OPACITY: f64 = 0.6;

/// Orange, reddish purple and sky blue of Okabe and Ito, beside those that all plots share.
const COLOURS: [RGBColor; 6] = [
    BLUE,
    VERMILION,
    GREEN,
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// A plot.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    x: &'static str,
    y: &'static str,
    has_log_x: bool,
    series: Vec<Series>,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    colour: RGBColor,
    mark: Mark,
    points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    Line,
    Circles,
    /// So wide, to the right of their points.
    Bars(f64),
}

impl Chart {
    /// Empty, with what the axes mean.
    pub(super) fn new(x: &'static str, y: &'static str) -> Chart {
        Chart { x, y, has_log_x: false, series: Vec::new() }
    }

    /// The x axis is logarithmic; points at 0 or below are left out.
    pub(super) fn log_x(mut self) -> Chart {
        self.has_log_x = true;
        self
    }

    /// A line, in one of six colours.
    pub(super) fn line(self, name: &str, colour: usize, points: Vec<(f64, f64)>) -> Chart {
        self.with(name, colour, Mark::Line, points)
    }

    /// Circles.
    pub(super) fn circles(self, name: &str, colour: usize, points: Vec<(f64, f64)>) -> Chart {
        self.with(name, colour, Mark::Circles, points)
    }

    /// Bars of this width.
    pub(super) fn bars(
        self,
        name: &str,
        colour: usize,
        width: f64,
        points: Vec<(f64, f64)>,
    ) -> Chart {
        self.with(name, colour, Mark::Bars(width), points)
    }

    fn with(mut self, name: &str, colour: usize, mark: Mark, points: Vec<(f64, f64)>) -> Chart {
        let colour = COLOURS[colour % COLOURS.len()];
        self.series.push(Series { name: name.into(), colour, mark, points });
        self
    }

    /// As SVG.
    ///
    /// # Errors
    /// Whatever the plotting library finds wrong.
    pub(super) fn svg(&self) -> anyhow::Result<String> {
        plot::svg(SIZE, |area| {
            let (left, right) = area.split_horizontally(SIZE.0 - LEGEND_WIDTH);
            self.draw_legend(&right)?;
            let (least, most) = self.ends();
            match self.has_log_x {
                true => self.draw(&left, (least..most).log_scale()),
                false => self.draw(&left, least..most),
            }
        })
    }

    /// Of the x axis.
    fn ends(&self) -> (f64, f64) {
        let ends = self.series.iter().flat_map(|series| {
            let wide = if let Mark::Bars(width) = series.mark { width } else { 0.0 };
            series.points.iter().flat_map(move |(x, _)| [*x, x + wide])
        });
        let ends = ends.filter(|x| !self.has_log_x || *x > 0.0);
        let (least, most) = ends.fold((f64::INFINITY, 0.0), |(a, b), x| (x.min(a), x.max(b)));
        match self.has_log_x {
            true => (least.min(most / 10.0), most),
            false => (least.min(0.0), most.max(1e-3)),
        }
    }

    fn draw<'a, X>(&self, area: &Area<'a>, x: X) -> Drawn<'a>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
    {
        let highest = self.series.iter().flat_map(|series| &series.points).map(|(_, y)| *y);
        let top = 1.05 * highest.fold(1e-3, f64::max);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for Series { colour, mark, points, .. } in &self.series {
            let points = points.iter().copied();
            match *mark {
                Mark::Line => {
                    chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
                }
                Mark::Circles => {
                    chart.draw_series(points.map(|at| Circle::new(at, 4, *colour)))?;
                }
                Mark::Bars(width) => {
                    let fill = colour.mix(OPACITY).filled();
                    let bar = |(x, y)| Rectangle::new([(x, 0.0), (x + width, y)], fill);
                    chart.draw_series(points.map(bar))?;
                }
            }
        }
        Ok(())
    }

    /// Beside the plot, where it covers nothing.
    fn draw_legend<'a>(&self, area: &Area<'a>) -> Drawn<'a> {
        let lines = (0..).map(|line| 20 + 20 * line);
        for (y, Series { name, colour, mark, .. }) in lines.zip(&self.series) {
            match mark {
                Mark::Line => {
                    area.draw(&PathElement::new([(8, y), (26, y)], colour.stroke_width(2)))?;
                }
                Mark::Circles => area.draw(&Circle::new((17, y), 4, *colour))?,
                Mark::Bars(_) => {
                    let fill = colour.mix(OPACITY).filled();
                    area.draw(&Rectangle::new([(8, y - 5), (26, y + 5)], fill))?;
                }
            }
            area.draw(&Text::new(name.clone(), (32, y - 6), ("sans-serif", 12)))?;
        }
        Ok(())
    }
}
