#include "fern_conv.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bitgrove::runtime {
namespace {

constexpr std::size_t whole_vectors(std::size_t n) {
    return (n + 31) / 32 * 32;
}

}  // namespace

ConvQuestions::ConvQuestions(const Shape& in, const Shape& out, const Window& window,
                             std::vector<FernTest> tests)
    : window(window), in_(in), out_(out), tests_(std::move(tests)), by_channel_(tests_.size()) {
    std::iota(by_channel_.begin(), by_channel_.end(), std::size_t{0});
    std::ranges::stable_sort(by_channel_, {}, [&](std::size_t i) { return tests_[i].channel; });
}

Value ConvQuestions::value() const {
    return {Kind::bits, {in_.d, in_.h, tests_.size() * words(), 64}};
}

bool ConvQuestions::reads_row(const FernTest& test, std::size_t z, std::size_t y) const {
    const auto reads = [&](std::size_t at, int axis) {
        const std::size_t start = at + window.padding[axis];
        if (start < test.tap[axis] || (start - test.tap[axis]) % window.stride[axis]) return false;
        return (start - test.tap[axis]) / window.stride[axis] < out_.side(axis);
    };
    return reads(z, 0) && reads(y, 1);
}

Range ConvQuestions::inside(const FernTest& test, std::size_t& first) const {
    const std::size_t step = window.stride[2], pad = window.padding[2], tap = test.tap[2];
    const std::size_t from = tap >= pad ? 0 : (pad - tap + step - 1) / step;
    first = from * step + tap - pad;
    // x * step + tap - pad < in.w
    const std::size_t end = in_.w + pad > tap ? (in_.w + pad - tap + step - 1) / step : 0;
    const std::size_t to = std::min(end, out_.w);
    return {std::min(from, to), to, step};
}

void ConvQuestions::write(const FernTest& test, const Range& range, bool turned,
                          std::uint64_t* bits, std::uint64_t* out) const {
    const std::size_t count = range.last - range.first;
    if (turned != test.outside) {
        for (std::size_t w = 0; w < words_for(count); ++w) bits[w] = ~bits[w];
        if (count % 64) bits[count / 64] &= (std::uint64_t{1} << count % 64) - 1;
    }
    const std::size_t skipped = range.first / 64, shift = range.first % 64;
    for (std::size_t w = 0; w < words(); ++w) {
        std::uint64_t word = 0;
        if (w >= skipped && w - skipped < words_for(count)) word = bits[w - skipped] << shift;
        if (shift && w > skipped && w - skipped - 1 < words_for(count)) {
            word |= bits[w - skipped - 1] >> (64 - shift);
        }
        out[w] = word;
    }
}

FernConv::FernConv(const Value& result, std::size_t groups, std::size_t depth,
                   ConvQuestions questions, std::vector<std::int8_t> table, Floats scale,
                   Floats bias)
    : Producer(result),
      questions_(std::move(questions)),
      groups_(groups),
      ferns_(questions_.tests().size() / depth / groups),
      depth_(depth),
      row_(whole_vectors(outs())) {
    // Rows move to where the answers lead once those that say yes outside are turned round.
    const std::size_t entries = std::size_t{1} << depth;
    table_.resize(table.size());
    for (std::size_t f = 0; f < groups * ferns_; ++f) {
        std::size_t turned = 0;
        for (std::size_t k = 0; k < depth; ++k) {
            turned |= std::size_t{questions_.tests()[f * depth + k].outside} << k;
        }
        for (std::size_t i = 0; i < entries; ++i) {
            std::copy_n(table.data() + (f * entries + i) * outs(), outs(),
                        table_.data() + (f * entries + (i ^ turned)) * outs());
        }
    }
    scale_.assign(groups * row_, 0.0f);
    bias_.assign(groups * row_, 0.0f);
    for (std::size_t o = 0; o < result.shape.c; ++o) {
        const std::size_t at = o / outs() * row_ + o % outs();
        scale_[at] = scale.empty() ? 1.0f : scale[o];
        if (!bias.empty()) bias_[at] = bias[o];
    }
}

void FernConv::prepare(const Kernels& kernels, std::span<const Layout>) {
    makes_rows_ = true;
    const std::size_t lines = table_.size() / outs();
    rows_ = allocate(lines * row_ * sizeof(std::int16_t));
    auto* to = reinterpret_cast<std::int16_t*>(rows_.get());
    std::fill_n(to, lines * row_, std::int16_t{0});
    for (std::size_t i = 0; i < lines; ++i) {
        std::copy_n(table_.data() + i * outs(), outs(), to + i * row_);
    }
    address_bytes_ = address_bytes(kernels);
}

std::size_t FernConv::address_bytes(const Kernels& kernels) const {
    return whole_lines(kernels.fern_sums->address_bytes(ferns_, result.shape.w));
}

std::size_t FernConv::pointer_bytes() const {
    return whole_lines(questions_.tests().size() * sizeof(const std::uint64_t*));
}

std::size_t FernConv::scratch_bytes() const {
    return pointer_bytes() + groups_ * address_bytes_;
}

void FernConv::address(const Kernels& kernels, const View& answers, std::size_t z, std::size_t y,
                       std::byte* scratch, std::byte* to) const {
    auto** planes = reinterpret_cast<const std::uint64_t**>(scratch);
    const auto& tests = questions_.tests();
    const Window& window = questions_.window;
    for (std::size_t j = 0; j < tests.size(); ++j) {
        const std::size_t plane = z * window.stride[0] + tests[j].tap[0] - window.padding[0];
        const std::size_t line = y * window.stride[1] + tests[j].tap[1] - window.padding[1];
        // Before the input they wrap.
        const bool inside = plane < questions_.in().d && line < questions_.in().h;
        planes[j] =
            inside ? answers.bits(distance(plane), distance(line), distance(j * questions_.words()))
                   : nullptr;
    }
    const std::size_t bytes = address_bytes(kernels);
    for (std::size_t g = 0; g < groups_; ++g) {
        kernels.fern_sums->addresses(planes + g * ferns_ * depth_, ferns_, depth_, result.shape.w,
                                     reinterpret_cast<std::uint8_t*>(to + g * bytes));
    }
}

void FernConv::run(const Call& call, const Part& part, Sink& sink) const {
    std::byte* addresses = call.scratch + pointer_bytes();
    std::size_t made_z = ~std::size_t{0}, made_y = 0;
    each_tile(part, result.shape, sink, [&](const Tile& tile) {
        if (tile.z != made_z || tile.y != made_y) {
            address(call.kernels, call.in(0), tile.z, tile.y, call.scratch, addresses);
            made_z = tile.z;
            made_y = tile.y;
        }
        for (std::size_t g = 0; g < groups_; ++g) {
            const std::size_t table = g * (table_.size() / groups_ / outs()) * row_;
            call.kernels.fern_sums->rows(
                {.sums = {.addresses =
                              reinterpret_cast<const std::uint8_t*>(addresses + g * address_bytes_),
                          .ferns = ferns_,
                          .depth = depth_,
                          .positions = result.shape.w},
                 .first = tile.x,
                 .count = tile.pixels,
                 .table = reinterpret_cast<const std::int16_t*>(rows_.get()) + table,
                 .row = row_,
                 .outs = outs(),
                 .scale = scale_.data() + g * row_,
                 .bias = bias_.data() + g * row_,
                 .out = tile.data + g * outs(),
                 .out_stride = tile.stride});
        }
    });
}

Work FernConv::work() const {
    return {.weight_bytes = makes_rows_ ? table_.size() / outs() * row_ * 2 : 0};
}

std::vector<std::int8_t> FernConv::table_of(std::size_t out) const {
    const std::size_t lines = ferns_ << depth_, group = out / outs();
    std::vector<std::int8_t> all(lines);
    for (std::size_t i = 0; i < lines; ++i) {
        all[i] = table_[(group * lines + i) * outs() + out % outs()];
    }
    return all;
}

float FernConv::value_of(std::size_t out, std::int32_t sum) const {
    const std::size_t at = out / outs() * row_ + out % outs();
    const float product = static_cast<float>(sum) * scale_[at];
    return product + bias_[at];
}

OpPtr make_fern_conv(const Value& in, const FernTensors& t, std::size_t out_channels,
                     const Window& window, std::size_t groups) {
    require_real(in);
    require(
        groups >= 1 && in.shape.c % groups == 0 && out_channels >= 1 && out_channels % groups == 0,
        "groups must divide the channels of input and output");
    require(t.depth >= 1 && t.depth <= 8, "a fern must have 1 to 8 tests");
    const std::size_t tests = t.place.size();
    require(tests >= 1 && tests % (t.depth * groups) == 0 && tests <= std::size_t{1} << 16,
            "place must name 1 to 65536 tests, as many for each group");
    require(t.threshold.size() == tests, "threshold must have one number for each test");
    require(t.flip.empty() || t.flip.size() == (tests + 7) / 8, "flip must have a bit per test");
    require(t.outside.empty() || t.outside.size() == (tests + 7) / 8,
            "outside must have a bit per test");
    const std::size_t lines = (tests / t.depth) << t.depth;
    require(t.table.size() == lines * (out_channels / groups),
            "table must have shape (groups, ferns, 2^depth, out / groups)");
    require(std::ranges::none_of(t.table, [](std::int8_t x) { return x == -128; }),
            "the table must be in -127 to 127");
    require(t.scale.empty() || t.scale.size() == out_channels,
            "scale must have one number per channel");
    require(t.bias.empty() || t.bias.size() == out_channels,
            "bias must have one number per channel");
    const std::size_t taps = window.taps(), inner = in.shape.c / groups;
    std::vector<FernTest> all;
    const auto bit = [](Bytes bits, std::size_t i) {
        return !bits.empty() && (bits[i / 8] >> (7 - i % 8) & 1);
    };
    const Shape kernel{window.kernel[0], window.kernel[1], window.kernel[2], 1};
    for (std::size_t i = 0; i < tests; ++i) {
        const std::size_t group = i / (tests / groups);
        require(t.place[i] >= 0, "place must not be negative");
        const auto at = static_cast<std::size_t>(t.place[i]);
        require(at / taps / inner == group,
                "place must name channels of the test's own group, below " +
                    std::to_string(in.shape.c));
        Triple tap = place(at % taps, kernel);
        for (int axis : {0, 1, 2}) tap[axis] *= window.dilation[axis];
        all.push_back({at / taps, tap, t.threshold[i], bit(t.flip, i), bit(t.outside, i)});
    }
    const Value result{Kind::real, window.out(in.shape, out_channels)};
    return std::make_unique<FernConv>(
        result, groups, t.depth, ConvQuestions(in.shape, result.shape, window, std::move(all)),
        std::vector<std::int8_t>(t.table.begin(), t.table.end()), t.scale, t.bias);
}

}  // namespace bitgrove::runtime
