#include "plan.hpp"

#include <algorithm>
#include <tuple>

#include "bit_pool.hpp"
#include "fern_conv.hpp"
#include "max_pool.hpp"
#include "memory_plan.hpp"
#include "pointwise.hpp"
#include "rearrange.hpp"
#include "sign.hpp"

namespace bitgrove::runtime {
namespace {

constexpr std::size_t nowhere = ~std::size_t{0};
constexpr std::size_t image = nowhere - 1;  // the input of a stage that reads it as it came

// Rows that are made while they are read: so many that making them together pays.
constexpr std::size_t cached_bytes = 256 * 1024;

template <typename T>
const T* as(const Op* op) {
    return dynamic_cast<const T*>(op);
}

bool reads(const Stage& stage, std::size_t value) {
    return std::ranges::count(stage.inputs, value) ||
           std::ranges::any_of(stage.actions, [&](const Action& action) {
               return std::ranges::count(action.others, value) != 0;
           });
}

}  // namespace

Plan::Plan(const Value& input, std::vector<Node> nodes, const std::vector<std::size_t>& outputs)
    : nodes_(std::move(nodes)) {
    layouts.push_back({input, {}});
    for (const Node& node : nodes_) layouts.push_back({node.op->result, {}});
    is_output_.assign(layouts.size(), false);
    for (const std::size_t output : outputs) is_output_[output] = true;
    drop_unused(outputs);
    pool_bits();
    ask_ferns();
    give_borders();
    make_stages();
    stream_rows();
    let_steps_move();
    lay_out(outputs);
    // The image itself has no layout here; its view is the last.
    for (Stage& stage : stages) {
        for (Stage* each = &stage; each; each = each->source.get()) {
            const bool loads = as<LoadPlanes>(each->producer) != nullptr;
            if (loads || each->inputs == std::vector<std::size_t>{image}) {
                each->inputs = {layouts.size()};
            }
        }
    }
}

void Plan::prepare(const Kernels& kernels) {
    // The weights belong to the operators, which plan and network share.
    for (const Node& node : nodes_) {
        std::vector<Layout> inputs;
        for (const std::size_t input : node.inputs) inputs.push_back(layouts[input]);
        node.op->prepare(kernels, inputs);
    }
}

template <typename T, typename... Args>
T* Plan::own(Args&&... args) {
    auto op = std::make_unique<T>(std::forward<Args>(args)...);
    T* made = op.get();
    owned_.push_back(std::move(op));
    return made;
}

std::size_t Plan::new_value(const Value& value) {
    layouts.push_back({value, {}});
    is_output_.push_back(false);
    return layouts.size() - 1;
}

std::vector<std::size_t> Plan::readers(std::size_t value) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (std::ranges::count(nodes_[i].inputs, value)) found.push_back(i);
    }
    return found;
}

// Operators whose results nobody reads.
void Plan::drop_unused(const std::vector<std::size_t>& outputs) {
    std::vector<bool> used(layouts.size(), false);
    for (const std::size_t output : outputs) used[output] = true;
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
        if (!used[node->value]) continue;
        for (const std::size_t input : node->inputs) used[input] = true;
    }
    std::erase_if(nodes_, [&](const Node& node) { return !used[node.value]; });
}

// The sign of a maximum is the maximum of signs: bits are pooled instead of numbers.
void Plan::pool_bits() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto* sign = as<Sign>(nodes_[i].op);
        if (!sign) continue;
        const std::size_t pooled = nodes_[i].inputs[0];
        const auto made = std::ranges::find(nodes_, pooled, &Node::value);
        if (made == nodes_.end() || is_output_[pooled] || readers(pooled).size() != 1) continue;
        const auto* pool = as<MaxPool>(made->op);
        if (!pool) continue;
        const std::size_t real = made->inputs[0];
        auto* early = own<Sign>(layouts[real].value, sign->result.groups, sign->threshold(),
                                std::vector<std::uint64_t>());
        const std::size_t bits = new_value(early->result);
        made->op = early;
        made->value = bits;
        nodes_[i].op = own<BitPool>(early->result, pool->window(), sign->flip());
        nodes_[i].inputs = {bits};
    }
}

// Ferns read the answers to their tests: those of the image as it came, of the sums of other ferns
// that nobody else reads, or of tiles.
void Plan::ask_ferns() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto* reader = as<FernConv>(nodes_[i].op);
        if (!reader) continue;
        const std::size_t from = nodes_[i].inputs[0], number = nodes_[i].number;
        const std::size_t answers = new_value(reader->questions().value());
        nodes_[i].inputs = {answers};
        const auto made = std::ranges::find(nodes_, from, &Node::value);
        const auto* source = made == nodes_.end() ? nullptr : as<FernConv>(made->op);
        if (source && !is_output_[from] && readers(from).empty()) {
            made->op = own<FernChain>(*source, *reader);
            made->value = answers;
            continue;
        }
        Op* asked = from == 0 ? static_cast<Op*>(own<FernImageTests>(*reader))
                              : own<FernTileTests>(*reader);
        nodes_.insert(nodes_.begin() + static_cast<std::ptrdiff_t>(i),
                      {asked, {from}, answers, number});
        ++i;
    }
}

// Every value gets the border that its readers need; a reader that needs another gets a copy.
void Plan::give_borders() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const Border wanted = nodes_[i].op->border();
        if (wanted.empty()) continue;
        const std::size_t from = nodes_[i].inputs[0];
        Layout& layout = layouts[from];
        const bool bits = layout.value.kind == Kind::bits;
        const int pad = bits && wanted.pad == 0 ? -1 : wanted.pad;
        if (layout.border.empty()) layout.border.pad = pad;
        if (layout.border.pad == pad) {
            for (int axis : {0, 1, 2}) {
                Border& border = layout.border;
                border.before[axis] = std::max(border.before[axis], wanted.before[axis]);
                border.after[axis] = std::max(border.after[axis], wanted.after[axis]);
            }
            continue;
        }
        const Value value = layout.value;
        Op* copy = bits ? static_cast<Op*>(own<CopyBits>(value)) : own<Load>(value);
        const std::size_t to = new_value(value);
        layouts[to].border = wanted;
        layouts[to].border.pad = pad;
        nodes_[i].inputs[0] = to;
        const std::size_t number = nodes_[i].number;
        nodes_.insert(nodes_.begin() + static_cast<std::ptrdiff_t>(i), {copy, {from}, to, number});
        ++i;
    }
}

void Plan::make_stages() {
    stored.assign(layouts.size(), false);
    for (std::size_t v = 0; v < layouts.size(); ++v) stored[v] = is_output_[v];
    // Where each value is born: its stage, and whether that stage's tiles still are it.
    std::vector<std::size_t> stage_of(layouts.size(), nowhere), tail;
    std::vector<bool> is_real_stage;

    const auto begin = [&](const Node& node) {
        Stage stage;
        stage.inputs = node.inputs;
        stage.nodes = {node.number};
        for (const std::size_t input : node.inputs) stored[input] = true;
        stage_of[node.value] = stages.size();
        tail.push_back(node.value);
        stages.push_back(std::move(stage));
        return stages.size() - 1;
    };
    // Marks, in the order of a stage's actions, where a value is complete; resolved at the end.
    const auto mark = [&](std::size_t stage, std::size_t value) {
        stages[stage].actions.push_back({Action::Kind::store, nullptr, {}, value});
    };
    const auto begin_tiles = [&](const Producer* producer, const Node& node) {
        const std::size_t at = begin(node);
        stages[at].producer = producer;
        if (!producer->scale.empty() || !producer->bias.empty()) {
            const Floats scale(producer->scale), bias(producer->bias);
            const auto* affine = own<Affine>(producer->result, scale, bias);
            stages[at].actions.push_back({Action::Kind::step, affine, {}, 0});
        }
        mark(at, node.value);
        return at;
    };
    // A stage that does nothing but read a stored value; that, and the value that its tiles are.
    const auto load = [&](std::size_t from, std::size_t number) {
        const Node node{nullptr, {from}, new_value(layouts[from].value), number};
        stage_of.push_back(nowhere);
        stored.push_back(false);
        const std::size_t at = begin_tiles(own<Load>(layouts[from].value), node);
        stages[at].nodes.clear();
        return std::pair(at, node.value);
    };
    const auto follow = [&](std::size_t stage, const Node& node, std::size_t chained) {
        const auto* step = as<Step>(node.op);
        std::vector<std::size_t> others;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (i == chained) continue;
            others.push_back(node.inputs[i]);
            stored[node.inputs[i]] = true;
        }
        stages[stage].actions.push_back({Action::Kind::step, step, std::move(others), 0});
        stages[stage].nodes.push_back(node.number);
        mark(stage, node.value);
        tail[stage] = node.value;
        stage_of[node.value] = stage;
    };

    begin_tiles(own<LoadPlanes>(layouts[0].value), {nullptr, {}, 0, nowhere});
    stages[0].nodes.clear();
    const auto first_readers = readers(0);
    for (Node& node : nodes_) {
        if (auto* producer = dynamic_cast<Producer*>(node.op)) {
            const std::size_t at = begin_tiles(producer, node);
            // The only reader of the image may take it as it came.
            const bool alone = node.inputs == std::vector<std::size_t>{0} &&
                               first_readers.size() == 1 && !is_output_[0];
            if (alone && producer->take_planes()) {
                stages[at].inputs = {image};
                stored[0] = false;
            }
        } else if (const auto* bit_op = as<BitOp>(node.op)) {
            const bool image_stored = stored[0];
            const std::size_t at = begin(node);
            if (as<FernImageTests>(bit_op)) {
                stages[at].inputs = {image};
                stored[0] = image_stored;
            }
            stages[at].bit_op = bit_op;
            stages[at].bits_out = node.value;
            stored[node.value] = true;
        } else if (const auto* packer = as<Packer>(node.op)) {
            // Right after the value is complete; but groups that are no whole words are packed of
            // all channels at once, so from the stored value where tiles may have some of them
            // only.
            std::size_t from = node.inputs[0], at = stage_of[from];
            if (packer->result.groups != 1 && stages[at].producer->splits_channels()) {
                std::tie(at, from) = load(from, node.number);
            }
            auto& actions = stages[at].actions;
            const auto born = std::ranges::find_if(actions, [&](const Action& action) {
                return action.kind == Action::Kind::store && action.value == from;
            });
            actions.insert(born + 1, {Action::Kind::pack, packer, {}, node.value});
            stages[at].nodes.push_back(node.number);
            stored[node.value] = true;
            stage_of[node.value] = at;
        } else {
            // A step goes on with the tiles of the stage that made one of its inputs, if these are
            // still that, and if all its other inputs are there by then.
            const auto* step = as<Step>(node.op);
            std::size_t best = nowhere, chained = 0;
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                if (i > 0 && !step->commutes()) break;
                const std::size_t at = stage_of[node.inputs[i]];
                bool ready = tail[at] == node.inputs[i] && !stages[at].bit_op;
                for (std::size_t j = 0; j < node.inputs.size(); ++j) {
                    if (j != i) ready = ready && stage_of[node.inputs[j]] <= at;
                }
                if (ready && (best == nowhere || at > best)) {
                    best = at;
                    chained = i;
                }
            }
            if (best == nowhere) best = load(node.inputs[0], node.number).first;
            follow(best, node, chained);
        }
    }
    for (Stage& stage : stages) {
        std::erase_if(stage.actions, [&](const Action& action) {
            return action.kind == Action::Kind::store && !stored[action.value];
        });
        // An affine and the sum after it become one step.
        auto& actions = stage.actions;
        for (std::size_t i = 0; i + 1 < actions.size(); ++i) {
            const auto* first = as<Affine>(actions[i].op);
            const auto* second = as<Step>(actions[i + 1].op);
            if (actions[i].others.empty() && first && second && is_add(*second)) {
                actions[i].others = actions[i + 1].others;
                actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            }
        }
    }
    if (stages[0].actions.empty()) stages.erase(stages.begin());  // the image is not stored
}

// A value that only one producer reads, row by row, need not be stored: its rows are made when they
// are wanted.
void Plan::stream_rows() {
    for (std::size_t s = 0; s < stages.size(); ++s) {
        Stage& stage = stages[s];
        if (!stage.producer || stage.inputs.size() != 1) continue;
        const std::size_t rows = stage.producer->window_rows(), value = stage.inputs[0];
        if (rows == 0 || value == image || is_output_[value] || !layouts[value].border.empty() ||
            readers(value).size() != 1) {
            continue;
        }
        const auto made = std::ranges::find_if(stages, [&](const Stage& other) {
            return !other.actions.empty() && other.actions.back().kind == Action::Kind::store &&
                   other.actions.back().value == value;
        });
        if (made == stages.end() || made->source || !made->producer->makes_single_rows() ||
            made->inputs.size() != 1 || made->shape().d != 1 || stage.shape().d != 1) {
            continue;
        }
        const bool keeps_more = std::ranges::any_of(made->actions, [&](const Action& action) {
            return action.kind != Action::Kind::step && action.value != value;
        });
        if (keeps_more) continue;
        made->actions.pop_back();
        stored[value] = false;
        const std::size_t cached = cached_bytes / (layouts[value].row_bytes());
        stage.ring_rows = std::min(std::max(rows, cached), layouts[value].value.shape.h);
        stage.nodes.insert(stage.nodes.begin(), made->nodes.begin(), made->nodes.end());
        stage.source = std::make_unique<Stage>(std::move(*made));
        stages.erase(made);
        --s;
    }
}

// A step may write where its tile is stored, unless a step after it would then work in place there.
void Plan::let_steps_move() {
    for (Stage& stage : stages) {
        for (Stage* each = &stage; each; each = each->source.get()) {
            auto& actions = each->actions;
            bool unchanged = true;  // whatever is stored by the steps from here on
            for (std::size_t i = actions.size(); i-- > 0;) {
                if (actions[i].kind != Action::Kind::step) continue;
                const bool stored =
                    i + 1 < actions.size() && actions[i + 1].kind == Action::Kind::store;
                actions[i].moves = stored && unchanged && as<Step>(actions[i].op)->moves();
                unchanged = actions[i].moves;
            }
        }
    }
}

// The value that a stage adds and that nobody reads afterwards: the result may take its place, as
// every tile is read before it is written, and nothing else of the stage reads it. 0 if there is
// none.
template <typename F>
std::size_t Plan::replaced(const Stage& stage, F dies_here) const {
    if (!stage.producer || !stage.direct_value()) return 0;
    const Layout& result = layouts[stage.direct_value()];
    if (std::ranges::count_if(stage.actions, [](const Action& action) {
            return action.kind == Action::Kind::store;
        }) != 1) {
        return 0;
    }
    for (const Action& action : stage.actions) {
        for (const std::size_t other : action.others) {
            const bool only = !std::ranges::count(stage.inputs, other) &&
                              !(stage.source && reads(*stage.source, other));
            if (only && other != 0 && dies_here(other) && layouts[other] == result) return other;
        }
    }
    return 0;
}

void Plan::lay_out(const std::vector<std::size_t>& outputs) {
    std::vector<std::size_t> born(layouts.size(), 0), dies(layouts.size(), 0);
    const auto uses = [&](const Stage& stage, std::size_t at, auto&& self) -> void {
        for (const std::size_t input : stage.inputs) {
            if (input != image) dies[input] = at;
        }
        if (stage.bit_op) born[stage.bits_out] = dies[stage.bits_out] = at;
        for (const Action& action : stage.actions) {
            for (const std::size_t other : action.others) dies[other] = at;
            if (action.kind != Action::Kind::step) born[action.value] = dies[action.value] = at;
        }
        if (stage.source) self(*stage.source, at, self);
    };
    for (std::size_t s = 0; s < stages.size(); ++s) uses(stages[s], s, uses);
    for (const std::size_t output : outputs) dies[output] = stages.size();

    offsets.assign(layouts.size(), 0);
    MemoryPlan plan;
    for (std::size_t s = 0; s < stages.size(); ++s) {
        const std::size_t summed = replaced(stages[s], [&](std::size_t v) { return dies[v] == s; });
        for (std::size_t v = 0; v < layouts.size(); ++v) {
            if (!stored[v] || born[v] != s) continue;
            const bool replaces = summed && v == stages[s].direct_value();
            offsets[v] = replaces ? offsets[summed] : plan.take(layouts[v]);
        }
        if (summed) {
            dies[summed] = nowhere;  // its place lives on
            stages[s].in_place = true;
        }
        for (std::size_t v = 0; v < layouts.size(); ++v) {
            if (stored[v] && dies[v] == s) plan.give_back(offsets[v], layouts[v]);
        }
    }
    for (std::size_t v = 0; v < layouts.size(); ++v) {
        if (!layouts[v].border.empty()) offsets[v] += plan.plain_bytes();
    }
    arena_bytes = plan.bytes();
}

}  // namespace bitgrove::runtime
