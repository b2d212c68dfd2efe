package radam

// #include "shim.h"
import "C"

import "time"

// StepOptions are what a step does besides updating. The zero value is a plain update.
type StepOptions struct {
	// Multiplies every gradient before anything else; 0: 1. With loss scaling, it is 1 / loss scale.
	GradScale float64
	// Skips the step if any gradient element is infinite or NaN.
	SkipNonfinite bool
	// Clips gradients by the norm of all of them together, as PyTorch does; 0: no limit.
	MaxGradNorm float64
	// Then clamps each element to [-MaxGradValue, MaxGradValue]; 0: no limit.
	MaxGradValue float64
	// Zeroes the gradients once they are no longer needed.
	ZeroGrad bool
	// Measures UpdateNorm and ParamNorm for the report.
	ReportNorms bool
	// What is known of all gradients, for example of several processes; nil: the step measures its own.
	GradSums *GradSums
}

func (s StepOptions) c() (*C.radam_step_options, *C.radam_grad_sums, error) {
	var c C.radam_step_options
	err := check(nil, func() C.radam_status {
		return C.radam_step_options_init(&c, C.sizeof_radam_step_options)
	})
	if s.GradScale != 0 {
		c.grad_scale = C.double(s.GradScale)
	}
	c.skip_nonfinite = toggle(s.SkipNonfinite)
	c.max_grad_norm, c.max_grad_value = C.double(s.MaxGradNorm), C.double(s.MaxGradValue)
	c.zero_grad, c.report_norms = toggle(s.ZeroGrad), toggle(s.ReportNorms)
	return &c, s.GradSums.c(), err
}

// A StepReport says what happened in a step. Norms are L2 norms over all parameters that were stepped.
type StepReport struct {
	Skipped         bool    // because of SkipNonfinite
	Nonfinite       uint64  // the number of gradient elements that are infinite or NaN
	GradNorm        float64 // after GradScale and before clipping
	ClipCoefficient float64 // what MaxGradNorm multiplied the gradients by
	UpdateNorm      float64 // of the change of the parameters; NaN without ReportNorms
	ParamNorm       float64 // of the parameters after the step; NaN without ReportNorms or in a skipped step
	ParamsStepped   uint64  // 0 if none has a gradient, or the step was skipped
	Threads         uint32  // how many worked on the step
}

func newReport() C.radam_step_report {
	return C.radam_step_report{struct_size: C.sizeof_radam_step_report}
}

func reportOf(c *C.radam_step_report) StepReport {
	return StepReport{
		Skipped:         c.skipped != 0,
		Nonfinite:       uint64(c.nonfinite),
		GradNorm:        float64(c.grad_norm),
		ClipCoefficient: float64(c.clip_coefficient),
		UpdateNorm:      float64(c.update_norm),
		ParamNorm:       float64(c.param_norm),
		ParamsStepped:   uint64(c.params_stepped),
		Threads:         uint32(c.threads),
	}
}

// Step updates every parameter in a tensor that has a gradient.
func (o *Optimizer) Step() error {
	return o.change(func() C.radam_status { return C.radam_step(o.c) })
}

// StepWith updates as Step does, and scales, clips, skips, zeroes and reports. It measures the gradients for the
// report.
func (o *Optimizer) StepWith(options StepOptions) (StepReport, error) {
	c, sums, err := options.c()
	if err != nil {
		return StepReport{}, err
	}
	report := newReport()
	err = o.change(func() C.radam_status { return C.radam_go_step_with(o.c, c, sums, &report) })
	return reportOf(&report), err
}

// ZeroGrad fills the gradients in tensors with zeros.
func (o *Optimizer) ZeroGrad() error {
	return o.change(func() C.radam_status { return C.radam_zero_grad(o.c) })
}

// A SlicedStep is a step of tensors that the caller runs bit by bit, for instance in the frames of a game. While it is
// open, other calls that change the optimizer return ErrBusy, except StepSlice, StepSliceWith, StepSlices and
// StepSlicesWith: they step parameters of groups with GradientRelease, which are not part of it.
type SlicedStep struct {
	opt *Optimizer
}

// BeginStep opens a sliced step.
func (o *Optimizer) BeginStep(options StepOptions) (SlicedStep, error) {
	c, sums, err := options.c()
	if err != nil {
		return SlicedStep{}, err
	}
	return SlicedStep{o}, o.change(func() C.radam_status { return C.radam_go_step_begin(o.c, c, sums) })
}

// Wave starts the next wave and returns how many chunks it has, which may run in any order and in parallel; 0: there
// are no more waves. All chunks of the previous wave must have been stepped.
func (s SlicedStep) Wave() (uint64, error) {
	var chunks C.uint64_t
	err := s.opt.change(func() C.radam_status { return C.radam_step_wave(s.opt.c, &chunks) })
	return uint64(chunks), err
}

// Chunk steps one chunk of the wave, some 10 microseconds of work. Goroutines may step different ones in parallel.
func (s SlicedStep) Chunk(chunk uint64) error {
	return s.opt.shared(func() error {
		return check(s.opt.c, func() C.radam_status { return C.radam_step_chunk(s.opt.c, C.uint64_t(chunk)) })
	})
}

// For works on the step for a limited time, but on at least one chunk unless the budget is 0, and returns how many
// chunks are left; at 0, the step is ready for End.
func (s SlicedStep) For(budget time.Duration) (uint64, error) {
	var left C.uint64_t
	err := s.opt.change(func() C.radam_status { return C.radam_step_for(s.opt.c, nanoseconds(budget), &left) })
	return uint64(left), err
}

// End ends the step, all of whose chunks have been stepped.
func (s SlicedStep) End() (StepReport, error) {
	report := newReport()
	err := s.opt.change(func() C.radam_status { return C.radam_step_end(s.opt.c, &report) })
	return reportOf(&report), err
}

// Abort cancels the step, which is possible until the first chunk that changes anything.
func (s SlicedStep) Abort() error {
	return s.opt.change(func() C.radam_status { return C.radam_step_abort(s.opt.c) })
}
