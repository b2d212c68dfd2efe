package radam_test

import (
	"bytes"
	"encoding"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"radam"
)

var (
	_ encoding.BinaryMarshaler   = (*radam.Optimizer)(nil)
	_ encoding.BinaryUnmarshaler = (*radam.Optimizer)(nil)
)

// Every option is set to something else than its default, and comes back.
func TestGroupOptions(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(0.1)))
	options := must(group.Options())
	defaults := radam.TensorGroup(0.1)
	defaults.MaxLR = 0.1
	if options != defaults || options.Beta2 != 0.99 || options.Rectify != radam.Auto {
		t.Errorf("%+v", options)
	}
	options = radam.GroupOptions{radam.On, radam.On, radam.Off, radam.Off, radam.On, radam.On, radam.Off, radam.F32,
		radam.Off, radam.On, radam.Off, 0.25, 0.8, 0.98, 0.3, 1e-5, 0.5, 4.5, 7}
	for fields, i := reflect.ValueOf(options), 0; i < fields.NumField(); i++ {
		if fields.Field(i).Interface() == reflect.ValueOf(radam.TensorGroup(0.1)).Field(i).Interface() {
			t.Error(reflect.TypeOf(options).Field(i).Name, "is the default")
		}
	}
	if err := group.SetOptions(options); err != nil || must(group.Options()) != options {
		t.Errorf("%v %+v", err, must(group.Options()))
	}
	if err := group.SetLR(0.125); err != nil || must(group.LR()) != 0.125 {
		t.Error(err, must(group.LR()))
	}
	if err := group.SetWeightDecay(0.0625); err != nil || must(group.WeightDecay()) != 0.0625 {
		t.Error(err)
	}
	options.LR, options.WeightDecay = 0.125, 0.0625
	if must(group.Options()) != options {
		t.Errorf("%+v", must(group.Options()))
	}
	options.Eps = -1
	wantError(t, group.SetOptions(options), radam.ErrInvalidArgument, "eps is -1")
}

func TestGroupReport(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	options := radam.SliceGroup(0.5)
	options.DecoupleWD, options.WeightDecay = radam.On, 0.5
	report := must(must(opt.AddGroup(options)).Report())
	want := radam.GroupReport{Step: 1, Rho: 1, RhoInf: 199, EffectiveLR: 0.5, DecayFactor: 0.75}
	if math.Abs(report.RhoInf-199) > 1e-9 || math.Abs(report.Rho-1) > 1e-9 {
		t.Errorf("%+v", report)
	}
	want.RhoInf, want.Rho = report.RhoInf, report.Rho
	if report != want {
		t.Errorf("%+v", report)
	}
}

func TestParameters(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	must(opt.AddGroup(radam.SliceGroup(0.1)))
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	p := must(group.Add(radam.Spec{Name: "weight", Dtype: radam.F64, GradDtype: radam.F16, Len: 3}))
	if p.ID() != 0 || p.Group() != group || group.ID() != 1 {
		t.Errorf("%+v", p)
	}
	if p.Len() != 3 || p.Dtype() != radam.F64 || p.GradDtype() != radam.F16 {
		t.Errorf("%+v", p)
	}
	if must(p.Name()) != "weight" || must(opt.Param("weight")) != p {
		t.Error(must(p.Name()))
	}
	_, err := opt.Param("bias")
	wantError(t, err, radam.ErrInvalidArgument, "bias")
	if unnamed := must(group.Add(radam.Spec{Dtype: radam.F32})); must(unnamed.Name()) != "param.1" {
		t.Error(must(unnamed.Name()))
	}
	if err := p.SetStepCount(7); err != nil || must(p.StepCount()) != 7 {
		t.Error(err)
	}
	if err := p.ResetState(); err != nil || must(p.StepCount()) != 0 {
		t.Error(err)
	}
	if err := p.SetStepCount(7); err != nil || opt.ResetState() != nil || must(p.StepCount()) != 0 {
		t.Error(err)
	}
	if err := p.Remove(); err != nil {
		t.Error(err)
	}
	_, err = p.Name()
	wantError(t, err, radam.ErrInvalidArgument, "removed")
}

func TestAccumulation(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.SliceGroup(0.5)))
	p := must(group.Add(radam.Spec{Dtype: radam.F32, Len: 1}))
	weight := []float32{1}
	step := func() {
		if err := opt.StepSlices(radam.Lend(p, weight, []float32{2})); err != nil {
			t.Fatal(err)
		}
	}
	if err := opt.SetAccumulation(true); err != nil || !must(opt.Accumulation()) {
		t.Error(err)
	}
	if step(); weight[0] != 1 || must(p.StepCount()) != 1 {
		t.Error(weight)
	}
	if err := opt.SetAccumulation(false); err != nil || must(opt.Accumulation()) {
		t.Error(err)
	}
	if step(); math.Abs(float64(weight[0])) > 1e-6 {
		t.Error(weight)
	}
}

func TestAdvice(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	if advice := opt.Advice(); advice != "" {
		t.Error(advice)
	}
	must(group.Add(radam.Spec{Name: "half", Dtype: radam.F16, Len: 1}))
	if advice := opt.Advice(); !strings.Contains(advice, "exp_avg_sq") {
		t.Error(advice)
	}
}

// A run that goes on from a checkpoint has the bits of one that never stopped.
func TestCheckpoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.radam")
	for name, transfer := range map[string]func(from, to *radam.Optimizer) error{
		"file": func(from, to *radam.Optimizer) error {
			if err := from.Save(path); err != nil {
				return err
			}
			return to.Load(path)
		},
		"memory": func(from, to *radam.Optimizer) error { return to.UnmarshalBinary(must(from.MarshalBinary())) },
	} {
		t.Run(name, func(t *testing.T) {
			opt, other := newOptimizer(t, radam.Options{}), newOptimizer(t, radam.Options{})
			p := must(must(opt.AddGroup(radam.SliceGroup(0.1))).Add(radam.Spec{Name: "w", Dtype: radam.F32, Len: 100}))
			twin := must(must(other.AddGroup(radam.SliceGroup(0.7))).Add(radam.Spec{Name: "w", Dtype: radam.F32, Len: 100}))
			weight := noise[float32](1, 100)
			for step := int64(0); step < 10; step++ {
				if err := opt.StepSlices(radam.Lend(p, weight, noise[float32](step, 100))); err != nil {
					t.Fatal(err)
				}
			}
			if err := transfer(opt, other); err != nil {
				t.Fatal(err)
			}
			goesOn := append([]float32(nil), weight...)
			grad := noise[float32](99, 100)
			if err := opt.StepSlices(radam.Lend(p, weight, grad)); err != nil {
				t.Fatal(err)
			}
			if err := other.StepSlices(radam.Lend(twin, goesOn, grad)); err != nil {
				t.Fatal(err)
			}
			if !equal(weight, goesOn) {
				t.Error("other bits")
			}
		})
	}
}

func TestWrongCheckpoints(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	must(group.Add(radam.Spec{Name: "w", Dtype: radam.F32, Len: 100}))
	saved := must(opt.MarshalBinary())
	damaged := append([]byte(nil), saved...)
	damaged[len(damaged)-1] ^= 1
	wantError(t, opt.UnmarshalBinary(damaged), radam.ErrCorrupt)
	wantError(t, opt.UnmarshalBinary(nil), radam.ErrCorrupt, "empty")
	wantError(t, opt.Load("/nowhere/run.radam"), radam.ErrIO, "/nowhere/run.radam")
	wantError(t, opt.Save("run\x00.radam"), radam.ErrInvalidArgument, "NUL")
	wantError(t, opt.LoadWith(radam.LoadOptions{}), radam.ErrInvalidArgument, "no paths")

	must(group.Add(radam.Spec{Name: "b", Dtype: radam.F32, Len: 1}))
	if err := group.SetLR(0.2); err != nil {
		t.Fatal(err)
	}
	wantError(t, opt.UnmarshalBinary(saved), radam.ErrMismatch, "b")
	options := radam.LoadOptions{Partial: true, KeepHyperparameters: true}
	if err := opt.UnmarshalBinaryWith(options, saved); err != nil || must(group.LR()) != 0.2 {
		t.Error(err)
	}
	options.KeepHyperparameters = false
	if err := opt.UnmarshalBinaryWith(options, saved); err != nil || must(group.LR()) != 0.1 {
		t.Error(err)
	}
	if !bytes.HasPrefix(saved[8:], []byte("{")) {
		t.Error("not a safetensors file")
	}
}

// Two processes have halves of a tensor, and clip by the norm of both; a third loads both.
func TestShards(t *testing.T) {
	const half = 16384
	whole := newOptimizer(t, radam.Options{})
	all := must(must(whole.AddGroup(radam.SliceGroup(0.1))).Add(radam.Spec{Name: "w", Dtype: radam.F32, Len: 2 * half}))
	weight, grad := noise[float32](1, 2*half), noise[float32](2, 2*half)
	expected := append([]float32(nil), weight...)
	report := must(whole.StepSlicesWith(radam.StepOptions{MaxGradNorm: 1}, radam.Lend(all, expected, grad)))

	var words [2][72]int64
	for i := range words {
		var sums radam.GradSums
		if err := radam.MeasureSlice(&sums, grad[i*half:(i+1)*half]); err != nil {
			t.Fatal(err)
		}
		words[i] = sums.Words()
	}
	var paths []string
	for i := range words {
		opt := newOptimizer(t, radam.Options{})
		p := must(must(opt.AddGroup(radam.SliceGroup(0.1))).Add(radam.Spec{Name: "w", Dtype: radam.F32, Len: half,
			TensorOffset: uint64(i * half), TensorLen: 2 * half}))
		var sums radam.GradSums
		sums.AddWords(words[0])
		sums.AddWords(words[1])
		lent := radam.Lend(p, weight[i*half:(i+1)*half], grad[i*half:(i+1)*half])
		ours := must(opt.StepSliceWith(radam.StepOptions{MaxGradNorm: 1, GradSums: &sums}, lent))
		if ours.GradNorm != report.GradNorm || ours.ClipCoefficient != report.ClipCoefficient {
			t.Errorf("%+v, of the whole %+v", ours, report)
		}
		paths = append(paths, filepath.Join(t.TempDir(), "shard.radam"))
		if err := opt.Save(paths[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !equal(weight, expected) {
		t.Error("other bits")
	}
	other := newOptimizer(t, radam.Options{})
	loaded := must(must(other.AddGroup(radam.SliceGroup(0.1))).Add(radam.Spec{Name: "w", Dtype: radam.F32, Len: 2 * half}))
	if err := other.LoadWith(radam.LoadOptions{}, paths...); err != nil {
		t.Fatal(err)
	}
	state := func(p radam.Param) []float32 { return must(radam.GetState[float32](p, radam.ExpAvgSq)) }
	if !equal(state(loaded), state(all)) {
		t.Error("other state")
	}
}

func TestMeasureTensors(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(0.1)))
	grad := must(radam.TensorOf([]float32{3, 4}))
	must(group.Add(radam.Spec{Data: must(radam.NewTensor[float32](2)), Grad: grad}))
	var sums radam.GradSums
	if err := opt.Measure(&sums); err != nil {
		t.Fatal(err)
	}
	if norm, _, err := sums.Norm(); norm != 5 || err != nil {
		t.Error(norm, err)
	}
	if err := opt.ZeroGrad(); err != nil || grad.Data()[1] != 0 {
		t.Error(err, grad.Data())
	}
}

// However a step is sliced, it has the bits of one at once.
func TestSlicedSteps(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(radam.TensorGroup(0.1)))
	weights := make([]*radam.Tensor[float32], 3)
	var grads [3]*radam.Tensor[float32]
	twins := newOptimizer(t, radam.Options{NumThreads: 1})
	twinGroup := must(twins.AddGroup(radam.TensorGroup(0.1)))
	twin := must(radam.TensorOf(noise[float32](1, 100000)))
	for i := range weights {
		weights[i] = must(radam.TensorOf(noise[float32](1, 100000)))
		grads[i] = must(radam.TensorOf(noise[float32](2, 100000)))
		must(group.Add(radam.Spec{Data: weights[i], Grad: grads[i]}))
	}
	must(twinGroup.Add(radam.Spec{Data: twin, Grad: grads[0]}))
	if err := twins.Step(); err != nil {
		t.Fatal(err)
	}

	step := must(opt.BeginStep(radam.StepOptions{}))
	wantError(t, opt.Step(), radam.ErrBusy)
	if err := step.Abort(); err != nil {
		t.Fatal(err)
	}
	step = must(opt.BeginStep(radam.StepOptions{SkipNonfinite: true}))
	var workers sync.WaitGroup
	for chunks := must(step.Wave()); chunks != 0; chunks = must(step.Wave()) {
		for chunk := uint64(0); chunk < chunks; chunk++ {
			workers.Add(1)
			go func(chunk uint64) {
				defer workers.Done()
				if err := step.Chunk(chunk); err != nil {
					t.Error(err)
				}
			}(chunk)
		}
		workers.Wait()
	}
	if report := must(step.End()); report.ParamsStepped != 3 {
		t.Errorf("%+v", report)
	}
	if !equal(weights[0].Data(), twin.Data()) {
		t.Error("other bits")
	}

	if err := twins.Step(); err != nil {
		t.Fatal(err)
	}
	step = must(opt.BeginStep(radam.StepOptions{}))
	if left := must(step.For(-time.Second)); left == 0 {
		t.Error("a step in no time")
	}
	_, err := step.End()
	wantError(t, err, radam.ErrInvalidState)
	for must(step.For(50*time.Microsecond)) != 0 {
	}
	must(step.End())
	if !equal(weights[2].Data(), twin.Data()) {
		t.Error("other bits")
	}
}

func TestUpdateIsAStepWithoutAnOptimizer(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	options := radam.SliceGroup(0.1)
	p := must(must(opt.AddGroup(options)).Add(radam.Spec{Dtype: radam.BF16, Len: 10}))
	weight, twin := noise[radam.BFloat16](1, 10), noise[radam.BFloat16](1, 10)
	expAvg, expAvgSq, kahan := make([]radam.BFloat16, 10), make([]radam.BFloat16, 10), make([]radam.BFloat16, 10)
	for step := 1; step <= 10; step++ {
		grad := noise[radam.BFloat16](int64(step), 10)
		if err := opt.StepSlices(radam.Lend(p, weight, grad)); err != nil {
			t.Fatal(err)
		}
		if err := radam.Update(twin, grad, expAvg, expAvgSq, kahan, options, uint64(step)); err != nil {
			t.Fatal(err)
		}
	}
	if !equal(weight, twin) || !equal(expAvg, must(radam.GetState[radam.BFloat16](p, radam.ExpAvg))) {
		t.Error("other bits")
	}
	wantError(t, radam.Update(twin, make([]float32, 9), expAvg, expAvgSq, kahan, options, 1), radam.ErrInvalidArgument,
		"grad has 9 elements")
	wantError(t, radam.Update(twin, twin, expAvg, expAvgSq, make([]int16, 10), options, 1), radam.ErrInvalidArgument,
		"kahanComp is a slice of int16")
	wantError(t, radam.Update(twin, make([]float32, 10), expAvg, expAvgSq, kahan, options, 0), radam.ErrInvalidArgument,
		"step")
}

func TestSixteenBitNumbers(t *testing.T) {
	for bits := 0; bits < 1<<16; bits++ {
		half, brain := radam.Float16(bits), radam.BFloat16(bits)
		if f := half.Float32(); f == f && radam.ToFloat16(f) != half {
			t.Fatalf("%#x: %g", bits, f)
		}
		if f := brain.Float32(); f == f && radam.ToBFloat16(f) != brain {
			t.Fatalf("%#x: %g", bits, f)
		}
	}
	for value, want := range map[float32]radam.Float16{1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 65520: 0x7c00,
		5.9604645e-8: 1, 2.9802322e-8: 0, 1 + 1.0/2048: 0x3c00, 1 + 3.0/2048: 0x3c02} {
		if got := radam.ToFloat16(value); got != want {
			t.Errorf("%g: %#x", value, got)
		}
	}
	for value, want := range map[float32]radam.BFloat16{1: 0x3f80, 1 + 1.0/256: 0x3f80, 1 + 3.0/256: 0x3f82} {
		if got := radam.ToBFloat16(value); got != want {
			t.Errorf("%g: %#x", value, got)
		}
	}
	nan := float32(math.NaN())
	if f, b := radam.ToFloat16(nan).Float32(), radam.ToBFloat16(nan).Float32(); f == f || b == b {
		t.Error(f, b)
	}
}
