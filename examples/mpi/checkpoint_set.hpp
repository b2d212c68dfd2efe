// Checkpoints of a run on any number of ranks, from which a run on another number goes on. A folder, which every rank
// must see, has
//
//   manifest                   text that says which set is complete; replaced last, by renaming
//   step-40/optimizer-0-of-4   the moments of each rank's shard (radam_save),
//   step-40/params-0-of-4      and its parameters
//
// A set has a folder of its own, and nobody writes to the one that the manifest names. So ranks may be killed at any
// time: the set that the manifest names is whole, and all of it is of one step.
//
// SPDX: MIT OR Apache-2.0
#ifndef CHECKPOINT_SET_HPP
#define CHECKPOINT_SET_HPP

#include "ranks.hpp"
#include "sharded_optimizer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ios>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// FNV-1a, over words of 32 bits: tells whether all parameters are those that were saved.
inline std::uint64_t hash_of(const float* params, std::size_t elements) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < elements; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, params + i, sizeof bits);
    hash = (hash ^ bits) * 0x100000001b3;
  }
  return hash;
}

class CheckpointSet {
 public:
  CheckpointSet(const Ranks& ranks, const std::string& folder) : ranks_(ranks), folder_(folder) {}

  // Saves what is there after so many steps. When it returns, the set is on disk, and earlier ones are gone.
  void save(int step, ShardedOptimizer& optimizer) const {
    const std::size_t elements = optimizer.elements();
    const Manifest manifest{step, ranks_.count, elements, hash_of(optimizer.params(), elements)};
    ranks_.together([&] {
      if (ranks_.rank != 0) return;
      std::filesystem::remove_all(set(step));  // what an interrupted run has left
      std::filesystem::create_directories(set(step));
    });
    ranks_.together([&] {
      const Shard shard = optimizer.shard();
      optimizer.local().save(optimizer_file(manifest, ranks_.rank));
      write(params_file(manifest, ranks_.rank), optimizer.params() + shard.begin, shard.size() * sizeof(float));
    });
    ranks_.together([&] {
      if (ranks_.rank != 0) return;
      flush(folder_, O_DIRECTORY);  // which has the new set
      const std::string text = manifest.text(), unfinished = folder_ + "/manifest.tmp";
      write(unfinished, text.data(), text.size());
      std::filesystem::rename(unfinished, folder_ + "/manifest");
      flush(folder_, O_DIRECTORY);
      remove_all_but(step);
    });
  }

  // Loads the last complete set, and returns its step: 0 if there is none.
  int load(ShardedOptimizer& optimizer) const {
    Manifest manifest;
    ranks_.together([&] {
      if (ranks_.rank == 0 && std::filesystem::exists(folder_ + "/manifest")) manifest = read_manifest();
    });
    MPI_Bcast(&manifest, sizeof manifest, MPI_BYTE, 0, ranks_.comm);
    if (manifest.step == 0) return 0;
    ranks_.together([&] {
      if (manifest.elements != optimizer.elements()) {
        throw std::runtime_error(set(manifest.step) + " has " + std::to_string(manifest.elements) +
                                 " parameters, and the model " + std::to_string(optimizer.elements()));
      }
      check_files(manifest);
      load_shard(manifest, optimizer);
    });
    optimizer.gather_params();
    ranks_.together([&] {
      if (hash_of(optimizer.params(), optimizer.elements()) == manifest.hash) return;
      throw std::runtime_error("the parameters in " + set(manifest.step) + " are not those that were saved");
    });
    return manifest.step;
  }

 private:
  struct Manifest {
    int step = 0, ranks = 0;
    std::uint64_t elements = 0, hash = 0;

    std::string text() const {
      std::ostringstream text;
      text << "step " << step << "\nranks " << ranks << "\nelements " << elements << "\nhash " << hash << '\n';
      return text.str();
    }
  };

  std::string set(int step) const { return folder_ + "/step-" + std::to_string(step); }
  std::string file(const char* what, const Manifest& manifest, int rank) const {
    return set(manifest.step) + "/" + what + "-" + std::to_string(rank) + "-of-" + std::to_string(manifest.ranks);
  }
  std::string optimizer_file(const Manifest& manifest, int rank) const { return file("optimizer", manifest, rank); }
  std::string params_file(const Manifest& manifest, int rank) const { return file("params", manifest, rank); }

  Manifest read_manifest() const {
    Manifest manifest;
    std::ifstream in(folder_ + "/manifest");
    std::string step, ranks, elements, hash;
    in >> step >> manifest.step >> ranks >> manifest.ranks >> elements >> manifest.elements >> hash >> manifest.hash;
    if (!in || step != "step" || ranks != "ranks" || elements != "elements" || hash != "hash" || manifest.step < 1 ||
        manifest.ranks < 1) {
      throw std::runtime_error(folder_ + "/manifest is not that of a checkpoint");
    }
    return manifest;
  }

  // Every rank checks all files, so that each of them can say what is missing.
  void check_files(const Manifest& manifest) const {
    for (int rank = 0; rank < manifest.ranks; ++rank) {
      for (const std::string& path : {optimizer_file(manifest, rank), params_file(manifest, rank)}) {
        if (std::filesystem::exists(path)) continue;
        throw std::runtime_error(path + " is missing: the checkpoint has a shard of each of " +
                                 std::to_string(manifest.ranks) + " ranks, and every rank must see all of them");
      }
    }
  }

  // Loads this rank's shard from the files whose shards overlap it.
  void load_shard(const Manifest& manifest, ShardedOptimizer& optimizer) const {
    const Division saved(manifest.elements, manifest.ranks);
    const Shard own = optimizer.shard();
    std::vector<std::string> paths;
    for (int rank = 0; rank < manifest.ranks; ++rank) {
      const Shard theirs = saved.shard(rank);
      const std::size_t begin = std::max(own.begin, theirs.begin), end = std::min(own.end, theirs.end);
      if (begin >= end) continue;
      paths.push_back(optimizer_file(manifest, rank));
      read(params_file(manifest, rank), begin - theirs.begin, optimizer.params() + begin, end - begin);
    }
    if (!paths.empty()) optimizer.local().load_shards(paths);
  }

  static void read(const std::string& path, std::size_t offset, float* values, std::size_t count) {
    std::ifstream in(path, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset * sizeof(float)));
    in.read(reinterpret_cast<char*>(values), static_cast<std::streamsize>(count * sizeof(float)));
    if (!in) throw std::runtime_error("cannot read " + path + ", or it is too short");
  }

  static void write(const std::string& path, const void* bytes, std::size_t size) {
    std::ofstream out(path, std::ios::binary);
    out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + path);
    flush(path, 0);
  }

  // Waits until a file or a folder is on disk.
  static void flush(const std::string& path, int flags) {
    const int file = open(path.c_str(), O_RDONLY | flags);
    const bool flushed = file >= 0 && fsync(file) == 0;
    const int error = errno;
    if (file >= 0) close(file);
    if (!flushed) throw std::runtime_error("cannot flush " + path + ": " + std::strerror(error));
  }

  void remove_all_but(int step) const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.rfind("step-", 0) == 0 && entry.path() != set(step)) std::filesystem::remove_all(entry.path());
    }
  }

  Ranks ranks_;
  std::string folder_;
};

#endif  // CHECKPOINT_SET_HPP
