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
use inception::report::chart;
use inception::report::curves::{self, Curve};
use inception::train::{Recordings, Trainer, likeliest};

struct Theme {
    name: &'static str,
    text: &'static str,
    faint: &'static str,
    green: &'static str,
    red: &'static str,
    /// The charts' colours.
    variables: &'static str,
}

/// The page colours of GitHub's two themes; the pictures' ground is transparent.
const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        text: "#1f2328",
        faint: "#59636e",
        green: "#1a7f37",
        red: "#d1242f",
        variables: chart::LIGHT,
    },
    Theme {
        name: "dark",
        text: "#f0f6fc",
        faint: "#9198a1",
        green: "#3fb950",
        red: "#f85149",
        variables: chart::DARK,
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
    let mut recordings = Recordings::inference(config, digits.len());
    recordings.fit(&Target::of(&gpu))?;
    let parameters = recordings.parameters();
    let mut trainer = Trainer::new(gpu, recordings, &digits.images, &[], None)?;
    for tensor in file.tensors_matching(&parameters)? {
        trainer.set(tensor.name, tensor.bytes);
    }
    let probabilities = trainer.classify(0..digits.len(), |_| {})?;
    Ok((digits, probabilities.iter().map(|row| likeliest(row)).collect()))
}

fn svg(width: usize, height: usize, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"-apple-system, 'Segoe UI', 'Noto Sans', \
         Helvetica, Arial, sans-serif\" font-size=\"12\">\n<title>{title}</title>\n"
    )
}

/// Loss and validation accuracy by step: the report's charts, side by side.
fn learning(rows: &[Row], theme: &Theme) -> Result<String, Box<dyn Error>> {
    let curve = [Curve { line: 0, label: String::new(), rows }];
    let charts = [curves::loss(&curve), curves::accuracy(&curve, "digits")];
    let mut picture = svg(820, 270, "Training loss and validation accuracy by step");
    writeln!(picture, "<style>svg {{ {} }}\n{}</style>", theme.variables, chart::STYLE)?;
    for (chart, left) in charts.into_iter().zip([46, 450]) {
        let chart = chart.ok_or("the run has no metrics")?;
        writeln!(
            picture,
            "<text x=\"{left}\" y=\"24\" fill=\"{}\" style=\"font-size: 14px; font-weight: 600\">\
             {}</text><svg x=\"{left}\" y=\"44\" width=\"310\" height=\"190\" overflow=\"visible\">\
             {}</svg>",
            theme.text,
            chart.title,
            chart.content().into_string()
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

/// The digit as paths, since GitHub shows no pictures within an SVG file: for each of a few shades the runs of pixels of that shade, two units a pixel.
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
