package radam

// #include "shim.h"
import "C"

// A Toggle is a switch with a default.
type Toggle int32

// The values of a Toggle.
const (
	Off  Toggle = C.RADAM_OFF
	On   Toggle = C.RADAM_ON
	Auto Toggle = C.RADAM_AUTO // the default of the option
)

// GroupOptions are the options of a group of parameters. SliceGroup and TensorGroup return the defaults; the zero value
// is refused. radam.h describes each option.
type GroupOptions struct {
	DecoupleWD         Toggle  // multiply by 1 - LR*WeightDecay, as AdamW does; Auto: off, an L2 penalty
	DecoupleLR         Toggle  // multiply by 1 - LR/MaxLR*WeightDecay; Auto: off
	KahanSum           Toggle  // keep what rounding loses; Auto: on for F16 and BF16
	ForEach            Toggle  // all tensors in one parallel loop; Auto: on
	GradientRelease    Toggle  // step the parameters one by one: slices need it; Auto: off
	Maximize           Toggle  // follow the gradient upwards; Auto: off
	Rectify            Toggle  // off: Adam; Auto: on
	StateDtype         Dtype   // 0: that of each parameter; otherwise F32, that of all parameters, or Q8
	MasterRemainder    Toggle  // 16 bits more make exact f32 masters of BF16; Auto: off
	StochasticRounding Toggle  // round BF16 at random instead; Auto: off
	Unrectified        Toggle  // move in the first steps too, which are not rectified; Auto: on
	LR                 float64 // the learning rate
	Beta1              float64 // the decay rate of exp_avg; default 0.9
	Beta2              float64 // the decay rate of exp_avg_sq; default 0.99
	WeightDecay        float64 // default 0
	Eps                float64 // default 1e-6
	MaxLR              float64 // the highest LR of the schedule, for DecoupleLR; default NaN: LR
	RectifyThreshold   float64 // default 5
	Seed               uint64  // of StochasticRounding and Q8; default 0
}

// SliceGroup returns the defaults of a group of ordinary slices, which StepSlices steps: GradientRelease is on.
func SliceGroup(lr float64) GroupOptions {
	options := TensorGroup(lr)
	options.GradientRelease = On
	return options
}

// TensorGroup returns the defaults of a group of tensors, which Step steps.
func TensorGroup(lr float64) GroupOptions {
	// A library to which the size is unknown gives zeros, and refuses them later with a sentence.
	var c C.radam_group_options
	C.radam_group_options_init(&c, C.sizeof_radam_group_options)
	c.lr = C.double(lr)
	return groupOptionsOf(&c)
}

func groupOptionsOf(c *C.radam_group_options) GroupOptions {
	return GroupOptions{
		DecoupleWD:         Toggle(c.decouple_wd),
		DecoupleLR:         Toggle(c.decouple_lr),
		KahanSum:           Toggle(c.kahan_sum),
		ForEach:            Toggle(c.for_each),
		GradientRelease:    Toggle(c.gradient_release),
		Maximize:           Toggle(c.maximize),
		Rectify:            Toggle(c.rectify),
		StateDtype:         Dtype(c.state_dtype),
		MasterRemainder:    Toggle(c.master_remainder),
		StochasticRounding: Toggle(c.stochastic_rounding),
		Unrectified:        Toggle(c.unrectified),
		LR:                 float64(c.lr),
		Beta1:              float64(c.beta1),
		Beta2:              float64(c.beta2),
		WeightDecay:        float64(c.weight_decay),
		Eps:                float64(c.eps),
		MaxLR:              float64(c.max_lr),
		RectifyThreshold:   float64(c.rectify_threshold),
		Seed:               uint64(c.seed),
	}
}

// check leaves all but one mistake to the library, whose sentence names functions of C for that one.
func (g GroupOptions) check() error {
	if g.Beta1 != 0 || g.Beta2 != 0 || g.Eps != 0 {
		return nil
	}
	return failed(ErrInvalidArgument, "Beta1, Beta2 and Eps are all 0, as in a GroupOptions literal; "+
		"SliceGroup(lr) and TensorGroup(lr) return options with the defaults, which can then be changed")
}

func (g GroupOptions) c() *C.radam_group_options {
	return &C.radam_group_options{
		struct_size:         C.sizeof_radam_group_options,
		decouple_wd:         C.radam_toggle(g.DecoupleWD),
		decouple_lr:         C.radam_toggle(g.DecoupleLR),
		kahan_sum:           C.radam_toggle(g.KahanSum),
		for_each:            C.radam_toggle(g.ForEach),
		gradient_release:    C.radam_toggle(g.GradientRelease),
		maximize:            C.radam_toggle(g.Maximize),
		rectify:             C.radam_toggle(g.Rectify),
		state_dtype:         C.radam_dtype(g.StateDtype),
		master_remainder:    C.radam_toggle(g.MasterRemainder),
		stochastic_rounding: C.radam_toggle(g.StochasticRounding),
		unrectified:         C.radam_toggle(g.Unrectified),
		lr:                  C.double(g.LR),
		beta1:               C.double(g.Beta1),
		beta2:               C.double(g.Beta2),
		weight_decay:        C.double(g.WeightDecay),
		eps:                 C.double(g.Eps),
		max_lr:              C.double(g.MaxLR),
		rectify_threshold:   C.double(g.RectifyThreshold),
		seed:                C.uint64_t(g.Seed),
	}
}

// A Group is a group of parameters with common options.
type Group struct {
	opt *Optimizer
	id  C.uint32_t
}

// AddGroup adds a group without parameters.
func (o *Optimizer) AddGroup(options GroupOptions) (Group, error) {
	group := Group{opt: o}
	if err := options.check(); err != nil {
		return group, err
	}
	c := options.c()
	err := o.change(func() C.radam_status { return C.radam_add_param_group(o.c, c, nil, 0, &group.id) })
	return group, err
}

// ID returns the number of the group: 0, 1, 2, ... in the order of adding.
func (g Group) ID() uint32 { return uint32(g.id) }

// Options returns all options as they were set.
func (g Group) Options() (GroupOptions, error) {
	c := C.radam_group_options{struct_size: C.sizeof_radam_group_options}
	err := g.opt.read(func() C.radam_status { return C.radam_get_group_options(g.opt.c, g.id, &c) })
	return groupOptionsOf(&c), err
}

// SetOptions sets all options: all of them or, on error, none.
func (g Group) SetOptions(options GroupOptions) error {
	if err := options.check(); err != nil {
		return err
	}
	c := options.c()
	return g.opt.change(func() C.radam_status { return C.radam_set_group_options(g.opt.c, g.id, c) })
}

// SetLR sets the learning rate, as a schedule does before each step.
func (g Group) SetLR(lr float64) error {
	return g.opt.change(func() C.radam_status { return C.radam_set_lr(g.opt.c, g.id, C.double(lr)) })
}

// LR returns the learning rate.
func (g Group) LR() (float64, error) {
	var lr C.double
	err := g.opt.read(func() C.radam_status { return C.radam_get_lr(g.opt.c, g.id, &lr) })
	return float64(lr), err
}

// SetWeightDecay sets the weight decay.
func (g Group) SetWeightDecay(weightDecay float64) error {
	return g.opt.change(func() C.radam_status {
		return C.radam_set_weight_decay(g.opt.c, g.id, C.double(weightDecay))
	})
}

// WeightDecay returns the weight decay.
func (g Group) WeightDecay() (float64, error) {
	var weightDecay C.double
	err := g.opt.read(func() C.radam_status { return C.radam_get_weight_decay(g.opt.c, g.id, &weightDecay) })
	return float64(weightDecay), err
}

// A GroupReport has the scalars of a group's next step, to plot.
type GroupReport struct {
	Rectified   bool    // whether it will be rectified
	Step        uint64  // its number, starting at 1
	Rho         float64 // the length of the approximated simple moving average
	RhoInf      float64 // the limit of Rho
	R           float64 // the rectification term; 0 in unrectified steps
	EffectiveLR float64 // the factor of exp_avg
	Beta1Hat    float64 // the debiased Beta1
	Beta2Hat    float64 // the debiased Beta2
	DecayFactor float64 // by which weight decay multiplies each parameter
}

// Report returns the scalars of the next step.
func (g Group) Report() (GroupReport, error) {
	c := C.radam_group_report{struct_size: C.sizeof_radam_group_report}
	err := g.opt.read(func() C.radam_status { return C.radam_get_group_report(g.opt.c, g.id, &c) })
	return GroupReport{
		Rectified:   c.rectified != 0,
		Step:        uint64(c.step),
		Rho:         float64(c.rho),
		RhoInf:      float64(c.rho_inf),
		R:           float64(c.r),
		EffectiveLR: float64(c.effective_lr),
		Beta1Hat:    float64(c.beta1_hat),
		Beta2Hat:    float64(c.beta2_hat),
		DecayFactor: float64(c.decay_factor),
	}, err
}
