package radam

// #include "shim.h"
import "C"

// Update performs one step of one tensor without an optimizer. All slices are the caller's, of the same length. expAvg
// and expAvgSq must hold zeros before the first step, and so must kahanComp, which may be nil unless KahanSum is on, as
// it is for F16 and BF16, or MasterRemainder, with which it is []int16. step starts at 1.
func Update[T, G, S Element, K StateElement](param []T, grad []G, expAvg, expAvgSq []S, kahanComp []K,
	options GroupOptions, step uint64) error {
	err := checkLoose(options, []loose{{"grad", len(grad), len(param)}, {"expAvg", len(expAvg), len(param)},
		{"expAvgSq", len(expAvgSq), len(param)}}, kahanComp, len(param), elementOf[S]())
	if err != nil {
		return err
	}
	c := options.c()
	return check(nil, func() C.radam_status {
		return C.radam_go_update(C.radam_dtype(DtypeOf[T]()), C.radam_dtype(DtypeOf[G]()), C.radam_dtype(DtypeOf[S]()),
			address(param), address(grad), address(expAvg), address(expAvgSq), address(kahanComp),
			C.uint64_t(len(param)), c, C.uint64_t(step))
	})
}

// UpdateQ8 performs one step as Update does, with state of 8 bits, of tensors of any length. stateScale has an element
// for each block of 128, and kahanComp is of the type of param. Codes are rounded at random, so each tensor needs a Seed
// of its own.
func UpdateQ8[T, G Element, K StateElement](param []T, grad []G, expAvg []int8, expAvgSq []uint8, stateScale []uint32,
	kahanComp []K, options GroupOptions, step uint64) error {
	err := checkLoose(options, []loose{{"grad", len(grad), len(param)}, {"expAvg", len(expAvg), len(param)},
		{"expAvgSq", len(expAvgSq), len(param)}, {"stateScale", len(stateScale), stateLen(StateScale, len(param))}},
		kahanComp, len(param), elementOf[T]())
	if err != nil {
		return err
	}
	c := options.c()
	return check(nil, func() C.radam_status {
		return C.radam_go_update_q8(C.radam_dtype(DtypeOf[T]()), C.radam_dtype(DtypeOf[G]()), address(param),
			address(grad), address(expAvg), address(expAvgSq), address(stateScale), address(kahanComp),
			C.uint64_t(len(param)), c, C.uint64_t(step))
	})
}

// A loose array is not an optimizer's.
type loose struct {
	name          string
	len, expected int
}

// checkLoose checks what the library cannot see behind pointers.
func checkLoose[K StateElement](options GroupOptions, arrays []loose, kahanComp []K, n int, element string) error {
	if kahanComp != nil {
		arrays = append(arrays, loose{"kahanComp", len(kahanComp), n})
		if options.MasterRemainder == On {
			element = elementOf[int16]()
		}
		if given := elementOf[K](); given != element {
			return failed(ErrInvalidArgument, "kahanComp is a slice of %s; it must be one of %s", given, element)
		}
	}
	for _, array := range arrays {
		if array.len != array.expected {
			return failed(ErrInvalidArgument, "%s has %d elements; it must have %d, as param has %d", array.name, array.len,
				array.expected, n)
		}
	}
	return options.check()
}
