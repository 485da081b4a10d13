// y[i] = max(x[i], 0)
// dx[i] = dy[i] where y[i] > 0, else 0 (so 0 at x = 0)
//
// A thread takes four elements.

const FIRST_ROW: u32 = 0u; // of this shard
const ROWS: u32 = 1u; // of this shard
const ROW: u32 = 4u; // elements in a row
const SIZE: u32 = 256u; // threads of a workgroup

// Dispatches of one axis are folded onto y where x alone would not reach.
fn quad(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * SIZE + id.x;
}

fn outside(i: u32) -> bool {
    return i * 4u >= ROWS * ROW;
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y_made: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(SIZE)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (outside(i)) {
        return;
    }
    // Not max(): WGSL lets max() drop a NaN, and a NaN must reach the loss to be noticed.
    y[i] = select(x[i], vec4<f32>(0.0), x[i] < vec4<f32>(0.0));
}

@compute @workgroup_size(SIZE)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (outside(i)) {
        return;
    }
    dx[i] = select(vec4<f32>(0.0), dy[i], y_made[i] > vec4<f32>(0.0));
}
