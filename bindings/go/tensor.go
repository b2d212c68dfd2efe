package radam

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// A Tensor is memory that does not move and may stay with an optimizer: of C (NewTensor), or pinned memory of Go (Pin).
// One that is nil or a zero value has no elements.
type Tensor[T StateElement] struct {
	block *block
}

// An Array is a *Tensor of any type; nil is none.
type Array interface {
	memory() *block
}

func (t *Tensor[T]) memory() *block {
	if t == nil {
		return nil
	}
	return t.block
}

// A block is the memory of a tensor. The garbage collector frees it, if no optimizer and no slice can refer to it.
type block struct {
	dtype   Dtype
	element string // the name of the Go type
	len     int
	bytes   uintptr
	mu      sync.Mutex
	address unsafe.Pointer // nil once it is free
	free    func()
	users   int  // how many parameters have it registered
	lent    bool // a slice that the garbage collector cannot follow refers to it
}

// NewTensor returns a tensor of zeros in memory of C.
func NewTensor[T StateElement](len int) (*Tensor[T], error) {
	if len < 0 {
		return nil, failed(ErrInvalidArgument, "len is %d; it must be at least 0", len)
	}
	size := C.size_t(unsafe.Sizeof(*new(T)))
	address := C.calloc(C.size_t(len)+1, size) // never of 0 bytes, which may have no address
	if address == nil {
		return nil, failed(ErrOutOfMemory, "there is no memory for a tensor of %d elements of %d bytes", len, size)
	}
	t := &Tensor[T]{&block{dtype: DtypeOf[T](), element: elementOf[T](), len: len, bytes: uintptr(len) * uintptr(size),
		address: address, free: func() { C.free(address) }}}
	runtime.SetFinalizer(t.block, (*block).collect)
	return t, nil
}

// TensorOf returns a tensor in memory of C with these elements.
func TensorOf[T StateElement](elements []T) (*Tensor[T], error) {
	t, err := NewTensor[T](len(elements))
	if err == nil {
		copy(t.slice(), elements)
	}
	return t, err
}

// Len returns the number of elements.
func (t *Tensor[T]) Len() int {
	if b := t.memory(); b != nil {
		return b.len
	}
	return 0
}

// Data returns the elements themselves, which are valid until Free; nil after it. The garbage collector does not see
// that a slice refers to memory of C, so a tensor whose Data was called is only freed by Free.
func (t *Tensor[T]) Data() []T {
	if t.memory() == nil {
		return nil
	}
	t.block.mu.Lock()
	defer t.block.mu.Unlock()
	t.block.lent = true
	return t.slice()
}

func (t *Tensor[T]) slice() []T {
	if t.block.address == nil {
		return nil
	}
	return unsafe.Slice((*T)(t.block.address), t.block.len)
}

// Free frees the memory. It is an error while a parameter of an optimizer has it registered. A second Free does
// nothing.
func (t *Tensor[T]) Free() error {
	b := t.memory()
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users > 0 {
		return failed(ErrInvalidState, "the tensor is registered with an optimizer %d times; it can be freed when the "+
			"optimizer is closed, or the parameter is removed or has another array", b.users)
	}
	b.release()
	return nil
}

// release frees the memory, with mu locked.
func (b *block) release() {
	if b.address != nil {
		b.free()
		b.address, b.free = nil, nil
		runtime.SetFinalizer(b, nil)
	}
}

// collect is the finalizer.
func (b *block) collect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.lent {
		b.release()
	}
}

// use counts a parameter that has the block registered from now on, so that it cannot be freed.
func (b *block) use() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.address == nil {
		return failed(ErrInvalidArgument, "the tensor was freed; it must have memory")
	}
	b.users++
	return nil
}

func (b *block) unuse() {
	if b != nil {
		b.mu.Lock()
		b.users--
		b.mu.Unlock()
	}
}

// pointer returns the address for the library.
func (b *block) pointer() C.uintptr_t {
	if b == nil {
		return 0
	}
	return C.uintptr_t(uintptr(b.address))
}

// blockOf returns the memory of an array; nil if there is none.
func blockOf(array Array) *block {
	if array == nil {
		return nil
	}
	return array.memory()
}

// arrays are the blocks of one parameter that the library has pointers to.
type arrays struct {
	data, grad, copy, expAvg, expAvgSq, kahanComp, stateScale *block
}

func (a arrays) all() [7]*block {
	return [...]*block{a.data, a.grad, a.copy, a.expAvg, a.expAvgSq, a.kahanComp, a.stateScale}
}

// use counts all of them or, on error, none.
func (a arrays) use() error {
	blocks := a.all()
	for i, b := range blocks {
		if err := b.use(); err != nil {
			for _, used := range blocks[:i] {
				used.unuse()
			}
			return err
		}
	}
	return nil
}

func (a arrays) release() {
	for _, b := range a.all() {
		b.unuse()
	}
}
