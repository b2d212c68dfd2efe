package radam_test

import (
	"errors"
	"math/rand"
	"regexp"
	"strings"
	"testing"

	"radam"
)

// must returns the value of a call that cannot fail here.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newOptimizer(t testing.TB, options radam.Options) *radam.Optimizer {
	opt := must(radam.New(options))
	t.Cleanup(func() {
		if err := opt.Close(); err != nil {
			t.Error(err)
		}
	})
	return opt
}

// noise returns random elements.
func noise[T radam.Element](seed int64, len int) []T {
	random := rand.New(rand.NewSource(seed))
	elements := make([]T, len)
	for i := range elements {
		elements[i] = from[T](float32(random.NormFloat64()))
	}
	return elements
}

func from[T radam.Element](value float32) T {
	var element any
	switch any(*new(T)).(type) {
	case float32:
		element = value
	case float64:
		element = float64(value)
	case radam.Float16:
		element = radam.ToFloat16(value)
	case radam.BFloat16:
		element = radam.ToBFloat16(value)
	}
	return element.(T)
}

func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

var ofC = regexp.MustCompile(`radam_|RADAM_|NULL|->|FirstParam|\bopt\b|\w_\w`)
var quoted = regexp.MustCompile(`"[^"]*"`)

// wantError fails unless the error has the status and its sentence these words, and no names of C but in quotes.
func wantError(t testing.TB, err error, status radam.Status, words ...string) {
	t.Helper()
	if !errors.Is(err, status) {
		t.Fatalf("%v is not a %v", err, status)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if name := ofC.FindString(quoted.ReplaceAllString(err.Error(), "")); name != "" {
		t.Errorf("%q has a name of C: %s", err, name)
	}
}
