package radam_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"radam"
)

// The library keeps sentences for threads, between which goroutines move.
func TestSentencesAreThoseOfTheFailedCalls(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	const goroutines, calls = 16, 10000
	stop := preempt()
	defer stop()
	var workers sync.WaitGroup
	for i := 0; i < goroutines; i++ {
		workers.Add(1)
		go func(i int) {
			defer workers.Done()
			for call := 0; call < calls; call++ {
				lr := -float64(1 + i*calls + call)
				err := group.SetLR(lr)
				if call%2 == 1 {
					_, err = opt.AddGroup(radam.TensorGroup(lr))
				}
				if !errors.Is(err, radam.ErrInvalidArgument) || !strings.Contains(err.Error(), fmt.Sprintf("lr is %.0f", lr)) {
					t.Errorf("%g: %v", lr, err)
				}
			}
		}(i)
	}
	workers.Wait()
}

// preempt makes goroutines move between threads at any moment, which garbage collections do, until it is stopped.
func preempt() (stop func()) {
	processors := runtime.GOMAXPROCS(16)
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stopped:
				return
			default:
				runtime.GC()
			}
		}
	}()
	return func() {
		close(stopped)
		<-done
		runtime.GOMAXPROCS(processors)
	}
}

func TestErrorsHaveStatusAndSentence(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	_, err := opt.AddGroup(radam.GroupOptions{})
	wantError(t, err, radam.ErrInvalidArgument, "radam: ", "SliceGroup(lr)")
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	wantError(t, group.SetOptions(radam.GroupOptions{LR: 1}), radam.ErrInvalidArgument, "SliceGroup(lr)")
	one := []float32{1}
	err = radam.Update(one, one, one, one, []float32(nil), radam.GroupOptions{}, 1)
	wantError(t, err, radam.ErrInvalidArgument, "SliceGroup(lr)")
	var failure *radam.Error
	if !errors.As(err, &failure) || failure.Status != radam.ErrInvalidArgument {
		t.Errorf("%#v", err)
	}
	if errors.Is(err, radam.ErrBusy) || errors.Is(err, errors.New("")) {
		t.Error("it is every error")
	}
	if name := radam.ErrCorrupt.Error(); name != "RADAM_ERROR_CORRUPT" {
		t.Error(name)
	}
	if version := radam.Version(); !strings.HasPrefix(version, "0.2.") {
		t.Error(version)
	}
	_, err = radam.New(radam.Options{NumThreads: -1})
	wantError(t, err, radam.ErrInvalidArgument, "NumThreads is -1")
	_, err = radam.New(radam.Options{NumThreads: 1<<32 + 1})
	wantError(t, err, radam.ErrInvalidArgument, "NumThreads is 4294967297")
	_, err = radam.New(radam.Options{NumThreads: 2000})
	wantError(t, err, radam.ErrInvalidArgument, "2000")
}

// A load lists what does not fit. The library cuts the middle out of sentences that are too long.
func TestLongSentencesKeepTheirEnd(t *testing.T) {
	opt, other := newOptimizer(t, radam.Options{}), newOptimizer(t, radam.Options{})
	group, otherGroup := must(opt.AddGroup(radam.SliceGroup(0.1))), must(other.AddGroup(radam.SliceGroup(0.1)))
	for i := 0; i < 100; i++ {
		name := strings.Repeat("a long name ", 25) + fmt.Sprint(i)
		must(group.Add(radam.Spec{Name: name, Dtype: radam.F32, Len: 1}))
		must(otherGroup.Add(radam.Spec{Name: name, Dtype: radam.F32, Len: 2}))
	}
	err := other.UnmarshalBinary(must(opt.MarshalBinary()))
	wantError(t, err, radam.ErrMismatch)
	if len(err.Error()) < 2000 || !strings.HasSuffix(err.Error(), "nothing was changed") {
		t.Errorf("%d bytes: %v", len(err.Error()), err)
	}
}

func TestClosedOptimizers(t *testing.T) {
	opt := must(radam.New(radam.Options{}))
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	p := must(group.Add(radam.Spec{Dtype: radam.F32, Len: 1}))
	var workers sync.WaitGroup
	for i := 0; i < 8; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			if err := opt.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	workers.Wait()
	_, err := group.Report()
	wantError(t, err, radam.ErrInvalidHandle, "was closed")
	_, err = p.Name()
	wantError(t, err, radam.ErrInvalidHandle)
	_, err = group.Add(radam.Spec{Dtype: radam.F32, Len: 1})
	wantError(t, err, radam.ErrInvalidHandle)
	wantError(t, opt.Step(), radam.ErrInvalidHandle, "was closed")
	wantError(t, opt.StepSlices(radam.Lend(p, []float32{1}, []float32{1})), radam.ErrInvalidHandle)
}

// Whatever is nil or a zero value is refused by a sentence, and not by a panic.
func TestNilAndZeroValues(t *testing.T) {
	var group radam.Group
	var param radam.Param
	for _, opt := range []*radam.Optimizer{nil, {}} {
		_, accumulation := opt.Accumulation()
		_, found := opt.Param("weight")
		_, report := group.Report()
		_, options := group.Options()
		_, lr := group.LR()
		_, added := group.Add(radam.Spec{Dtype: radam.F32, Len: 1})
		_, name := param.Name()
		_, steps := param.StepCount()
		_, frozen := param.Frozen()
		_, state := radam.GetState[float32](param, radam.ExpAvg)
		_, bytes := opt.MarshalBinary()
		_, wave := radam.SlicedStep{}.Wave()
		_, begun := opt.BeginStep(radam.StepOptions{})
		_, with := opt.StepSlicesWith(radam.StepOptions{})
		for i, err := range []error{accumulation, found, report, options, lr, added, name, steps, frozen, state, bytes, wave,
			begun, with, opt.Step(), opt.StepSlices(), opt.StepSlice(radam.Lent{}), opt.SetTensors(param, nil, nil),
			opt.Save("x"), opt.Load("x"), opt.UnmarshalBinary([]byte{0}), opt.Close(), param.SetGrad(nil), param.Remove(),
			group.SetLR(1), radam.SlicedStep{}.Chunk(0)} {
			t.Log(i)
			wantError(t, err, radam.ErrInvalidHandle, "there is no optimizer")
		}
		if advice := opt.Advice(); advice != "" {
			t.Error(advice)
		}
	}
	opt := newOptimizer(t, radam.Options{})
	wantError(t, opt.StepSlice(radam.Lent{}), radam.ErrInvalidArgument, "lent is a zero value; Group.Add")
	wantError(t, opt.SetTensors(param, nil, nil), radam.ErrInvalidArgument, "first is a zero value; Group.Add")
	wantError(t, opt.Measure(nil), radam.ErrNullPointer, "sums is nil")
	wantError(t, radam.MeasureSlice(nil, []float32{1}), radam.ErrNullPointer, "sums is nil")
	for _, tensor := range []*radam.Tensor[float32]{nil, {}} {
		if tensor.Len() != 0 || tensor.Data() != nil || tensor.Free() != nil {
			t.Error(tensor)
		}
	}
}

func TestSentencesHaveTheNamesOfGo(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(0.1)))
	tensor := must(radam.NewTensor[float32](4))
	p := must(group.Add(radam.Spec{Name: "a_b", Data: tensor, Grad: must(radam.NewTensor[float32](4))}))
	_, err := group.Add(radam.Spec{Data: tensor})
	wantError(t, err, radam.ErrInvalidArgument, "radam: Data is 0x", `"a_b"`)
	_, err = group.Add(radam.Spec{Dtype: 9, Len: 1})
	wantError(t, err, radam.ErrInvalidArgument, "Dtype is 9; it must be F32, F64, F16 or BF16")
	_, err = group.Add(radam.Spec{Dtype: radam.F32, Len: 4, TensorOffset: 5, TensorLen: 6})
	wantError(t, err, radam.ErrInvalidArgument, "TensorOffset is 5 and Len is 4, but TensorLen is 6")
	_, err = radam.GetState[float32](p, 9)
	wantError(t, err, radam.ErrInvalidArgument, "ExpAvg, ExpAvgSq, KahanComp, MasterRemainder or StateScale")
	options := radam.TensorGroup(0.1)
	options.DecoupleWD = 9
	_, err = opt.AddGroup(options)
	wantError(t, err, radam.ErrInvalidArgument, "DecoupleWD is 9; it must be Off, On or Auto")
	_, err = radam.SlicedStep{}.Wave()
	wantError(t, err, radam.ErrInvalidHandle)
	step := must(opt.BeginStep(radam.StepOptions{}))
	wantError(t, step.Chunk(0), radam.ErrInvalidState, "Wave begins one")
	wantError(t, opt.Step(), radam.ErrBusy, "the optimizer has an open step, which BeginStep opened; end it first with End")
	if err := step.Abort(); err != nil {
		t.Error(err)
	}
	wantError(t, step.Abort(), radam.ErrInvalidState, "no step is open; BeginStep opens one")
}

// The bits of handles are those of small numbers at first, and later those of addresses in Go's heap, from 0xc000000000
// on. The garbage collector must take neither for pointers, also in stacks that it moves.
func TestHandlesAreNoPointersToTheCollector(t *testing.T) {
	for i := 0; i < 600; i++ {
		opt := must(radam.New(radam.Options{NumThreads: 1}))
		if i%20 == 0 {
			runtime.GC()
			if depth := deepen(opt, 2000); depth != 2000 {
				t.Fatal(depth)
			}
		}
		if err := opt.Step(); err != nil {
			t.Fatal(err)
		}
		if err := opt.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// deepen makes the stack grow, below which it holds the optimizer.
func deepen(opt *radam.Optimizer, depth int) int {
	var room [64]byte
	if depth == 0 {
		return int(room[0])
	}
	below := deepen(opt, depth-1)
	if opt.Step() != nil {
		return -1
	}
	return below + 1
}

func TestForgottenOptimizersAreFreed(t *testing.T) {
	freed := make(chan bool, 1)
	func() {
		opt := must(radam.New(radam.Options{}))
		group := must(opt.AddGroup(radam.TensorGroup(0.1)))
		tensor := must(radam.NewTensor[float32](1))
		must(group.Add(radam.Spec{Data: tensor}))
		// The tensor is free to go when the optimizer's finalizer has closed it.
		runtime.SetFinalizer(tensor, func(tensor *radam.Tensor[float32]) { freed <- tensor.Free() == nil })
	}()
	for i := 0; i < 100; i++ {
		runtime.GC()
		select {
		case ok := <-freed:
			if ok {
				return
			}
			t.Fatal("the tensor is still registered")
		default:
			runtime.Gosched()
		}
	}
	t.Fatal("never collected")
}
