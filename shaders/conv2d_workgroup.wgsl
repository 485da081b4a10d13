// y[b, oy, ox, n] = bias[n] + sum over ky, kx, c of x[b, iy, ix, c] w[ky, kx, c, n], where
//     iy = (oy STRIDE + ky - PAD_TOP) / DILATION, ix likewise, zero outside x and between its pixels;
//     `backward_x` the same without bias, as in conv2d.wgsl
// dw[s, ky, kx, c, n] = sum over the pixels p of split s of x[p's window at ky, kx, c] dy[p, n]
//
// conv2d for GPUs: an implicit matrix product whose tiles a workgroup loads once and shares. The
// threads of a workgroup lie in ROW_THREADS rows of COLUMN_THREADS; a thread sums TILE pixels
// (`forward`, `backward_x`) or QUADS_HELD times four rows (ky, kx, c) of dw (`backward_w`), by SPAN
// groups of four columns. What it holds lies ROW_THREADS or COLUMN_THREADS apart, so that
// neighbouring threads read neighbouring places of the tiles.
//   forward, backward_x: a step takes STEP quads of k = (ky, kx, c).
//   backward_w: a step takes PIXEL_STEP pixels.
// What lies outside x or behind the last k is loaded as zero; rows and columns behind the last are
// loaded again from the last and not stored. Every thread reaches every barrier. Lines between
// `//: for` and `//: end` are repeated by the host, those after `//: if` may go.

const COLUMN_THREADS: u32 = 8u;
const ROW_THREADS: u32 = 8u;
const TILE: u32 = 1u;
const QUADS_HELD: u32 = 1u;
const SPAN: u32 = 1u;
const STEP: u32 = 1u;
const PIXEL_STEP: u32 = 1u;
const ROW_LOADS: u32 = 1u; // loads that fill the tile of rows, for each thread
const COLUMN_LOADS: u32 = 1u; // the same of the tile of columns
const PIXELS: u32 = 1u; // batch * OUT_H * OUT_W
const IN_H: i32 = 1i;
const IN_W: i32 = 1i;
const QUADS: u32 = 1u; // channels of x / 4
const X_STRIDE: u32 = 1u; // quads from pixel to pixel of x, and the first that is ours
const X_FIRST: u32 = 0u;
const OUT_H: u32 = 1u;
const OUT_W: u32 = 1u;
const GROUPS: u32 = 1u; // columns / 4
const Y_STRIDE: u32 = 1u; // groups from pixel to pixel of y, and the first that is ours
const Y_FIRST: u32 = 0u;
const DY_STRIDE: u32 = 1u; // the same of dy
const DY_FIRST: u32 = 0u;
const RELU: u32 = 0u; // 1: y is max(.., 0)
const ADD: u32 = 0u; // 1: y is that and `earlier`
const MASK: u32 = 0u; // 1: y is 0 where `positive` is not
const KERNEL_H: i32 = 1i;
const KERNEL_W: i32 = 1i;
const STRIDE: i32 = 1i;
const DILATION: i32 = 1i;
const PAD_TOP: i32 = 0i;
const PAD_LEFT: i32 = 0i;
const SPLIT: u32 = 64u; // pixels in a split of backward_w
const FIRST_ROW: u32 = 0u; // the first pixel, of backward_w the first split, of this part
const ROWS: u32 = 1u; // pixels or splits of this part
const THREADS: u32 = COLUMN_THREADS * ROW_THREADS;
const WIDTH: u32 = COLUMN_THREADS * SPAN; // groups of columns of a tile
const HEIGHT: u32 = ROW_THREADS * TILE; // pixels of a tile
const QUAD_HEIGHT: u32 = ROW_THREADS * QUADS_HELD; // quads of rows of dw of a tile
const K_QUADS: u32 = u32(KERNEL_H * KERNEL_W) * QUADS;
const r0 = 0u;
const s0 = 0u;
const q0 = 0u;
const l0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> earlier: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> positive: array<vec4<f32>>;

// By pixel and quad of k; one more quad a pixel, so that the pixels that a subgroup reads at once
// lie in different banks.
var<workgroup> x_tile: array<array<vec4<f32>, STEP + 1u>, HEIGHT>;
// By k and group of columns.
var<workgroup> w_tile: array<array<vec4<f32>, WIDTH>, 4u * STEP>;
// By pixel and quad of rows, by pixel and group of columns.
var<workgroup> x_step: array<array<vec4<f32>, QUAD_HEIGHT>, PIXEL_STEP>;
var<workgroup> dy_step: array<array<vec4<f32>, WIDTH>, PIXEL_STEP>;

// Where the window of output pixel `p` begins in x, dilated, and the first row of its image.
fn window(p: u32) -> vec3<i32> {
    let begin = vec2<i32>(i32(p / OUT_W % OUT_H), i32(p % OUT_W)) * STRIDE;
    return vec3<i32>(begin - vec2<i32>(PAD_TOP, PAD_LEFT), i32(p / (OUT_W * OUT_H)) * IN_H);
}

// ky, kx and the quad of channels of a quad of k.
fn tap(k: u32) -> vec3<i32> {
    let t = i32(k / QUADS);
    return vec3<i32>(t / KERNEL_W, t % KERNEL_W, i32(k % QUADS));
}

fn load_x(corner: vec3<i32>, at: vec3<i32>, wanted: bool) -> vec4<f32> {
    let dilated = corner.xy + at.xy;
    let place = dilated / DILATION;
    let inside = wanted && all(dilated >= vec2<i32>(0i)) && all(place < vec2<i32>(IN_H, IN_W))
        && all(place * DILATION == dilated);
    let pixel = u32(select(0i, (corner.z + place.x) * IN_W + place.y, inside));
    return select(vec4<f32>(0.0), x[pixel * X_STRIDE + X_FIRST + u32(at.z)], inside);
}

fn finish(i: u32, value: vec4<f32>) -> vec4<f32> {
    var result = value;
    //: if RELU
    result = select(value, vec4<f32>(0.0), value < vec4<f32>(0.0));
    //: end
    //: if ADD
    result += earlier[i];
    //: end
    //: if MASK
    result = select(vec4<f32>(0.0), result, positive[i] > vec4<f32>(0.0));
    //: end
    return result;
}

fn store(p: u32, n: u32, value: vec4<f32>) {
    if (p < FIRST_ROW + ROWS && n < GROUPS) {
        let i = p * Y_STRIDE + Y_FIRST + n;
        y[i] = finish(i, value);
    }
}

// What the sums begin with: the bias, set by `forward`.
//: for s0 in SPAN
var<private> start_s0: vec4<f32>;
//: end

fn convolve(group: vec3<u32>, thread: u32) {
    let column = thread % COLUMN_THREADS;
    let row = thread / COLUMN_THREADS;
    let first_pixel = FIRST_ROW + group.y * HEIGHT;
    let first_group = group.x * WIDTH;
    // What this thread loads in each step.
    let quad = thread % STEP;
    let load_group = thread % WIDTH;
    let n = min(first_group + load_group, GROUPS - 1u);
    //: for l0 in ROW_LOADS
    let pixel_l0 = thread / STEP + l0 * (THREADS / STEP);
    let corner_l0 = window(min(first_pixel + pixel_l0, PIXELS - 1u));
    //: end
    //: for r0 in TILE
    //: for s0 in SPAN
    var sum_r0_s0 = start_s0;
    //: end
    //: end
    for (var first = 0u; first < K_QUADS; first += STEP) {
        let at = tap(first + quad);
        //: for l0 in ROW_LOADS
        let x_l0 = load_x(corner_l0, at, first + quad < K_QUADS);
        //: end
        //: for l0 in COLUMN_LOADS
        let k_l0 = thread / WIDTH + l0 * (THREADS / WIDTH);
        let inside_l0 = first * 4u + k_l0 < K_QUADS * 4u;
        let w_l0 = w[select(0u, first * 4u + k_l0, inside_l0) * GROUPS + n];
        //: end
        workgroupBarrier(); // the tiles of the step before have been read
        //: for l0 in ROW_LOADS
        if (pixel_l0 < HEIGHT) {
            x_tile[pixel_l0][quad] = x_l0;
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
            let v_r0 = x_tile[row + r0 * ROW_THREADS][q0];
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
    store(first_pixel + row + r0 * ROW_THREADS, first_group + column + s0 * COLUMN_THREADS, sum_r0_s0);
    //: end
    //: end
}

@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    //: for s0 in SPAN
    let n_s0 = group.x * WIDTH + thread % COLUMN_THREADS + s0 * COLUMN_THREADS;
    start_s0 = bias[min(n_s0, GROUPS - 1u)];
    //: end
    convolve(group, thread);
}

@compute @workgroup_size(THREADS)
fn backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    convolve(group, thread);
}

fn store_dw(split: u32, quad: u32, part: u32, n: u32, value: vec4<f32>) {
    if (quad < K_QUADS && n < GROUPS) {
        dw[((split * K_QUADS + quad) * 4u + part) * GROUPS + n] = value;
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
    let at = tap(min(first_quad + load_quad, K_QUADS - 1u));
    let load_group = thread % WIDTH;
    let n = DY_FIRST + min(first_group + load_group, GROUPS - 1u);
    //: for q0 in QUADS_HELD
    //: for s0 in SPAN
    var sx_q0_s0 = vec4<f32>(0.0);
    var sy_q0_s0 = vec4<f32>(0.0);
    var sz_q0_s0 = vec4<f32>(0.0);
    var sw_q0_s0 = vec4<f32>(0.0);
    //: end
    //: end
    let split = FIRST_ROW + group.z;
    let end = min((split + 1u) * SPLIT, PIXELS);
    for (var first = split * SPLIT; first < end; first += PIXEL_STEP) {
        //: for l0 in ROW_LOADS
        let pixel_l0 = thread / QUAD_HEIGHT + l0 * (THREADS / QUAD_HEIGHT);
        let x_l0 = load_x(window(first + pixel_l0), at, first + pixel_l0 < end);
        //: end
        //: for l0 in COLUMN_LOADS
        let row_l0 = thread / WIDTH + l0 * (THREADS / WIDTH);
        let inside_l0 = first + row_l0 < end;
        let dy_l0 = dy[select(0u, first + row_l0, inside_l0) * DY_STRIDE + n];
        //: end
        workgroupBarrier(); // the tiles of the step before have been read
        //: for l0 in ROW_LOADS
        if (pixel_l0 < PIXEL_STEP) {
            x_step[pixel_l0][load_quad] = x_l0;
        }
        //: end
        //: for l0 in COLUMN_LOADS
        if (row_l0 < PIXEL_STEP) {
            dy_step[row_l0][load_group] = select(vec4<f32>(0.0), dy_l0, inside_l0);
        }
        //: end
        workgroupBarrier();
        //: for r0 in PIXEL_STEP
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
        store_dw(split, quad, 0u, n, sx_q0_s0);
        store_dw(split, quad, 1u, n, sy_q0_s0);
        store_dw(split, quad, 2u, n, sz_q0_s0);
        store_dw(split, quad, 3u, n, sw_q0_s0);
    }
    //: end
    //: end
}
