package radam

// #include "shim.h"
import "C"

// SetData registers other memory for the elements; nil: none. The state stays with the parameter.
func (p Param) SetData(data Array) error {
	return p.opt.relocate(p.id, []Array{data}, nil, func(data, _ *C.uintptr_t) C.radam_status {
		return C.radam_go_set_data(p.opt.c, p.id, *data)
	})
}

// SetGrad registers other memory for the gradient; nil: the parameter has no gradient, and steps skip it.
func (p Param) SetGrad(grad Array) error {
	return p.opt.relocate(p.id, nil, []Array{grad}, func(_, grad *C.uintptr_t) C.radam_status {
		return C.radam_go_set_grad(p.opt.c, p.id, *grad)
	})
}

// SetTensors registers other memory for the elements and gradients of many parameters, first and those whose ids follow
// it: all of them or, on error, none. If data or grads is nil, that memory does not change; an element that is nil is
// as for SetData and SetGrad. Engines swap buffers this way, or set the gradients of all parameters before each step.
func (o *Optimizer) SetTensors(first Param, data, grads []Array) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.owns("first", first); err != nil {
		return err
	}
	if data != nil && grads != nil && len(data) != len(grads) {
		return failed(ErrInvalidArgument, "there are %d data and %d grads; there must be as many of both, or one of them "+
			"nil", len(data), len(grads))
	}
	if len(data) == 0 && len(grads) == 0 {
		return nil
	}
	count := C.uint64_t(longer(data, grads))
	return o.relocate(first.id, data, grads, func(data, grads *C.uintptr_t) C.radam_status {
		return C.radam_go_set_tensors(o.c, first.id, count, data, grads)
	})
}

func longer(data, grads []Array) int {
	if len(data) > len(grads) {
		return len(data)
	}
	return len(grads)
}

// relocate gives parameters other memory: all of them or, on error, none. set makes the call of the library with the
// addresses; nil: they do not change.
func (o *Optimizer) relocate(first C.uint32_t, data, grads []Array,
	set func(data, grads *C.uintptr_t) C.radam_status) error {
	return o.exclusive(func() error {
		newData, err := o.take("data", first, data, func(s shape) Dtype { return s.dtype })
		if err != nil {
			return err
		}
		newGrads, err := o.take("grad", first, grads, func(s shape) Dtype { return s.gradDtype })
		if err != nil {
			newData.letGo()
			return err
		}
		if err := check(o.c, func() C.radam_status { return set(newData.addresses(), newGrads.addresses()) }); err != nil {
			newData.letGo()
			newGrads.letGo()
			return err
		}
		for i := 0; i < longer(data, grads); i++ {
			id := uint32(first) + uint32(i)
			param := o.registered[id]
			if data != nil {
				newData.blocks[i], param.data = param.data, newData.blocks[i]
			}
			if grads != nil {
				newGrads.blocks[i], param.grad = param.grad, newGrads.blocks[i]
			}
			o.registered[id] = param
		}
		newData.letGo() // they have the old ones now
		newGrads.letGo()
		return nil
	})
}

// taken is memory of tensors that must not be freed.
type taken struct {
	blocks   []*block
	pointers []C.uintptr_t
}

// take checks that arrays have the shapes of the parameters from first on, and counts them as used.
func (o *Optimizer) take(name string, first C.uint32_t, arrays []Array, dtype func(shape) Dtype) (taken, error) {
	var t taken
	for i, array := range arrays {
		b := blockOf(array)
		// A parameter that does not exist is for the library to refuse.
		if param, exists := o.registered[uint32(first)+uint32(i)]; exists {
			if err := b.fits(name, dtype(param.shape).String(), param.len); err != nil {
				t.letGo()
				return taken{}, err
			}
		}
		if err := b.use(); err != nil {
			t.letGo()
			return taken{}, err
		}
		t.blocks, t.pointers = append(t.blocks, b), append(t.pointers, b.pointer())
	}
	return t, nil
}

func (t taken) letGo() {
	for _, b := range t.blocks {
		b.unuse()
	}
}

func (t taken) addresses() *C.uintptr_t {
	if t.pointers == nil {
		return nil
	}
	return &t.pointers[0]
}
