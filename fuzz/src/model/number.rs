//! Elements as numbers. Every number of every dtype is an f64.

use super::Status;
use radam::ffi::*;

/// The type of an array's elements. I16 is that of master remainders; I8, U8 and U32 are those of 8-bit state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F64,
    F16,
    Bf16,
    I16,
    I8,
    U8,
    U32,
}

impl Dtype {
    pub const ALL: [Self; 4] = [Self::F32, Self::F64, Self::F16, Self::Bf16];

    pub fn of(code: radam_dtype) -> Result<Self, Status> {
        Self::ALL.into_iter().find(|d| d.code() == code).ok_or(RADAM_ERROR_INVALID_ARGUMENT)
    }

    /// The same, or what 0 stands for.
    pub fn or(code: radam_dtype, default: Self) -> Result<Self, Status> {
        if code == 0 { Ok(default) } else { Self::of(code) }
    }

    pub fn code(self) -> radam_dtype {
        match self {
            Self::F32 => RADAM_DTYPE_F32,
            Self::F64 => RADAM_DTYPE_F64,
            Self::F16 => RADAM_DTYPE_F16,
            Self::Bf16 => RADAM_DTYPE_BF16,
            Self::I16 | Self::I8 | Self::U8 | Self::U32 => 0,
        }
    }

    /// As files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::U32 => "U32",
        }
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        Self::ALL.contains(&self)
    }

    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }

    pub fn is_16_bit(self) -> bool {
        self.size() == 2
    }

    /// What parameters of this dtype are computed in.
    pub fn real(self) -> Self {
        if self == Self::F64 { self } else { Self::F32 }
    }

    /// Bits of the significand of a dtype of 16 bits, the leading one included, and the exponent of the smallest normal
    /// number.
    fn shape(self) -> (u32, i32) {
        if self == Self::F16 { (11, -14) } else { (8, -126) }
    }

    pub fn decode(self, bits: u64) -> f64 {
        let (precision, smallest) = self.shape();
        match self {
            Self::F64 => return f64::from_bits(bits),
            Self::F32 => return f32::from_bits(bits as u32).into(),
            Self::I16 => return (bits as u16 as i16).into(),
            Self::I8 => return (bits as u8 as i8).into(),
            Self::U8 | Self::U32 => return bits as f64,
            Self::F16 | Self::Bf16 => {}
        }
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (magnitude, one) = (bits & 0x7fff, 1 << (precision - 1));
        let (exponent, fraction) = (magnitude / one, magnitude % one);
        let unit = power_of_two(smallest - (precision as i32 - 1));
        if exponent == self.infinity() / one {
            return if fraction > 0 { f64::NAN } else { sign * f64::INFINITY };
        }
        let significand = if exponent == 0 { fraction } else { fraction + one };
        sign * significand as f64 * unit * power_of_two(exponent.saturating_sub(1) as i32)
    }

    /// The bits of the nearest number, the even one of two.
    pub fn encode(self, number: f64) -> u64 {
        match self {
            Self::F64 => return number.to_bits(),
            Self::F32 => return (number as f32).to_bits().into(),
            Self::I16 => return number as i16 as u16 as u64,
            Self::I8 => return number as i8 as u8 as u64,
            Self::U8 => return number as u8 as u64,
            Self::U32 => return number as u32 as u64,
            Self::F16 | Self::Bf16 => {}
        }
        let (precision, smallest) = self.shape();
        if number.is_nan() {
            return self.infinity() | 1 << (precision - 2);
        }
        let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
        let exponent = (number.to_bits() >> 52 & 0x7ff) as i32 - 1023;
        if exponent > 200 {
            return sign | self.infinity();
        }
        let exponent = exponent.max(smallest);
        // Rounding up to a power of two carries into the exponent, as it should.
        let units = number.abs() / power_of_two(exponent - (precision as i32 - 1));
        let bits = ((exponent - smallest) as u64) << (precision - 1);
        sign | (bits + units.round_ties_even() as u64).min(self.infinity())
    }

    pub fn round(self, number: f64) -> f64 {
        match self {
            Self::F64 => number,
            Self::F32 => number as f32 as f64,
            _ => self.decode(self.encode(number)),
        }
    }

    pub fn is_nan(self, bits: u64) -> bool {
        self.is_float() && self.decode(bits).is_nan()
    }

    fn infinity(self) -> u64 {
        let (precision, _) = self.shape();
        0x7fff >> (precision - 1) << (precision - 1)
    }
}

/// Of exponents that normal f64 have.
pub fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_what_they_decode_to() {
        for dtype in [Dtype::F16, Dtype::Bf16] {
            for bits in (0..0x10000).filter(|bits| !dtype.is_nan(*bits)) {
                assert_eq!(dtype.encode(dtype.decode(bits)), bits, "{dtype:?}");
            }
        }
        assert_eq!(Dtype::F16.decode(0x3555), 0.333251953125);
        assert_eq!(Dtype::Bf16.decode(0x3eab), 0.333984375);
        assert_eq!(Dtype::F16.decode(0x0001), power_of_two(-24));
        assert_eq!(Dtype::F16.decode(0xfbff), -65504.0);
        assert_eq!((Dtype::F16.encode(65519.9), Dtype::F16.encode(65520.0)), (0x7bff, 0x7c00));
    }

    #[test]
    fn halfway_goes_to_the_even_one() {
        let halfway = |bits: u64| (Dtype::Bf16.decode(bits) + Dtype::Bf16.decode(bits + 1)) / 2.0;
        assert_eq!(Dtype::Bf16.encode(halfway(0x3f80)), 0x3f80);
        assert_eq!(Dtype::Bf16.encode(halfway(0x3f81)), 0x3f82);
        assert_eq!(Dtype::Bf16.encode(halfway(0x3f80) * (1.0 + 1e-15)), 0x3f81);
    }
}
