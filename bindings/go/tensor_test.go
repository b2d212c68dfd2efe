package radam_test

import (
	"runtime"
	"testing"

	"radam"
)

func TestTensorsThatAnOptimizerHas(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(radam.TensorGroup(0.5)))
	data, grad := must(radam.TensorOf([]float32{1, 2})), must(radam.TensorOf([]float32{3, 4}))
	p := must(group.Add(radam.Spec{Name: "weight", Data: data, Grad: grad}))
	wantError(t, data.Free(), radam.ErrInvalidState, "registered")
	wantError(t, grad.Free(), radam.ErrInvalidState, "registered")

	otherData, otherGrad := must(radam.TensorOf(data.Data())), must(radam.TensorOf(grad.Data()))
	if err := p.SetData(otherData); err != nil {
		t.Fatal(err)
	}
	if err := p.SetGrad(otherGrad); err != nil {
		t.Fatal(err)
	}
	for _, tensor := range []*radam.Tensor[float32]{data, grad, data} {
		if err := tensor.Free(); err != nil {
			t.Fatal(err)
		}
	}
	if data.Data() != nil || data.Len() != 2 {
		t.Error(data.Data(), data.Len())
	}
	wantError(t, p.SetData(data), radam.ErrInvalidArgument, "freed")
	unused := must(radam.NewTensor[float32](2))
	_, err := group.Add(radam.Spec{Data: unused, Grad: grad})
	wantError(t, err, radam.ErrInvalidArgument, "freed")
	if err := unused.Free(); err != nil {
		t.Error(err)
	}
	if err := opt.Step(); err != nil || !equal(otherData.Data(), []float32{-0.5, 0}) {
		t.Error(err, otherData.Data())
	}
	if err := p.SetGrad(nil); err != nil || otherGrad.Free() != nil {
		t.Error(err)
	}
	if report := must(opt.StepWith(radam.StepOptions{})); report.ParamsStepped != 0 {
		t.Error(report)
	}
	if err := p.Remove(); err != nil || otherData.Free() != nil {
		t.Error(err)
	}
}

func TestWrongTensorsAreRefused(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(0.5)))
	two, three := must(radam.NewTensor[float32](2)), must(radam.NewTensor[float32](3))
	doubles, shorts := must(radam.NewTensor[float64](2)), must(radam.NewTensor[int16](2))
	for words, spec := range map[string]radam.Spec{
		"Grad has 3 elements; it must have 2":           {Data: two, Grad: three},
		"Grad is a tensor of float64":                   {Data: two, Grad: doubles, GradDtype: radam.F32},
		"Data is a tensor of float32":                   {Data: two, Dtype: radam.F64},
		"Data has 2 elements; it must have 5":           {Data: two, Len: 5},
		"ExpAvg is a tensor of float64; it must be one": {Data: two, ExpAvg: doubles},
		"Copy is a tensor of int16":                     {Data: two, Copy: shorts},
		"Data is a tensor of int16; it must be one of float32, float64, radam.Float16 or radam.BFloat16": {Data: shorts},
		"Dtype is 0":             {Len: 1},
		"must not contain a NUL": {Data: two, Name: "a\x00b"},
		"Len is -1":              {Dtype: radam.F32, Len: -1},
		"overlap":                {Data: two, Grad: two},
	} {
		_, err := group.Add(spec)
		wantError(t, err, radam.ErrInvalidArgument, words)
	}
	p := must(group.Add(radam.Spec{Data: two}))
	wantError(t, p.SetGrad(three), radam.ErrInvalidArgument, "grad has 3 elements")
	wantError(t, p.SetGrad(doubles), radam.ErrInvalidArgument, "grad is a tensor of float64")
	wantError(t, opt.SetTensors(p, []radam.Array{three}, nil), radam.ErrInvalidArgument, "data has 3 elements")
	wantError(t, opt.SetTensors(p, nil, []radam.Array{two}), radam.ErrInvalidArgument, "overlap")
	// What was refused is not held.
	for _, err := range []error{three.Free(), doubles.Free(), shorts.Free()} {
		if err != nil {
			t.Error(err)
		}
	}
	_, err := radam.NewTensor[float32](-1)
	wantError(t, err, radam.ErrInvalidArgument, "len is -1")
	_, err = radam.NewTensor[float64](1 << 61)
	wantError(t, err, radam.ErrOutOfMemory)
}

// Two parameters swap their gradients, as engines with two buffers do.
func TestSetTensorsSwapsBuffers(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(1)))
	var params [2]radam.Param
	var data, grads [2]*radam.Tensor[float32]
	for i := range params {
		data[i], grads[i] = must(radam.NewTensor[float32](1)), must(radam.TensorOf([]float32{float32(i + 1)}))
		params[i] = must(group.Add(radam.Spec{Data: data[i], Grad: grads[i]}))
	}
	swapped := []radam.Array{grads[1], grads[0]}
	wantError(t, opt.SetTensors(params[1], nil, swapped), radam.ErrInvalidArgument)
	wantError(t, opt.SetTensors(params[0], swapped[:1], swapped), radam.ErrInvalidArgument, "1 data and 2 grads")
	if err := opt.SetTensors(params[0], nil, swapped); err != nil {
		t.Fatal(err)
	}
	if err := opt.Step(); err != nil || data[0].Data()[0] != -2 || data[1].Data()[0] != -1 {
		t.Error(err, data[0].Data(), data[1].Data())
	}
	wantError(t, grads[0].Free(), radam.ErrInvalidState, "1 times")
	if err := opt.SetTensors(params[0], []radam.Array{nil, nil}, []radam.Array{nil, nil}); err != nil {
		t.Fatal(err)
	}
	for i := range params {
		if data[i].Free() != nil || grads[i].Free() != nil {
			t.Error("still registered")
		}
	}
}

// The optimizer keeps tensors alive that nobody else refers to.
func TestCollectionWhileTraining(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(radam.TensorGroup(0.1)))
	for i := 0; i < 50; i++ {
		weight, grad := must(radam.TensorOf(noise[float32](1, 4096))), must(radam.TensorOf(noise[float32](2, 4096)))
		p := must(group.Add(radam.Spec{Data: weight, Grad: grad}))
		runtime.GC()
		if err := opt.Step(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := p.Remove(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCopiesAndStateOfTheCaller(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(0.25)))
	data, grad := must(radam.TensorOf([]float32{1})), must(radam.TensorOf([]float32{2}))
	working, expAvg := must(radam.NewTensor[radam.BFloat16](1)), must(radam.NewTensor[float32](1))
	expAvgSq := must(radam.NewTensor[float32](1))
	p := must(group.Add(radam.Spec{Data: data, Grad: grad, Copy: working, ExpAvg: expAvg, ExpAvgSq: expAvgSq}))
	if err := opt.Step(); err != nil {
		t.Fatal(err)
	}
	if data.Data()[0] != 0.5 || working.Data()[0].Float32() != 0.5 {
		t.Error(data.Data(), working.Data())
	}
	if expAvg.Data()[0] != 2 || must(radam.GetState[float32](p, radam.ExpAvg))[0] != 2 || expAvgSq.Data()[0] != 4 {
		t.Error(expAvg.Data(), expAvgSq.Data())
	}
}

func TestStateIsCopied(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	options := radam.SliceGroup(0.25)
	options.MasterRemainder, options.StateDtype = radam.On, radam.F32
	group := must(opt.AddGroup(options))
	p := must(group.Add(radam.Spec{Dtype: radam.BF16, Len: 2}))
	weight, grad := make([]radam.BFloat16, 2), noise[radam.BFloat16](1, 2)
	if err := opt.StepSlices(radam.Lend(p, weight, grad)); err != nil {
		t.Fatal(err)
	}
	state := must(radam.GetState[float32](p, radam.ExpAvg))
	if len(state) != 2 || state[0] != grad[0].Float32() {
		t.Error(state, grad[0].Float32())
	}
	if len(must(radam.GetState[int16](p, radam.MasterRemainder))) != 2 {
		t.Error("no remainders")
	}
	if state := must(radam.GetState[float32](p, radam.KahanComp)); state != nil {
		t.Error(state)
	}
	if err := radam.SetState(p, radam.ExpAvg, []float32{5, 6}); err != nil {
		t.Fatal(err)
	}
	if state[0] == 5 {
		t.Error("the library's own array")
	}
	if state := must(radam.GetState[float32](p, radam.ExpAvg)); !equal(state, []float32{5, 6}) {
		t.Error(state)
	}
	wantError(t, radam.SetState(p, radam.ExpAvg, []float32{5}), radam.ErrInvalidArgument, "has 1 elements")
	wantError(t, radam.SetState(p, radam.KahanComp, []float32{5, 6}), radam.ErrInvalidArgument, "0 has no KahanComp")
	_, err := radam.GetState[float64](p, radam.ExpAvg)
	wantError(t, err, radam.ErrInvalidArgument, "asked for as float64")
	_, err = radam.GetState[float32](p, 77)
	wantError(t, err, radam.ErrInvalidArgument, "77")
}

// A parameter whose elements are in a tensor can take its gradient from a slice.
func TestLendGrad(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.SliceGroup(0.5)))
	data := must(radam.TensorOf([]float64{1}))
	p := must(group.Add(radam.Spec{Data: data, GradDtype: radam.F32}))
	if err := opt.StepSlice(radam.LendGrad(p, []float32{2})); err != nil || data.Data()[0] != 0 {
		t.Error(err, data.Data())
	}
	wantError(t, opt.StepSlice(radam.LendGrad(p, []float64{2})), radam.ErrInvalidArgument, "grad is a slice of float64")
}
