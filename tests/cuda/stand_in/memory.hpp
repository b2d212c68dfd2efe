// Memory that shows when it is used wrongly. Each allocation has its own pages, at whose end it lies as far as its
// alignment allows, with a page behind them that cannot be touched. No address is ever given out twice. What is not
// written yet is 0xA5, and what lies around an allocation on its pages must stay 0xC3.
#pragma once
#include "../driver_api.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stand_in {

struct Allocation {
  uintptr_t start, pages;
  size_t bytes, page_bytes;
  CUctx_st *context;
  uint64_t life;     // of the context; one that has ended has taken the memory with it
  uint64_t id;
  bool open = false;
};

class Memory {
 public:
  // Memory that is `closed` cannot be touched, except between open and close.
  explicit Memory(bool closed) : closed_(closed) {}

  // Its address, or 0 if there is no more.
  uintptr_t allocate(size_t bytes, CUctx_st *context, uint64_t life);
  void free(uintptr_t start);
  // What has this address in it, or null.
  Allocation *find(uintptr_t address);
  // Whether all of this is in one allocation that its context has not outlived.
  bool has(uintptr_t address, size_t bytes);

  void open(Allocation &allocation);
  void open_all(const CUctx_st *context);
  // Also looks at what lies around that which was open: which allocation was written beyond, or "".
  std::string close();
  // The same for one allocation, in words.
  std::string damage(const Allocation &allocation) const;
  // Where an address is, in words.
  std::string place_of(uintptr_t address) const;

  uint64_t count() const { return allocations_.size(); }
  uint64_t bytes() const;
  uint64_t bytes_of(const CUctx_st *context) const;

 private:
  bool reserve();

  bool closed_;
  uintptr_t first_ = 0, next_ = 0;  // all addresses, and those that have not been given out
  size_t addresses_ = 0;
  uint64_t last_id_ = 0;
  std::map<uintptr_t, Allocation> allocations_;
  std::vector<uintptr_t> open_;
};

}  // namespace stand_in
