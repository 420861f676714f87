"""A town with known truth: streets, damages, drives over them, and what a camera would have reported.

Order of the story: `setting` (every parameter and why), `world` (streets and damages), `passing` (where the
vehicle really was, what its receiver said), `seeing` (boxes in frames), then either `recording` (drives on
disk for `wegewart-edge locate`) or `estimating` (the vehicle's own code in memory), and `scoring` against the
truth. `rendering` draws frames. Nothing of the truth reaches the estimator; README.md shows how to use it.
"""
