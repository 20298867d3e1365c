# The names that a person types and that CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := $(shell find csrc -name '*.cpp' -o -name '*.hpp')

.PHONY: demo test check install format wheel sanitize neon c-api fuzz clean

demo: $(STAMP)  ## train on digits 0-7, pack, teach 8 and 9, write runs/digits/report.html
	$(BIN)/bitgrove reproduce digits --out runs/digits --overwrite

test: $(STAMP)  ## all tests, a process for each core, eight at most
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 8

check: $(STAMP)  ## format, lint, types, layers, and that the generated stub is up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(SOURCES)
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m nanobind.stubgen -q -m bitgrove._core -o $(VENV)/_core.pyi
	diff src/bitgrove/_core.pyi $(VENV)/_core.pyi

install: $(STAMP)  ## .venv with everything in it

# Made anew when the build, the pins or the C++ change; Python sources are used in place. The tools that
# build are installed first and stay, so that what was compiled once is used again.
BUILD_REQUIRES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])
$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt cmake ninja $$($(BIN)/python -c '$(BUILD_REQUIRES)')
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[train,localisation,dev]'
	touch $(STAMP)

format: $(STAMP)  ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(SOURCES)
	$(BIN)/python -m nanobind.stubgen -q -m bitgrove._core -o src/bitgrove/_core.pyi

wheel: $(STAMP)  ## dist/*.whl
	$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w dist .

sanitize:  ## the C++ tests under address, undefined-behaviour and thread sanitizers
	for kind in address,undefined thread; do \
	  cmake -S . -B build/$$kind -DBITGROVE_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	    -DCMAKE_CXX_FLAGS="-fsanitize=$$kind -fno-sanitize-recover=all" && \
	  cmake --build build/$$kind -j && build/$$kind/bitgrove_tests || exit 1; \
	done

neon:  ## the C++ tests built for a 64-bit ARM, run by an emulator (g++-aarch64-linux-gnu, qemu-user)
	cmake -S . -B build/neon -DBITGROVE_TESTS=ON -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
	cmake --build build/neon -j && qemu-aarch64 build/neon/bitgrove_tests

C_API := $(CURDIR)/build/c-api

c-api: $(STAMP)  ## libbitgrove for C programs in build/c-api/prefix, and a run of its example
	cmake -S . -B $(C_API) -DBITGROVE_C_API=ON -DCMAKE_INSTALL_PREFIX=$(C_API)/prefix \
	  -DCMAKE_INSTALL_LIBDIR=lib
	cmake --build $(C_API) -j && cmake --install $(C_API)
	$(CC) -O2 examples/c/classify.c -o $(C_API)/classify -I$(C_API)/prefix/include \
	  -L$(C_API)/prefix/lib -Wl,-rpath,$(C_API)/prefix/lib -lbitgrove -lm
	$(BIN)/python examples/c/make_model.py $(C_API)
	$(C_API)/classify $(C_API)/digits.grove $(C_API)/digit.pgm

fuzz: $(STAMP)  ## 10,000 mutated files through the C reader, under sanitizers, and the Python one
	cmake -S . -B build/fuzz -DBITGROVE_C_API=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all"
	cmake --build build/fuzz -j --target bitgrove_load_cases
	$(BIN)/python -m tests.c_api.fuzz build/fuzz/csrc/c_api/bitgrove_load_cases --count 10000

clean:
	rm -rf build dist $(VENV)
