"""Models on disk: an npz file with the architecture as JSON text and the parameters as one array. Nothing in it is run."""

from __future__ import annotations

import errno
import json
import operator
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.layers import LAYERS, Layer
from fastnn.losses import LOSSES

if TYPE_CHECKING:
    from fastnn.model import Sequential

FORMAT = "fastnn model 1"


@dataclass
class Content:
    """What a file holds, read but not yet believed: `model.load` builds a model of it."""

    config: dict[str, Any]
    parameters: NDArray[np.floating]

    @property
    def input_shape(self) -> list[int]:
        return self._value("input_shape", list)

    @property
    def seed(self) -> int:
        return self._value("seed", int)

    @property
    def dtype(self) -> str:
        return self.parameters.dtype.name

    @property
    def loss(self) -> str | None:
        return None if self.config.get("loss") is None else self._value("loss", str)

    def layers(self) -> list[Layer]:
        """New layers like those saved."""
        return [_layer(entry) for entry in self._value("layers", list)]

    def _value(self, name: str, kind: type) -> Any:
        value = self.config.get(name)
        if not isinstance(value, kind):
            raise ValueError(f"{name}: expected {kind.__name__}, got {value!r}")
        return value


def save(model: Sequential, path: str | Path) -> None:
    """Write the model beside the path and move it there when it is whole: an old file stays until then."""
    for place, layer in enumerate(model.layers):
        if type(layer) is not LAYERS.get(type(layer).__name__):
            raise TypeError(f"layers[{place}]: expected one of fastnn's own layers, got {layer!r}")
    config = {
        "format": FORMAT,
        "input_shape": model.input_shape,
        "seed": model.seed,
        "loss": model.loss.name if model.loss is not None and model.loss.name in LOSSES else None,
        "layers": [{"layer": type(layer).__name__, **layer.config()} for layer in model.layers],
    }
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no folder to save into", str(path.parent))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:  # with the mode that any new file of the user's gets
            np.savez(file, config=np.array(json.dumps(config, default=operator.index)), parameters=model.parameters)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | Path) -> Content:
    """Read the file's parts; FileNotFoundError or ValueError, naming the file."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            parts = archive.zip
            if parts is None or sum(part.file_size for part in parts.infolist()) > os.fstat(file.fileno()).st_size:
                raise ValueError("compressed, which no saved model is")  # a few bytes could stand for all memory there is
            config = json.loads(str(archive["config"]))
            parameters = archive["parameters"]
    except FileNotFoundError:
        raise
    except Exception as error:  # zlib, struct and others have errors of their own for what they can't read
        raise ValueError(f"{path}: not a model of fastnn's, or a damaged one: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ValueError(f"{path}: not a model of fastnn's: expected format {FORMAT!r}")
    return Content(config, parameters)


def _layer(entry: Any) -> Layer:
    """A layer from its saved settings."""
    if not isinstance(entry, dict) or entry.get("layer") not in LAYERS:
        raise ValueError(f"layers: expected one of {', '.join(LAYERS)}, got {entry!r}")
    settings = {name: tuple(v) if isinstance(v, list) else v for name, v in entry.items() if name != "layer"}
    return LAYERS[entry["layer"]](**settings)
