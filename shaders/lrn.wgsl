// scale[p, i] = BIAS + ALPHA * sum over |j - i| <= RADIUS of x[p, j]^2
// y[p, i] = x[p, i] * scale[p, i]^-BETA
// dx[p, i] = dy[p, i] * scale[p, i]^-BETA
//     - 2 ALPHA BETA x[p, i] * sum over |j - i| <= RADIUS of dy[p, j] y[p, j] / scale[p, j]
//
// Local response normalisation: p is a pixel, i and j are channels, of which a window at the border
// has fewer. The derivative of y[j] by x[i] is scale[i]^-BETA where j = i, less
// BETA x[j] scale[j]^(-BETA - 1) * 2 ALPHA x[i] where they share a window, and the first three
// factors of that are BETA y[j] / scale[j]. A thread takes one channel of one pixel.

const PIXELS: u32 = 1u;
const CHANNELS: u32 = 1u;
const RADIUS: u32 = 2u;
const BIAS: f32 = 1.0f;
const ALPHA: f32 = 1.0f;
const BETA: f32 = 0.5f;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
@group(0) @binding(3) var<storage, read> y_made: array<f32>;
@group(0) @binding(4) var<storage, read> scale_made: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

// The window of a channel is from `first_of` to `last_of`, both included.
fn first_of(channel: u32) -> u32 {
    return channel - min(channel, RADIUS);
}

fn last_of(channel: u32) -> u32 {
    return min(channel + RADIUS, CHANNELS - 1u);
}

@compute @workgroup_size(8, 16)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS || id.y >= PIXELS) {
        return;
    }
    let pixel = id.y * CHANNELS;
    var sum = 0.0;
    for (var j = first_of(id.x); j <= last_of(id.x); j++) {
        sum += x[pixel + j] * x[pixel + j];
    }
    let i = pixel + id.x;
    let s = BIAS + ALPHA * sum;
    scale[i] = s;
    y[i] = x[i] * pow(s, -BETA);
}

@compute @workgroup_size(8, 16)
fn backward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS || id.y >= PIXELS) {
        return;
    }
    let pixel = id.y * CHANNELS;
    var sum = 0.0;
    for (var j = first_of(id.x); j <= last_of(id.x); j++) {
        sum += dy[pixel + j] * y_made[pixel + j] / scale_made[pixel + j];
    }
    let i = pixel + id.x;
    dx[i] = dy[i] * pow(scale_made[i], -BETA) - 2.0 * ALPHA * BETA * x[i] * sum;
}
