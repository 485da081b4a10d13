// y[c, n] = sum over the rows r of chunk c of x[r, n]
//
// A thread takes SPAN neighbouring groups of columns of one chunk, rows in order, so that the sum
// never depends on timing. Neighbouring threads take neighbouring groups, then chunks. Split products
// and bias gradients end here. Lines between `//: for` and `//: end` are repeated by the host.

alias Columns = f32; // or vec4<f32> when the columns are a multiple of 4
const HEIGHT: u32 = 1u; // rows of x
const GROUPS: u32 = 1u; // groups of columns
const CHUNK: u32 = 1u; // rows of a chunk
const SPAN: u32 = 1u; // groups that a thread takes
const X_STRIDE: u32 = 1u; // groups from row to row of x, which may be columns of a wider tensor
const X_FIRST: u32 = 0u; // the first of these groups
const BLOCKS: u32 = (GROUPS + SPAN - 1u) / SPAN; // threads for each chunk
const s0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<Columns>;
@group(0) @binding(1) var<storage, read_write> y: array<Columns>;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x / BLOCKS;
    let begin = chunk * CHUNK;
    if (begin >= HEIGHT) {
        return;
    }
    let end = min(begin + CHUNK, HEIGHT);
    let n = id.x % BLOCKS * SPAN;
    // Beyond the last group it adds that one again and drops the sum.
    //: for s0 in SPAN
    let n_s0 = min(n + s0, GROUPS - 1u);
    var sum_s0 = Columns(0.0);
    //: end
    for (var r = begin; r < end; r++) {
        let row = r * X_STRIDE + X_FIRST;
        //: for s0 in SPAN
        sum_s0 += x[row + n_s0];
        //: end
    }
    //: for s0 in SPAN
    if (n + s0 < GROUPS) {
        y[chunk * GROUPS + n + s0] = sum_s0;
    }
    //: end
}
