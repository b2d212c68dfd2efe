//go:build go1.21

package radam_test

import (
	"runtime"
	"testing"

	"radam"
)

func TestPinnedSlices(t *testing.T) {
	opt := newOptimizer(t, radam.Options{})
	group := must(opt.AddGroup(radam.TensorGroup(0.5)))
	type layer struct {
		weight [2]float32
		next   *layer
	}
	l, grad := &layer{weight: [2]float32{1, 2}, next: &layer{}}, []float32{2, 2}
	weight, pinnedGrad := must(radam.Pin(l.weight[:])), must(radam.Pin(grad))
	p := must(group.Add(radam.Spec{Data: weight, Grad: pinnedGrad}))
	runtime.GC()
	if err := opt.Step(); err != nil || l.weight != [2]float32{0, 1} || weight.Data()[0] != 0 {
		t.Error(err, l.weight)
	}
	if err := opt.SetTensors(p, []radam.Array{weight}, []radam.Array{pinnedGrad}); err != nil {
		t.Error(err)
	}
	wantError(t, weight.Free(), radam.ErrInvalidState, "registered")
	if err := p.Remove(); err != nil || weight.Free() != nil || weight.Free() != nil {
		t.Error(err)
	}
	if empty := must(radam.Pin([]float32{})); empty.Len() != 0 {
		t.Error(empty.Len())
	}
}

// A pin that is forgotten would end the program with a panic of the runtime.
func TestForgottenPins(t *testing.T) {
	for i := 0; i < 100; i++ {
		must(radam.Pin(make([]float32, 100)))
	}
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
}
