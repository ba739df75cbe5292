"""TensorBoard's own reader on the files of write_events. Exit status 77: there is no TensorBoard here."""
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util
except ImportError as error:
    print(f"skipped: no TensorBoard for this Python ({error})")
    sys.exit(77)


def expect(what, got, want):
    if got != want:
        sys.exit(f"{what}: expected {want}, got {got}")


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], folder], check=True)
    run = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "tensors": 0}).Reload()
    expect("scalars", sorted(run.Tags()["scalars"]), ["lr", "train/loss"])
    # Nothing of the earlier run, and of the resumed one what was written again.
    loss = [(event.step, round(event.value, 5)) for event in run.Scalars("train/loss")]
    expect("train/loss", loss, [(1, 1.0), (2, 0.5), (3, 0.33333), (4, 40.0), (5, 50.0), (6, 60.0)])
    (event,) = run.Histograms("weight")
    value = event.histogram_value
    expect("histogram", (event.step, value.min, value.max, value.num, value.sum, value.sum_squares),
           (2, -1.5, 0.25, 3.0, -1.0, 2.375))
    expect("buckets", [count for count in value.bucket if count], [1.0, 2.0])
    (event,) = run.Tensors("model")
    expect("text", tensor_util.make_ndarray(event.tensor_proto).item(), b"    gru  960")
    expect("plugin", run.SummaryMetadata("model").plugin_data.plugin_name, "text")
print("TensorBoard reads what was written")
