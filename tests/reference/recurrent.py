#!/usr/bin/env python3
"""Values and gradients of PyTorch's recurrent layers, and of GRUs that PyTorch lacks. By hand, with PyTorch 1.13:

    /usr/bin/python3 tests/reference/recurrent.py                      the files nn_*_more.json of tests/fixtures
    /usr/bin/python3 tests/reference/recurrent.py FOLDER COUNT SEED    COUNT random cases of all kinds into FOLDER

Tanh and ReLU RNN, LSTM and the usual GRU are torch.nn.RNN, LSTM and GRU, run as anybody would run them, lengths by
pack_padded_sequence. A GRU that resets before the matrix product, or whose z is the share of the new state, is the loop
`gru` below, differentiated by autograd. That loop can be torch.nn.GRU too, and is compared with it wherever it can.
The same PyTorch and NumPy give the same files.
"""

import json
import pathlib
import random
import sys

import numpy
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)

HERE = pathlib.Path(__file__).resolve().parent
MODULES = {
    "rnn_tanh": lambda **options: torch.nn.RNN(nonlinearity="tanh", **options),
    "rnn_relu": lambda **options: torch.nn.RNN(nonlinearity="relu", **options),
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}

# What a case is unless it says otherwise; the keys are those of a file's config, and bias.
USUAL = {
    "kind": "gru", "input_size": 3, "hidden_size": 3, "num_layers": 1, "bidirectional": False, "proj_size": 0,
    "batch": 2, "T": 4, "reset": "n/a", "zconv": "n/a", "lengths": None, "initial_state_given": True,
    "batch_first": True, "bias": True,
}
AFTER, BEFORE, BEFORE_UPDATE, AFTER_UPDATE = (
    {"kind": "gru", "reset": reset, "zconv": zconv}
    for reset, zconv in (("after", "keep"), ("before", "keep"), ("before", "update"), ("after", "update")))
LONG = {"T": 200, "hidden_size": 2, "input_size": 1, "batch": 1}
DEEP = {"num_layers": 3, "bidirectional": True, "batch": 3, "hidden_size": 2, "input_size": 2, "lengths": [2, 4, 1]}
SINGLE = {"hidden_size": 1, "batch": 1, "T": 3}
TIME_FIRST = {"batch_first": False, "T": 3}
FRESH = {"initial_state_given": False}

CASES = {
    "nn_rnn_tanh_3layer_bidir_varlen": {"kind": "rnn_tanh", **DEEP},
    "nn_rnn_tanh_long": {"kind": "rnn_tanh", **LONG},
    "nn_rnn_tanh_lengths_of_one": {"kind": "rnn_tanh", "bidirectional": True, "batch": 3, "lengths": [1, 1, 1],
                                   "num_layers": 2, "T": 3, **FRESH},
    "nn_rnn_relu_3layer_time_first": {"kind": "rnn_relu", "num_layers": 3, **TIME_FIRST},
    "nn_rnn_relu_single_no_bias": {"kind": "rnn_relu", "bias": False, **SINGLE},
    "nn_rnn_relu_2layer_bidir_varlen": {"kind": "rnn_relu", "num_layers": 2, "bidirectional": True, "batch": 4,
                                        "hidden_size": 2, "lengths": [3, 1, 4, 3], "T": 5, **FRESH},
    "nn_lstm_3layer_bidir_varlen": {"kind": "lstm", **DEEP},
    "nn_lstm_long": {"kind": "lstm", "bidirectional": True, **LONG},
    "nn_lstm_one_step": {"kind": "lstm", "batch_first": False, "T": 1, "bidirectional": True},
    "nn_lstm_equal_lengths": {"kind": "lstm", "bidirectional": True, "batch": 3, "hidden_size": 2, "lengths": [3, 3, 3],
                              **FRESH},
    "nn_lstm_no_bias": {"kind": "lstm", "bias": False, "num_layers": 2, "hidden_size": 2, **TIME_FIRST, **FRESH},
    "nn_lstm_proj_2layer_bidir_varlen": {"kind": "lstm", "num_layers": 2, "bidirectional": True, "hidden_size": 3,
                                         "proj_size": 2, "batch": 3, "lengths": [1, 4, 2], "input_size": 2},
    "nn_lstm_proj_single": {"kind": "lstm", **SINGLE, "hidden_size": 2, "proj_size": 1, "bias": False, **FRESH},
    "nn_gru_after_3layer_bidir_varlen": {**AFTER, **DEEP},
    "nn_gru_after_long": {**AFTER, **LONG},
    "nn_gru_after_single_one_step": {**AFTER, **SINGLE, "T": 1, **FRESH},
    "nn_gru_after_2layer_update": {**AFTER_UPDATE, "num_layers": 2, **TIME_FIRST},
    "nn_gru_before_3layer_bidir_varlen": {**BEFORE, **DEEP},
    "nn_gru_before_2layer_bidir_update": {**BEFORE_UPDATE, "num_layers": 2, "bidirectional": True, "lengths": [1, 3],
                                          "hidden_size": 2, **TIME_FIRST},
    "nn_gru_before_long": {**BEFORE, **LONG},
    "nn_gru_before_single_update": {**BEFORE_UPDATE, **SINGLE},
    "nn_gru_before_no_bias": {**BEFORE, "bias": False, "num_layers": 2, "hidden_size": 2, **FRESH},
}


# --- the reference for GRUs that PyTorch lacks ----------------------------------------------------------------------

def gru_step(x, h, w_ih, w_hh, b_ih, b_hh, reset, zconv):
    """x (N,D), h (N,H) -> the next h. Gate rows r, z, n, as in torch.nn.GRU."""
    w_ir, w_iz, w_in = w_ih.chunk(3)
    w_hr, w_hz, w_hn = w_hh.chunk(3)
    b_ir, b_iz, b_in = b_ih.chunk(3)
    b_hr, b_hz, b_hn = b_hh.chunk(3)
    r = torch.sigmoid(x @ w_ir.T + b_ir + h @ w_hr.T + b_hr)
    z = torch.sigmoid(x @ w_iz.T + b_iz + h @ w_hz.T + b_hz)
    if reset == "before":
        n = torch.tanh(x @ w_in.T + b_in + (r * h) @ w_hn.T + b_hn)
    else:
        n = torch.tanh(x @ w_in.T + b_in + r * (h @ w_hn.T + b_hn))
    return (1 - z) * n + z * h if zconv == "keep" else (1 - z) * h + z * n


def gru(case, params, x, h0):
    """All layers, directions and steps: x (N,T,D) -> output (N,T,directions*H), hn."""
    batch, steps = x.shape[:2]
    lengths = torch.tensor(case["lengths"] or [steps] * batch)
    zero_bias = torch.zeros(3 * case["hidden_size"])
    last_states = []
    for layer in range(case["num_layers"]):
        directions = []
        for suffix in ["", "_reverse"][:1 + case["bidirectional"]]:
            tag = f"_l{layer}{suffix}"
            weights = [params[f"{name}{tag}"] for name in ("weight_ih", "weight_hh")]
            biases = [params.get(f"{name}{tag}", zero_bias) for name in ("bias_ih", "bias_hh")]
            h = h0[len(last_states)]
            outputs = [None] * steps
            # Past the end of a sequence its state stays and its output is 0, so that the reverse direction starts
            # from the initial state at the sequence's own last step.
            for t in range(steps) if suffix == "" else reversed(range(steps)):
                within = (t < lengths)[:, None]
                h = torch.where(within, gru_step(x[:, t], h, *weights, *biases, case["reset"], case["zconv"]), h)
                outputs[t] = torch.where(within, h, torch.zeros_like(h))
            last_states.append(h)
            directions.append(torch.stack(outputs, 1))
        x = torch.cat(directions, 2)
    return x, torch.stack(last_states)


# --- PyTorch's layers -----------------------------------------------------------------------------------------------

def pytorch(case, module, x, states):
    """x as the case lays it out -> {output, hn, cn of an LSTM}."""
    states = None if states is None else tuple(states.values()) if case["kind"] == "lstm" else states["h0"]
    if case["lengths"] is None:
        output, last = module(x, states)
    else:
        packed = pack_padded_sequence(x, case["lengths"], batch_first=case["batch_first"], enforce_sorted=False)
        output, last = module(packed, states)
        output, _ = pad_packed_sequence(output, batch_first=case["batch_first"], total_length=case["T"])
    return {"output": output, **(dict(zip(("hn", "cn"), last)) if case["kind"] == "lstm" else {"hn": last})}


def own_gru(case, module, x, states):
    """The same by the loop above."""
    h0 = states["h0"] if states else torch.zeros(case["num_layers"] * (1 + case["bidirectional"]), case["batch"],
                                                 case["hidden_size"])
    rows = x if case["batch_first"] else x.transpose(0, 1)
    output, hn = gru(case, dict(module.named_parameters()), rows, h0)
    return {"output": output if case["batch_first"] else output.transpose(0, 1), "hn": hn}


def differentiate(case, run, module, x, states, cotangents):
    """The outputs, the loss, and its gradients in every parameter, the input and the initial states."""
    leaves = {**dict(module.named_parameters()), "x": x, **(states or {})}
    outputs = run(case, module, x, states)
    loss = sum((cotangents[name] * value).sum() for name, value in outputs.items())
    # A parameter that the loss does not depend on has gradient 0.
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    grads = {name: torch.zeros_like(leaf) if g is None else g for (name, leaf), g in zip(leaves.items(), found)}
    return {**outputs, "loss": loss}, grads


# --- files ----------------------------------------------------------------------------------------------------------

FORMULAE = {
    "rnn": "h' = phi(W_ih x + b_ih + W_hh h + b_hh), phi = tanh or relu (slope 0 at 0)",
    "lstm": "rows i, f, g, o; c' = f c + i g; m = o tanh(c'); h' = m, or W_hr m with proj_size",
    "after": "rows r, z, n; n = tanh(W_in x + b_in + r (W_hn h + b_hn))",
    "before": "rows r, z, n; n = tanh(W_in x + b_in + W_hn (r h) + b_hn)",
    "keep": "h' = (1-z) n + z h",
    "update": "h' = (1-z) h + z n",
}


def array(values):
    values = values.detach().numpy() if torch.is_tensor(values) else numpy.asarray(values)
    dtype = "int64" if values.dtype.kind == "i" else "float64"
    return {"shape": list(values.shape), "dtype": dtype, "data": values.tolist()}


def arrays(tensors):
    return {name: array(value) for name, value in tensors.items()}


def fixture(name, case, draw):
    """A file's content; draw(*shape) gives random numbers."""
    case = {**USUAL, **case}
    lstm, directions = case["kind"] == "lstm", 1 + case["bidirectional"]
    options = {key: case[key] for key in ("input_size", "hidden_size", "num_layers", "bidirectional", "batch_first",
                                          "bias")}
    module = MODULES[case["kind"]](**options, **({"proj_size": case["proj_size"]} if lstm else {}))
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw(*p.shape) / p.shape[-1] ** 0.5)  # so that neither states nor gradients grow with the steps
    time_first = lambda *shape: shape if case["batch_first"] else (shape[1], shape[0], shape[2])
    out = case["proj_size"] or case["hidden_size"]
    state_shapes = {part: (case["num_layers"] * directions, case["batch"], size)
                    for part, size in [("h", out)] + ([("c", case["hidden_size"])] if lstm else [])}
    x = draw(*time_first(case["batch"], case["T"], case["input_size"])).requires_grad_()
    states = {part + "0": draw(*shape).requires_grad_() for part, shape in state_shapes.items()}
    states = states if case["initial_state_given"] else None
    cotangents = {"output": draw(*time_first(case["batch"], case["T"], directions * out)),
                  **{part + "n": draw(*shape) for part, shape in state_shapes.items()}}

    known_to_pytorch = case["kind"] != "gru" or (case["reset"], case["zconv"]) == ("after", "keep")
    given = (module, x, states, cotangents)
    outputs, grads = differentiate(case, pytorch if known_to_pytorch else own_gru, *given)
    if case["kind"] == "gru" and known_to_pytorch:  # the loop must be PyTorch's layer where it can be
        for want, got in zip((outputs, grads), differentiate(case, own_gru, *given)):
            for key, value in want.items():
                assert torch.allclose(value, got[key], rtol=0, atol=1e-13 * (1 + value.abs().max().item())), key

    variant = [case["reset"], case["zconv"]] if case["kind"] == "gru" else ["lstm" if lstm else "rnn"]
    padded = [] if case["lengths"] is None else [
        "output past a sequence's length is 0; hn and cn are the states after its own last step, where the reverse "
        "direction starts"]
    x_layout = "(N,T,D)" if case["batch_first"] else "(T,N,D)"
    config = {key: value for key, value in case.items() if key != "bias"}  # without biases there are no such arrays
    return {
        "schema": "rnn-oracle-fixture/1", "name": name,
        "system": "nn_" + case["kind"] + ("_" + case["reset"] if case["kind"] == "gru" else ""),
        "made_with": {"numpy": numpy.__version__, "torch": torch.__version__.split("+")[0], "dtype": "float64",
                      "array_order": "C (row-major), nested lists; shape [] is a scalar"},
        "tolerance": {"rule": "abs(got-want) <= atol + rtol*max(abs(want array))", "atol": 1e-12, "rtol": 1e-11},
        "note": ("torch.nn" if known_to_pytorch else "the loop gru()") + " in tests/reference/recurrent.py",
        "config": config,
        "layout": {"x": x_layout, "output": x_layout + ", D = directions*(proj_size or hidden_size)",
                   "h0, hn": "(num_layers*directions,N,proj_size or hidden_size)",
                   "c0, cn": "(num_layers*directions,N,hidden_size)", "params": "torch.nn's names and shapes"},
        "formulae": [FORMULAE[key] for key in variant] + padded,
        "loss": "L = " + " + ".join(f"sum(cotangents.{key}*{key})" for key in cotangents),
        "inputs": arrays({"x": x, **(states or {}),
                          **({} if case["lengths"] is None else {"lengths": case["lengths"]})}),
        "params": arrays(dict(module.named_parameters())), "cotangents": arrays(cotangents),
        "outputs": arrays(outputs), "grads": arrays(grads),
    }


def random_case(choose):
    """Any combination of kind, sizes, layers, directions, lengths, projection, states, layout and biases."""
    case = {**choose.choice([{"kind": "rnn_tanh"}, {"kind": "rnn_relu"}, {"kind": "lstm"}, {"kind": "lstm"}, AFTER,
                             BEFORE, BEFORE_UPDATE, AFTER_UPDATE]),
            "input_size": choose.randint(1, 6), "hidden_size": choose.choice([1, 1, 2, 3, 4, 5, 8, 9, 17]),
            "num_layers": choose.randint(1, 3), "batch": choose.choice([1, 1, 2, 3, 4, 5, 8, 11]),
            "T": choose.choice([1, 2, 3, 4, 5, 7, 12])}
    if choose.random() < 0.08:
        case.update({"T": 200, "hidden_size": min(case["hidden_size"], 4), "batch": min(case["batch"], 3)})
    for key, share in (("bidirectional", 0.5), ("initial_state_given", 0.6), ("batch_first", 0.6), ("bias", 0.8)):
        case[key] = choose.random() < share
    if case["kind"] == "lstm" and case["hidden_size"] > 1 and choose.random() < 0.5:
        case["proj_size"] = choose.randint(1, case["hidden_size"] - 1)
    if choose.random() < 0.5:
        case["lengths"] = [choose.randint(1, case["T"]) for _ in range(case["batch"])]
        if choose.random() < 0.2:
            case["lengths"] = [case["lengths"][0]] * case["batch"]
    return case


def write(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    return path.stat().st_size


def main():
    if len(sys.argv) == 4:
        folder, count, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
        choose, numbers = random.Random(seed), numpy.random.RandomState(seed)
        draw = lambda *shape: torch.tensor(numbers.standard_normal(shape))
        for index in range(count):
            name = f"random_{seed}_{index}"
            write(folder / f"{name}.json", fixture(name, random_case(choose), draw))
        return
    numbers = numpy.random.RandomState(11)
    # What is given has three decimals, so that the files stay small.
    draw = lambda *shape: torch.tensor(numbers.standard_normal(shape).round(3))
    total = 0
    for name, case in CASES.items():
        size = write(HERE.parent / "fixtures" / f"{name}_more.json", fixture(f"{name}_more", case, draw))
        print(f"{name}_more.json: {size} bytes")
        total += size
    print(f"{len(CASES)} files, {total} bytes")


main()
