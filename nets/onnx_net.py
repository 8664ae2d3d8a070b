"""The weights of an AlexNet in an ONNX file, as arrays.

Two ONNX files are known, by the names of their tensors: BVLC's, as Caffe2 wrote it, and
torchvision's, as PyTorch exports it.  Of the file only the weights are read; its graph is looked
at, never run.  Nothing is ever unpickled, and no other file is opened.
"""
import os

NAMES = {                                   # in the order of the net's params
    "bvlc": [f"{layer}_{part}_0" for layer in (
        "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8") for part in "wb"],
    "torchvision": [f"{layer}.{part}" for layer in (
        "features.0", "features.3", "features.6", "features.8", "features.10",
        "classifier.1", "classifier.4", "classifier.6") for part in ("weight", "bias")],
}
# CaffeNet has BVLC's names and shapes, but pools before it normalises: only the graph tells.
ORDER = {"bvlc": ["LRN", "MaxPool", "LRN", "MaxPool", "MaxPool"], "torchvision": ["MaxPool"] * 3}
LARGEST = 10 ** 9                           # bytes of a file


def read_arrays(path):
    """What net an ONNX file holds, a key of NAMES, and its parameters, {label: array}; or
    ValueError."""
    tensors, order = parsed(path)
    name = recognised(path, tensors, order)
    arrays = {}
    for label in NAMES[name]:
        a = array(path, label, tensors[label])
        # ONNX's dense layers are (outputs, inputs), ours (inputs, outputs)
        arrays |= {f"{label} transposed": a.T} if a.ndim == 2 else {label: a}
    return name, arrays


def package():
    """The onnx package, or RuntimeError with the mend."""
    try:
        import onnx
    except ImportError as error:
        raise RuntimeError(f"weights in ONNX need the onnx package ({error}); pip install -r "
                           "requirements-onnx.txt") from error
    return onnx


def parsed(path):
    """{name: tensor} of an ONNX file, and which operations normalise and pool, in their order."""
    onnx = package()
    from google.protobuf.message import DecodeError
    if (size := os.path.getsize(path)) > LARGEST:
        raise wrong(path, f"{size:,} bytes, expected {LARGEST:,} at most")
    try:
        graph = onnx.load(path, format="protobuf", load_external_data=False).graph
        names = [tensor.name for tensor in graph.initializer]
        order = [node.op_type for node in graph.node if node.op_type in ("LRN", "MaxPool")]
    except (DecodeError, UnicodeDecodeError) as error:      # protobuf's versions differ
        raise wrong(path, f"not a whole ONNX file ({error})") from error
    if len(set(names)) < len(names):
        raise wrong(path, "two tensors of the same name")
    return dict(zip(names, graph.initializer, strict=True)), order


def recognised(path, tensors, order):
    """The name of the net whose tensors, all and no others, these are, or ValueError."""
    name = next((name for name in NAMES if NAMES[name][0] in tensors), None)
    if name is None:
        raise wrong(path, "no tensor is called " + " or ".join(n[0] for n in NAMES.values()))
    if missing := [label for label in NAMES[name] if label not in tensors]:
        raise wrong(path, f"no tensor is called {' or '.join(missing)}")
    # What else there is, the shape of a reshaping say, has one axis at most.
    if more := [label for label in tensors.keys() - NAMES[name] if len(tensors[label].dims) > 1]:
        raise wrong(path, f"weights too many: {sorted(map(str, more))}")
    if order != ORDER[name]:
        raise wrong(path, f"its net has {', '.join(order) or 'no LRN and no MaxPool'}; expected "
                    f"{', '.join(ORDER[name])}")
    return name


def array(path, label, tensor):
    """A tensor as an array of float32, or ValueError."""
    onnx = package()
    if tensor.data_location == onnx.TensorProto.EXTERNAL:   # to_array would go and read it
        raise wrong(path, f"{label} lies in another file; export with external_data=False")
    if tensor.data_type != onnx.TensorProto.FLOAT:
        raise wrong(path, f"{label} is of ONNX's type {tensor.data_type}, expected "
                    f"{onnx.TensorProto.FLOAT}, float32")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except ValueError as error:             # more or fewer numbers than its shape says
        raise wrong(path, f"{label} cannot be read ({error})") from error


def wrong(path, found):
    """The exception to raise: the file, what is wrong with it, and the mend."""
    return ValueError(f"{path}: {found}; experiments/README.md says which weights can be read")
