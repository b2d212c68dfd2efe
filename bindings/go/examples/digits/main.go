// Trains a network with one hidden layer on images of handwritten digits, in ordinary slices:
//
//	go run ./examples/digits ../../examples/data/digits.csv
//
// SPDX: MIT OR Apache-2.0
package main

import (
	"encoding/csv"
	"fmt"
	"log"
	"math"
	"math/rand"
	"os"
	"strconv"

	"radam"
)

const (
	pixels   = 64
	hidden   = 32
	digits   = 10
	testSize = 359 // a fifth of the images
	batch    = 32
	epochs   = 15
	lr       = 0.01
)

// Every run is the same.
var random = rand.New(rand.NewSource(1))

type image struct {
	pixels [pixels]float32 // in [0, 1]
	digit  int
}

func read(path string) ([]image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.FieldsPerRecord = pixels + 1
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	images := make([]image, len(rows))
	for i, row := range rows {
		for column, text := range row {
			value, err := strconv.ParseUint(text, 10, 8)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
			if column < pixels {
				images[i].pixels[column] = float32(value) / 16
			} else {
				images[i].digit = int(value)
			}
		}
	}
	return images, nil
}

// A layer has a row of weights for each output; the last weight of a row is the bias.
type layer struct {
	param        radam.Param
	weight, grad []float32
	inputs       int
}

func newLayer(group radam.Group, name string, inputs, outputs int) (*layer, error) {
	l := &layer{inputs: inputs, weight: make([]float32, outputs*(inputs+1)), grad: make([]float32, outputs*(inputs+1))}
	limit := math.Sqrt(6 / float64(inputs)) // He initialization
	for i := range l.weight {
		l.weight[i] = float32(limit * (2*random.Float64() - 1))
	}
	var err error
	l.param, err = group.Add(radam.Spec{Name: name, Dtype: radam.F32, Len: len(l.weight)})
	return l, err
}

func (l *layer) forward(input []float32) []float32 {
	output := make([]float32, len(l.weight)/(l.inputs+1))
	for o := range output {
		row := l.weight[o*(l.inputs+1):][:l.inputs+1]
		output[o] = row[l.inputs]
		for i, x := range input {
			output[o] += row[i] * x
		}
	}
	return output
}

// backward adds to the gradient of the weights, and returns that of the input.
func (l *layer) backward(input, outputGrad []float32) []float32 {
	inputGrad := make([]float32, l.inputs)
	for o, g := range outputGrad {
		row, rowGrad := l.weight[o*(l.inputs+1):], l.grad[o*(l.inputs+1):]
		for i, x := range input {
			rowGrad[i] += g * x
			inputGrad[i] += g * row[i]
		}
		rowGrad[l.inputs] += g
	}
	return inputGrad
}

type network struct {
	first, second *layer
}

func (n network) hidden(img *image) []float32 {
	activations := n.first.forward(img.pixels[:])
	for i, x := range activations {
		if x < 0 {
			activations[i] = 0
		}
	}
	return activations
}

// backward adds to the gradients of the mean loss of a batch, and returns the loss of this image.
func (n network) backward(img *image) float64 {
	activations := n.hidden(img)
	scores := n.second.forward(activations)
	highest := scores[best(scores)]
	var sum float64
	for _, score := range scores {
		sum += math.Exp(float64(score - highest))
	}
	grad := make([]float32, digits)
	for i, score := range scores {
		grad[i] = float32(math.Exp(float64(score-highest)) / sum / batch)
	}
	loss := math.Log(sum) - float64(scores[img.digit]-highest)
	grad[img.digit] -= 1.0 / batch
	hiddenGrad := n.second.backward(activations, grad)
	for i, x := range activations {
		if x == 0 {
			hiddenGrad[i] = 0
		}
	}
	n.first.backward(img.pixels[:], hiddenGrad)
	return loss
}

// step updates both layers, clips the gradients of both together, and zeroes them.
func (n network) step(opt *radam.Optimizer) error {
	lend := func(l *layer) radam.Lent { return radam.Lend(l.param, l.weight, l.grad) }
	_, err := opt.StepSlicesWith(radam.StepOptions{MaxGradNorm: 1, ZeroGrad: true}, lend(n.first), lend(n.second))
	return err
}

func (n network) accuracy(images []image) float64 {
	right := 0
	for i := range images {
		if best(n.second.forward(n.hidden(&images[i]))) == images[i].digit {
			right++
		}
	}
	return 100 * float64(right) / float64(len(images))
}

func best(scores []float32) int {
	best := 0
	for i, score := range scores {
		if score > scores[best] {
			best = i
		}
	}
	return best
}

func train(opt *radam.Optimizer, images []image) (network, error) {
	options := radam.SliceGroup(lr)
	options.WeightDecay, options.DecoupleWD = 0.1, radam.On
	group, err := opt.AddGroup(options)
	if err != nil {
		return network{}, err
	}
	first, err := newLayer(group, "first.weight", pixels, hidden)
	if err != nil {
		return network{}, err
	}
	second, err := newLayer(group, "second.weight", hidden, digits)
	if err != nil {
		return network{}, err
	}
	n := network{first, second}
	for epoch := 0; epoch < epochs; epoch++ {
		if err := group.SetLR(lr * 0.5 * (1 + math.Cos(math.Pi*float64(epoch)/epochs))); err != nil {
			return n, err
		}
		var loss float64
		for at, i := range random.Perm(len(images)) {
			loss += n.backward(&images[i])
			if at%batch == batch-1 {
				if err := n.step(opt); err != nil {
					return n, err
				}
			}
		}
		fmt.Printf("epoch %2d  loss %.4f\n", epoch+1, loss/float64(len(images)))
	}
	return n, nil
}

func run(path string) error {
	images, err := read(path)
	if err != nil {
		return err
	}
	random.Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
	opt, err := radam.New(radam.Options{})
	if err != nil {
		return err
	}
	defer opt.Close()
	n, err := train(opt, images[:len(images)-testSize])
	if err != nil {
		return err
	}
	fmt.Printf("test accuracy %.2f %%\n", n.accuracy(images[len(images)-testSize:]))
	return nil
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: digits digits.csv")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
