// y[s, m, n] = (s == 0 ? b[n] : 0) + sum over k in split s of x[m, k] w[k, n]
// dx[m, k] = sum over n of dy[m, n] w[k, n]
// dw[k, n] = sum over m of x[m, k] dy[m, n], stored or used at once to update w by Adam
//
// dense for adapters with subgroups of LANES threads where loads are dear and a shuffle is cheap
// (processors). A workgroup is one subgroup: ROW_LANES lanes along the columns, four columns each,
// SPAN times, and LANES / ROW_LANES such rows of lanes.
//   forward: a row of lanes takes TILE examples; each lane holds four k of each and hands them round.
//   backward_x: a lane takes four k and TILE examples; it holds four columns of each example's dy
//     and hands them round.
//   backward_w: a row of lanes takes QUADS_HELD quads of k; each lane holds one quad of an example's
//     x and hands it round.
// Lines between `//: for` and `//: end` are repeated by the host, those after `//: if` may go.

const LANES: u32 = 8u;
const ROW_LANES: u32 = 8u;
const SPAN: u32 = 1u;
const TILE: u32 = 1u;
const QUADS_HELD: u32 = 1u;
const BATCH: u32 = 1u;
const DEPTH_QUADS: u32 = 1u; // k in all of w / 4
const GROUPS: u32 = 1u; // columns / 4
const SPLIT: u32 = 2048u;
const FIRST_ROW: u32 = 0u; // k where this shard begins
const ROWS: u32 = 4u; // k in this shard
// Groups of columns in a panel: w and what is shaped like it lie panel by panel, in each its rows.
const PANEL: u32 = 1u;
const LANE_ROWS: u32 = LANES / ROW_LANES;
const COLUMN_BLOCKS: u32 = (GROUPS + ROW_LANES * SPAN - 1u) / (ROW_LANES * SPAN);
const BATCH_BLOCKS: u32 = (BATCH + TILE * LANE_ROWS - 1u) / (TILE * LANE_ROWS);
const ROW_BLOCKS: u32 = (ROWS / 4u + QUADS_HELD * LANE_ROWS - 1u) / (QUADS_HELD * LANE_ROWS);
const X_BUFFER: u32 = 1u; // x and dy are read from a buffer or from an image: 1 and 0, or 0 and 1
const X_IMAGE: u32 = 0u;
const DY_BUFFER: u32 = 1u;
const DY_IMAGE: u32 = 0u;
const MASK: u32 = 0u; // 1: dx is 0 where `positive` is not
const STORE_DW: u32 = 1u; // 1 or 0
const UPDATE_W: u32 = 1u; // 1 or 0
const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const ONE_MINUS_BETA1: f32 = 0.1;
const ONE_MINUS_BETA2: f32 = 0.001;
const EPSILON: f32 = 1e-8;
const r0 = 0u;
const s0 = 0u;
const q0 = 0u;

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
@group(0) @binding(12) var x_image: texture_storage_2d<rgba32float, read>;
@group(0) @binding(13) var dy_image: texture_storage_2d<rgba32float, read>;

fn load_x(i: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    //: if X_BUFFER
    value = x[i];
    //: end
    //: if X_IMAGE
    value = textureLoad(x_image, vec2<u32>(i % 4096u, i / 4096u));
    //: end
    return value;
}

fn load_dy(i: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    //: if DY_BUFFER
    value = dy[i];
    //: end
    //: if DY_IMAGE
    value = textureLoad(dy_image, vec2<u32>(i % 4096u, i / 4096u));
    //: end
    return value;
}

// Group of columns number `span` of this lane; `load_column` stays inside.
fn column(group: u32, span: u32, lane: u32) -> u32 {
    return (group * SPAN + span) * ROW_LANES + lane % ROW_LANES;
}

fn load_column(group: u32, span: u32, lane: u32) -> u32 {
    return min(column(group, span, lane), GROUPS - 1u);
}

// Groups of columns in the panel that group of columns n is in: the last panel may be narrower.
fn panel_width(n: u32) -> u32 {
    return min(PANEL, GROUPS - n / PANEL * PANEL);
}

// Where group of columns n of row 0 lies in w.
fn panel_place(n: u32) -> u32 {
    return n / PANEL * PANEL * ROWS + n % PANEL;
}

fn store(split: u32, m: u32, n: u32, value: vec4<f32>) {
    if (m < BATCH && n < GROUPS) {
        y[(split * BATCH + m) * GROUPS + n] = value;
    }
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let place = id.x % ROW_LANES;
    let home = id.x - place; // the first lane of this row of lanes
    // Neighbouring workgroups take all examples of a panel, then the next panel.
    let serial = group.y * COLUMN_BLOCKS + group.x;
    let block = vec2<u32>(serial / BATCH_BLOCKS, serial % BATCH_BLOCKS);
    let first = (block.y * LANE_ROWS + id.x / ROW_LANES) * TILE;
    let split = FIRST_ROW / SPLIT + group.z;
    let begin = group.z * SPLIT / 4u;
    let end = min(begin + SPLIT / 4u, ROWS / 4u);
    //: for s0 in SPAN
    let n_s0 = load_column(block.x, s0, id.x);
    let first_s0 = select(vec4<f32>(0.0), b[n_s0], split == 0u);
    let m_s0 = panel_place(n_s0);
    let width_s0 = panel_width(n_s0);
    //: end
    //: for r0 in TILE
    let row_r0 = min(first + r0, BATCH - 1u) * DEPTH_QUADS + FIRST_ROW / 4u;
    //: for s0 in SPAN
    var sum_r0_s0 = first_s0;
    //: end
    //: end
    for (var at = begin; at < end; at += ROW_LANES) {
        let quad = min(at + place, end - 1u);
        //: for r0 in TILE
        let x_r0 = load_x(row_r0 + quad);
        //: end
        for (var j = 0u; j < min(ROW_LANES, end - at); j++) {
            let k = (at + j) * 4u;
            //: for s0 in SPAN
            let wx_s0 = w[m_s0 + k * width_s0];
            let wy_s0 = w[m_s0 + (k + 1u) * width_s0];
            let wz_s0 = w[m_s0 + (k + 2u) * width_s0];
            let ww_s0 = w[m_s0 + (k + 3u) * width_s0];
            //: end
            //: for r0 in TILE
            let v_r0 = subgroupShuffle(x_r0, home + j);
            //: for s0 in SPAN
            sum_r0_s0 += v_r0.x * wx_s0;
            sum_r0_s0 += v_r0.y * wy_s0;
            sum_r0_s0 += v_r0.z * wz_s0;
            sum_r0_s0 += v_r0.w * ww_s0;
            //: end
            //: end
        }
    }
    //: for r0 in TILE
    //: for s0 in SPAN
    store(split, first + r0, column(block.x, s0, id.x), sum_r0_s0);
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

@compute @workgroup_size(LANES)
fn backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let quad = group.x * LANES + id.x;
    let k = min(quad, ROWS / 4u - 1u) * 4u;
    let first = group.y * TILE;
    //: for r0 in TILE
    let row_r0 = min(first + r0, BATCH - 1u) * GROUPS;
    var sum_r0 = vec4<f32>(0.0);
    //: end
    for (var block = 0u; block < GROUPS; block += LANES) {
        let n = min(block + id.x, GROUPS - 1u);
        //: for r0 in TILE
        let g_r0 = load_dy(row_r0 + n);
        //: end
        let width = panel_width(block);
        let place = panel_place(block) + k * width;
        for (var j = 0u; j < min(LANES, GROUPS - block); j++) {
            let i = place + j;
            // Four columns of four k, transposed: each a vector over k.
            let wx = w[i];
            let wy = w[i + width];
            let wz = w[i + 2u * width];
            let ww = w[i + 3u * width];
            let c0 = vec4<f32>(wx.x, wy.x, wz.x, ww.x);
            let c1 = vec4<f32>(wx.y, wy.y, wz.y, ww.y);
            let c2 = vec4<f32>(wx.z, wy.z, wz.z, ww.z);
            let c3 = vec4<f32>(wx.w, wy.w, wz.w, ww.w);
            //: for r0 in TILE
            let v_r0 = subgroupShuffle(g_r0, j);
            sum_r0 += v_r0.x * c0;
            sum_r0 += v_r0.y * c1;
            sum_r0 += v_r0.z * c2;
            sum_r0 += v_r0.w * c3;
            //: end
        }
    }
    //: for r0 in TILE
    store_dx(first + r0, quad, sum_r0);
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

fn store_dw(row: u32, n: u32, value: vec4<f32>) {
    if (row < ROWS && n < GROUPS) {
        finish_dw(panel_place(n) + row * panel_width(n), value);
    }
}

@compute @workgroup_size(LANES)
fn backward_w(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let place = id.x % ROW_LANES;
    let home = id.x - place;
    // Where w lies in panels, neighbouring workgroups take neighbouring rows of one panel.
    let serial = group.y * COLUMN_BLOCKS + group.x;
    let in_panel = vec2<u32>(serial / ROW_BLOCKS, serial % ROW_BLOCKS);
    let block = select(group.xy, in_panel, PANEL < GROUPS);
    let first = (block.y * LANE_ROWS + id.x / ROW_LANES) * QUADS_HELD;
    let quad = FIRST_ROW / 4u + min(first + place % QUADS_HELD, ROWS / 4u - 1u);
    //: for s0 in SPAN
    let m_s0 = load_column(block.x, s0, id.x);
    //: end
    //: for q0 in QUADS_HELD
    //: for s0 in SPAN
    var sx_q0_s0 = vec4<f32>(0.0);
    var sy_q0_s0 = vec4<f32>(0.0);
    var sz_q0_s0 = vec4<f32>(0.0);
    var sw_q0_s0 = vec4<f32>(0.0);
    //: end
    //: end
    for (var m = 0u; m < BATCH; m++) {
        let held = load_x(m * DEPTH_QUADS + quad);
        //: for s0 in SPAN
        let g_s0 = load_dy(m * GROUPS + m_s0);
        //: end
        //: for q0 in QUADS_HELD
        let v_q0 = subgroupShuffle(held, home + q0);
        //: for s0 in SPAN
        sx_q0_s0 += v_q0.x * g_s0;
        sy_q0_s0 += v_q0.y * g_s0;
        sz_q0_s0 += v_q0.z * g_s0;
        sw_q0_s0 += v_q0.w * g_s0;
        //: end
        //: end
    }
    // Finished in a loop over the quads: all unrolled, the update would be more code than an
    // instruction cache holds. To choose them one by one costs less than an array in memory.
    for (var q = 0u; q < QUADS_HELD; q++) {
        //: for s0 in SPAN
        var x_s0 = vec4<f32>(0.0);
        var y_s0 = vec4<f32>(0.0);
        var z_s0 = vec4<f32>(0.0);
        var w_s0 = vec4<f32>(0.0);
        //: end
        //: for q0 in QUADS_HELD
        //: for s0 in SPAN
        x_s0 = select(x_s0, sx_q0_s0, q == q0);
        y_s0 = select(y_s0, sy_q0_s0, q == q0);
        z_s0 = select(z_s0, sz_q0_s0, q == q0);
        w_s0 = select(w_s0, sw_q0_s0, q == q0);
        //: end
        //: end
        let row = (first + q) * 4u;
        //: for s0 in SPAN
        store_dw(row, column(block.x, s0, id.x), x_s0);
        //: end
        //: for s0 in SPAN
        store_dw(row + 1u, column(block.x, s0, id.x), y_s0);
        //: end
        //: for s0 in SPAN
        store_dw(row + 2u, column(block.x, s0, id.x), z_s0);
        //: end
        //: for s0 in SPAN
        store_dw(row + 3u, column(block.x, s0, id.x), w_s0);
        //: end
    }
}
