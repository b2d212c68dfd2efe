package radam

// #include "shim.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"sync"
	"sync/atomic"
	"unsafe"
)

// An Executor runs the pieces of a step on goroutines of its own: it calls body once for each index below count, on any
// goroutines and in any order, and returns when all these calls have returned. What it leaves out is done afterwards.
type Executor func(count uint64, body func(index uint64))

// Progress is told how much of a checkpoint has been written or read. An error cancels the call, which then returns an
// error that wraps it.
type Progress func(bytesDone, bytesTotal uint64) error

// callbacks are an optimizer's: what runs now, and the panic of one that C code must not see. They do not refer to the
// optimizer: the handle of the executor would keep it alive.
type callbacks struct {
	executor Executor
	running  atomic.Int32
	mu       sync.Mutex
	panicked any
}

var errGoexit = errors.New("the callback ended its goroutine")

// contain runs a callback on a goroutine of its own, so that neither a panic nor runtime.Goexit unwinds the frames of
// C code below it, and returns what it panicked with.
func (c *callbacks) contain(callback func()) any {
	c.running.Add(1)
	defer c.running.Add(-1)
	outcome := make(chan any)
	go func() {
		completed := false
		defer func() {
			panicked := recover()
			if panicked == nil && !completed {
				panicked = errGoexit
			}
			outcome <- panicked
		}()
		callback()
		completed = true
	}()
	return <-outcome
}

// keep remembers a panic until the call of the library has returned.
func (c *callbacks) keep(panicked any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.panicked == nil {
		c.panicked = panicked
	}
}

// rethrow panics as a callback did. It is called when the call of the library has returned.
func (c *callbacks) rethrow() {
	c.mu.Lock()
	panicked := c.panicked
	c.panicked = nil
	c.mu.Unlock()
	if panicked != nil {
		panic(panicked)
	}
}

// Calls of body after the executor has returned must not reach the library: the optimizer may be freed by then.
//
//export radamGoParallelFor
func radamGoParallelFor(count C.uint64_t, body C.radam_go_body, data unsafe.Pointer, handle C.uintptr_t) {
	c := cgo.Handle(handle).Value().(*callbacks)
	var mu sync.RWMutex
	returned := false
	panicked := c.contain(func() {
		c.executor(uint64(count), func(index uint64) {
			mu.RLock()
			defer mu.RUnlock()
			if !returned {
				C.radam_go_run(body, C.uint64_t(index), data)
			}
		})
	})
	mu.Lock()
	returned = true
	mu.Unlock()
	if panicked != nil {
		c.keep(panicked)
	}
}

// A progressCall is one call of the library that reports its progress.
type progressCall struct {
	callbacks *callbacks
	progress  Progress
	err       error
}

//export radamGoProgress
func radamGoProgress(bytesDone, bytesTotal C.uint64_t, handle C.uintptr_t) C.int32_t {
	call := cgo.Handle(handle).Value().(*progressCall)
	panicked := call.callbacks.contain(func() {
		call.err = call.progress(uint64(bytesDone), uint64(bytesTotal))
	})
	if panicked != nil {
		call.callbacks.keep(panicked)
	}
	if panicked != nil || call.err != nil {
		return 1
	}
	return 0
}

// withProgress runs a call of the library that reports its progress, if the caller wants to know it.
func (o *Optimizer) withProgress(progress Progress, run func(handle C.uintptr_t) C.radam_status) error {
	if err := o.check(); err != nil {
		return err
	}
	call := &progressCall{callbacks: o.callbacks, progress: progress}
	var handle C.uintptr_t
	if progress != nil {
		registered := cgo.NewHandle(call)
		defer registered.Delete()
		handle = C.uintptr_t(registered)
	}
	err := o.change(func() C.radam_status { return run(handle) })
	var failure *Error
	if errors.As(err, &failure) {
		failure.cause = call.err
	}
	return err
}
