// Distances between rows, as keys, with the kernels of the active SIMD level.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../../dispatch/table.hpp"
#include "../key.hpp"
#include "format.hpp"

namespace bitgrove::graph {

class Space {
  public:
    explicit Space(const Format& format)
        : kernels_(&active().distance),
          metric_(format.metric),
          dtype_(format.dtype),
          count_(format.dtype == Dtype::bits ? format.row_bytes : format.dim) {}

    // The metric in which the graph is built: squared l2, or Hamming.
    Key between(const std::uint8_t* a, const std::uint8_t* b) const {
        switch (dtype_) {
            case Dtype::f32:
                return key_of_distance(kernels_->l2_f32(as<float>(a), as<float>(b), count_));
            case Dtype::f16:
                return key_of_distance(
                    kernels_->l2_f16(as<std::uint16_t>(a), as<std::uint16_t>(b), count_));
            case Dtype::u8:
                return kernels_->l2_u8(a, b, count_);
            case Dtype::bits:
                break;
        }
        return kernels_->hamming(a, b, count_);
    }

    // How near a row is to a query: `between`, but for ip the product itself.
    Key toward(const std::uint8_t* query, const std::uint8_t* row) const {
        if (metric_ != Metric::ip) return between(query, row);
        switch (dtype_) {
            case Dtype::f32:
                return key_of_score(kernels_->ip_f32(as<float>(query), as<float>(row), count_));
            case Dtype::f16:
                return key_of_score(
                    kernels_->ip_f16(as<std::uint16_t>(query), as<std::uint16_t>(row), count_));
            default:
                return ~kernels_->ip_u8(query, row, count_);
        }
    }

    // The float that a key of `between` stands for, before any scaling to users' units.
    float squared(Key key) const {
        return dtype_ == Dtype::u8 || dtype_ == Dtype::bits ? static_cast<float>(key)
                                                            : distance_of_key(key);
    }

    // What users see for a key of `toward`. On unit vectors |a - b|^2 = 2 - 2 cos.
    float reported(Key key) const {
        if (metric_ == Metric::ip) {
            return dtype_ == Dtype::u8 ? static_cast<float>(~key) : score_of_key(key);
        }
        return metric_ == Metric::cosine ? 1.0f - squared(key) / 2.0f : squared(key);
    }

    // Whether users see it within the radius.
    bool within(Key key, float radius) const {
        const bool larger_is_nearer = metric_ == Metric::ip || metric_ == Metric::cosine;
        return larger_is_nearer ? reported(key) >= radius : reported(key) <= radius;
    }

    // What fills the places of rows that do not exist.
    float nowhere() const {
        const float far = std::numeric_limits<float>::infinity();
        return metric_ == Metric::ip || metric_ == Metric::cosine ? -far : far;
    }

  private:
    template <typename T>
    static const T* as(const std::uint8_t* x) {
        return reinterpret_cast<const T*>(x);
    }

    const DistanceKernels* kernels_;
    Metric metric_;
    Dtype dtype_;
    std::size_t count_;
};

}  // namespace bitgrove::graph
