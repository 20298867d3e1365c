// Random ferns on rows of numpy.
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "../graph/parallel.hpp"
#include "../runtime/aligned.hpp"
#include "../runtime/fern_rows.hpp"
#include "../runtime/value.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

using namespace bitgrove::runtime;

using Columns = In<std::int32_t, 2>;
template <typename T>
using Thresholds = std::optional<In<T, 2>>;

template <typename T>
FernQuestions<T> questions_of(std::size_t features, const Columns& feature,
                              const std::optional<Columns>& other, const Thresholds<T>& threshold) {
    const auto span = [](const auto& array) {
        using Number = std::remove_cvref_t<decltype(*array.data())>;
        return std::span<const Number>(array.data(), array.size());
    };
    return {features, feature.shape(1), span(feature),
            other ? span(*other) : std::span<const std::int32_t>(),
            threshold ? span(*threshold) : std::span<const T>()};
}

// Calls work(begin, end, scratch) for blocks of rows; scratch is as large as the questions need.
template <typename T, typename Work>
void each_block(const FernQuestions<T>& questions, std::size_t n, std::size_t threads, Work work) {
    require(threads >= 1, "threads must be at least 1");
    nb::gil_scoped_release nogil;
    std::vector<Aligned> scratch(threads);
    graph::parallel_blocks(n, fern_call_rows, threads, "", {},
                           [&](std::size_t begin, std::size_t end, std::size_t worker) {
                               Aligned& room = scratch[worker];
                               if (!room) room = allocate(questions.scratch_bytes());
                               work(begin, end, room.get());
                           });
}

template <typename T>
void leaves(In<T, 2> x, const Columns& feature, const std::optional<Columns>& other,
            const Thresholds<T>& threshold, Out<std::uint16_t, 2> out, std::size_t threads) {
    const auto questions = questions_of<T>(x.shape(1), feature, other, threshold);
    const std::size_t n = x.shape(0), ferns = questions.ferns();
    require(out.shape(0) == ferns && out.shape(1) == n,
            "[fern_leaves] out must have shape (ferns, rows)");
    const FernKernels& kernels = *active().ferns;
    each_block(questions, n, threads, [&](std::size_t begin, std::size_t end, std::byte* scratch) {
        const std::size_t room = whole_blocks(end - begin);
        std::vector<std::uint16_t> found(ferns * room);
        questions.leaves(kernels, x.data() + begin * x.shape(1), x.shape(1), end - begin, scratch,
                         found.data(), room);
        for (std::size_t f = 0; f < ferns; ++f) {
            std::copy_n(found.data() + f * room, end - begin, out.data() + f * n + begin);
        }
    });
}

template <typename T, typename Leaf>
void votes(In<T, 2> x, const Columns& feature, const std::optional<Columns>& other,
           const Thresholds<T>& threshold, In<Leaf, 2> table, Out<FernSum<Leaf>, 2> out,
           std::size_t threads) {
    const auto questions = questions_of<T>(x.shape(1), feature, other, threshold);
    const std::size_t n = x.shape(0), ferns = questions.ferns(), width = table.shape(1);
    require(width == 1 || (width > 0 && width % kFernGroup == 0),
            "[fern_votes] a row of the table must have 1 number or whole sixteens");
    require(table.shape(0) == ferns << questions.depth(),
            "[fern_votes] the table must have a row for each leaf");
    require(out.shape(0) == n && out.shape(1) == width,
            "[fern_votes] out must have shape (rows, width of the table)");
    require(ferns <= std::size_t{1} << 24, "[fern_votes] at most 2^24 ferns");
    const FernKernels& kernels = *active().ferns;
    each_block(questions, n, threads, [&](std::size_t begin, std::size_t end, std::byte* scratch) {
        const std::size_t room = whole_blocks(end - begin);
        std::vector<std::uint16_t> found(ferns * room);
        questions.leaves(kernels, x.data() + begin * x.shape(1), x.shape(1), end - begin, scratch,
                         found.data(), room);
        FernSum<Leaf>* sums = out.data() + begin * width;
        std::fill_n(sums, (end - begin) * width, FernSum<Leaf>{0});
        add_votes(kernels, {found.data(), room, ferns, questions.depth(), end - begin, table.data(),
                            width, sums});
    });
}

template <typename T>
void bind_leaves(nb::module_& m) {
    m.def("fern_leaves", &leaves<T>, "x"_a.noconvert(), "feature"_a.noconvert(),
          "other"_a.noconvert().none(), "threshold"_a.noconvert().none(), "out"_a.noconvert(),
          "threads"_a);
}

template <typename T, typename Leaf>
void bind_votes(nb::module_& m) {
    m.def("fern_votes", &votes<T, Leaf>, "x"_a.noconvert(), "feature"_a.noconvert(),
          "other"_a.noconvert().none(), "threshold"_a.noconvert().none(), "table"_a.noconvert(),
          "out"_a.noconvert(), "threads"_a);
}

}  // namespace

void bind_ferns(nb::module_& m) {
    bind_leaves<std::uint8_t>(m);
    bind_leaves<float>(m);
    bind_votes<std::uint8_t, float>(m);
    bind_votes<std::uint8_t, std::int8_t>(m);
    bind_votes<float, float>(m);
    bind_votes<float, std::int8_t>(m);
}

}  // namespace bitgrove::bindings
