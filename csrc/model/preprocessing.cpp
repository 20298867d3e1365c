#include "preprocessing.hpp"

#include "values.hpp"

namespace bitgrove::model {
namespace {

constexpr std::int64_t side_limit = 4096;

std::vector<double> numbers_in(const json::Value& object, const char* name, std::size_t channels) {
    const auto* items = member_of(object, name).as<json::Array>();
    std::vector<double> numbers;
    for (const json::Value& item : items ? *items : json::Array()) {
        double number;
        if (is_number(item, number)) numbers.push_back(number);
    }
    if (!items || numbers.size() != channels || items->size() != channels) {
        throw std::invalid_argument(std::string(name) + " must hold a finite number per channel");
    }
    return numbers;
}

}  // namespace

Preprocessing::Preprocessing(const json::Value& value)
    : height(static_cast<std::size_t>(integer_in(value, "height", 1, side_limit))),
      width(static_cast<std::size_t>(integer_in(value, "width", 1, side_limit))),
      channels(static_cast<std::size_t>(integer_in(value, "channels", 1, 3))) {
    if (channels == 2) throw std::invalid_argument("channels must be 1 (grey) or 3 (RGB)");
    const auto mean = numbers_in(value, "mean", channels), std = numbers_in(value, "std", channels);
    for (std::size_t c = 0; c < channels; ++c) {
        if (std[c] < 1 / 1e30) throw std::invalid_argument("std must be above 0");
        scale.push_back(static_cast<float>(1 / (255 * std[c])));
        offset.push_back(static_cast<float>(-mean[c] / std[c]));
    }
}

void Preprocessing::normalise(const std::uint8_t* pixels, std::size_t n, float* out) const {
    const std::size_t size = height * width;
    for (std::size_t image = 0; image < n; ++image, pixels += size * channels) {
        for (std::size_t c = 0; c < channels; ++c) {
            for (std::size_t p = 0; p < size; ++p) {
                *out++ = static_cast<float>(pixels[p * channels + c]) * scale[c] + offset[c];
            }
        }
    }
}

}  // namespace bitgrove::model
