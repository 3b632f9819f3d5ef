import pytest

from orchestrator.api.strict_json import BadJson, parse

LONG_STRING_WITHOUT_END = b"[" * 70 + b'"' + rb"\"" * 200_000

REFUSED = {
    "NaN": b'{"x": NaN}',
    "Infinity": b'{"x": -Infinity}',
    "a number beyond any float": b'{"x": 1e999}',
    "a number of many digits": b'{"x": 0.' + b"1" * 5_000 + b"}",
    "a lone surrogate": rb'{"x": "\ud800"}',
    "a lone surrogate in a key": rb'{"\udfff": 1}',
    "a key twice": b'{"a": 1, "b": {"c": 1, "c": 2}}',
    "an integer beyond 2^53": b'{"x": 9007199254740993}',
    "an integer of 5,000 digits": b'{"x": ' + b"9" * 5_000 + b"}",
    "text after the value": b'{"x": 1} {"y": 2}',
    "no value": b"  ",
    "not JSON": b"scenario: CreateVideo",
    "a byte that is not UTF-8": b'{"x": "\xff"}',
    "a raw control character": b'{"x": "a\x00b"}',
    "65 levels": b"[" * 65 + b"]" * 65,
    "65 levels of objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "100,000 levels": b"[" * 100_000,
    "deep and an endless string": LONG_STRING_WITHOUT_END,
    "a mark of byte order": b'\xef\xbb\xbf{"x": 1}',
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_strict_json_is_refused(text: bytes) -> None:
    with pytest.raises(BadJson):
        parse(text)


def test_the_error_tells_line_and_column_but_no_value() -> None:
    with pytest.raises(BadJson) as caught:
        parse(b'{"password": "hunter2",\n oops}')

    assert (caught.value.line, caught.value.column) == (2, 2)
    assert "hunter2" not in str(caught.value)


def test_64_levels_and_brackets_within_strings_are_fine() -> None:
    assert parse(b"[" * 64 + b"]" * 64)
    assert parse(b'{"x": "' + b"[{" * 100 + rb"\"[" + b'"}') == {"x": "[{" * 100 + '"['}


def test_values_arrive_unchanged() -> None:
    text = '{"т": "Привет \\ud83d\\ude00 {{ 7*7 }}\\u0000", "n": [9007199254740992, -1.5e3, true, null]}'.encode()

    assert parse(text) == {"т": "Привет 😀 {{ 7*7 }}\x00", "n": [2**53, -1500.0, True, None]}
