package radam

// #include "shim.h"
import "C"

// GradSums is the exact sum of squares of any number of gradient elements. The zero value is that of none. It clips
// across tensors and processes: add the sums of all, and pass the result to the step of each as StepOptions.GradSums.
type GradSums struct {
	sums C.radam_grad_sums
}

// c returns the struct of C, which a zero value has not filled in yet; nil if there is none.
func (s *GradSums) c() *C.radam_grad_sums {
	if s == nil {
		return nil
	}
	if s.sums.struct_size == 0 {
		C.radam_grad_sums_init(&s.sums, C.sizeof_radam_grad_sums) // a failure leaves 0, which the next call refuses
	}
	return &s.sums
}

func (s *GradSums) check() error {
	if s == nil {
		return failed(ErrNullPointer, "sums is nil; it must point to a GradSums")
	}
	return nil
}

// MeasureSlice adds a gradient to the sums.
func MeasureSlice[G Element](sums *GradSums, grad []G) error {
	if err := sums.check(); err != nil {
		return err
	}
	return check(nil, func() C.radam_status {
		return C.radam_go_measure_tensor(C.radam_dtype(DtypeOf[G]()), address(grad), C.uint64_t(len(grad)), sums.c())
	})
}

// Measure adds the gradients that Step would use to the sums.
func (o *Optimizer) Measure(sums *GradSums) error {
	if err := sums.check(); err != nil {
		return err
	}
	return o.change(func() C.radam_status { return C.radam_measure(o.c, sums.c()) })
}

// Words returns the 72 integers of the sums, as processes send them to each other.
func (s *GradSums) Words() [72]int64 {
	var words [72]int64
	for i, word := range s.c().words {
		words[i] = int64(word)
	}
	return words
}

// AddWords adds the Words of another GradSums.
func (s *GradSums) AddWords(words [72]int64) {
	c := s.c()
	for i, word := range words {
		c.words[i] += C.int64_t(word)
	}
}

// Norm returns the L2 norm of all gradients measured, and how many elements are infinite or NaN.
func (s *GradSums) Norm() (norm float64, nonfinite uint64, err error) {
	var cNorm C.double
	var cNonfinite C.uint64_t
	err = check(nil, func() C.radam_status { return C.radam_grad_sums_value(s.c(), &cNorm, &cNonfinite) })
	return float64(cNorm), uint64(cNonfinite), err
}
