// y[b, oy, ox, n] = bias[n] + sum over ky, kx, c of x[b, iy, ix, c] w[ky, kx, c, n]
//     iy = (oy STRIDE + ky - PAD_TOP) / DILATION, ix likewise, zero outside x and between its pixels
// dx is the same sum over dy with w flipped and transposed (`flip`), STRIDE and DILATION exchanged
//     and padding KERNEL - 1 - PAD (Dumoulin and Visin 2016, section 4): the entry `backward_x`
//     reads dy as x and writes dx as y
// flipped[ky, kx, n, c] = w[KERNEL_H - 1 - ky, KERNEL_W - 1 - kx, c, n]
// dw[s, ky, kx, c, n] = sum over the pixels p of split s of x[p's window at ky, kx, c] dy[p, n]
//
// An implicit matrix product: padding is handled where x is loaded. Each thread keeps a tile in
// named variables: `forward` and `backward_x` 8 pixels by 2 groups of columns, `backward_w`
// 8 rows (ky, kx, c) by 2 groups of columns over the pixels of one split, which `sum_rows` adds.

alias Columns = f32; // or vec4<f32> when the columns of w are a multiple of 4
const PIXELS: u32 = 1u; // batch * OUT_H * OUT_W
const IN_H: i32 = 1i;
const IN_W: i32 = 1i;
const CHANNELS: u32 = 1u; // of x
const OUT_H: u32 = 1u;
const OUT_W: u32 = 1u;
const GROUPS: u32 = 1u; // groups of columns of w, y and dy
const COLUMNS: u32 = 1u; // columns of w, for flip
const KERNEL_H: i32 = 1i;
const KERNEL_W: i32 = 1i;
const STRIDE: i32 = 1i;
const DILATION: i32 = 1i;
const PAD_TOP: i32 = 0i;
const PAD_LEFT: i32 = 0i;
const SPLIT: u32 = 64u; // pixels in a split of backward_w
const SIZE_X: u32 = 8u; // threads of a workgroup along the columns
const SIZE_Y: u32 = 8u; // along pixels or rows: SIZE_X * SIZE_Y is a multiple of any subgroup
const HALF: u32 = (GROUPS + 1u) / 2u;
const TAPS: u32 = u32(KERNEL_H * KERNEL_W);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<Columns>;
@group(0) @binding(2) var<storage, read> bias: array<Columns>;
@group(0) @binding(3) var<storage, read_write> y: array<Columns>;
@group(0) @binding(4) var<storage, read> dy: array<Columns>;
@group(0) @binding(5) var<storage, read_write> dw: array<Columns>;
@group(0) @binding(6) var<storage, read> w_made: array<f32>;
@group(0) @binding(7) var<storage, read_write> flipped: array<f32>;

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
    let index = ((image * IN_H + place.x) * IN_W + place.y) * i32(CHANNELS);
    return select(-1i, index, inside);
}

fn tap(index: i32, c: u32) -> f32 {
    return select(0.0, x[u32(max(index, 0i)) + c], index >= 0i);
}

fn store(p: u32, n0: u32, n1: u32, first: Columns, second: Columns) {
    if (p < PIXELS) {
        y[p * GROUPS + n0] = first;
        if (n1 < GROUPS) {
            y[p * GROUPS + n1] = second;
        }
    }
}

fn convolve(id: vec3<u32>, first0: Columns, first1: Columns) {
    // Neighbouring threads take neighbouring columns: their loads of w are contiguous.
    let n0 = id.x;
    let n1 = id.x + HALF;
    let pixel = id.y * 8u;
    if (n0 >= HALF || pixel >= PIXELS) {
        return;
    }
    let last = min(n1, GROUPS - 1u);
    var a0 = first0;
    var b0 = first1;
    var a1 = first0;
    var b1 = first1;
    var a2 = first0;
    var b2 = first1;
    var a3 = first0;
    var b3 = first1;
    var a4 = first0;
    var b4 = first1;
    var a5 = first0;
    var b5 = first1;
    var a6 = first0;
    var b6 = first1;
    var a7 = first0;
    var b7 = first1;
    for (var ky = 0i; ky < KERNEL_H; ky++) {
        for (var kx = 0i; kx < KERNEL_W; kx++) {
            let i0 = source(pixel + 0u, ky, kx);
            let i1 = source(pixel + 1u, ky, kx);
            let i2 = source(pixel + 2u, ky, kx);
            let i3 = source(pixel + 3u, ky, kx);
            let i4 = source(pixel + 4u, ky, kx);
            let i5 = source(pixel + 5u, ky, kx);
            let i6 = source(pixel + 6u, ky, kx);
            let i7 = source(pixel + 7u, ky, kx);
            let row = u32(ky * KERNEL_W + kx) * CHANNELS;
            for (var c = 0u; c < CHANNELS; c++) {
                let w0 = w[(row + c) * GROUPS + n0];
                let w1 = w[(row + c) * GROUPS + last];
                let v0 = tap(i0, c);
                a0 += v0 * w0;
                b0 += v0 * w1;
                let v1 = tap(i1, c);
                a1 += v1 * w0;
                b1 += v1 * w1;
                let v2 = tap(i2, c);
                a2 += v2 * w0;
                b2 += v2 * w1;
                let v3 = tap(i3, c);
                a3 += v3 * w0;
                b3 += v3 * w1;
                let v4 = tap(i4, c);
                a4 += v4 * w0;
                b4 += v4 * w1;
                let v5 = tap(i5, c);
                a5 += v5 * w0;
                b5 += v5 * w1;
                let v6 = tap(i6, c);
                a6 += v6 * w0;
                b6 += v6 * w1;
                let v7 = tap(i7, c);
                a7 += v7 * w0;
                b7 += v7 * w1;
            }
        }
    }
    store(pixel + 0u, n0, n1, a0, b0);
    store(pixel + 1u, n0, n1, a1, b1);
    store(pixel + 2u, n0, n1, a2, b2);
    store(pixel + 3u, n0, n1, a3, b3);
    store(pixel + 4u, n0, n1, a4, b4);
    store(pixel + 5u, n0, n1, a5, b5);
    store(pixel + 6u, n0, n1, a6, b6);
    store(pixel + 7u, n0, n1, a7, b7);
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    convolve(id, bias[min(id.x, GROUPS - 1u)], bias[min(id.x + HALF, GROUPS - 1u)]);
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn backward_x(@builtin(global_invocation_id) id: vec3<u32>) {
    convolve(id, Columns(0.0), Columns(0.0));
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn flip(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x;
    let row = id.y;
    if (n < COLUMNS && row < TAPS * CHANNELS) {
        let c = row % CHANNELS;
        let k = TAPS - 1u - row / CHANNELS;
        flipped[(k * COLUMNS + n) * CHANNELS + c] = w_made[row * COLUMNS + n];
    }
}

// ky - PAD_TOP, kx - PAD_LEFT, c of a row of dw; rows past the end repeat the last.
fn place(row: u32) -> vec3<i32> {
    let r = min(row, TAPS * CHANNELS - 1u);
    let k = i32(r / CHANNELS);
    return vec3<i32>(k / KERNEL_W, k % KERNEL_W, i32(r % CHANNELS));
}

fn at(image: i32, p: vec2<i32>, c: i32) -> f32 {
    let inside = all(p >= vec2<i32>(0i)) && all(p < vec2<i32>(IN_H, IN_W));
    let index = ((image * IN_H + p.x) * IN_W + p.y) * i32(CHANNELS) + c;
    return select(0.0, x[u32(select(0i, index, inside))], inside);
}

fn store_dw(split: u32, row: u32, n0: u32, n1: u32, first: Columns, second: Columns) {
    if (row < TAPS * CHANNELS) {
        let i = (split * TAPS * CHANNELS + row) * GROUPS;
        dw[i + n0] = first;
        if (n1 < GROUPS) {
            dw[i + n1] = second;
        }
    }
}

@compute @workgroup_size(SIZE_X, SIZE_Y)
fn backward_w(@builtin(global_invocation_id) id: vec3<u32>) {
    let n0 = id.x;
    let n1 = id.x + HALF;
    let row = id.y * 8u;
    if (n0 >= HALF || row >= TAPS * CHANNELS) {
        return;
    }
    let last = min(n1, GROUPS - 1u);
    let t0 = place(row + 0u);
    let t1 = place(row + 1u);
    let t2 = place(row + 2u);
    let t3 = place(row + 3u);
    let t4 = place(row + 4u);
    let t5 = place(row + 5u);
    let t6 = place(row + 6u);
    let t7 = place(row + 7u);
    var a0 = Columns(0.0);
    var b0 = Columns(0.0);
    var a1 = Columns(0.0);
    var b1 = Columns(0.0);
    var a2 = Columns(0.0);
    var b2 = Columns(0.0);
    var a3 = Columns(0.0);
    var b3 = Columns(0.0);
    var a4 = Columns(0.0);
    var b4 = Columns(0.0);
    var a5 = Columns(0.0);
    var b5 = Columns(0.0);
    var a6 = Columns(0.0);
    var b6 = Columns(0.0);
    var a7 = Columns(0.0);
    var b7 = Columns(0.0);
    let begin = id.z * SPLIT;
    let end = min(begin + SPLIT, PIXELS);
    for (var p = begin; p < end; p++) {
        let g0 = dy[p * GROUPS + n0];
        let g1 = dy[p * GROUPS + last];
        let image = i32(p / (OUT_W * OUT_H));
        let corner = window(p);
        let v0 = at(image, corner + t0.xy, t0.z);
        a0 += v0 * g0;
        b0 += v0 * g1;
        let v1 = at(image, corner + t1.xy, t1.z);
        a1 += v1 * g0;
        b1 += v1 * g1;
        let v2 = at(image, corner + t2.xy, t2.z);
        a2 += v2 * g0;
        b2 += v2 * g1;
        let v3 = at(image, corner + t3.xy, t3.z);
        a3 += v3 * g0;
        b3 += v3 * g1;
        let v4 = at(image, corner + t4.xy, t4.z);
        a4 += v4 * g0;
        b4 += v4 * g1;
        let v5 = at(image, corner + t5.xy, t5.z);
        a5 += v5 * g0;
        b5 += v5 * g1;
        let v6 = at(image, corner + t6.xy, t6.z);
        a6 += v6 * g0;
        b6 += v6 * g1;
        let v7 = at(image, corner + t7.xy, t7.z);
        a7 += v7 * g0;
        b7 += v7 * g1;
    }
    store_dw(id.z, row + 0u, n0, n1, a0, b0);
    store_dw(id.z, row + 1u, n0, n1, a1, b1);
    store_dw(id.z, row + 2u, n0, n1, a2, b2);
    store_dw(id.z, row + 3u, n0, n1, a3, b3);
    store_dw(id.z, row + 4u, n0, n1, a4, b4);
    store_dw(id.z, row + 5u, n0, n1, a5, b5);
    store_dw(id.z, row + 6u, n0, n1, a6, b6);
    store_dw(id.z, row + 7u, n0, n1, a7, b7);
}
