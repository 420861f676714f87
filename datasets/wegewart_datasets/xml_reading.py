"""XML of annotation tools, element by element in bounded memory, without document types and entities.

The standard library's parser expands entities that a document defines, which is how a small file fills the
memory or reads others. No annotation tool writes a document type, so one is refused before it is read.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from wegewart.errors import DatasetInvalid

CHUNK_BYTES = 1 << 16


def elements_of(path: Path, tag: str) -> Iterator[Element]:
    """Every outermost element of this name with all that it holds; nothing else is kept.

    Raises:
        DatasetInvalid: If the file cannot be read, is no XML, or declares a document type.
    """
    found: list[Element] = []
    parser = _parser(path, tag, found)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                parser.Parse(chunk, False)
                yield from found
                found.clear()
        parser.Parse(b"", True)
    except (OSError, expat.ExpatError) as error:
        raise DatasetInvalid(f"{path} cannot be read as XML: {error}") from error
    yield from found


def _parser(path: Path, tag: str, found: list[Element]) -> expat.XMLParserType:
    builders: list[TreeBuilder] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if not builders and name == tag:
            builders.append(TreeBuilder())
        if builders:
            depth += 1
            builders[0].start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        if builders:
            depth -= 1
            builders[0].end(name)
            if depth == 0:
                found.append(builders.pop().close())

    def text(content: str) -> None:
        if builders:
            builders[0].data(content)

    def refuse(*_: object) -> None:
        raise DatasetInvalid(f"{path} declares a document type or entities: remove them, labels need none")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def number_of(element: Element, name: str, path: Path) -> float:
    """The number in a child element.

    Raises:
        DatasetInvalid: If there is no such child, or it holds no number.
    """
    text = element.findtext(name)
    try:
        return float(text or "")
    except ValueError:
        raise DatasetInvalid(f"{path}: <{element.tag}> has {text!r} as <{name}>, not a number") from None
