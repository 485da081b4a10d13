//! Local response normalisation.

use crate::kernel::{Constant, Kernel, kernel};
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
