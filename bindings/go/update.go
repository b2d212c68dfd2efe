package radam

// #include "shim.h"
import "C"

// Update performs one step of one tensor without an optimizer. All slices are the caller's, of the same length. expAvg
// and expAvgSq must hold zeros before the first step, and so must kahanComp, which may be nil unless KahanSum is on, as
// it is for F16 and BF16, or MasterRemainder, with which it is []int16. step starts at 1.
func Update[T, G, S Element, K StateElement](param []T, grad []G, expAvg, expAvgSq []S, kahanComp []K,
	options GroupOptions, step uint64) error {
	for _, other := range []struct {
		name string
		len  int
	}{{"grad", len(grad)}, {"expAvg", len(expAvg)}, {"expAvgSq", len(expAvgSq)}} {
		if other.len != len(param) {
			return failed(ErrInvalidArgument, "%s has %d elements; it must have %d, as many as param", other.name, other.len,
				len(param))
		}
	}
	if kahanComp != nil {
		if len(kahanComp) != len(param) {
			return failed(ErrInvalidArgument, "kahanComp has %d elements; it must have %d, as many as param",
				len(kahanComp), len(param))
		}
		expected := DtypeOf[S]()
		if options.MasterRemainder == On {
			expected = DtypeOf[int16]()
		}
		if DtypeOf[K]() != expected {
			return failed(ErrInvalidArgument, "kahanComp is a slice of %v; it must be one of %v", DtypeOf[K](), expected)
		}
	}
	if err := options.check(); err != nil {
		return err
	}
	c := options.c()
	return check(nil, func() C.radam_status {
		return C.radam_go_update(C.radam_dtype(DtypeOf[T]()), C.radam_dtype(DtypeOf[G]()), C.radam_dtype(DtypeOf[S]()),
			address(param), address(grad), address(expAvg), address(expAvgSq), address(kahanComp),
			C.uint64_t(len(param)), c, C.uint64_t(step))
	})
}
