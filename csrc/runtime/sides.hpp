// A network as it is seen from outside: values have as many sides as the input, (c, l), (c, h, w)
// or (c, d, h, w); inside always three, the missing ones being 1.
#pragma once
#include <algorithm>
#include <string>

#include "network.hpp"

namespace bitgrove::runtime {

using Sides = std::vector<std::size_t>;

struct SidedNetwork : Network {
    SidedNetwork(std::size_t channels, const Sides& sides)
        : Network(input(channels, sides)), axes(sides.size()) {}

    static Shape input(std::size_t channels, const Sides& sides) {
        require(sides.size() >= 1 && sides.size() <= 3, "an input has 1, 2 or 3 sides");
        Sides all(3 - sides.size(), 1);
        all.insert(all.end(), sides.begin(), sides.end());
        return {all[0], all[1], all[2], channels};
    }

    // The last three numbers of a list of `axes`, the missing ones being `fill`.
    template <typename T>
    std::array<T, 3> triple(const std::vector<T>& numbers, T fill) const {
        require(numbers.size() == axes, "a list must have " + std::to_string(axes) + " numbers");
        std::array<T, 3> all{fill, fill, fill};
        std::copy(numbers.begin(), numbers.end(), all.end() - static_cast<std::ptrdiff_t>(axes));
        return all;
    }

    Triple triple(const char* name, const Sides& numbers, std::size_t fill,
                  std::size_t least) const {
        const Triple all = triple(numbers, fill);
        for (std::size_t n : all) {
            require(n >= least && n <= max_side,
                    std::string(name) + " must be in " + std::to_string(least) + " to 65536");
        }
        return all;
    }

    Window window(const Sides& kernel, const Sides& stride, const Sides& padding) const {
        return {triple("kernel", kernel, 1, 1), triple("stride", stride, 1, 1),
                triple("padding", padding, 0, 0)};
    }

    Window window(const Sides& kernel, const Sides& stride, const Sides& padding,
                  const Sides& dilation) const {
        Window all = window(kernel, stride, padding);
        all.dilation = triple("dilation", dilation, 1, 1);
        return all;
    }

    // The window of a convolution, whose kernel is the shape of weight[out][kernel...][in].
    Window window_of_weight(const Sides& weight, const Sides& stride, const Sides& padding,
                            const Sides& dilation) const {
        require(weight.size() == axes + 2,
                "weight must have " + std::to_string(axes + 2) + " dimensions");
        Window all = window(Sides(weight.begin() + 1, weight.end() - 1), stride, padding);
        all.dilation = triple("dilation", dilation, 1, 1);
        return all;
    }

    // Ferns with a table of this shape: [groups][ferns][2^depth][out / groups].
    std::size_t add_ferns(std::size_t in, FernTensors tensors, const Sides& table,
                          const Window& window) {
        require(table.size() == 4, "table must have 4 dimensions");
        const std::size_t rows = table[2];
        require(rows >= 2 && rows <= 256 && (rows & (rows - 1)) == 0,
                "table must have a power of two of rows to a fern, 2 to 256");
        for (tensors.depth = 0; std::size_t{1} << tensors.depth < rows;) ++tensors.depth;
        require(table[0] <= max_channels && table[3] <= max_channels,
                "table has more channels than a value may");
        require(tensors.place.size() == table[0] * table[1] * tensors.depth,
                "place must have one number for each test of the ferns that table has");
        return add(make_fern_conv(value(in), tensors, table[0] * table[3], window, table[0]), {in});
    }

    // The shape of a map[sides...][channels].
    Shape shape_of_map(const Sides& map) const {
        require(map.size() == axes + 1,
                "map must have " + std::to_string(axes + 1) + " dimensions");
        return input(map.back(), Sides(map.begin(), map.end() - 1));
    }

    // Channels and sides as they are outside.
    Sides outside(std::size_t number) const {
        const Shape& s = value(number).shape;
        const Sides all{s.d, s.h, s.w};
        Sides out{s.c};
        out.insert(out.end(), all.end() - static_cast<std::ptrdiff_t>(axes), all.end());
        return out;
    }

    const std::size_t axes;
};

}  // namespace bitgrove::runtime
