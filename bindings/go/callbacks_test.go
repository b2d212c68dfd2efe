package radam_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"radam"
)

// onGoroutines is an executor with a static schedule.
func onGoroutines(count uint64, body func(index uint64)) {
	const goroutines = 2
	var workers sync.WaitGroup
	for first := uint64(0); first < goroutines; first++ {
		workers.Add(1)
		go func(first uint64) {
			defer workers.Done()
			for index := first; index < count; index += goroutines {
				body(index)
			}
		}(first)
	}
	workers.Wait()
}

const large = 1 << 20

func largeParam(opt *radam.Optimizer) (radam.Param, []float32, []float32) {
	group := must(opt.AddGroup(radam.SliceGroup(0.1)))
	p := must(group.Add(radam.Spec{Dtype: radam.F32, Len: large}))
	return p, noise[float32](1, large), noise[float32](2, large)
}

func TestExecutorsGiveTheSameBits(t *testing.T) {
	var calls atomic.Int64
	counting := func(count uint64, body func(index uint64)) {
		calls.Add(1)
		onGoroutines(count, body)
	}
	opt := newOptimizer(t, radam.Options{Executor: counting, ParallelFrom: 1})
	alone := newOptimizer(t, radam.Options{NumThreads: 1})
	p, weight, grad := largeParam(opt)
	twin, twinWeight, _ := largeParam(alone)
	for step := 0; step < 3; step++ {
		if err := opt.StepSlices(radam.Lend(p, weight, grad)); err != nil {
			t.Fatal(err)
		}
		if err := alone.StepSlices(radam.Lend(twin, twinWeight, grad)); err != nil {
			t.Fatal(err)
		}
	}
	if calls.Load() == 0 {
		t.Fatal("the executor was not used")
	}
	if !equal(weight, twinWeight) {
		t.Error("other bits")
	}
}

// Exceptions of Go must not unwind frames of C; they go on in the caller, and the step is complete.
func TestPanicsOfExecutors(t *testing.T) {
	for name, fail := range map[string]func(){
		"panic":  func() { panic("no threads today") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			failing := func(count uint64, body func(index uint64)) {
				body(0)
				fail()
			}
			opt := newOptimizer(t, radam.Options{Executor: failing, ParallelFrom: 1})
			p, weight, grad := largeParam(opt)
			panicked := func() (panicked any) {
				defer func() { panicked = recover() }()
				opt.StepSlices(radam.Lend(p, weight, grad))
				return nil
			}()
			if panicked == nil || (name == "panic" && panicked != "no threads today") {
				t.Error(panicked)
			}
			if must(p.StepCount()) != 1 || equal(weight[large-10:], noise[float32](1, large)[large-10:]) {
				t.Error("the step is not complete")
			}
		})
	}
}

// What an executor's goroutines do too late does nothing, also when the optimizer is closed.
func TestLatePiecesDoNothing(t *testing.T) {
	var late func(index uint64)
	opt := newOptimizer(t, radam.Options{ParallelFrom: 1, Executor: func(count uint64, body func(index uint64)) {
		late = body
	}})
	p, weight, grad := largeParam(opt)
	if err := opt.StepSlices(radam.Lend(p, weight, grad)); err != nil || late == nil {
		t.Fatal(err)
	}
	after := append([]float32(nil), weight...)
	late(0)
	if err := opt.Close(); err != nil {
		t.Fatal(err)
	}
	late(0)
	if !equal(weight, after) {
		t.Error("the weights have changed")
	}
}

func TestProgress(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	p, weight, grad := largeParam(opt)
	if err := opt.StepSlices(radam.Lend(p, weight, grad)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.radam")
	var calls, last, total uint64
	count := func(done, all uint64) error {
		calls, last, total = calls+1, done, all
		return nil
	}
	if err := opt.SaveWith(path, count); err != nil || calls < 2 || last != total || total < 8*large {
		t.Error(err, calls, last, total)
	}
	calls = 0
	if err := opt.LoadWith(radam.LoadOptions{Progress: count}, path); err != nil || calls < 2 || last != total {
		t.Error(err, calls, last, total)
	}
	calls = 0
	err := opt.UnmarshalBinaryWith(radam.LoadOptions{Progress: count}, must(os.ReadFile(path)))
	if err != nil || calls < 2 {
		t.Error(err, calls)
	}

	enough := errors.New("the user has closed the window")
	cancel := func(done, all uint64) error { return enough }
	other := filepath.Join(t.TempDir(), "other.radam")
	for _, err := range []error{opt.SaveWith(other, cancel), opt.LoadWith(radam.LoadOptions{Progress: cancel}, path)} {
		if !errors.Is(err, radam.ErrIO) || !errors.Is(err, enough) ||
			!strings.HasSuffix(err.Error(), ": the user has closed the window") {
			t.Error(err)
		}
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	panicked := func() (panicked any) {
		defer func() { panicked = recover() }()
		opt.SaveWith(other, func(done, all uint64) error { panic("the bar is too long") })
		return nil
	}()
	if panicked != "the bar is too long" {
		t.Error(panicked)
	}
	if err := opt.Save(other); err != nil {
		t.Error(err)
	}
}

// A callback that calls its optimizer would wait for itself.
func TestCallbacksFindTheOptimizerBusy(t *testing.T) {
	opt := newOptimizer(t, radam.Options{NumThreads: 1})
	p, weight, grad := largeParam(opt)
	within := func(done, all uint64) error {
		wantError(t, opt.Step(), radam.ErrBusy)
		wantError(t, opt.Close(), radam.ErrBusy)
		wantError(t, opt.StepSlice(radam.Lend(p, weight, grad)), radam.ErrBusy)
		_, err := p.StepCount()
		return err
	}
	done := make(chan error)
	go func() { done <- opt.SaveWith(filepath.Join(t.TempDir(), "run.radam"), within) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for itself")
	}
}
