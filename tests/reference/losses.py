#!/usr/bin/env python3
"""Writes losses.json: values and gradients of PyTorch's losses in double, which losses_reference_test.cpp compares.

Run by hand where PyTorch is installed (Debian: python3-torch): /usr/bin/python3 tests/reference/losses.py
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(20)
cases = []


def number(v):
    return v if isinstance(v, int) or math.isfinite(v) else str(v)  # JSON knows neither nan nor inf


def array(tensor):
    return {"shape": list(tensor.shape), "data": [number(v) for v in tensor.detach().flatten().tolist()]}


def normal(*shape, scale=1.0):
    """Numbers of two decimals, so that the file stays small."""
    return (torch.randn(shape) * scale * 100).round() / 100


def uniform(*shape):
    return (torch.rand(shape) * 98 + 1).round() / 100


def add(name, loss, function, differentiable, fixed=None, **options):
    """function(leaves, fixed tensors) -> losses; gradients in every differentiable input."""
    leaves = {k: v.clone().requires_grad_() for k, v in differentiable.items()}
    value = function(leaves, fixed or {})
    upstream = normal(*value.shape) if value.dim() else torch.tensor(1.0)
    value.backward(upstream)
    inputs = {**differentiable, **(fixed or {})}
    cases.append({
        "name": name, "loss": loss, "options": options,
        "inputs": {k: array(v) for k, v in inputs.items()},
        "upstream": array(upstream)["data"], "value": array(value),
        "grads": {k: array(v.grad)["data"] for k, v in leaves.items()},
    })


def cross_entropy(name, logits, labels, **options):
    weights = options.get("class_weights")
    settings = {k: v for k, v in options.items() if k != "class_weights"}
    if weights:
        settings["weight"] = torch.tensor(weights)
    if labels.dtype == torch.int64:
        add(name, "cross_entropy", lambda d, f: F.cross_entropy(d["x"], f["labels"], **settings),
            {"x": logits}, {"labels": labels}, **options)
    else:
        add(name, "cross_entropy_probabilities", lambda d, f: F.cross_entropy(d["x"], d["target"], **settings),
            {"x": logits, "target": labels}, **options)


labels = torch.tensor([2, 0, -100, 1])
labels_t = torch.tensor([[0, 2, 1, 1], [2, 1, 0, 1]])
w = [0.5, 1.0, 2.5]
q = torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
for reduction in ("mean", "sum", "none"):
    cross_entropy("labels, " + reduction, normal(4, 3), labels, reduction=reduction, class_weights=w,
                  label_smoothing=0.1)
    cross_entropy("probabilities, " + reduction, normal(2, 3), q, reduction=reduction, class_weights=w,
                  label_smoothing=0.3)
cross_entropy("over time", normal(2, 3, 4), labels_t, class_weights=w, label_smoothing=0.2, ignore_index=1)
cross_entropy("probabilities over time", normal(2, 3, 2), torch.softmax(normal(2, 3, 2), 1).mul(100).round() / 100)
cross_entropy("large logits", torch.tensor([[1e4, -1e4, 0.0], [-1e4, 9999.0, 1e4]]), torch.tensor([1, 1]),
              label_smoothing=0.1)
cross_entropy("large logits, probabilities", torch.tensor([[1e4, -1e4, 0.0], [-1e4, 9999.0, 1e4]]), q)
cross_entropy("nothing counts", normal(2, 3), torch.tensor([-100, -100]), label_smoothing=0.1)
cross_entropy("nothing counts, sum", normal(2, 3), torch.tensor([-100, -100]), reduction="sum")
for reduction in ("mean", "none"):
    add("nll, " + reduction, "nll_loss",
        lambda d, f: F.nll_loss(d["x"], f["labels"], weight=torch.tensor(w), ignore_index=0, reduction=reduction),
        {"x": -uniform(2, 3, 4)}, {"labels": labels_t}, reduction=reduction, class_weights=w, ignore_index=0)

for reduction in ("mean", "sum", "none"):
    add("bce, " + reduction, "bce_with_logits",
        lambda d, f: F.binary_cross_entropy_with_logits(d["x"], d["target"], weight=f["weight"],
                                                        pos_weight=f["pos_weight"], reduction=reduction),
        {"x": normal(2, 3, scale=3.0), "target": uniform(2, 3)},
        {"weight": uniform(2, 1), "pos_weight": 3.0 * uniform(3)}, reduction=reduction)
add("bce, large logits", "bce_with_logits",
    lambda d, f: F.binary_cross_entropy_with_logits(d["x"], d["target"]),
    {"x": torch.tensor([1e4, -1e4, 1e4, -1e4]), "target": torch.tensor([0.0, 1.0, 1.0, 0.25])})

for reduction, log_target in (("mean", True), ("sum", False), ("none", True), ("none", False), ("batchmean", True)):
    target = -uniform(2, 3) if log_target else uniform(2, 3)
    add(f"kl, {reduction}, {log_target}", "kl_div_loss",
        lambda d, f: F.kl_div(d["x"], d["target"], reduction=reduction, log_target=log_target),
        {"x": -3.0 * uniform(2, 3), "target": target}, reduction=reduction, log_target=log_target)
add("kl, zero targets", "kl_div_loss", lambda d, f: F.kl_div(d["x"], f["target"], reduction="sum"),
    {"x": -uniform(2, 3)}, {"target": q}, reduction="sum")

for reduction, margin in (("mean", -0.5), ("sum", 0.0), ("none", 0.1)):
    add(f"cosine, {reduction}, {margin}", "cosine_embedding_loss",
        lambda d, f: F.cosine_embedding_loss(d["x"], d["x2"], f["labels"], margin=margin, reduction=reduction),
        {"x": normal(3, 2), "x2": normal(3, 2)}, {"labels": torch.tensor([1, -1, -1])}, reduction=reduction,
        margin=margin)

for loss, function, options in (("mse_loss", F.mse_loss, {}), ("l1_loss", F.l1_loss, {}),
                                ("huber_loss", F.huber_loss, {"delta": 0.6}),
                                ("smooth_l1_loss", F.smooth_l1_loss, {"beta": 0.6})):
    reduction = "mean" if loss == "mse_loss" else "none"
    add(loss, loss, lambda d, f: function(d["x"], d["target"], reduction=reduction, **options),
        {"x": normal(2, 3), "target": normal(2, 3)}, reduction=reduction, **options)


def ctc(name, shape, targets, input_lengths, target_lengths, **options):
    # Through log_softmax, since only there PyTorch's gradient is the derivative of the loss.
    add(name, "ctc_loss",
        lambda d, f: F.ctc_loss(d["x"].log_softmax(2), f["targets"], torch.tensor(input_lengths),
                                torch.tensor(target_lengths), **options),
        {"x": normal(*shape)}, {"targets": targets}, input_lengths=input_lengths, target_lengths=target_lengths,
        **options)


padded = torch.tensor([[1, 3, 0], [2, 2, 3], [0, 0, 0]])
for reduction in ("mean", "sum", "none"):
    ctc("ctc, " + reduction, (6, 3, 4), padded, [4, 6, 5], [2, 3, 0], reduction=reduction)
ctc("ctc, blank 2, end to end", (4, 2, 3), torch.tensor([0, 1, 1, 0]), [4, 3], [3, 1], blank=2)
ctc("ctc, impossible", (3, 2, 3), torch.tensor([[1, 1], [1, 2]]), [2, 3], [2, 2], reduction="none")
ctc("ctc, impossible but zero", (3, 2, 3), torch.tensor([[1, 1], [1, 2]]), [2, 3], [2, 2], zero_infinity=True)

path = pathlib.Path(__file__).with_suffix(".json")
made_with = json.dumps(f"PyTorch {torch.__version__}, double precision")
lines = ",\n".join(json.dumps(case) for case in cases)  # one case per line
path.write_text('{"made_with": ' + made_with + ', "cases": [\n' + lines + "\n]}\n")
print(f"{len(cases)} cases, {path.stat().st_size} bytes")
