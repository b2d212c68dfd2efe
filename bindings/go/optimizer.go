package radam

// #cgo pkg-config: radam
// #include "shim.h"
import "C"

import (
	"runtime"
	"runtime/cgo"
	"sync"
	"time"
)

// Options of an optimizer. The zero value has the defaults.
type Options struct {
	// The maximum number of threads that work on a step; 0: one per core; 1: the library never starts a thread.
	NumThreads int
	// Runs parallel work instead of the library's own threads. It must not refer to the optimizer, which would then
	// never be collected as garbage.
	Executor Executor
	// The number of elements from which a step runs on several threads; 0: the library's choice.
	ParallelFrom uint64
}

// An Optimizer updates parameters. It must not be copied.
type Optimizer struct {
	// A handle: a token, which is never dereferenced. Since C does not say what it points to, Go's garbage collector
	// does not take it for a pointer, whatever its bits are.
	c         *C.radam_optimizer
	callbacks *callbacks
	// Held for reading by calls that may run at the same time. Those that only read from the library do not need it.
	mu         sync.RWMutex
	registered map[uint32]registered // by the ids of parameters
	executor   cgo.Handle            // 0 if there is none
	closed     bool
}

// New creates an optimizer without parameters. Close frees it, and so does the garbage collector if it was forgotten.
func New(options Options) (*Optimizer, error) {
	if errWrongVersion != nil {
		return nil, errWrongVersion
	}
	if int(C.uint32_t(options.NumThreads)) != options.NumThreads {
		return nil, failed(ErrInvalidArgument, "NumThreads is %d; it must be from 0 to 1024", options.NumThreads)
	}
	var c C.radam_options
	if err := check(nil, func() C.radam_status { return C.radam_options_init(&c, C.sizeof_radam_options) }); err != nil {
		return nil, err
	}
	c.num_threads = C.uint32_t(options.NumThreads)
	c.parallel_from = C.uint64_t(options.ParallelFrom)
	o := &Optimizer{callbacks: &callbacks{executor: options.Executor}, registered: map[uint32]registered{}}
	if options.Executor != nil {
		o.executor = cgo.NewHandle(o.callbacks)
	}
	err := check(nil, func() C.radam_status { return C.radam_go_create(&c, C.uintptr_t(o.executor), &o.c) })
	if err != nil {
		o.forget()
		return nil, err
	}
	runtime.SetFinalizer(o, func(o *Optimizer) { o.Close() })
	return o, nil
}

// Close frees the optimizer and its state, and ends the library's threads. It waits for calls in progress. The tensors
// are the caller's again. A second Close does nothing.
func (o *Optimizer) Close() error {
	return o.exclusive(func() error {
		if o.closed {
			return nil
		}
		err := check(nil, func() C.radam_status { return C.radam_free(o.c) })
		o.forget()
		runtime.SetFinalizer(o, nil)
		return err
	})
}

// forget lets go of what the library no longer has.
func (o *Optimizer) forget() {
	if o.executor != 0 {
		o.executor.Delete()
	}
	for _, param := range o.registered {
		param.arrays.release()
	}
	o.registered, o.closed = nil, true
}

// exclusive runs what may overlap only with what reads.
func (o *Optimizer) exclusive(run func() error) error {
	if err := o.check(); err != nil {
		return err
	}
	return o.locked(run, o.mu.TryLock, o.mu.Lock, o.mu.Unlock)
}

// shared runs what may overlap with itself.
func (o *Optimizer) shared(run func() error) error {
	if err := o.check(); err != nil {
		return err
	}
	return o.locked(run, o.mu.TryRLock, o.mu.RLock, o.mu.RUnlock)
}

// locked does not wait while a callback runs, which may be what called it.
func (o *Optimizer) locked(run func() error, try func() bool, lock, unlock func()) error {
	if o.callbacks.running.Load() == 0 {
		lock()
	} else if !try() {
		return failed(ErrBusy, "the optimizer is busy with the call that runs a callback; try again when it has returned")
	}
	defer unlock()
	defer o.callbacks.rethrow()
	return run()
}

// check refuses an optimizer that New did not make, or that a zero Group, Param or SlicedStep has.
func (o *Optimizer) check() error {
	if o == nil || o.callbacks == nil {
		return failed(ErrInvalidHandle, "there is no optimizer: it, its Group, Param or SlicedStep is nil or a zero value; "+
			"radam.New, AddGroup, Add and BeginStep return them")
	}
	return nil
}

// owns refuses parameters that are not this optimizer's.
func (o *Optimizer) owns(what string, param Param) error {
	if param.opt == nil {
		return failed(ErrInvalidArgument, "%s is a zero value; Group.Add returns parameters", what)
	}
	if param.opt != o {
		return failed(ErrInvalidArgument, "%s is parameter %d of another optimizer", what, param.id)
	}
	return nil
}

// change makes one call of the library that may overlap only with what reads.
func (o *Optimizer) change(call func() C.radam_status) error {
	return o.exclusive(func() error { return check(o.c, call) })
}

// read makes one call of the library that may be made at any time.
func (o *Optimizer) read(call func() C.radam_status) error {
	if err := o.check(); err != nil {
		return err
	}
	defer runtime.KeepAlive(o) // or it could be freed during the call
	return check(o.c, call)
}

// SetAccumulation turns optimizer accumulation on or off. While it is on, steps update only the moments and the step
// counts, and not the parameters.
func (o *Optimizer) SetAccumulation(on bool) error {
	return o.change(func() C.radam_status { return C.radam_set_optimizer_accumulation(o.c, toggle(on)) })
}

// Accumulation returns whether optimizer accumulation is on.
func (o *Optimizer) Accumulation() (bool, error) {
	var on C.radam_toggle
	err := o.read(func() C.radam_status { return C.radam_get_optimizer_accumulation(o.c, &on) })
	return on == C.RADAM_ON, err
}

// ResetState resets the state of all parameters to that before the first step.
func (o *Optimizer) ResetState() error {
	return o.change(func() C.radam_status { return C.radam_reset_state(o.c, C.UINT32_MAX) })
}

// Advice returns sentences, one a line, on settings that are allowed but known to make training fail. It is empty if
// there is nothing to report.
func (o *Optimizer) Advice() string {
	if o.check() != nil {
		return ""
	}
	defer runtime.KeepAlive(o)
	return text(func(buffer *C.char, capacity C.uint64_t) C.uint64_t {
		return C.radam_advice(o.c, buffer, capacity)
	})
}

func toggle(on bool) C.radam_toggle {
	if on {
		return C.RADAM_ON
	}
	return C.RADAM_OFF
}

func nanoseconds(budget time.Duration) C.uint64_t {
	if budget < 0 {
		return 0
	}
	return C.uint64_t(budget)
}
