package radam

// #include "shim.h"
import "C"

import (
	"sort"
	"strings"
	"unsafe"
)

// A span is the memory of one array, which is lent or registered.
type span struct {
	begin, end uintptr
	name       string // as Spec has it, if it is registered
	param      C.uint32_t
}

func (s span) isGrad() bool { return strings.EqualFold(s.name, "grad") }

// isSame says whether one is lent and takes the place of the other, which is registered: they may overlap.
func (s span) isSame(other span) bool {
	return s.param == other.param && strings.EqualFold(s.name, other.name)
}

// checkOverlaps refuses slices that share memory with each other or with registered arrays, which the library would
// find only when it comes to them.
func (o *Optimizer) checkOverlaps(lent []Lent) error {
	spans := o.registeredSpans(make([]span, 0, 2*len(lent)))
	add := func(name string, param Param, slice lentSlice) {
		if begin := uintptr(unsafe.Pointer(slice.address)); begin != 0 {
			spans = append(spans, span{begin, begin + uintptr(slice.len)*slice.dtype.size(), name, param.id})
		}
	}
	for _, l := range lent {
		add("data", l.param, l.data)
		add("grad", l.param, l.grad)
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].begin < spans[j].begin })
	var last, lastWritten span // those that end last
	for _, s := range spans {
		before := last // nothing may overlap it,
		if s.isGrad() {
			before = lastWritten // but gradients each other
		}
		if s.begin < before.end && !s.isSame(before) {
			return failed(ErrInvalidArgument, "the %s of parameter %d overlaps the %s of parameter %d; each needs memory of "+
				"its own", s.name, s.param, before.name, before.param)
		}
		if s.end > last.end {
			last = s
		}
		if !s.isGrad() && s.end > lastWritten.end {
			lastWritten = s
		}
	}
	return nil
}

var arrayNames = [...]string{"Data", "Grad", "Copy", "ExpAvg", "ExpAvgSq", "KahanComp", "StateScale"} // as arrays.all

func (o *Optimizer) registeredSpans(spans []span) []span {
	for id, param := range o.registered {
		if param.arrays == (arrays{}) {
			continue // as usual, where slices are lent
		}
		for i, b := range param.arrays.all() {
			if b != nil && b.bytes > 0 {
				begin := uintptr(b.address)
				spans = append(spans, span{begin, begin + b.bytes, arrayNames[i], C.uint32_t(id)})
			}
		}
	}
	return spans
}
