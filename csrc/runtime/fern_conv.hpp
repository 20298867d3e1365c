// Convolution of ferns: comparisons of single numbers address rows of tables, and rows are summed.
//
// The plan puts another operator before each: one that makes the answers to its tests. They lie as
// planes of bits, for each row of the input and each test the bits of a row of the *result*, so
// that a plane is read as it lies whatever the stride; a plane's rows that no row of the result
// reads are never written. An answer outside the input is 0: tests that would say yes there are
// stored turned round, and so are the rows of the tables.
#pragma once
#include <vector>

#include "aligned.hpp"
#include "op.hpp"
#include "window_runs.hpp"

namespace bitgrove::runtime {

struct FernTest {
    std::size_t channel;
    Triple tap;  // pixels from the window's first, dilation included
    float threshold;
    bool flip;     // the answer is x < threshold
    bool outside;  // the answer in the padding
};

// What the tests of one convolution ask, and where they keep the answers.
class ConvQuestions {
  public:
    ConvQuestions(const Shape& in, const Shape& out, const Window& window,
                  std::vector<FernTest> tests);

    const std::vector<FernTest>& tests() const { return tests_; }
    // By channel, then as they come.
    const std::vector<std::size_t>& by_channel() const { return by_channel_; }
    const Shape& in() const { return in_; }
    std::size_t words() const { return words_for(out_.w); }  // of a plane's row
    // The answers as a value: a pixel for each word.
    Value value() const;

    // Whether a row of the result reads this row of the input for a test.
    bool reads_row(const FernTest& test, std::size_t z, std::size_t y) const;
    // The positions of the result whose number lies inside the input, and the first number's place.
    Range inside(const FernTest& test, std::size_t& first) const;
    // Writes a row of answers x >= threshold, `bits` from position range.first on.
    void write(const FernTest& test, const Range& range, bool turned, std::uint64_t* bits,
               std::uint64_t* out) const;

    const Window window;

  private:
    Shape in_, out_;
    std::vector<FernTest> tests_;
    std::vector<std::size_t> by_channel_;
};

class FernConv : public Producer {
  public:
    FernConv(const Value& result, std::size_t groups, std::size_t depth, ConvQuestions questions,
             std::vector<std::int8_t> table, Floats scale, Floats bias);

    void prepare(const Kernels&, std::span<const Layout>) override;
    std::size_t scratch_bytes() const override;
    void run(const Call& call, const Part& part, Sink& sink) const override;
    Work work() const override;

    const ConvQuestions& questions() const { return questions_; }

    // The addresses of all groups' ferns for a row of the result, from the answers.
    std::size_t address_bytes(const Kernels& kernels) const;  // of a group, in whole lines
    void address(const Kernels& kernels, const View& answers, std::size_t z, std::size_t y,
                 std::byte* scratch, std::byte* to) const;
    std::size_t pointer_bytes() const;

    std::size_t groups() const { return groups_; }
    std::size_t ferns() const { return ferns_; }  // of a group
    std::size_t depth() const { return depth_; }
    std::size_t outs() const { return result.shape.c / groups_; }  // of a group
    // Of one output: [ferns][2^depth].
    std::vector<std::int8_t> table_of(std::size_t out) const;
    // What becomes of a sum, in the arithmetic of the kernels.
    float value_of(std::size_t out, std::int32_t sum) const;

  private:
    ConvQuestions questions_;
    std::size_t groups_, ferns_, depth_;
    std::vector<std::int8_t> table_;   // [group][fern][2^depth][out of the group]
    std::vector<float> scale_, bias_;  // [group][row_]
    std::size_t row_;                  // outputs of a group in whole vectors
    Aligned rows_;                     // int16[group][fern][2^depth][row_]
    bool makes_rows_ = false;
    std::size_t address_bytes_ = 0;
};

// Makes the answers of the image as it came.
class FernImageTests : public BitOp {
  public:
    explicit FernImageTests(const FernConv& reader);
    void run(const Call& call, const Part& part, const View& out) const override;
    std::size_t scratch_bytes() const override;

  private:
    const ConvQuestions& questions_;
};

// Makes the answers of tiles.
class FernTileTests : public Packer {
  public:
    explicit FernTileTests(const FernConv& reader);
    void pack(const Kernels& kernels, const Tile& tile, const View& out) const override;

  private:
    const ConvQuestions& questions_;
};

// Makes the answers of one convolution's sums to the next one's tests, without the sums' values.
class FernChain : public BitOp {
  public:
    FernChain(const FernConv& source, const FernConv& reader);
    void prepare(const Kernels&, std::span<const Layout>) override;
    void run(const Call& call, const Part& part, const View& out) const override;
    std::size_t scratch_bytes() const override { return scratch_bytes_; }
    Work work() const override;

  private:
    struct Group {  // tests of one channel
        std::size_t channel, first, count, table;
    };
    const FernConv& source_;
    const ConvQuestions& questions_;
    std::vector<std::int32_t> thresholds_;  // by test: yes where the sum is at least that, or
    std::vector<bool> turned_;              // no
    std::vector<Group> groups_;
    std::size_t most_ = 0;  // tests of one channel
    Aligned tables_;
    std::size_t table_bytes_ = 0, scratch_bytes_ = 0;
};

}  // namespace bitgrove::runtime
