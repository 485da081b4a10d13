// y[b, oy, ox, n] = bias[n] + sum over ky, kx, c of x[b, oy + ky - PAD_TOP, ox + kx - PAD_LEFT, c]
//     w[ky, kx, c, n], zero outside x; `backward_x` the same without bias, as in conv2d.wgsl
// dw[s, ky, kx, c, n] = sum over the image rows of split s of x[window at ky, kx, c] dy[.., n]
//
// conv2d at stride 1 for adapters with subgroups of LANES threads where loads are dear and a
// shuffle is cheap (processors). A workgroup is one subgroup: ROW_LANES lanes along the columns,
// four columns each, SPAN times, and LANES / ROW_LANES such rows of lanes.
//   forward, backward_x: a row of lanes takes TILE neighbouring pixels of an image row. Each lane
//     holds four channels of each pixel's tap and hands them round; for the next tap the pixels
//     move on by one and only one is loaded.
//   backward_w: a row of lanes takes TAPS neighbouring kx of one ky by QUADS_HELD quads of channels
//     and walks the pixels; tap u stands for kx = TAPS - 1 - u, so that moving on is a shift.
// Lines between `//: for` and `//: end` are repeated by the host, those after `//: if` may go.

const LANES: u32 = 8u;
const ROW_LANES: u32 = 8u;
const SPAN: u32 = 1u;
const TILE: u32 = 1u;
const TAPS: u32 = 1u;
const QUADS_HELD: u32 = 1u;
const IMAGE_ROWS: u32 = 1u; // batch * OUT_H
const IN_H: i32 = 1i;
const IN_W: i32 = 1i;
const QUADS: u32 = 1u; // channels of x / 4
const OUT_H: u32 = 1u;
const OUT_W: u32 = 1u;
const GROUPS: u32 = 1u; // columns / 4
const X_STRIDE: u32 = 1u; // quads from pixel to pixel of x, and the first that is ours
const X_FIRST: u32 = 0u;
const Y_STRIDE: u32 = 1u; // groups from pixel to pixel of y, and the first that is ours
const Y_FIRST: u32 = 0u;
const DY_STRIDE: u32 = 1u; // the same of dy
const DY_FIRST: u32 = 0u;
const RELU: u32 = 0u; // 1: y is max(.., 0)
const ADD: u32 = 0u; // 1: y is that and `earlier`
const MASK: u32 = 0u; // 1: y is 0 where `positive` is not
const KERNEL_H: i32 = 1i;
const KERNEL_W: i32 = 1i;
const PAD_TOP: i32 = 0i;
const PAD_LEFT: i32 = 0i;
const SPLIT_ROWS: u32 = 1u; // image rows in a split of backward_w
const X_BUFFER: u32 = 1u; // x, w, dy are read from a buffer or from an image: 1 and 0, or 0 and 1
const X_IMAGE: u32 = 0u;
const W_BUFFER: u32 = 1u;
const W_IMAGE: u32 = 0u;
const DY_BUFFER: u32 = 1u;
const DY_IMAGE: u32 = 0u;
const SEGMENTS: u32 = (OUT_W + TILE - 1u) / TILE; // of an image row
const LANE_ROWS: u32 = LANES / ROW_LANES;
const r0 = 0u;
const s0 = 0u;
const u0 = 0u;
const q0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> earlier: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> positive: array<vec4<f32>>;
@group(0) @binding(8) var x_image: texture_storage_2d<rgba32float, read>;
@group(0) @binding(9) var w_image: texture_storage_2d<rgba32float, read>;
@group(0) @binding(10) var dy_image: texture_storage_2d<rgba32float, read>;

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

fn load_w(i: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    //: if W_BUFFER
    value = w[i];
    //: end
    //: if W_IMAGE
    value = textureLoad(w_image, vec2<u32>(i % 4096u, i / 4096u));
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

// Four channels of the pixel (row, ix) of x; row is counted over all images.
fn load(row: i32, row_inside: bool, ix: i32, quad: u32) -> vec4<f32> {
    let inside = row_inside && ix >= 0i && ix < IN_W;
    let index = u32(select(0i, row * IN_W + ix, inside)) * X_STRIDE + X_FIRST + quad;
    return select(vec4<f32>(0.0), load_x(index), inside);
}

fn store(image_row: u32, ox: u32, n: u32, value: vec4<f32>) {
    if (image_row < IMAGE_ROWS && ox < OUT_W && n < GROUPS) {
        let i = (image_row * OUT_W + ox) * Y_STRIDE + Y_FIRST + n;
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
        y[i] = result;
    }
}

// Group of columns number `span` of this lane; `load_column` stays inside.
fn column(group: u32, span: u32, lane: u32) -> u32 {
    return (group * SPAN + span) * ROW_LANES + lane % ROW_LANES;
}

fn load_column(group: u32, span: u32, lane: u32) -> u32 {
    return min(column(group, span, lane), GROUPS - 1u);
}

// What the sums begin with: the bias, set by `forward`.
//: for s0 in SPAN
var<private> start_s0: vec4<f32>;
//: end

fn convolve(group: vec3<u32>, lane: u32) {
    let place = lane % ROW_LANES;
    let home = lane - place; // the first lane of this row of lanes
    let segment = group.y * LANE_ROWS + lane / ROW_LANES;
    let image_row = segment / SEGMENTS;
    let first = segment % SEGMENTS * TILE;
    let top = i32(image_row % OUT_H) - PAD_TOP;
    let image = i32(image_row / OUT_H) * IN_H;
    //: for s0 in SPAN
    let m_s0 = load_column(group.x, s0, lane);
    //: end
    //: for r0 in TILE
    //: for s0 in SPAN
    var sum_r0_s0 = start_s0;
    //: end
    //: end
    for (var ky = 0i; ky < KERNEL_H; ky++) {
        let iy = top + ky;
        let inside = iy >= 0i && iy < IN_H && image_row < IMAGE_ROWS;
        for (var block = 0u; block < QUADS; block += ROW_LANES) {
            let quad = min(block + place, QUADS - 1u);
            let left = i32(first) - PAD_LEFT;
            //: for r0 in TILE
            var x_r0 = load(image + iy, inside, left + KERNEL_W - 1i + i32(r0), quad);
            //: end
            for (var kx = KERNEL_W - 1i; kx >= 0i; kx--) {
                let row = u32(ky * KERNEL_W + kx) * QUADS + block;
                for (var j = 0u; j < min(ROW_LANES, QUADS - block); j++) {
                    let k = (row + j) * 4u * GROUPS;
                    //: for s0 in SPAN
                    let wx_s0 = load_w(k + m_s0);
                    let wy_s0 = load_w(k + GROUPS + m_s0);
                    let wz_s0 = load_w(k + 2u * GROUPS + m_s0);
                    let ww_s0 = load_w(k + 3u * GROUPS + m_s0);
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
                if (kx > 0i) {
                    var carry = load(image + iy, inside, left + kx - 1i, quad);
                    //: for r0 in TILE
                    let old_r0 = x_r0;
                    x_r0 = carry;
                    carry = old_r0;
                    //: end
                }
            }
        }
    }
    //: for r0 in TILE
    //: for s0 in SPAN
    store(image_row, first + r0, column(group.x, s0, lane), sum_r0_s0);
    //: end
    //: end
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    //: for s0 in SPAN
    start_s0 = bias[load_column(group.x, s0, id.x)];
    //: end
    convolve(group, id.x);
}

@compute @workgroup_size(LANES)
fn backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    convolve(group, id.x);
}

fn store_dw(split: u32, ky: i32, kx: i32, quad: u32, part: u32, n: u32, value: vec4<f32>) {
    if (ky < KERNEL_H && kx < KERNEL_W && quad < QUADS && n < GROUPS) {
        let tap = u32(ky * KERNEL_W + kx);
        let taps = u32(KERNEL_H * KERNEL_W);
        dw[((split * taps + tap) * QUADS * 4u + quad * 4u + part) * GROUPS + n] = value;
    }
}

@compute @workgroup_size(LANES)
fn backward_w(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let place = id.x % ROW_LANES;
    let home = id.x - place;
    // Blocks of rows of dw: quads of channels innermost, then kx, then ky.
    let block = group.y * LANE_ROWS + id.x / ROW_LANES;
    let quad_blocks = (QUADS + QUADS_HELD - 1u) / QUADS_HELD;
    let first_quad = block % quad_blocks * QUADS_HELD;
    let tap_blocks = (u32(KERNEL_W) + TAPS - 1u) / TAPS;
    let first_kx = i32(block / quad_blocks % tap_blocks * TAPS);
    let ky = i32(block / quad_blocks / tap_blocks);
    let quad = min(first_quad + place % QUADS_HELD, QUADS - 1u);
    //: for s0 in SPAN
    let m_s0 = load_column(group.x, s0, id.x);
    //: end
    //: for u0 in TAPS
    //: for q0 in QUADS_HELD
    //: for s0 in SPAN
    var sx_u0_q0_s0 = vec4<f32>(0.0);
    var sy_u0_q0_s0 = vec4<f32>(0.0);
    var sz_u0_q0_s0 = vec4<f32>(0.0);
    var sw_u0_q0_s0 = vec4<f32>(0.0);
    //: end
    //: end
    //: end
    let begin = group.z * SPLIT_ROWS;
    let end = min(begin + SPLIT_ROWS, IMAGE_ROWS);
    for (var image_row = begin; image_row < end; image_row++) {
        let iy = i32(image_row % OUT_H) - PAD_TOP + ky;
        let inside = iy >= 0i && iy < IN_H;
        let row = i32(image_row / OUT_H) * IN_H + iy;
        let left = first_kx - PAD_LEFT;
        // As they stand before pixel 0, so that each pixel begins by moving on.
        //: for u0 in TAPS
        var x_u0 = load(row, inside, left + i32(TAPS) - 2i - i32(u0), quad);
        //: end
        for (var ox = 0u; ox < OUT_W; ox++) {
            var carry = load(row, inside, left + i32(TAPS) - 1i + i32(ox), quad);
            //: for u0 in TAPS
            let old_u0 = x_u0;
            x_u0 = carry;
            carry = old_u0;
            //: end
            let pixel = (image_row * OUT_W + ox) * DY_STRIDE + DY_FIRST;
            //: for s0 in SPAN
            let g_s0 = load_dy(pixel + m_s0);
            //: end
            //: for u0 in TAPS
            //: for q0 in QUADS_HELD
            let v_u0_q0 = subgroupShuffle(x_u0, home + q0);
            //: for s0 in SPAN
            sx_u0_q0_s0 += v_u0_q0.x * g_s0;
            sy_u0_q0_s0 += v_u0_q0.y * g_s0;
            sz_u0_q0_s0 += v_u0_q0.z * g_s0;
            sw_u0_q0_s0 += v_u0_q0.w * g_s0;
            //: end
            //: end
            //: end
        }
    }
    //: for u0 in TAPS
    //: for q0 in QUADS_HELD
    //: for s0 in SPAN
    {
        let kx = first_kx + i32(TAPS) - 1i - i32(u0);
        let n = column(group.x, s0, id.x);
        store_dw(group.z, ky, kx, first_quad + q0, 0u, n, sx_u0_q0_s0);
        store_dw(group.z, ky, kx, first_quad + q0, 1u, n, sy_u0_q0_s0);
        store_dw(group.z, ky, kx, first_quad + q0, 2u, n, sz_u0_q0_s0);
        store_dw(group.z, ky, kx, first_quad + q0, 3u, n, sw_u0_q0_s0);
    }
    //: end
    //: end
    //: end
}
