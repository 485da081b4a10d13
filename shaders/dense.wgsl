// y[s, m, n] = (s == 0 ? b[n] : 0) + sum over k in split s of x[m, k] w[k, n]
// dx[m, k] = sum over n of dy[m, n] w[k, n]
// dw[k, n] = sum over m of x[m, k] dy[m, n], stored or used at once to update w by Adam
//
// The sum over k is cut into splits of SPLIT rows of w, because a batch has too few outputs to fill
// a GPU; `sum_rows` adds the splits in order. Each thread keeps a tile in registers: `forward`
// EXAMPLES rows by 2 groups of columns, `backward_x` EXAMPLES rows by 4 k, `backward_w` TILE k by
// 2 groups of columns. w and dw may be shards of rows. Lines between `//: for` and `//: end` are
// repeated by the host, those after `//: if` may go.

alias Columns = f32; // or vec4<f32> when OUT is a multiple of 4
const WIDTH: u32 = 1u; // columns in a group
const BATCH: u32 = 1u;
const DEPTH: u32 = 1u; // k in all of w
const GROUPS: u32 = 1u; // groups of columns of w
const SPLIT: u32 = 2048u;
const FIRST_ROW: u32 = 0u; // k where this shard begins
const ROWS: u32 = 1u; // k in this shard
const EXAMPLES: u32 = 1u;
const TILE: u32 = 1u;
const HALF: u32 = (GROUPS + 1u) / 2u;
const MASK: u32 = 0u; // 1: dx is 0 where `positive` is not
const STORE_DW: u32 = 1u; // 1 or 0
const UPDATE_W: u32 = 1u; // 1 or 0
const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const ONE_MINUS_BETA1: f32 = 0.1;
const ONE_MINUS_BETA2: f32 = 0.001;
const EPSILON: f32 = 1e-8;
const r0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<Columns>;
@group(0) @binding(2) var<storage, read> b: array<Columns>;
@group(0) @binding(3) var<storage, read_write> y: array<Columns>;
@group(0) @binding(4) var<storage, read> dy: array<Columns>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dw: array<Columns>;
@group(0) @binding(7) var<storage, read> rate: array<f32>;
@group(0) @binding(8) var<storage, read_write> mean: array<Columns>;
@group(0) @binding(9) var<storage, read_write> square: array<Columns>;
@group(0) @binding(10) var<storage, read_write> trained: array<Columns>; // w
@group(0) @binding(11) var<storage, read> positive: array<f32>;

fn store(split: u32, m: u32, n0: u32, n1: u32, first: Columns, second: Columns) {
    if (m < BATCH) {
        let row = (split * BATCH + m) * GROUPS;
        y[row + n0] = first;
        if (n1 < GROUPS) {
            y[row + n1] = second;
        }
    }
}

@compute @workgroup_size(16, 4)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    // Neighbouring threads take neighbouring columns: their loads of w are contiguous.
    let n0 = id.x;
    let n1 = id.x + HALF;
    let m = id.y * EXAMPLES;
    if (n0 >= HALF || m >= BATCH) {
        return;
    }
    let last = min(n1, GROUPS - 1u);
    let split = FIRST_ROW / SPLIT + id.z;
    let begin = id.z * SPLIT;
    let end = min(begin + SPLIT, ROWS);
    let first0 = select(Columns(0.0), b[n0], split == 0u);
    let first1 = select(Columns(0.0), b[last], split == 0u);
    //: for r0 in EXAMPLES
    let x_r0 = min(m + r0, BATCH - 1u) * DEPTH;
    var sum0_r0 = first0;
    var sum1_r0 = first1;
    //: end
    for (var row = begin; row < end; row++) {
        let k = FIRST_ROW + row;
        let w0 = w[row * GROUPS + n0];
        let w1 = w[row * GROUPS + last];
        //: for r0 in EXAMPLES
        let value_r0 = x[x_r0 + k];
        sum0_r0 += value_r0 * w0;
        sum1_r0 += value_r0 * w1;
        //: end
    }
    //: for r0 in EXAMPLES
    store(split, m + r0, n0, n1, sum0_r0, sum1_r0);
    //: end
}

fn inner(first: Columns, second: Columns) -> f32 {
    let product = vec4<f32>(first * second);
    if (WIDTH == 1u) {
        return product.x;
    }
    return (product.x + product.y) + (product.z + product.w);
}

fn finish_dx(i: u32, value: f32) {
    var result = value;
    //: if MASK
    result = select(0.0, value, positive[i] > 0.0);
    //: end
    dx[i] = result;
}

fn store_dx(m: u32, row: u32, values: vec4<f32>) {
    if (m < BATCH) {
        let i = m * DEPTH + FIRST_ROW + row;
        finish_dx(i, values.x);
        if (row + 1u < ROWS) {
            finish_dx(i + 1u, values.y);
        }
        if (row + 2u < ROWS) {
            finish_dx(i + 2u, values.z);
        }
        if (row + 3u < ROWS) {
            finish_dx(i + 3u, values.w);
        }
    }
}

@compute @workgroup_size(32, 2)
fn backward_x(@builtin(global_invocation_id) id: vec3<u32>) {
    let k = id.x * 4u;
    let m = id.y * EXAMPLES;
    if (k >= ROWS || m >= BATCH) {
        return;
    }
    let k0 = k * GROUPS;
    let k1 = min(k + 1u, ROWS - 1u) * GROUPS;
    let k2 = min(k + 2u, ROWS - 1u) * GROUPS;
    let k3 = min(k + 3u, ROWS - 1u) * GROUPS;
    //: for r0 in EXAMPLES
    let row_r0 = min(m + r0, BATCH - 1u) * GROUPS;
    var sum_r0 = vec4<f32>(0.0);
    //: end
    for (var n = 0u; n < GROUPS; n++) {
        let w0 = w[k0 + n];
        let w1 = w[k1 + n];
        let w2 = w[k2 + n];
        let w3 = w[k3 + n];
        //: for r0 in EXAMPLES
        let g_r0 = dy[row_r0 + n];
        sum_r0 += vec4<f32>(inner(g_r0, w0), inner(g_r0, w1), inner(g_r0, w2), inner(g_r0, w3));
        //: end
    }
    //: for r0 in EXAMPLES
    store_dx(m + r0, k, sum_r0);
    //: end
}

// Stores a gradient of w, or updates w by it at once, by the formula of adam.wgsl.
fn finish_dw(i: u32, g: Columns) {
    //: if STORE_DW
    dw[i] = g;
    //: end
    //: if UPDATE_W
    let m = BETA1 * mean[i] + ONE_MINUS_BETA1 * g;
    let v = BETA2 * square[i] + ONE_MINUS_BETA2 * g * g;
    mean[i] = m;
    square[i] = v;
    trained[i] = trained[i] - rate[0] * m / (sqrt(v) + EPSILON);
    //: end
}

fn store_dw(row: u32, n0: u32, n1: u32, first: Columns, second: Columns) {
    if (row < ROWS) {
        finish_dw(row * GROUPS + n0, first);
        if (n1 < GROUPS) {
            finish_dw(row * GROUPS + n1, second);
        }
    }
}

@compute @workgroup_size(16, 4)
fn backward_w(@builtin(global_invocation_id) id: vec3<u32>) {
    let n0 = id.x;
    let n1 = id.x + HALF;
    let row = id.y * TILE;
    if (n0 >= HALF || row >= ROWS) {
        return;
    }
    let last_n = min(n1, GROUPS - 1u);
    let last = FIRST_ROW + ROWS - 1u;
    //: for r0 in TILE
    let k_r0 = min(FIRST_ROW + row + r0, last);
    var sum0_r0 = Columns(0.0);
    var sum1_r0 = Columns(0.0);
    //: end
    for (var m = 0u; m < BATCH; m++) {
        let g0 = dy[m * GROUPS + n0];
        let g1 = dy[m * GROUPS + last_n];
        //: for r0 in TILE
        let value_r0 = x[m * DEPTH + k_r0];
        sum0_r0 += value_r0 * g0;
        sum1_r0 += value_r0 * g1;
        //: end
    }
    //: for r0 in TILE
    store_dw(row + r0, n0, n1, sum0_r0, sum1_r0);
    //: end
}
