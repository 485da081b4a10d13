// x[b, j] = (byte j of image rows[b] - OFFSET) / DIVISOR
// label[b] = label of image rows[b]
//
// Images and labels stay on the device as bytes, four to a u32, lowest first; a step brings only
// the numbers of its rows. A thread of `images` takes one pixel, of `labels` one image.

const COUNT: u32 = 1u; // images in the batch
const LENGTH: u32 = 1u; // pixels of an image
const OFFSET: f32 = 0.0;
const DIVISOR: f32 = 1.0;

@group(0) @binding(0) var<storage, read> bytes: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> label: array<u32>;

fn byte(i: u32) -> u32 {
    return (bytes[i / 4u] >> (8u * (i % 4u))) & 255u;
}

@compute @workgroup_size(64)
fn images(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < LENGTH) {
        x[id.y * LENGTH + id.x] = (f32(byte(rows[id.y] * LENGTH + id.x)) - OFFSET) / DIVISOR;
    }
}

@compute @workgroup_size(64)
fn labels(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < COUNT) {
        label[id.x] = byte(rows[id.x]);
    }
}
