package radam_test

import (
	"testing"

	"radam"
)

const q8Len, q8Blocks = 5000, 40

func q8Group(options radam.GroupOptions) radam.GroupOptions {
	options.StateDtype, options.Seed = radam.Q8, 7
	return options
}

// TestStateOf8Bits has the same state in arrays of the library, of the caller, and of no optimizer.
func TestStateOf8Bits(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 2})
	ours := must(must(opt.AddGroup(q8Group(radam.SliceGroup(0.01)))).Add(
		radam.Spec{Name: "param.0", Dtype: radam.F32, Len: q8Len}))
	other := newOptimizer(t, radam.Options{NumThreads: 2})
	data, grad := must(radam.TensorOf(noise[float32](1, q8Len))), must(radam.NewTensor[float32](q8Len))
	expAvg, expAvgSq := must(radam.NewTensor[int8](q8Len)), must(radam.NewTensor[uint8](q8Len))
	scale := must(radam.NewTensor[uint32](q8Blocks))
	must(must(other.AddGroup(q8Group(radam.TensorGroup(0.01)))).Add(
		radam.Spec{Data: data, Grad: grad, ExpAvg: expAvg, ExpAvgSq: expAvgSq, StateScale: scale}))
	wantError(t, scale.Free(), radam.ErrInvalidState, "registered")

	weight, loose := noise[float32](1, q8Len), noise[float32](1, q8Len)
	looseAvg, looseSq, looseScale := make([]int8, q8Len), make([]uint8, q8Len), make([]uint32, q8Blocks)
	for step := uint64(1); step <= 8; step++ {
		g := noise[float32](int64(step)+1, q8Len)
		copy(grad.Data(), g)
		if err := opt.StepSlice(radam.Lend(ours, weight, g)); err != nil {
			t.Fatal(err)
		}
		if err := other.Step(); err != nil {
			t.Fatal(err)
		}
		err := radam.UpdateQ8(loose, g, looseAvg, looseSq, looseScale, []float32(nil), q8Group(radam.SliceGroup(0.01)), step)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(weight, data.Data()) || !equal(weight, loose) {
			t.Fatalf("other weights in step %d", step)
		}
		avg, sq := must(radam.GetState[int8](ours, radam.ExpAvg)), must(radam.GetState[uint8](ours, radam.ExpAvgSq))
		scales := must(radam.GetState[uint32](ours, radam.StateScale))
		if !equal(avg, expAvg.Data()) || !equal(sq, expAvgSq.Data()) || !equal(scales, scale.Data()) {
			t.Fatalf("other codes in the caller's arrays in step %d", step)
		}
		if !equal(avg, looseAvg) || !equal(sq, looseSq) || !equal(scales, looseScale) {
			t.Fatalf("other codes without an optimizer in step %d", step)
		}
	}
	if equal(looseAvg, make([]int8, q8Len)) || looseSq[q8Len-1] == 0 || looseScale[q8Blocks-1] == 0 {
		t.Error("nothing was coded")
	}
	if err := radam.SetState(ours, radam.ExpAvg, make([]int8, q8Len)); err != nil {
		t.Error(err)
	}
	if avg := must(radam.GetState[int8](ours, radam.ExpAvg)); !equal(avg, make([]int8, q8Len)) {
		t.Error("the state was not set")
	}
}

// TestCompensationBeside8Bits has compensations of the type of the parameter, but of float32 where the state is.
func TestCompensationBeside8Bits(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(q8Group(radam.TensorGroup(0.01))))
	start, g := noise[radam.BFloat16](1, q8Len), noise[radam.BFloat16](2, q8Len)
	data, grad := must(radam.TensorOf(start)), must(radam.TensorOf(g))
	kahan := must(radam.NewTensor[radam.BFloat16](q8Len))
	must(group.Add(radam.Spec{Data: data, Grad: grad, KahanComp: kahan}))
	loose := make([]radam.BFloat16, q8Len)
	avg, sq, scale := make([]int8, q8Len), make([]uint8, q8Len), make([]uint32, q8Blocks)
	for step := uint64(1); step <= 3; step++ {
		if err := opt.Step(); err != nil {
			t.Fatal(err)
		}
		err := radam.UpdateQ8(start, g, avg, sq, scale, loose, q8Group(radam.SliceGroup(0.01)), step)
		if err != nil || !equal(start, data.Data()) || !equal(loose, kahan.Data()) {
			t.Fatal("another compensation", err)
		}
	}
	floats := must(radam.NewTensor[float32](q8Len))
	_, err := group.Add(radam.Spec{Dtype: radam.BF16, Len: q8Len, KahanComp: floats})
	wantError(t, err, radam.ErrInvalidArgument, "KahanComp is a tensor of float32; it must be one of radam.BFloat16")
	must(group.Add(radam.Spec{Dtype: radam.BF16, Len: 9, KahanComp: must(radam.NewTensor[float32](9))}))
	err = radam.UpdateQ8(start, g, avg, sq, scale, floats.Data(), q8Group(radam.SliceGroup(0.01)), 4)
	wantError(t, err, radam.ErrInvalidArgument, "kahanComp is a slice of float32; it must be one of radam.BFloat16")
}

func TestStateOf8BitsIsAskedForAsWhatItIs(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(q8Group(radam.SliceGroup(0.01))))
	if must(group.Options()).StateDtype != radam.Q8 {
		t.Error("the option is lost")
	}
	p := must(group.Add(radam.Spec{Dtype: radam.F32, Len: q8Len}))
	small := must(group.Add(radam.Spec{Dtype: radam.BF16, Len: 4095}))
	if len(must(radam.GetState[float32](small, radam.ExpAvg))) != 4095 ||
		must(radam.GetState[uint32](small, radam.StateScale)) != nil {
		t.Error("a small tensor has no state of float32")
	}
	_, err := radam.GetState[float32](p, radam.ExpAvg)
	wantError(t, err, radam.ErrInvalidArgument, "asked for as float32; that of parameter 0 is of int8")
	_, err = radam.GetState[int8](p, radam.ExpAvgSq)
	wantError(t, err, radam.ErrInvalidArgument, "asked for as int8; that of parameter 0 is of uint8")
	_, err = radam.GetState[int16](p, radam.StateScale)
	wantError(t, err, radam.ErrInvalidArgument, "asked for as int16; that of parameter 0 is of uint32")
	wantError(t, radam.SetState(p, radam.StateScale, make([]uint32, q8Len)), radam.ErrInvalidArgument, "must have 40")

	bytes, floats := must(radam.NewTensor[int8](q8Len)), must(radam.NewTensor[float32](q8Len))
	short := must(radam.NewTensor[uint32](39))
	for words, spec := range map[string]radam.Spec{
		"Q8 is for GroupOptions.StateDtype only":                {Dtype: radam.Q8, Len: q8Len},
		"GradDtype radam.Q8; Q8 is for":                         {Dtype: radam.F32, GradDtype: radam.Q8, Len: q8Len},
		"StateDtype is q8":                                      {Dtype: radam.F64, Len: q8Len},
		"ExpAvg is a tensor of float32; it must be one of int8": {Dtype: radam.F32, Len: q8Len, ExpAvg: floats},
		"ExpAvgSq is a tensor of int8; it must be one of uint8": {Dtype: radam.F32, Len: q8Len, ExpAvgSq: bytes},
		"StateScale has 39 elements; it must have 40":           {Dtype: radam.F32, Len: q8Len, StateScale: short},
		"TensorOffset is 100":                                   {Dtype: radam.F32, Len: 100, TensorOffset: 100, TensorLen: q8Len},
	} {
		_, err := group.Add(spec)
		wantError(t, err, radam.ErrInvalidArgument, words)
	}
	err = radam.UpdateQ8(make([]float32, 129), make([]float32, 129), make([]int8, 129), make([]uint8, 129),
		make([]uint32, 1), []float32(nil), radam.SliceGroup(0.01), 1)
	wantError(t, err, radam.ErrInvalidArgument, "stateScale has 1 elements; it must have 2")
}
