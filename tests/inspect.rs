//! How weights are spread, which ReLUs a network has, and what is drawn of them. Needs no GPU.

use image::{Rgb, RgbImage};
use inception::checkpoint::Tensor;
use inception::config::{Config, Module, Preset};
use inception::inspect::{
    BINS, Block, Colours, Distribution, Recorded, Relu, Salient, Sparsity, filters, maps, page,
    png, saliency, tile,
};

fn distribution(values: &[f32]) -> Distribution {
    Distribution::of(values.iter().copied())
}

/// The quartiles once more, by sorting.
#[track_caller]
fn assert_quartiles(values: &[f32]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let last = sorted.len() - 1;
    let truth = [0, last / 4, last / 2, last * 3 / 4, last].map(|place| sorted[place]);
    let d = distribution(values);
    assert_eq!([d.min, d.q1, d.median, d.q3, d.max], truth);
    assert_eq!(d.count, values.len());
    assert_eq!(d.histogram.iter().sum::<usize>(), values.len());
}

#[test]
fn quartiles_are_those_of_the_sorted_numbers() {
    let mut seed = 1u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    for count in [1, 2, 3, 4, 5, 7, 8, 9, 100, 1001, 70_000] {
        assert_quartiles(&(0..count).map(|_| random()).collect::<Vec<_>>());
        // Many alike, and numbers of all sizes.
        assert_quartiles(&(0..count).map(|_| (random() * 3.0).round()).collect::<Vec<_>>());
        let sizes = |_| random() * 10f32.powi((random() * 40.0) as i32);
        assert_quartiles(&(0..count).map(sizes).filter(|v| v.is_finite()).collect::<Vec<_>>());
        // Neighbours, which differ in their last bits only.
        let near = |at: u32| f32::from_bits(1.0f32.to_bits() + at * 7919 % count);
        assert_quartiles(&(0..count).map(near).collect::<Vec<_>>());
        assert_quartiles(&(0..count).map(|at| -near(at)).collect::<Vec<_>>());
    }
    assert_quartiles(&[f32::MAX, f32::MIN, f32::MIN_POSITIVE / 4.0, 0.0, -1e-45]);
}

#[test]
fn mean_deviation_and_zeros() {
    let d = distribution(&[0.0, -0.0, 3.0, -1.0, 8.0, 2.0]);
    assert_eq!((d.count, d.zeros), (6, 2));
    assert_eq!(d.mean, 2.0);
    let squares: f64 = [-2.0f64, -2.0, 1.0, -3.0, 6.0, 0.0].iter().map(|x| x * x).sum();
    assert!((d.std - (squares / 6.0).sqrt()).abs() < 1e-12);
}

#[test]
fn a_histogram_has_equal_parts() {
    let values: Vec<f32> = (0..=2 * BINS).map(|n| n as f32).collect();
    let mut truth = [2; BINS];
    truth[BINS - 1] = 3; // the largest number belongs to the last part
    assert_eq!(distribution(&values).histogram, truth);
    let alike = distribution(&[0.1; 9]);
    assert_eq!((alike.histogram[0], alike.std), (9, 0.0));
    assert_eq!(distribution(&[f32::MIN, f32::MAX]).histogram[BINS - 1], 1);
}

#[test]
#[should_panic(expected = "not finite")]
fn no_distribution_of_nan() {
    distribution(&[1.0, f32::NAN]);
}

#[test]
#[should_panic(expected = "no numbers")]
fn no_distribution_of_nothing() {
    distribution(&[]);
}

#[test]
fn each_relu_has_a_name() {
    let quick = Config { maps: vec![3, 5], ..Config::preset(Preset::Quick) };
    let relus = |config: &Config| -> Vec<(String, std::ops::Range<usize>)> {
        let relus = Recorded::new(&config.clone().with_image([6, 5, 1]), 2).relus.into_iter();
        relus.map(|relu| (relu.name, relu.channels)).collect()
    };
    let expected = |names: &[(&str, std::ops::Range<usize>)]| -> Vec<_> {
        names.iter().map(|(name, channels)| (name.to_string(), channels.clone())).collect()
    };
    let reduced = [
        ("inception1/3x3 reduce", 0..4),
        ("inception1/5x5 reduce", 0..4),
        ("inception1/1x1", 0..3),
        ("inception1/3x3", 3..6),
        ("inception1/5x5", 6..9),
        ("inception1/pool", 9..12),
        ("inception2/3x3 reduce", 0..4),
        ("inception2/5x5 reduce", 0..4),
        ("inception2/1x1", 0..5),
        ("inception2/3x3", 5..10),
        ("inception2/5x5", 10..15),
        ("inception2/pool", 15..20),
        ("fc1", 0..64),
    ];
    assert_eq!(relus(&quick), expected(&reduced));
    let naive = [
        ("inception1/1x1", 0..3),
        ("inception1/3x3", 3..6),
        ("inception1/5x5", 6..9),
        ("inception1/pool", 9..10),
        ("inception2/1x1", 0..5),
        ("inception2/3x3", 5..10),
        ("inception2/5x5", 10..15),
        ("inception2/pool", 15..25),
        ("fc1", 0..64),
    ];
    assert_eq!(relus(&Config { module: Module::Naive, ..quick }), expected(&naive));
}

fn relu(channels: std::ops::Range<usize>) -> Relu {
    let tensor = inception::tape::Tape::new().input("x", &[1]).id();
    Relu { name: "inception1/3x3".to_string(), tensor, channels }
}

#[test]
fn zeros_are_counted_over_all_images() {
    let mut sparsity = Sparsity::new(&relu(4..7));
    let image = [[0.0f32, 2.0, 0.0], [0.0, 0.0, 0.0]];
    sparsity.add(image.iter().map(|pixel| &pixel[..]));
    assert_eq!((sparsity.count, sparsity.zeros, sparsity.silent), (6, 5, 2));
    // The third channel speaks at last.
    sparsity.add([[0.0f32, 0.0, 0.5]].iter().map(|pixel| &pixel[..]));
    assert_eq!((sparsity.count, sparsity.zeros, sparsity.silent), (9, 7, 1));
    assert_eq!((sparsity.channels, sparsity.max), (3, 2.0));
    assert!((sparsity.share() - 7.0 / 9.0).abs() < 1e-12);
}

const WHITE: Rgb<u8> = Rgb([255; 3]);

#[test]
fn colours_have_their_sides() {
    let signed = Colours::Signed(2.0);
    let [minus, none, plus] = [-2.0, 0.0, 2.0].map(|value| signed.of(value).0);
    assert!(minus[2] > 80 && minus[0] < 40, "blue: {minus:?}");
    assert!(plus[0] > 80 && plus[2] < 40, "red: {plus:?}");
    assert!(none.iter().all(|&part| part > 230), "white: {none:?}");
    // Beyond the ends nothing changes; without a scale all is zero.
    assert_eq!((signed.of(-9.0).0, signed.of(9.0).0), (minus, plus));
    assert_eq!(Colours::Signed(0.0).of(5.0).0, none);
    let rising = Colours::Rising(3.0);
    let brightness = |value: f32| rising.of(value).0.iter().map(|&p| u32::from(p)).sum::<u32>();
    assert!(brightness(0.0) < 20 && brightness(3.0) > 550);
    let steps: Vec<u32> = (0..=30).map(|n| brightness(n as f32 / 10.0)).collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "it rises: {steps:?}");
    assert_eq!(Colours::Ink(255.0).of(0.0), WHITE);
    assert_eq!(Colours::Ink(255.0).of(255.0), Rgb([0; 3]));
}

#[test]
fn a_tile_has_a_square_for_each_number() {
    let colours = Colours::Signed(1.0);
    let values = [-1.0, 0.0, 1.0, 0.5, -0.5, 0.25];
    let tile = tile(&values, 3, colours, 4);
    // A frame of one pixel round two rows of three squares.
    assert_eq!(tile.dimensions(), (3 * 4 + 2, 2 * 4 + 2));
    for (at, value) in values.into_iter().enumerate() {
        let (left, top) = (1 + at as u32 % 3 * 4, 1 + at as u32 / 3 * 4);
        for (x, y) in [(left, top), (left + 3, top + 3)] {
            assert_eq!(*tile.get_pixel(x, y), colours.of(value), "number {at}");
        }
    }
}

#[test]
fn blocks_stand_below_and_beside_each_other() {
    let block = |tiles: usize, columns: usize| Block {
        label: String::new(),
        bar: None,
        tiles: vec![RgbImage::from_pixel(10, 6, Rgb([9; 3])); tiles],
        columns,
    };
    // Margins of 14, tiles with a gap of 4 behind them, a line of 20 above.
    let one = page(&[block(5, 3)], 1);
    assert_eq!(one.dimensions(), (14 + 3 * 14 + 14, 14 + 20 + 2 * 10 + 14));
    let tiles = |page: &RgbImage| page.pixels().filter(|pixel| pixel.0 == [9; 3]).count();
    assert_eq!(tiles(&one), 5 * 60);
    assert_eq!(one.get_pixel(14 + 14, 14 + 20 + 10).0, [9; 3]);
    assert_eq!(*one.get_pixel(14 + 28, 14 + 20 + 10), WHITE, "there is no sixth tile");
    let four = page(&[block(5, 3), block(1, 3), block(2, 1), block(3, 3)], 2);
    assert_eq!(four.dimensions(), (14 + 2 * (3 * 14 + 14), 14 + 2 * (20 + 2 * 10 + 14)));
    assert_eq!(tiles(&four), 11 * 60);
    let png = png(&four).expect("a PNG");
    let back = image::load_from_memory(&png).expect("it can be read").to_rgb8();
    assert!(back == four);
}

/// Whatever stands in the line, it must fit on the page.
#[test]
fn a_line_makes_room() {
    let block = |label: &str, end: f32| Block {
        label: label.to_string(),
        bar: Some(Colours::Signed(end)),
        tiles: vec![RgbImage::new(3, 3)],
        columns: 1,
    };
    let empty = page(&[block("", 1.0)], 1);
    for end in [0.0, 1e-30, 0.000_12, 0.0567, 0.99, 12.3, 456.7, 98_765.0, 3e38] {
        let long = page(&[block("W_conv1_3x3 \u{e4}\u{1f600}: a long line of text", end)], 1);
        assert!(long.width() > empty.width());
        assert_eq!(long.height(), empty.height());
    }
}

fn tensor<'a>(shape: &'a [usize], bytes: &'a [u8]) -> Tensor<'a> {
    Tensor { name: "W_conv1_3x3", shape, bytes }
}

/// The middle of the first square of a tile in a picture's first block.
fn square(column: usize, row: usize, edge: usize) -> (u32, u32) {
    let at = |place: usize| (14 + place * (edge + 6) + 3) as u32;
    (at(column), at(row) + 20)
}

#[test]
fn filters_stand_by_input_and_output() {
    // Two inputs, three outputs; all zero but one filter's last weight and another's first.
    let shape = [3, 3, 2, 3];
    let mut values = [0.0f32; 54];
    values[(8 * 2 + 1) * 3 + 2] = -4.0;
    values[1] = 2.0;
    let picture = filters(&[tensor(&shape, bytemuck::cast_slice(&values))]);
    let colours = Colours::Signed(4.0);
    // Squares of 10 pixels, so tiles of 30.
    let pixel =
        |column, row| *picture.get_pixel(square(column, row, 30).0, square(column, row, 30).1);
    assert_eq!(pixel(1, 0), colours.of(2.0));
    for (column, row) in [(0, 0), (2, 0), (0, 1), (1, 1), (2, 1)] {
        assert_eq!(pixel(column, row), colours.of(0.0));
    }
    let (x, y) = square(2, 1, 30);
    assert_eq!(*picture.get_pixel(x + 20, y + 20), colours.of(-4.0));
    assert_eq!(*picture.get_pixel(x + 10, y + 20), colours.of(0.0));
    assert_eq!(picture.height(), 14 + 20 + 2 * 36 + 14);
}

#[test]
fn of_very_many_filters_and_maps_some_are_shown() {
    let shape = [3, 3, 100, 200];
    let values = vec![1.0f32; 9 * 100 * 200];
    let picture = filters(&[tensor(&shape, bytemuck::cast_slice(&values))]);
    assert_eq!(picture.dimensions(), (14 + 64 * 36 + 14, 14 + 20 + 64 * 36 + 14));
    let relu = relu(0..1000);
    let picture = maps(&[(&relu, &vec![1.0; 4 * 1000])], [2, 2], 1000);
    assert_eq!(picture.dimensions(), (14 + 16 * 90 + 14, 14 + 20 + 4 * 90 + 14));
}

#[test]
fn maps_are_scaled_by_tower() {
    // Two towers, of one and two maps, on images of 1 x 2 pixels.
    let values = [3.0, 0.0, 1.0, 6.0, 0.5, 0.25];
    let (first, second) = (relu(0..1), relu(1..3));
    let picture = maps(&[(&first, &values), (&second, &values)], [1, 2], 3);
    let of = |(x, y): (u32, u32)| *picture.get_pixel(x, y);
    let edge = 42; // two of them fill a map of 84
    assert_eq!(of((14 + 3, 34 + 3)), Colours::Rising(6.0).of(3.0));
    assert_eq!(of((14 + 3 + edge, 34 + 3)), Colours::Rising(6.0).of(6.0));
    let below = 34 + (edge + 6) + 14 + 20;
    let colours = Colours::Rising(1.0);
    assert_eq!(of((14 + 3, below + 3)), colours.of(0.0));
    assert_eq!(of((14 + 3 + edge, below + 3)), colours.of(0.5));
    assert_eq!(of((14 + 3 + 90, below + 3)), colours.of(1.0));
    assert_eq!(of((14 + 3 + 90 + edge, below + 3)), colours.of(0.25));
}

#[test]
fn saliency_has_the_image_and_its_outline() {
    let image: Vec<u8> = (0..28 * 28).map(|at| if at == 28 * 10 + 12 { 255 } else { 0 }).collect();
    let mut gradient = vec![0.0f32; 28 * 28];
    gradient[0] = 1.0;
    gradient[1..20].fill(-0.5);
    let salient = || Salient { label: "row 8: 9".to_string(), image: &image, gradient: &gradient };
    let picture = saliency(&[salient()], [28, 28, 1], true);
    // Squares of five pixels, tiles of 140 and their frames.
    let left = 14 + 146;
    assert_eq!(picture.dimensions().1, 14 + 20 + 146 + 14);
    let ink = (14 + 1 + 12 * 5 + 2, 34 + 1 + 10 * 5 + 2);
    assert_eq!(*picture.get_pixel(ink.0, ink.1), Rgb([0; 3]));
    assert_eq!(*picture.get_pixel(ink.0 + 5, ink.1), WHITE);
    // The hundredth that is largest does not set the scale.
    let colours = Colours::Signed(0.5);
    assert_eq!(*picture.get_pixel(left + 3, 34 + 3), colours.of(0.5));
    assert_eq!(*picture.get_pixel(left + 8, 34 + 3), colours.of(-0.5));
    // Round the inked square, on its neighbours.
    let (x, y) = (left + 1 + 12 * 5, 34 + 1 + 10 * 5);
    for (x, y) in [(x - 1, y), (x + 5, y + 4), (x + 2, y - 1), (x + 4, y + 5)] {
        assert_eq!(*picture.get_pixel(x, y), Rgb([110; 3]));
    }
    assert_eq!(*picture.get_pixel(x, y), colours.of(0.0));
    let many: Vec<Salient> = (0..7).map(|_| salient()).collect();
    assert_eq!(saliency(&many, [28, 28, 1], true).height(), 14 + 3 * (20 + 146 + 14));
}
