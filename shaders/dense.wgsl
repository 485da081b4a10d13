// y[s, m, n] = (s == 0 ? b[n] : 0) + sum over k in split s of x[m, k] w[k, n]
// dx[m, k] = sum over n of dy[m, n] w[k, n]
// dw[k, n] = sum over m of x[m, k] dy[m, n]
//
// The sum over k is cut into splits of SPLIT rows of w, because a batch has too few outputs to fill
// a GPU; `sum_rows` adds the splits in order. Each thread keeps a tile in named variables (an
// indexed array would live in memory): `forward` 10 rows by 2 groups of columns, `backward_x`
// 10 rows by 4 k, `backward_w` 8 k by 2 groups of columns. w and dw may be shards of rows.

alias Columns = f32; // or vec4<f32> when OUT is a multiple of 4
const WIDTH: u32 = 1u; // columns in a group
const BATCH: u32 = 1u;
const DEPTH: u32 = 1u; // k in all of w
const GROUPS: u32 = 1u; // groups of columns of w
const SPLIT: u32 = 2048u;
const FIRST_ROW: u32 = 0u; // k where this shard begins
const ROWS: u32 = 1u; // k in this shard
const HALF: u32 = (GROUPS + 1u) / 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<Columns>;
@group(0) @binding(2) var<storage, read> b: array<Columns>;
@group(0) @binding(3) var<storage, read_write> y: array<Columns>;
@group(0) @binding(4) var<storage, read> dy: array<Columns>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dw: array<Columns>;

fn store(split: u32, m: u32, n0: u32, n1: u32, first: Columns, second: Columns) {
    if (m < BATCH) {
        let row = (split * BATCH + m) * GROUPS;
        y[row + n0] = first;
        if (n1 < GROUPS) {
            y[row + n1] = second;
        }
    }
}

@compute @workgroup_size(16, 4)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    // Neighbouring threads take neighbouring columns: their loads of w are contiguous.
    let n0 = id.x;
    let n1 = id.x + HALF;
    let m = id.y * 10u;
    if (n0 >= HALF || m >= BATCH) {
        return;
    }
    let last = min(n1, GROUPS - 1u);
    let split = FIRST_ROW / SPLIT + id.z;
    let begin = id.z * SPLIT;
    let end = min(begin + SPLIT, ROWS);
    let x0 = min(m + 0u, BATCH - 1u) * DEPTH;
    let x1 = min(m + 1u, BATCH - 1u) * DEPTH;
    let x2 = min(m + 2u, BATCH - 1u) * DEPTH;
    let x3 = min(m + 3u, BATCH - 1u) * DEPTH;
    let x4 = min(m + 4u, BATCH - 1u) * DEPTH;
    let x5 = min(m + 5u, BATCH - 1u) * DEPTH;
    let x6 = min(m + 6u, BATCH - 1u) * DEPTH;
    let x7 = min(m + 7u, BATCH - 1u) * DEPTH;
    let x8 = min(m + 8u, BATCH - 1u) * DEPTH;
    let x9 = min(m + 9u, BATCH - 1u) * DEPTH;
    let first0 = select(Columns(0.0), b[n0], split == 0u);
    let first1 = select(Columns(0.0), b[last], split == 0u);
    var a0 = first0;
    var b0 = first1;
    var a1 = first0;
    var b1 = first1;
    var a2 = first0;
    var b2 = first1;
    var a3 = first0;
    var b3 = first1;
    var a4 = first0;
    var b4 = first1;
    var a5 = first0;
    var b5 = first1;
    var a6 = first0;
    var b6 = first1;
    var a7 = first0;
    var b7 = first1;
    var a8 = first0;
    var b8 = first1;
    var a9 = first0;
    var b9 = first1;
    for (var row = begin; row < end; row++) {
        let k = FIRST_ROW + row;
        let w0 = w[row * GROUPS + n0];
        let w1 = w[row * GROUPS + last];
        let v0 = x[x0 + k];
        a0 += v0 * w0;
        b0 += v0 * w1;
        let v1 = x[x1 + k];
        a1 += v1 * w0;
        b1 += v1 * w1;
        let v2 = x[x2 + k];
        a2 += v2 * w0;
        b2 += v2 * w1;
        let v3 = x[x3 + k];
        a3 += v3 * w0;
        b3 += v3 * w1;
        let v4 = x[x4 + k];
        a4 += v4 * w0;
        b4 += v4 * w1;
        let v5 = x[x5 + k];
        a5 += v5 * w0;
        b5 += v5 * w1;
        let v6 = x[x6 + k];
        a6 += v6 * w0;
        b6 += v6 * w1;
        let v7 = x[x7 + k];
        a7 += v7 * w0;
        b7 += v7 * w1;
        let v8 = x[x8 + k];
        a8 += v8 * w0;
        b8 += v8 * w1;
        let v9 = x[x9 + k];
        a9 += v9 * w0;
        b9 += v9 * w1;
    }
    store(split, m + 0u, n0, n1, a0, b0);
    store(split, m + 1u, n0, n1, a1, b1);
    store(split, m + 2u, n0, n1, a2, b2);
    store(split, m + 3u, n0, n1, a3, b3);
    store(split, m + 4u, n0, n1, a4, b4);
    store(split, m + 5u, n0, n1, a5, b5);
    store(split, m + 6u, n0, n1, a6, b6);
    store(split, m + 7u, n0, n1, a7, b7);
    store(split, m + 8u, n0, n1, a8, b8);
    store(split, m + 9u, n0, n1, a9, b9);
}

fn inner(first: Columns, second: Columns) -> f32 {
    let product = vec4<f32>(first * second);
    if (WIDTH == 1u) {
        return product.x;
    }
    return (product.x + product.y) + (product.z + product.w);
}

fn store_dx(m: u32, row: u32, values: vec4<f32>) {
    if (m < BATCH) {
        let i = m * DEPTH + FIRST_ROW + row;
        dx[i] = values.x;
        if (row + 1u < ROWS) {
            dx[i + 1u] = values.y;
        }
        if (row + 2u < ROWS) {
            dx[i + 2u] = values.z;
        }
        if (row + 3u < ROWS) {
            dx[i + 3u] = values.w;
        }
    }
}

@compute @workgroup_size(32, 2)
fn backward_x(@builtin(global_invocation_id) id: vec3<u32>) {
    let k = id.x * 4u;
    let m = id.y * 10u;
    if (k >= ROWS || m >= BATCH) {
        return;
    }
    let k0 = k * GROUPS;
    let k1 = min(k + 1u, ROWS - 1u) * GROUPS;
    let k2 = min(k + 2u, ROWS - 1u) * GROUPS;
    let k3 = min(k + 3u, ROWS - 1u) * GROUPS;
    let y0 = min(m + 0u, BATCH - 1u) * GROUPS;
    let y1 = min(m + 1u, BATCH - 1u) * GROUPS;
    let y2 = min(m + 2u, BATCH - 1u) * GROUPS;
    let y3 = min(m + 3u, BATCH - 1u) * GROUPS;
    let y4 = min(m + 4u, BATCH - 1u) * GROUPS;
    let y5 = min(m + 5u, BATCH - 1u) * GROUPS;
    let y6 = min(m + 6u, BATCH - 1u) * GROUPS;
    let y7 = min(m + 7u, BATCH - 1u) * GROUPS;
    let y8 = min(m + 8u, BATCH - 1u) * GROUPS;
    let y9 = min(m + 9u, BATCH - 1u) * GROUPS;
    var a0 = 0.0; var b0 = 0.0; var c0 = 0.0; var d0 = 0.0;
    var a1 = 0.0; var b1 = 0.0; var c1 = 0.0; var d1 = 0.0;
    var a2 = 0.0; var b2 = 0.0; var c2 = 0.0; var d2 = 0.0;
    var a3 = 0.0; var b3 = 0.0; var c3 = 0.0; var d3 = 0.0;
    var a4 = 0.0; var b4 = 0.0; var c4 = 0.0; var d4 = 0.0;
    var a5 = 0.0; var b5 = 0.0; var c5 = 0.0; var d5 = 0.0;
    var a6 = 0.0; var b6 = 0.0; var c6 = 0.0; var d6 = 0.0;
    var a7 = 0.0; var b7 = 0.0; var c7 = 0.0; var d7 = 0.0;
    var a8 = 0.0; var b8 = 0.0; var c8 = 0.0; var d8 = 0.0;
    var a9 = 0.0; var b9 = 0.0; var c9 = 0.0; var d9 = 0.0;
    for (var n = 0u; n < GROUPS; n++) {
        let w0 = w[k0 + n];
        let w1 = w[k1 + n];
        let w2 = w[k2 + n];
        let w3 = w[k3 + n];
        let g0 = dy[y0 + n];
        a0 += inner(g0, w0);
        b0 += inner(g0, w1);
        c0 += inner(g0, w2);
        d0 += inner(g0, w3);
        let g1 = dy[y1 + n];
        a1 += inner(g1, w0);
        b1 += inner(g1, w1);
        c1 += inner(g1, w2);
        d1 += inner(g1, w3);
        let g2 = dy[y2 + n];
        a2 += inner(g2, w0);
        b2 += inner(g2, w1);
        c2 += inner(g2, w2);
        d2 += inner(g2, w3);
        let g3 = dy[y3 + n];
        a3 += inner(g3, w0);
        b3 += inner(g3, w1);
        c3 += inner(g3, w2);
        d3 += inner(g3, w3);
        let g4 = dy[y4 + n];
        a4 += inner(g4, w0);
        b4 += inner(g4, w1);
        c4 += inner(g4, w2);
        d4 += inner(g4, w3);
        let g5 = dy[y5 + n];
        a5 += inner(g5, w0);
        b5 += inner(g5, w1);
        c5 += inner(g5, w2);
        d5 += inner(g5, w3);
        let g6 = dy[y6 + n];
        a6 += inner(g6, w0);
        b6 += inner(g6, w1);
        c6 += inner(g6, w2);
        d6 += inner(g6, w3);
        let g7 = dy[y7 + n];
        a7 += inner(g7, w0);
        b7 += inner(g7, w1);
        c7 += inner(g7, w2);
        d7 += inner(g7, w3);
        let g8 = dy[y8 + n];
        a8 += inner(g8, w0);
        b8 += inner(g8, w1);
        c8 += inner(g8, w2);
        d8 += inner(g8, w3);
        let g9 = dy[y9 + n];
        a9 += inner(g9, w0);
        b9 += inner(g9, w1);
        c9 += inner(g9, w2);
        d9 += inner(g9, w3);
    }
    store_dx(m + 0u, k, vec4<f32>(a0, b0, c0, d0));
    store_dx(m + 1u, k, vec4<f32>(a1, b1, c1, d1));
    store_dx(m + 2u, k, vec4<f32>(a2, b2, c2, d2));
    store_dx(m + 3u, k, vec4<f32>(a3, b3, c3, d3));
    store_dx(m + 4u, k, vec4<f32>(a4, b4, c4, d4));
    store_dx(m + 5u, k, vec4<f32>(a5, b5, c5, d5));
    store_dx(m + 6u, k, vec4<f32>(a6, b6, c6, d6));
    store_dx(m + 7u, k, vec4<f32>(a7, b7, c7, d7));
    store_dx(m + 8u, k, vec4<f32>(a8, b8, c8, d8));
    store_dx(m + 9u, k, vec4<f32>(a9, b9, c9, d9));
}

fn store_dw(row: u32, n0: u32, n1: u32, first: Columns, second: Columns) {
    if (row < ROWS) {
        dw[row * GROUPS + n0] = first;
        if (n1 < GROUPS) {
            dw[row * GROUPS + n1] = second;
        }
    }
}

@compute @workgroup_size(16, 4)
fn backward_w(@builtin(global_invocation_id) id: vec3<u32>) {
    let n0 = id.x;
    let n1 = id.x + HALF;
    let row = id.y * 8u;
    if (n0 >= HALF || row >= ROWS) {
        return;
    }
    let last_n = min(n1, GROUPS - 1u);
    let last = FIRST_ROW + ROWS - 1u;
    let k = FIRST_ROW + row;
    let x0 = min(k + 0u, last);
    let x1 = min(k + 1u, last);
    let x2 = min(k + 2u, last);
    let x3 = min(k + 3u, last);
    let x4 = min(k + 4u, last);
    let x5 = min(k + 5u, last);
    let x6 = min(k + 6u, last);
    let x7 = min(k + 7u, last);
    var a0 = Columns(0.0);
    var b0 = Columns(0.0);
    var a1 = Columns(0.0);
    var b1 = Columns(0.0);
    var a2 = Columns(0.0);
    var b2 = Columns(0.0);
    var a3 = Columns(0.0);
    var b3 = Columns(0.0);
    var a4 = Columns(0.0);
    var b4 = Columns(0.0);
    var a5 = Columns(0.0);
    var b5 = Columns(0.0);
    var a6 = Columns(0.0);
    var b6 = Columns(0.0);
    var a7 = Columns(0.0);
    var b7 = Columns(0.0);
    for (var m = 0u; m < BATCH; m++) {
        let g0 = dy[m * GROUPS + n0];
        let g1 = dy[m * GROUPS + last_n];
        let v0 = x[m * DEPTH + x0];
        a0 += v0 * g0;
        b0 += v0 * g1;
        let v1 = x[m * DEPTH + x1];
        a1 += v1 * g0;
        b1 += v1 * g1;
        let v2 = x[m * DEPTH + x2];
        a2 += v2 * g0;
        b2 += v2 * g1;
        let v3 = x[m * DEPTH + x3];
        a3 += v3 * g0;
        b3 += v3 * g1;
        let v4 = x[m * DEPTH + x4];
        a4 += v4 * g0;
        b4 += v4 * g1;
        let v5 = x[m * DEPTH + x5];
        a5 += v5 * g0;
        b5 += v5 * g1;
        let v6 = x[m * DEPTH + x6];
        a6 += v6 * g0;
        b6 += v6 * g1;
        let v7 = x[m * DEPTH + x7];
        a7 += v7 * g0;
        b7 += v7 * g1;
    }
    store_dw(row + 0u, n0, n1, a0, b0);
    store_dw(row + 1u, n0, n1, a1, b1);
    store_dw(row + 2u, n0, n1, a2, b2);
    store_dw(row + 3u, n0, n1, a3, b3);
    store_dw(row + 4u, n0, n1, a4, b4);
    store_dw(row + 5u, n0, n1, a5, b5);
    store_dw(row + 6u, n0, n1, a6, b6);
    store_dw(row + 7u, n0, n1, a7, b7);
}
