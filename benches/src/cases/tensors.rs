//! Many tensors, which should cost as much as one of their total size.

use crate::bench::Bench;
use crate::case::Case;
use crate::goal::{Goal, Quantity};
use crate::limit::SquareRootAndDivision;
use crate::machine;
use crate::setup::Setup;
use radam::ffi::*;

pub fn run(bench: &mut Bench) {
    gpt2(bench);
    mlp(bench);
    thousand(bench);
}

fn gpt2(bench: &mut Bench) {
    let lens = gpt2_lens();
    let elements = lens.iter().sum();
    let title = format!("GPT-2 124M, {} tensors, f32, 2 threads", lens.len());
    let case = Case::new("tensors-gpt2", title, elements)
        .reports(Quantity::Times, "time over one flat tensor")
        .with_goal(Goal::AtMost(1.03));
    bench.compare(&case, |measure| {
        let setup = Setup::new(RADAM_DTYPE_F32, elements).on_threads(2);
        let mut flat = setup.optimizer();
        let mut model = Setup { lens, ..setup }.optimizer();
        measure(&mut || flat.step(), &mut || model.step());
    });
}

/// The sizes of the smallest GPT-2's tensors, in the order of the model.
fn gpt2_lens() -> Vec<usize> {
    const WIDTH: usize = 768;
    let linear = |inputs, outputs| [inputs * outputs, outputs];
    let norm = [WIDTH, WIDTH];
    let layer = [
        norm,
        linear(WIDTH, 3 * WIDTH),
        linear(WIDTH, WIDTH),
        norm,
        linear(WIDTH, 4 * WIDTH),
        linear(4 * WIDTH, WIDTH),
    ];
    let embeddings = [[50257 * WIDTH, 1024 * WIDTH]];
    let layers = std::iter::repeat_n(layer, 12).flatten();
    embeddings.into_iter().chain(layers).chain([norm]).flatten().collect()
}

fn mlp(bench: &mut Bench) {
    // 24 inputs, two hidden layers of 64, 16 outputs.
    let lens = vec![24 * 64, 64, 64 * 64, 64, 64 * 16, 16];
    let elements = lens.iter().sum();
    let case = Case::new("tensors-mlp", format!("MLP of {elements} in 6 tensors, f32"), elements)
        .reports(Quantity::Microseconds, "µs a step")
        .with_goal(Goal::AtMost(3.0));
    bench.compare(&case, |measure| {
        let mut limit = SquareRootAndDivision::new(elements);
        let mut optimizer =
            Setup { lens, num_threads: 0, ..Setup::new(RADAM_DTYPE_F32, 0) }.optimizer();
        measure(&mut || limit.run(), &mut || optimizer.step());
    });
}

fn thousand(bench: &mut Bench) {
    const TENSORS: usize = 1000;
    let elements = TENSORS * 64;
    let case = Case::new("tensors-1000", "1000 tensors of 64, f32", elements)
        .reports(Quantity::NanosecondsPerTensor(TENSORS), "ns per tensor above one flat tensor")
        .with_goal(Goal::AtMost(20.0));
    let mut started = None;
    bench.compare(&case, |measure| {
        let mut flat = Setup::new(RADAM_DTYPE_F32, elements).optimizer();
        let before = machine::threads();
        let lens = vec![64; TENSORS];
        let mut tensors =
            Setup { lens, num_threads: 0, ..Setup::new(RADAM_DTYPE_F32, 0) }.optimizer();
        measure(&mut || flat.step(), &mut || tensors.step());
        started = before.zip(machine::threads()).map(|(before, after)| after - before);
    });
    if let Some(started) = started {
        let text =
            format!("Threads that 1000 tensors of 64 started, with num_threads 0: {started}");
        bench.report.note(text, Some(started == 0));
    }
}
