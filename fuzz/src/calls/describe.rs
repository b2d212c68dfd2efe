//! Drawing the structs that calls take.

use crate::draw::Draw;
use crate::model::options::state_kind;
use crate::model::register::Spec;
use crate::model::{Array, Dtype};
use crate::world::World;
use radam::ffi::*;
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// A struct as its init function fills it.
pub fn filled<T>(init: unsafe extern "C" fn(*mut T, u32) -> radam_status) -> T {
    let mut value = MaybeUninit::uninit();
    // SAFETY: the function fills the whole struct.
    unsafe {
        assert_eq!(init(value.as_mut_ptr(), size_of::<T>() as u32), RADAM_OK);
        value.assume_init()
    }
}

const AUTO_ON_OFF: [radam_toggle; 4] = [RADAM_AUTO, RADAM_ON, RADAM_OFF, RADAM_AUTO];

pub fn lr(draw: &mut Draw) -> f64 {
    draw.pick(&[0.1, 1e-3, 1.0, 0.5, 0.0, 1e-30, 7e3, -1.0, f64::NAN, f64::INFINITY, 0.01, 0.02])
}

pub fn weight_decay(draw: &mut Draw) -> f64 {
    draw.pick(&[0.0, 0.01, 0.1, 0.5, 10.0, 1e-20, 0.01, 0.1, f64::NAN, -0.5])
}

/// Changes some of the options of a group.
pub fn change_options(options: &mut radam_group_options, draw: &mut Draw) {
    for _ in 0..1 + draw.below(4) {
        match draw.below(21) {
            0 => options.lr = lr(draw),
            1 => options.beta1 = draw.pick(&[0.9, 0.0, 0.5, 0.95, 0.999, 0.9999, 1.0, -0.1]),
            2 => {
                let near_one = 1.0 - f64::EPSILON / 2.0;
                let betas =
                    [0.99, 0.999, 0.9999, 0.9, 0.0, 0.5, 0.99999999, near_one, 1.0, f64::NAN];
                options.beta2 = draw.pick(&betas);
            }
            3 => options.weight_decay = weight_decay(draw),
            4 => options.eps = draw.pick(&[1e-6, 1e-8, 0.0, 1.0, 1e-50, f64::INFINITY]),
            5 => options.max_lr = draw.pick(&[f64::NAN, 1.0, 0.1, 0.0, 10.0, -1.0]),
            6 => options.rectify_threshold = draw.pick(&[5.0, 4.0, 4.5, 100.0, 3.9, f64::NAN]),
            7 => options.seed = draw.word(),
            8 => options.decouple_wd = draw.pick(&AUTO_ON_OFF),
            9 => options.decouple_lr = draw.pick(&AUTO_ON_OFF),
            10 | 19 => options.kahan_sum = draw.pick(&AUTO_ON_OFF),
            11 => options.for_each = draw.pick(&AUTO_ON_OFF),
            12 => options.gradient_release = draw.pick(&AUTO_ON_OFF),
            13 => options.maximize = draw.pick(&AUTO_ON_OFF),
            14 => options.rectify = draw.pick(&AUTO_ON_OFF),
            15 => options.master_remainder = draw.pick(&AUTO_ON_OFF),
            16 => options.stochastic_rounding = draw.pick(&AUTO_ON_OFF),
            17 => options.unrectified = draw.pick(&AUTO_ON_OFF),
            18 | 20 => {
                let others = [0, 1, 1, 0, 1, 4, 2, 3];
                let is_q8 = draw.clone().byte() >= 128;
                options.state_dtype = if is_q8 { RADAM_DTYPE_Q8 } else { draw.pick(&others) };
            }
            _ => {}
        }
    }
    match draw.below(60) {
        59 => options.struct_size = 8,
        58 => options.maximize = 3,
        57 => options.state_dtype = 6,
        56 => (options.beta1, options.beta2, options.eps) = (0.0, 0.0, 0.0),
        _ => {}
    }
}

pub fn group_options(draw: &mut Draw) -> radam_group_options {
    let mut options = filled(radam_group_options_init);
    // By a byte that is drawn in any case, so that sequences that are kept stay what they are.
    if draw.clone().byte() >= 176 {
        options.state_dtype = RADAM_DTYPE_Q8;
    }
    options.lr = draw.pick(&[0.1, 0.01, 1.0]);
    options.rectify = draw.pick(&[RADAM_AUTO, RADAM_OFF, RADAM_AUTO]);
    if draw.chance(4) {
        options.gradient_release = RADAM_ON;
    }
    for _ in 0..draw.below(3) {
        change_options(&mut options, draw);
    }
    options
}

impl World {
    /// A parameter for a group with such options. Its pointers are right, unless it has a flaw.
    pub fn spec(&mut self, subject: usize, options: &radam_group_options, draw: &mut Draw) -> Spec {
        let mut c = filled(radam_param_init);
        let only_bf16 =
            options.master_remainder == RADAM_ON || options.stochastic_rounding == RADAM_ON;
        let is_q8 = options.state_dtype == RADAM_DTYPE_Q8;
        let dtype = match Dtype::of(options.state_dtype) {
            _ if only_bf16 => Dtype::Bf16,
            _ if is_q8 => {
                draw.pick(&[Dtype::F32, Dtype::Bf16, Dtype::F16, Dtype::F32, Dtype::Bf16])
            }
            Ok(dtype) if dtype != Dtype::F32 => dtype,
            _ => draw.pick(&Dtype::ALL),
        };
        c.dtype = dtype.code();
        let len = draw.pick(&[5, 1, 17, 8, 33, 64, 100, 0, 3, 16, 7, 260]);
        let is_long = draw.chance(100);
        let len = if is_long { draw.pick(&[16_384, 16_385, 40_000, 33_000]) } else { len };
        c.len = len as u64;
        let grad_dtype = if draw.chance(3) { draw.pick(&Dtype::ALL) } else { dtype };
        c.grad_dtype =
            if grad_dtype == dtype { draw.pick(&[0, dtype.code()]) } else { grad_dtype.code() };
        if is_q8 && !draw.chance(4) {
            // Slices of tensors that are long enough to be coded, most of them.
            c.tensor_offset = draw.pick(&[0, 128, 4096, 16_256, 1 << 39, 0, 3968, 7]);
            let total_len = draw.pick(&[4096, 4095, 4096, 5000]);
            c.tensor_len = (c.tensor_offset + c.len).max(total_len);
        } else {
            let is_long = draw.clone().byte() >= 176; // and may become 8-bit state
            if draw.chance(6) {
                c.tensor_offset = draw.pick(&[7, 16_384, 16_380, (1 << 32) - 2, 100_000]);
                c.tensor_len = c.tensor_offset + c.len + draw.below(5) as u64;
            } else if is_long {
                c.tensor_len = c.len.max(4096);
            }
        }
        let copy_dtype = draw.pick(&[Dtype::Bf16, Dtype::F16, Dtype::F32]);
        c.copy_dtype = if copy_dtype == Dtype::Bf16 { 0 } else { copy_dtype.code() };
        let name = draw.pick(&[
            None,
            Some("w"),
            None,
            Some("weight.1"),
            Some("param.3"),
            Some("ü\"\\\n"),
            None,
        ]);
        let name =
            name.map(|name| format!("{name}{}", draw.pick(&["", "a", "b", "c"])).into_bytes());
        let mut spec = Spec { c, name, data: None, grad: None, copy: None, state: [None; 4] };
        if !draw.chance(16) {
            spec.data = Some(self.new_array(dtype, len, draw));
        }
        if !draw.chance(4) {
            spec.grad = Some(self.new_grad(subject, grad_dtype, len, draw));
        }
        if !dtype.is_16_bit() && draw.chance(3) {
            spec.copy = Some(self.memory.allocate(copy_dtype, len, draw.below(5)));
        }
        if draw.chance(5) {
            self.give_state(&mut spec, options, dtype, draw);
        }
        spec.point(|array| self.memory.pointer(array));
        if draw.chance(16) && len > 0 {
            self.flaw(subject, &mut spec, draw);
        }
        spec
    }

    /// A gradient, sometimes in the memory of another.
    pub fn new_grad(&mut self, subject: usize, dtype: Dtype, len: usize, draw: &mut Draw) -> Array {
        if draw.chance(8) {
            let params = &self.subjects[subject].model.params;
            let mut others = params.iter().rev().filter_map(|param| param.grad);
            let found = others.find(|grad| grad.dtype == dtype && grad.len >= len);
            if let Some(grad) = found {
                let first = grad.first + draw.below(grad.len - len + 1);
                return Array { first, len, ..grad };
            }
        }
        self.new_array(dtype, len, draw)
    }

    fn give_state(
        &mut self,
        spec: &mut Spec,
        options: &radam_group_options,
        dtype: Dtype,
        draw: &mut Draw,
    ) {
        let slice = (spec.c.tensor_offset, spec.c.tensor_len.max(spec.c.len));
        let Ok(kind) = state_kind(options, dtype, slice) else { return };
        for (place, array) in spec.state.iter_mut().zip(kind.arrays(spec.c.len)) {
            if let Some((dtype, len)) = array.filter(|_| !draw.chance(4)) {
                *place = Some(self.memory.allocate(dtype, len as usize, draw.below(9)));
            }
        }
    }

    /// Spoils a parameter, which has elements.
    fn flaw(&mut self, subject: usize, spec: &mut Spec, draw: &mut Draw) {
        let other = self.subjects[subject].model.params.iter().find_map(|param| param.data);
        let other: *mut c_void = self.memory.pointer(other.filter(|array| array.len > 0)).cast();
        let c = &mut spec.c;
        match draw.below(13) {
            0 => c.dtype = draw.pick(&[0, 5, -1]),
            1 => c.grad_dtype = 9,
            2 => c.copy_dtype = -3,
            3 => c.data = c.data.wrapping_byte_add(1),
            4 => c.len = draw.pick(&[u64::MAX, 1 << 63]),
            5 => spec.name = Some(draw.pick(&[&b""[..], b"\xff", b"a\xc3"]).to_vec()),
            6 => c.struct_size = draw.pick(&[0, 4, 1000]),
            7 => {
                (c.tensor_offset, c.tensor_len) = draw.pick(&[(1, 0), (u64::MAX, u64::MAX), (5, 6)])
            }
            _ if other.is_null() || c.data.is_null() => {}
            8 => (c.copy, c.copy_dtype) = (c.data, RADAM_DTYPE_F64),
            9 => c.data = other,
            10 => c.grad = other,
            11 => c.copy = other,
            _ if draw.clone().byte() >= 128 => c.state_scale = other,
            _ => c.kahan_comp = other,
        }
    }
}

impl Spec {
    /// Sets the pointers of the struct.
    pub fn point(&mut self, pointer: impl Fn(Option<Array>) -> *mut u8) {
        self.c.data = pointer(self.data).cast();
        self.c.grad = pointer(self.grad).cast();
        self.c.copy = pointer(self.copy).cast();
        let c = &mut self.c;
        [c.exp_avg, c.exp_avg_sq, c.kahan_comp, c.state_scale] =
            self.state.map(|array| pointer(array).cast());
    }
}
