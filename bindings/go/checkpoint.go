package radam

// #include "shim.h"
import "C"

import "unsafe"

// Save writes the state, step counts and options to a file, which appears whole or not at all. The parameters
// themselves are the caller's to save.
func (o *Optimizer) Save(path string) error { return o.SaveWith(path, nil) }

// SaveWith saves as Save does, and reports progress.
func (o *Optimizer) SaveWith(path string, progress Progress) error {
	c, err := cString("path", path)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(c))
	return o.withProgress(progress, func(handle C.uintptr_t) C.radam_status { return C.radam_go_save(o.c, c, handle) })
}

// LoadOptions are options of loading. The zero value continues a run exactly.
type LoadOptions struct {
	Partial             bool     // leaves alone parameters that only the file or only the optimizer has
	KeepHyperparameters bool     // keeps the optimizer's own learning rates and other options
	ConvertState        bool     // converts state that the optimizer has in another StateDtype, such as Q8
	Progress            Progress // may be nil
}

func (l LoadOptions) c() (*C.radam_load_options, error) {
	var c C.radam_load_options
	err := check(nil, func() C.radam_status {
		return C.radam_load_options_init(&c, C.sizeof_radam_load_options)
	})
	if l.Partial {
		c.strict = C.RADAM_OFF
	}
	if l.KeepHyperparameters {
		c.hyperparameters = C.RADAM_OFF
	}
	if l.ConvertState {
		c.convert_state = C.RADAM_ON
	}
	return &c, err
}

// Load reads a file into an optimizer that already has its groups and parameters, which are identified by name.
func (o *Optimizer) Load(path string) error { return o.LoadWith(LoadOptions{}, path) }

// LoadWith loads as Load does, with options. Several paths are the files of processes that each saved shards of their
// own.
func (o *Optimizer) LoadWith(options LoadOptions, paths ...string) error {
	c, err := options.c()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return failed(ErrInvalidArgument, "there are no paths; there must be at least one")
	}
	cPaths := make([]*C.char, len(paths))
	for i, path := range paths {
		if cPaths[i], err = cString("path", path); err != nil {
			return err
		}
		defer C.free(unsafe.Pointer(cPaths[i]))
	}
	return o.withProgress(options.Progress, func(handle C.uintptr_t) C.radam_status {
		return C.radam_go_load(o.c, &cPaths[0], C.uint64_t(len(cPaths)), c, handle)
	})
}

// MarshalBinary returns what Save writes to a file.
func (o *Optimizer) MarshalBinary() ([]byte, error) {
	var buffer []byte
	err := o.exclusive(func() error {
		var size C.uint64_t
		save := func(into *C.uint8_t) error {
			return check(o.c, func() C.radam_status {
				return C.radam_go_save_to_buffer(o.c, into, C.uint64_t(len(buffer)), &size)
			})
		}
		if err := save(nil); err != nil {
			return err
		}
		buffer = make([]byte, size)
		return save((*C.uint8_t)(unsafe.Pointer(&buffer[0])))
	})
	if err != nil {
		return nil, err
	}
	return buffer, nil
}

// UnmarshalBinary loads what MarshalBinary returned, as Load does.
func (o *Optimizer) UnmarshalBinary(data []byte) error {
	return o.UnmarshalBinaryWith(LoadOptions{}, data)
}

// UnmarshalBinaryWith loads as UnmarshalBinary does, with options.
func (o *Optimizer) UnmarshalBinaryWith(options LoadOptions, data []byte) error {
	c, err := options.c()
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return failed(ErrCorrupt, "data is empty; it must be what MarshalBinary returned")
	}
	return o.withProgress(options.Progress, func(handle C.uintptr_t) C.radam_status {
		return C.radam_go_load_from_buffer(o.c, (*C.uint8_t)(unsafe.Pointer(&data[0])), C.uint64_t(len(data)), c, handle)
	})
}
