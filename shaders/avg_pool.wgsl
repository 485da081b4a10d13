// y[b, oy, ox, c] = mean over ky, kx of x[b, oy STRIDE + ky - PAD_TOP, ox STRIDE + kx - PAD_LEFT, c]
// dx[b, iy, ix, c] = sum over the windows (oy, ox) that show (iy, ix) of dy / their pixels
//
// Padding does not count: the mean is over the pixels of the window that lie inside.
// The gradient is gathered, so no atomics. A thread takes one group of channels of one pixel.

alias Columns = f32; // or vec4<f32> when the channels are a multiple of 4
const PIXELS_IN: u32 = 1u; // batch * IN_H * IN_W
const PIXELS_OUT: u32 = 1u; // batch * OUT_H * OUT_W
const IN_H: i32 = 1i;
const IN_W: i32 = 1i;
const OUT_H: i32 = 1i;
const OUT_W: i32 = 1i;
const GROUPS: u32 = 1u; // groups of channels
const KERNEL: i32 = 3i; // extent of the window
const STRIDE: i32 = 1i;
const PAD_TOP: i32 = 1i;
const PAD_LEFT: i32 = 1i;

@group(0) @binding(0) var<storage, read> x: array<Columns>;
@group(0) @binding(1) var<storage, read_write> y: array<Columns>;
@group(0) @binding(2) var<storage, read> dy: array<Columns>;
@group(0) @binding(3) var<storage, read_write> dx: array<Columns>;

// How many of a window's rows or columns, which begin at `first`, lie inside.
fn inside(first: i32, extent: i32) -> i32 {
    return min(first + KERNEL, extent) - max(first, 0i);
}

@compute @workgroup_size(8, 16)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= GROUPS || id.y >= PIXELS_OUT) {
        return;
    }
    let pixel = i32(id.y);
    let image = pixel / (OUT_W * OUT_H) * IN_H * IN_W;
    let top = (pixel / OUT_W) % OUT_H * STRIDE - PAD_TOP;
    let left = pixel % OUT_W * STRIDE - PAD_LEFT;
    var sum = Columns(0.0);
    for (var iy = max(top, 0i); iy < min(top + KERNEL, IN_H); iy++) {
        for (var ix = max(left, 0i); ix < min(left + KERNEL, IN_W); ix++) {
            sum += x[u32(image + iy * IN_W + ix) * GROUPS + id.x];
        }
    }
    y[id.y * GROUPS + id.x] = sum / f32(inside(top, IN_H) * inside(left, IN_W));
}

@compute @workgroup_size(8, 16)
fn backward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= GROUPS || id.y >= PIXELS_IN) {
        return;
    }
    let pixel = i32(id.y);
    let image = pixel / (IN_W * IN_H) * OUT_H * OUT_W;
    let here = pixel % (IN_W * IN_H);
    // The windows that reach here begin between `here - KERNEL + 1` and `here`.
    let bottom = here / IN_W + PAD_TOP;
    let right = here % IN_W + PAD_LEFT;
    let first_y = max((bottom - KERNEL + STRIDE) / STRIDE, 0i);
    let first_x = max((right - KERNEL + STRIDE) / STRIDE, 0i);
    let last_y = min(bottom / STRIDE, OUT_H - 1i);
    let last_x = min(right / STRIDE, OUT_W - 1i);
    var sum = Columns(0.0);
    for (var oy = first_y; oy <= last_y; oy++) {
        let rows = inside(oy * STRIDE - PAD_TOP, IN_H);
        for (var ox = first_x; ox <= last_x; ox++) {
            let pixels = rows * inside(ox * STRIDE - PAD_LEFT, IN_W);
            sum += dy[u32(image + oy * OUT_W + ox) * GROUPS + id.x] / f32(pixels);
        }
    }
    dx[id.y * GROUPS + id.x] = sum;
}
