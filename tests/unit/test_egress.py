"""Where webhooks may go: every way to say an address that is not public is refused, at registration and when sending."""

import httpx
import pytest

from orchestrator.egress import Egress, NotAllowed, Unresolved, is_public

REFUSED = (
    "https://127.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/",
    "https://0/", "https://[::1]/", "https://[::]/", "https://[::ffff:10.0.0.1]/", "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/", "https://[2001:0:a00:1::]/", "https://[fe80::1]/",
    "https://[fc00::1]/", "https://[ff02::1]/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data", "https://100.64.0.1/", "https://198.18.0.1/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://240.0.0.1/", "https://localhost/", "https://localhost./",
    "https://127\u30020\u30020\u30021/",
)  # fmt: skip
MALFORMED = (
    "", "x", "//example.org", "http://example.org", "file:///etc/passwd", "gopher://example.org", "ftp://example.org",
    "https://", "https:///x", "https://user@example.org", "https://user:word@example.org",
    "https://example.org/#here", "https://example.org:22/", "https://example.org:6379/", "https://example.org:0/",
    "https://example.org:65536/", "https://example.org:99999/", "https://example.org:-1/", "https://example.org:x/",
    "https://exa\r\nmple.org/", "https://example.org/\x00", "javascript:alert(1)", "https://" + "a" * 2_000,
    "https://\uff11\uff12\uff17.0.0.1/", "https://xn--/", "https://xn--a.example.org/",
)  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_a_url_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed):
        Egress().check(text)


@pytest.mark.parametrize("text", REFUSED)
async def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    egress = Egress()
    with pytest.raises(NotAllowed):
        await egress.addresses(egress.check(text))


@pytest.mark.parametrize("text", ["https://a..b/", "https://" + "a" * 64 + ".org/", "https://name.invalid/"])
async def test_a_host_without_an_address_is_refused_as_such(text: str) -> None:
    egress = Egress()
    with pytest.raises(Unresolved):
        await egress.addresses(egress.check(text))


@pytest.mark.parametrize(
    "text",
    [
        "https://93.184.215.14/",
        "https://[2606:4700:4700::1111]:8443/x?y=z",
        "https://8.8.8.8:443/",
        "https://1.1.1.1:80/",
    ],
)
async def test_a_public_address_is_taken(text: str) -> None:
    egress = Egress()
    assert await egress.addresses(egress.check(text)) == [httpx.URL(text).host]


def test_a_refusal_does_not_repeat_the_url() -> None:
    with pytest.raises(NotAllowed) as caught:
        Egress().check("https://example.org:22/a-secret")
    assert "a-secret" not in str(caught.value)


async def test_settings_let_more_pass() -> None:
    with pytest.raises(NotAllowed):
        Egress(allow_private=True).check("http://127.0.0.1:6379/")

    egress = Egress(allow_http=True, allow_private=True)

    assert await egress.addresses(egress.check("http://127.0.0.1:6379/")) == ["127.0.0.1"]
    with pytest.raises(NotAllowed):
        egress.check("http://user@127.0.0.1/")


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "fe80::1%eth0", "2001:db8::1", "3fff::1", "192.0.2.1", "::"]
)
def test_what_is_no_public_address_is_none(text: str) -> None:
    assert not is_public(text)


async def test_one_private_address_among_public_ones_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.egress._resolved", lambda *_: ["93.184.215.14", "10.0.0.1"])
    egress = Egress()
    with pytest.raises(NotAllowed, match="not public"):
        await egress.addresses(egress.check("https://example.org/"))
