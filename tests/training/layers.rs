//! Plain loops in f64 for the reference network.

/// `[count, height, width, channels]`, row-major.
#[derive(Clone)]
pub struct Maps {
    pub shape: [usize; 4],
    pub values: Vec<f64>,
}

impl Maps {
    pub fn zeros(shape: [usize; 4]) -> Maps {
        Maps { shape, values: vec![0.0; shape.iter().product()] }
    }

    pub fn at(&self, n: usize, y: usize, x: usize, c: usize) -> usize {
        let [_, height, width, channels] = self.shape;
        ((n * height + y) * width + x) * channels + c
    }

    pub fn relu(mut self) -> Maps {
        self.values.iter_mut().for_each(|value| *value = value.max(0.0));
        self
    }

    /// The gradient before a ReLU whose output is `self`.
    pub fn relu_back(&self, mut dy: Maps) -> Maps {
        for (dy, y) in dy.values.iter_mut().zip(&self.values) {
            if *y <= 0.0 {
                *dy = 0.0;
            }
        }
        dy
    }

    pub fn add(&mut self, other: &Maps) {
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
    }
}

/// Calls `visit(n, y, x, iy, ix, ky, kx)` for each place of the output and each place of its window
/// that lies in the input, windows row-major.
pub fn windows(maps: &Maps, size: usize, mut visit: impl FnMut([usize; 7])) {
    let [count, height, width, _] = maps.shape;
    let reach = size / 2;
    for n in 0..count {
        for (y, x) in (0..height * width).map(|at| (at / width, at % width)) {
            for (ky, kx) in (0..size * size).map(|at| (at / size, at % size)) {
                let (iy, ix) = (y + ky, x + kx);
                if (reach..height + reach).contains(&iy) && (reach..width + reach).contains(&ix) {
                    visit([n, y, x, iy - reach, ix - reach, ky, kx]);
                }
            }
        }
    }
}

pub fn max_pool(x: &Maps) -> Maps {
    let mut y = Maps { shape: x.shape, values: vec![f64::NEG_INFINITY; x.values.len()] };
    windows(x, 3, |[n, py, px, iy, ix, _, _]| {
        for c in 0..x.shape[3] {
            let place = y.at(n, py, px, c);
            y.values[place] = y.values[place].max(x.values[x.at(n, iy, ix, c)]);
        }
    });
    y
}

/// The first of a window's largest takes the gradient.
pub fn max_pool_back(x: &Maps, dy: &Maps) -> Maps {
    let mut winner = vec![None; x.values.len()];
    windows(x, 3, |[n, py, px, iy, ix, _, _]| {
        for c in 0..x.shape[3] {
            let (place, from) = (x.at(n, py, px, c), x.at(n, iy, ix, c));
            match winner[place] {
                Some(best) if x.values[from] <= x.values[best] => {}
                _ => winner[place] = Some(from),
            }
        }
    });
    let mut dx = Maps::zeros(x.shape);
    for (winner, dy) in winner.into_iter().zip(&dy.values) {
        dx.values[winner.expect("no window is empty")] += dy;
    }
    dx
}

pub fn dense(x: &[f64], w: &[f64], b: &[f64], batch: usize) -> Vec<f64> {
    let (depth, out) = (x.len() / batch, b.len());
    let mut y = b.repeat(batch);
    for (x, y) in x.chunks(depth).zip(y.chunks_mut(out)) {
        for (x, w) in x.iter().zip(w.chunks(out)) {
            y.iter_mut().zip(w).for_each(|(y, w)| *y += x * w);
        }
    }
    y
}

/// The gradients of x, w and b.
pub fn dense_back(
    x: &[f64],
    w: &[f64],
    dy: &[f64],
    [batch, depth, out]: [usize; 3],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; out]);
    for n in 0..batch {
        let dy = &dy[n * out..][..out];
        db.iter_mut().zip(dy).for_each(|(db, dy)| *db += dy);
        for i in 0..depth {
            for (o, dy) in dy.iter().enumerate() {
                dx[n * depth + i] += dy * w[i * out + o];
                dw[i * out + o] += dy * x[n * depth + i];
            }
        }
    }
    (dx, dw, db)
}
