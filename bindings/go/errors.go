package radam

// #include "shim.h"
import "C"

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// A Status says what kind of error an error is: errors.Is(err, radam.ErrBusy).
type Status int32

// The statuses of errors.
const (
	ErrNullPointer     Status = C.RADAM_ERROR_NULL_POINTER     // a required argument is missing
	ErrInvalidHandle   Status = C.RADAM_ERROR_INVALID_HANDLE   // the optimizer was closed, or is nil or a zero value
	ErrInvalidArgument Status = C.RADAM_ERROR_INVALID_ARGUMENT // an argument has a value that is not allowed
	ErrBusy            Status = C.RADAM_ERROR_BUSY             // another call is in progress, or a sliced step is open
	ErrInvalidState    Status = C.RADAM_ERROR_INVALID_STATE    // the call does not apply to the present state
	ErrOutOfMemory     Status = C.RADAM_ERROR_OUT_OF_MEMORY    // there is not enough memory
	ErrIO              Status = C.RADAM_ERROR_IO               // reading or writing a file failed, or Progress cancelled
	ErrCorrupt         Status = C.RADAM_ERROR_CORRUPT          // the checkpoint is damaged, or is none
	ErrMismatch        Status = C.RADAM_ERROR_MISMATCH         // the checkpoint does not fit the optimizer
	ErrPanic           Status = C.RADAM_ERROR_PANIC            // there is a bug in the library
)

// Error returns the name of the status, such as RADAM_ERROR_BUSY.
func (s Status) Error() string {
	return C.GoString(C.radam_status_string(C.radam_status(s)))
}

// An Error is a call that failed.
type Error struct {
	Status  Status
	Message string // the sentence that names the argument, its value and what is allowed
	cause   error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return "radam: " + e.Message + ": " + e.cause.Error()
	}
	return "radam: " + e.Message
}

// Is makes errors.Is compare with a Status.
func (e *Error) Is(target error) bool {
	status, ok := target.(Status)
	return ok && status == e.Status
}

// Unwrap returns the error by which Progress cancelled the call, if one did.
func (e *Error) Unwrap() error { return e.cause }

func failed(status Status, format string, arguments ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, arguments...)}
}

// check makes one call of the library. The library keeps the sentence of an error for the thread, so the goroutine must
// not move to another one before it has fetched it.
func check(opt *C.radam_optimizer, call func() C.radam_status) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status := call()
	if status == C.RADAM_OK {
		return nil
	}
	if status == C.RADAM_ERROR_INVALID_HANDLE {
		return failed(ErrInvalidHandle, "the optimizer was closed")
	}
	message := lastError(nil)
	// A thread keeps the beginning of a long sentence, and the handle all of it, until another goroutine's call fails.
	if whole := lastError(opt); strings.HasPrefix(whole, message) {
		message = whole
	}
	return &Error{Status: Status(status), Message: inGo(message)}
}

// cName finds the names of C in a sentence, and what it quotes, which may look like them. Parameters are added one by
// one, so that their number in an array says nothing.
var cName = regexp.MustCompile(`"[^"]*"|params\[0\]\.\w+|RADAM_(?:DTYPE|STATE)_\w+(?: \(\d\))?|` +
	`RADAM_(?:ON|OFF|AUTO)(?: \(\d\))?|\b[a-z]\w*_\w+|\b(?:NULL|opt|len)\b|->`)

// goNames are those that are not the names of C in the case of Go.
var goNames = map[string]string{"->": ".", "NULL": "nil", "opt": "the optimizer", "first_param": "first", "radam_step_begin": "BeginStep",
	"radam_step_wave": "Wave", "radam_step_chunk": "Chunk", "radam_step_end": "End", "radam_step_abort": "Abort",
	"radam_step_param": "StepSlice", "radam_step_tensor": "StepSlice", "RADAM_STATE_SCALE": "StateScale"}

// inGo returns a sentence of the library in the names of this package.
func inGo(sentence string) string {
	return cName.ReplaceAllStringFunc(sentence, func(name string) string {
		if name[0] == '"' {
			return name
		}
		name = strings.TrimPrefix(strings.SplitN(name, " ", 2)[0], "params[0].")
		if found, ok := goNames[name]; ok {
			return found
		}
		if dtype := strings.TrimPrefix(name, "RADAM_DTYPE_"); dtype != name {
			return dtype
		}
		for _, prefix := range []string{"RADAM_STATE_", "RADAM_", "radam_"} {
			name = strings.TrimPrefix(name, prefix)
		}
		words := strings.Split(strings.ToLower(name), "_")
		for i, word := range words {
			if word == "lr" || word == "wd" {
				words[i] = strings.ToUpper(word)
			} else {
				words[i] = strings.ToUpper(word[:1]) + word[1:]
			}
		}
		return strings.Join(words, "")
	})
}

func lastError(opt *C.radam_optimizer) string {
	return text(func(buffer *C.char, capacity C.uint64_t) C.uint64_t {
		return C.radam_last_error(opt, buffer, capacity)
	})
}

// text returns what the library copies into a buffer. The text may grow between two calls.
func text(copyTo func(buffer *C.char, capacity C.uint64_t) C.uint64_t) string {
	size := copyTo(nil, 0)
	for {
		buffer := make([]C.char, size)
		needed := copyTo(&buffer[0], size)
		if needed <= size {
			return C.GoString(&buffer[0])
		}
		size = needed
	}
}

// Version returns the version of the loaded library, such as 0.2.0.
func Version() string { return C.GoString(C.radam_version_string()) }

// errWrongVersion is set if the loaded library is not of the version that this package was compiled with: before 1.0,
// a minor version may change everything.
var errWrongVersion = func() error {
	if C.radam_version()/1000 == C.RADAM_VERSION/1000 {
		return nil
	}
	return failed(ErrInvalidState, "the loaded library is version %s, and this program was compiled for %d.%d; "+
		"they must have the same minor version", Version(), C.RADAM_VERSION_MAJOR, C.RADAM_VERSION_MINOR)
}()
