//! The plot: nanoseconds per element over the size of the tensor.

use crate::case::size;
use crate::machine;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;
use std::path::Path;

/// The time of an element at each size.
pub struct Curve(Vec<(f64, f64)>);

impl Curve {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a size, and the seconds that all its elements take.
    pub fn add(&mut self, elements: usize, seconds: f64) {
        self.0.push((elements as f64, seconds * 1e9 / elements as f64));
    }
}

pub struct Curves {
    pub one: Curve,
    pub two: Curve,
    pub bf16: Curve,
    pub roof_one: Curve,
    pub roof_two: Curve,
    pub limit: Curve,
}

// Colours that people with any kind of colour blindness tell apart (Okabe and Ito).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const BLUISH_GREEN: RGBColor = RGBColor(0, 158, 115);
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(228, 228, 228);
const FONT: &str = "sans-serif";

/// Draws the curves.
pub fn draw(curves: &Curves, path: &Path) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (1000, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let (chart_area, legend_area) = area.split_horizontally(740);
    let label = (FONT, 16).into_font().color(&INK);
    let sizes = 1024.0..64.0 * 1024.0 * 1024.0;
    let times = range(curves);
    let sizes_shown = (10..=26).step_by(2).map(|exponent| f64::from(1u32 << exponent)).collect();
    let times_shown = [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0]
        .into_iter()
        .filter(|time| times.contains(time));
    let mut chart = ChartBuilder::on(&chart_area)
        .margin(16)
        .margin_right(24)
        .caption("One step of radam", (FONT, 22).into_font().color(&INK))
        .x_label_area_size(58)
        .y_label_area_size(66)
        .build_cartesian_2d(
            sizes.log_scale().with_key_points(sizes_shown),
            times.clone().log_scale().with_key_points(times_shown.collect()),
        )?;
    chart
        .configure_mesh()
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(label.clone())
        .axis_desc_style(label.clone())
        .x_desc(format!("elements of the tensor ({})", machine::processor()))
        .y_desc("nanoseconds per element")
        .x_label_formatter(&|elements| size(*elements as usize))
        .y_label_formatter(&|time| format!("{time}"))
        .draw()?;

    let mut y = 90;
    for (curve, name, color, is_reference) in [
        (&curves.bf16, "bf16 with Kahan, 1 thread", BLUISH_GREEN, false),
        (&curves.one, "f32, 1 thread", BLUE, false),
        (&curves.roof_one, "memory roof, 1 thread", BLUE, true),
        (&curves.two, "f32, 2 threads", VERMILION, false),
        (&curves.roof_two, "memory roof, 2 threads", VERMILION, true),
        (&curves.limit, "square root + division", INK, true),
    ] {
        let points = curve.0.iter().copied();
        let sample = [(0, y), (34, y)];
        if is_reference {
            let style = color.stroke_width(2);
            chart.draw_series(DashedLineSeries::new(points, 7, 5, style))?;
            legend_area.draw(&DashedPathElement::new(sample, 7, 5, style))?;
        } else {
            let style = color.stroke_width(3);
            chart.draw_series(LineSeries::new(points, style))?;
            legend_area.draw(&PathElement::new(sample, style))?;
        }
        legend_area.draw(&Text::new(name, (44, y - 8), label.clone()))?;
        y += 28;
    }
    area.present()?;
    Ok(())
}

/// The times of all curves, and a margin.
fn range(curves: &Curves) -> Range<f64> {
    let Curves { one, two, bf16, roof_one, roof_two, limit } = curves;
    let all = [one, two, bf16, roof_one, roof_two, limit];
    let times = all.into_iter().flat_map(|curve| &curve.0).map(|(_, time)| *time);
    let (least, most) = times
        .fold((f64::MAX, 0.0), |(least, most): (f64, f64), time| (least.min(time), most.max(time)));
    0.8 * least..1.25 * most
}
