//! What a graph records, as text and by its rules, without a GPU.

use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::ops::{Adam, Padding, adam, concat};
use inception::recording::{Recording, Role};
use inception::tape::Tape;

fn small_network(tape: &Tape, batch: usize, train: bool) -> Recording {
    let x = tape.input("x", &[batch, 6, 6, 3]);
    let label = tape.input("label", &[batch]);
    let y = tape.scope("conv1", || {
        let w = tape.parameter("conv1/w", &[3, 3, 3, 4]);
        let b = tape.parameter("conv1/b", &[4]);
        x.conv2d(w, b, 1, Padding::Same).relu()
    });
    let y = tape.scope("fc1", || {
        let w = tape.parameter("fc1/w", &[144, 10]);
        y.dense(w, tape.parameter("fc1/b", &[10]))
    });
    let loss = tape.scope("loss", || y.softmax_cross_entropy(label));
    if train {
        loss.backward(loss.ones());
        let rate = tape.input("rate", &[1]);
        adam(&tape.parameters(), rate, Adam::default());
    }
    tape.finish()
}

const SMALL_NETWORK: &str = "\
conv1 conv2d.forward                         threads [1, 9, 1] x=x[2, 6, 6, 3] w=conv1/w[3, 3, 3, 4] bias=conv1/b[4] y=conv1[2, 6, 6, 4]
conv1 relu.forward                           threads [72, 1, 1] x=conv1[2, 6, 6, 4] y=conv1[2, 6, 6, 4]
fc1 dense.forward                            threads [5, 1, 1] x=conv1[2, 6, 6, 4] w=fc1/w[144, 10] b=fc1/b[10] y=fc1[2, 10]
loss softmax.cross_entropy                   threads [2, 1, 1] x=fc1[2, 10] label=label[2] loss_row=loss[2]
loss softmax.mean                            threads [1, 1, 1] loss_made=loss[2] loss=loss[1]
fill.forward                                 threads [1, 1, 1] y=[1]
loss softmax.backward                        threads [2, 1, 1] x=fc1[2, 10] label=label[2] dloss=[1] dx=loss[2, 10]
fc1 dense.backward_x                         threads [36, 1, 1] dy=loss[2, 10] w=fc1/w[144, 10] dx=fc1[2, 6, 6, 4]
fc1 dense.backward_w                         threads [5, 18, 1] x=conv1[2, 6, 6, 4] dy=loss[2, 10] dw=fc1[144, 10]
fc1 sum_rows.forward                         threads [3, 1, 1] x=loss[2, 10] y=fc1[10]
conv1 relu.backward                          threads [72, 1, 1] y_made=conv1[2, 6, 6, 4] dy=fc1[2, 6, 6, 4] dx=conv1[2, 6, 6, 4]
conv1 conv2d.backward_w                      threads [1, 4, 2] x=x[2, 6, 6, 3] dy=conv1[2, 6, 6, 4] dw=conv1[2, 3, 3, 3, 4]
conv1 sum_rows.forward                       threads [7, 1, 1] x=conv1[2, 3, 3, 3, 4] y=conv1[3, 3, 3, 4]
conv1 sum_rows.forward                       threads [3, 1, 1] x=conv1[2, 6, 6, 4] y=conv1[3, 4]
conv1 sum_rows.forward                       threads [1, 1, 1] x=conv1[3, 4] y=conv1[4]
optimizer/conv1/w adam.update                threads [27, 1, 1] g=conv1[3, 3, 3, 4] m=m/conv1/w[3, 3, 3, 4] v=v/conv1/w[3, 3, 3, 4] w=conv1/w[3, 3, 3, 4] rate=rate[1]
optimizer/conv1/b adam.update                threads [1, 1, 1] g=conv1[4] m=m/conv1/b[4] v=v/conv1/b[4] w=conv1/b[4] rate=rate[1]
optimizer/fc1/w adam.update                  threads [360, 1, 1] g=fc1[144, 10] m=m/fc1/w[144, 10] v=v/fc1/w[144, 10] w=fc1/w[144, 10] rate=rate[1]
optimizer/fc1/b adam.update                  threads [3, 1, 1] g=fc1[10] m=m/fc1/b[10] v=v/fc1/b[10] w=fc1/b[10] rate=rate[1]
";

#[test]
fn a_small_network_as_text() {
    let text = small_network(&Tape::new(), 2, true).to_string();
    assert!(text == SMALL_NETWORK, "it records:\n{text}");
}

#[test]
fn the_same_graph_records_the_same() {
    let first = small_network(&Tape::new(), 2, true);
    let second = small_network(&Tape::new(), 2, true);
    assert_eq!(first, second);
    assert_ne!(first, small_network(&Tape::new(), 3, true));
}

/// Names of a pass's buffers must be those of its kernel, which only compiling checks. The device
/// that does nothing checks sizes and bindings too.
#[test]
fn a_small_network_compiles_under_default_limits() {
    let recording = small_network(&Tape::new(), 2, true);
    let mut engine = Engine::new(Gpu::noop());
    let program = engine.compile(&recording).expect("it compiles");
    assert_eq!(program.len(), recording.passes.len());
    engine.run(&program).expect("it runs");
    engine.finish().expect("it ends");
    let used = recording.used().into_iter();
    assert_eq!(engine.bytes(), used.map(|id| recording.tensor(id).bytes()).sum::<u64>());
}

#[test]
fn two_recordings_share_their_parameters() {
    let tape = Tape::new();
    let training = small_network(&tape, 4, true);
    let evaluation = small_network(&tape, 7, false);
    let parameters = |recording: &Recording| {
        let mut ids = recording.used();
        ids.retain(|&id| recording.tensor(id).role == Role::Parameter);
        ids
    };
    assert_eq!(parameters(&training).len(), 4);
    assert_eq!(parameters(&training), parameters(&evaluation));
    // Nothing else is shared, and the cut leaves nothing behind.
    let shared = training.used().into_iter().filter(|id| evaluation.used().contains(id));
    assert_eq!(shared.count(), 4);
    assert_eq!(evaluation.passes.len(), 5);
}

#[test]
fn the_second_gradient_of_a_tensor_is_added_to_the_first() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[6]);
    let y = tape.scope("twice", || x.relu().add(x));
    y.backward(tape.input("dy", &[6]));
    let dx = x.gradient().expect("a gradient");
    let recording = tape.finish();
    let labels: Vec<_> = recording.passes.iter().map(|pass| pass.label()).collect();
    let truth =
        ["twice relu.forward", "twice add.forward", "twice relu.backward", "twice add.forward"];
    assert_eq!(labels, truth);
    let sum = &recording.passes[3];
    let written = sum.tensors.iter().find(|bound| bound.name == "y").expect("a sum");
    assert_eq!(written.tensor, dx.id());
}

#[test]
fn what_does_not_lead_to_the_loss_gets_no_gradient() {
    let tape = Tape::new();
    let a = tape.tracked_input("a", &[4]);
    let b = tape.tracked_input("b", &[4]);
    let y = a.relu();
    b.relu();
    y.backward(tape.input("dy", &[4]));
    assert!(a.gradient().is_some());
    assert!(b.gradient().is_none());
    assert_eq!(tape.finish().passes.len(), 3);
}

#[test]
fn scopes_name_passes_and_tensors_forward_and_backward() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[1, 2, 2, 4]);
    let y = tape.scope("inception2", || {
        let a = tape.scope("pool", || x.max_pool(3, 1, Padding::Same));
        let b = tape.scope("1x1", || x.relu());
        concat(&[a, b])
    });
    assert_eq!(y.name(), "inception2");
    y.backward(tape.scope("start", || y.ones()));
    let outside = x.relu();
    assert_eq!(outside.name(), "");
    let recording = tape.finish();
    let labels: Vec<_> = recording.passes.iter().map(|pass| pass.label()).collect();
    let truth = [
        "inception2/pool max_pool.forward",
        "inception2/1x1 relu.forward",
        "inception2 concat.forward",
        "inception2 concat.forward",
        "start fill.forward",
        "inception2 concat.backward",
        "inception2 concat.backward",
        "inception2/1x1 relu.backward",
        "inception2/pool max_pool.backward",
        "inception2/pool add.forward",
        "relu.forward",
    ];
    assert_eq!(labels, truth);
}

#[test]
fn frozen_parameters_get_no_gradient() {
    let tape = Tape::frozen();
    let x = tape.tracked_input("x", &[1, 4, 4, 2]);
    let (w, b) = (tape.parameter("w", &[3, 3, 2, 4]), tape.parameter("b", &[4]));
    let y = tape.scope("conv", || x.conv2d(w, b, 1, Padding::Same).relu());
    let (w2, b2) = (tape.parameter("w2", &[64, 3]), tape.parameter("b2", &[3]));
    let y = tape.scope("fc", || y.dense(w2, b2));
    y.backward(tape.input("dy", &[1, 3]));
    assert_eq!(x.gradient().expect("a gradient").shape(), x.shape());
    assert!([w, b, w2, b2].iter().all(|parameter| parameter.gradient().is_none()));
    let recording = tape.finish();
    let labels: Vec<_> = recording.passes.iter().map(|pass| pass.label()).collect();
    let truth = [
        "conv conv2d.forward",
        "conv relu.forward",
        "fc dense.forward",
        "fc dense.backward_x",
        "conv relu.backward",
        "conv conv2d.flip",
        "conv conv2d.backward_x",
    ];
    assert_eq!(labels, truth);
    // They are parameters still.
    assert_eq!(recording.tensor(w.id()).role, Role::Parameter);
}

/// Nothing goes back to a frozen layer nor in front of it, and it has no moments. Through one that has
/// a trained layer in front of it the gradient goes on.
#[test]
fn frozen_layers_are_passed_forward_only() {
    let lines: Vec<_> = SMALL_NETWORK.lines().collect();
    let conv1 = [&lines[..7], &lines[8..10], &lines[17..]].concat();
    let fc1 = [&lines[..8], &lines[10..17]].concat();
    for (layer, kept) in [("conv1", conv1), ("fc1", fc1)] {
        let tape = Tape::freezing(move |name| name.starts_with(layer));
        let recording = small_network(&tape, 2, true);
        let text = recording.to_string();
        assert!(text.lines().eq(kept), "{layer} frozen, it records:\n{text}");
        let names = |role| recording.tensors.iter().filter(move |info| info.role == role);
        assert_eq!((names(Role::Parameter).count(), names(Role::State).count()), (4, 4));
        assert!(names(Role::State).all(|info| !info.name.contains(layer)));
    }
}

/// A test that recording this panics with a message that has `expected` in it.
macro_rules! refuses {
    ($name:ident, $expected:literal, $record:expr) => {
        #[test]
        #[should_panic(expected = $expected)]
        fn $name() {
            let record: fn(&Tape) = $record;
            record(&Tape::new());
        }
    };
}

refuses!(
    convolution_weights_of_other_channels,
    "conv2d: weights w[3, 3, 2, 4] do not fit the input x[1, 5, 5, 3]",
    |tape| {
        let w = tape.parameter("w", &[3, 3, 2, 4]);
        let b = tape.parameter("b", &[4]);
        tape.input("x", &[1, 5, 5, 3]).conv2d(w, b, 1, Padding::Same);
    }
);
refuses!(
    a_convolution_bias_of_another_size,
    "conv2d: bias b[3] does not fit the weights w[3, 3, 3, 4]",
    |tape| {
        let w = tape.parameter("w", &[3, 3, 3, 4]);
        let b = tape.parameter("b", &[3]);
        tape.input("x", &[1, 5, 5, 3]).conv2d(w, b, 1, Padding::Same);
    }
);
refuses!(
    a_convolution_of_no_image,
    "conv2d: the input must be [batch, height, width, channels], not [5, 3]",
    |tape| {
        let w = tape.parameter("w", &[3, 3, 3, 4]);
        let b = tape.parameter("b", &[4]);
        tape.input("x", &[5, 3]).conv2d(w, b, 1, Padding::Same);
    }
);
refuses!(
    a_window_larger_than_the_image,
    "a window of 5 with padding Valid does not fit into 4 pixels",
    |tape| {
        tape.input("x", &[1, 4, 4, 1]).max_pool(5, 1, Padding::Valid);
    }
);
refuses!(
    a_pool_of_no_image,
    "max_pool: the input must be [batch, height, width, channels], not [4]",
    |tape| {
        tape.input("x", &[4]).max_pool(2, 1, Padding::Valid);
    }
);
refuses!(
    dense_weights_of_another_depth,
    "dense: weights w[11, 4] do not fit the input x[2, 3, 4] (depth 12)",
    |tape| {
        let w = tape.parameter("w", &[11, 4]);
        tape.input("x", &[2, 3, 4]).dense(w, tape.parameter("b", &[4]));
    }
);
refuses!(
    a_dense_bias_of_another_size,
    "dense: bias b[1, 4] does not fit the weights w[12, 4]",
    |tape| {
        let w = tape.parameter("w", &[12, 4]);
        tape.input("x", &[2, 12]).dense(w, tape.parameter("b", &[1, 4]));
    }
);
refuses!(a_sum_of_two_shapes, "add: b has another shape", |tape| {
    tape.input("a", &[2, 3]).add(tape.input("b", &[3, 2]));
});
refuses!(
    a_concatenation_of_other_images,
    "concat: shapes [[1, 2, 3], [1, 3, 3]] differ before the channels",
    |tape| {
        concat(&[tape.input("a", &[1, 2, 3]), tape.input("b", &[1, 3, 3])]);
    }
);
refuses!(a_concatenation_of_other_ranks, "differ before the channels", |tape| {
    concat(&[tape.input("a", &[2, 3]), tape.input("b", &[2, 3, 1])]);
});
refuses!(a_concatenation_of_nothing, "concat: needs at least one tensor", |_| {
    concat(&[]);
});
refuses!(softmax_of_an_image, "softmax: logits must be [batch, classes], not [1, 2, 3]", |tape| {
    tape.input("x", &[1, 2, 3]).softmax();
});
refuses!(labels_of_another_batch, "softmax_cross_entropy: one label an example", |tape| {
    tape.input("x", &[3, 10]).softmax_cross_entropy(tape.input("label", &[2]));
});
refuses!(a_dropout_of_everything, "dropout: rate 1 is not in 0..1", |tape| {
    tape.input("x", &[3]).dropout(1.0, tape.input("key", &[2]), 0);
});
refuses!(a_sum_over_all_axes, "sum_rows: 2 axes of [3, 4] leave nothing", |tape| {
    tape.input("x", &[3, 4]).sum_rows(2);
});
refuses!(a_gradient_of_another_shape, "the gradient of y[3] has another shape", |tape| {
    let y = tape.tracked_input("y", &[3]);
    y.backward(tape.input("dy", &[4]));
});
refuses!(a_parameter_of_two_shapes, "parameter w was made with shape [2, 3]", |tape| {
    tape.parameter("w", &[2, 3]);
    tape.parameter("w", &[3, 2]);
});
refuses!(a_tensor_of_nothing, "tensor x: shape [2, 0] has no elements", |tape| {
    tape.input("x", &[2, 0]);
});
refuses!(a_tensor_without_axes, "tensor x: shape [] has no elements", |tape| {
    tape.input("x", &[]);
});
