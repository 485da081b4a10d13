// stream: sum[i] = a[i] + factor[0] b[i]
// multiply_add: sum[i] = x after many x = x factor[0] + factor[1], in chains that do not wait for
//     one another
//
// What an adapter can do at most: `stream` moves memory as fast as it goes, `multiply_add` computes
// in registers alone. A thread takes one vec4. The factors come from a buffer and the results go to
// one, so that no compiler can work anything out beforehand or leave it out: it would have to ignore
// rounding to join two steps of a chain. All chains begin with other numbers, lest they be made one.

const COUNT: u32 = 1u; // vec4s of sum
const CHAINS: u32 = 1u; // more than the units' latency, fewer than the registers
const STEPS: u32 = 1u; // of each chain, in a turn of the loop
const TURNS: u32 = 1u;
const c0 = 0u;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> factor: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(256)
fn stream(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if (i < COUNT) {
        sum[i] = a[i] + factor[0] * b[i];
    }
}

@compute @workgroup_size(256)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if (i >= COUNT) {
        return;
    }
    let scale = vec4<f32>(factor[0]);
    let shift = vec4<f32>(factor[1]);
    //: for c0 in CHAINS
    var x_c0 = vec4<f32>(0.0, 0.25, 0.5, 0.75) + f32(i + c0);
    //: end
    for (var turn = 0u; turn < TURNS; turn++) {
        //: for s0 in STEPS
        //: for c0 in CHAINS
        x_c0 = x_c0 * scale + shift;
        //: end
        //: end
    }
    var total = vec4<f32>(0.0);
    //: for c0 in CHAINS
    total += x_c0;
    //: end
    sum[i] = total;
}
