"""The command wegewart-train select: which frames, how many, where to."""

import argparse
import sys
from pathlib import Path

from wegewart_datasets.settings import REPOSITORY, DataSettings


def add_select_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command and its options."""
    select = commands.add_parser(
        "select",
        help="choose unlabelled frames to label next, as a CVAT task",
        description="Choose the frames of which a detector is unsure and which are unlike the others.",
    )
    select.add_argument(
        "source",
        nargs="+",
        help="folder of images, recorded drive, video, manifest or data.yaml; several are one pool",
    )
    select.add_argument("--out", type=Path, required=True, help="new folder for the task")
    select.add_argument("--count", type=int, default=100, help="frames to choose (default %(default)s)")
    select.add_argument(
        "--per-group", type=int, help="at most so many of a place or drive (default: a tenth)"
    )
    select.add_argument(
        "--explore", type=float, default=0.1, help="share chosen by unlikeness alone (default %(default)s)"
    )
    select.add_argument("--split", default="train", help="of data sets (default %(default)s)")
    select.add_argument("--every", type=int, default=1, help="each N-th frame of a drive or video")
    select.add_argument("--group-by", help="pattern for file names; its first bracket is the place or drive")
    select.add_argument(
        "--labelled",
        action="append",
        default=[],
        metavar="DATA",
        help="manifest or data.yaml whose train and val are labelled: nothing like them; may be repeated",
    )
    select.add_argument(
        "--bundle", type=Path, help="folder of the bundle (default: the damage bundle in use)"
    )
    select.add_argument("--models", type=Path, default=REPOSITORY / "models", help="folder with default.toml")
    select.add_argument("--allow-unsigned", action="store_true", help="take a bundle that is not signed")
    select.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")
    select.set_defaults(command=run_select)


def run_select(arguments: argparse.Namespace) -> int:
    """Exit code of the command: 1 where frames could not be read."""
    from wegewart.errors import CalledWrongly
    from wegewart_datasets.audit import TRAINED_ON
    from wegewart_datasets.feedback_guarding import reserved_for_scoring
    from wegewart_datasets.looks import LookBook
    from wegewart_inference.detector import Detector
    from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
    from wegewart_training.select_choice import ChoiceOptions
    from wegewart_training.select_frames import PoolOptions, candidates_of
    from wegewart_training.selection import SelectJob, check_out, select

    if arguments.every < 1:
        raise CalledWrongly("--every must be 1 or more")
    wanted = ChoiceOptions(arguments.count, arguments.per_group, arguments.explore)
    check_out(arguments.out)
    settings = DataSettings.load()
    folder = arguments.bundle or default_bundles(arguments.models).damage
    bundle = read_bundle(folder, Role.DAMAGE, allow_unsigned=arguments.allow_unsigned)
    options = PoolOptions((arguments.split,), arguments.every, arguments.group_by)
    candidates = candidates_of(arguments.source, options, settings)
    labelled = candidates_of(arguments.labelled, PoolOptions(TRAINED_ON), settings)
    with LookBook(settings.work) as book:
        reserved = reserved_for_scoring(settings, book)
    job = SelectJob(
        candidates=candidates,
        labelled=labelled,
        detector=Detector(bundle, arguments.threads),
        reserved=reserved,
        options=wanted,
        work=settings.work,
        out=arguments.out,
    )
    done = select(job)
    print(
        f"{arguments.out}: {len(done.choice.picks)} of {len(done.pool.candidates)} frames, at most "
        f"{done.choice.per_group} of a place or drive; task/annotations.xml, selected.csv, sheet.html"
    )
    for reason, count in (+done.choice.skipped).most_common():
        print(f"  {count} out: {reason}")
    if len(done.choice.picks) < arguments.count:
        print(f"  fewer than {arguments.count}: the pool has no more; add sources or raise --per-group")
    print(
        "wegewart-train: frames of drives show people: label them under your data protection rules",
        file=sys.stderr,
    )
    for candidate, fault in done.pool.faulty[:5]:
        print(f"wegewart-train: {candidate.key}: {fault}", file=sys.stderr)
    if done.pool.faulty:
        print(f"wegewart-train: {len(done.pool.faulty)} frames could not be read", file=sys.stderr)
    return 1 if done.pool.faulty else 0
