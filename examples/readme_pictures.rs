//! Draws the README's pictures from a finished run, as SVG for light and dark pages:
//! `cargo run --release --example readme_pictures -- runs/quick docs/pictures`.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use inception::checkpoint::{MODEL_FILE, WeightFile};
use inception::data::{Dataset, SIDE, load_labelled};
use inception::gpu::{Gpu, GpuOptions};
use inception::metrics::{self, Row};
use inception::plan::Target;
use inception::train::{Recordings, Trainer, likeliest};

struct Theme {
    name: &'static str,
    text: &'static str,
    faint: &'static str,
    grid: &'static str,
    blue: &'static str,
    green: &'static str,
    red: &'static str,
}

/// The page colours of GitHub's two themes; the pictures' ground is transparent.
const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        text: "#1f2328",
        faint: "#59636e",
        grid: "#d1d9e0",
        blue: "#0969da",
        green: "#1a7f37",
        red: "#d1242f",
    },
    Theme {
        name: "dark",
        text: "#f0f6fc",
        faint: "#9198a1",
        grid: "#3d444d",
        blue: "#4493f8",
        green: "#3fb950",
        red: "#f85149",
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [run, out] = &arguments[..] else {
        return Err("give the folder of a run and the folder for the pictures".into());
    };
    let (run, out) = (Path::new(run), Path::new(out));
    let rows = metrics::read(&run.join("metrics.csv"))?;
    let (digits, predictions) = classify(&run.join(MODEL_FILE))?;
    std::fs::create_dir_all(out)?;
    for theme in &THEMES {
        let file = |picture: &str| out.join(format!("{picture}-{}.svg", theme.name));
        std::fs::write(file("learning"), learning(&rows, theme)?)?;
        std::fs::write(file("digits"), digit_grid(&digits, &predictions, theme)?)?;
    }
    Ok(())
}

/// The test digits of the run, and what its network takes them for.
fn classify(model: &Path) -> Result<(Dataset, Vec<u8>), Box<dyn Error>> {
    let file = WeightFile::open(model)?;
    let config = file.config().ok_or("the model does not hold its configuration")?;
    let digits = load_labelled(&config.test)?;
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
    let mut recordings = Recordings::inference(config, digits.len(), [SIDE, SIDE]);
    recordings.fit(&Target::of(&gpu))?;
    let parameters = recordings.parameters();
    let mut trainer = Trainer::new(gpu, recordings, &digits.images, &[], None)?;
    for tensor in file.tensors_matching(&parameters)? {
        trainer.set(tensor.name, tensor.bytes);
    }
    let probabilities = trainer.classify(0..digits.len(), |_| {})?;
    Ok((digits, probabilities.iter().map(likeliest).collect()))
}

fn svg(width: usize, height: usize, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"-apple-system, 'Segoe UI', 'Noto Sans', \
         Helvetica, Arial, sans-serif\" font-size=\"12\">\n<title>{title}</title>\n"
    )
}

/// One panel of the learning curve: its place on the page and its axes.
struct Panel {
    left: f64,
    steps: f64,
    low: f64,
    high: f64,
}

impl Panel {
    const TOP: f64 = 44.0;
    const WIDTH: f64 = 340.0;
    const HEIGHT: f64 = 190.0;

    fn x(&self, step: f64) -> f64 {
        self.left + step / self.steps * Self::WIDTH
    }

    fn y(&self, value: f64) -> f64 {
        Self::TOP + (self.high - value) / (self.high - self.low) * Self::HEIGHT
    }

    fn frame(
        &self,
        svg: &mut String,
        title: &str,
        ticks: &[(f64, String)],
        theme: &Theme,
    ) -> std::fmt::Result {
        let Theme { text, faint, grid, .. } = theme;
        let (left, right) = (self.left, self.left + Self::WIDTH);
        writeln!(
            svg,
            "<text x=\"{left}\" y=\"24\" fill=\"{text}\" font-size=\"14\" \
             font-weight=\"600\">{title}</text>"
        )?;
        for (value, label) in ticks {
            let y = self.y(*value);
            writeln!(
                svg,
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"{grid}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{faint}\" text-anchor=\"end\">{label}</text>",
                left - 8.0,
                y + 4.0
            )?;
        }
        let below = Self::TOP + Self::HEIGHT + 20.0;
        for quarter in 0..=4 {
            let step = self.steps * f64::from(quarter) / 4.0;
            let x = self.x(step);
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{below}\" fill=\"{faint}\" \
                 text-anchor=\"middle\">{step}</text>"
            )?;
        }
        Ok(())
    }

    fn line(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        for (index, (step, value)) in points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let place = format!("{command}{:.1} {:.1}", self.x(*step), self.y(*value));
            path.push_str(&place);
        }
        path
    }
}

/// Loss (logarithmic) and validation accuracy by step.
fn learning(rows: &[Row], theme: &Theme) -> Result<String, Box<dyn Error>> {
    let steps = rows.last().ok_or("the run has no metrics")?.step as f64;
    let loss: Vec<(f64, f64)> = rows
        .iter()
        .filter_map(|row| Some((row.step as f64, f64::from(row.loss?).log10())))
        .collect();
    let accuracy: Vec<(f64, f64)> =
        rows.iter().filter_map(|row| Some((row.step as f64, row.val_accuracy? * 100.0))).collect();
    let least = |points: &[(f64, f64)]| points.iter().fold(f64::INFINITY, |a, p| a.min(p.1));
    let mut picture = svg(820, 270, "Training loss and validation accuracy by step");

    let marks = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
    let lowest = least(&loss);
    let highest = loss.iter().fold(f64::NEG_INFINITY, |a, p| a.max(p.1));
    let first = marks.iter().rposition(|m: &f64| m.log10() <= lowest).unwrap_or(0);
    let last = marks.iter().position(|m| m.log10() >= highest).unwrap_or(marks.len() - 1);
    let ticks: Vec<_> = marks[first..=last].iter().map(|m| (m.log10(), m.to_string())).collect();
    let panel = Panel { left: 46.0, steps, low: marks[first].log10(), high: marks[last].log10() };
    panel.frame(&mut picture, "Training loss, by step", &ticks, theme)?;
    // Single batches are noisy: faint, with the mean of the five around each step above them.
    let smooth: Vec<_> = (0..loss.len())
        .map(|i| {
            let near = &loss[i.saturating_sub(2)..(i + 3).min(loss.len())];
            (loss[i].0, near.iter().map(|p| p.1).sum::<f64>() / near.len() as f64)
        })
        .collect();
    let blue = theme.blue;
    writeln!(
        picture,
        "<g fill=\"none\" stroke=\"{blue}\" stroke-linejoin=\"round\">\
         <path d=\"{}\" stroke-opacity=\"0.35\"/><path d=\"{}\" stroke-width=\"2\"/></g>",
        panel.line(&loss),
        panel.line(&smooth)
    )?;

    let low = ((least(&accuracy) - 0.5) / 2.0).floor() * 2.0;
    let every = ((100.0 - low) / 5.0 / 2.0).ceil() * 2.0;
    let ticks: Vec<_> = std::iter::successors(Some(100.0), |tick| Some(tick - every))
        .take_while(|tick| *tick >= low)
        .map(|tick: f64| (tick, format!("{tick} %")))
        .collect();
    let panel = Panel { left: 454.0, steps, low, high: 100.0 };
    panel.frame(&mut picture, "Validation accuracy, by step", &ticks, theme)?;
    let green = theme.green;
    writeln!(
        picture,
        "<path d=\"{}\" fill=\"none\" stroke=\"{green}\" stroke-width=\"2\" \
         stroke-linejoin=\"round\"/><g fill=\"{green}\">",
        panel.line(&accuracy)
    )?;
    for (step, value) in &accuracy {
        writeln!(
            picture,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
            panel.x(*step),
            panel.y(*value)
        )?;
    }
    picture.push_str("</g>\n");
    if let Some(test) = rows.last().and_then(|row| row.test_accuracy) {
        writeln!(
            picture,
            "<text x=\"{}\" y=\"{}\" fill=\"{green}\" text-anchor=\"end\">at the end {:.2} % of the \
             test digits</text>",
            panel.left + Panel::WIDTH - 6.0,
            Panel::TOP + Panel::HEIGHT - 12.0,
            test * 100.0
        )?;
    }
    picture.push_str("</svg>\n");
    Ok(picture)
}

/// The first test digits and the first mistakes, each with what it is taken for.
fn digit_grid(
    digits: &Dataset,
    predictions: &[u8],
    theme: &Theme,
) -> Result<String, Box<dyn Error>> {
    const COLUMNS: usize = 12;
    const PITCH: usize = 68;
    const ROW: usize = 84;
    let wrong: Vec<usize> =
        (0..digits.len()).filter(|&index| predictions[index] != digits.labels[index]).collect();
    let first: Vec<usize> = (0..2 * COLUMNS).collect();
    let shown = &wrong[..wrong.len().min(COLUMNS)];
    let titles = [
        "The first test digits and what the network takes them for".to_string(),
        format!("The first of the {} that it gets wrong", wrong.len()),
    ];
    let mut picture = svg(COLUMNS * PITCH + 4, 3 * ROW + 82, "Test digits with predictions");
    let Theme { text, faint, red, green, .. } = theme;
    for (title, y) in titles.iter().zip([18, 2 * ROW + 60]) {
        writeln!(
            picture,
            "<text x=\"6\" y=\"{y}\" fill=\"{text}\" font-size=\"14\" font-weight=\"600\">{title}\
             </text>"
        )?;
    }
    for (indices, top) in [(first.as_slice(), 30), (shown, 2 * ROW + 72)] {
        for (place, &index) in indices.iter().enumerate() {
            let (x, y) = (place % COLUMNS * PITCH + 6, place / COLUMNS * ROW + top);
            let pixels = digits.images.get(index).ok_or("a digit is missing")?;
            let (predicted, label) = (predictions[index], digits.labels[index]);
            writeln!(
                picture,
                "<g transform=\"translate({x} {y})\"><rect width=\"58\" height=\"58\" rx=\"5\" \
                 fill=\"{text}\" fill-opacity=\"0.06\"/>{}",
                ink(pixels, text)
            )?;
            let (colour, truth) = match predicted == label {
                true => (green, String::new()),
                false => (red, format!("<tspan fill=\"{faint}\">, is {label}</tspan>")),
            };
            writeln!(
                picture,
                "<text x=\"29\" y=\"73\" text-anchor=\"middle\" fill=\"{colour}\">\
                 <tspan font-weight=\"600\">{predicted}</tspan>{truth}</text></g>"
            )?;
        }
    }
    picture.push_str("</svg>\n");
    Ok(picture)
}

/// The digit as paths: for each of a few shades the runs of pixels of that shade, two units a pixel.
fn ink(pixels: &[u8], colour: &str) -> String {
    const SHADES: usize = 6;
    let mut paths = vec![String::new(); SHADES + 1];
    for (y, row) in pixels.chunks_exact(SIDE).enumerate() {
        let mut x = 0;
        while x < SIDE {
            let shade = |x: usize| (usize::from(row[x]) * SHADES + 127) / 255;
            let run = (x..SIDE).take_while(|&other| shade(other) == shade(x)).count();
            let (left, top, width) = (x * 2 + 1, y * 2 + 1, run * 2);
            paths[shade(x)].push_str(&format!("M{left} {top}h{width}v2h-{width}z"));
            x += run;
        }
    }
    let shades = paths.iter().enumerate().skip(1).filter(|(_, path)| !path.is_empty());
    let path = |(shade, path): (usize, &String)| {
        format!("<path fill-opacity=\"{:.2}\" d=\"{path}\"/>", shade as f64 / SHADES as f64)
    };
    let paths: String = shades.map(path).collect();
    format!("<g fill=\"{colour}\" shape-rendering=\"crispEdges\">{paths}</g>")
}
