package radam

import (
	"runtime"
	"testing"
	"time"
)

// watch returns a channel that is closed when the memory of a tensor is freed.
func watch(t *Tensor[float32]) chan struct{} {
	freed, free := make(chan struct{}), t.block.free
	t.block.free = func() {
		free()
		close(freed)
	}
	return freed
}

func newWatched(t *testing.T, use func(*Tensor[float32])) chan struct{} {
	tensor, err := TensorOf([]float32{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	freed := watch(tensor)
	use(tensor)
	return freed
}

// The garbage collector frees forgotten tensors, but none under a slice that it cannot follow.
func TestForgottenTensors(t *testing.T) {
	var data []float32
	lent := newWatched(t, func(tensor *Tensor[float32]) { data = tensor.Data() })
	forgotten := newWatched(t, func(*Tensor[float32]) {})
	for freed := false; !freed; {
		runtime.GC()
		select {
		case <-forgotten:
			freed = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	runtime.GC()
	select {
	case <-lent:
		t.Error("the memory was freed under a slice")
	case <-time.After(50 * time.Millisecond):
	}
	if data[2] != 3 {
		t.Error(data)
	}
	freed := newWatched(t, func(tensor *Tensor[float32]) {
		if err := tensor.Free(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-freed:
	default:
		t.Error("Free does not free")
	}
}
