//! The exported model, read back and computed in f64 as ONNX's specification of the operators says,
//! against the reference. That other programs read the file is checked with them:
//! `scripts/check_onnx.py`.

#[path = "../../src/onnx/messages.rs"]
#[allow(dead_code)] // attributes are read here, and made there
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use inception::checkpoint::WeightFile;
use inception::config::{Config, Module, Preset, Scale};
use inception::network::Network;
use inception::onnx::{INPUT, OUTPUTS, export};
use prost::Message;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::close::by_value;
use crate::common::Random;
use crate::network;
use crate::plain;
use crate::reference::Reference;
use crate::tensors::{Tensors, random_weights};
use messages::{GraphProto, ModelProto, NodeProto};

const SIZE: [usize; 2] = [9, 7];
const IMAGES: usize = 3;

/// Row-major, the images outermost.
#[derive(Clone)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn file(weights: &Tensors) -> WeightFile {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| {
            (name, shape, values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("a view"))
    });
    let bytes = safetensors::serialize(views, None).expect("a file");
    WeightFile::from_bytes(PathBuf::from("made up"), bytes).expect("weights")
}

fn ints(node: &NodeProto, name: &str) -> Vec<usize> {
    let found = node.attribute.iter().find(|attribute| attribute.name() == name);
    let found = found.unwrap_or_else(|| panic!("{} has no {name}", node.op_type()));
    found.ints.iter().map(|&n| n as usize).collect()
}

fn axis(node: &NodeProto) -> i64 {
    node.attribute.iter().find(|attribute| attribute.name() == "axis").expect("an axis").i()
}

fn float(node: &NodeProto, name: &str) -> f64 {
    let found = node.attribute.iter().find(|attribute| attribute.name() == name);
    found.unwrap_or_else(|| panic!("{} has no {name}", node.op_type())).f().into()
}

/// An image, and the taps of a window on it that lie inside: tap, row and column of the input.
type Window = (usize, Vec<(usize, usize, usize)>);

/// Height and width of what sliding windows make, and the window of each of its places.
fn windows(node: &NodeProto, shape: &[usize]) -> (Vec<usize>, Vec<Window>) {
    let (size, stride, pads) =
        (ints(node, "kernel_shape"), ints(node, "strides"), ints(node, "pads"));
    let out: Vec<usize> = (0..2)
        .map(|axis| (shape[2 + axis] + pads[axis] + pads[2 + axis] - size[axis]) / stride[axis] + 1)
        .collect();
    let mut places = Vec::new();
    for image in 0..shape[0] {
        for (row, column) in (0..out[0]).flat_map(|row| (0..out[1]).map(move |c| (row, c))) {
            let mut taps = Vec::new();
            for tap in 0..size[0] * size[1] {
                let y = (row * stride[0] + tap / size[1]).checked_sub(pads[0]);
                let x = (column * stride[1] + tap % size[1]).checked_sub(pads[1]);
                if let (Some(y), Some(x)) = (y, x)
                    && y < shape[2]
                    && x < shape[3]
                {
                    taps.push((tap, y, x));
                }
            }
            places.push((image, taps));
        }
    }
    (out, places)
}

fn compute(node: &NodeProto, inputs: &[&Array]) -> Array {
    let x = inputs[0];
    let shape = &x.shape;
    let pixel = |image: usize, channel: usize, y: usize, column: usize| {
        x.values[((image * shape[1] + channel) * shape[2] + y) * shape[3] + column]
    };
    // Of NCHW, from places in the order of images, rows, columns.
    let by_channel = |channels: usize, out: &[usize], value: &dyn Fn(usize, usize) -> f64| {
        let pixels = out[0] * out[1];
        let place = |at: usize| at / (channels * pixels) * pixels + at % pixels;
        let count = shape[0] * channels * pixels;
        let values = (0..count).map(|at| value(place(at), at / pixels % channels)).collect();
        Array { shape: vec![shape[0], channels, out[0], out[1]], values }
    };
    match node.op_type() {
        "Div" => Array {
            shape: shape.clone(),
            values: x.values.iter().map(|value| value / inputs[1].values[0]).collect(),
        },
        "Sub" => Array {
            shape: shape.clone(),
            values: x.values.iter().map(|value| value - inputs[1].values[0]).collect(),
        },
        "Relu" => Array {
            shape: shape.clone(),
            values: x.values.iter().map(|value| value.max(0.0)).collect(),
        },
        "Conv" => {
            let (w, b) = (inputs[1], inputs[2]);
            assert_eq!(w.shape[1], shape[1], "channels of the weights");
            assert_eq!(ints(node, "kernel_shape"), w.shape[2..], "the window");
            let (out, places) = windows(node, shape);
            let taps = w.shape[2] * w.shape[3];
            by_channel(w.shape[0], &out, &|place, o| {
                let (image, inside) = &places[place];
                let product = |(i, (tap, y, column)): (usize, &(usize, usize, usize))| {
                    w.values[(o * shape[1] + i) * taps + tap] * pixel(*image, i, *y, *column)
                };
                let all = (0..shape[1]).flat_map(|i| inside.iter().map(move |tap| (i, tap)));
                b.values[o] + all.map(product).sum::<f64>()
            })
        }
        "MaxPool" => {
            let (out, places) = windows(node, shape);
            by_channel(shape[1], &out, &|place, channel| {
                let (image, inside) = &places[place];
                let values = inside.iter().map(|&(_, y, x)| pixel(*image, channel, y, x));
                values.fold(f64::NEG_INFINITY, f64::max)
            })
        }
        "AveragePool" => {
            // The specification's count_include_pad is 0 unless given.
            assert_eq!(node.attribute.len(), 3, "{:?}", node.attribute);
            let (out, places) = windows(node, shape);
            by_channel(shape[1], &out, &|place, channel| {
                let (image, inside) = &places[place];
                let sum: f64 = inside.iter().map(|&(_, y, x)| pixel(*image, channel, y, x)).sum();
                sum / inside.len() as f64
            })
        }
        "BatchNormalization" => {
            let [gamma, beta, mean, variance] = inputs[1..] else { panic!("not five inputs") };
            let epsilon = float(node, "epsilon");
            let value = |at: usize| {
                let channel = at / (shape[2] * shape[3]) % shape[1];
                let [gamma, beta, mean, variance] =
                    [gamma, beta, mean, variance].map(|variable| variable.values[channel]);
                gamma * (x.values[at] - mean) / (variance + epsilon).sqrt() + beta
            };
            Array { shape: shape.clone(), values: (0..x.values.len()).map(value).collect() }
        }
        "LRN" => {
            let [alpha, beta, bias] = ["alpha", "beta", "bias"].map(|name| float(node, name));
            let size = node.attribute.iter().find(|attribute| attribute.name() == "size");
            let size = size.expect("a size").i() as usize;
            let (before, after) = ((size - 1) / 2, size - 1 - (size - 1) / 2);
            let (channels, pixels) = (shape[1], shape[2] * shape[3]);
            let value = |at: usize| {
                let channel = at / pixels % channels;
                let all = channel.saturating_sub(before)..=(channel + after).min(channels - 1);
                let squares = all.map(|other| x.values[at + other * pixels - channel * pixels]);
                let sum: f64 = squares.map(|value| value * value).sum();
                x.values[at] / (bias + alpha / size as f64 * sum).powf(beta)
            };
            Array { shape: shape.clone(), values: (0..x.values.len()).map(value).collect() }
        }
        "Concat" => {
            assert_eq!(axis(node), 1);
            let mut values = Vec::new();
            for image in 0..shape[0] {
                for part in inputs {
                    let size = part.values.len() / shape[0];
                    values.extend(&part.values[image * size..(image + 1) * size]);
                }
            }
            let channels = inputs.iter().map(|part| part.shape[1]).sum();
            Array { shape: vec![shape[0], channels, shape[2], shape[3]], values }
        }
        "Transpose" => {
            assert_eq!(ints(node, "perm"), [0, 2, 3, 1]);
            let mut values = Vec::new();
            for place in 0..shape[0] * shape[2] * shape[3] {
                let (image, inner) = (place / (shape[2] * shape[3]), place % (shape[2] * shape[3]));
                values.extend(
                    (0..shape[1]).map(|c| pixel(image, c, inner / shape[3], inner % shape[3])),
                );
            }
            Array { shape: vec![shape[0], shape[2], shape[3], shape[1]], values }
        }
        "Flatten" => {
            assert_eq!(axis(node), 1);
            Array { shape: vec![shape[0], x.values.len() / shape[0]], values: x.values.clone() }
        }
        "Gemm" => {
            let (w, b) = (inputs[1], inputs[2]);
            let [depth, out] = w.shape[..] else { panic!("weights of shape {:?}", w.shape) };
            assert_eq!(shape[..], [shape[0], depth], "rows of the product");
            let value = |at: usize| {
                let row = &x.values[at / out * depth..][..depth];
                let products =
                    row.iter().enumerate().map(|(d, x)| x * w.values[d * out + at % out]);
                b.values[at % out] + products.sum::<f64>()
            };
            Array { shape: vec![shape[0], out], values: (0..shape[0] * out).map(value).collect() }
        }
        "Softmax" => {
            assert_eq!(axis(node), 1);
            let softmax = |row: &[f64]| {
                let most = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
                let sum: f64 = row.iter().map(|logit| (logit - most).exp()).sum();
                row.iter().map(|logit| (logit - most).exp() / sum).collect::<Vec<_>>()
            };
            let values = x.values.chunks(shape[1]).flat_map(softmax).collect();
            Array { shape: shape.clone(), values }
        }
        other => panic!("no meaning is known of {other}"),
    }
}

/// What the model makes of images `[count, channels, height, width]`.
fn run(graph: &GraphProto, images: Array) -> BTreeMap<String, Array> {
    let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
    for tensor in &graph.initializer {
        let values = tensor.raw_data().as_chunks::<4>().0.iter().copied();
        let values = values.map(|bytes| f64::from(f32::from_le_bytes(bytes))).collect();
        let shape = tensor.dims.iter().map(|&n| n as usize).collect();
        arrays.insert(tensor.name().into(), Array { shape, values });
    }
    arrays.insert(graph.input[0].name().into(), images);
    for node in &graph.node {
        let inputs: Vec<_> = node
            .input
            .iter()
            .map(|name| arrays.get(name).unwrap_or_else(|| panic!("{name} is not made yet")))
            .collect();
        let made = compute(node, &inputs);
        let before = arrays.insert(node.output[0].clone(), made);
        assert!(before.is_none(), "{} is made twice", node.output[0]);
    }
    arrays
}

#[test]
fn an_exported_model_computes_what_the_network_does() {
    let quick = Config::preset(Preset::Quick);
    let reduced = Config { maps: vec![2, 5], reduce1x1: 3, num_fc1: 7, ..quick.clone() };
    // One module of one tower each, and its dense layer in several splits.
    let deep = Config { maps: vec![12], reduce1x1: 4, num_fc1: 3, ..quick };
    let naive = Config { module: Module::Naive, scale: Scale::Raw, ..reduced.clone() };
    let unscaled = Config { scale: Scale::Raw, ..deep.clone() };
    let centered = Config { scale: Scale::Centered, ..reduced.clone() };
    for config in [reduced, deep, naive, unscaled, centered] {
        let config = config.with_image([SIZE[0], SIZE[1], 1]);
        let weights = random_weights(&config);
        let bytes = export(&config, &file(&weights)).expect("a model");
        let model = ModelProto::decode(&bytes[..]).expect("a protocol buffer");
        assert_eq!(model.opset_import[0].version(), 17);
        let graph = model.graph.expect("a graph");
        let names = |values: &[messages::ValueInfo]| {
            values.iter().map(|value| value.name().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&graph.input), [INPUT]);
        assert_eq!(names(&graph.output), OUTPUTS);
        let distinct: BTreeSet<_> = graph.node.iter().map(NodeProto::name).collect();
        assert_eq!(distinct.len(), graph.node.len(), "nodes of one name");
        let mut random = Random(9);
        let pixels = IMAGES * SIZE[0] * SIZE[1];
        let grey: Vec<f64> = (0..pixels).map(|_| f64::from(random.bits() as u8)).collect();
        let [offset, divisor] = config.scale.offset_and_divisor().map(f64::from);
        let scaled: Vec<f64> = grey.iter().map(|value| (value - offset) / divisor).collect();
        let expected = Reference::new(&config, weights).forward(SIZE, &scaled).logits;
        let images = Array { shape: vec![IMAGES, 1, SIZE[0], SIZE[1]], values: grey };
        let made = run(&graph, images);
        assert_eq!(made["logits"].shape, [IMAGES, 10]);
        let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        for (made, expected) in made["logits"].values.iter().zip(&expected) {
            assert!((made - expected).abs() <= 1e-12 * largest, "{made} for {expected}");
        }
        let sum: f64 = made["probabilities"].values.iter().sum();
        assert!((sum - IMAGES as f64).abs() < 1e-12, "probabilities add up to {sum}");
    }
}

/// Average pooling, both normalisations and convolutions without bias, on images in colour.
#[test]
fn an_exported_network_of_a_file_computes_what_it_does() {
    let network = Network::parse(Path::new("every.toml"), network::EVERY).expect("a network");
    let [height, width, channels] = network.image;
    let config = Config { network: Some(network), ..Config::preset(Preset::Quick) };
    let weights = random_weights(&config);
    let bytes = export(&config, &file(&weights)).expect("a model");
    let graph = ModelProto::decode(&bytes[..]).expect("a protocol buffer").graph.expect("a graph");
    for kind in
        ["AveragePool", "LRN", "BatchNormalization", "MaxPool", "Concat", "Relu", "Conv", "Gemm"]
    {
        assert!(graph.node.iter().any(|node| node.op_type() == kind), "no {kind}");
    }
    let mut random = Random(9);
    let pixels = IMAGES * height * width * channels;
    let images: Vec<f64> = (0..pixels).map(|_| f64::from(random.bits() as u8)).collect();
    let scaled: Vec<f64> = images.iter().map(|value| value / 255.0).collect();
    let expected = plain::logits(&config.network(), &weights, &scaled);
    let area = height * width;
    let by_channel = |at: usize| {
        let (image, channel, pixel) = (at / (channels * area), at / area % channels, at % area);
        images[(image * area + pixel) * channels + channel]
    };
    let values = (0..pixels).map(by_channel).collect();
    let made = run(&graph, Array { shape: vec![IMAGES, channels, height, width], values });
    let error = by_value(&made["logits"].values, &expected);
    assert!(error < 1e-12, "off by {error:e}");
}
