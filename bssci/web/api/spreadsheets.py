"""CSV as spreadsheets write and read it: any of their encodings, separators and words in; nothing out that
they would change, or carry out.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable

from bssci.web.http.errors import ApiError

CSV = "text/csv"
ANY = "application/octet-stream"
"""type of a file that is CSV or JSON, which its first character tells"""
MARK = codecs.BOM_UTF8
"""stands at the begin of a file that goes out: without it, Excel takes it for the code page of Windows"""
SEPARATORS = (",", ";", "\t")
TRUE = frozenset({"true", "1", "yes", "wahr", "ja", "vrai", "oui", "verdadero", "vero", "waar"})
"""true as people and the Excels of several languages write it"""
FALSE = frozenset({"false", "0", "no", "falsch", "nein", "faux", "non", "falso", "onwaar"})

LOST_DIGITS = "was made a number by a spreadsheet, which lost digits: format the column as text"
"""message for a cell that :func:`is_made_a_number`"""

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""begin of .xlsx and of .xls"""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_AS_TEXT = re.compile(r'="((?:[^"]|"")*)"')
_SEP = re.compile(r'\s*(?P<quote>"?)sep=(?P<separator>.)(?P=quote)\s*', re.IGNORECASE)
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_PLAIN_NUMBER = re.compile(r"0|[1-9]\d{0,14}")
_MAYBE_NUMBER = re.compile(r"[\d.,:/\-+ %€$£]*\d[\d.,:/\-+ %€$£]*(?:[Ee][+\-]?\d+)?")
_MADE_A_NUMBER = re.compile(r"\d(?:[.,]\d+)?E[+-]?\d+", re.IGNORECASE)
_MONTH = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zé]*\.?"
_DATE = re.compile(rf"\d{{1,4}}[\s.\-/]*{_MONTH}[\s.\-/\d]*|{_MONTH}[\s.\-/]*\d[\s.,\-/\d]*", re.IGNORECASE)


def decoded(data: bytes, *, is_csv: bool) -> str:
    """Return a file's text, from UTF-8, UTF-16 or, if it is CSV, the code page of Windows.

    :raises ApiError: 400, it has neither form.
    """
    if data.startswith(_WORKBOOKS):
        raise ApiError(400, "malformed", "this is a workbook: save it as CSV", "body")
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            return _decoded(data.removeprefix(mark), encoding)
    if b"\0" in data[:2]:
        return _decoded(data, "utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if not is_csv:
            raise _not("UTF-8", error) from None
    return _decoded(data, "cp1252")


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding == "cp1252" else encoding.upper()
        raise _not(name, error) from None


def _not(name: str, error: UnicodeDecodeError) -> ApiError:
    return ApiError(
        400, "malformed", f"the file is not {name} (byte {error.start + 1}): save it as UTF-8", "body"
    )


def read_rows(text: str) -> Iterable[list[str]]:
    """Yield the rows of a file; what stands between cells is told by ``sep=``, or by the first row.

    :raises csv.Error: it is no CSV.
    """
    head, *_ = _END_OF_LINE.split(text, 1)
    told = _SEP.fullmatch(head)
    if told is not None:
        text = text[len(head) :].lstrip("\r\n")
        head, *_ = _END_OF_LINE.split(text, 1)
    separator = told["separator"] if told is not None else max(SEPARATORS, key=head.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def write_rows(rows: Iterable[Iterable[object]], separator: str = ",") -> bytes:
    """Return rows as a file; guard their texts before."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows(rows)
    return MARK + out.getvalue().encode("utf-8", "replace")


def guarded(text: str) -> str:
    """Return a cell with ``'`` in front where a spreadsheet would alter it: see :func:`is_guarded`."""
    return f"'{text}" if is_guarded(text) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell: without a guard, or the ``="…"`` by which people keep a text as it is."""
    if cell.startswith("'") and is_guarded(cell[1:]):
        return cell[1:]
    kept = _AS_TEXT.fullmatch(cell.strip())
    return kept[1].replace('""', '"') if kept else cell.strip()


def is_guarded(text: str) -> bool:
    """Return whether a spreadsheet would change a text, or carry it out: a formula, spaces at either end, a
    number that loses its zeros or becomes a date, a word for true or false. So for a text that looks guarded.
    """
    text = text.lstrip("'")
    return text.strip() != text or text.startswith(_FORMULA) or _is_changed(text)


def _is_changed(text: str) -> bool:
    if len(text) > 40 or _PLAIN_NUMBER.fullmatch(text):
        return False
    # A single digit is a word for true or false, too, and stays.
    word = text.lower()
    is_word = word in TRUE or word in FALSE
    return is_word or bool(_MAYBE_NUMBER.fullmatch(text) or _DATE.fullmatch(text))


def is_made_a_number(text: str, digits: int) -> bool:
    """Return whether a spreadsheet turned so many hexadecimal digits into a number."""
    if len(text) == digits:
        return False
    return bool(_MADE_A_NUMBER.fullmatch(text)) or (text.isascii() and text.isdigit() and len(text) < digits)
