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
	wantError(t, (&radam.Optimizer{}).Step(), radam.ErrInvalidHandle, "radam.New")
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
