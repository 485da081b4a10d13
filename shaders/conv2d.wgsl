// y[b, oy, ox, n] = bias[n] + sum over ky, kx, c of x[b, iy, ix, c] w[ky, kx, c, n]
//     iy = (oy STRIDE + ky - PAD_TOP) / DILATION, ix likewise, zero outside x and between its pixels
// dx is the same sum over dy with w flipped and transposed (`flip`), STRIDE and DILATION exchanged
//     and padding KERNEL - 1 - PAD (Dumoulin and Visin 2016, section 4): the entry `backward_x`
//     reads dy as x and writes dx as y
// flipped[ky, kx, n, c] = w[KERNEL_H - 1 - ky, KERNEL_W - 1 - kx, c, n]
// dw[s, ky, kx, c, n] = sum over the pixels p of split s of x[p's window at ky, kx, c] dy[p, n]
//
// An implicit matrix product: padding is handled where x is loaded. Each thread keeps a tile in
// registers: `forward` and `backward_x` TILE pixels by SPAN groups of columns, `backward_w` TILE rows
// (ky, kx, c) by SPAN groups of columns over the pixels of one split, which `sum_rows` adds. Lines
// between `//: for` and `//: end` are repeated by the host, those after `//: if` may go.
// Constants between `//: sizes` and `//: end` may be bound instead.

alias Columns = f32; // or vec4<f32> when the columns of w are a multiple of 4
//: sizes
const PIXELS: u32 = 1u; // batch * OUT_H * OUT_W
const IN_H: i32 = 1i;
const IN_W: i32 = 1i;
const CHANNELS: u32 = 1u; // of x
const X_STRIDE: u32 = 1u; // from pixel to pixel of x, which may be some channels of a wider tensor
const X_FIRST: u32 = 0u; // the first of these channels
const OUT_H: u32 = 1u;
const OUT_W: u32 = 1u;
const GROUPS: u32 = 1u; // groups of columns of w, y and dy
const Y_STRIDE: u32 = 1u; // groups from pixel to pixel of y, and the first that is ours
const Y_FIRST: u32 = 0u;
const DY_STRIDE: u32 = 1u; // the same of dy
const DY_FIRST: u32 = 0u;
const COLUMNS: u32 = 1u; // columns of w, for flip
const KERNEL_H: i32 = 1i;
const KERNEL_W: i32 = 1i;
const PAD_TOP: i32 = 0i;
const PAD_LEFT: i32 = 0i;
const SPLIT: u32 = 64u; // pixels in a split of backward_w
const FIRST_ROW: u32 = 0u; // the first pixel, of backward_w the first split, of this part
const ROWS: u32 = 1u; // pixels or splits of this part
//: end
const STRIDE: i32 = 1i;
const DILATION: i32 = 1i;
const RELU: u32 = 0u; // 1: y is max(.., 0)
const ADD: u32 = 0u; // 1: y is that and `earlier`
const MASK: u32 = 0u; // 1: y is 0 where `positive` is not
const SIZE_X: u32 = 8u; // threads of a workgroup along the columns
const SIZE_Y: u32 = 8u; // along pixels or rows: SIZE_X * SIZE_Y is a multiple of any subgroup
const TILE: u32 = 1u;
const SPAN: u32 = 1u; // groups of columns that a thread takes
const r0 = 0u;
const g0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<Columns>;
@group(0) @binding(2) var<storage, read> bias: array<Columns>;
@group(0) @binding(3) var<storage, read_write> y: array<Columns>;
@group(0) @binding(4) var<storage, read> dy: array<Columns>;
@group(0) @binding(5) var<storage, read_write> dw: array<Columns>;
@group(0) @binding(6) var<storage, read> w_made: array<f32>;
@group(0) @binding(7) var<storage, read_write> flipped: array<f32>;
@group(0) @binding(8) var<storage, read> earlier: array<Columns>;
@group(0) @binding(9) var<storage, read> positive: array<Columns>;

// Threads along the columns.
fn blocks() -> u32 {
    return (GROUPS + SPAN - 1u) / SPAN;
}

fn taps() -> u32 {
    return u32(KERNEL_H * KERNEL_W);
}

// Where the window of output pixel `p` begins in x, dilated.
fn window(p: u32) -> vec2<i32> {
    return vec2<i32>(i32(p / OUT_W % OUT_H), i32(p % OUT_W)) * STRIDE - vec2<i32>(PAD_TOP, PAD_LEFT);
}

// Index in x of channel 0 of pixel `p`'s tap, or -1 outside.
fn source(p: u32, ky: i32, kx: i32) -> i32 {
    let pixel = min(p, PIXELS - 1u);
    let dilated = window(pixel) + vec2<i32>(ky, kx);
    let place = dilated / DILATION;
    let inside = all(dilated >= vec2<i32>(0i)) && all(place < vec2<i32>(IN_H, IN_W))
        && all(place * DILATION == dilated);
    let image = i32(pixel / (OUT_W * OUT_H));
    let index = ((image * IN_H + place.x) * IN_W + place.y) * i32(X_STRIDE) + i32(X_FIRST);
    return select(-1i, index, inside);
}

// The group of columns number `g` of a thread: neighbouring threads take neighbouring columns, so that
// their loads are contiguous. Beyond the last group it is that one again, whose sums are dropped.
fn group(thread: u32, g: u32) -> u32 {
    return min(thread + g * blocks(), GROUPS - 1u);
}

fn tap(index: i32, c: u32) -> f32 {
    return select(0.0, x[u32(max(index, 0i)) + c], index >= 0i);
}

fn finish(i: u32, value: Columns) -> Columns {
    var result = value;
    //: if RELU
    result = select(value, Columns(0.0), value < Columns(0.0));
    //: end
    //: if ADD
    result += earlier[i];
    //: end
    //: if MASK
    result = select(Columns(0.0), result, positive[i] > Columns(0.0));
    //: end
    return result;
}

fn store(p: u32, n: u32, value: Columns) {
    if (p < FIRST_ROW + ROWS && n < GROUPS) {
        let i = p * Y_STRIDE + Y_FIRST + n;
        y[i] = finish(i, value);
    }
}

fn convolve(id: vec3<u32>, first: array<Columns, SPAN>) {
    let pixel = FIRST_ROW + id.y * TILE;
    if (id.x >= blocks() || pixel >= FIRST_ROW + ROWS) {
        return;
    }
    //: for g0 in SPAN
    let n_g0 = group(id.x, g0);
    //: end
    //: for r0 in TILE
    //: for g0 in SPAN
    var sum_r0_g0 = first[g0];
    //: end
    //: end
    for (var ky = 0i; ky < KERNEL_H; ky++) {
        for (var kx = 0i; kx < KERNEL_W; kx++) {
            //: for r0 in TILE
            let index_r0 = source(pixel + r0, ky, kx);
            //: end
            let row = u32(ky * KERNEL_W + kx) * CHANNELS;
            for (var c = 0u; c < CHANNELS; c++) {
                //: for g0 in SPAN
                let w_g0 = w[(row + c) * GROUPS + n_g0];
                //: end
                //: for r0 in TILE
                let value_r0 = tap(index_r0, c);
                //: for g0 in SPAN
                sum_r0_g0 += value_r0 * w_g0;
                //: end
                //: end
            }
        }
    }
    //: for r0 in TILE
    //: for g0 in SPAN
    store(pixel + r0, id.x + g0 * blocks(), sum_r0_g0);
    //: end
    //: end
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    var first: array<Columns, SPAN>;
    //: for g0 in SPAN
    first[g0] = bias[group(id.x, g0)];
    //: end
    convolve(id, first);
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn backward_x(@builtin(global_invocation_id) id: vec3<u32>) {
    convolve(id, array<Columns, SPAN>());
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn flip(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x;
    let row = id.y;
    if (n < COLUMNS && row < taps() * CHANNELS) {
        let c = row % CHANNELS;
        let k = taps() - 1u - row / CHANNELS;
        flipped[(k * COLUMNS + n) * CHANNELS + c] = w_made[row * COLUMNS + n];
    }
}

// ky - PAD_TOP, kx - PAD_LEFT, c of a row of dw; rows past the end repeat the last.
fn place(row: u32) -> vec3<i32> {
    let r = min(row, taps() * CHANNELS - 1u);
    let k = i32(r / CHANNELS);
    return vec3<i32>(k / KERNEL_W, k % KERNEL_W, i32(r % CHANNELS));
}

fn at(image: i32, p: vec2<i32>, c: i32) -> f32 {
    let inside = all(p >= vec2<i32>(0i)) && all(p < vec2<i32>(IN_H, IN_W));
    let index = ((image * IN_H + p.x) * IN_W + p.y) * i32(X_STRIDE) + i32(X_FIRST) + c;
    return select(0.0, x[u32(select(0i, index, inside))], inside);
}

fn store_dw(split: u32, row: u32, n: u32, value: Columns) {
    if (row < taps() * CHANNELS && n < GROUPS) {
        dw[(split * taps() * CHANNELS + row) * GROUPS + n] = value;
    }
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn backward_w(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y * TILE;
    if (id.x >= blocks() || row >= taps() * CHANNELS) {
        return;
    }
    //: for g0 in SPAN
    let n_g0 = group(id.x, g0);
    //: end
    //: for r0 in TILE
    let place_r0 = place(row + r0);
    //: for g0 in SPAN
    var sum_r0_g0 = Columns(0.0);
    //: end
    //: end
    let split = FIRST_ROW + id.z;
    let begin = split * SPLIT;
    let end = min(begin + SPLIT, PIXELS);
    for (var p = begin; p < end; p++) {
        //: for g0 in SPAN
        let dy_g0 = dy[p * DY_STRIDE + DY_FIRST + n_g0];
        //: end
        let image = i32(p / (OUT_W * OUT_H));
        let corner = window(p);
        //: for r0 in TILE
        let value_r0 = at(image, corner + place_r0.xy, place_r0.z);
        //: for g0 in SPAN
        sum_r0_g0 += value_r0 * dy_g0;
        //: end
        //: end
    }
    //: for r0 in TILE
    //: for g0 in SPAN
    store_dw(split, row + r0, id.x + g0 * blocks(), sum_r0_g0);
    //: end
    //: end
}
