// What docs/scaling.md shows of overlapping communication with the backward pass, in a program: three layers, whose
// gradients are random numbers. The parameters have the bits that one process gives them.
#include "../../examples/mpi/ranks.hpp"
#include "../../examples/mpi/sharded_optimizer.hpp"
#include "../../examples/portable_numbers.hpp"
#include "radam.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

static MPI_Datatype piece;

// A tensor, of which every rank has a shard.
struct Layer {
  Layer(const Ranks& ranks, radam::Optimizer& optimizer, radam::GroupId group, const char* name, std::size_t elements)
      : division(elements, ranks.count), shard(division.shard(ranks.rank)), params(division.padded(), 1.0f),
        grads(params.size()), sum(static_cast<std::size_t>(division.pieces(ranks.rank)) * kPiece),
        received(sum.size() * static_cast<std::size_t>(ranks.count)) {
    for (int rank = 0; rank < ranks.count; rank++) {
      counts.push_back(division.pieces(rank));
      starts.push_back(division.first_piece(rank));
      own_counts.push_back(division.pieces(ranks.rank));
      own_starts.push_back(rank * division.pieces(ranks.rank));
    }
    radam::Param description;
    description.data = params.data() + shard.begin;
    description.len = shard.size();
    description.name = name;
    description.tensor_offset = shard.begin;
    description.tensor_len = elements;
    param = optimizer.add_param(group, description);
  }
  void add_received() {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (std::size_t begin = 0; begin < received.size(); begin += sum.size()) {
      for (std::size_t i = 0; i < sum.size(); i++) sum[i] += received[begin + i];
    }
  }
  Division division;
  Shard shard;
  std::vector<float> params, grads, sum, received;
  std::vector<int> counts, starts, own_counts, own_starts;
  radam::ParamId param;
  MPI_Request arriving = MPI_REQUEST_NULL, gathering = MPI_REQUEST_NULL;
};

// ---- As in docs/scaling.md
// The gradient of a layer is complete: its pieces go to the ranks that step them, while the backward pass goes on.
void send_gradient(Layer& layer) {
  MPI_Ialltoallv(layer.grads.data(), layer.counts.data(), layer.starts.data(), piece, layer.received.data(),
                 layer.own_counts.data(), layer.own_starts.data(), piece, MPI_COMM_WORLD, &layer.arriving);
}

// One layer later it has arrived: this rank steps its shard, in a group with gradient_release, and sends it to all.
void step_layer(radam::Optimizer& optimizer, Layer& layer) {
  MPI_Wait(&layer.arriving, MPI_STATUS_IGNORE);
  layer.add_received();  // in the order of the ranks
  optimizer.step_param(layer.param, layer.sum.data());
  MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, layer.params.data(), layer.counts.data(), layer.starts.data(),
                  piece, MPI_COMM_WORLD, &layer.gathering);
}

// The next forward pass comes to the layer.
void before_layer(Layer& layer) { MPI_Wait(&layer.gathering, MPI_STATUS_IGNORE); }
// ---- End

constexpr std::size_t kElements[] = {3 * kPiece + 5, 100, 2 * kPiece};
constexpr int kLayers = 3, kSteps = 8;

static void fill(int step, int layer, int rank, float* grads) {
  Random random(static_cast<std::uint64_t>((step * kLayers + layer) * 100 + rank));
  for (std::size_t i = 0; i < kElements[layer]; i++) grads[i] = random.uniform(1);
}

// The whole of a layer in one process.
static std::vector<float> expected(int layer, int ranks, radam::GroupOptions options) {
  std::vector<float> params(kElements[layer], 1.0f), sum(params.size()), grads(params.size());
  radam::Optimizer optimizer;
  options.gradient_release = false;
  optimizer.add_param(optimizer.add_group(options), params, sum);
  for (int step = 1; step <= kSteps; step++) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (int rank = 0; rank < ranks; rank++) {
      fill(step, layer, rank, grads.data());
      for (std::size_t i = 0; i < sum.size(); i++) sum[i] += grads[i];
    }
    optimizer.step();
  }
  return params;
}

static bool run(const Ranks& ranks) {
  radam::GroupOptions options;
  options.lr = 1e-2;
  options.gradient_release = true;
  radam::Optimizer optimizer;
  const radam::GroupId group = optimizer.add_group(options);
  std::vector<Layer> layers;
  layers.reserve(kLayers);
  for (int layer = 0; layer < kLayers; layer++) {
    layers.emplace_back(ranks, optimizer, group, std::to_string(layer).c_str(), kElements[layer]);
  }
  for (int step = 1; step <= kSteps; step++) {
    for (Layer& layer : layers) before_layer(layer);
    for (int layer = kLayers - 1; layer >= 0; layer--) {
      fill(step, layer, ranks.rank, layers[static_cast<std::size_t>(layer)].grads.data());
      send_gradient(layers[static_cast<std::size_t>(layer)]);
      if (layer < kLayers - 1) step_layer(optimizer, layers[static_cast<std::size_t>(layer) + 1]);
    }
    step_layer(optimizer, layers.front());
  }
  bool same = true;
  for (std::size_t layer = 0; layer < kLayers; layer++) {
    before_layer(layers[layer]);
    const std::vector<float> params = expected(static_cast<int>(layer), ranks.count, options);
    same = same && std::memcmp(layers[layer].params.data(), params.data(), params.size() * sizeof(float)) == 0;
  }
  return same;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Type_contiguous(static_cast<int>(kPiece), MPI_FLOAT, &piece);
  MPI_Type_commit(&piece);
  const bool same = run(Ranks(MPI_COMM_WORLD));
  std::puts(same ? "the same bits" : "DIFFERENT");
  MPI_Finalize();
  return same ? 0 : 1;
}
