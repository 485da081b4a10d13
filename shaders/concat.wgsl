// y[p, FIRST + g] = x[p, g]      one input of a concatenation along the channels
// dx[p, g] = dy[p, FIRST + g]
//
// A thread takes one group of channels of one pixel.

alias Columns = f32; // or vec4<f32> when all channel counts are multiples of 4
const PIXELS: u32 = 1u;
const GROUPS: u32 = 1u; // groups of channels of x
const GROUPS_OUT: u32 = 1u; // of y
const FIRST: u32 = 0u; // group of y where x begins

@group(0) @binding(0) var<storage, read> x: array<Columns>;
@group(0) @binding(1) var<storage, read_write> y: array<Columns>;
@group(0) @binding(2) var<storage, read> dy: array<Columns>;
@group(0) @binding(3) var<storage, read_write> dx: array<Columns>;

@compute @workgroup_size(8, 16)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < GROUPS && id.y < PIXELS) {
        y[id.y * GROUPS_OUT + FIRST + id.x] = x[id.y * GROUPS + id.x];
    }
}

@compute @workgroup_size(8, 16)
fn backward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < GROUPS && id.y < PIXELS) {
        dx[id.y * GROUPS + id.x] = dy[id.y * GROUPS_OUT + FIRST + id.x];
    }
}
