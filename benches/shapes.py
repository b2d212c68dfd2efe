"""The tensors of models that the benchmarks step."""

# An MLP 24-64-64-16, such as a game trains: 6800 elements in 6 tensors.
MLP = [(64, 24), (64,), (64, 64), (64,), (16, 64), (16,)]


def gpt2() -> list[tuple[int, ...]]:
    """The 148 tensors of GPT-2 124M."""
    width = 768
    block = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,)]
    block += [(width,), (width,), (width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return [(50257, width), (1024, width), *(12 * block), (width,), (width,)]
