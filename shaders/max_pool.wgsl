// y[b, oy, ox, c] = max over ky, kx of x[b, oy STRIDE + ky - PAD_TOP, ox STRIDE + kx - PAD_LEFT, c]
// dx[b, iy, ix, c] = sum of dy over the windows whose first maximum, in row-major order, is (iy, ix)
//
// Padding never wins: a window takes only what lies inside. `winner` holds ky KERNEL + kx, a byte
// a channel. The gradient is gathered, so no atomics.
//
// A thread takes one group of channels in one column of pixels and walks down TILE rows of the
// result. It reads each row once, for all windows across it. Neighbouring threads take neighbouring
// memory. Lines between `//: for` and `//: end` are repeated by the host, those after `//: if` may go.

alias Columns = vec4<f32>; // or f32 when the channels are no multiple of 4
alias Places = vec4<u32>; // or u32
alias Flags = vec4<bool>; // or bool
const PACKED: u32 = 1u; // 0: a word of `winner` is the place of one channel
const BATCH: i32 = 1i;
const IN_H: i32 = 1i;
const IN_W: i32 = 1i;
const OUT_H: i32 = 1i;
const OUT_W: i32 = 1i;
const GROUPS: i32 = 1i; // groups of channels
const KERNEL: u32 = 2u; // extent of the window
const BEFORE: u32 = 1u; // KERNEL - 1: the windows under way when a row comes
const STRIDE: i32 = 1i;
const PAD_TOP: i32 = 0i;
const PAD_LEFT: i32 = 0i;
const TILE: i32 = 1i;
const EXTENT = i32(KERNEL);
const BYTES = vec4<u32>(0u, 8u, 16u, 24u);
const k0 = 0u;
const x0 = 0u;

@group(0) @binding(0) var<storage, read> x: array<Columns>;
@group(0) @binding(1) var<storage, read_write> y: array<Columns>;
@group(0) @binding(2) var<storage, read_write> winner: array<u32>;
@group(0) @binding(3) var<storage, read> won: array<u32>;
@group(0) @binding(4) var<storage, read> dy: array<Columns>;
@group(0) @binding(5) var<storage, read_write> dx: array<Columns>;

fn pack(place: Places) -> u32 {
    let bytes = vec4<u32>(place) << (PACKED * BYTES);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}

fn unpack(word: u32) -> Places {
    var place = Places(word);
    //: if PACKED
    place = (place >> BYTES) & Places(0xffu);
    //: end
    return place;
}

// What a window, or a part of it, has found.
struct Best {
    value: Columns,
    place: Places,
}

// By its bits: compilers may assume that `value != value` never holds.
fn is_nan(value: Columns) -> Flags {
    return (bitcast<Places>(value) & Places(0x7fffffffu)) > Places(0x7f800000u);
}

// The better of two, where `next` comes later in row-major order.
fn better(best: Best, next: Best) -> Best {
    // A NaN must win, and keep what it won, to reach the loss and be noticed.
    let wins = (next.value > best.value) | is_nan(next.value);
    return Best(select(best.value, next.value, wins), select(best.place, next.place, wins));
}

// Column kx of a window that begins at `left`. Instead of padding it repeats the nearest pixel, which
// lies in the window too: the same value and place once more change nothing.
fn pixel(row: i32, left: i32, kx: u32, group: i32) -> Best {
    let ix = clamp(left + i32(kx), 0i, IN_W - 1i);
    return Best(x[(row * IN_W + ix) * GROUPS + group], Places(u32(ix - left)));
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    let tiles = (OUT_H + TILE - 1i) / TILE;
    let image = i32(id.y) / tiles;
    let ox = i32(id.x) / GROUPS;
    if (ox >= OUT_W || image >= BATCH) {
        return;
    }
    let group = i32(id.x) % GROUPS;
    let left = ox * STRIDE - PAD_LEFT;
    let begin = i32(id.y) % tiles * TILE;
    let end = min(begin + TILE, OUT_H);
    // Of the window that k0 + 1 rows have met.
    //: for k0 in BEFORE
    var best_k0: Best;
    //: end
    var oy = begin;
    for (var row = begin * STRIDE; oy < end; row++) {
        // As with columns: instead of padding the nearest row.
        let iy = clamp(row - PAD_TOP, 0i, IN_H - 1i);
        let image_row = image * IN_H + iy;
        var next = pixel(image_row, left, 0u, group);
        //: for k0 in BEFORE
        next = better(next, pixel(image_row, left, k0 + 1u, group));
        //: end
        next.place += Places(u32((iy + PAD_TOP - row) * EXTENT));
        var best = next;
        //: for k0 in BEFORE
        let old_k0 = best_k0;
        best_k0 = best;
        next.place += Places(KERNEL);
        best = better(old_k0, next);
        //: end
        if (row == oy * STRIDE + EXTENT - 1i) {
            let i = ((image * OUT_H + oy) * OUT_W + ox) * GROUPS + group;
            y[i] = best.value;
            winner[i] = pack(best.place);
            oy++;
        }
    }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3<u32>) {
    let tiles = (IN_H + TILE - 1i) / TILE;
    let image = i32(id.y) / tiles;
    let ix = i32(id.x) / GROUPS;
    if (ix >= IN_W || image >= BATCH) {
        return;
    }
    let group = i32(id.x) % GROUPS;
    let begin = i32(id.y) % tiles * TILE;
    let end = min(begin + TILE, IN_H);
    // Of the rows that the windows at oy lie across, the last one first.
    //: for k0 in KERNEL
    var sum_k0 = Columns(0.0);
    //: end
    var oy = max(begin + PAD_TOP - EXTENT + 1i, 0i) / STRIDE;
    for (var iy = oy * STRIDE - PAD_TOP; iy < end; oy++) {
        if (oy < OUT_H) {
            let y_row = image * OUT_H + oy;
            //: for x0 in KERNEL
            {
                // The window that shows ix in its column x0, if there is one.
                let left = ix + PAD_LEFT - i32(x0);
                let ox = clamp(left / STRIDE, 0i, OUT_W - 1i);
                let i = (y_row * OUT_W + ox) * GROUPS + group;
                let g = select(Columns(0.0), dy[i], ox * STRIDE == left);
                let place = unpack(won[i]);
                //: for k0 in KERNEL
                sum_k0 += select(Columns(0.0), g, place == Places((BEFORE - k0) * KERNEL + x0));
                //: end
            }
            //: end
        }
        // The windows move on, and no later one reaches the first STRIDE rows.
        for (var s = 0i; s < STRIDE; s++) {
            var sum = Columns(0.0);
            //: for k0 in KERNEL
            let old_k0 = sum_k0;
            sum_k0 = sum;
            sum = old_k0;
            //: end
            if (iy >= begin && iy < end) {
                dx[((image * IN_H + iy) * IN_W + ix) * GROUPS + group] = sum;
            }
            iy++;
        }
    }
}
