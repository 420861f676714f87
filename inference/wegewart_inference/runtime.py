"""ONNX Runtime, silenced before it is loaded. Nothing else in the project imports onnxruntime itself.

Since 1.31 the official builds report to Microsoft by default, on Linux too: they keep a device id below the
home folder and upload over HTTPS (onnxruntime/Privacy.md). A vehicle sends nothing but observations, so the
switch is set here, before the library initialises; afterwards it would come too late.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]
