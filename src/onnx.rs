//! A recorded network as an ONNX model, which other programs run.
//!
//! Each pass of the plainly recorded inference becomes a node, so whatever can be recorded of the
//! operations below can be exported; no second description of the network is kept. ONNX wants images
//! as `[batch, channels, height, width]`: images and all that convolutions make are so in the model,
//! and one transposition in front of the first dense layer gives it the order that it was trained on.
//! ONNX's LRN divides alpha by the number of channels in the window, so it gets ours times that number.

mod messages;

use std::collections::BTreeMap;

use prost::Message;

use self::messages::{
    Attribute, Dimension, FLOAT, GraphProto, ModelProto, NodeProto, OperatorSetId, Shape,
    TensorProto, TensorType, Type, ValueInfo,
};
use crate::checkpoint::{CheckpointError, WeightFile};
use crate::config::Config;
use crate::kernel::Value;
use crate::model;
use crate::recording::{Pass, Recording, Role, TensorId};
use crate::tape::Tape;

/// Of the operators: 17 is known to all readers since 2022.
const OPERATORS: i64 = 17;
const IR_VERSION: i64 = 8;
/// No protocol buffer may be longer.
const LONGEST: usize = i32::MAX as usize;

/// The name of the input: f32 `[batch, channels, height, width]`, from 0 (of digits the background) to 255.
pub const INPUT: &str = "images";
/// The names of the outputs, f32 `[batch, classes]` each.
pub const OUTPUTS: [&str; 2] = ["logits", "probabilities"];

/// Why a network cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// A weight is missing, misshapen or not finite.
    #[error(transparent)]
    Weights(#[from] CheckpointError),
    /// There is no node for a pass.
    #[error("the pass `{0}` has no counterpart in ONNX that this program knows")]
    Pass(String),
    /// The model would be longer than a protocol buffer may be.
    #[error("the model has {0} bytes, and an ONNX file no more than {LONGEST}")]
    Large(usize),
}

/// The network of that configuration with these weights as an ONNX model, for images as
/// the network has them. Its input is [`INPUT`], its outputs are [`OUTPUTS`]; the batch may have any size.
///
/// # Errors
/// [`OnnxError`].
pub fn export(config: &Config, weights: &WeightFile) -> Result<Vec<u8>, OnnxError> {
    let network = config.network();
    let [height, width, channels] = network.image;
    let tape = Tape::new();
    let images = tape.input(INPUT, &[1, height, width, channels]);
    let logits = model::logits(images, &network);
    let probabilities = tape.scope("softmax", || logits.softmax());
    let outputs = [logits.id(), probabilities.id()];
    let recording = tape.finish();
    let classes = &recording.tensor(outputs[0]).shape[1..];
    let mut graph = Graph {
        recording: &recording,
        names: outputs.into_iter().zip(OUTPUTS.map(String::from)).collect(),
        flat: BTreeMap::new(),
        proto: GraphProto {
            name: Some("inception".into()),
            input: vec![value(INPUT, &[channels, height, width])],
            output: OUTPUTS.iter().map(|name| value(name, classes)).collect(),
            ..GraphProto::default()
        },
    };
    let mut scaled = INPUT.to_string();
    let [offset, divisor] = config.scale.offset_and_divisor();
    if offset != 0.0 {
        graph.constant("offset", &[], offset.to_le_bytes().to_vec());
        graph.node("Sub", &[scaled, "offset".into()], "shifted", &[]);
        scaled = "shifted".into();
    }
    if divisor != 1.0 {
        graph.constant("divisor", &[], divisor.to_le_bytes().to_vec());
        graph.node("Div", &[scaled, "divisor".into()], "scaled", &[]);
        scaled = "scaled".into();
    }
    graph.names.insert(images.id(), scaled);
    for passes in recording.passes.chunk_by(joins) {
        graph.add(passes, weights).map_err(|error| match error {
            OnnxError::Weights(error) => error.of(config).into(),
            other => other,
        })?;
    }
    let model = ModelProto {
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph.proto),
        opset_import: vec![OperatorSetId { domain: Some("".into()), version: Some(OPERATORS) }],
        ..ours()
    };
    match model.encoded_len() {
        length if length > LONGEST => Err(OnnxError::Large(length)),
        _ => Ok(model.encode_to_vec()),
    }
}

/// What each model begins with.
pub fn begin() -> Vec<u8> {
    ours().encode_to_vec()
}

/// What tells a model of ours from others.
fn ours() -> ModelProto {
    let producer_name = Some(env!("CARGO_PKG_NAME").into());
    ModelProto { ir_version: Some(IR_VERSION), producer_name, ..ModelProto::default() }
}

/// Whether both passes are of one node: the parts of a concatenation, or a dense layer's product,
/// which is made in splits, and their sum.
fn joins(pass: &Pass, next: &Pass) -> bool {
    match (pass.kernel.name, next.kernel.name) {
        ("concat", "concat") => bound(pass, "y") == bound(next, "y"),
        ("dense", "sum_rows") => bound(pass, "y") == bound(next, "x"),
        _ => false,
    }
}

/// The tensor that the kernel's variable stands for.
fn bound(pass: &Pass, name: &str) -> TensorId {
    let found = pass.tensors.iter().find(|bound| bound.name == name);
    found.unwrap_or_else(|| panic!("`{}` has no {name}", pass.label())).tensor
}

fn value(name: &str, shape: &[usize]) -> ValueInfo {
    let known = shape.iter().map(|&n| Dimension { value: Some(n as i64), name: None });
    let batch = Dimension { value: None, name: Some("batch".into()) };
    let shape = Some(Shape { dim: [batch].into_iter().chain(known).collect() });
    let tensor = Some(TensorType { elements: Some(FLOAT), shape });
    ValueInfo { name: Some(name.into()), kind: Some(Type { tensor }) }
}

/// A model being made.
struct Graph<'a> {
    recording: &'a Recording,
    /// What the tensors are called that have been made, and those to come whose names are fixed.
    names: BTreeMap<TensorId, String>,
    /// The same as rows `[batch, depth]` in the order of NHWC.
    flat: BTreeMap<TensorId, String>,
    proto: GraphProto,
}

impl Graph<'_> {
    /// The node of these passes.
    fn add(&mut self, passes: &[Pass], weights: &WeightFile) -> Result<(), OnnxError> {
        let (first, last) = (&passes[0], &passes[passes.len() - 1]);
        if first.kernel.name == "fill" {
            self.filled(first);
            return Ok(());
        }
        let x = bound(first, "x");
        let mut inputs = vec![self.name(x)];
        let (kind, attributes) = match (first.kernel.name, first.entry) {
            ("conv2d", "forward") => {
                inputs.push(self.weight(bound(first, "w"), weights)?);
                inputs.push(self.weight(bound(first, "bias"), weights)?);
                ("Conv", self.window(first, ["KERNEL_H", "KERNEL_W"]))
            }
            ("max_pool", "forward") => ("MaxPool", self.window(first, ["KERNEL", "KERNEL"])),
            // Padding counts in neither.
            ("avg_pool", "forward") => ("AveragePool", self.window(first, ["KERNEL", "KERNEL"])),
            ("lrn", "forward") => ("LRN", channel_window(first)),
            ("batch_norm", "forward") => {
                for variable in ["gamma", "beta", "sum", "spread"] {
                    inputs.push(self.weight(bound(first, variable), weights)?);
                }
                let epsilon = Attribute::float("epsilon", fraction(first, "EPSILON"));
                ("BatchNormalization", vec![epsilon])
            }
            ("relu", "forward") => ("Relu", vec![]),
            ("concat", "forward") => {
                inputs = passes.iter().map(|part| self.name(bound(part, "x"))).collect();
                ("Concat", vec![Attribute::int("axis", 1)])
            }
            ("dense", "forward") => {
                inputs = vec![self.rows(x)];
                inputs.push(self.weight(bound(first, "w"), weights)?);
                inputs.push(self.weight(bound(first, "b"), weights)?);
                ("Gemm", vec![])
            }
            ("softmax", "forward") => ("Softmax", vec![Attribute::int("axis", 1)]),
            _ => return Err(OnnxError::Pass(first.label())),
        };
        let made = if first.kernel.name == "softmax" { "p" } else { "y" };
        let y = self.name(bound(last, made));
        self.node(kind, &inputs, &y, &attributes);
        Ok(())
    }

    /// Adds a node. It is called by what it makes: readers want names that differ.
    fn node(&mut self, kind: &str, inputs: &[String], y: &str, attributes: &[Attribute]) {
        self.proto.node.push(NodeProto {
            input: inputs.to_vec(),
            output: vec![y.into()],
            name: Some(y.into()),
            op_type: Some(kind.into()),
            attribute: attributes.to_vec(),
        });
    }

    fn constant(&mut self, name: &str, shape: &[usize], bytes: Vec<u8>) {
        self.proto.initializer.push(TensorProto {
            dims: shape.iter().map(|&n| n as i64).collect(),
            data_type: Some(FLOAT),
            name: Some(name.into()),
            raw_data: Some(bytes),
        });
    }

    /// A tensor of one value, such as the bias of a convolution that has none.
    fn filled(&mut self, pass: &Pass) {
        let y = bound(pass, "y");
        let shape = &self.recording.tensor(y).shape;
        let bytes = fraction(pass, "VALUE").to_le_bytes().repeat(shape.iter().product());
        self.constant(&self.name(y), shape, bytes);
    }

    /// What the tensor is called in the model.
    fn name(&self, id: TensorId) -> String {
        let made = || format!("{}.{}", self.recording.tensor(id).name, id.0);
        self.names.get(&id).cloned().unwrap_or_else(made)
    }

    /// The tensor as rows `[batch, depth]`, the channels innermost.
    fn rows(&mut self, id: TensorId) -> String {
        let name = self.name(id);
        if self.recording.tensor(id).shape.len() == 2 {
            return name;
        }
        if let Some(rows) = self.flat.get(&id) {
            return rows.clone();
        }
        let (last, rows) = (format!("{name}.nhwc"), format!("{name}.rows"));
        self.node("Transpose", &[name], &last, &[Attribute::ints("perm", &[0, 2, 3, 1])]);
        self.node("Flatten", &[last], &rows, &[Attribute::int("axis", 1)]);
        self.flat.insert(id, rows.clone());
        rows
    }

    /// Puts a variable into the model; a convolution's weights as `[out, in, height, width]`. What a
    /// pass has filled is there already.
    fn weight(&mut self, id: TensorId, weights: &WeightFile) -> Result<String, OnnxError> {
        let info = self.recording.tensor(id);
        if info.role == Role::Temporary {
            return Ok(self.name(id));
        }
        let tensor = weights.tensor(&info.name, &info.shape)?;
        let known = self.proto.initializer.iter().any(|t| t.name.as_ref() == Some(&info.name));
        match info.shape[..] {
            _ if known => {}
            [height, width, inputs, outputs] => {
                let taps = height * width;
                let (words, _) = tensor.bytes.as_chunks::<4>();
                let at = |o: usize, i: usize, tap: usize| words[(tap * inputs + i) * outputs + o];
                let bytes = (0..outputs)
                    .flat_map(|o| {
                        (0..inputs).flat_map(move |i| (0..taps).map(move |tap| (o, i, tap)))
                    })
                    .flat_map(|(o, i, tap)| at(o, i, tap))
                    .collect();
                self.constant(&info.name, &[outputs, inputs, height, width], bytes);
            }
            _ => self.constant(&info.name, &info.shape, tensor.bytes.to_vec()),
        }
        Ok(info.name.clone())
    }

    /// How the windows of these constants' extents slide from `x` to `y`.
    fn window(&self, pass: &Pass, extents: [&str; 2]) -> Vec<Attribute> {
        let [x, y] = ["x", "y"].map(|name| &self.recording.tensor(bound(pass, name)).shape);
        let size = extents.map(|name| constant(pass, name));
        let stride = constant(pass, "STRIDE");
        let before = ["PAD_TOP", "PAD_LEFT"].map(|name| constant(pass, name));
        // As much as the last window reaches over the end.
        let after = [0, 1].map(|axis| {
            let end = (y[1 + axis] - 1) * stride + size[axis];
            end.saturating_sub(before[axis] + x[1 + axis])
        });
        vec![
            Attribute::ints("kernel_shape", &size),
            Attribute::ints("strides", &[stride; 2]),
            Attribute::ints("pads", &[before, after].concat()),
        ]
    }
}

/// A whole number that the pass's kernel is given.
fn constant(pass: &Pass, name: &str) -> usize {
    match pass.constants.iter().find(|(known, _)| *known == name) {
        Some((_, Value::U32(n))) => *n as usize,
        Some((_, Value::I32(n))) => *n as usize,
        _ => panic!("`{}` has no whole number {name}", pass.label()),
    }
}

/// A number that the pass's kernel is given.
fn fraction(pass: &Pass, name: &str) -> f32 {
    match pass.constants.iter().find(|(known, _)| *known == name) {
        Some((_, Value::F32(n))) => *n,
        _ => panic!("`{}` has no number {name}", pass.label()),
    }
}

/// Over which channels local response normalisation sums, and what it makes of the sum.
fn channel_window(pass: &Pass) -> Vec<Attribute> {
    let size = 2 * constant(pass, "RADIUS") + 1;
    let [bias, alpha, beta] = ["BIAS", "ALPHA", "BETA"].map(|name| fraction(pass, name));
    vec![
        Attribute::float("alpha", alpha * size as f32),
        Attribute::float("beta", beta),
        Attribute::float("bias", bias),
        Attribute::int("size", size),
    ]
}
