# Trains a small network on handwritten digits:
#
#     julia --project=bindings/julia bindings/julia/examples/train_digits.jl examples/data/digits.csv
#
# SPDX: MIT OR Apache-2.0
using LibRAdam: LibRAdam, RAdam
using Random

"The images as columns of pixels from 0 to 1, and their digits: 1438 for training and 359, a fifth, for testing."
function read_digits(path)
    rows = [parse.(Int, split(line, ',')) for line in eachline(path)]
    table = reduce(hcat, shuffle(MersenneTwister(3), rows))
    pixels, digits = table[1:64, :] ./ 16f0, table[65, :]
    training, test = 1:length(digits) - 359, length(digits) - 358:length(digits)
    return (pixels[:, training], digits[training]), (pixels[:, test], digits[test])
end

struct Dense
    weight::Matrix{Float32}
    bias::Vector{Float32}
end
Dense(rng, inputs, outputs) = Dense(randn(rng, Float32, outputs, inputs) .* sqrt(2f0 / inputs), zeros(Float32, outputs))
(layer::Dense)(x) = layer.weight * x .+ layer.bias

"The probabilities of the ten digits, and what the hidden layer gave."
function predict(model, pixels)
    hidden = max.(model.hidden(pixels), 0f0)
    scores = model.output(hidden)
    exponentials = exp.(scores .- maximum(scores, dims=1))
    return exponentials ./ sum(exponentials, dims=1), hidden
end

"The gradients of the mean cross entropy, by hand; Zygote returns them in the same structure."
function gradients(model, pixels, digits)
    probabilities, hidden = predict(model, pixels)
    for (column, digit) in enumerate(digits)
        probabilities[digit + 1, column] -= 1
    end
    scores = probabilities ./ length(digits)
    back = (model.output.weight' * scores) .* (hidden .> 0)
    return (hidden=(weight=back * pixels', bias=vec(sum(back, dims=2))),
            output=(weight=scores * hidden', bias=vec(sum(scores, dims=2))))
end

function accuracy(model, (pixels, digits))
    probabilities, _ = predict(model, pixels)
    found = [argmax(column) - 1 for column in eachcol(probabilities)]
    return 100 * count(found .== digits) / length(digits)
end

function main(path)
    training, test = read_digits(path)
    pixels, digits = training
    rng = MersenneTwister(1)
    model = (hidden=Dense(rng, 64, 32), output=Dense(rng, 32, 10))
    state = LibRAdam.setup(RAdam(0.01; weight_decay=0.01, decouple_wd=true), model)
    for epoch in 1:15
        LibRAdam.adjust!(state, 0.01 * (1 - (epoch - 1) / 15))
        for batch in Iterators.partition(shuffle(rng, 1:length(digits)), 32)
            grads = gradients(model, pixels[:, batch], digits[batch])
            LibRAdam.update!(state, model, grads; max_grad_norm=1)
        end
    end
    println("accuracy ", round(accuracy(model, test); digits=1), " % of ", length(test[2]), " test images")
end

main(ARGS[1])
