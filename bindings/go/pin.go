//go:build go1.21

package radam

import (
	"runtime"
	"unsafe"
)

// Pin returns a tensor whose memory is that of a slice of Go, which stays where it is until Free.
func Pin[T StateElement](slice []T) (*Tensor[T], error) {
	if len(slice) == 0 {
		return NewTensor[T](0)
	}
	var pinner runtime.Pinner
	pinner.Pin(&slice[0])
	t := &Tensor[T]{&block{
		dtype:   DtypeOf[T](),
		element: elementOf[T](),
		len:     len(slice),
		bytes:   uintptr(len(slice)) * unsafe.Sizeof(slice[0]),
		address: unsafe.Pointer(&slice[0]),
		free:    pinner.Unpin,
	}}
	runtime.SetFinalizer(t.block, (*block).collectPinned)
	return t, nil
}

// collectPinned is the finalizer: slices keep the memory of Go alive by themselves.
func (b *block) collectPinned() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.release()
}
