// m = BETA1 m + (1 - BETA1) g
// v = BETA2 v + (1 - BETA2) g^2
// w = w - rate m / (sqrt(v) + EPSILON), rate = learning_rate sqrt(1 - BETA2^t) / (1 - BETA1^t)
//
// Kingma and Ba 2015, section 2, last paragraph: the bias correction folded into the rate, which
// the host computes. EPSILON stands outside the root of the uncorrected v, as TensorFlow has it.
// A thread takes four elements.

const FIRST_ROW: u32 = 0u; // of this shard
const ROWS: u32 = 1u; // of this shard
const ROW: u32 = 4u; // elements in a row
const SIZE: u32 = 256u; // threads of a workgroup

// Dispatches of one axis are folded onto y where x alone would not reach.
fn quad(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * SIZE + id.x;
}

fn outside(i: u32) -> bool {
    return i * 4u >= ROWS * ROW;
}
const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const ONE_MINUS_BETA1: f32 = 0.1; // rounded once: 1 - BETA2 in f32 would lose four digits
const ONE_MINUS_BETA2: f32 = 0.001;
const EPSILON: f32 = 1e-8;

@group(0) @binding(0) var<storage, read> rate: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> w: array<vec4<f32>>;

@compute @workgroup_size(SIZE)
fn update(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (outside(i)) {
        return;
    }
    let gradient = g[i];
    let mean = BETA1 * m[i] + ONE_MINUS_BETA1 * gradient;
    let square = BETA2 * v[i] + ONE_MINUS_BETA2 * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    w[i] = w[i] - rate[0] * mean / (sqrt(square) + EPSILON);
}
