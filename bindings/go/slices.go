package radam

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
)

// A Lent is a parameter with the slices that a step updates it in and from. The library keeps no pointer to them.
type Lent struct {
	param      Param
	data, grad lentSlice
}

// A lentSlice is a slice of any element. Its length is -1 if it stands for the registered memory.
type lentSlice struct {
	address *C.uint8_t
	dtype   Dtype
	len     int
}

func lend[T Element](slice []T) lentSlice {
	return lentSlice{address(slice), DtypeOf[T](), len(slice)}
}

// Lend returns the slices of a parameter for one step. Its group must have GradientRelease on (SliceGroup).
func Lend[T, G Element](param Param, data []T, grad []G) Lent {
	return Lent{param, lend(data), lend(grad)}
}

// LendGrad returns the gradient of a parameter whose elements are in a tensor.
func LendGrad[G Element](param Param, grad []G) Lent {
	return Lent{param, lentSlice{len: -1}, lend(grad)}
}

// hasData says whether the data was lent, and is not the registered memory.
func (l Lent) hasData() bool { return l.data.len >= 0 }

// check says what the library cannot see behind a pointer.
func (l Lent) check(what string) error {
	if l.hasData() {
		if err := l.data.fits(what, "data", l.param, l.param.dtype); err != nil {
			return err
		}
	}
	return l.grad.fits(what, "grad", l.param, l.param.gradDtype)
}

func (s lentSlice) fits(what, name string, param Param, dtype Dtype) error {
	if s.dtype != dtype {
		return failed(ErrInvalidArgument, "%s.%s is a slice of %v; that of parameter %d must be one of %v", what, name,
			s.dtype, param.id, dtype)
	}
	if s.len != param.len {
		return failed(ErrInvalidArgument, "%s.%s has %d elements; it must have %d, as many as parameter %d", what, name,
			s.len, param.len, param.id)
	}
	return nil
}

// A stepCall is what the steps of several parameters have in common.
type stepCall struct {
	opt     *Optimizer
	options *C.radam_step_options
	sums    *C.radam_grad_sums
}

func (o *Optimizer) newStepCall(options StepOptions) (stepCall, error) {
	c, sums, err := options.c()
	return stepCall{o, c, sums}, err
}

// step steps one parameter. If report is nil, nothing is measured for it.
func (s stepCall) step(l Lent, report *C.radam_step_report) error {
	return check(s.opt.c, func() C.radam_status {
		return C.radam_go_step_tensor(s.opt.c, l.param.id, l.data.address, l.grad.address, s.options, s.sums, report)
	})
}

// StepSlice updates one parameter, for instance inside the backward pass. Goroutines may step different parameters in
// parallel.
func (o *Optimizer) StepSlice(lent Lent) error {
	return o.stepOne(StepOptions{}, lent, nil)
}

// StepSliceWith updates as StepSlice does, and scales, clips, skips, zeroes and reports. MaxGradNorm needs GradSums.
func (o *Optimizer) StepSliceWith(options StepOptions, lent Lent) (StepReport, error) {
	report := newReport()
	err := o.stepOne(options, lent, &report)
	return reportOf(&report), err
}

func (o *Optimizer) stepOne(options StepOptions, lent Lent, report *C.radam_step_report) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.owns("lent", lent.param); err != nil {
		return err
	}
	if err := lent.check("lent"); err != nil {
		return err
	}
	call, err := o.newStepCall(options)
	if err != nil {
		return err
	}
	return o.shared(func() error { return call.step(lent, report) })
}

// StepSlices updates all these parameters.
func (o *Optimizer) StepSlices(lent ...Lent) error {
	return o.exclusive(func() error {
		if _, err := o.checkAll(lent); err != nil {
			return err
		}
		call, err := o.newStepCall(StepOptions{})
		if err != nil {
			return err
		}
		for _, l := range lent {
			if err := call.step(l, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// StepSlicesWith updates as StepSlices does, and scales, clips by the norm of all gradients together, skips, zeroes and
// reports. It measures the gradients of all parameters that are not frozen, unless options.GradSums says what they sum
// up to.
func (o *Optimizer) StepSlicesWith(options StepOptions, lent ...Lent) (StepReport, error) {
	var total StepReport
	err := o.exclusive(func() error {
		stepped, err := o.checkAll(lent)
		if err != nil {
			return err
		}
		if options.GradSums == nil {
			if options.GradSums, err = measureAll(stepped); err != nil {
				return err
			}
		}
		call, err := o.newStepCall(options)
		if err != nil {
			return err
		}
		total, err = call.stepAll(lent, options.ReportNorms)
		return err
	})
	return total, err
}

// checkAll finds beforehand what would stop a step of many parameters in its middle, and returns those that are not
// frozen.
func (o *Optimizer) checkAll(lent []Lent) ([]Lent, error) {
	seen, released := make(map[C.uint32_t]bool, len(lent)), map[Group]bool{}
	var stepped []Lent
	for i, l := range lent {
		what := fmt.Sprintf("lent[%d]", i)
		if err := o.owns(what, l.param); err != nil {
			return nil, err
		}
		if seen[l.param.id] {
			return nil, failed(ErrInvalidArgument, "%s is parameter %d, which is lent twice", what, l.param.id)
		}
		seen[l.param.id] = true
		if err := l.check(what); err != nil {
			return nil, err
		}
		frozen, err := l.param.Frozen() // an error if it was removed
		if err != nil {
			return nil, err
		}
		if !frozen {
			if !l.hasData() && l.param.len > 0 && o.registered[uint32(l.param.id)].data == nil {
				return nil, failed(ErrInvalidState, "%s has no data, and parameter %d has no elements of its own; Lend must lend "+
					"some, or SetData register them", what, l.param.id)
			}
			stepped = append(stepped, l)
		}
		if group := l.param.group; !released[group] {
			if err := group.checkReleased(); err != nil {
				return nil, err
			}
			released[group] = true
		}
	}
	return stepped, o.checkOverlaps(lent)
}

func (g Group) checkReleased() error {
	options, err := g.Options()
	if err != nil {
		return err
	}
	if options.GradientRelease != On {
		return failed(ErrInvalidState, "GradientRelease is off in group %d; it must be on for slices, as SliceGroup has it",
			g.id)
	}
	return nil
}

func measureAll(lent []Lent) (*GradSums, error) {
	sums := &GradSums{}
	for _, l := range lent {
		err := check(nil, func() C.radam_status {
			return C.radam_go_measure_tensor(C.radam_dtype(l.grad.dtype), l.grad.address, C.uint64_t(l.grad.len), sums.c())
		})
		if err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// stepAll steps one parameter after another and adds up what they report.
func (s stepCall) stepAll(lent []Lent, norms bool) (StepReport, error) {
	total := StepReport{ClipCoefficient: 1, UpdateNorm: math.NaN(), ParamNorm: math.NaN()}
	if norms {
		total.UpdateNorm, total.ParamNorm = 0, 0
	}
	for _, l := range lent {
		c := newReport()
		if err := s.step(l, &c); err != nil {
			return StepReport{}, err
		}
		report := reportOf(&c)
		// The sums of all gradients say the same to each.
		total.GradNorm, total.Nonfinite = report.GradNorm, report.Nonfinite
		total.ClipCoefficient = report.ClipCoefficient
		total.Skipped = total.Skipped || report.Skipped
		total.ParamsStepped += report.ParamsStepped
		if report.Threads > total.Threads {
			total.Threads = report.Threads
		}
		total.UpdateNorm = math.Hypot(total.UpdateNorm, report.UpdateNorm)
		total.ParamNorm = math.Hypot(total.ParamNorm, report.ParamNorm)
	}
	return total, nil
}
