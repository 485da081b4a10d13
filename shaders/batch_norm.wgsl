// y[p, c] = gamma[c] * n[p, c] + beta[c], where n[p, c] = (x[p, c] - mean[c]) / sqrt(variance[c] + EPSILON)
// dx[p, c] = gamma[c] / sqrt(variance[c] + EPSILON) * (dy[p, c] - (dbeta[c] + n[p, c] * dgamma[c]) / COUNT)
// dx[p, c] = gamma[c] / sqrt(variance[c] + EPSILON) * dy[p, c] where mean and variance are given
//
// Batch normalisation (Ioffe and Szegedy 2015, algorithm 1). Means come as sums over all pixels, which
// `sum_rows` makes in a fixed order: `sum` of x, `spread` of `squared`; COUNT is what they are divided by,
// 1 where they are running means already. `track` moves those by MOMENTUM, the variance as that of all
// pixels there are (COUNT - 1), as PyTorch does. A thread takes one group of channels of one pixel.

alias Columns = f32; // or vec4<f32> when the channels are a multiple of 4
const PIXELS: u32 = 1u;
const GROUPS: u32 = 1u; // groups of channels
const COUNT: f32 = 1.0;
const EPSILON: f32 = 0.001;
const MOMENTUM: f32 = 0.1;

@group(0) @binding(0) var<storage, read> x: array<Columns>;
@group(0) @binding(1) var<storage, read> sum: array<Columns>;
@group(0) @binding(2) var<storage, read> spread: array<Columns>;
@group(0) @binding(3) var<storage, read> gamma: array<Columns>;
@group(0) @binding(4) var<storage, read> beta: array<Columns>;
@group(0) @binding(5) var<storage, read_write> y: array<Columns>;
@group(0) @binding(6) var<storage, read_write> squared: array<Columns>;
@group(0) @binding(7) var<storage, read_write> mean: array<Columns>;
@group(0) @binding(8) var<storage, read_write> variance: array<Columns>;
@group(0) @binding(9) var<storage, read> dy: array<Columns>;
@group(0) @binding(10) var<storage, read_write> product: array<Columns>;
@group(0) @binding(11) var<storage, read> dgamma: array<Columns>;
@group(0) @binding(12) var<storage, read> dbeta: array<Columns>;
@group(0) @binding(13) var<storage, read_write> dx: array<Columns>;

fn outside(id: vec3<u32>) -> bool {
    return id.x >= GROUPS || id.y >= PIXELS;
}

fn scale(c: u32) -> Columns {
    return Columns(1.0) / sqrt(spread[c] / COUNT + EPSILON);
}

fn normal(i: u32, c: u32) -> Columns {
    return (x[i] - sum[c] / COUNT) * scale(c);
}

@compute @workgroup_size(8, 16)
fn squares(@builtin(global_invocation_id) id: vec3<u32>) {
    if (outside(id)) {
        return;
    }
    let i = id.y * GROUPS + id.x;
    let far = x[i] - sum[id.x] / COUNT;
    squared[i] = far * far;
}

@compute @workgroup_size(8, 16)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (outside(id)) {
        return;
    }
    let i = id.y * GROUPS + id.x;
    y[i] = gamma[id.x] * normal(i, id.x) + beta[id.x];
}

@compute @workgroup_size(64)
fn track(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= GROUPS) {
        return;
    }
    mean[c] += MOMENTUM * (sum[c] / COUNT - mean[c]);
    variance[c] += MOMENTUM * (spread[c] / max(COUNT - 1.0, 1.0) - variance[c]);
}

@compute @workgroup_size(8, 16)
fn products(@builtin(global_invocation_id) id: vec3<u32>) {
    if (outside(id)) {
        return;
    }
    let i = id.y * GROUPS + id.x;
    product[i] = dy[i] * normal(i, id.x);
}

@compute @workgroup_size(8, 16)
fn backward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (outside(id)) {
        return;
    }
    let c = id.x;
    let i = id.y * GROUPS + c;
    let shared_part = (dbeta[c] + normal(i, c) * dgamma[c]) / COUNT;
    dx[i] = gamma[c] * scale(c) * (dy[i] - shared_part);
}

@compute @workgroup_size(8, 16)
fn backward_given(@builtin(global_invocation_id) id: vec3<u32>) {
    if (outside(id)) {
        return;
    }
    let i = id.y * GROUPS + id.x;
    dx[i] = gamma[id.x] * scale(id.x) * dy[i];
}
