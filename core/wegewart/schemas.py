"""JSON Schemas of the two messages and of feedback, for those who speak to Wegewart in another language.

`python -m wegewart.schemas FOLDER` writes them; core/schemas holds the checked-in copy and a test
fails when it drifts.
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from wegewart.drive import DriveTrack
from wegewart.feedback import Feedback
from wegewart.observation import Observation

MESSAGES: dict[str, type[BaseModel]] = {
    "observation-1.json": Observation,
    "drive-track-1.json": DriveTrack,
    "feedback-1.json": Feedback,
}


def schema_texts() -> dict[str, str]:
    """Text of each schema file, by file name."""
    return {
        name: json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **message.model_json_schema()},
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
        for name, message in MESSAGES.items()
    }


def main(argv: list[str]) -> int:
    """Write the schemas into the folder named by the only argument."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m wegewart.schemas FOLDER\n")
        return 2
    folder = Path(argv[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
