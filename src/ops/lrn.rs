//! Local response normalisation.

use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("lrn");

impl<'t> Tensor<'t> {
    /// Local response normalisation of `[batch, height, width, channels]`, after Krizhevsky,
    /// Sutskever and Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*
    /// (2012), section 3.3: each x is divided by `(bias + alpha * sum) ^ beta`, where `sum` is that
    /// of the squares of the channels at most `depth_radius` away, itself among them.
    ///
    /// The numbers mean what they mean in the paper (where `depth_radius` is n/2 and `bias` is k) and
    /// in TensorFlow's `tf.nn.local_response_normalization`. Caffe and PyTorch divide alpha by the
    /// number of channels in the window, `2 * depth_radius + 1`: do so before giving it here.
    ///
    /// # Panics
    /// When the tensor has not four axes, `bias` is not positive, `alpha` is negative or a number is
    /// not finite: only so is every power one of a positive number.
    #[track_caller]
    pub fn local_response_norm(
        self,
        depth_radius: usize,
        bias: f32,
        alpha: f32,
        beta: f32,
    ) -> Tensor<'t> {
        let [batch, height, width, channels] = self.image_shape("local_response_norm");
        assert!(
            bias > 0.0 && alpha >= 0.0 && [bias, alpha, beta].iter().all(|n| n.is_finite()),
            "local_response_norm: bias {bias} must be positive, alpha {alpha} not negative, both \
             and beta {beta} finite"
        );
        let pixels = batch * height * width;
        let constants: [Constant; 6] = [
            ("PIXELS", pixels.into()),
            ("CHANNELS", channels.into()),
            // No window is wider than the channels; the shader's sums must not overflow.
            ("RADIUS", depth_radius.min(channels).into()),
            ("BIAS", bias.into()),
            ("ALPHA", alpha.into()),
            ("BETA", beta.into()),
        ];
        let threads = [channels, pixels, 1];
        let (y, scale) = (self.like(), self.like());
        let tensors = [("x", self), ("y", y), ("scale", scale)];
        self.tape().dispatch(&KERNEL, "forward", &constants, &tensors, threads);
        let scale = scale.id();
        y.made_from(&[self], move |inputs, y, dy| {
            let x = inputs[0];
            let dx = x.like();
            let scale = y.tape().tensor(scale);
            let tensors = [("x", x), ("y_made", y), ("scale_made", scale), ("dy", dy), ("dx", dx)];
            y.tape().dispatch(&KERNEL, "backward", &constants, &tensors, threads);
            x.accumulate(dx);
        })
    }
}

/// Local response normalisation in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainLrn {
    /// Batch, height, width, channels.
    pub shape: [usize; 4],
    /// Of the window.
    pub radius: usize,
    /// Added to the sum.
    pub bias: f32,
    /// Of the squares.
    pub alpha: f32,
    /// The power.
    pub beta: f32,
}

impl PlainLrn {
    /// The pairs of places i and j of x whose channels share a window.
    fn pairs(self) -> impl Iterator<Item = (usize, usize)> {
        let channels = self.shape[3];
        (0..self.shape.iter().product()).flat_map(move |i| {
            let pixel = i / channels * channels;
            let neighbours =
                (pixel..pixel + channels).filter(move |j| i.abs_diff(*j) <= self.radius);
            neighbours.map(move |j| (i, j))
        })
    }

    fn scale(&self, x: &[Number]) -> Vec<Number> {
        let mut scale = vec![Number::exact(self.bias.into()); x.len()];
        let alpha = Number::exact(self.alpha.into());
        self.pairs().for_each(|(i, j)| scale[i] += alpha * x[j] * x[j]);
        scale
    }
}

impl Reference for PlainLrn {
    fn op(&self) -> &'static str {
        "lrn"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let x: Vec<f32> = random.floats(&self.shape).iter().map(|x| 2.0 * x).collect();
        vec![float("x", &self.shape, x)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].local_response_norm(self.radius, self.bias, self.alpha, self.beta)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let scale = self.scale(&inputs[0]);
        inputs[0].iter().zip(scale).map(|(x, s)| *x * s.powf(-f64::from(self.beta))).collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let x = &inputs[0];
        let scale = self.scale(x);
        let power: Vec<_> = scale.iter().map(|s| s.powf(-f64::from(self.beta))).collect();
        let mut dx: Vec<_> = dy.iter().zip(&power).map(|(dy, power)| *dy * *power).collect();
        let [alpha, beta] = [self.alpha, self.beta].map(|v| Number::exact(v.into()));
        for (i, j) in self.pairs() {
            let term = dy[j] * x[j] * power[j] / scale[j];
            dx[i] += -(Number::exact(2.0) * alpha * beta * x[i] * term);
        }
        vec![dx]
    }
}
