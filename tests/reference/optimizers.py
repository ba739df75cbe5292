#!/usr/bin/env python3
"""PyTorch's numbers for the optimizers and the schedules. Run by hand, with PyTorch 1.13:

    /usr/bin/python3 tests/reference/optimizers.py

Writes optimizers.json beside this file (read by tests/optim/pytorch_test.cpp) and the files of tests/fixtures
whose names end in _more.json (read by fixture_check). The same PyTorch and NumPy give the same files.
"""

import json
import math
import pathlib
import warnings

import numpy
import torch
import torch.optim.lr_scheduler as schedules

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 12
SHAPES = [[3], [2, 2]]
KEPT = [0, 1, 5, 11]  # the steps after which the parameters are written down
RATES = [0.1, 0.03]  # the learning rates of the two groups that every schedule moves

# NAdam keeps the product of its momenta in the default type, whatever the parameters' type.
torch.set_default_dtype(torch.float64)
warnings.simplefilter("ignore")

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    # The loop over single tensors does not compute the documented formula: see optim/nadam.hpp.
    "nadam": lambda groups, **options: torch.optim.NAdam(groups, foreach=True, **options),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}

# One dict for each group; with one group both parameters are in it.
OPTIMIZER_CASES = [
    ("sgd", [{"lr": 0.1}]),
    ("sgd", [{"lr": 0.1, "weight_decay": 0.05, "maximize": True}]),
    ("sgd", [{"lr": 0.1, "momentum": 0.9}]),
    ("sgd", [{"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.05}]),
    ("sgd", [{"lr": 0.1, "momentum": 0.8, "dampening": 1.0}]),
    ("sgd", [{"lr": 0.1, "momentum": 0.9, "nesterov": True}]),
    ("sgd", [{"lr": 0.1, "momentum": 0.7, "weight_decay": 0.1, "nesterov": True, "maximize": True}]),
    ("sgd", [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.02, "momentum": 0.0, "weight_decay": 0.1}]),
    ("adam", [{"lr": 0.05}]),
    ("adam", [{"lr": 0.05, "betas": [0.7, 0.9], "eps": 1e-3}]),
    ("adam", [{"lr": 0.05, "weight_decay": 0.1, "maximize": True}]),
    ("adam", [{"lr": 0.05, "betas": [0.8, 0.6], "amsgrad": True}]),
    ("adam", [{"lr": 0.05, "betas": [0.0, 0.0], "amsgrad": True, "weight_decay": 0.2, "maximize": True}]),
    ("adam", [{"lr": 0.05, "weight_decay": 0.1}, {"lr": 0.01, "betas": [0.5, 0.6], "amsgrad": True}]),
    ("adamw", [{"lr": 0.05}]),
    ("adamw", [{"lr": 0.05, "betas": [0.7, 0.9], "eps": 1e-4, "weight_decay": 0.5}]),
    ("adamw", [{"lr": 0.05, "betas": [0.8, 0.6], "weight_decay": 0.3, "amsgrad": True}]),
    ("adamw", [{"lr": 0.05, "weight_decay": 0.3, "amsgrad": True, "maximize": True}]),
    ("adamw", [{"lr": 0.05, "weight_decay": 0.0}, {"lr": 0.2, "weight_decay": 0.1}]),
    ("nadam", [{}]),
    ("nadam", [{"lr": 0.05, "betas": [0.7, 0.9], "eps": 1e-3, "weight_decay": 0.1}]),
    ("nadam", [{"lr": 0.05, "momentum_decay": 0.5}]),
    ("nadam", [{"lr": 0.05, "momentum_decay": 0.0}, {"lr": 0.01, "betas": [0.5, 0.6]}]),
    ("rmsprop", [{"lr": 0.02}]),
    ("rmsprop", [{"lr": 0.02, "alpha": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}]),
    ("rmsprop", [{"lr": 0.02, "momentum": 0.9}]),
    ("rmsprop", [{"lr": 0.02, "alpha": 0.8, "centered": True}]),
    ("rmsprop", [{"lr": 0.02, "alpha": 0.8, "centered": True, "momentum": 0.6, "weight_decay": 0.1}]),
    ("rmsprop", [{"lr": 0.02, "centered": True}, {"lr": 0.01, "momentum": 0.5}]),
    ("adagrad", [{"lr": 0.1}]),
    ("adagrad", [{"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.1}]),
    ("adagrad", [{"lr": 0.1, "initial_accumulator_value": 0.7, "eps": 1e-2, "maximize": True}]),
    ("adagrad", [{"lr": 0.1, "lr_decay": 0.1}, {"lr": 0.3, "weight_decay": 0.2}]),
    ("adadelta", [{}]),
    ("adadelta", [{"lr": 0.5, "rho": 0.6, "eps": 1e-3, "weight_decay": 0.1}]),
    ("adadelta", [{"lr": 0.7, "maximize": True}]),
    ("adadelta", [{"rho": 0.5}, {"lr": 0.3, "rho": 1.0}]),
]


def numbers(tensor):
    return tensor.detach().numpy().ravel().tolist()


def make_optimizer(kind, parameters, groups):
    if len(groups) == 1:
        return OPTIMIZERS[kind](parameters, **groups[0])
    # A group without an option has the optimizer's default; SGD has none for lr.
    needed = {"lr": 1.0} if kind == "sgd" else {}
    return OPTIMIZERS[kind]([{"params": [p], **g} for p, g in zip(parameters, groups)], **needed)


def optimizer_cases(start, gradients):
    cases = []
    for kind, groups in OPTIMIZER_CASES:
        parameters = [s.clone().requires_grad_() for s in start]
        optimizer = make_optimizer(kind, parameters, groups)
        after = []
        for step in range(STEPS):
            for p, g in zip(parameters, gradients[step]):
                p.grad = None if g is None else g.clone()
            optimizer.step()
            if step in KEPT:
                after.append([numbers(p) for p in parameters])
        cases.append({"optimizer": kind, "groups": groups, "after": after})
    return cases


# Name of the schedule and its options. A base below belongs to the optimizer: its group's learning rate.
SCHEDULE_CASES = [
    {"scheduler": "step", "step_size": 3},
    {"scheduler": "step", "step_size": 1, "gamma": 1.2},
    {"scheduler": "multistep", "milestones": [4, 9, 9, 12], "gamma": 0.5},
    {"scheduler": "multistep", "milestones": [8, 3]},
    {"scheduler": "constant"},
    {"scheduler": "constant", "factor": 0.2, "total_iters": 3},
    {"scheduler": "linear"},
    {"scheduler": "linear", "start_factor": 0.1, "end_factor": 0.7, "total_iters": 8},
    {"scheduler": "linear", "start_factor": 1.0, "end_factor": 0.25, "total_iters": 1},
    {"scheduler": "exponential", "gamma": 0.9},
    {"scheduler": "polynomial"},
    {"scheduler": "polynomial", "total_iters": 11, "power": 2.5},
    {"scheduler": "cosine", "T_max": 30},
    {"scheduler": "cosine", "T_max": 4, "eta_min": 0.01},
    {"scheduler": "cosine", "T_max": 1, "eta_min": 0.002},
    {"scheduler": "cosine_restarts", "T_0": 5},
    {"scheduler": "cosine_restarts", "T_0": 2, "T_mult": 2, "eta_min": 0.01},
    {"scheduler": "cosine_restarts", "T_0": 1, "T_mult": 3},
    {"scheduler": "onecycle", "total_steps": 16},
    {"scheduler": "onecycle", "epochs": 4, "steps_per_epoch": 5, "pct_start": 0.45, "anneal_strategy": "linear"},
    {"scheduler": "onecycle", "total_steps": 16, "pct_start": 0.4, "three_phase": True, "div_factor": 10.0,
     "final_div_factor": 100.0, "base_momentum": 0.7, "max_momentum": 0.9},
    {"scheduler": "onecycle", "total_steps": 21, "three_phase": True, "anneal_strategy": "linear"},
    {"scheduler": "onecycle", "total_steps": 16, "cycle_momentum": False},
    {"scheduler": "cyclic", "base_lr": 0.01, "step_size_up": 4},
    {"scheduler": "cyclic", "base_lr": 0.01, "step_size_up": 2, "step_size_down": 5, "mode": "triangular2",
     "base_momentum": 0.5, "max_momentum": 0.95},
    {"scheduler": "cyclic", "base_lr": 0.0, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9},
    {"scheduler": "cyclic", "base_lr": 0.02, "step_size_up": 3, "step_size_down": 1, "cycle_momentum": False},
    {"scheduler": "plateau"},
    {"scheduler": "plateau", "factor": 0.5, "patience": 1},
    {"scheduler": "plateau", "mode": "max", "factor": 0.3, "patience": 0, "threshold": 0.05},
    {"scheduler": "plateau", "factor": 0.5, "patience": 1, "threshold": 0.1, "threshold_mode": "abs", "cooldown": 2},
    {"scheduler": "plateau", "mode": "max", "factor": 0.5, "patience": 1, "threshold_mode": "abs", "cooldown": 1,
     "min_lr": 0.02},
    {"scheduler": "plateau", "factor": 0.5, "patience": 0, "eps": 0.012},
    {"scheduler": "chained", "schedulers": [{"scheduler": "constant", "factor": 0.3, "total_iters": 4},
                                            {"scheduler": "exponential", "gamma": 0.8}]},
    {"scheduler": "chained", "schedulers": [{"scheduler": "linear", "total_iters": 6},
                                            {"scheduler": "step", "step_size": 4, "gamma": 0.5},
                                            {"scheduler": "polynomial", "total_iters": 15, "power": 1.5}]},
    {"scheduler": "sequential", "milestones": [4],
     "schedulers": [{"scheduler": "linear", "start_factor": 0.1, "total_iters": 4},
                    {"scheduler": "cosine", "T_max": 10, "eta_min": 0.001}]},
    {"scheduler": "sequential", "milestones": [3, 9],
     "schedulers": [{"scheduler": "constant", "factor": 0.1, "total_iters": 20},
                    {"scheduler": "exponential", "gamma": 0.7},
                    {"scheduler": "multistep", "milestones": [2, 5]}]},
    {"scheduler": "sequential", "milestones": [5],
     "schedulers": [{"scheduler": "polynomial", "total_iters": 4}, {"scheduler": "cosine_restarts", "T_0": 3}]},
]

SCHEDULES = {
    "step": schedules.StepLR,
    "multistep": schedules.MultiStepLR,
    "constant": schedules.ConstantLR,
    "linear": schedules.LinearLR,
    "exponential": schedules.ExponentialLR,
    "polynomial": schedules.PolynomialLR,
    "cosine": schedules.CosineAnnealingLR,
    "cosine_restarts": schedules.CosineAnnealingWarmRestarts,
    "onecycle": schedules.OneCycleLR,
    "cyclic": schedules.CyclicLR,
    "plateau": schedules.ReduceLROnPlateau,
}


def make_schedule(case, optimizer, rates):
    """onecycle and cyclic have their largest rate from the group, the others the rate to start from."""
    options = {key: value for key, value in case.items() if key != "scheduler"}
    kind = case["scheduler"]
    if kind == "chained":
        return schedules.ChainedScheduler([make_schedule(s, optimizer, rates) for s in options["schedulers"]])
    if kind == "sequential":
        parts = [make_schedule(s, optimizer, rates) for s in options["schedulers"]]
        return schedules.SequentialLR(optimizer, parts, options["milestones"])
    if kind in ("onecycle", "cyclic"):
        options["max_lr"] = list(rates)
    return SCHEDULES[kind](optimizer, **options)


def run_schedule(case, rates, steps, metric):
    """The rates of every group, and the first group's momentum, with which each step is made."""
    parameters = [torch.zeros(1, requires_grad=True) for _ in rates]
    optimizer = torch.optim.SGD([{"params": [p], "lr": r} for p, r in zip(parameters, rates)], lr=1.0, momentum=0.5)
    schedule = make_schedule(case, optimizer, rates)
    lr, momentum = [[] for _ in rates], []
    for step in range(steps):
        for list_, group in zip(lr, optimizer.param_groups):
            list_.append(group["lr"])
        momentum.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if step + 1 < steps:
            schedule.step(*([metric[step]] if case["scheduler"] == "plateau" else []))
    cycles = case["scheduler"] in ("onecycle", "cyclic") and case.get("cycle_momentum", True)
    return lr, momentum if cycles else None


def schedule_cases(metric):
    cases = []
    for case in SCHEDULE_CASES:
        lr, momentum = run_schedule(case, RATES, 16, metric)
        cases.append({**case, "lr": lr, **({"momentum": momentum} if momentum else {})})
    return cases


def clip_cases(gradients):
    cases = []
    for norm_type in [2.0, 1.0, math.inf, 3.0, 0.5]:
        for share in [0.4, 1.5]:
            parameters = [torch.zeros_like(g).requires_grad_() for g in gradients]
            for p, g in zip(parameters, gradients):
                p.grad = g.clone()
            norm = torch.nn.utils.clip_grad_norm_(parameters, math.inf, norm_type).item()
            max_norm = share * norm
            torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite=True)
            cases.append({"norm_type": "inf" if norm_type == math.inf else norm_type, "max_norm": max_norm,
                          "norm": norm, "after": [numbers(p.grad) for p in parameters]})
    return cases


# --- fixtures ---------------------------------------------------------------------------------------------------

FIXTURE = {
    "schema": "rnn-oracle-fixture/1",
    "made_with": {"numpy": numpy.__version__, "torch": torch.__version__.split("+")[0], "dtype": "float64",
                  "array_order": "C (row-major), nested lists; shape [] is a scalar"},
    "tolerance": {"rule": "abs(got-want) <= atol + rtol*max(abs(want array))", "atol": 1e-12, "rtol": 1e-11},
}

# Name of the file, optimizer, its options, clipping.
TRAJECTORIES = [
    ("sgd_momentum_dampening", "sgd", {"lr": 0.1, "momentum": 0.8, "dampening": 0.4, "weight_decay": 0.01}, 0.3),
    ("sgd_maximize", "sgd", {"lr": 0.02, "maximize": True, "foreach": None, "differentiable": False}, 0),
    ("adam_amsgrad", "adam", {"lr": 0.03, "betas": [0.8, 0.7], "eps": 1e-6, "weight_decay": 0.02, "amsgrad": True,
                              "maximize": False, "foreach": False, "capturable": False, "fused": False}, None),
    ("adamw_amsgrad", "adamw", {"lr": 0.03, "betas": [0.8, 0.7], "weight_decay": 0.2, "amsgrad": True}, 0.4),
    ("nadam", "nadam", {"lr": 0.03, "betas": [0.8, 0.95], "weight_decay": 0.02, "momentum_decay": 0.01}, 0.4),
    ("rmsprop_centered_momentum", "rmsprop", {"lr": 0.01, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.02,
                                              "momentum": 0.7, "centered": True}, 0),
    ("adagrad_lr_decay", "adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.02, "eps": 1e-6,
                                     "initial_accumulator_value": 0.1}, 0.4),
    ("adadelta", "adadelta", {"lr": 0.8, "rho": 0.7, "eps": 1e-4, "weight_decay": 0.02}, 0.4),
]


def array(values):
    values = numpy.asarray(values.detach() if torch.is_tensor(values) else values, dtype=numpy.float64)
    return {"shape": list(values.shape), "dtype": "float64", "data": values.tolist()}


def trajectory(name, kind, hyper, max_norm, random):
    sizes = {"D": 2, "H": 2, "O": 1, "N": 3, "T": 4}
    draw = lambda *shape: torch.tensor(random.standard_normal(shape))
    x, target = draw(sizes["N"], sizes["T"], sizes["D"]), draw(sizes["N"], sizes["T"], sizes["O"])
    lstm = torch.nn.LSTM(sizes["D"], sizes["H"], batch_first=True)
    head = torch.nn.Linear(sizes["H"], sizes["O"])
    named = {prefix + "." + key: p for prefix, module in (("lstm", lstm), ("head", head))
             for key, p in module.named_parameters()}
    with torch.no_grad():
        for p in named.values():
            p.copy_(0.5 * draw(*p.shape))
    start = {key: array(p) for key, p in named.items()}
    options = {key: value for key, value in hyper.items() if not (kind == "nadam" and key == "foreach")}
    optimizer = OPTIMIZERS[kind](list(named.values()), **options)
    steps = 6
    losses, norms, after, grads = [], [], {key: [] for key in named}, {}
    for step in range(steps):
        optimizer.zero_grad()
        loss = ((head(lstm(x)[0]) - target) ** 2).mean()
        loss.backward()
        if step == 0:
            grads = {"first_step_unclipped/" + key: array(p.grad) for key, p in named.items()}
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(list(named.values()), max_norm or math.inf).item())
        optimizer.step()
        for key, p in named.items():
            after[key].append(p.detach().numpy().copy())
    return {
        **FIXTURE, "name": f"optim_{name}_more", "system": "optimizer_lstm_trajectory",
        "config": {"optimizer": kind, "hyper": hyper, "clip_max_norm": max_norm, "steps": steps, **sizes},
        "loss": "L = mean((y-target)^2) over all N*T*O entries, evaluated before the step",
        "inputs": {"x": array(x), "target": array(target)}, "params": start,
        "outputs": {"loss_before_step": array(losses), "grad_norm_before_clipping": array(norms),
                    **{"params_after_step/" + key: array(value) for key, value in after.items()}},
        "grads": grads,
    }


def schedule_fixture(metric):
    config, inputs, outputs = {}, {}, {}
    for index, case in enumerate(SCHEDULE_CASES):
        kind, rate = case["scheduler"], 0.1
        name = f"{kind}_{index}"
        config[name] = {**case, "max_lr" if kind in ("onecycle", "cyclic") else "lr0": rate}
        lr, momentum = run_schedule(case, [rate], 16, metric)
        outputs[name] = {"lr": array(lr[0]), **({"momentum": array(momentum)} if momentum else {})}
        if kind == "plateau":
            inputs[name] = {"metric": array(metric)}
    return {**FIXTURE, "name": "lr_schedules_more", "system": "lr_schedule", "config": config, "loss": "none",
            "inputs": inputs, "outputs": outputs}


def write(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(f"{path.relative_to(HERE.parent)}: {path.stat().st_size} bytes")


def main():
    random = numpy.random.RandomState(7)
    draw = lambda shape: torch.tensor(random.standard_normal(shape))
    start = [draw(shape) for shape in SHAPES]
    gradients = [[draw(shape) for shape in SHAPES] for _ in range(STEPS)]
    gradients[3][1] = None  # the second parameter has no gradient in the fourth step
    metric = [round(value, 2) for value in (1.0 + 0.1 * random.standard_normal(16)).tolist()]
    write(HERE / "optimizers.json", {
        "start": [numbers(s) for s in start], "shapes": SHAPES,
        "gradients": [[None if g is None else numbers(g) for g in step] for step in gradients],
        "kept_steps": KEPT, "optimizers": optimizer_cases(start, gradients),
        "rates": RATES, "metric": metric, "schedules": schedule_cases(metric), "clipping": clip_cases(gradients[0]),
    })
    fixtures = HERE.parent / "fixtures"
    for name, kind, hyper, max_norm in TRAJECTORIES:
        write(fixtures / f"optim_{name}_more.json", trajectory(name, kind, hyper, max_norm, random))
    write(fixtures / "lr_schedules_more.json", schedule_fixture(metric))


main()
