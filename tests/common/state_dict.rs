//! The state dict of torchvision's GoogLeNet, of random numbers.

use std::collections::BTreeMap;
use std::path::Path;

use inception::reference::Random;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A tensor: its type, its shape, its bytes.
pub type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// Tensors by name.
pub type StateDict = BTreeMap<String, Stored>;

/// As in torchvision's source: channels in, and what the branches make.
pub const MODULES: [(&str, [usize; 7]); 9] = [
    ("inception3a", [192, 64, 96, 128, 16, 32, 32]),
    ("inception3b", [256, 128, 128, 192, 32, 96, 64]),
    ("inception4a", [480, 192, 96, 208, 16, 48, 64]),
    ("inception4b", [512, 160, 112, 224, 24, 64, 64]),
    ("inception4c", [512, 128, 128, 256, 24, 64, 64]),
    ("inception4d", [512, 112, 144, 288, 32, 64, 64]),
    ("inception4e", [528, 256, 160, 320, 32, 128, 128]),
    ("inception5a", [832, 256, 160, 320, 32, 128, 128]),
    ("inception5b", [832, 384, 192, 384, 48, 128, 128]),
];

pub fn stored(shape: &[usize], values: &[f32]) -> Stored {
    (Dtype::F32, shape.to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// One of that many classes. Each number matters to the logits: what convolutions make is of usual size,
/// and no two channels are normalised alike.
pub fn googlenet(classes: usize) -> StateDict {
    let mut random = Random::new(7);
    let mut dict = StateDict::new();
    let mut basic = |name: &str, inputs: usize, outputs: usize, size: usize| {
        let mut put = |part: &str, [from, to]: [f32; 2]| {
            let values: Vec<f32> =
                (0..outputs).map(|_| from + (to - from) * unit(&mut random)).collect();
            dict.insert(format!("{name}.bn.{part}"), stored(&[outputs], &values));
        };
        put("weight", [0.7, 1.4]);
        put("bias", [-0.3, 0.3]);
        put("running_mean", [-0.3, 0.3]);
        put("running_var", [0.4, 1.6]);
        let tracked = (Dtype::I64, vec![], 3i64.to_le_bytes().to_vec());
        dict.insert(format!("{name}.bn.num_batches_tracked"), tracked);
        let depth = inputs * size * size;
        let most = (6.0 / depth as f32).sqrt();
        let mut values: Vec<f32> =
            (0..outputs * depth).map(|_| most * (2.0 * unit(&mut random) - 1.0)).collect();
        for filter in values.chunks_mut(depth) {
            // What is the same in all channels cancels, or it would grow from layer to layer until
            // all images were alike.
            let mean = filter.iter().sum::<f32>() / depth as f32;
            filter.iter_mut().for_each(|w| *w -= mean);
        }
        dict.insert(format!("{name}.conv.weight"), stored(&[outputs, inputs, size, size], &values));
    };
    basic("conv1", 3, 64, 7);
    basic("conv2", 64, 64, 1);
    basic("conv3", 64, 192, 3);
    for (name, [inputs, one, reduce_three, three, reduce_five, five, pool]) in MODULES {
        basic(&format!("{name}.branch1"), inputs, one, 1);
        basic(&format!("{name}.branch2.0"), inputs, reduce_three, 1);
        basic(&format!("{name}.branch2.1"), reduce_three, three, 3);
        basic(&format!("{name}.branch3.0"), inputs, reduce_five, 1);
        basic(&format!("{name}.branch3.1"), reduce_five, five, 3);
        basic(&format!("{name}.branch4.1"), inputs, pool, 1);
    }
    let mut dense = |part: &str, shape: &[usize]| {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| 0.2 * unit(&mut random) - 0.1).collect();
        dict.insert(format!("fc.{part}"), stored(shape, &values));
    };
    dense("weight", &[classes, 1024]);
    dense("bias", &[classes]);
    dict
}

/// From 0 to 1.
fn unit(random: &mut Random) -> f32 {
    random.bits() as u8 as f32 / 255.0
}

/// Writes it as PyTorch does.
pub fn write(path: &Path, dict: &StateDict) {
    let views = dict.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("a view"))
    });
    safetensors::serialize_to_file(views, None, path).expect("the file is written");
}
