// y[c, n] = sum over the rows r of chunk c of x[r, n]
//
// A thread takes one group of columns of one chunk, rows in order, so that the sum never depends
// on timing. Split products and bias gradients end here.

alias Columns = f32; // or vec4<f32> when the columns are a multiple of 4
const HEIGHT: u32 = 1u; // rows of x
const GROUPS: u32 = 1u; // groups of columns
const CHUNK: u32 = 1u; // rows of a chunk
const X_STRIDE: u32 = 1u; // groups from row to row of x, which may be columns of a wider tensor
const X_FIRST: u32 = 0u; // the first of these groups

@group(0) @binding(0) var<storage, read> x: array<Columns>;
@group(0) @binding(1) var<storage, read_write> y: array<Columns>;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= GROUPS) {
        return;
    }
    let begin = id.y * CHUNK;
    let end = min(begin + CHUNK, HEIGHT);
    var sum = Columns(0.0);
    for (var r = begin; r < end; r++) {
        sum += x[r * X_STRIDE + X_FIRST + id.x];
    }
    y[id.y * GROUPS + id.x] = sum;
}
