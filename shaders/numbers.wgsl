// found[3 s] = how many elements of a part of x are wrong: (bits & MASK) == PATTERN
// found[3 s + 1] = 2^32 - 1 - i for the first of them, 0 when there is none
// found[3 s + 2] = how many of them are POISON
//
// The part: elements i = 0 .. ELEMENTS - 1, of which element i lies at i in `whole`, and in `part` at
// FIRST + i / WIDTH * STRIDE + i % WIDTH of x. These numbers, MASK, PATTERN and s come from `view`, not
// from constants, so that one pipeline serves all tensors. An f32 is not finite (NaN or infinite) when
// all bits of its exponent are 1; asked of the bits, as compilers may assume that there is no NaN.
// Counts and the greatest of numbers are the same in whatever order they are made, so atomics do no
// harm.
//
// A thread takes EACH vectors of four, or EACH elements, a workgroup's threads neighbouring ones.
// `clear` makes all of found 0, a thread a word; `poison` fills a whole buffer, a thread a vector.

const SIZE: u32 = 256u; // threads of a workgroup
const EACH: u32 = 8u;
const COUNT: u32 = 2u; // words of found
const POISON = 0xffffdeadu; // as f32 a NaN
const SLOT = 0u; // places in view
const ELEMENTS = 1u;
const FIRST = 2u;
const WIDTH = 3u;
const STRIDE = 4u;
const MASK = 5u;
const PATTERN = 6u;

@group(0) @binding(0) var<storage, read> vectors: array<vec4<u32>>; // x by vectors
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> view: array<u32>;
@group(0) @binding(3) var<storage, read_write> found: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> scratch: array<vec4<u32>>;

// Dispatches of one axis are folded onto y where x alone would not reach.
fn quad(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * SIZE + id.x;
}

// The first of the places that a thread looks at, SIZE apart.
fn begin(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    let thread = quad(id, groups);
    return thread / SIZE * (SIZE * EACH) + thread % SIZE;
}

fn note(i: u32, bits: u32) {
    if ((bits & view[MASK]) == view[PATTERN] && i < view[ELEMENTS]) {
        let slot = 3u * view[SLOT];
        atomicAdd(&found[slot], 1u);
        atomicMax(&found[slot + 1u], 0xffffffffu - i);
        if (bits == POISON) {
            atomicAdd(&found[slot + 2u], 1u);
        }
    }
}

@compute @workgroup_size(SIZE)
fn whole(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = begin(id, groups);
    let count = (view[ELEMENTS] + 3u) / 4u;
    let mask = vec4<u32>(view[MASK]);
    let pattern = vec4<u32>(view[PATTERN]);
    for (var k = 0u; k < EACH; k++) {
        let i = first + k * SIZE;
        if (i < count) {
            let bits = vectors[i];
            if (any((bits & mask) == pattern)) {
                note(4u * i, bits.x);
                note(4u * i + 1u, bits.y);
                note(4u * i + 2u, bits.z);
                note(4u * i + 3u, bits.w);
            }
        }
    }
}

@compute @workgroup_size(SIZE)
fn part(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = begin(id, groups);
    let width = view[WIDTH];
    for (var k = 0u; k < EACH; k++) {
        let i = first + k * SIZE;
        if (i < view[ELEMENTS]) {
            note(i, x[view[FIRST] + i / width * view[STRIDE] + i % width]);
        }
    }
}

@compute @workgroup_size(SIZE)
fn clear(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (i < COUNT) {
        atomicStore(&found[i], 0u);
    }
}

@compute @workgroup_size(SIZE)
fn poison(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = quad(id, groups);
    if (i < arrayLength(&scratch)) {
        scratch[i] = vec4<u32>(POISON);
    }
}
