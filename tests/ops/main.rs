//! Every op, forward and backward, on whatever adapter there is: against plain loops in f64, against
//! golden numbers, and at its edges.

mod check;

mod adam;
mod add;
mod augment;
mod avg_pool;
mod batch;
mod batch_norm;
mod concat;
mod conv2d;
mod dense;
mod determinism;
mod dropout;
mod fill;
mod largest;
mod lrn;
mod max_pool;
mod relu;
mod sharding;
mod softmax;
mod sum_rows;
mod transfer;
