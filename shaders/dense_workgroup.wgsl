// y[s, m, n] = (s == 0 ? b[n] : 0) + sum over k in split s of x[m, k] w[k, n]
// dx[m, k] = sum over n of dy[m, n] w[k, n]
// dw[k, n] = sum over m of x[m, k] dy[m, n], stored or used at once to update w by Adam
//
// dense for GPUs: matrix products whose tiles a workgroup loads once and shares. The threads of a
// workgroup lie in ROW_THREADS rows of COLUMN_THREADS. What a thread holds lies ROW_THREADS or
// COLUMN_THREADS apart, so that neighbouring threads read neighbouring places of the tiles.
//   forward: a thread sums TILE examples by SPAN groups of four columns; a step takes STEP quads of k.
//   backward_x: TILE examples by SPAN quads of k; a step takes STEP groups of columns.
//   backward_w: QUADS_HELD quads of k by SPAN groups of columns; a step takes EXAMPLE_STEP examples.
// What lies behind the last term of a sum is loaded as zero; rows and columns behind the last are
// loaded again from the last and not stored. Every thread reaches every barrier. Lines between
// `//: for` and `//: end` are repeated by the host, those after `//: if` may go.

const COLUMN_THREADS: u32 = 8u;
const ROW_THREADS: u32 = 8u;
const TILE: u32 = 1u;
const QUADS_HELD: u32 = 1u;
const SPAN: u32 = 1u;
const STEP: u32 = 1u;
const EXAMPLE_STEP: u32 = 1u;
const ROW_LOADS: u32 = 1u; // loads that fill the tile of rows, for each thread
const COLUMN_LOADS: u32 = 1u; // the same of the tile of columns
const BATCH: u32 = 1u;
const DEPTH_QUADS: u32 = 1u; // k in all of w / 4
const GROUPS: u32 = 1u; // columns / 4
const SPLIT: u32 = 2048u;
const FIRST_ROW: u32 = 0u; // k where this shard begins
const ROWS: u32 = 4u; // k in this shard
const MASK: u32 = 0u; // 1: dx is 0 where `positive` is not
const STORE_DW: u32 = 1u; // 1 or 0
const UPDATE_W: u32 = 1u; // 1 or 0
const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const ONE_MINUS_BETA1: f32 = 0.1;
const ONE_MINUS_BETA2: f32 = 0.001;
const EPSILON: f32 = 1e-8;
const THREADS: u32 = COLUMN_THREADS * ROW_THREADS;
const WIDTH: u32 = COLUMN_THREADS * SPAN; // groups of columns, or quads of k, of a tile
const HEIGHT: u32 = ROW_THREADS * TILE; // examples of a tile
const QUAD_HEIGHT: u32 = ROW_THREADS * QUADS_HELD; // quads of rows of dw of a tile
const r0 = 0u;
const s0 = 0u;
const q0 = 0u;
const l0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> rate: array<f32>;
@group(0) @binding(8) var<storage, read_write> mean: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> square: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> trained: array<vec4<f32>>; // w
@group(0) @binding(11) var<storage, read> positive: array<vec4<f32>>;

// x or dy by example and quad of k or group of columns; one more of these an example, so that the
// examples that a subgroup reads at once lie in different banks.
var<workgroup> examples: array<array<vec4<f32>, STEP + 1u>, HEIGHT>;
// w by k and group of columns.
var<workgroup> w_tile: array<array<vec4<f32>, WIDTH>, 4u * STEP>;
// w by k, the first of all quads before the second of all quads, and group of columns; padded too.
var<workgroup> w_turned: array<array<vec4<f32>, STEP + 1u>, 4u * WIDTH>;
// By example and quad of k, by example and group of columns.
var<workgroup> x_step: array<array<vec4<f32>, QUAD_HEIGHT>, EXAMPLE_STEP>;
var<workgroup> dy_step: array<array<vec4<f32>, WIDTH>, EXAMPLE_STEP>;

fn store(split: u32, m: u32, n: u32, value: vec4<f32>) {
    if (m < BATCH && n < GROUPS) {
        y[(split * BATCH + m) * GROUPS + n] = value;
    }
}

@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = thread % COLUMN_THREADS;
    let row = thread / COLUMN_THREADS;
    let first_m = group.y * HEIGHT;
    let first_group = group.x * WIDTH;
    let split = FIRST_ROW / SPLIT + group.z;
    // What this thread loads in each step.
    let quad = thread % STEP;
    let load_group = thread % WIDTH;
    let n = min(first_group + load_group, GROUPS - 1u);
    //: for l0 in ROW_LOADS
    let m_l0 = thread / STEP + l0 * (THREADS / STEP);
    let x_row_l0 = min(first_m + m_l0, BATCH - 1u) * DEPTH_QUADS + FIRST_ROW / 4u;
    //: end
    //: for s0 in SPAN
    let bias_s0 = b[min(first_group + column + s0 * COLUMN_THREADS, GROUPS - 1u)];
    let start_s0 = select(vec4<f32>(0.0), bias_s0, split == 0u);
    //: end
    //: for r0 in TILE
    //: for s0 in SPAN
    var sum_r0_s0 = start_s0;
    //: end
    //: end
    let end = min((group.z + 1u) * (SPLIT / 4u), ROWS / 4u);
    for (var first = group.z * (SPLIT / 4u); first < end; first += STEP) {
        let wanted = first + quad < end;
        //: for l0 in ROW_LOADS
        let x_l0 = x[x_row_l0 + select(0u, first + quad, wanted)];
        //: end
        //: for l0 in COLUMN_LOADS
        let k_l0 = thread / WIDTH + l0 * (THREADS / WIDTH);
        let inside_l0 = first * 4u + k_l0 < end * 4u;
        let w_l0 = w[select(0u, first * 4u + k_l0, inside_l0) * GROUPS + n];
        //: end
        workgroupBarrier(); // the tiles of the step before have been read
        //: for l0 in ROW_LOADS
        if (m_l0 < HEIGHT) {
            examples[m_l0][quad] = select(vec4<f32>(0.0), x_l0, wanted);
        }
        //: end
        //: for l0 in COLUMN_LOADS
        if (k_l0 < 4u * STEP) {
            w_tile[k_l0][load_group] = select(vec4<f32>(0.0), w_l0, inside_l0);
        }
        //: end
        workgroupBarrier();
        //: for q0 in STEP
        {
            //: for s0 in SPAN
            let wx_s0 = w_tile[4u * q0][column + s0 * COLUMN_THREADS];
            let wy_s0 = w_tile[4u * q0 + 1u][column + s0 * COLUMN_THREADS];
            let wz_s0 = w_tile[4u * q0 + 2u][column + s0 * COLUMN_THREADS];
            let ww_s0 = w_tile[4u * q0 + 3u][column + s0 * COLUMN_THREADS];
            //: end
            //: for r0 in TILE
            let v_r0 = examples[row + r0 * ROW_THREADS][q0];
            //: for s0 in SPAN
            sum_r0_s0 += v_r0.x * wx_s0;
            sum_r0_s0 += v_r0.y * wy_s0;
            sum_r0_s0 += v_r0.z * wz_s0;
            sum_r0_s0 += v_r0.w * ww_s0;
            //: end
            //: end
        }
        //: end
    }
    //: for r0 in TILE
    //: for s0 in SPAN
    store(split, first_m + row + r0 * ROW_THREADS, first_group + column + s0 * COLUMN_THREADS, sum_r0_s0);
    //: end
    //: end
}

fn store_dx(m: u32, quad: u32, value: vec4<f32>) {
    if (m < BATCH && quad < ROWS / 4u) {
        let i = m * DEPTH_QUADS + FIRST_ROW / 4u + quad;
        var result = value;
        //: if MASK
        result = select(vec4<f32>(0.0), value, positive[i] > vec4<f32>(0.0));
        //: end
        dx[i] = result;
    }
}

@compute @workgroup_size(THREADS)
fn backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = thread % COLUMN_THREADS;
    let row = thread / COLUMN_THREADS;
    let first_m = group.x * HEIGHT;
    let first_quad = group.y * WIDTH;
    // What this thread loads in each step.
    let part = thread % STEP;
    //: for l0 in ROW_LOADS
    let m_l0 = thread / STEP + l0 * (THREADS / STEP);
    let dy_row_l0 = min(first_m + m_l0, BATCH - 1u) * GROUPS;
    //: end
    //: for l0 in COLUMN_LOADS
    let k_l0 = thread / STEP + l0 * (THREADS / STEP);
    let w_row_l0 = min(first_quad * 4u + k_l0, ROWS - 1u) * GROUPS;
    //: end
    //: for r0 in TILE
    //: for s0 in SPAN
    var sum_r0_s0 = vec4<f32>(0.0);
    //: end
    //: end
    for (var first = 0u; first < GROUPS; first += STEP) {
        let wanted = first + part < GROUPS;
        let n = select(0u, first + part, wanted);
        //: for l0 in ROW_LOADS
        let dy_l0 = dy[dy_row_l0 + n];
        //: end
        //: for l0 in COLUMN_LOADS
        let w_l0 = w[w_row_l0 + n];
        //: end
        workgroupBarrier(); // the tiles of the step before have been read
        //: for l0 in ROW_LOADS
        if (m_l0 < HEIGHT) {
            examples[m_l0][part] = select(vec4<f32>(0.0), dy_l0, wanted);
        }
        //: end
        //: for l0 in COLUMN_LOADS
        if (k_l0 < 4u * WIDTH) {
            w_turned[k_l0 % 4u * WIDTH + k_l0 / 4u][part] = select(vec4<f32>(0.0), w_l0, wanted);
        }
        //: end
        workgroupBarrier();
        //: for q0 in STEP
        {
            //: for s0 in SPAN
            let wx_s0 = w_turned[column + s0 * COLUMN_THREADS][q0];
            let wy_s0 = w_turned[column + s0 * COLUMN_THREADS + WIDTH][q0];
            let wz_s0 = w_turned[column + s0 * COLUMN_THREADS + 2u * WIDTH][q0];
            let ww_s0 = w_turned[column + s0 * COLUMN_THREADS + 3u * WIDTH][q0];
            // Four columns of four k, transposed: each a vector over k.
            let cx_s0 = vec4<f32>(wx_s0.x, wy_s0.x, wz_s0.x, ww_s0.x);
            let cy_s0 = vec4<f32>(wx_s0.y, wy_s0.y, wz_s0.y, ww_s0.y);
            let cz_s0 = vec4<f32>(wx_s0.z, wy_s0.z, wz_s0.z, ww_s0.z);
            let cw_s0 = vec4<f32>(wx_s0.w, wy_s0.w, wz_s0.w, ww_s0.w);
            //: end
            //: for r0 in TILE
            let v_r0 = examples[row + r0 * ROW_THREADS][q0];
            //: for s0 in SPAN
            sum_r0_s0 += v_r0.x * cx_s0;
            sum_r0_s0 += v_r0.y * cy_s0;
            sum_r0_s0 += v_r0.z * cz_s0;
            sum_r0_s0 += v_r0.w * cw_s0;
            //: end
            //: end
        }
        //: end
    }
    //: for r0 in TILE
    //: for s0 in SPAN
    store_dx(first_m + row + r0 * ROW_THREADS, first_quad + column + s0 * COLUMN_THREADS, sum_r0_s0);
    //: end
    //: end
}

// Stores a gradient of w, or updates w by it at once, by the formula of adam.wgsl.
fn finish_dw(i: u32, g: vec4<f32>) {
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

fn store_dw(quad: u32, part: u32, n: u32, value: vec4<f32>) {
    if (quad < ROWS / 4u && n < GROUPS) {
        finish_dw((quad * 4u + part) * GROUPS + n, value);
    }
}

@compute @workgroup_size(THREADS)
fn backward_w(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = thread % COLUMN_THREADS;
    let row = thread / COLUMN_THREADS;
    let first_quad = group.y * QUAD_HEIGHT;
    let first_group = group.x * WIDTH;
    // What this thread loads in each step.
    let load_quad = thread % QUAD_HEIGHT;
    let quad = FIRST_ROW / 4u + min(first_quad + load_quad, ROWS / 4u - 1u);
    let load_group = thread % WIDTH;
    let n = min(first_group + load_group, GROUPS - 1u);
    //: for q0 in QUADS_HELD
    //: for s0 in SPAN
    var sx_q0_s0 = vec4<f32>(0.0);
    var sy_q0_s0 = vec4<f32>(0.0);
    var sz_q0_s0 = vec4<f32>(0.0);
    var sw_q0_s0 = vec4<f32>(0.0);
    //: end
    //: end
    for (var first = 0u; first < BATCH; first += EXAMPLE_STEP) {
        //: for l0 in ROW_LOADS
        let m_l0 = thread / QUAD_HEIGHT + l0 * (THREADS / QUAD_HEIGHT);
        let wanted_l0 = first + m_l0 < BATCH;
        let x_l0 = x[select(0u, first + m_l0, wanted_l0) * DEPTH_QUADS + quad];
        //: end
        //: for l0 in COLUMN_LOADS
        let row_l0 = thread / WIDTH + l0 * (THREADS / WIDTH);
        let inside_l0 = first + row_l0 < BATCH;
        let dy_l0 = dy[select(0u, first + row_l0, inside_l0) * GROUPS + n];
        //: end
        workgroupBarrier(); // the tiles of the step before have been read
        //: for l0 in ROW_LOADS
        if (m_l0 < EXAMPLE_STEP) {
            x_step[m_l0][load_quad] = select(vec4<f32>(0.0), x_l0, wanted_l0);
        }
        //: end
        //: for l0 in COLUMN_LOADS
        if (row_l0 < EXAMPLE_STEP) {
            dy_step[row_l0][load_group] = select(vec4<f32>(0.0), dy_l0, inside_l0);
        }
        //: end
        workgroupBarrier();
        //: for r0 in EXAMPLE_STEP
        {
            //: for s0 in SPAN
            let g_s0 = dy_step[r0][column + s0 * COLUMN_THREADS];
            //: end
            //: for q0 in QUADS_HELD
            let v_q0 = x_step[r0][row + q0 * ROW_THREADS];
            //: for s0 in SPAN
            sx_q0_s0 += v_q0.x * g_s0;
            sy_q0_s0 += v_q0.y * g_s0;
            sz_q0_s0 += v_q0.z * g_s0;
            sw_q0_s0 += v_q0.w * g_s0;
            //: end
            //: end
        }
        //: end
    }
    //: for q0 in QUADS_HELD
    //: for s0 in SPAN
    {
        let quad = first_quad + row + q0 * ROW_THREADS;
        let n = first_group + column + s0 * COLUMN_THREADS;
        store_dw(quad, 0u, n, sx_q0_s0);
        store_dw(quad, 1u, n, sy_q0_s0);
        store_dw(quad, 2u, n, sz_q0_s0);
        store_dw(quad, 3u, n, sw_q0_s0);
    }
    //: end
    //: end
}
