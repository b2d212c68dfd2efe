# Needs Rust, a C and a C++ compiler, and make. CARGO, CC and CXX can be overridden.

CARGO ?= cargo
ifeq ($(origin CXX),default)
CXX := c++
endif
CARGO_TARGET_DIR ?= target
TARGET := $(CARGO_TARGET_DIR)
# `make test TEST="nextest run"` uses cargo-nextest.
TEST ?= test
SKIPPED := $(TARGET)/skipped-tests.txt
ENGINES := $(TARGET)/engines
DOTNET := $(TARGET)/dotnet
GO := $(TARGET)/go
PYTHON := $(TARGET)/python
NVRTC := $(TARGET)/nvrtc
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
export CC CXX CARGO_TARGET_DIR

.PHONY: docs help bindings build install uninstall dist wheel check-cinstall musl run mpi test bench bench-against deps debian-packages lint header asan tsan miri loom soak mutants arm i686 big-endian windows fuzz libfuzzer bench-peers bench-engines bench-mpi bench-gpu gpu ptx interop lr-robustness q8-quality package wasm

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What cargo builds, for this machine or for the Rust target CARGO_BUILD_TARGET. CC, LD, OBJCOPY and AR must be for the
# same target.
BUILT = $(TARGET)/$(addsuffix /,$(CARGO_BUILD_TARGET))release
build: ## build the library
	$(CARGO) build --release --lib
	packaging/prepare.sh "$(BUILT)" $(CARGO_BUILD_TARGET)

# Root often has no cargo. It installs what `make build` has built before.
PREFIX ?= /usr/local
INSTALL = BUILT="$(BUILT)" PREFIX="$(PREFIX)" LIBDIR="$(LIBDIR)" INCLUDEDIR="$(INCLUDEDIR)" DESTDIR="$(DESTDIR)" \
	packaging/install.sh
install: $(if $(shell command -v $(firstword $(CARGO))),build) ## install it (PREFIX=/usr/local, LIBDIR, INCLUDEDIR, DESTDIR)
	$(INSTALL) install

uninstall: ## remove the files that make install has installed with the same PREFIX
	$(INSTALL) uninstall

dist: build ## pack what make install installs, with the licences of all that is in it, into target/dist
	BUILT="$(BUILT)" python3 packaging/dist.py $(TARGET)/dist $(CARGO_BUILD_TARGET)

wheel: build ## pack the Python package with the library, for pip, into target/wheel
	rm -rf $(TARGET)/wheel
	BUILT="$(BUILT)" python3 packaging/wheel.py $(TARGET)/wheel $(CARGO_BUILD_TARGET)

# Cargo-c builds libraries and writes radam.pc in its own way; every other file must be the same. A target folder of its
# own, since it would rebuild everything in the usual one.
CINSTALL := $(abspath $(TARGET))/cinstall
check-cinstall: ## compare what cargo cinstall installs with what make install does (needs cargo-c)
	rm -rf $(CINSTALL)/theirs $(CINSTALL)/ours
	CARGO_TARGET_DIR=$(CINSTALL)/target $(CARGO) cinstall --release --prefix=/usr --libdir=lib --destdir=$(CINSTALL)/theirs
	$(MAKE) install PREFIX=/usr DESTDIR=$(CINSTALL)/ours
	cd $(CINSTALL)/theirs && find . ! -type d | sort > ../theirs.txt
	cd $(CINSTALL)/ours && find . ! -type d | sort > ../ours.txt
	diff $(CINSTALL)/ours.txt $(CINSTALL)/theirs.txt
	diff --recursive --exclude='libradam.*' --exclude=radam.pc $(CINSTALL)/ours $(CINSTALL)/theirs

# -ffp-contract=off keeps the C++ compiler from fusing multiply and add, so the printed numbers are the same on every
# machine.
run: ## build the library and train a small network on handwritten digits with it
	$(CARGO) build --release
	$(CXX) -std=c++17 -O2 -ffp-contract=off -Iinclude examples/train_digits.cpp -o $(TARGET)/train_digits \
		-L$(TARGET)/release -lradam -Wl,-rpath,$(abspath $(TARGET)/release)
	$(TARGET)/train_digits examples/data/digits.csv $(TARGET)/digits.svg

# More processes than cores may take part. In many containers, none may read another's memory, so that is turned off.
MPI := $(TARGET)/mpi
MPIRUN = mpirun --oversubscribe --bind-to none --mca btl_vader_single_copy_mechanism none \
	$(if $(filter 0,$(shell id -u)),--allow-run-as-root)
MPICXX = OMPI_CXX="$(CXX)" mpicxx -std=c++17 -O3 -ffp-contract=off -fopenmp-simd -Iinclude $(1) -o $(MPI)/$(2) \
	-L$(TARGET)/release -lradam -Wl,-rpath,$(abspath $(TARGET)/release)
mpi: ## train on 1 and on 4 processes by Open MPI, and draw the losses of both (a minute)
	$(call has,mpicxx mpirun,libopenmpi-dev and openmpi-bin)
	$(CARGO) build --release
	mkdir -p $(MPI)
	$(call MPICXX,examples/mpi/zero1.cpp,zero1)
	$(CXX) -std=c++17 -O2 examples/mpi/plot_losses.cpp -o $(MPI)/plot_losses
	for ranks in 1 4; do $(MPIRUN) -n $$ranks $(MPI)/zero1 600 | tee $(MPI)/$$ranks.txt; done
	$(MPI)/plot_losses $(MPI)/1.txt $(MPI)/4.txt $(MPI)/losses.svg

# Every sum has a fixed order, and no result depends on the number of threads; but exp and log are the machine's.
define study
	$(CARGO) build --release
	$(CXX) -std=c++17 -O3 -ffp-contract=off -fopenmp-simd -pthread -Wno-unknown-pragmas -Iinclude \
		examples/$(1)/$(1).cpp -o $(TARGET)/$(1) -L$(TARGET)/release -lradam -Wl,-rpath,$(abspath $(TARGET)/release)
	$(TARGET)/$(1) examples/$(1)/results
endef
lr-robustness: q8-quality ## measure what rectification does, into examples/lr_robustness/results (10 minutes of 2 cores)
	$(call study,lr_robustness)

q8-quality: ## measure how well 8-bit and 16-bit state train, into examples/q8/results (2 minutes of 2 cores)
	$(call study,q8)

test: ## run all tests, and list at the end those that were skipped because a tool is missing
	@rm -f $(SKIPPED)
	$(CARGO) $(TEST) --no-fail-fast -p radam -p radam-fuzz
	@if [ -s $(SKIPPED) ]; then echo; echo "SKIPPED, although everything that ran passed:"; sort -u $(SKIPPED); \
		echo "(make deps installs what is missing)"; fi

# CASES="memory curve-f32" runs the cases whose names contain one of these words.
bench: ## measure the library against the machine's limits (3 minutes, 5 GB of memory; CASES="..." picks)
	$(CARGO) run --release -p radam-bench -- $(CASES)

# BASE is built in a git worktree, which is kept until it is needed for another BASE.
BASE_TREE = $(TARGET)/base-$(shell git rev-parse --quiet --short=12 --verify '$(BASE)^{commit}')
AGAINST = $(CC) -std=c11 -O3 -pthread -Wall -Wextra -I$(1)/include benches/against.c -o $(2)/against \
	-L$(2) -lradam -Wl,-rpath,$(abspath $(2))
bench-against: ## measure the library against another revision (BASE=main; 4 minutes, 2 GB of memory)
	@git rev-parse --quiet --verify '$(BASE)^{commit}' > /dev/null || { \
		echo "BASE=main, or another revision that git has, says what to race against"; exit 1; }
	@for tree in $(filter-out $(BASE_TREE),$(wildcard $(TARGET)/base-*)); do \
		git worktree remove --force $$tree || rm -rf $$tree; done
	@test -d $(BASE_TREE) || git worktree add --force --detach $(BASE_TREE) '$(BASE)'
	cd $(BASE_TREE) && CARGO_TARGET_DIR=target $(CARGO) build --release --lib
	$(CARGO) build --release
	$(call AGAINST,$(BASE_TREE),$(BASE_TREE)/target/release)
	$(call AGAINST,.,$(TARGET)/release)
	python3 benches/against.py $(BASE_TREE)/target/release/against $(TARGET)/release/against

# Uses a virtual environment. If pip cannot install all peers, it installs those it can, and peers.py lists the others.
PEERS := $(TARGET)/peers-venv
bench-peers: $(PEERS)/installed ## measure the library against PyTorch, optimi, DeepSpeed, bitsandbytes and torchao (6 GB of disk, 16 GB of memory)
	$(CARGO) build --release
	$(PEERS)/bin/python benches/peers.py

$(PEERS)/installed: benches/peers-requirements.txt
	rm -rf $(PEERS)
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install -r $< || for package in $$(grep -v '^#' $<); do \
		$(PEERS)/bin/pip install $$package || echo "SKIPPED $$package; to try again, remove $(PEERS)"; done
	touch $@

BENCH_ENGINES := $(abspath $(TARGET))/bench-engines
bench-engines: $(ENGINES)/installed ## measure a step right after LibTorch's backward pass (2 minutes, 4 GB of memory)
	$(MAKE) install PREFIX=$(BENCH_ENGINES)/radam DESTDIR=
	cmake -S benches/engines -B $(BENCH_ENGINES) -DTORCH_DIR=$(abspath $(ENGINES))/torch \
		-DCMAKE_PREFIX_PATH=$(BENCH_ENGINES)/radam
	cmake --build $(BENCH_ENGINES)
	python3 benches/engines.py $(BENCH_ENGINES)/bench benches/results

# Where no cargo is: RADAM_LIBRARY=libradam.so python3 benches/gpu/bench.py
bench-gpu: ## measure the library on a GPU against optimi, PyTorch and a copy (3 minutes; needs PyTorch with CUDA; OPTIMI=wheel)
	$(CARGO) build --release
	python3 benches/gpu/bench.py $(if $(OPTIMI),--optimi-path "$(OPTIMI)")

bench-mpi: ## measure what a step on many machines is made of, and compute it for 1,024 (3 minutes)
	$(call has,mpicxx mpirun,libopenmpi-dev and openmpi-bin)
	$(CARGO) build --release
	mkdir -p $(MPI)
	$(call MPICXX,benches/mpi/phases.cpp,phases)
	python3 benches/mpi/scaling.py $(MPI)/phases benches/results

# Uses a virtual environment. The tests that need no PyTorch are in tests/interop.rs.
INTEROP := $(TARGET)/interop-venv
interop: $(INTEROP)/installed ## test the exchange of checkpoints with PyTorch, optimi, transformers, bitsandbytes and torchao (6 GB of disk)
	$(CARGO) build --release
	$(CXX) -std=c++17 -O2 -ffp-contract=off -Iinclude examples/interop/continue_training.cpp \
		-o $(TARGET)/continue_training -L$(TARGET)/release -lradam -Wl,-rpath,$(abspath $(TARGET)/release)
	$(INTEROP)/bin/python examples/interop/hand_over.py $(TARGET)/continue_training
	$(INTEROP)/bin/python tests/interop/check_tools.py $(TARGET)/continue_training
	$(INTEROP)/bin/python tests/interop/check_files.py
	$(INTEROP)/bin/python tests/interop/check_damage.py
	$(INTEROP)/bin/python tests/interop/check_8bit.py $(TARGET)/continue_training
	$(INTEROP)/bin/python tests/interop/generate.py --check

$(INTEROP)/installed: tests/interop/requirements.txt
	rm -rf $(INTEROP)
	python3 -m venv $(INTEROP)
	$(INTEROP)/bin/pip install -r $<
	touch $@

# libc6-dbg: valgrind needs the symbols of the C library and its loader. rustc-web: a second compiler that has the sources of
# its standard library, from which the one for WebAssembly can be built.
PACKAGES := valgrind libc6-dbg abigail-tools clang doxygen python3 python3-venv \
	cmake ninja-build pkg-config patch libarmadillo-dev \
	libopenmpi-dev openmpi-bin \
	golang-go \
	mono-mcs mono-runtime \
	luajit love godot3-server xvfb xauth xz-utils \
	nodejs rustc-web rust-web-src
UNPACKED := $(foreach folder,$(ENGINES) $(GO) $(DOTNET) $(PYTHON) $(NVRTC),$(folder)/installed)
GDNATIVE := $(ENGINES)/godot/gdnative_api_struct.gen.h
GODOT4 := $(ENGINES)/godot4/gdextension_interface.h
deps: debian-packages $(UNPACKED) $(ENGINES)/julia/julia $(GDNATIVE) $(GODOT4) ## install what the optional tests use: Debian packages, and others in the target folder (2 GB)

debian-packages:
	$(SUDO) apt-get update
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(PACKAGES)

# $(call unpack,REQUIREMENTS): Python packages without what they depend on, in the folder of the target.
define unpack
	rm -rf $(@D)
	python3 -m venv $(@D)/venv
	$(@D)/venv/bin/pip install --no-deps --no-compile --target $(@D) -r $(1)
endef

# The engines that Debian does not have. Most of PyTorch's wheel is for GPUs.
$(ENGINES)/installed: examples/engines/requirements.txt | debian-packages
	$(call unpack,$<)
	rm $(@D)/torch/lib/libtorch_cuda*.so
	sh examples/engines/ensmallen/fetch.sh $(@D)/ensmallen
	touch $@

# For the C# binding, a runtime that has what Mono lacks: spans.
$(DOTNET)/installed: bindings/csharp/tests/requirements.txt | debian-packages
	$(call unpack,$<)
	chmod +x $(@D)/dotnetcore2/bin/dotnet
	touch $@

# A current Go, beside Debian's.
$(GO)/installed: bindings/go/requirements.txt | debian-packages
	$(call unpack,$<)
	touch $@

# The compiler of the kernels for GPUs.
$(NVRTC)/installed: tests/cuda/requirements.txt | debian-packages
	$(call unpack,$<)
	touch $@

# Wheels for an environment that has nothing yet, and a pip to install them with.
$(PYTHON)/installed: bindings/python/tests/requirements.txt | debian-packages
	rm -rf $(PYTHON)
	python3 -m venv $(PYTHON)/venv
	$(PYTHON)/venv/bin/pip download --no-deps --only-binary :all: --dest $(PYTHON)/wheels -r $<
	touch $@

# After the engines, which begin with an empty folder.
$(ENGINES)/julia/julia: bindings/julia/install_julia.sh | $(ENGINES)/installed
	sh $< $(ENGINES)/julia $(SUDO)

$(GDNATIVE): examples/games/godot/fetch_headers.sh | $(ENGINES)/installed
	sh $< $(@D)
	touch $@

$(GODOT4): examples/games/godot4/fetch_godot.sh | $(ENGINES)/installed
	rm -rf $(@D)
	sh $< $(@D)

lint: ## check formatting, lints (of the library for each Rust target that is installed) and documentation, warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --no-default-features -- -D warnings
	set -e; for std in "$$(rustc --print sysroot)"/lib/rustlib/*/lib/libstd-*.rlib; do \
		target=$$(basename "$$(dirname "$$(dirname "$$std")")"); \
		case $$target in x86_64-* | i686-* | aarch64-* | s390x-*) echo "for $$target"; \
			$(CARGO) clippy --lib --target "$$target" -- -D warnings ;; esac; done
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

REFERENCE := $(TARGET)/docs/reference
docs: ## build the references of C and C++, in docs/reference of the target folder, and of the crate, in doc (needs Doxygen)
	$(call has,doxygen,doxygen)
	rm -rf $(REFERENCE)
	mkdir -p $(REFERENCE)
	(cat packaging/Doxyfile; echo 'OUTPUT_DIRECTORY = "$(REFERENCE)"') | doxygen -
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

header: ## regenerate include/radam.h from src/ffi
	RADAM_WRITE_HEADER=1 $(CARGO) test --test abi header_is_the_generated_one

package: ## pack the crate, and build it from what was packed alone
	$(CARGO) package --allow-dirty

wasm: ## build the npm package for WebAssembly, in wasm/radam of the target folder
	bindings/wasm/build.sh "$(TARGET)/wasm/radam"

ptx: $(NVRTC)/installed ## compile the kernels for GPUs (needs no GPU)
	python3 src/cuda/kernels/compile.py $(NVRTC)

bindings: ## regenerate bindings/radam_api.json and what the bindings generate from it (needs Python 3)
	python3 bindings/generate

# Tests of cargo that step on a GPU with RADAM_TEST_DEVICE=cuda. To run it all where no cargo is, see tests/gpu/build.sh.
GPU_TESTS ?= goldens determinism checkpoint
gpu: ## test on a GPU what cannot be tested without one (4 minutes; uses compute-sanitizer, nvcc and PyTorch if they are there)
	tests/gpu/build.sh $(TARGET)/gpu $(GPU_TESTS)
	tests/gpu/run.sh $(TARGET)/gpu

# Other flags than usual would rebuild everything each time, so this has a target folder of its own. Naming the target
# builds build scripts without the flags.
asan: ## run the unit tests of the C boundary and the kernels under AddressSanitizer (needs nightly Rust)
	RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$(TARGET)/asan \
		$(CARGO) +nightly test --lib --target $$($(CARGO) +nightly -vV | sed -n 's/host: //p')

# A data race shows only if everything is built for ThreadSanitizer, so the compiler must have the sources of its
# standard library: as Debian's has, in rust-web-src, or rustup's with rust-src. The runtime is that of the C compiler,
# which finds memcpy by its usual name only and, on some systems, the address space by its usual order only.
TSAN_RUSTC ?= /usr/bin/rustc
TSAN := $(abspath $(TARGET))/tsan
TSAN_PROGRAMS := threads getters step_tensor_threads report_threads
UNSHUFFLED = $(shell setarch --addr-no-randomize true 2> /dev/null && echo setarch --addr-no-randomize)
tsan: ## look for data races in the portable loops with ThreadSanitizer, for SECONDS=20 and a minute
	@test -f "$$($(TSAN_RUSTC) --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" || { \
		echo "$(TSAN_RUSTC) has no sources of its standard library; Debian has one that has, in rustc-web and rust-web-src," \
			"and TSAN_RUSTC names another"; exit 1; }
	RUSTC=$(TSAN_RUSTC) RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cllvm-args=-tsan-instrument-memintrinsics=0" \
		CARGO_TARGET_DIR=$(TSAN) CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
		CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=line-tables-only CARGO_PROFILE_RELEASE_STRIP=none \
		CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
		$(CARGO) rustc --release --lib --crate-type staticlib -Zbuild-std --target $$($(TSAN_RUSTC) --print host-tuple)
	set -e; for program in $(TSAN_PROGRAMS) storm; do echo $$program; \
		$(CC) -fsanitize=thread -std=c11 -O1 -g -pthread -Wall -Wextra -Wpedantic -Werror -Iinclude tests/c/$$program.c \
			$(TSAN)/*/release/libradam.a -lm -ldl -o $(TSAN)/$$program; \
		seconds=; if [ $$program = storm ]; then seconds=$(or $(SECONDS),20); fi; \
		RADAM_ISA=portable TSAN_OPTIONS=halt_on_error=1 $(UNSHUFFLED) $(TSAN)/$$program $$seconds; done

# Of a target without vectors and without a floating-point mode to set, neither of which Miri knows. Left out is what
# would take it hours.
MIRI_TARGET := riscv64gc-unknown-linux-gnu
MIRI_UNITS := ffi:: optimizer::grid system::claims
MIRI_DOORS := lending::a_panic lending::arrays lending::types misuse::
miri: ## run tests that enter unsafe code under Miri (needs nightly Rust with miri and rust-src)
	@$(CARGO) +nightly miri --version > /dev/null || { \
		echo "there is no Miri; rustup toolchain install nightly --component miri,rust-src gets it"; exit 1; }
	CARGO_TARGET_DIR=$(TARGET)/miri MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-disable-isolation" \
		$(CARGO) +nightly miri test --target $(MIRI_TARGET) --lib -- $(MIRI_UNITS)
	CARGO_TARGET_DIR=$(TARGET)/miri MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-disable-isolation" \
		$(CARGO) +nightly miri test --target $(MIRI_TARGET) --test rust_api -- $(MIRI_DOORS)

loom: ## check how threads meet in every order of their steps, with the model checker loom
	cd tests/loom && CARGO_TARGET_DIR=$(abspath $(TARGET))/loom $(CARGO) run --release --locked

soak: ## train for 10 million steps, with files, and parameters and optimizers that come and go
	$(CARGO) build --release --lib
	$(CC) -std=c11 -O2 -pthread -Wall -Wextra -Wpedantic -Werror -Iinclude tests/c/soak.c -o $(TARGET)/soak \
		-L$(TARGET)/release -lradam -lm -Wl,-rpath,$(abspath $(TARGET))/release
	$(TARGET)/soak 10000000

mutants: ## change the code of math, plan, versions and files in every way that cargo-mutants knows, and run its tests (an hour)
	CARGO="$(CARGO)" python3 tests/mutants/run.py $(TARGET)/mutants $(FILES)

# $(call has,PROGRAMS,PACKAGES) and $(call needs,PROGRAMS,PACKAGES,TARGET): fail if one of the programs or the Rust target
# is missing, and say which.
define has
	@for program in $(1); do command -v $$program > /dev/null || { \
		echo "$$program is missing; Debian has it in $(2)"; exit 1; }; done
endef
define needs
	$(call has,$(1),$(2))
	@test -d "$$($${RUSTC:-rustc} --print target-libdir --target $(3))" || { \
		echo "Rust has no standard library for $(3); rustup target add $(3) gets it"; exit 1; }
endef

# The C programs of tests/c that need neither a POSIX system nor glibc.
PORTABLE_PROGRAMS := lifecycle misuse misuse_step misuse_given misuse_tensors misuse_sums misuse_checkpoint handles \
	group_options descriptions advice report report_threads rectification plan unbound step_tensor step_tensor_threads set_tensors grad_sums \
	load_options getters threads storm slices executor caller_memory rounding conversions nan surgery sentences float_modes

# Other architectures: *_CC links, and compiles the C programs; *_EMULATOR runs everything.
ARM_CC ?= aarch64-linux-gnu-gcc
ARM_EMULATOR ?= qemu-aarch64 -L /usr/aarch64-linux-gnu
arm: ## run the tests of the library itself for AArch64 under QEMU
	$(call has,$(firstword $(ARM_CC)) $(firstword $(ARM_EMULATOR)),gcc-aarch64-linux-gnu and libc6-dev-arm64-cross and qemu-user)
	tests/emulate.sh aarch64-unknown-linux-gnu "$(ARM_CC)" "$(ARM_EMULATOR)" $(PORTABLE_PROGRAMS)

I686_CC ?= i686-linux-gnu-gcc
I686_EMULATOR ?= qemu-i386 -L /usr/i686-linux-gnu
i686: ## the same for x86 of 32 bits
	$(call has,$(firstword $(I686_CC)) $(firstword $(I686_EMULATOR)),gcc-i686-linux-gnu and libc6-dev-i386-cross and qemu-user)
	tests/emulate.sh i686-unknown-linux-gnu "$(I686_CC)" "$(I686_EMULATOR)" $(PORTABLE_PROGRAMS)

BIG_ENDIAN_CC ?= s390x-linux-gnu-gcc
BIG_ENDIAN_EMULATOR ?= qemu-s390x -cpu max -L /usr/s390x-linux-gnu
# QEMU before 8.1 rounds some products wrongly (MDEBR), so that with it only what depends on the order of bytes can be tested.
# On a newer one, or on such a machine: make big-endian BIG_ENDIAN_TESTS="--lib --test goldens --test determinism --test
# checkpoint".
BIG_ENDIAN_TESTS ?= --test checkpoint
big-endian: export TESTS = $(BIG_ENDIAN_TESTS)
big-endian: ## run the tests of checkpoints for s390x, whose numbers begin with their high bytes
	$(call has,$(firstword $(BIG_ENDIAN_CC)) $(firstword $(BIG_ENDIAN_EMULATOR)),gcc-s390x-linux-gnu and libc6-dev-s390x-cross and qemu-user)
	tests/emulate.sh s390x-unknown-linux-gnu "$(BIG_ENDIAN_CC)" "$(BIG_ENDIAN_EMULATOR)" handles lifecycle load_options \
		misuse_checkpoint

MUSL_TARGET := x86_64-unknown-linux-musl
MUSL_CC ?= musl-gcc
MUSL_PREFIX := $(abspath $(TARGET))/$(MUSL_TARGET)/installed
musl: ## install for musl, and run the C programs without shared libraries
	$(call needs,$(firstword $(MUSL_CC)) pkg-config,musl-tools and pkg-config,$(MUSL_TARGET))
	$(MAKE) install CARGO_BUILD_TARGET=$(MUSL_TARGET) CC="$(MUSL_CC)" PREFIX="$(MUSL_PREFIX)"
	set -e; for program in $(PORTABLE_PROGRAMS) fork fork_first_call environment; do echo $$program; \
		$(MUSL_CC) -static -std=c11 -O1 -pthread -Wall -Wextra -Wpedantic -Werror tests/c/$$program.c -o $(MUSL_PREFIX)/$$program \
			$$(PKG_CONFIG_PATH="$(MUSL_PREFIX)/lib/pkgconfig" pkg-config --static --cflags --libs radam); \
		(cd $(MUSL_PREFIX) && ./$$program); done

# WINDOWS_CC links, and compiles the C programs; WINE (8.13 or later) runs everything.
WINDOWS_TARGET := x86_64-pc-windows-gnu
WINDOWS_CC ?= x86_64-w64-mingw32-gcc
WINE ?= wine
WINDOWS_DIR := $(TARGET)/$(WINDOWS_TARGET)/release
windows: export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER = $(WINDOWS_CC)
windows: export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER = $(WINE)
windows: ## run the unit tests, goldens, determinism, checkpoints and C programs for Windows under Wine
	$(call needs,$(firstword $(WINDOWS_CC)) $(firstword $(WINE)),gcc-mingw-w64-x86-64-posix and wine,$(WINDOWS_TARGET))
	$(CARGO) test --target $(WINDOWS_TARGET) --no-fail-fast --lib --test goldens --test determinism --test checkpoint
	$(CARGO) build --release --lib --target $(WINDOWS_TARGET)
	set -e; for program in $(PORTABLE_PROGRAMS) windows windows_unload; do echo $$program; \
		$(WINDOWS_CC) -std=c11 -O1 -pthread -Wall -Wextra -Wpedantic -Werror -Iinclude -include tests/c/on_windows.h \
			tests/c/$$program.c $(WINDOWS_DIR)/libradam.dll.a -static -o $(WINDOWS_DIR)/$$program.exe; \
		(cd $(WINDOWS_DIR) && $(WINE) ./$$program.exe); done

# Sanitizers are flags of nightly Rust, which stable Rust takes if RUSTC_BOOTSTRAP is set. Naming the target builds build
# scripts without the flags.
HOST = $$($(CARGO) -vV | sed -n 's/host: //p')
fuzz: ## compare random calls with a model, under AddressSanitizer and with each instruction set, for SECONDS=60 in all
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$(TARGET)/fuzz-asan \
		$(CARGO) run --profile fuzz -p radam-fuzz --bin radam-fuzz --target $(HOST) -- $(or $(SECONDS),60) $(SEED)

# The flags that cargo-fuzz would pass, without cargo-fuzz. RUN=checkpoint is the other target.
RUN ?= calls
LIBFUZZER := $(TARGET)/libfuzzer
LIBFUZZER_FLAGS := -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
libfuzzer: ## the same calls, or with RUN=checkpoint files, as libFuzzer chooses them, for SECONDS=60 (needs clang)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(LIBFUZZER_FLAGS)" CARGO_TARGET_DIR=$(LIBFUZZER) \
		$(CARGO) build --profile fuzz -p radam-fuzz --features libfuzzer --bin $(RUN) --target $(HOST)
	mkdir -p $(LIBFUZZER)/corpus/$(RUN)
	$(LIBFUZZER)/*/fuzz/$(RUN) -max_total_time=$(or $(SECONDS),60) -max_len=4096 $(LIBFUZZER)/corpus/$(RUN) \
		$(if $(filter checkpoint,$(RUN)),fuzz/seeds)
