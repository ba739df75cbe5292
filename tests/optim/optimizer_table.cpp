// One row per optimizer and set of options: its numbers from PyTorch 1.13, a scalar reference written from
// the published formula, and what holds for all of them.
#include "tests/optim/optimizer_table.hpp"

#include <cmath>

namespace optimizer_table {
namespace {

template <template <class> class O, class Options>
Row row(const char* name, Options options, std::array<double, 3> pytorch,
        std::function<Reference()> reference) {
  return {name, [=](const auto& p) { return std::make_unique<O<double>>(p, options); },
          [=](const auto& p) { return std::make_unique<O<float>>(p, options); }, pytorch, reference};
}

std::function<Reference()> sgd(SgdOptions o) {
  return [o]() -> Reference {
    return [o, b = 0.0, first = true](double p, double g) mutable {
      g = (o.maximize ? -g : g) + o.weight_decay * p;
      if (o.momentum == 0.0) return p - o.lr * g;
      b = first ? g : o.momentum * b + (1.0 - o.dampening) * g;
      first = false;
      return p - o.lr * (o.nesterov ? g + o.momentum * b : b);
    };
  };
}

struct AdamLike {
  double lr, beta1, beta2, eps, l2, decoupled;
  bool amsgrad;
  bool maximize = false;
};
std::function<Reference()> adam(AdamLike o) {
  return [o]() -> Reference {
    return [o, m = 0.0, v = 0.0, largest = 0.0, t = 0](double p, double g) mutable {
      ++t;
      p -= o.lr * o.decoupled * p;
      g = (o.maximize ? -g : g) + o.l2 * p;
      m = o.beta1 * m + (1.0 - o.beta1) * g;
      v = o.beta2 * v + (1.0 - o.beta2) * g * g;
      largest = std::max(largest, v);
      const double m_hat = m / (1.0 - std::pow(o.beta1, t));
      const double v_hat = (o.amsgrad ? largest : v) / (1.0 - std::pow(o.beta2, t));
      return p - o.lr * m_hat / (std::sqrt(v_hat) + o.eps);
    };
  };
}

std::function<Reference()> rmsprop(RmsPropOptions o) {
  return [o]() -> Reference {
    return [o, v = 0.0, mean = 0.0, b = 0.0](double p, double g) mutable {
      g = (o.maximize ? -g : g) + o.weight_decay * p;
      v = o.alpha * v + (1.0 - o.alpha) * g * g;
      mean = o.alpha * mean + (1.0 - o.alpha) * g;
      const double u = g / (std::sqrt(o.centered ? v - mean * mean : v) + o.eps);
      b = o.momentum * b + u;
      return p - o.lr * b;  // momentum 0: b is u
    };
  };
}

std::function<Reference()> adagrad(AdagradOptions o) {
  return [o]() -> Reference {
    return [o, s = o.initial_accumulator_value, t = 0](double p, double g) mutable {
      g = (o.maximize ? -g : g) + o.weight_decay * p;
      s += g * g;
      return p - o.lr / (1.0 + t++ * o.lr_decay) * g / (std::sqrt(s) + o.eps);
    };
  };
}

std::function<Reference()> nadam(NAdamOptions o) {
  return [o]() -> Reference {
    return [o, m = 0.0, v = 0.0, product = 1.0, t = 0](double p, double g) mutable {
      ++t;
      g += o.weight_decay * p;
      const auto mu = [o](int step) {
        return o.beta1 * (1.0 - std::pow(0.96, step * o.momentum_decay) / 2.0);
      };
      product *= mu(t);
      m = o.beta1 * m + (1.0 - o.beta1) * g;
      v = o.beta2 * v + (1.0 - o.beta2) * g * g;
      const double m_hat = mu(t + 1) * m / (1.0 - product * mu(t + 1)) + (1.0 - mu(t)) * g / (1.0 - product);
      return p - o.lr * m_hat / (std::sqrt(v / (1.0 - std::pow(o.beta2, t))) + o.eps);
    };
  };
}

std::function<Reference()> adadelta(AdadeltaOptions o) {
  return [o]() -> Reference {
    return [o, v = 0.0, a = 0.0](double p, double g) mutable {
      g = (o.maximize ? -g : g) + o.weight_decay * p;
      v = o.rho * v + (1.0 - o.rho) * g * g;
      const double change = std::sqrt((a + o.eps) / (v + o.eps)) * g;
      a = o.rho * a + (1.0 - o.rho) * change * change;
      return p - o.lr * change;
    };
  };
}

}  // namespace

// The expected numbers are PyTorch's for p = (0.5, -1.2, 2.0) and the gradients cos(1.3 t + 0.7 i) (1 + i) of
// element i in steps t = 1..6.
const std::vector<Row>& rows() {
  const SgdOptions decay{.lr = 0.1, .weight_decay = 0.05};
  const SgdOptions damped{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05};
  const SgdOptions nesterov{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true};
  const AdamOptions adam_l2{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.05};
  const AdamOptions ams{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.6, .weight_decay = 0.05, .amsgrad = true};
  const AdamWOptions adamw_ams{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.6, .weight_decay = 0.3, .amsgrad = true};
  const RmsPropOptions rms_momentum{
      .lr = 0.1, .alpha = 0.9, .eps = 1e-3, .weight_decay = 0.05, .momentum = 0.7};
  const RmsPropOptions centered{.lr = 0.1, .alpha = 0.9, .centered = true};
  const RmsPropOptions centered_momentum{
      .lr = 0.1, .alpha = 0.9, .weight_decay = 0.05, .momentum = 0.7, .centered = true};
  const AdagradOptions adagrad_all{
      .lr = 0.1, .lr_decay = 0.2, .weight_decay = 0.05, .initial_accumulator_value = 0.5, .eps = 1e-3};
  const SgdOptions sgd_up{.lr = 0.01, .momentum = 0.5, .weight_decay = 0.05, .maximize = true};
  const AdamOptions adam_up{
      .lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.05, .maximize = true};
  const RmsPropOptions rms_up{.lr = 0.1, .alpha = 0.9, .centered = true, .maximize = true};
  const NAdamOptions nadam_all{
      .lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.05, .momentum_decay = 0.2};
  const AdadeltaOptions adadelta_all{
      .lr = 0.5, .rho = 0.6, .eps = 1e-3, .weight_decay = 0.05, .maximize = true};
  static const std::vector<Row> table{
      row<Sgd>("Sgd", SgdOptions{.lr = 0.1}, {0.48162625113534496, -1.0836077418400814, 2.3221863745360047},
               sgd({.lr = 0.1})),
      row<Sgd>("Sgd, weight decay", decay, {0.46564580795616173, -1.0519112843093135, 2.2575825734497545},
               sgd(decay)),
      row<Sgd>("Sgd, momentum, dampening", damped,
               {0.5363720134709029, -0.5520798888448473, 2.948843783129519}, sgd(damped)),
      row<Sgd>("Sgd, Nesterov", nesterov, {0.5587101684863965, -0.4038754963703968, 2.9798526643938565},
               sgd(nesterov)),
      row<Sgd>("Sgd, maximize", sgd_up, {0.49596714358944527, -1.2140613495560442, 1.948518479566858},
               sgd(sgd_up)),
      row<Adam>("Adam", AdamOptions{.lr = 0.1}, {0.528918116653442, -0.9186313144439678, 2.243776811582307},
                adam({0.1, 0.9, 0.999, 1e-8, 0.0, 0.0, false})),
      row<Adam>("Adam, weight decay", adam_l2, {0.5005721252180084, -0.9349881450957025, 2.1966865754915887},
                adam({0.1, 0.8, 0.95, 1e-3, 0.05, 0.0, false})),
      row<Adam>("Adam, amsgrad", ams, {0.498228240252706, -0.9532497837695515, 2.205188549060887},
                adam({0.1, 0.8, 0.6, 1e-8, 0.05, 0.0, true})),
      row<Adam>("Adam, maximize", adam_up, {0.46868665112148855, -1.4348835990171875, 1.7686328595413232},
                adam({0.1, 0.8, 0.95, 1e-3, 0.05, 0.0, false, true})),
      row<AdamW>("AdamW", AdamWOptions{.lr = 0.1},
                 {0.5259568258669564, -0.9125738960858915, 2.2308248195699814},
                 adam({0.1, 0.9, 0.999, 1e-8, 0.0, 0.01, false})),
      row<AdamW>("AdamW, amsgrad", adamw_ams, {0.42809175432610447, -0.7944749771088019, 1.8611745538188265},
                 adam({0.1, 0.8, 0.6, 1e-8, 0.0, 0.3, true})),
      row<AdamW>("AdamW, maximize", AdamWOptions{.lr = 0.1, .maximize = true},
                 {0.4680581541480377, -1.4730620559500935, 1.7452351004899949},
                 adam({0.1, 0.9, 0.999, 1e-8, 0.0, 0.01, false, true})),
      row<NAdam>("NAdam", NAdamOptions{.lr = 0.1},
                 {0.4422339495040153, -1.048108469061189, 2.138283529819372}, nadam({.lr = 0.1})),
      row<NAdam>("NAdam, all options", nadam_all,
                 {0.42894525462871064, -1.0282395740266141, 2.1282765516761506}, nadam(nadam_all)),
      row<RmsProp>("RmsProp", RmsPropOptions{.lr = 0.1},
                   {0.051095381141184754, 0.14070641871134587, 3.093362266477699}, rmsprop({.lr = 0.1})),
      row<RmsProp>("RmsProp, momentum", rms_momentum,
                   {0.2520610266414702, 0.05331634377147774, 2.7472799524669096}, rmsprop(rms_momentum)),
      row<RmsProp>("RmsProp, centered", centered,
                   {0.3447917964969108, -0.7338534777074098, 2.386500034513824}, rmsprop(centered)),
      row<RmsProp>("RmsProp, centered, momentum", centered_momentum,
                   {0.24435710249016018, 0.18890609122322782, 2.8455426453033894},
                   rmsprop(centered_momentum)),
      row<RmsProp>("RmsProp, maximize", rms_up, {0.6552082035030893, -1.66614652229259, 1.613499965486176},
                   rmsprop(rms_up)),
      row<Adagrad>("Adagrad", AdagradOptions{.lr = 0.1},
                   {0.4556359970665534, -1.065741373361066, 2.109188181506069}, adagrad({.lr = 0.1})),
      row<Adagrad>("Adagrad, all options", adagrad_all,
                   {0.5045506853630292, -1.0806011137448734, 2.096780886075678}, adagrad(adagrad_all)),
      row<Adagrad>("Adagrad, maximize", AdagradOptions{.lr = 0.1, .maximize = true},
                   {0.5443640029334466, -1.3342586266389342, 1.8908118184939309},
                   adagrad({.lr = 0.1, .maximize = true})),
      row<Adadelta>("Adadelta", AdadeltaOptions{},
                    {0.4969818300825765, -1.1960662131827842, 2.003732377446505}, adadelta({})),
      row<Adadelta>("Adadelta, all options", adadelta_all,
                    {0.5236975772930325, -1.2295665774846887, 1.967775290039464}, adadelta(adadelta_all))};
  return table;
}

}  // namespace optimizer_table
