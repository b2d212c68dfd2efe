package radam_test

import (
	"fmt"
	"log"

	"radam"
)

func Example() {
	weight, grad := make([]float32, 3), make([]float32, 3)
	target := []float32{1, -2, 3}

	opt, err := radam.New(radam.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer opt.Close()
	group, err := opt.AddGroup(radam.SliceGroup(0.05))
	if err != nil {
		log.Fatal(err)
	}
	w, err := group.Add(radam.Spec{Name: "weight", Dtype: radam.F32, Len: len(weight)})
	if err != nil {
		log.Fatal(err)
	}
	for step := 1; step <= 200; step++ {
		for i := range weight {
			grad[i] = 2 * (weight[i] - target[i])
		}
		if err := opt.StepSlices(radam.Lend(w, weight, grad)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("weight %.3f\n", weight)
	// Output: weight [1.000 -2.000 2.999]
}

func ExampleOptimizer_StepSlicesWith() {
	opt, _ := radam.New(radam.Options{})
	defer opt.Close()
	group, _ := opt.AddGroup(radam.SliceGroup(0.1))
	w, _ := group.Add(radam.Spec{Name: "weight", Dtype: radam.F32, Len: 2})
	b, _ := group.Add(radam.Spec{Name: "bias", Dtype: radam.F64, GradDtype: radam.F32, Len: 1})

	weight, bias := []float32{1, 2}, []float64{3}
	report, err := opt.StepSlicesWith(radam.StepOptions{MaxGradNorm: 1},
		radam.Lend(w, weight, []float32{2, 3}), radam.Lend(b, bias, []float32{6}))
	fmt.Printf("norm %g, clipped by %.6f, %d parameters, %v\n", report.GradNorm, report.ClipCoefficient,
		report.ParamsStepped, err)
	// Output: norm 7, clipped by 0.142857, 2 parameters, <nil>
}

func ExampleOptimizer_StepSlices_wrongType() {
	opt, _ := radam.New(radam.Options{})
	defer opt.Close()
	group, _ := opt.AddGroup(radam.SliceGroup(0.1))
	w, _ := group.Add(radam.Spec{Name: "weight", Dtype: radam.F32, Len: 2})
	fmt.Println(opt.StepSlices(radam.Lend(w, []float64{1, 2}, []float64{3, 4})))
	// Output: radam: lent[0].data is a slice of float64; that of parameter 0 must be one of float32
}

func ExampleOptimizer_Step() {
	opt, _ := radam.New(radam.Options{})
	defer opt.Close()
	group, _ := opt.AddGroup(radam.TensorGroup(0.5))
	weight, _ := radam.TensorOf([]radam.BFloat16{radam.ToBFloat16(1)})
	grad, _ := radam.TensorOf([]radam.BFloat16{radam.ToBFloat16(2)})
	if _, err := group.Add(radam.Spec{Name: "weight", Data: weight, Grad: grad}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(opt.Step(), weight.Data()[0].Float32())
	// Output: <nil> 0
}
