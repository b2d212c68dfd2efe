package radam

// #include "shim.h"
import "C"

import (
	"math"
	"sort"
	"unsafe"
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

// check says what the library cannot see behind a pointer.
func (l Lent) check() error {
	if l.data.len >= 0 {
		if err := l.data.fits("data", l.param, l.param.dtype); err != nil {
			return err
		}
	}
	return l.grad.fits("grad", l.param, l.param.gradDtype)
}

func (s lentSlice) fits(name string, param Param, dtype Dtype) error {
	if s.dtype != dtype {
		return failed(ErrInvalidArgument, "%s is a slice of %v; that of parameter %d must be one of %v", name, s.dtype,
			param.id, dtype)
	}
	if s.len != param.len {
		return failed(ErrInvalidArgument, "%s has %d elements; it must have %d, as many as parameter %d", name, s.len,
			param.len, param.id)
	}
	return nil
}

// StepSlice updates one parameter, for instance inside the backward pass. Goroutines may step different parameters in
// parallel.
func (o *Optimizer) StepSlice(lent Lent) error {
	return o.shared(func() error { return o.stepOne(lent, &stepCall{}) })
}

// StepSliceWith updates as StepSlice does, and scales, clips, skips, zeroes and reports. MaxGradNorm needs GradSums.
func (o *Optimizer) StepSliceWith(options StepOptions, lent Lent) (StepReport, error) {
	report := newReport()
	err := o.shared(func() error { return o.stepOne(lent, &stepCall{options, &report}) })
	return reportOf(&report), err
}

// A stepCall is what the steps of several parameters have in common.
type stepCall struct {
	options StepOptions
	report  *C.radam_step_report // nil: nothing is measured for it
}

func (o *Optimizer) stepOne(lent Lent, call *stepCall) error {
	if lent.param.opt != o {
		return failed(ErrInvalidArgument, "parameter %d is one of another optimizer", lent.param.id)
	}
	if err := lent.check(); err != nil {
		return err
	}
	c, sums, err := call.options.c()
	if err != nil {
		return err
	}
	return check(o.c, func() C.radam_status {
		return C.radam_go_step_tensor(o.c, lent.param.id, lent.data.address, lent.grad.address, c, sums, call.report)
	})
}

// StepSlices updates all these parameters.
func (o *Optimizer) StepSlices(lent ...Lent) error {
	return o.exclusive(func() error {
		if err := o.checkAll(lent); err != nil {
			return err
		}
		for _, l := range lent {
			if err := o.stepOne(l, &stepCall{}); err != nil {
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
		if err := o.checkAll(lent); err != nil {
			return err
		}
		if options.GradSums == nil {
			sums, err := o.measureAll(lent)
			if err != nil {
				return err
			}
			options.GradSums = sums
		}
		var err error
		total, err = o.stepAll(options, lent)
		return err
	})
	return total, err
}

// checkAll finds beforehand what would stop a step of many parameters in its middle.
func (o *Optimizer) checkAll(lent []Lent) error {
	seen := make(map[C.uint32_t]bool, len(lent))
	for i, l := range lent {
		if l.param.opt != o {
			return failed(ErrInvalidArgument, "lent[%d] is a parameter of another optimizer", i)
		}
		if seen[l.param.id] {
			return failed(ErrInvalidArgument, "lent[%d] is parameter %d, which is lent twice", i, l.param.id)
		}
		seen[l.param.id] = true
		if err := l.check(); err != nil {
			return err
		}
		if _, err := o.describe(l.param.id); err != nil { // it may have been removed
			return err
		}
		options, err := l.param.group.Options()
		if err != nil {
			return err
		}
		if options.GradientRelease != On {
			return failed(ErrInvalidState, "gradient_release is off in group %d; it must be on for slices, as SliceGroup "+
				"has it", l.param.group.id)
		}
	}
	return checkOverlaps(lent)
}

// checkOverlaps refuses slices that share memory; only gradients may share it with each other.
func checkOverlaps(lent []Lent) error {
	type span struct {
		begin, end uintptr
		name       string
		param      C.uint32_t
	}
	spans := make([]span, 0, 2*len(lent))
	for _, l := range lent {
		for _, s := range []struct {
			name  string
			slice lentSlice
		}{{"data", l.data}, {"grad", l.grad}} {
			if begin := uintptr(unsafe.Pointer(s.slice.address)); begin != 0 {
				end := begin + uintptr(s.slice.len)*s.slice.dtype.size()
				spans = append(spans, span{begin, end, s.name, l.param.id})
			}
		}
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].begin < spans[j].begin })
	var last, lastData span // those that end last
	for _, s := range spans {
		before := lastData // a gradient must not overlap data,
		if s.name == "data" {
			before = last // and data nothing
		}
		if s.begin < before.end {
			return failed(ErrInvalidArgument, "the %s of parameter %d overlaps the %s of parameter %d; each needs memory of "+
				"its own", s.name, s.param, before.name, before.param)
		}
		if s.end > last.end {
			last = s
		}
		if s.name == "data" && s.end > lastData.end {
			lastData = s
		}
	}
	return nil
}

// measureAll measures what the steps will use.
func (o *Optimizer) measureAll(lent []Lent) (*GradSums, error) {
	sums := &GradSums{}
	for _, l := range lent {
		frozen, err := l.param.Frozen()
		if err != nil {
			return nil, err
		}
		if frozen {
			continue
		}
		if err := check(nil, func() C.radam_status {
			return C.radam_go_measure_tensor(C.radam_dtype(l.grad.dtype), l.grad.address, C.uint64_t(l.grad.len), sums.c())
		}); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// stepAll steps one parameter after another and adds up what they report.
func (o *Optimizer) stepAll(options StepOptions, lent []Lent) (StepReport, error) {
	total := StepReport{ClipCoefficient: 1, UpdateNorm: math.NaN(), ParamNorm: math.NaN()}
	if options.ReportNorms {
		total.UpdateNorm, total.ParamNorm = 0, 0
	}
	for _, l := range lent {
		c := newReport()
		if err := o.stepOne(l, &stepCall{options, &c}); err != nil {
			return total, err
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
