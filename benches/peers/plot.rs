//! The figures as a picture: for each kind of work the time of each peer, on a logarithmic axis.

use std::fmt::Write;

use crate::common::show;

/// A kind of work, and each peer's median in nanoseconds, if it can do it.
pub struct Line {
    pub work: String,
    pub medians: Vec<Option<f64>>,
}

const COLOURS: [&str; 7] = ["#0b62c4", "#e07b00", "#7a4fbf", "#2a9d8f", "#c2255c", "#7d8590", "#b4bac2"];
const LEFT: f64 = 250.0;
const WIDTH: f64 = 640.0;
const ROW: f64 = 26.0;
const TOP: f64 = 64.0;

/// An SVG with a row for each kind of work, and a dot for each peer.
pub fn svg(title: &str, peers: &[&str], lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| line.medians.iter().flatten());
    let low = all().copied().fold(f64::INFINITY, f64::min).log10().floor();
    let high = all().copied().fold(0.0, f64::max).log10().ceil();
    let x = |nanos: f64| LEFT + (nanos.log10() - low) / (high - low).max(1.0) * WIDTH;
    let height = TOP + lines.len() as f64 * ROW + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"10\" y=\"20\" font-size=\"15\">{title}</text>\n",
        LEFT + WIDTH + 40.0
    );
    let mut at = 10.0;
    for (peer, colour) in peers.iter().zip(COLOURS) {
        let name = peer.replace('`', "");
        let _ = writeln!(
            svg,
            "<circle cx=\"{}\" cy=\"40\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"44\">{name}</text>",
            at + 5.0,
            at + 14.0
        );
        at += 30.0 + 6.6 * name.chars().count() as f64;
    }
    for power in low as i32..=high as i32 {
        let (x, nanos) = (x(10_f64.powi(power)), 10_f64.powi(power));
        let label = show(nanos).replace(".00 ", " ").replace(".0 ", " ");
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{}\" stroke=\"#e1e4e8\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#57606a\">{label}</text>",
            height - 26.0,
            height - 10.0
        );
    }
    for (number, line) in lines.iter().enumerate() {
        let y = TOP + (number as f64 + 0.5) * ROW;
        let _ = writeln!(svg, "<text x=\"10\" y=\"{}\">{}</text>", y + 4.0, line.work);
        // Ours last, on top of the others.
        for (median, colour) in line.medians.iter().zip(COLOURS).rev() {
            if let Some(median) = median {
                let _ =
                    writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/>", x(*median));
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}
