//! More elements than 32 bits can count.

use super::*;

/// In a few megabytes: every array is the same small window of
/// memory over and over. The average of gradients counts how often each element was stepped.
#[test]
fn tensors_of_more_than_2_to_the_32_elements_are_stepped_to_their_end() {
    const WINDOW: usize = 1 << 22; // elements
    const LEN: usize = (1 << 32) + 33;
    let layout = Layout {
        param: Dtype::Bf16,
        grad: Dtype::Bf16,
        state: Dtype::F32,
        q8: false,
        copy: None,
        rounding: Rounding::Nearest,
    };
    let coefficients = Coefficients { beta1_hat: 1.0, beta1_comp: 1.0, ..steps()[0].coefficients };
    let step = Step { rule: Rule::Unrectified, decay: Decay::None, clips: false, coefficients };
    let param = RepeatedWindow::new(2, LEN, WINDOW);
    let grad = RepeatedWindow::new(2, LEN, WINDOW);
    let [exp_avg, exp_avg_sq] = [(); 2].map(|()| RepeatedWindow::new(4, LEN, WINDOW));
    let one = bf16::store(1.0);
    // SAFETY: the arrays are as long as they say; that some elements share memory only means that
    // they are stepped one after another. The instruction set is there.
    let counts = unsafe {
        std::slice::from_raw_parts_mut(grad.start.cast::<bf16>(), WINDOW).fill(one);
        let view = TensorView {
            len: LEN,
            whole: LEN,
            first: 0,
            param: param.start,
            grad: grad.start,
            exp_avg: exp_avg.start,
            exp_avg_sq: exp_avg_sq.start,
            kahan_comp: ptr::null_mut(),
            state_scale: ptr::null_mut(),
            master_remainder: ptr::null_mut(),
            copy: ptr::null_mut(),
            noise: Noise::NONE,
        };
        Kernel::new(InstructionSet::available().last().unwrap(), layout, false).run(&step, &view);
        std::slice::from_raw_parts(exp_avg.start.cast::<f32>(), WINDOW)
    };
    let (times, rest) = ((LEN / WINDOW) as f32, LEN % WINDOW);
    assert!(counts[..rest].iter().all(|count| *count == times + 1.0));
    assert!(counts[rest..].iter().all(|count| *count == times));
}

/// A little memory, mapped one time after another.
struct RepeatedWindow {
    start: *mut u8,
    bytes: usize,
}

impl RepeatedWindow {
    /// Room for `len` elements of a size, which are a window of zeros repeated.
    fn new(size: usize, len: usize, window: usize) -> Self {
        let (bytes, window_bytes) = ((len * size).next_multiple_of(window * size), window * size);
        // SAFETY: all addresses that are mapped over are those that the first call has reserved.
        unsafe {
            let file = libc::memfd_create(c"window".as_ptr(), 0);
            assert_eq!(libc::ftruncate(file, window_bytes as libc::off_t), 0);
            let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let start = libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, reserve, -1, 0);
            for at in (0..bytes).step_by(window_bytes) {
                let (place, access) = (start.byte_add(at), libc::PROT_READ | libc::PROT_WRITE);
                let over = libc::MAP_SHARED | libc::MAP_FIXED;
                assert_eq!(libc::mmap(place, window_bytes, access, over, file, 0), place);
            }
            libc::close(file);
            Self { start: start.cast(), bytes }
        }
    }
}

impl Drop for RepeatedWindow {
    fn drop(&mut self) {
        // SAFETY: nobody uses the window any more.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}
