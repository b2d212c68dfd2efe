package radam

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"unsafe"
)

// A Dtype is the type of the elements of an array. 0 is the default of the place where it is given.
type Dtype int32

// The dtypes.
const (
	F32  Dtype = C.RADAM_DTYPE_F32  // float32
	F64  Dtype = C.RADAM_DTYPE_F64  // float64
	F16  Dtype = C.RADAM_DTYPE_F16  // Float16
	BF16 Dtype = C.RADAM_DTYPE_BF16 // BFloat16
	// Q8 is for GroupOptions.StateDtype only: state of 8 bits, whose arrays are []int8 (ExpAvg), []uint8 (ExpAvgSq) and
	// []uint32 (StateScale, one for each block of 128 elements).
	Q8 Dtype = C.RADAM_DTYPE_Q8
)

// String returns the name of the Go type, or of the constant of Q8.
func (d Dtype) String() string {
	switch d {
	case F32:
		return "float32"
	case F64:
		return "float64"
	case F16:
		return "radam.Float16"
	case BF16:
		return "radam.BFloat16"
	case Q8:
		return "radam.Q8"
	}
	return "default"
}

// An Element is what parameters and gradients are made of.
type Element interface {
	float32 | float64 | Float16 | BFloat16
}

// A StateElement is what state is made of: MasterRemainder is int16, and the arrays of Q8 are int8, uint8 and uint32.
type StateElement interface {
	Element | int16 | int8 | uint8 | uint32
}

// elementOf returns the name of a Go type, since not all of them have a dtype.
func elementOf[T StateElement]() string { return fmt.Sprintf("%T", *new(T)) }

// DtypeOf returns the dtype of a Go type; 0 for those that only state is made of.
func DtypeOf[T StateElement]() Dtype {
	switch any(*new(T)).(type) {
	case float32:
		return F32
	case float64:
		return F64
	case Float16:
		return F16
	case BFloat16:
		return BF16
	}
	return 0
}

// address returns the address of the first element; nil if there is none.
func address[T StateElement](elements []T) *C.uint8_t {
	if len(elements) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&elements[0]))
}

// A Float16 is the bits of an IEEE half-precision number.
type Float16 uint16

// ToFloat16 rounds to nearest even.
func ToFloat16(value float32) Float16 {
	bits := math.Float32bits(value)
	sign, magnitude := bits>>16&0x8000, bits&0x7fffffff
	var rounded uint32
	switch exponent := magnitude >> 23; {
	case magnitude > 0x7f800000: // NaN
		rounded = 0x7e00 | magnitude>>13&0x3ff
	case exponent >= 143: // from 65536 on
		rounded = 0x7c00
	case exponent >= 113: // normal, or rounds to infinity
		rounded = roundedShift(magnitude-112<<23, 13)
	case exponent >= 102: // denormal
		rounded = roundedShift(magnitude&0x7fffff|0x800000, 126-exponent)
	}
	return Float16(sign | rounded)
}

// Float32 returns the value.
func (f Float16) Float32() float32 {
	sign, exponent, mantissa := uint32(f&0x8000)<<16, uint32(f>>10&31), uint32(f&0x3ff)
	switch exponent {
	case 0:
		magnitude := float32(mantissa) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(magnitude))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | mantissa<<13)
}

// A BFloat16 is the bits of a bfloat16, the upper half of those of a float32.
type BFloat16 uint16

// ToBFloat16 rounds to nearest even.
func ToBFloat16(value float32) BFloat16 {
	bits := math.Float32bits(value)
	if value != value {
		return BFloat16(bits>>16 | 0x40)
	}
	return BFloat16(roundedShift(bits, 16))
}

// Float32 returns the value.
func (b BFloat16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// roundedShift returns x / 2^shift, rounded to nearest even.
func roundedShift(x, shift uint32) uint32 {
	return (x + 1<<(shift-1) - 1 + x>>shift&1) >> shift
}

// size returns the bytes of an element.
func (d Dtype) size() uintptr {
	switch d {
	case F32:
		return 4
	case F64:
		return 8
	}
	return 2
}
