package radam_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"

	"radam"
)

// A pair is a parameter in slices and its twin in tensors.
type pair[T, G radam.Element] struct {
	param        radam.Param
	weight       []T
	tensor       *radam.Tensor[T]
	gradOfTensor *radam.Tensor[G]
}

func addPair[T, G radam.Element](slices, tensors radam.Group, seed int64, len int) pair[T, G] {
	weight := noise[T](seed, len)
	p := pair[T, G]{
		weight:       weight,
		tensor:       must(radam.TensorOf(weight)),
		gradOfTensor: must(radam.NewTensor[G](len)),
	}
	p.param = must(slices.Add(radam.Spec{Dtype: radam.DtypeOf[T](), GradDtype: radam.DtypeOf[G](), Len: len}))
	must(tensors.Add(radam.Spec{Data: p.tensor, Grad: p.gradOfTensor}))
	return p
}

// lend fills both gradients anew.
func (p pair[T, G]) lend(seed int64) radam.Lent {
	grad := noise[G](seed, len(p.weight))
	copy(p.gradOfTensor.Data(), grad)
	return radam.Lend(p.param, p.weight, grad)
}

func testSlicesAreTensors[T, G radam.Element](t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	slices, tensors := must(opt.AddGroup(radam.SliceGroup(0.01))), must(opt.AddGroup(radam.TensorGroup(0.01)))
	a, b := addPair[T, G](slices, tensors, 1, 1000), addPair[T, G](slices, tensors, 2, 20000)
	for step := int64(0); step < 20; step++ {
		lent := []radam.Lent{a.lend(step), b.lend(100 + step)}
		options := radam.StepOptions{MaxGradNorm: 1, GradScale: 0.5, ReportNorms: true}
		ours, theirs := must(opt.StepSlicesWith(options, lent...)), must(opt.StepWith(options))
		if math.Abs(ours.UpdateNorm/theirs.UpdateNorm-1) > 1e-12 || math.Abs(ours.ParamNorm/theirs.ParamNorm-1) > 1e-12 {
			t.Fatalf("%+v, of tensors %+v", ours, theirs)
		}
		ours.UpdateNorm, ours.ParamNorm = theirs.UpdateNorm, theirs.ParamNorm
		if ours != theirs || ours.ClipCoefficient >= 1 || ours.ParamsStepped != 2 {
			t.Fatalf("%+v, of tensors %+v", ours, theirs)
		}
	}
	if !equal(a.weight, a.tensor.Data()) || !equal(b.weight, b.tensor.Data()) {
		t.Error("not the bits of tensors")
	}
	if equal(a.weight, noise[T](1, 1000)) {
		t.Error("nothing has changed")
	}
}

func TestSlicesHaveTheBitsOfTensorsAndClipAcrossThem(t *testing.T) {
	t.Run("float32", testSlicesAreTensors[float32, float32])
	t.Run("float64", testSlicesAreTensors[float64, float64])
	t.Run("Float16", testSlicesAreTensors[radam.Float16, radam.Float16])
	t.Run("BFloat16", testSlicesAreTensors[radam.BFloat16, radam.BFloat16])
	t.Run("float32 from BFloat16", testSlicesAreTensors[float32, radam.BFloat16])
	t.Run("BFloat16 from float32", testSlicesAreTensors[radam.BFloat16, float32])
	t.Run("float64 from Float16", testSlicesAreTensors[float64, radam.Float16])
}

// Whatever is wrong with one of the slices, none of them is stepped.
func TestWrongSlicesChangeNothing(t *testing.T) {
	opt, other := newOptimizer(t, radam.Options{}), newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	add := func(group radam.Group) radam.Param { return must(group.Add(radam.Spec{Dtype: radam.F32, Len: 4})) }
	first, second, removed := add(group), add(group), add(group)
	inTensors := add(must(opt.AddGroup(radam.TensorGroup(0.1))))
	stranger := add(must(other.AddGroup(radam.SliceGroup(0.1))))
	if err := removed.Remove(); err != nil {
		t.Fatal(err)
	}
	weight, four := []float32{1, 2, 3, 4}, make([]float32, 4)
	good := radam.Lend(first, weight, []float32{5, 6, 7, 8})
	memory := make([]float32, 8)
	for _, c := range []struct {
		bad    radam.Lent
		status radam.Status
		words  string
	}{
		{radam.Lend(second, make([]float64, 4), four), radam.ErrInvalidArgument, "lent[1].data is a slice of float64"},
		{radam.Lend(second, four, make([]radam.Float16, 4)), radam.ErrInvalidArgument, "grad is a slice of radam.Float16"},
		{radam.Lend(second, make([]float32, 5), four), radam.ErrInvalidArgument, "data has 5 elements; it must have 4"},
		{radam.Lend(second, four, make([]float32, 3)), radam.ErrInvalidArgument, "lent[1].grad has 3 elements; it must"},
		{radam.Lend(second, four, []float32(nil)), radam.ErrInvalidArgument, "grad has 0 elements"},
		{radam.Lend(first, four, make([]float32, 4)), radam.ErrInvalidArgument, "lent twice"},
		{radam.Lend(second, memory[:4], memory[3:7]), radam.ErrInvalidArgument, "overlaps"},
		{radam.Lend(second, memory[3:7], memory[:4]), radam.ErrInvalidArgument, "the data of parameter 1 overlaps the grad"},
		{radam.Lend(second, weight, four), radam.ErrInvalidArgument, "overlaps the data of parameter 0"},
		{radam.Lend(stranger, four, make([]float32, 4)), radam.ErrInvalidArgument, "parameter 0 of another optimizer"},
		{radam.Lend(radam.Param{}, four, make([]float32, 4)), radam.ErrInvalidArgument, "lent[1] is a zero value"},
		{radam.Lend(removed, four, make([]float32, 4)), radam.ErrInvalidArgument, "removed"},
		{radam.Lend(inTensors, four, make([]float32, 4)), radam.ErrInvalidState, "GradientRelease"},
	} {
		wantError(t, opt.StepSlices(good, c.bad), c.status, c.words)
		_, err := opt.StepSlicesWith(radam.StepOptions{MaxGradNorm: 1}, good, c.bad)
		wantError(t, err, c.status, c.words)
	}
	_, err := opt.StepSlicesWith(radam.StepOptions{MaxGradValue: -1}, good)
	wantError(t, err, radam.ErrInvalidArgument, "MaxGradValue is -1")
	if !equal(weight, []float32{1, 2, 3, 4}) || must(first.StepCount()) != 0 {
		t.Errorf("%v after %d steps", weight, must(first.StepCount()))
	}
	// Gradients may be the same memory.
	if err := opt.StepSlices(radam.Lend(first, weight, memory[:4]), radam.Lend(second, four, memory[:4])); err != nil {
		t.Error(err)
	}
}

// Tensors that are registered are as far away from slices as other slices.
func TestSlicesThatDoNotFitTensorsChangeNothing(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group, tensors := must(opt.AddGroup(radam.SliceGroup(0.1))), must(opt.AddGroup(radam.TensorGroup(0.1)))
	tensor := func() *radam.Tensor[float32] { return must(radam.NewTensor[float32](4)) }
	data, grad, state, own, ownGrad := tensor(), tensor(), tensor(), tensor(), tensor()
	rounded, shorts := must(radam.NewTensor[radam.BFloat16](4)), make([]radam.BFloat16, 4)
	inSlices := radam.Spec{Dtype: radam.F32, Len: 4}
	first, second := must(group.Add(inSlices)), must(group.Add(inSlices))
	must(tensors.Add(radam.Spec{Data: data, Grad: grad, Copy: rounded, ExpAvg: state, ExpAvgSq: tensor()}))
	z := must(group.Add(radam.Spec{Data: own, Grad: ownGrad}))
	half := must(group.Add(radam.Spec{Dtype: radam.BF16, Len: 4}))
	weight, four := []float32{1, 2, 3, 4}, make([]float32, 4)
	good := radam.Lend(first, weight, []float32{5, 6, 7, 8})
	for _, c := range []struct {
		bad    radam.Lent
		status radam.Status
		words  string
	}{
		{radam.LendGrad(second, four), radam.ErrInvalidState, "lent[1] has no data, and parameter 1 has no elements"},
		{radam.Lend(second, data.Data(), four), radam.ErrInvalidArgument, "overlaps the"},
		{radam.Lend(second, four, data.Data()), radam.ErrInvalidArgument, "overlaps the"},
		{radam.Lend(second, grad.Data(), four), radam.ErrInvalidArgument, "overlaps the"},
		{radam.Lend(second, state.Data(), four), radam.ErrInvalidArgument, "ExpAvg of parameter 2"},
		{radam.Lend(second, four, state.Data()), radam.ErrInvalidArgument, "ExpAvg of parameter 2"},
		{radam.Lend(half, rounded.Data(), shorts), radam.ErrInvalidArgument, "Copy of parameter 2"},
		{radam.LendGrad(z, own.Data()), radam.ErrInvalidArgument, "Data of parameter 3"},
		{radam.LendGrad(z, state.Data()), radam.ErrInvalidArgument, "ExpAvg of parameter 2"},
		{radam.Lend(z, four, own.Data()), radam.ErrInvalidArgument, "Data of parameter 3"},
		{radam.Lend(z, ownGrad.Data(), four), radam.ErrInvalidArgument, "Grad of parameter 3"},
	} {
		wantError(t, opt.StepSlice(c.bad), c.status) // the library's own opinion
		wantError(t, opt.StepSlices(good, c.bad), c.status, c.words)
		_, err := opt.StepSlicesWith(radam.StepOptions{ZeroGrad: true}, good, c.bad)
		wantError(t, err, c.status, c.words)
	}
	if !equal(weight, []float32{1, 2, 3, 4}) || must(first.StepCount()) != 0 || must(z.StepCount()) != 0 {
		t.Errorf("%v after %d steps", weight, must(first.StepCount()))
	}
	// Registered gradients may be lent, and so may the parameter's own elements.
	for _, lent := range []radam.Lent{radam.Lend(z, own.Data(), grad.Data()), radam.LendGrad(z, ownGrad.Data()),
		radam.Lend(z, four, grad.Data())} {
		if err := opt.StepSlices(good, lent); err != nil {
			t.Error(err)
		}
	}
	// A frozen parameter needs no elements.
	if err := second.SetFrozen(true); err != nil {
		t.Fatal(err)
	}
	if err := opt.StepSlices(good, radam.LendGrad(second, make([]float32, 4))); err != nil || must(first.StepCount()) != 4 {
		t.Error(err, must(first.StepCount()))
	}
}

// Slices have no part in the step that is open.
func TestSlicesAreSteppedDuringASlicedStep(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	p := must(must(opt.AddGroup(radam.SliceGroup(0.1))).Add(radam.Spec{Dtype: radam.F32, Len: 1}))
	step := must(opt.BeginStep(radam.StepOptions{}))
	lent := radam.Lend(p, []float32{1}, []float32{1})
	_, one := opt.StepSliceWith(radam.StepOptions{}, lent)
	_, all := opt.StepSlicesWith(radam.StepOptions{}, lent)
	for _, err := range []error{opt.StepSlice(lent), one, opt.StepSlices(lent), all, step.Abort()} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestStepsSkipAndZero(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	first := must(group.Add(radam.Spec{Dtype: radam.F32, Len: 1}))
	second := must(group.Add(radam.Spec{Dtype: radam.F32, Len: 1}))
	a, b, gradA, gradB := []float32{1}, []float32{1}, []float32{2}, []float32{float32(math.Inf(1))}
	step := func() radam.StepReport {
		options := radam.StepOptions{SkipNonfinite: true, ZeroGrad: true, ReportNorms: true}
		return must(opt.StepSlicesWith(options, radam.Lend(first, a, gradA), radam.Lend(second, b, gradB)))
	}
	if r := step(); !r.Skipped || r.Nonfinite != 1 || r.ParamsStepped != 0 || a[0] != 1 || gradA[0] != 0 || gradB[0] != 0 ||
		!math.IsNaN(r.ParamNorm) {
		t.Error(r, a, gradA, gradB)
	}
	gradA[0], gradB[0] = 3, 4
	if err := second.SetFrozen(true); err != nil || !must(second.Frozen()) {
		t.Fatal(err)
	}
	if r := step(); r.Skipped || r.GradNorm != 3 || r.ParamsStepped != 1 || a[0] == 1 || b[0] != 1 || gradB[0] != 0 {
		t.Error(r, a, b, gradB)
	}
}

// A slice that was lent is garbage afterwards, and what comes to lie there is left alone.
func TestNoPointerIsKept(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	const params, elements = 20, 4096
	var all []radam.Param
	for i := 0; i < params; i++ {
		all = append(all, must(group.Add(radam.Spec{Dtype: radam.F32, Len: elements})))
	}
	var collected sync.WaitGroup
	for _, p := range all {
		collected.Add(2)
		data, grad := noise[float32](1, elements), noise[float32](2, elements)
		runtime.SetFinalizer(&data[0], func(*float32) { collected.Done() })
		runtime.SetFinalizer(&grad[0], func(*float32) { collected.Done() })
		if err := opt.StepSlices(radam.Lend(p, data, grad)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	collected.Wait()
	runtime.GC()
	var others [][]float32
	for i := 0; i < 3*params; i++ {
		others = append(others, make([]float32, elements))
	}
	if report := must(opt.StepWith(radam.StepOptions{ZeroGrad: true})); report.ParamsStepped != 0 {
		t.Error(report)
	}
	for _, other := range others {
		if !equal(other, make([]float32, elements)) {
			t.Fatal("an unrelated slice was overwritten")
		}
	}
}

// Slices may be part of objects that hold pointers of Go, which cgo does not let C see.
func TestSlicesOfFields(t *testing.T) {
	type layer struct {
		weight, grad [4]float32
		next         *layer
	}
	l := &layer{grad: [4]float32{1, 1, 1, 1}, next: &layer{}}
	opt := newOptimizer(t, radam.Options{})
	p := must(must(opt.AddGroup(radam.SliceGroup(0.1))).Add(radam.Spec{Dtype: radam.F32, Len: 4}))
	if err := opt.StepSlices(radam.Lend(p, l.weight[:], l.grad[:])); err != nil || l.weight[3] == 0 {
		t.Error(err, l.weight)
	}
	sums := radam.GradSums{}
	if err := radam.MeasureSlice(&sums, l.grad[:]); err != nil {
		t.Error(err)
	}
	if norm, nonfinite, err := sums.Norm(); norm != 2 || nonfinite != 0 || err != nil {
		t.Error(norm, nonfinite, err)
	}
}

// As from a backward pass that runs in parallel; other goroutines ask and save meanwhile.
func TestGoroutinesStepDifferentParameters(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(radam.SliceGroup(0.01)))
	alone := newOptimizer(t, radam.Options{NumThreads: 1})
	aloneGroup := must(alone.AddGroup(radam.SliceGroup(0.01)))
	const goroutines, steps, elements = 16, 50, 500
	var workers sync.WaitGroup
	for i := int64(0); i < goroutines; i++ {
		spec := radam.Spec{Name: fmt.Sprint("layer.", i), Dtype: radam.F32, Len: elements}
		p, twin := must(group.Add(spec)), must(aloneGroup.Add(spec))
		workers.Add(1)
		go func(i int64) {
			defer workers.Done()
			weight, twinWeight := noise[float32](i, elements), noise[float32](i, elements)
			for step := int64(0); step < steps; step++ {
				grad := noise[float32](1000*i+step, elements)
				if err := opt.StepSlice(radam.Lend(p, weight, grad)); err != nil {
					t.Error(err)
				}
				if err := alone.StepSlices(radam.Lend(twin, twinWeight, grad)); err != nil {
					t.Error(err)
				}
				if _, err := group.Report(); err != nil {
					t.Error(err)
				}
				if step == i {
					if _, err := opt.MarshalBinary(); err != nil {
						t.Error(err)
					}
				}
			}
			if !equal(weight, twinWeight) || must(p.StepCount()) != steps {
				t.Error("other bits")
			}
		}(i)
	}
	workers.Wait()
}
