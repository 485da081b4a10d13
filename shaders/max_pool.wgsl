// y[b, oy, ox, c] = max over ky, kx of x[b, oy STRIDE + ky - PAD_TOP, ox STRIDE + kx - PAD_LEFT, c]
// dx[b, iy, ix, c] = sum of dy over the windows whose first maximum, in row-major order, is (iy, ix)
//
// Padding never wins: a window takes only what lies inside. `winner` holds iy IN_W + ix.
// The gradient is gathered, so no atomics. A thread takes one group of channels of one pixel.

alias Columns = f32; // or vec4<f32> when the channels are a multiple of 4
alias Places = u32; // or vec4<u32>
alias Flags = bool; // or vec4<bool>
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
@group(0) @binding(2) var<storage, read_write> winner: array<Places>;
@group(0) @binding(3) var<storage, read> won: array<Places>;
@group(0) @binding(4) var<storage, read> dy: array<Columns>;
@group(0) @binding(5) var<storage, read_write> dx: array<Columns>;

// By its bits: compilers may assume that `value != value` never holds.
fn is_nan(value: Columns) -> Flags {
    return (bitcast<Places>(value) & Places(0x7fffffffu)) > Places(0x7f800000u);
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
    let first_y = max(top, 0i);
    let first_x = max(left, 0i);
    let first = first_y * IN_W + first_x;
    var best = x[u32(image + first) * GROUPS + id.x];
    var place = Places(u32(first));
    for (var iy = first_y; iy < min(top + KERNEL, IN_H); iy++) {
        for (var ix = first_x; ix < min(left + KERNEL, IN_W); ix++) {
            let here = iy * IN_W + ix;
            let value = x[u32(image + here) * GROUPS + id.x];
            // A NaN must win, and keep what it won, to reach the loss and be noticed.
            let wins = (value > best) | is_nan(value);
            best = select(best, value, wins);
            place = select(place, Places(u32(here)), wins);
        }
    }
    y[id.y * GROUPS + id.x] = best;
    winner[id.y * GROUPS + id.x] = place;
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
        for (var ox = first_x; ox <= last_x; ox++) {
            let i = u32(image + oy * OUT_W + ox) * GROUPS + id.x;
            sum += select(Columns(0.0), dy[i], won[i] == Places(u32(here)));
        }
    }
    dx[id.y * GROUPS + id.x] = sum;
}
