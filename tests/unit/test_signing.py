"""Signatures are those of Standard Webhooks."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from orchestrator.signing import BadSecret, key_of, new_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_known_example_has_the_known_signature() -> None:
    made = signature([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_secret_signs_and_each_signature_is_that_of_the_library() -> None:
    keys = [new_secret(), SECRET]
    at = datetime.fromtimestamp(1_700_000_000, UTC)

    made = signature(keys, "abc", 1_700_000_000, "{\u0430}".encode()).split(" ")

    assert made == [Webhook(key).sign("abc", at, "{\u0430}") for key in keys]


def test_a_new_secret_is_32_bytes_that_nobody_knows() -> None:
    assert len(key_of(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    "text",
    [
        "", "whsec_", SECRET.removeprefix("whsec_"), "whsk_" + "A" * 44, SECRET + "!", "whsec_" + "\u0410" * 44,
        "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + base64.b64encode(b"x" * 65).decode(),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(BadSecret) as caught:
        key_of(text)
    assert not text or text not in str(caught.value) or text == "whsec_"
