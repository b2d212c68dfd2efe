package radam

// #include "shim.h"
import "C"

import "unsafe"

// A State is an array of a parameter's state.
type State int32

// The arrays.
const (
	ExpAvg          State = C.RADAM_STATE_EXP_AVG          // the moving average of gradients, debiased
	ExpAvgSq        State = C.RADAM_STATE_EXP_AVG_SQ       // the moving average of squared gradients, debiased
	KahanComp       State = C.RADAM_STATE_KAHAN_COMP       // the compensation of Kahan summation
	MasterRemainder State = C.RADAM_STATE_MASTER_REMAINDER // the lower parts of the master weights; int16
)

// GetState copies an array of a parameter's state; nil if the parameter has no such array.
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
		if asked := DtypeOf[T](); dtype != asked {
			return failed(ErrInvalidArgument, "the state is asked for as %v; that of parameter %d is of %v", asked, p.id,
				dtype)
		}
		return use(unsafe.Slice((*T)(address), p.len))
	})
}

func (p Param) state(which State) (address unsafe.Pointer, dtype Dtype, err error) {
	var c C.radam_dtype
	err = check(p.opt.c, func() C.radam_status {
		return C.radam_param_state(p.opt.c, p.id, C.radam_state(which), &address, &c)
	})
	return address, Dtype(c), err
}
