#!/usr/bin/env python3
"""PyTorch's side of the exchange of models. By hand, with PyTorch 1.13 and NumPy 1.24:

    /usr/bin/python3 tests/training/models/torch_models.py             the files of tests/training/models/data

In the tests, where PyTorch is installed (else exit code 77, which ctest shows as skipped):

    torch_models.py --check WRITER FOLDER     runs WRITER FOLDER, a program that writes models of Unroll's and what
                                              they compute, loads each into a PyTorch module and compares

A file of data holds a model's weights as "model.NAME", its input, its results in double ("double.output" ..) and, from
the same model in float, "float.output" .. Weights and inputs are floats, so that both models are the same. The same
PyTorch and NumPy give the same files.
"""

import json
import pathlib
import struct
import subprocess
import sys

SKIPPED = 77
try:
    import numpy
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
except ImportError as error:
    print(f"skipped: PyTorch or NumPy is not installed for this Python ({error})")
    sys.exit(SKIPPED)

DATA = pathlib.Path(__file__).resolve().parent / "data"
DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
          torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}


def raw_bytes(tensor):
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.contiguous().numpy().tobytes()


def write_safetensors(path, tensors, metadata=None):
    """The format in a few lines: header length, JSON header, elements. Wide elements first, so that all are aligned."""
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name in sorted(tensors, key=lambda n: (-tensors[n].element_size(), n)):
        piece = raw_bytes(tensors[name])
        header[name] = {"dtype": DTYPES[tensors[name].dtype], "shape": list(tensors[name].shape),
                        "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", {})
    types = {"F32": numpy.float32, "F64": numpy.float64}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(content[8 + length + begin:8 + length + end], types[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors, metadata


def read_npz(path):
    with numpy.load(path) as archive:
        tensors = {name: torch.from_numpy(archive[name]) for name in archive.files if not name.endswith(".json")}
        metadata = json.loads(archive["__metadata__.json"]) if "__metadata__.json" in archive.files else {}
    return tensors, metadata


# --- modules and how they are run: inputs by name -> outputs by name

class Tagger(torch.nn.Module):
    """Words to tags: what a program of one's own would be, layers in a module under names of its own."""

    def __init__(self, words, size, hidden, tags):
        super().__init__()
        self.embedding = torch.nn.Embedding(words, size)
        self.norm = torch.nn.LayerNorm(size)
        self.encoder = torch.nn.LSTM(size, hidden, num_layers=2, bidirectional=True)
        self.decoder = torch.nn.GRU(2 * hidden, hidden)
        self.head = torch.nn.Linear(hidden, tags)

    def forward(self, ids):
        return self.head(self.decoder(self.encoder(self.norm(self.embedding(ids)))[0])[0])


def run_recurrent(module, inputs):
    x, lengths = inputs["input"], inputs.get("lengths")
    if lengths is None:
        y, states = module(x)
    else:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, states = module(packed)
        y, _ = pad_packed_sequence(y, total_length=x.shape[0])
    if isinstance(states, tuple):
        return {"output": y, "h_n": states[0], "c_n": states[1]}
    return {"output": y, "h_n": states}


def run_plain(module, inputs):
    return {"output": module(inputs["input"])}


def recurrent(kind, **options):
    kinds = {"rnn_tanh": lambda **o: torch.nn.RNN(nonlinearity="tanh", **o),
             "rnn_relu": lambda **o: torch.nn.RNN(nonlinearity="relu", **o),
             "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    return kinds[kind](**options)


def cases():
    torch.manual_seed(20240229)
    x = torch.randn(6, 3, 4)  # (T,B,I)
    lengths = torch.tensor([4, 6, 1])
    plain, ragged = {"input": x}, {"input": x, "lengths": lengths}
    both = {"num_layers": 2, "bidirectional": True}
    sizes = {"input_size": 4, "hidden_size": 5}
    yield "rnn_tanh", recurrent("rnn_tanh", **sizes), run_recurrent, plain
    yield "rnn_relu_2layer_bidir_ragged", recurrent("rnn_relu", **sizes, **both), run_recurrent, ragged
    yield "lstm", recurrent("lstm", **sizes), run_recurrent, plain
    yield "lstm_no_bias", recurrent("lstm", **sizes, bias=False), run_recurrent, plain
    yield "lstm_2layer_bidir_ragged", recurrent("lstm", **sizes, **both), run_recurrent, ragged
    yield "lstm_proj_2layer_bidir_ragged", recurrent("lstm", **sizes, **both, proj_size=3), run_recurrent, ragged
    yield "gru", recurrent("gru", **sizes), run_recurrent, plain
    yield "gru_3layer_bidir_ragged", recurrent("gru", **sizes, num_layers=3, bidirectional=True), run_recurrent, ragged
    yield "linear", torch.nn.Linear(4, 7), run_plain, plain
    yield "embedding", torch.nn.Embedding(9, 4), run_plain, {"input": torch.tensor([[0, 8, 3], [3, 1, 7]])}
    norm = torch.nn.LayerNorm(4)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    yield "layer_norm", norm, run_plain, plain
    yield "tagger", Tagger(11, 4, 5, 6), run_plain, {"input": torch.randint(0, 11, (6, 3))}


def to_double(inputs):
    return {name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}


def results(name, module, run, inputs):
    with torch.no_grad():
        in_float = run(module, inputs)
        in_double = run(module.double(), to_double(inputs))
    tensors = {f"float.{key}": t for key, t in in_float.items()}
    tensors.update({f"double.{key}": t for key, t in in_double.items()})
    tensors.update(inputs)
    return tensors


def write_data():
    DATA.mkdir(exist_ok=True)
    for name, module, run, inputs in cases():
        tensors = {f"model.{key}": t.clone() for key, t in module.state_dict().items()}
        tensors.update(results(name, module, run, inputs))
        if name in ("gru", "tagger"):  # a file each in NumPy's format
            numpy.savez_compressed(DATA / f"{name}.npz", **{key: t.numpy() for key, t in tensors.items()})
        else:
            write_safetensors(DATA / f"{name}.safetensors", tensors, {"case": name, "torch": torch.__version__})

    # Element types, with what they are as float.
    torch.manual_seed(7)
    values = torch.cat([torch.randn(40), torch.tensor([0.0, -0.0, 65504.0, 5.9604645e-8, -6.1e-5, 1e-9, 3e38,
                                                       float("inf"), float("-inf"), float("nan")])]).reshape(10, 5)
    half, brain = values.half(), values.bfloat16()
    write_safetensors(DATA / "types.safetensors", {
        "f16": half, "f16.float": half.float(), "bf16": brain, "bf16.float": brain.float(),
        "f64": values.double(), "i64": torch.tensor([-2**63, 2**63 - 1]), "i32": torch.tensor([-5, 6], dtype=torch.int32),
        "u8": torch.tensor([0, 255], dtype=torch.uint8), "bool": torch.tensor([True, False, True])})
    print(f"{sum(f.stat().st_size for f in DATA.iterdir())} bytes in {DATA}")


# --- what Unroll wrote

def module_for(settings):
    """The module that the metadata of a file describe."""
    number = {key: int(value) for key, value in settings.items() if value.isdigit()}
    kind = settings["kind"]
    if kind in ("rnn_tanh", "rnn_relu", "lstm", "gru"):
        return recurrent(kind, input_size=number["input"], hidden_size=number["hidden"], num_layers=number["layers"],
                         bidirectional=settings["bidirectional"] == "true", bias=settings["bias"] == "true",
                         **({"proj_size": number["projection"]} if kind == "lstm" else {})), run_recurrent
    if kind == "linear":
        return torch.nn.Linear(number["input"], number["output"]), run_plain
    if kind == "embedding":
        return torch.nn.Embedding(number["input"], number["output"]), run_plain
    if kind == "layer_norm":
        return torch.nn.LayerNorm(number["input"]), run_plain
    return Tagger(number["words"], number["input"], number["hidden"], number["output"]), run_plain


def check_model(path):
    weights, settings = read_npz(path) if path.suffix == ".npz" else read_safetensors(path)
    data, _ = read_npz(path.parent / (path.stem + ".data.npz"))
    module, run = module_for(settings)
    dtype = next(iter(weights.values())).dtype
    module.to(dtype).load_state_dict(weights, strict=True)
    inputs = {key: t for key, t in data.items() if key in ("input", "lengths")}
    with torch.no_grad():
        outputs = run(module, inputs)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    wanted = set(data) - set(inputs)
    if wanted != set(outputs):
        raise SystemExit(f"{path.name}: expected results {sorted(outputs)}, got {sorted(wanted)}")
    worst = 0.0
    for key, ours in outputs.items():
        theirs = data[key]
        if theirs.dtype != dtype or theirs.shape != ours.shape:
            raise SystemExit(f"{path.name} {key}: expected {ours.shape} {dtype}, got {theirs.shape} {theirs.dtype}")
        error = ((ours - theirs).abs() / ours.abs().clamp(min=1.0)).max().item()
        worst = max(worst, error)
        if not error <= tolerance:
            raise SystemExit(f"{path.name} {key}: expected PyTorch's values within {tolerance}, got an error of {error}")
    print(f"{path.name}: {len(weights)} tensors loaded strictly, largest error {worst:.1e}")


def check(writer, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    subprocess.run([writer, str(folder)], check=True)
    models = sorted(p for p in folder.iterdir() if not p.name.endswith(".data.npz"))
    for path in models:
        check_model(path)
    if len(models) < 20:
        raise SystemExit(f"expected at least 20 models in {folder}, got {len(models)}")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--check":
        check(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 1:
        write_data()
    else:
        raise SystemExit(__doc__)
