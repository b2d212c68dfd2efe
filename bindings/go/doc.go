// Package radam steps float32, float64, f16 and bf16 parameters with Rectified Adam (Liu et al. 2019, arXiv
// 1908.03265), the optimizer. It calls the C library of the same name, whose header radam.h is the reference manual.
//
// Ordinary slices are lent to the library for a call, which keeps no pointer to them:
//
//	opt, err := radam.New(radam.Options{})
//	group, err := opt.AddGroup(radam.SliceGroup(1e-3))
//	w, err := group.Add(radam.Spec{Name: "weight", Dtype: radam.F32, Len: len(weight)})
//	err = opt.StepSlices(radam.Lend(w, weight, grad)) // in every step
//
// A Tensor is memory that may stay with the library. Steps of tensors can be cut into slices of time (BeginStep) and
// run over all of them in one parallel loop (Step).
//
// # Errors
//
// Every error of the library is an *Error, with the library's sentence. errors.Is compares it with ErrBusy,
// ErrInvalidArgument and the others. A call that fails has changed nothing.
//
// # Goroutines
//
// All methods may be called from any goroutine. StepSlice, StepSliceWith and SlicedStep.Chunk run in parallel; the
// others wait for each other, except those that only read, which never wait. Methods that would have to wait for the
// very call that runs a callback return ErrBusy, and so do those that an open SlicedStep rules out.
package radam
