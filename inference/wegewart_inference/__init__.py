"""From an image to detections in its own pixels, on ONNX Runtime. What the vehicle runs is what is scored."""
