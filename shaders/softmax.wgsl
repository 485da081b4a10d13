// p[b, c] = exp(x[b, c] - max_b) / sum_c exp(x[b, c] - max_b)
// loss_row[b] = log(sum_c exp(x[b, c] - max_b)) - (x[b, label[b]] - max_b)
// loss = sum_b loss_row[b] / BATCH
// dx[b, c] = dloss / BATCH * (p[b, c] - (c == label[b]))
//
// Softmax and its mean cross-entropy with the one-hot of `label`, which is never stored.
// A thread takes one example; `mean` is one thread.

const BATCH: u32 = 1u;
const CLASSES: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> label: array<u32>;
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss_row: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read> dloss: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read> loss_made: array<f32>; // loss_row

fn highest(b: u32) -> f32 {
    var top = x[b * CLASSES];
    for (var c = 1u; c < CLASSES; c++) {
        top = max(top, x[b * CLASSES + c]);
    }
    return top;
}

fn exponentials(b: u32, top: f32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < CLASSES; c++) {
        sum += exp(x[b * CLASSES + c] - top);
    }
    return sum;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    let b = id.x;
    if (b >= BATCH) {
        return;
    }
    let top = highest(b);
    let sum = exponentials(b, top);
    for (var c = 0u; c < CLASSES; c++) {
        p[b * CLASSES + c] = exp(x[b * CLASSES + c] - top) / sum;
    }
}

@compute @workgroup_size(64)
fn cross_entropy(@builtin(global_invocation_id) id: vec3<u32>) {
    let b = id.x;
    if (b >= BATCH) {
        return;
    }
    let top = highest(b);
    loss_row[b] = log(exponentials(b, top)) - (x[b * CLASSES + label[b]] - top);
}

@compute @workgroup_size(1)
fn mean() {
    var sum = 0.0;
    for (var b = 0u; b < BATCH; b++) {
        sum += loss_made[b];
    }
    loss[0] = sum / f32(BATCH);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3<u32>) {
    let b = id.x;
    if (b >= BATCH) {
        return;
    }
    let top = highest(b);
    let sum = exponentials(b, top);
    for (var c = 0u; c < CLASSES; c++) {
        let i = b * CLASSES + c;
        let target_c = select(0.0, 1.0, c == label[b]);
        dx[i] = dloss[0] / f32(BATCH) * (exp(x[i] - top) / sum - target_c);
    }
}
