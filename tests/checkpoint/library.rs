//! The library under test, driven through its C functions.

use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::{fs, mem, ptr, slice};

use half::{bf16, f16};
use radam::ffi::*;

/// Calls a function whose first argument is the optimizer; if it fails, so does the test, with the
/// library's sentence.
macro_rules! call {
    ($function:ident($handle:expr $(, $argument:expr)*)) => {{
        let handle = $handle;
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: tensors are as long as the library is told, and `Optimizer` keeps them.
        let status = unsafe { $function(handle $(, $argument)*) };
        assert_eq!(status, RADAM_OK, "{}", $crate::library::last_error(handle));
    }};
}
pub(crate) use call;

/// The arrays of a state, as their names in files end.
pub const STATES: [(radam_state, &str); 4] = [
    (RADAM_STATE_EXP_AVG, "exp_avg"),
    (RADAM_STATE_EXP_AVG_SQ, "exp_avg_sq"),
    (RADAM_STATE_KAHAN_COMP, "kahan_comp"),
    (RADAM_STATE_MASTER_REMAINDER, "master_remainder"),
];

/// What a tensor is, or which slice of one.
#[derive(Clone)]
pub struct Spec {
    pub name: String,
    pub dtype: radam_dtype,
    pub len: usize,
    pub offset: u64,
    /// 0: the whole tensor.
    pub total_len: u64,
}

impl Spec {
    pub fn new(name: &str, dtype: radam_dtype, len: usize) -> Self {
        Spec { name: name.into(), dtype, len, offset: 0, total_len: 0 }
    }

    pub fn slice(name: &str, dtype: radam_dtype, len: usize, offset: u64, total_len: u64) -> Self {
        Spec { offset, total_len, ..Spec::new(name, dtype, len) }
    }
}

/// A call that failed.
#[derive(Debug)]
pub struct Refusal {
    pub status: radam_status,
    pub sentence: String,
}

struct Tensor {
    spec: Spec,
    /// Words, so that they are aligned for every dtype.
    data: Vec<u64>,
    grad: Vec<u64>,
}

/// One optimizer with the tensors that it works on.
pub struct Optimizer {
    pub handle: *mut radam_optimizer,
    tensors: Vec<Tensor>,
    groups: u32,
}

impl Optimizer {
    pub fn new() -> Self {
        let mut handle = ptr::null_mut();
        // SAFETY: options may be NULL, and `handle` is there to be written.
        assert_eq!(unsafe { radam_create(ptr::null(), &mut handle) }, RADAM_OK);
        Optimizer { handle, tensors: Vec::new(), groups: 0 }
    }

    /// With one group.
    pub fn of(options: &radam_group_options, specs: &[Spec]) -> Self {
        let mut optimizer = Optimizer::new();
        optimizer.add_group(options, specs);
        optimizer
    }

    pub fn add_group(&mut self, options: &radam_group_options, specs: &[Spec]) {
        let names: Vec<_> =
            specs.iter().map(|spec| CString::new(spec.name.as_str()).unwrap()).collect();
        let mut params = Vec::new();
        for (spec, name) in specs.iter().zip(&names) {
            let words = (spec.len * size_of_dtype(spec.dtype)).div_ceil(8) + 1;
            let mut tensor =
                Tensor { spec: spec.clone(), data: vec![0; words], grad: vec![0; words] };
            fill(&mut tensor.data, spec, 0);
            let mut param = filled(radam_param_init);
            param.dtype = spec.dtype;
            param.len = spec.len as u64;
            param.data = tensor.data.as_mut_ptr().cast();
            param.grad = tensor.grad.as_mut_ptr().cast();
            param.name = name.as_ptr();
            param.tensor_offset = spec.offset;
            param.tensor_len = spec.total_len;
            params.push(param);
            self.tensors.push(tensor);
        }
        let count = params.len() as u64;
        call!(radam_add_param_group(self.handle, options, params.as_ptr(), count, ptr::null_mut()));
        self.groups += 1;
    }

    /// Makes a step; the gradients depend on its number, the tensor and the element only.
    pub fn step(&mut self, number: u64) {
        for Tensor { spec, grad, .. } in &mut self.tensors {
            fill(grad, spec, number);
        }
        call!(radam_step(self.handle));
    }

    pub fn steps(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.step(number));
    }

    pub fn save(&self) -> Vec<u8> {
        let mut size = 0;
        call!(radam_save_to_buffer(self.handle, ptr::null_mut(), 0, &mut size));
        let mut bytes = vec![0x5a; size as usize];
        call!(radam_save_to_buffer(self.handle, bytes.as_mut_ptr().cast(), size, &mut size));
        assert_eq!(size as usize, bytes.len());
        bytes
    }

    pub fn save_to(&self, path: &Path) {
        let path = c_path(path);
        call!(radam_save(self.handle, path.as_ptr()));
    }

    pub fn load(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let size = bytes.len() as u64;
        // SAFETY: the buffer has so many bytes.
        let status = unsafe { radam_load_from_buffer(self.handle, bytes.as_ptr().cast(), size) };
        self.outcome(status)
    }

    /// Through files, as there are no options for buffers.
    pub fn load_with(
        &mut self,
        files: &[&Path],
        strict: radam_toggle,
        hyperparameters: radam_toggle,
    ) -> Result<(), Refusal> {
        let paths: Vec<_> = files.iter().map(|path| c_path(path)).collect();
        let paths: Vec<_> = paths.iter().map(|path| path.as_ptr()).collect();
        let mut options = filled(radam_load_options_init);
        (options.strict, options.hyperparameters) = (strict, hyperparameters);
        let count = paths.len() as u64;
        // SAFETY: there are so many paths.
        let status = unsafe { radam_load_shards(self.handle, paths.as_ptr(), count, &options) };
        self.outcome(status)
    }

    pub fn load_from(&mut self, files: &[&Path]) -> Result<(), Refusal> {
        self.load_with(files, RADAM_AUTO, RADAM_AUTO)
    }

    fn outcome(&self, status: radam_status) -> Result<(), Refusal> {
        if status == RADAM_OK {
            return Ok(());
        }
        Err(Refusal { status, sentence: last_error(self.handle) })
    }

    /// The bytes of a parameter's elements.
    pub fn data(&self, param: usize) -> &[u8] {
        let Tensor { spec, data, .. } = &self.tensors[param];
        // SAFETY: the words have at least so many bytes.
        unsafe { slice::from_raw_parts(data.as_ptr().cast(), spec.len * size_of_dtype(spec.dtype)) }
    }

    /// What a caller restores beside the checkpoint.
    pub fn copy_data(&mut self, from: &[Vec<u8>]) {
        for (Tensor { data, .. }, from) in self.tensors.iter_mut().zip(from) {
            // SAFETY: the words have as many bytes as those of the same tensor elsewhere.
            unsafe {
                ptr::copy_nonoverlapping(from.as_ptr(), data.as_mut_ptr().cast(), from.len())
            };
        }
    }

    pub fn all_data(&self) -> Vec<Vec<u8>> {
        (0..self.tensors.len()).map(|param| self.data(param).to_vec()).collect()
    }

    /// An array of a parameter's state, in bytes, and its dtype; none if there is no such array.
    pub fn state(&self, param: usize, which: radam_state) -> (Vec<u8>, radam_dtype) {
        let (mut array, mut dtype) = (ptr::null_mut(), 0);
        call!(radam_param_state(self.handle, param as u32, which, &mut array, &mut dtype));
        if array.is_null() {
            return (Vec::new(), dtype);
        }
        let bytes = self.tensors[param].spec.len * size_of_dtype(dtype);
        // SAFETY: the array is as long as the parameter, and nothing steps meanwhile.
        (unsafe { slice::from_raw_parts(array.cast::<u8>(), bytes) }.to_vec(), dtype)
    }

    pub fn set_state(&mut self, param: usize, which: radam_state, bytes: &[u8]) {
        let mut array = ptr::null_mut();
        call!(radam_param_state(self.handle, param as u32, which, &mut array, ptr::null_mut()));
        // SAFETY: the array has so many bytes, as `state` has shown.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), array.cast(), bytes.len()) };
    }

    pub fn step_count(&self, param: usize) -> u64 {
        let mut steps = u64::MAX;
        call!(radam_step_count(self.handle, param as u32, &mut steps));
        steps
    }

    /// Everything that a step goes by or changes, apart from the gradients.
    pub fn picture(&self) -> Picture {
        let mut tensors = Vec::new();
        for param in 0..self.tensors.len() {
            let mut frozen = 0;
            call!(radam_get_frozen(self.handle, param as u32, &mut frozen));
            tensors.push(TensorPicture {
                data: self.data(param).to_vec(),
                states: STATES.map(|(which, _)| self.state(param, which)),
                steps: self.step_count(param),
                frozen,
            });
        }
        let groups = (0..self.groups).map(|group| GroupPicture::of(self.handle, group)).collect();
        let mut accumulation = 0;
        call!(radam_get_optimizer_accumulation(self.handle, &mut accumulation));
        Picture { tensors, groups, accumulation }
    }

    /// Loads what must be refused, for this reason and with all of these words, changing nothing.
    pub fn refuses(&mut self, bytes: &[u8], status: radam_status, words: &[&str]) {
        let before = self.picture();
        let outcome = self.load(bytes);
        self.check_refusal(outcome, &before, status, words);
    }

    pub fn check_refusal(
        &self,
        outcome: Result<(), Refusal>,
        before: &Picture,
        status: radam_status,
        words: &[&str],
    ) {
        let refusal = outcome.expect_err("it was taken");
        assert_eq!(refusal.status, status, "{}", refusal.sentence);
        for word in words {
            assert!(refusal.sentence.contains(word), "no \"{word}\" in: {}", refusal.sentence);
        }
        assert!(self.picture() == *before, "a refused load changed something");
    }
}

impl Drop for Optimizer {
    fn drop(&mut self) {
        assert_eq!(radam_free(self.handle), RADAM_OK);
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    tensors: Vec<TensorPicture>,
    groups: Vec<GroupPicture>,
    accumulation: radam_toggle,
}

impl Picture {
    pub fn data(&self) -> Vec<Vec<u8>> {
        self.tensors.iter().map(|tensor| tensor.data.clone()).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
struct TensorPicture {
    data: Vec<u8>,
    states: [(Vec<u8>, radam_dtype); 4],
    steps: u64,
    frozen: radam_toggle,
}

#[derive(Clone, Debug, PartialEq)]
struct GroupPicture {
    numbers: [f64; 6],
    integers: [i32; 10],
    seed: u64,
}

impl GroupPicture {
    fn of(handle: *const radam_optimizer, group: u32) -> Self {
        let mut numbers = [f64::NAN; 6];
        let number_getters: [unsafe extern "C" fn(_, u32, *mut f64) -> radam_status; 6] = [
            radam_get_lr,
            radam_get_beta1,
            radam_get_beta2,
            radam_get_weight_decay,
            radam_get_eps,
            radam_get_max_lr,
        ];
        for (getter, number) in number_getters.into_iter().zip(&mut numbers) {
            call!(getter(handle, group, number));
        }
        let mut integers = [-1; 10];
        let integer_getters: [unsafe extern "C" fn(_, u32, *mut i32) -> radam_status; 10] = [
            radam_get_decouple_wd,
            radam_get_decouple_lr,
            radam_get_kahan_sum,
            radam_get_for_each,
            radam_get_gradient_release,
            radam_get_maximize,
            radam_get_rectify,
            radam_get_state_dtype,
            radam_get_master_remainder,
            radam_get_stochastic_rounding,
        ];
        for (getter, integer) in integer_getters.into_iter().zip(&mut integers) {
            call!(getter(handle, group, integer));
        }
        let mut seed = 0;
        call!(radam_get_seed(handle, group, &mut seed));
        GroupPicture { numbers, integers, seed }
    }
}

/// Options that train quickly, with a seed and a decay of their own.
pub fn group_options() -> radam_group_options {
    let mut options = filled(radam_group_options_init);
    options.lr = 0.01;
    options.weight_decay = 0.1;
    options.seed = 7;
    options
}

/// A struct of the library's with its defaults.
pub fn filled<T>(init: unsafe extern "C" fn(*mut T, u32) -> radam_status) -> T {
    // SAFETY: these structs are made of numbers and pointers, so they may be zeros, and init writes
    // no more than the size that it is told.
    unsafe {
        let mut options: T = mem::zeroed();
        assert_eq!(init(&mut options, size_of::<T>() as u32), RADAM_OK);
        options
    }
}

/// 0 stands for the 16 bits that make a master weight.
pub fn size_of_dtype(dtype: radam_dtype) -> usize {
    match dtype {
        RADAM_DTYPE_F64 => 8,
        RADAM_DTYPE_F32 => 4,
        _ => 2,
    }
}

/// A folder of a test's own, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkpoint").join(name);
    let _ = fs::remove_dir_all(&folder); // what an earlier run left
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn c_path(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

/// Gives a tensor the values of a step, of which 0 stands for those it begins with: numbers in [-1, 1)
/// that look random.
fn fill(values: &mut [u64], spec: &Spec, step: u64) {
    let name = spec.name.bytes().fold(step + 1, |hash, byte| mix(hash ^ u64::from(byte)));
    let values: *mut c_void = values.as_mut_ptr().cast();
    for i in 0..spec.len {
        let random = mix(name ^ (spec.offset + i as u64 + 1)) >> 40;
        let value = random as f64 / f64::from(1 << 23) - 1.0;
        // SAFETY: the words have room for so many elements, and are aligned for them.
        unsafe {
            match spec.dtype {
                RADAM_DTYPE_F64 => *values.cast::<f64>().add(i) = value,
                RADAM_DTYPE_F32 => *values.cast::<f32>().add(i) = value as f32,
                RADAM_DTYPE_F16 => *values.cast::<f16>().add(i) = f16::from_f64(value),
                _ => *values.cast::<bf16>().add(i) = bf16::from_f64(value),
            }
        }
    }
}

/// The finalizer of splitmix64.
pub fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

pub fn last_error(handle: *const radam_optimizer) -> String {
    // SAFETY: it may be asked for the size only, and then writes no more than the buffer holds.
    let sentence = unsafe {
        let mut sentence = vec![0u8; radam_last_error(handle, ptr::null_mut(), 0) as usize];
        radam_last_error(handle, sentence.as_mut_ptr().cast(), sentence.len() as u64);
        sentence
    };
    String::from_utf8_lossy(&sentence).trim_end_matches('\0').into()
}
