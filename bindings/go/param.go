package radam

// #include "shim.h"
import "C"

import (
	"strings"
	"unsafe"
)

// A Spec describes a parameter to add. A parameter in ordinary slices has a Dtype and a Len; one in a tensor has Data,
// which says both.
type Spec struct {
	Name      string // unique; checkpoints identify parameters by it. "": "param." and its id
	Dtype     Dtype  // 0: that of Data
	GradDtype Dtype  // 0: that of Grad, or else Dtype
	Len       int    // 0: that of Data
	Data      Array  // the elements
	Grad      Array  // the gradient; nil: steps skip the parameter
	Copy      Array  // receives the new values of an F32 or F64 parameter, rounded to its own dtype
	// The state, for callers who allocate it themselves: zeros, in the dtype of the group's state. KahanComp is int16
	// with MasterRemainder. With Q8, from TensorLen or Len 4096 on, ExpAvg is int8, ExpAvgSq uint8, KahanComp of Dtype,
	// and StateScale uint32, one for each block of 128 elements.
	ExpAvg, ExpAvgSq, KahanComp, StateScale Array
	// For shards: the parameter begins at element TensorOffset of a tensor of TensorLen elements. 0: it is all of it. With
	// Q8, TensorOffset is a multiple of 128.
	TensorOffset, TensorLen uint64
}

func (s Spec) arrays() arrays {
	return arrays{blockOf(s.Data), blockOf(s.Grad), blockOf(s.Copy), blockOf(s.ExpAvg), blockOf(s.ExpAvgSq),
		blockOf(s.KahanComp), blockOf(s.StateScale)}
}

// complete fills in what the arrays say, and checks that all of them say the same.
func (s *Spec) complete(group GroupOptions) error {
	a := s.arrays()
	if a.data != nil {
		s.Dtype, s.Len = or(s.Dtype, a.data.dtype), or(s.Len, a.data.len)
	}
	if a.grad != nil {
		s.GradDtype = or(s.GradDtype, a.grad.dtype)
	}
	s.GradDtype = or(s.GradDtype, s.Dtype)
	if s.Dtype == 0 && a.data != nil {
		return a.data.notOf("Data", floats)
	}
	if s.Dtype == 0 {
		return failed(ErrInvalidArgument, "Dtype is 0; a Spec without Data needs one: F32, F64, F16 or BF16")
	}
	if s.Dtype == Q8 || s.GradDtype == Q8 {
		return failed(ErrInvalidArgument, "Dtype is %v and GradDtype %v; Q8 is for GroupOptions.StateDtype only, so they "+
			"must be F32, F64, F16 or BF16", s.Dtype, s.GradDtype)
	}
	if s.Len < 0 {
		return failed(ErrInvalidArgument, "Len is %d; it must be at least 0", s.Len)
	}
	state, kahan := s.stateDtypes(group)
	kahanElement := kahan.String()
	if group.MasterRemainder == On {
		kahanElement = stateElement(MasterRemainder, 0)
	}
	for _, array := range []struct {
		name    string
		block   *block
		element string
	}{
		{"Data", a.data, s.Dtype.String()},
		{"Grad", a.grad, s.GradDtype.String()},
		{"ExpAvg", a.expAvg, stateElement(ExpAvg, state)},
		{"ExpAvgSq", a.expAvgSq, stateElement(ExpAvgSq, state)},
		{"KahanComp", a.kahanComp, kahanElement},
	} {
		if err := array.block.fits(array.name, array.element, s.Len); err != nil {
			return err
		}
	}
	if a.copy != nil {
		if a.copy.dtype == 0 {
			return a.copy.notOf("Copy", floats)
		}
		if err := a.copy.fits("Copy", a.copy.element, s.Len); err != nil {
			return err
		}
	}
	return a.stateScale.fits("StateScale", stateElement(StateScale, state), stateLen(StateScale, s.Len))
}

// stateDtypes returns the dtypes of ExpAvg and ExpAvgSq, and of KahanComp. Small tensors have no state of 8 bits.
func (s Spec) stateDtypes(group GroupOptions) (state, kahan Dtype) {
	switch {
	case group.StateDtype != Q8:
		state = or(group.StateDtype, s.Dtype)
		return state, state
	case or(s.TensorLen, uint64(s.Len)) < 4096:
		return F32, F32
	}
	return Q8, s.Dtype
}

func or[T comparable](value, fallback T) T {
	if value == *new(T) {
		return fallback
	}
	return value
}

// fits checks what the library cannot see behind a pointer.
func (b *block) fits(name, element string, len int) error {
	if b == nil {
		return nil
	}
	if b.element != element {
		return b.notOf(name, element)
	}
	if b.len != len {
		return failed(ErrInvalidArgument, "%s has %d elements; it must have %d", name, b.len, len)
	}
	return nil
}

// floats are the types that have a dtype.
const floats = "float32, float64, radam.Float16 or radam.BFloat16"

func (b *block) notOf(name, elements string) error {
	return failed(ErrInvalidArgument, "%s is a tensor of %s; it must be one of %s", name, b.element, elements)
}

// A shape is what slices and tensors are held against.
type shape struct {
	dtype, gradDtype Dtype
	len              int
}

// A Param is a parameter of an optimizer.
type Param struct {
	opt   *Optimizer
	id    C.uint32_t
	group Group
	shape
}

// registered is what an optimizer knows of a parameter. It must not refer to the optimizer, whose finalizer would then
// never run.
type registered struct {
	shape
	arrays
}

// Add adds a parameter to the group.
func (g Group) Add(spec Spec) (Param, error) {
	o := g.opt
	var param Param
	err := o.exclusive(func() error {
		options, err := g.Options()
		if err != nil {
			return err
		}
		if err := spec.complete(options); err != nil {
			return err
		}
		arrays := spec.arrays()
		if err := arrays.use(); err != nil {
			return err
		}
		id, err := g.add(spec, arrays)
		if err != nil {
			arrays.release()
			return err
		}
		param, err = o.describe(id)
		o.registered[uint32(id)] = registered{param.shape, arrays}
		return err
	})
	return param, err
}

func (g Group) add(spec Spec, arrays arrays) (C.uint32_t, error) {
	var c C.radam_param
	if err := check(nil, func() C.radam_status { return C.radam_param_init(&c, C.sizeof_radam_param) }); err != nil {
		return 0, err
	}
	if spec.Name != "" {
		name, err := cString("Name", spec.Name)
		if err != nil {
			return 0, err
		}
		defer C.free(unsafe.Pointer(name))
		c.name = name
	}
	c.dtype, c.grad_dtype, c.len = C.radam_dtype(spec.Dtype), C.radam_dtype(spec.GradDtype), C.uint64_t(spec.Len)
	if arrays.copy != nil {
		c.copy_dtype = C.radam_dtype(arrays.copy.dtype)
	}
	c.tensor_offset, c.tensor_len = C.uint64_t(spec.TensorOffset), C.uint64_t(spec.TensorLen)
	var pointers [7]C.uintptr_t
	for i, b := range arrays.all() {
		pointers[i] = b.pointer()
	}
	var id C.uint32_t
	err := check(g.opt.c, func() C.radam_status {
		return C.radam_go_add_param(g.opt.c, g.id, &c, &pointers[0], &id)
	})
	return id, err
}

// cString copies a string for C, which the caller frees. C would end it at a NUL.
func cString(name, text string) (*C.char, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, failed(ErrInvalidArgument, "%s is %q; it must not contain a NUL", name, text)
	}
	return C.CString(text), nil
}

// describe returns the parameter with this id.
func (o *Optimizer) describe(id C.uint32_t) (Param, error) {
	c := C.radam_param{struct_size: C.sizeof_radam_param}
	group := Group{opt: o}
	err := o.read(func() C.radam_status { return C.radam_get_param(o.c, id, &group.id, &c) })
	if err != nil {
		return Param{}, err
	}
	return Param{o, id, group, shape{Dtype(c.dtype), Dtype(c.grad_dtype), int(c.len)}}, nil
}

// Param returns the parameter with this name.
func (o *Optimizer) Param(name string) (Param, error) {
	c, err := cString("name", name)
	if err != nil {
		return Param{}, err
	}
	defer C.free(unsafe.Pointer(c))
	var id C.uint32_t
	if err := o.read(func() C.radam_status { return C.radam_param_id(o.c, c, &id) }); err != nil {
		return Param{}, err
	}
	return o.describe(id)
}

// ID returns the number of the parameter: 0, 1, 2, ... in the order of adding, across all groups.
func (p Param) ID() uint32 { return uint32(p.id) }

// Group returns the group of the parameter.
func (p Param) Group() Group { return p.group }

// Len returns the number of elements.
func (p Param) Len() int { return p.len }

// Dtype returns the dtype of the elements.
func (p Param) Dtype() Dtype { return p.dtype }

// GradDtype returns the dtype of the gradient.
func (p Param) GradDtype() Dtype { return p.gradDtype }

// Name returns the name.
func (p Param) Name() (string, error) {
	// The library's function has no status: an unknown parameter is found out beforehand.
	if _, err := p.opt.describe(p.id); err != nil {
		return "", err
	}
	return text(func(buffer *C.char, capacity C.uint64_t) C.uint64_t {
		return C.radam_param_name(p.opt.c, p.id, buffer, capacity)
	}), nil
}

// StepCount returns the number of steps that the parameter has made.
func (p Param) StepCount() (uint64, error) {
	var steps C.uint64_t
	err := p.opt.read(func() C.radam_status { return C.radam_step_count(p.opt.c, p.id, &steps) })
	return uint64(steps), err
}

// SetStepCount sets the number of steps, for callers who restore the state themselves.
func (p Param) SetStepCount(steps uint64) error {
	return p.opt.change(func() C.radam_status { return C.radam_set_step_count(p.opt.c, p.id, C.uint64_t(steps)) })
}

// SetFrozen freezes or unfreezes the parameter. Steps skip a frozen parameter.
func (p Param) SetFrozen(frozen bool) error {
	return p.opt.change(func() C.radam_status { return C.radam_set_frozen(p.opt.c, p.id, toggle(frozen)) })
}

// Frozen returns whether the parameter is frozen.
func (p Param) Frozen() (bool, error) {
	var frozen C.radam_toggle
	err := p.opt.read(func() C.radam_status { return C.radam_get_frozen(p.opt.c, p.id, &frozen) })
	return frozen == C.RADAM_ON, err
}

// ResetState resets the state to that before the first step.
func (p Param) ResetState() error {
	return p.opt.change(func() C.radam_status { return C.radam_reset_state(p.opt.c, p.id) })
}

// Remove removes the parameter and its state. Its name can be used again; its id is not.
func (p Param) Remove() error {
	return p.opt.exclusive(func() error {
		err := check(p.opt.c, func() C.radam_status { return C.radam_remove_param(p.opt.c, p.id) })
		if err == nil {
			p.opt.registered[uint32(p.id)].arrays.release()
			delete(p.opt.registered, uint32(p.id))
		}
		return err
	})
}
