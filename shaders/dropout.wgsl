// y[i] = x[i] / KEEP where kept(seed, step, LAYER, i), else 0
// dx[i] = dy[i] / KEEP where kept, else 0 (drawn again, not stored)
//
// Inverted dropout (Srivastava et al. 2014). An element is kept when a hash of its number is below
// KEEP * 2^32: a counter-based draw, so that a run is a function of its configuration.
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
const LAYER: u32 = 0u;
const KEEP: f32 = 0.5;
const THRESHOLD: u32 = 2147483648u; // KEEP * 2^32

@group(0) @binding(0) var<storage, read> key: array<u32>; // seed, step
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

// PCG-RXS-M-XS, 32 bits (O'Neill 2014; as a hash: Jarzynski and Olano 2020).
fn hash(value: u32) -> u32 {
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

fn kept(element: u32) -> bool {
    return hash(element ^ hash(key[1] ^ hash(key[0] ^ hash(LAYER)))) < THRESHOLD;
}

fn masked(value: vec4<f32>, i: u32) -> vec4<f32> {
    let first = FIRST_ROW * ROW + i * 4u;
    let mask = vec4<bool>(kept(first), kept(first + 1u), kept(first + 2u), kept(first + 3u));
    return select(vec4<f32>(0.0), value / KEEP, mask);
}

@compute @workgroup_size(SIZE)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (outside(i)) {
        return;
    }
    y[i] = masked(x[i], i);
}

@compute @workgroup_size(SIZE)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (outside(i)) {
        return;
    }
    dx[i] = masked(dy[i], i);
}
