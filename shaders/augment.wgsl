// y[b, i, j] = x[b] at ROT(angle_b) (i - centre, j - centre) / zoom_b + centre + shift_b
//
// between pixels linear in both directions, and zero beyond the border. Where a batch's image is
// mirrored, j is counted from the right. Angle, zoom, shift and mirroring are drawn by hashes of
// (seed, step, image of the batch): a run is a function of its configuration. A thread makes one pixel.

const BATCH: u32 = 1u;
const IN_H: u32 = 1u;
const IN_W: u32 = 1u;
const OUT_H: u32 = 1u;
const OUT_W: u32 = 1u;
const CHANNELS: u32 = 1u;
const SINE: f32 = 0.0; // of the largest angle
const ZOOM: f32 = 0.0; // the largest change of size
const SHIFT: f32 = 0.0; // the largest, in pixels
const MIRROR: u32 = 0u; // 1: every other image, by chance
const AUGMENT: u32 = 1635086189u; // tells these draws from dropout's

@group(0) @binding(0) var<storage, read> key: array<u32>; // seed, step
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// PCG-RXS-M-XS, 32 bits (O'Neill 2014; as a hash: Jarzynski and Olano 2020).
fn hash(value: u32) -> u32 {
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// The image's draw of that number, in -1..1.
fn draw(image: u32, number: u32) -> f32 {
    let bits = hash((image * 8u + number) ^ hash(key[1] ^ hash(key[0] ^ hash(AUGMENT))));
    return f32(bits >> 8u) / 8388608.0 - 1.0;
}

fn pixel(image: u32, row: i32, column: i32, channel: u32) -> f32 {
    if (row < 0 || column < 0 || row >= i32(IN_H) || column >= i32(IN_W)) {
        return 0.0;
    }
    return x[((image * IN_H + u32(row)) * IN_W + u32(column)) * CHANNELS + channel];
}

// Between a pixel and the one to its right.
fn line(image: u32, row: i32, column: i32, channel: u32, part: f32) -> f32 {
    return mix(pixel(image, row, column, channel), pixel(image, row, column + 1, channel), part);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= OUT_H * OUT_W) {
        return;
    }
    let image = id.y;
    let sine = SINE * draw(image, 0u);
    let cosine = sqrt(1.0 - sine * sine);
    let zoom = 1.0 + ZOOM * draw(image, 1u);
    let shift = SHIFT * vec2<f32>(draw(image, 2u), draw(image, 3u));
    var j = id.x % OUT_W;
    if (MIRROR == 1u && draw(image, 4u) < 0.0) {
        j = OUT_W - 1u - j;
    }
    let out_centre = 0.5 * vec2<f32>(f32(OUT_H) - 1.0, f32(OUT_W) - 1.0);
    let in_centre = 0.5 * vec2<f32>(f32(IN_H) - 1.0, f32(IN_W) - 1.0);
    let p = (vec2<f32>(f32(id.x / OUT_W), f32(j)) - out_centre) / zoom;
    let turned = vec2<f32>(cosine * p.x - sine * p.y, sine * p.x + cosine * p.y);
    let place = turned + in_centre + shift;
    let first = floor(place);
    let part = place - first;
    let row = i32(first.x);
    let column = i32(first.y);
    for (var c = 0u; c < CHANNELS; c++) {
        let above = line(image, row, column, c, part.y);
        let below = line(image, row + 1, column, c, part.y);
        y[(image * OUT_H * OUT_W + id.x) * CHANNELS + c] = mix(above, below, part.x);
    }
}
