//! Steps on the calling thread allocate nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use radam::{GradSums, GroupOptions, Optimizer, State, StepOptions, Tensor, bf16, update};

/// The system's allocator, which counts what each thread asks for.
struct Counting;

thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the contract is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(call: impl FnOnce()) -> usize {
    let before = COUNT.get();
    call();
    COUNT.get() - before
}

#[test]
fn steps_allocate_nothing() {
    assert_eq!(allocations(|| drop(vec![1])), 1);
    let mut opt = Optimizer::new().unwrap();
    let group = opt.add_group(GroupOptions::new(0.1)).unwrap();
    let released = GroupOptions { gradient_release: true, ..GroupOptions::new(0.1) };
    let released = opt.add_group(released).unwrap();
    let a = opt.add_param::<f32>(group, 100, "a").unwrap();
    let b = opt.add_param::<bf16>(group, 100, "b").unwrap();
    let c = opt.add_param::<f32>(released, 100, "c").unwrap();
    let options = StepOptions { max_grad_norm: 1.0, report_norms: true, ..StepOptions::default() };
    let (mut floats, mut halves) = ([1.0f32; 100], [bf16::ONE; 100]);
    let (grad, grad16) = ([0.5f32; 100], [bf16::ONE; 100]);
    let [mut exp_avg, mut exp_avg_sq] = [[0.0f32; 100]; 2];
    let count = allocations(|| {
        for step in 1..=8 {
            opt.step(&mut [(a, &mut floats, &grad)]).unwrap();
            let tensors =
                &mut [Tensor::new(a, &mut floats, &grad), Tensor::new(b, &mut halves, &grad16)];
            opt.step_with(&options, tensors).unwrap();
            let mut sums = opt.measure(tensors).unwrap();
            sums += &GradSums::measure(&grad).unwrap();
            let options = StepOptions { grad_sums: Some(&sums), ..options };
            opt.step_tensor_with(&options, (c, &mut floats, &grad)).unwrap();
            let (exp_avg, exp_avg_sq) = (&mut exp_avg, &mut exp_avg_sq);
            let mut state = State { exp_avg, exp_avg_sq, kahan_comp: None, master_remainder: None };
            update(&mut floats, &grad, &mut state, &GroupOptions::new(0.1), step).unwrap();
        }
    });
    assert_eq!((count, opt.step_count(c).unwrap()), (0, 8));
}
