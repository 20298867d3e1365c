// From pixels to the numbers that a network expects.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../files/json.hpp"

namespace bitgrove::model {

struct Preprocessing {
    // Throws std::invalid_argument unless `value` is the table that FORMAT.md describes.
    explicit Preprocessing(const json::Value& value);

    // Standardises n pictures uint8[n][height][width][channels] to float32[n][channels][height]
    // [width]: (pixel / 255 - mean) / std, as pixel * scale + offset in float32.
    void normalise(const std::uint8_t* pixels, std::size_t n, float* out) const;

    std::size_t height, width, channels;
    std::vector<float> scale, offset;  // of each channel
};

}  // namespace bitgrove::model
