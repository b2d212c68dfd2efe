package radam

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// A State is an array of a parameter's state.
type State int32

// The arrays.
const (
	ExpAvg          State = C.RADAM_STATE_EXP_AVG          // the moving average of gradients, debiased
	ExpAvgSq        State = C.RADAM_STATE_EXP_AVG_SQ       // the moving average of squared gradients, debiased
	KahanComp       State = C.RADAM_STATE_KAHAN_COMP       // the compensation of Kahan summation
	MasterRemainder State = C.RADAM_STATE_MASTER_REMAINDER // the lower parts of the master weights; int16
	StateScale      State = C.RADAM_STATE_SCALE            // with Q8, the scale of each block of 128 elements; uint32
)

// String returns the name of the constant.
func (s State) String() string {
	switch s {
	case ExpAvg:
		return "ExpAvg"
	case ExpAvgSq:
		return "ExpAvgSq"
	case KahanComp:
		return "KahanComp"
	case MasterRemainder:
		return "MasterRemainder"
	case StateScale:
		return "StateScale"
	}
	return fmt.Sprintf("State(%d)", int32(s))
}

// stateElement returns the name of the Go type of an array, whose dtype is the library's.
func stateElement(which State, dtype Dtype) string {
	switch {
	case which == MasterRemainder:
		return elementOf[int16]()
	case which == StateScale:
		return elementOf[uint32]()
	case dtype == Q8 && which == ExpAvg:
		return elementOf[int8]()
	case dtype == Q8:
		return elementOf[uint8]()
	}
	return dtype.String()
}

// stateLen returns the length of an array of a parameter that has so many elements.
func stateLen(which State, len int) int {
	if which == StateScale {
		return (len + 127) / 128
	}
	return len
}

// GetState copies an array of a parameter's state; nil if the parameter has no such array. T is its type; with Q8, int8
// for ExpAvg, uint8 for ExpAvgSq and uint32 for StateScale.
func GetState[T StateElement](p Param, which State) ([]T, error) {
	var elements []T
	err := withState(p, which, func(state []T) error {
		elements = append(elements, state...)
		return nil
	})
	return elements, err
}

// SetState overwrites an array of a parameter's state.
func SetState[T StateElement](p Param, which State, elements []T) error {
	return withState(p, which, func(state []T) error {
		if state == nil && p.len > 0 && len(elements) > 0 {
			return failed(ErrInvalidArgument, "the state has %d elements; parameter %d has no %v", len(elements), p.id, which)
		}
		if len(state) != len(elements) {
			return failed(ErrInvalidArgument, "the state has %d elements; that of parameter %d must have %d", len(elements),
				p.id, len(state))
		}
		copy(state, elements)
		return nil
	})
}

// withState shows an array of the library, which must not be kept: it is freed with the parameter.
func withState[T StateElement](p Param, which State, use func([]T) error) error {
	return p.opt.exclusive(func() error {
		address, dtype, err := p.state(which)
		if err != nil {
			return err
		}
		if address == nil {
			return use(nil)
		}
		if asked, is := elementOf[T](), stateElement(which, dtype); is != asked {
			return failed(ErrInvalidArgument, "the state is asked for as %s; that of parameter %d is of %s", asked, p.id, is)
		}
		return use(unsafe.Slice((*T)(address), stateLen(which, p.len)))
	})
}

func (p Param) state(which State) (address unsafe.Pointer, dtype Dtype, err error) {
	var c C.radam_dtype
	err = check(p.opt.c, func() C.radam_status {
		return C.radam_param_state(p.opt.c, p.id, C.radam_state(which), &address, &c)
	})
	return address, Dtype(c), err
}
