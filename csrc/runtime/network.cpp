#include "network.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>

#include "crew.hpp"

namespace bitgrove::runtime {
namespace {

void to_planes(const Layout& layout, const View& from, float* out) {
    const Value& value = layout.value;
    const Shape& shape = value.shape;
    const std::size_t pixels = shape.pixels(), channels = shape.c / value.groups;
    for (std::size_t p = 0; p < pixels; ++p) {
        const Triple o = place(p, shape);
        const std::byte* pixel = from.at(distance(o[0]), distance(o[1]), distance(o[2]));
        const auto* reals = reinterpret_cast<const float*>(pixel);
        const auto* words = reinterpret_cast<const std::uint64_t*>(pixel);
        for (std::size_t c = 0; c < shape.c; ++c) {
            float number;
            if (value.kind == Kind::real) {
                number = reals[c];
            } else {
                const std::size_t inner = c % channels;
                const std::size_t word = c / channels * value.words_per_group() + inner / 64;
                number = words[word] >> (inner % 64) & 1 ? 1.0f : -1.0f;
            }
            out[c * pixels + p] = number;
        }
    }
}

// The bits of a border of +1 in each word of a pixel.
std::uint64_t ones(const Value& value, std::size_t word) {
    const std::size_t left = value.shape.c / value.groups - word % value.words_per_group() * 64;
    return left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
}

// Fills a whole value, its border included, with what belongs into the border.
void fill_border(const Layout& layout, std::byte* memory) {
    const Value& value = layout.value;
    if (value.kind == Kind::real) {
        std::fill_n(reinterpret_cast<float*>(memory), layout.bytes() / sizeof(float),
                    static_cast<float>(layout.border.pad));
        return;
    }
    auto* words = reinterpret_cast<std::uint64_t*>(memory);
    const std::size_t per_pixel = value.words_per_pixel();
    for (std::size_t i = 0; i < layout.bytes() / sizeof(std::uint64_t); ++i) {
        words[i] = layout.border.pad > 0 ? ones(value, i % per_pixel) : 0;
    }
}

// How a stage is cut for several workers: parts of its rows, or of its channels.
struct Cut {
    std::size_t parts;
    bool channels;

    Cut(const Stage& stage, std::size_t workers) : parts(1), channels(false) {
        if (workers == 1) return;
        const std::size_t rows = stage.rows(), blocks = stage.shape().c / 64;
        if (rows < 4 * workers && stage.splits_channels() && blocks >= workers) {
            channels = true;
            parts = std::min(blocks, 2 * workers);
        } else {
            parts = std::min(rows, 2 * workers);
        }
    }

    Part part(const Stage& stage, std::size_t i) const {
        const std::size_t c = stage.shape().c, rows = stage.rows();
        if (!channels) return {i * rows / parts, (i + 1) * rows / parts, 0, c};
        const std::size_t blocks = c / 64;
        return {0, rows, i * blocks / parts * 64,
                i + 1 == parts ? c : (i + 1) * blocks / parts * 64};
    }
};

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace

// The memory of one run.
struct Network::Workspace {
    Workspace(const Plan& plan, std::size_t scratch_bytes, std::size_t workers)
        : workers(workers),
          scratch_bytes(scratch_bytes),
          arena(allocate(plan.arena_bytes)),
          scratch(allocate(workers * scratch_bytes)),
          next(new std::atomic<std::size_t>[plan.stages.size() * workers]),
          arrived(workers, 0.0),
          meeting(workers) {
        for (std::size_t v = 0; v < plan.layouts.size(); ++v) {
            if (!plan.stored[v]) {
                views.emplace_back();
                continue;
            }
            std::byte* memory = arena.get() + plan.offsets[v];
            views.emplace_back(memory, plan.layouts[v]);
            if (!plan.layouts[v].border.empty()) fill_border(plan.layouts[v], memory);
        }
        views.emplace_back();
    }

    std::size_t workers, scratch_bytes;
    Aligned arena, scratch;
    std::vector<View> views;                           // of every value; the last one is the image
    std::unique_ptr<std::atomic<std::size_t>[]> next;  // of each stage, of each worker's parts
    std::vector<double> arrived;  // when each worker was done with a stage, if that is timed
    Meeting meeting;
};

Network::Network(const Shape& input) {
    values_.push_back({Kind::real, input});
    check(values_.front());
}

Network::~Network() = default;

const Value& Network::value(std::size_t number) const {
    require(number < values_.size(), "there is no value " + std::to_string(number) + " yet");
    return values_[number];
}

std::size_t Network::add(OpPtr op, std::vector<std::size_t> inputs) {
    require(!plan_, "the network is finished");
    check(op->result);
    values_.push_back(op->result);
    steps_.push_back({std::move(op), std::move(inputs)});
    return values_.size() - 1;
}

void Network::check(const Value& value) const {
    const Shape& s = value.shape;
    require(s.d >= 1 && s.h >= 1 && s.w >= 1 && s.c >= 1, "a value must not be empty");
    require(s.d <= max_side && s.h <= max_side && s.w <= max_side && s.c <= max_channels,
            "a value of " + std::to_string(s.d) + " x " + std::to_string(s.h) + " x " +
                std::to_string(s.w) + " x " + std::to_string(s.c) + " is past the limits");
    // Three sides of at most 2^16 fit in 64 bits, and so do 2^30 pixels of at most 2^24 channels.
    constexpr std::size_t limit = max_arena_bytes / sizeof(float);
    require(s.pixels() <= limit && s.size() <= limit,
            "a value of " + std::to_string(s.pixels()) + " pixels with " + std::to_string(s.c) +
                " channels would need more than " + std::to_string(max_arena_bytes) + " bytes");
}

// With its border, which may be much larger than the value.
void Network::check(const Layout& layout) const {
    // Sides of at most 2^16 before, within and after: their product fits in 64 bits, and so does
    // that of 2^32 pixels and the bytes of one.
    const std::size_t pixels = layout.side(0) * layout.side(1) * layout.side(2);
    require(pixels <= max_arena_bytes && pixels * layout.pixel_bytes() <= max_arena_bytes,
            "a value of " + std::to_string(pixels) +
                " pixels with the border around it would need more than " +
                std::to_string(max_arena_bytes) + " bytes");
}

void Network::require_finished() const {
    require(plan_ != nullptr, "the network is not finished");
}

const char* Network::level() const {
    require_finished();
    return kernels_->name;
}

std::size_t Network::arena_bytes() const {
    return plan_ ? plan_->arena_bytes + scratch_bytes_ : 0;
}

void Network::finish(std::vector<std::size_t> outputs) {
    // Operators give their weights away while they are prepared, so a failure ends it too.
    require(!kernels_, "finish() can be called once");
    for (std::size_t output : outputs) value(output);
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        nodes.push_back({steps_[i].op.get(), steps_[i].inputs, i + 1, i});
    }
    auto plan = std::make_unique<Plan>(values_[0], std::move(nodes), outputs);
    for (const Layout& layout : plan->layouts) check(layout);
    kernels_ = &active();
    plan->prepare(*kernels_);
    std::size_t scratch = 0;
    for (const Stage& stage : plan->stages) scratch = std::max(scratch, stage.scratch_bytes());
    require(plan->arena_bytes <= max_arena_bytes && scratch <= max_arena_bytes,
            "the network would need " + std::to_string(plan->arena_bytes) + " bytes to run");
    outputs_ = std::move(outputs);
    scratch_bytes_ = scratch;
    plan_ = std::move(plan);
}

Network::WorkspacePtr Network::borrow(std::size_t workers) const {
    {
        const std::lock_guard lock(guard_);
        for (WorkspacePtr& space : free_) {
            if (space->workers != workers) continue;
            WorkspacePtr taken = std::move(space);
            space = std::move(free_.back());
            free_.pop_back();
            return taken;
        }
    }
    return std::make_unique<Workspace>(*plan_, scratch_bytes_, workers);
}

void Network::give_back(WorkspacePtr workspace) const {
    const std::lock_guard lock(guard_);
    free_.push_back(std::move(workspace));
}

void Network::begin_image(Workspace& space, const float* x) const {
    View image;
    image.origin = reinterpret_cast<std::byte*>(const_cast<float*>(x));
    space.views.back() = image;
    for (std::size_t i = 0; i < plan_->stages.size() * space.workers; ++i) {
        space.next[i].store(0, std::memory_order_relaxed);
    }
}

void Network::run_image(Workspace& space, std::size_t worker, bool is_timed,
                        double* seconds) const {
    std::byte* scratch = space.scratch.get() + worker * space.scratch_bytes;
    double before = seconds ? now() : 0;
    for (std::size_t s = 0; s < plan_->stages.size(); ++s) {
        const Stage& stage = plan_->stages[s];
        const Cut cut(stage, space.workers);
        // First its own parts, the same rows in every stage, which it finds in its own cache; then
        // what others have not begun.
        for (std::size_t w = 0; w < space.workers; ++w) {
            const std::size_t owner = (worker + w) % space.workers;
            const std::size_t first = owner * cut.parts / space.workers;
            const std::size_t last = (owner + 1) * cut.parts / space.workers;
            std::atomic<std::size_t>& next = space.next[s * space.workers + owner];
            for (std::size_t i;
                 (i = first + next.fetch_add(1, std::memory_order_relaxed)) < last;) {
                stage.run(*kernels_, space.views, cut.part(stage, i), scratch);
            }
        }
        if (is_timed) space.arrived[worker] = now();
        if (space.workers > 1) space.meeting.wait();
        if (seconds) {
            const double after = *std::ranges::max_element(space.arrived);
            seconds[s] = std::min(seconds[s], after - before);
            before = after;
        }
        // Nobody writes the next time of arrival before this one is read.
        if (is_timed && space.workers > 1) space.meeting.wait();
    }
}

void Network::copy_outputs(const Workspace& space, std::size_t image,
                           std::span<float* const> outs) const {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
        const Layout& layout = plan_->layouts[outputs_[i]];
        to_planes(layout, space.views[outputs_[i]], outs[i] + image * layout.value.shape.size());
    }
}

void Network::run(const float* x, std::size_t n, std::span<float* const> outs,
                  std::size_t threads) const {
    require_finished();
    const std::size_t size = values_[0].shape.size();
    const Crew crew(threads);
    const std::size_t workers = crew.workers();
    if (n < workers || workers == 1) {
        WorkspacePtr space = borrow(workers);
        for (std::size_t i = 0; i < n; ++i) {
            begin_image(*space, x + i * size);
            crew.run([&](std::size_t worker) { run_image(*space, worker, false, nullptr); });
            copy_outputs(*space, i, outs);
        }
        give_back(std::move(space));
        return;
    }
    std::vector<WorkspacePtr> spaces;
    for (std::size_t w = 0; w < workers; ++w) spaces.push_back(borrow(1));
    std::atomic<std::size_t> next{0};
    crew.run([&](std::size_t worker) {
        Workspace& space = *spaces[worker];
        for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) {
            begin_image(space, x + i * size);
            run_image(space, 0, false, nullptr);
            copy_outputs(space, i, outs);
        }
    });
    for (WorkspacePtr& space : spaces) give_back(std::move(space));
}

std::vector<StageProfile> Network::profile(const float* x, std::size_t repeats,
                                           std::size_t threads) const {
    require_finished();
    std::vector<double> seconds(plan_->stages.size(), std::numeric_limits<double>::infinity());
    const Crew crew(threads);
    WorkspacePtr space = borrow(crew.workers());
    for (std::size_t i = 0; i < repeats; ++i) {
        begin_image(*space, x);
        crew.run([&](std::size_t worker) {
            run_image(*space, worker, true, worker == 0 ? seconds.data() : nullptr);
        });
    }
    give_back(std::move(space));
    std::vector<StageProfile> profiles;
    for (std::size_t s = 0; s < plan_->stages.size(); ++s) {
        const Stage& stage = plan_->stages[s];
        profiles.push_back(
            {stage.nodes, seconds[s], stage.work(), stage.bytes_moved(plan_->layouts)});
    }
    return profiles;
}

}  // namespace bitgrove::runtime
